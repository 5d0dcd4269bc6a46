"""What pages of another process ask of a box beside its status."""

import json
import types

import pytest

from django_site import box
from django_site.answers import answer
from django_site.stations.recorder import PacketLog
from edge.outbox import OutboxRefused

pytestmark = pytest.mark.django_db(databases=["default", "history"], transaction=True)


class FullOutbox:
    async def put(self, device, event, expires):
        if device == "vhf":
            raise OutboxRefused("the disk is full")
        assert (event, expires) == ({"type": "serial.send", "bytes": b"\x00\xff"}, 5.0)
        return 7


@pytest.fixture
def running(monkeypatch):
    """What is asked of a box, by hand but for the log of packets, which is a real one."""
    found = types.SimpleNamespace(packets=PacketLog(), outbox=FullOutbox(), ports=types.SimpleNamespace(ports=()))
    monkeypatch.setattr(box, "_current", found)
    return found


async def ask(running, method, path, content=None):
    async def body():
        return content if isinstance(content, bytes) else json.dumps(content).encode() if content is not None else b""

    return await answer(running, method, path, body)


async def test_what_is_not_in_the_history_yet_is_told_newest_last(running):
    for text in ("older", "newer"):
        running.packets.add("vhf", "heard", {"type": "aprs.receive", "source": "QQ1ABC", "summary": text})
    status, content = await ask(running, "POST", "/unwritten", {"count": 1})
    assert status == 200
    assert [line["text"] for line in content["lines"]] == ["newer"]


async def test_what_is_plugged_in_is_told_by_who_may_look(running):
    status, content = await ask(running, "POST", "/plugged", {"listened": ""})
    assert (status, content["heard"]) == (200, {})
    assert content["way"].startswith("found by ")
    assert await ask(running, "GET", "/nobodys") == (200, {"paths": []})


async def test_an_event_is_kept_whole_or_refused_with_the_reason(running):
    wish = {"device": "line", "event": {"type": "serial.send", "bytes": {"hex": "00ff"}}, "expires": 5.0}
    assert await ask(running, "POST", "/keep", wish) == (200, {"number": 7})
    assert await ask(running, "POST", "/keep", {**wish, "device": "vhf"}) == (409, {"error": "the disk is full"})


@pytest.mark.parametrize(
    ("path", "content"),
    [("/unwritten", {}), ("/unwritten", {"count": "many"}), ("/unwritten", b"{"), ("/keep", [1]), ("/plugged", {})],
)
async def test_what_is_not_understood_is_said_and_harms_nothing(running, path, content):
    status, answered = await ask(running, "POST", path, content)
    assert status == 400
    assert answered["error"].startswith("not understood")


async def test_another_address_is_none(running):
    assert await ask(running, "GET", "/keep") == (404, {"error": "no such address"})
