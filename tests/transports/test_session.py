"""Sessions that speak by themselves: what `transports.stream` does for them, on a link in memory."""

import asyncio
import contextlib

import pytest

from edge.errors import LinkLost, RemoteProtocolError
from edge.registry import Device
from transports import stream
from transports.links import MemoryPort
from transports.serial import SerialSession
from transports.session import ActiveSession, Clock
from transports.stream import StreamServer

LIMIT = 5  # seconds; no wait here is longer


class Modem:
    """Says "on" when it is opened and is ready once it hears "ok"; ticks at `at`; leaves with "off", heard as "bye"."""

    scope_type = "serial"

    def __init__(self):
        self.clock = Clock()
        self.calls = []
        self.out = b""
        self.at = None
        self.is_ready = False
        self.has_left = False
        self.silent = False

    def scope(self):
        return {"framing": "bytes"}

    def counters(self):
        return {}

    def receive_bytes(self, data, now):
        self.calls.append(("received", data, self.clock.now))
        if data == b"!":
            raise RemoteProtocolError("the modem said !")
        self.is_ready = self.is_ready or data == b"ok"
        self.has_left = data == b"bye"
        self.out += b"heard " + data + b";" if data == b"echo" else b""
        return [{"type": "serial.receive", "bytes": data, "text": None, "time": now}]

    def send(self, event):
        self.calls.append(("sent", event["bytes"], self.clock.now))
        self.out += b"then more;"
        return event["bytes"]

    def opened(self):
        self.calls.append(("opened", b"", self.clock.now))
        self.out += b"on;"

    @property
    def ready(self):
        return self.is_ready

    def data_to_send(self):
        out, self.out = self.out, b""
        return out

    def deadline(self):
        return self.at

    def tick(self):
        self.calls.append(("tick", b"", self.clock.now))
        self.at = None
        return [{"type": "serial.receive", "bytes": b"tick", "text": None, "time": 0.0}]

    def closing(self):
        self.calls.append(("closing", b"", self.clock.now))
        self.out += b"" if self.silent else b"off;"

    @property
    def finished(self):
        return self.has_left

    @property
    def verbs(self):
        return [verb for verb, _, _ in self.calls]


@pytest.fixture
def port():
    port = MemoryPort("modem")
    yield port
    MemoryPort.ports.clear()


@pytest.fixture
def modem():
    return Modem()


class Bench:
    """A server on the port, and what its app is told."""

    def __init__(self, modem, port):
        self.port = port
        self.server = StreamServer(
            Device(name="line", link="memory://modem", options=None, state={}), lambda: modem, baud=9600
        )
        self.told = []
        self.ups = 0

    async def app(self, scope, receive, send):
        self.send = send
        while not self.told or self.told[-1]["type"] != "serial.disconnect":
            self.told.append(await receive())

    def up(self):
        self.ups += 1

    async def __aenter__(self):
        self.task = asyncio.create_task(self.server.serve(self.app, self.up))
        await asyncio.wait_for(self.port.opened.wait(), LIMIT)
        return self

    async def __aexit__(self, *_):
        self.port.lose()
        await asyncio.wait([self.task], timeout=LIMIT)
        with contextlib.suppress(LinkLost, RemoteProtocolError, asyncio.CancelledError):
            self.task.result()


@pytest.fixture
def bench(modem, port):
    return Bench(modem, port)


def test_what_makes_a_session_active_is_its_methods():
    assert isinstance(Modem(), ActiveSession)
    assert not isinstance(SerialSession("bytes"), ActiveSession)


async def test_no_consumer_is_started_before_the_session_is_ready(bench, modem, port, until):
    async with bench:
        await until(lambda: port.written == b"on;")
        assert (bench.ups, bench.told) == (0, [])
        port.feed(b"ok")
        await until(lambda: len(bench.told) == 2)
        assert bench.ups == 1
        assert [event["type"] for event in bench.told] == ["serial.connect", "serial.receive"]


async def test_a_session_that_is_not_ready_in_time_is_told_as_a_lost_link(bench, port, monkeypatch):
    monkeypatch.setattr(stream, "ENTERING", 0.02)
    async with bench:
        with pytest.raises(LinkLost, match=r"was not ready within 0\.02 s"):
            await asyncio.wait_for(bench.task, LIMIT)
    assert (bench.ups, bench.told) == (0, [])
    assert port.transport is None


async def test_a_recipe_that_fails_is_told_in_its_own_words(bench, port, until):
    async with bench:
        await until(lambda: port.written)
        port.feed(b"!")
        with pytest.raises(RemoteProtocolError, match="the modem said !"):
            await asyncio.wait_for(bench.task, LIMIT)
    assert bench.ups == 0


async def test_a_link_lost_before_the_session_is_ready_is_a_lost_link(bench, port, until):
    async with bench:
        await until(lambda: port.written)
        port.lose()
        with pytest.raises(LinkLost, match="unplugged"):
            await asyncio.wait_for(bench.task, LIMIT)
    assert bench.ups == 0


async def test_what_a_session_has_to_say_is_written_after_each_call(bench, modem, port, until):
    modem.is_ready = True
    async with bench:
        await until(lambda: bench.told)
        port.feed(b"echo")
        assert port.written == b"on;heard echo;"
        await bench.send({"type": "serial.send", "bytes": b"word;"})
        assert port.written == b"on;heard echo;word;then more;"


async def test_the_timer_comes_at_the_deadline_and_its_events_are_told(bench, modem, port, until):
    modem.is_ready = True
    async with bench:
        await until(lambda: bench.told)
        modem.at = asyncio.get_running_loop().time() + 0.05
        port.feed(b"x")
        assert "tick" not in modem.verbs
        await until(lambda: bench.told[-1].get("bytes") == b"tick")
        verb, _, when = modem.calls[-1]
        assert verb == "tick"
        assert when >= 0.05 + modem.calls[-2][2]


async def test_a_deadline_that_moves_on_is_not_served_early_and_one_that_comes_nearer_in_time(
    bench, modem, port, until
):
    modem.is_ready = True
    now = asyncio.get_running_loop().time()
    async with bench:
        await until(lambda: bench.told)
        for later in (0.02, 0.06):
            modem.at = now + later
            port.feed(b"x")
        await until(lambda: "tick" in modem.verbs)
        assert modem.calls[-1][2] >= now + 0.06
        modem.at = now + 3600
        port.feed(b"x")
        modem.at = now
        port.feed(b"x")
        await until(lambda: modem.verbs.count("tick") == 2)


async def test_a_tick_that_meets_a_bug_is_logged_counted_and_harms_nobody(bench, modem, port, until, caplog):
    modem.is_ready = True
    modem.tick = lambda: 1 / 0
    async with bench:
        await until(lambda: bench.told)
        modem.at = 0.0
        port.feed(b"x")
        await until(lambda: bench.server.counters()["failed_reads"] == 1)
        assert "what was due could not be done" in caplog.text
        port.feed(b"still here")
        await until(lambda: bench.told[-1].get("bytes") == b"still here")
        assert bench.server.counters()["failed_reads"] == 1  # the next comes a second later, whatever is due


async def test_the_clock_is_set_before_each_call_and_never_goes_back(bench, modem, port, until):
    modem.is_ready = True
    before = asyncio.get_running_loop().time()
    async with bench:
        await until(lambda: bench.told)
        port.feed(b"x")
        await bench.send({"type": "serial.send", "bytes": b"y"})
    times = [when for _, _, when in modem.calls]
    assert times == sorted(times)
    assert before <= times[0]


async def test_a_session_takes_leave_when_the_link_is_closed_on_purpose(bench, modem, port, until):
    modem.is_ready = True
    async with bench:
        await until(lambda: bench.told)
        bench.task.cancel()
        await until(lambda: port.written == b"on;off;")
        assert bench.told[-1]["code"] == 1012
        assert not bench.task.done()
        port.feed(b"what is read now is for the session only")
        port.feed(b"bye")
        await asyncio.wait([bench.task], timeout=LIMIT)
        assert bench.task.cancelled()
        assert port.transport is None
    assert [event["type"] for event in bench.told] == ["serial.connect", "serial.disconnect"]
    assert bench.server.counters()["dropped"] == 2


async def test_a_session_that_waits_while_it_leaves_is_ticked(bench, modem, port, until):
    modem.is_ready = True

    def tick():
        modem.has_left = True
        return []

    modem.tick = tick
    async with bench:
        await until(lambda: bench.told)
        modem.at = asyncio.get_running_loop().time() + 0.03
        await bench.send({"type": "serial.close"})
        await asyncio.wait_for(bench.task, LIMIT)
    assert modem.has_left


async def test_a_session_that_does_not_finish_is_cut_off(bench, modem, port, until, monkeypatch):
    monkeypatch.setattr(stream, "LEAVING", 0.02)
    modem.is_ready = True
    async with bench:
        await until(lambda: bench.told)
        bench.task.cancel()
        await asyncio.wait([bench.task], timeout=LIMIT)
    assert port.transport is None
    assert modem.verbs[-1] == "closing"


async def test_a_session_takes_no_leave_from_a_link_that_is_lost(bench, modem, port, until):
    modem.is_ready = True
    async with bench:
        await until(lambda: bench.told)
    assert "closing" not in modem.verbs
    assert port.written == b"on;"


async def test_a_session_that_is_stopped_before_it_is_ready_takes_leave_too(bench, modem, port, until):
    async with bench:
        await until(lambda: port.written)
        modem.has_left = True
        bench.task.cancel()
        await asyncio.wait([bench.task], timeout=LIMIT)
    assert modem.verbs == ["opened", "closing"]


async def test_nothing_is_asked_for_while_the_far_side_takes_nothing(bench, modem, port, until):
    modem.is_ready = True
    async with bench:
        await until(lambda: bench.told)
        link = bench.server._connection.link
        link.pause_writing()  # as asyncio does
        port.feed(b"echo")
        port.feed(b"echo")
        assert port.written == b"on;"
        link.resume_writing()
        await until(lambda: port.written == b"on;heard echo;heard echo;")
