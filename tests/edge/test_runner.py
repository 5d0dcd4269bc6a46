import asyncio
import logging
from dataclasses import replace

import pytest

from edge import device_channel, registry
from edge.errors import ConfigError, LinkLost, LocalProtocolError, RemoteProtocolError
from edge.fanout import Leg
from edge.gate import Licence
from edge.layers import InMemoryChannelLayer
from edge.registry import Device, Kind
from edge.runner import DevicePlan, Runner
from edge.status import DeviceBoard, State

LIMIT = 5  # seconds; no wait here is longer


class Server:
    """A transport that is scripted: each link is what the test says it is."""

    def __init__(self):
        self.links = asyncio.Queue()
        self.served = 0
        self.sent = []
        self.up = False
        self.fault = None

    async def serve(self, app, on_up):
        self.served += 1
        opening = await self.links.get()
        if isinstance(opening, Exception):
            raise opening
        self.events = asyncio.Queue()
        await self.events.put({"type": "aprs.connect"})
        self.up = True
        on_up()
        try:
            await app({"type": "aprs", "device": "vhf"}, self.events.get, self.send)
        except asyncio.CancelledError:
            await self.events.put({"type": "aprs.disconnect", "code": 1012, "reason": "the box is stopping"})
            raise
        finally:
            self.up = False
        raise LinkLost("/dev/vhf: the port is gone (unplugged?)")

    async def send(self, event):
        if self.fault:
            raise self.fault
        self.sent.append(event)

    def counters(self):
        return {"noise_bytes": 3}

    def hear(self, text, time=100.0):
        self.events.put_nowait({"type": "aprs.receive", "summary": text, "time": time})

    def lose(self):
        self.events.put_nowait({"type": "aprs.disconnect", "code": 1006, "reason": "unplugged"})


class Bench:
    """A runner on a scripted transport."""

    def __init__(self, *legs, layer=None, outbox=None, **licence):
        self.server = Server()
        self.observed = []
        self.states = []
        self.board = DeviceBoard("vhf", "aprs", "serial:///dev/vhf", self._changed)
        licence = {"allowed": True, "callsign": "QQ1EDG", "needs_callsign": True, **licence}
        kind = Kind(
            name="aprs",
            label="APRS",
            help="",
            scope_type="aprs",
            schemes=("serial",),
            link_example="",
            options="",
            builder="scripted:build",
            radio=True,
        )
        plan = DevicePlan(
            device=Device(name="vhf", link="serial:///dev/vhf", options=None, state={}),
            kind=kind,
            licence=Licence(device="vhf", **licence),
            legs=legs,
        )
        observe = lambda *seen: self.observed.append(seen)  # noqa: E731
        self.runner = Runner(plan, self.board, layer=layer, observe=observe, outbox=outbox)

    def _changed(self):
        self.states.append(self.board.state)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.runner.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(self.task, LIMIT)

    async def link(self, opening=None):
        await self.server.links.put(opening)

    async def until(self, true):
        async with asyncio.timeout(LIMIT):
            while not true():
                await asyncio.sleep(0.002)

    async def is_up(self):
        await self.until(lambda: self.board.state is State.UP and self.runner._send is not None)


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    """Let the builder's import string give the bench's server."""
    servers = []
    plain = Server.__init__

    def remember(self):
        plain(self)
        servers.append(self)

    monkeypatch.setattr(Server, "__init__", remember)
    monkeypatch.setattr(registry, "import_string", lambda path: lambda device: servers[-1])


class Listener:
    def __init__(self, do=None):
        self.told = []
        self.do = do

    async def __call__(self, scope, receive, send):
        event = {"type": ""}
        while not event["type"].endswith(".disconnect"):
            self.told.append(event := await receive())
            if self.do:
                await self.do(event, send)

    @property
    def verbs(self):
        return [event["type"].removeprefix("aprs.") for event in self.told]


def leg(app, key="one"):
    return Leg(key=key, app=app, consumer="a.Listener")


async def test_a_device_that_comes_up_is_counted_observed_and_heard():
    app = Listener()
    async with Bench(leg(app)) as bench:
        await bench.link()
        await bench.is_up()
        bench.server.hear("a")
        await bench.until(lambda: app.verbs == ["connect", "receive"])
        status = bench.board.read()
        assert (status.heard, status.last_heard, status.text) == (1, 100.0, "up")
        assert status.counters == {"noise_bytes": 3}
        assert [route.consumer for route in status.routes] == ["a.Listener"]  # not the device's own channel
        ((device, direction, event, reason),) = bench.observed
        assert (device, direction, event["summary"], reason) == ("vhf", "heard", "a", "")


async def test_a_lost_link_is_opened_again_and_each_connection_is_whole(monkeypatch):
    app = Listener()
    async with Bench(leg(app)) as bench:
        for _ in range(3):
            await bench.link()
            await bench.is_up()
            bench.server.lose()
            await bench.until(lambda: bench.board.state is State.WAITING)
            assert bench.board.text == "/dev/vhf: the port is gone (unplugged?); trying again in 1 s"
            bench.runner.wake()
        assert app.verbs == ["connect", "disconnect"] * 3
        assert bench.states[:6] == [State.STARTING, State.UP, State.WAITING] * 2


async def test_a_cable_that_is_plugged_in_is_noticed_at_once(monkeypatch):
    monkeypatch.setattr("edge.backoff.SHORTEST", 30.0)
    async with Bench() as bench:
        await bench.link(LinkLost("/dev/vhf is not there (unplugged?)"))
        await bench.until(lambda: bench.board.state is State.WAITING)
        assert "trying again in" in bench.board.text
        bench.runner.wake()
        await bench.link()
        await bench.is_up()


async def test_what_is_plugged_in_while_an_attempt_fails_calls_for_another_at_once(monkeypatch):
    monkeypatch.setattr("edge.backoff.SHORTEST", 30.0)
    async with Bench() as bench:
        await bench.until(lambda: bench.board.state is State.STARTING)
        bench.runner.wake()
        await bench.link(LinkLost("/dev/vhf is not there (unplugged?)"))
        await bench.link()
        await bench.is_up()


async def test_it_is_tried_again_by_itself():
    async with Bench() as bench:
        for _ in range(2):
            await bench.link(LinkLost("not there"))
        await bench.link()
        await bench.is_up()
        assert bench.server.served == 3


async def test_what_a_person_must_mend_is_not_tried_again_until_something_is_plugged_in():
    async with Bench() as bench:
        await bench.link(ConfigError("/etc is a folder; expected a serial port such as /dev/ttyUSB0"))
        await bench.until(lambda: bench.board.state is State.FAILED)
        assert bench.board.text == "/etc is a folder; expected a serial port such as /dev/ttyUSB0"
        assert bench.server.served == 1
        bench.runner.wake()
        await bench.link()
        await bench.is_up()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RemoteProtocolError("the peer sent frame 7 twice"), "the peer sent frame 7 twice; trying again in"),
        (ZeroDivisionError("oops"), "an error in the transport itself: ZeroDivisionError: oops; trying again in"),
    ],
)
async def test_any_other_error_is_told_and_tried_again(error, text, caplog):
    async with Bench() as bench:
        await bench.link(error)
        await bench.until(lambda: bench.board.state is State.WAITING)
        assert bench.board.text.startswith(text)
        bench.runner.wake()
        await bench.link()
        await bench.is_up()


async def test_a_stop_while_waiting_is_at_once(monkeypatch):
    monkeypatch.setattr("edge.backoff.SHORTEST", 30.0)
    async with Bench() as bench:
        await bench.link(LinkLost("not there"))
        await bench.until(lambda: bench.board.state is State.WAITING)
        bench.runner.wake()  # at the same moment
    assert bench.task.cancelled()


async def test_a_refused_transmission_is_counted_and_shown_and_the_consumer_goes_on(caplog):
    async def do(event, send):
        if event["type"] == "aprs.receive":
            await send({"type": "aprs.send", "info": b"hello"})

    app = Listener(do)
    with caplog.at_level(logging.INFO, "edge.runner"):
        async with Bench(leg(app), allowed=False) as bench:
            await bench.link()
            await bench.is_up()
            for text in "ab":
                bench.server.hear(text)
            await bench.until(lambda: bench.board.refused == 2)
            assert bench.server.sent == []
            assert app.verbs == ["connect", "receive", "receive"]
            status = bench.board.read()
            assert status.refusal == "transmitting is off for vhf; a person can allow it in the device's settings"
            assert (status.routes[0].text, status.routes[0].errors, status.sent) == ("running", 0, 0)
            assert [seen[1] for seen in bench.observed] == ["heard", "heard", "refused", "refused"]
            assert bench.observed[2][3] == status.refusal
    assert "vhf: not transmitted: transmitting is off" in caplog.text


async def test_what_passes_the_gate_is_sent_counted_and_observed():
    async with Bench() as bench:
        await bench.link()
        await bench.is_up()
        assert await bench.runner.transmit({"type": "aprs.send", "info": b"x"}) == ""
        assert bench.server.sent == [{"type": "aprs.send", "info": b"x"}]
        assert (bench.board.sent, bench.board.refused) == (1, 0)
        assert [seen[1] for seen in bench.observed] == ["sent"]


async def test_senders_who_wait_at_the_same_time_do_not_slip_through_the_rate():
    async with Bench(frames_per_minute=3) as bench:
        await bench.link()
        await bench.is_up()
        going = asyncio.Event()

        async def slow(event):
            await going.wait()

        bench.runner._send = slow
        sends = [asyncio.create_task(bench.runner.transmit({"type": "aprs.send", "info": b"x"})) for _ in range(5)]
        await bench.until(lambda: bench.board.refused == 2)
        going.set()
        answers = await asyncio.gather(*sends)
        assert answers.count("") == 3


async def test_what_cannot_be_sent_uses_up_no_rate():
    async with Bench(frames_per_minute=1) as bench:
        await bench.link()
        await bench.is_up()
        bench.server.fault = LocalProtocolError("info: expected bytes")
        with pytest.raises(LocalProtocolError):
            await bench.runner.transmit({"type": "aprs.send", "info": 5})
        bench.server.fault = None
        assert await bench.runner.transmit({"type": "aprs.send", "info": b"x"}) == ""


async def test_a_device_that_is_down_transmits_nothing():
    async with Bench() as bench:
        await bench.until(lambda: bench.server.served)
        with pytest.raises(LinkLost, match="vhf is not up: opening serial:///dev/vhf"):
            await bench.runner.transmit({"type": "aprs.send"})


async def test_a_device_that_is_no_radio_has_no_gate_but_the_loop():
    bench = Bench(allowed=False)
    plan = bench.runner.plan
    bench.runner.plan = replace(plan, kind=replace(plan.kind, radio=False))
    async with bench:
        await bench.link()
        await bench.is_up()
        assert await bench.runner.transmit({"type": "aprs.send"}) == ""
        assert "would be a loop" in await bench.runner.transmit({"type": "aprs.send", "origin": "vhf"})


class ForeignLayer:
    """A third party's layer: no mailboxes, only ``receive``; it fails once."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.faults = 1

    async def receive(self, channel):
        assert channel == "device.vhf"
        if self.faults:
            self.faults -= 1
            raise ConnectionError("the layer is away")
        return await self.queue.get()

    async def send(self, channel, message):
        await self.queue.put(message)


@pytest.mark.parametrize("make", [InMemoryChannelLayer, ForeignLayer])
async def test_anybody_may_send_on_the_channel_of_a_device(make, monkeypatch, caplog):
    monkeypatch.setattr(device_channel, "LAYER_RETRY", 0.01)
    layer = make()
    async with Bench(layer=layer) as bench:
        await bench.link()
        await bench.is_up()
        await layer.send("device.vhf", {"type": "aprs.close"})
        bench.server.fault = LocalProtocolError("no such field")
        await layer.send("device.vhf", {"type": "aprs.send", "colour": "red"})
        await bench.until(lambda: "an event on the channel cannot be sent: no such field" in caplog.text)
        assert "the channel takes aprs.send; got 'aprs.close'" in caplog.text
        bench.server.fault = None
        await layer.send("device.vhf", {"type": "aprs.send", "info": b"x"})
        await bench.until(lambda: bench.server.sent == [{"type": "aprs.send", "info": b"x"}])


async def test_the_channel_of_a_device_is_open_again_with_the_next_link():
    layer = InMemoryChannelLayer()
    async with Bench(layer=layer) as bench:
        await bench.link()
        await bench.is_up()
        bench.server.lose()
        await bench.until(lambda: bench.board.state is State.WAITING)
        await layer.send("device.vhf", {"type": "aprs.send", "info": b"x"})
        bench.runner.wake()
        await bench.link()
        await bench.until(lambda: bench.server.sent == [{"type": "aprs.send", "info": b"x"}])


async def test_routes_change_without_touching_the_link():
    old, new = Listener(), Listener()
    async with Bench(leg(old, "old")) as bench:
        await bench.link()
        await bench.is_up()
        bench.runner.update_legs((leg(new, "new"),))
        bench.server.hear("a")
        await bench.until(lambda: new.verbs == ["connect", "receive"])
        await bench.until(lambda: old.verbs == ["connect", "disconnect"])
        assert bench.server.served == 1
        assert await bench.runner.transmit({"type": "aprs.send", "info": b"x"}) == ""
