"""Connected mode in the running box: two stations whose TNCs are joined by a wire, called by the channel layer."""

import asyncio
import contextlib

import pytest

from edge.consumers import AsyncWebsocketConsumer
from edge.desired import Desired, DeviceWish, RouteWish
from edge.layers import InMemoryChannelLayer
from edge.supervisor import Supervisor
from tests.scenarios.running import SOON, eventually

US, THEM = "QQ1EDG-1", "QQ1MIA-7"
CHAT = "tests.edge.samples.ChatConsumer"
HEARD = []  # by the terminal


class Wire:
    """Two KISS TNCs over TCP: what one is told to send, the other hears."""

    async def __aenter__(self):
        self.writers = {}
        self.servers = [await asyncio.start_server(self._join(side), "127.0.0.1", 0) for side in (0, 1)]
        self.ports = [server.sockets[0].getsockname()[1] for server in self.servers]
        return self

    async def __aexit__(self, *_):
        for writer in self.writers.values():
            writer.close()
        for server in self.servers:
            server.close()
            await server.wait_closed()

    def _join(self, side):
        async def relay(reader, writer):
            self.writers[side] = writer
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(4096):
                    if other := self.writers.get(1 - side):
                        other.write(data)
            writer.close()

        return relay


class Terminal(AsyncWebsocketConsumer):
    """Says hello and notes what it hears."""

    async def connect(self, message):
        await self.accept()
        await self.send(text="hello")

    async def receive(self, text):
        HEARD.append(text)

    async def disconnect(self, message):
        HEARD.append(message["reason"])


@pytest.fixture
async def box():
    """Give a function that runs the two stations; it returns their layer and how to change what is wanted."""
    layer = InMemoryChannelLayer()
    supervisor = Supervisor(layer=layer)
    HEARD.clear()
    async with Wire() as wire:

        def wanted(*routes, **transmit):
            devices = tuple(
                DeviceWish(
                    name=name,
                    kind="ax25",
                    link=f"tcp://127.0.0.1:{port}",
                    options={"callsign": callsign, "air_baud": 1_000_000},
                    transmit=transmit.get(name, True),
                )
                for name, callsign, port in zip(("here", "there"), (US, THEM), wire.ports, strict=True)
            )
            return Desired(devices=devices, routes=routes)

        async def run(*routes, **transmit):
            await supervisor.apply(wanted(*routes, **transmit))
            await eventually(
                lambda: all(status.text == "up" for status in supervisor.status()) and len(wire.writers) == 2,
                supervisor.status,
            )
            return layer, supervisor

        yield run
        await supervisor.stop()


async def answer(layer):
    async with asyncio.timeout(SOON):
        return await layer.receive("me")


SERVES = RouteWish(device="here", consumer=CHAT)
CALLS = RouteWish(device="there", consumer=f"{__name__}.Terminal", options={"answer": False, "retries": 1})


async def test_a_call_by_the_channel_opens_a_conversation_and_says_so(box):
    layer, supervisor = await box(SERVES, CALLS)
    await layer.send("device.there", {"type": "ax25.call", "peer": US, "reply_channel": "me"})
    assert await answer(layer) == {
        "type": "ax25.called",
        "device": "there",
        "peer": US,
        "callsign": THEM,
        "connected": True,
        "reason": "",
    }
    await eventually(lambda: len(HEARD) == 2, HEARD)
    assert HEARD == ["[Welcome Anonymous!]", "Anonymous: hello"]
    await supervisor.apply(Desired())
    await eventually(lambda: len(HEARD) == 3, HEARD)


async def test_routes_that_share_a_callsign_do_not_disturb_each_other(box):
    quiet = RouteWish(device="here", consumer="edge.contrib.echo.AsyncEcho", options={"answer": False})
    strangers = RouteWish(device="here", consumer="edge.contrib.echo.AsyncEcho", match="source=QQ2*")
    second = RouteWish(device="here", consumer="edge.contrib.echo.AsyncEcho")
    layer, _ = await box(quiet, strangers, SERVES, second, CALLS)
    await layer.send("device.there", {"type": "ax25.call", "peer": US, "reply_channel": "me"})
    assert (await answer(layer))["connected"]
    await eventually(lambda: len(HEARD) == 2, HEARD)
    assert HEARD == ["[Welcome Anonymous!]", "Anonymous: hello"]


async def test_a_route_with_an_ssid_of_its_own_answers_that_alone(box):
    other = RouteWish(device="here", consumer=CHAT, options={"callsign": "QQ1EDG-2"})
    layer, _ = await box(other, CALLS)
    await layer.send("device.there", {"type": "ax25.call", "peer": US, "reply_channel": "me"})
    await layer.send("device.there", {"type": "ax25.call", "peer": "QQ1EDG-2", "reply_channel": "me"})
    assert (await answer(layer))["peer"] == "QQ1EDG-2", "the other is still being called"


@pytest.mark.parametrize(
    ("routes", "transmit", "call", "reason"),
    [
        ((), {}, {}, f"no route of this device carries connections as {THEM}"),
        ((CALLS,), {}, {"callsign": "QQ1EDG-9"}, "no route of this device carries connections as QQ1EDG-9"),
        ((CALLS,), {"there": False}, {}, "not transmitted: transmitting is off for there; a person can allow it"),
        (
            (CALLS, RouteWish(device="here", consumer=CHAT, options={"answer": False})),
            {},
            {},
            "the peer refused the call",
        ),
    ],
)
async def test_a_call_that_comes_to_nothing_says_why(box, routes, transmit, call, reason):
    layer, _ = await box(*routes, **transmit)
    await layer.send("device.there", {"type": "ax25.call", "peer": US, "reply_channel": "me", **call})
    told = await answer(layer)
    assert told["connected"] is False
    assert told["reason"].startswith(reason)


async def test_a_station_that_may_not_transmit_answers_nobody(box):
    layer, supervisor = await box(SERVES, CALLS, here=False)
    await layer.send("device.there", {"type": "ax25.call", "peer": US})
    await eventually(lambda: supervisor.status()[0].refused, supervisor.status)
    assert supervisor.status()[0].sent == 0
    assert HEARD == []
