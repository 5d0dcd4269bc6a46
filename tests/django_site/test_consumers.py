"""The live page's WebSocket, by hand: a queue in, a list out."""

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from django_site.dashboard.consumers import LiveConsumer, TapEncoder
from django_site.stations.models import Packet
from edge.layers import InMemoryChannelLayer, channel_layers

pytestmark = pytest.mark.django_db(databases=["default", "history"], transaction=True)

SOMEBODY = SimpleNamespace(is_authenticated=True)
NOBODY = SimpleNamespace(is_authenticated=False)
TAP = {
    "type": "tap.event",
    "device": "vhf",
    "direction": "heard",
    "event": {"type": "aprs.receive", "source": "QQ1ABC", "time": 5.0, "summary": "<b>hi</b>"},
    "reason": "",
}


class Page:
    """An open page: what it was told, and a way to leave."""

    def __init__(self, user, query=b""):
        self.told = asyncio.Queue()
        self.reads = asyncio.Event()  # cleared, the page takes nothing more: a browser on a bad line
        self.reads.set()
        self._incoming = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "path": "/ws/live/", "query_string": query, "user": user, "headers": []}
        self.task = asyncio.create_task(LiveConsumer.as_asgi()(scope, self._incoming.get, self._send))

    async def _send(self, event):
        await self.reads.wait()
        await self.told.put(event)

    async def next(self):
        return await asyncio.wait_for(self.told.get(), 5)

    async def message(self):
        return json.loads((await self.next())["text"])

    async def leave(self):
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(self.task, 5)


@pytest.fixture
def layer():
    fresh = InMemoryChannelLayer()
    old = channel_layers.set("default", fresh)
    yield fresh
    channel_layers.set("default", old) if old else channel_layers.backends.pop("default")


async def test_strangers_are_refused_and_told_nothing(layer):
    page = Page(NOBODY)
    assert (await page.next())["type"] == "websocket.close"
    await layer.group_send("tap", TAP)
    await page.leave()
    assert page.told.empty()


async def test_a_page_begins_with_status_and_history_and_follows_what_comes(layer):
    now = datetime.now(UTC)
    for text in ("older", "newer"):
        await Packet.objects.acreate(time=now, device="vhf", direction="heard", source="QQ1X", summary=text, info=b"")
    page = Page(SOMEBODY)
    assert (await page.next())["type"] == "websocket.accept"
    assert await page.message() == {"type": "status", "devices": []}
    told = await page.message()
    assert (told["type"], told["problems"]) == ("problems", [told["absent"]])
    assert told["absent"].startswith("the devices' process is not running")
    history = await page.message()
    assert [packet["text"] for packet in history["packets"]] == ["older", "newer"]
    await layer.group_send("tap", TAP)
    packet = (await page.message())["packet"]
    assert (packet["source"], packet["text"], packet["direction"], packet["time"]) == (
        "QQ1ABC",
        "<b>hi</b>",
        "heard",
        5.0,
    )
    await layer.group_send("status", {"type": "status.changed", "devices": [{"name": "vhf"}]})
    assert await page.message() == {"type": "status", "devices": [{"name": "vhf"}]}
    await page.leave()


async def test_a_page_that_shows_no_packets_is_sent_none(layer):
    page = Page(SOMEBODY, b"only=status")
    await page.next()
    assert [(await page.message())["type"] for _ in range(2)] == ["status", "problems"]
    await layer.group_send("tap", TAP)
    await layer.group_send("status", {"type": "status.changed", "devices": []})
    assert (await page.message())["type"] == "status"
    await page.leave()


async def test_a_page_is_told_what_is_wrong_now_and_all_anew_after_a_gap_in_the_layer(layer):
    page = Page(SOMEBODY, b"only=status")
    for _ in range(3):
        await page.next()
    await layer.group_send("status", {"type": "problems.changed", "problems": ["no broker"], "absent": ""})
    assert await page.message() == {"type": "problems", "problems": ["no broker"], "absent": ""}
    layer.tell_attached({"type": "layer.restored"})
    assert [(await page.message())["type"] for _ in range(2)] == ["status", "problems"]
    await page.leave()


async def test_what_did_not_fit_is_counted_on_the_page(layer):
    page = Page(SOMEBODY)
    for _ in range(4):
        await page.next()
    page.reads.clear()
    for _ in range(300):  # more than its mailbox takes
        await layer.group_send("tap", TAP)
    page.reads.set()
    kinds = set()
    while "dropped" not in kinds:
        message = await page.message()
        kinds.add(message["type"])
    assert message["count"] > 0
    await page.leave()


def test_a_message_is_put_into_words_once_for_all_pages():
    encode = TapEncoder()
    first = encode(TAP)
    assert encode(TAP) is first
    other = encode({**TAP, "device": "hf"})
    assert '"device":"hf"' in other
