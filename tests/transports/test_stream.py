import asyncio
import contextlib
import logging

import pytest

from edge.errors import LinkLost, LocalProtocolError, RemoteProtocolError
from edge.mailbox import TRANSPORT_CAPACITY
from edge.registry import Device
from transports import stream
from transports.links import MemoryPort
from transports.stream import StreamServer

LIMIT = 5  # seconds; no wait here is longer


class Letters:
    """A protocol of single letters; "!" breaks it, "?" meets a bug."""

    scope_type = "serial"

    def __init__(self):
        self.noise = 0

    def scope(self):
        return {"framing": "bytes"}

    def receive_bytes(self, data, now):
        for number in data:
            letter = bytes([number])
            if letter == b"?":
                raise KeyError("a bug in the session")
            if letter == b"!":
                raise RemoteProtocolError("the peer said !")
            if letter.isalpha():
                yield {"type": "serial.receive", "bytes": letter, "text": None, "time": now}
            else:
                self.noise += 1

    def send(self, event):
        if not event.get("bytes"):
            raise LocalProtocolError("nothing to send")
        return event["bytes"]

    def counters(self):
        return {"noise": self.noise}


class App:
    def __init__(self, do=None):
        self.told = []
        self.scopes = []
        self.do = do

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        self.send = send
        event = {"type": ""}
        while event["type"] != "serial.disconnect":
            self.told.append(event := await receive())
            if self.do is not None:
                await self.do(event, send)

    @property
    def verbs(self):
        return [event["type"].removeprefix("serial.") for event in self.told]

    @property
    def letters(self):
        return b"".join(event["bytes"] for event in self.told if event["type"] == "serial.receive")


@pytest.fixture
def port():
    port = MemoryPort("bench")
    yield port
    MemoryPort.ports.clear()


@pytest.fixture
def server():
    device = Device(name="line", link="memory://bench", options=None, state={"kept": 1})
    return StreamServer(device, Letters, baud=9600)


@contextlib.asynccontextmanager
async def serving(server, app, port):
    """Serve one link; at the end pull the cable if the app has not ended."""
    task = asyncio.create_task(server.serve(app, lambda: None))
    await asyncio.wait_for(port.opened.wait(), LIMIT)
    yield task
    port.lose()
    await asyncio.wait([task], timeout=LIMIT)
    with contextlib.suppress(LinkLost, asyncio.CancelledError):
        task.result()


async def test_bytes_become_events_and_events_bytes(server, port, until):
    app = App()
    async with serving(server, app, port):
        port.feed(b"ab")
        await until(lambda: app.letters == b"ab")
        await app.send({"type": "serial.send", "bytes": b"hello"})
        assert port.written == b"hello"
    assert app.verbs == ["connect", "receive", "receive", "disconnect"]
    assert app.told[-1] == {
        "type": "serial.disconnect",
        "code": 1006,
        "reason": "memory://bench: the port is gone (unplugged?)",
    }


async def test_the_scope_is_that_of_the_specification(port):
    link = "memory://bench?as=me:secret@"
    device = Device(name="line", link="memory://bench", options=None, state={})
    app = App()
    async with serving(StreamServer(device, Letters, baud=9600), app, port):
        pass
    (scope,) = app.scopes
    assert scope["state"] is device.state
    assert {name: scope[name] for name in ("type", "device", "link", "framing")} == {
        "type": "serial",
        "device": "line",
        "link": "memory://bench",
        "framing": "bytes",
    }
    assert scope["asgi"]["version"] == "3.0"
    secretive = StreamServer(Device(name="line", link=link, options=None, state={}), Letters, baud=9600)
    assert "secret" not in secretive._scope(Letters())["link"]


async def test_what_comes_with_the_opening_of_the_link_comes_after_connect(server, port):
    app = App()
    plain = MemoryPort.ports["bench"].opened.set

    def set_and_feed():
        plain()
        port.feed(b"first")  # before anybody else had a turn

    port.opened.set = set_and_feed
    async with serving(server, app, port):
        pass
    assert app.verbs[0] == "connect"
    assert app.letters == b"first"


async def test_the_link_is_told_up_before_the_app_is_called(server, port):
    order = []

    async def app(scope, receive, send):
        order.append("app")

    await asyncio.wait_for(server.serve(app, lambda: order.append("up")), LIMIT)
    assert order == ["up", "app"]


async def test_a_link_whose_being_up_cannot_be_told_is_closed(server, port):
    with pytest.raises(ZeroDivisionError):
        await server.serve(App(), lambda: 1 / 0)
    assert port.transport is None


async def test_an_app_that_raises_is_told_to_the_runner_after_the_link_was_closed(server, port):
    closed = []

    async def app(scope, receive, send):
        closed.append(port.transport is None)
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await asyncio.wait_for(server.serve(app, lambda: None), LIMIT)
    assert (closed, port.transport) == ([False], None)


async def test_an_app_that_raises_while_it_is_told_goodbye_does_not_hide_behind_the_lost_link(server, port):
    async def do(event, send):
        if event["type"] == "serial.disconnect":
            raise ValueError("boom")

    app = App(do)
    task = asyncio.create_task(server.serve(app, lambda: None))
    await asyncio.wait_for(port.opened.wait(), LIMIT)
    port.lose()
    with pytest.raises(ValueError, match="boom"):
        await asyncio.wait_for(task, LIMIT)


async def test_an_app_that_raises_while_it_is_stopped_does_not_swallow_the_cancellation(server, port, caplog, until):
    async def do(event, send):
        if event["type"] == "serial.disconnect":
            raise ValueError("boom")

    app = App(do)
    async with serving(server, app, port) as task:
        await until(lambda: app.verbs == ["connect"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "line: the app failed while it was stopped" in caplog.text
        assert port.transport is None


async def test_an_app_may_speak_while_it_is_told_that_the_box_stops(server, port, until):
    async def do(event, send):
        if event["type"] == "serial.disconnect":
            await send({"type": "serial.send", "bytes": b"goodbye"})

    app = App(do)
    async with serving(server, app, port) as task:
        await until(lambda: app.verbs == ["connect"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert port.written == b"goodbye"
    assert app.told[-1] == {"type": "serial.disconnect", "code": 1012, "reason": "the box is stopping"}


async def test_an_app_that_does_not_end_is_cancelled_in_time(server, port, monkeypatch, caplog):
    monkeypatch.setattr(stream, "GOODBYE", 0.05)
    monkeypatch.setattr(stream, "DRAIN", 0.05)
    monkeypatch.setattr(stream, "CANCELLED", 0.05)
    ended = asyncio.Event()

    async def app(scope, receive, send):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
            raise

    task = asyncio.create_task(server.serve(app, lambda: None))
    await asyncio.wait_for(port.opened.wait(), LIMIT)
    port.lose()
    with pytest.raises(LinkLost):
        await asyncio.wait_for(task, LIMIT)
    assert ended.is_set()


async def test_an_app_that_does_not_even_end_when_it_is_cancelled_is_left_behind(server, port, monkeypatch, caplog):
    for name in ("GOODBYE", "DRAIN", "CANCELLED"):
        monkeypatch.setattr(stream, name, 0.02)
    release = asyncio.Event()

    async def app(scope, receive, send):
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    task = asyncio.create_task(server.serve(app, lambda: None))
    await asyncio.wait_for(port.opened.wait(), LIMIT)
    port.lose()
    with pytest.raises(LinkLost):
        await asyncio.wait_for(task, LIMIT)
    assert "left behind" in caplog.text
    release.set()


async def test_an_app_that_closes_and_does_not_end_holds_the_link_no_longer_than_it_may(server, port, monkeypatch):
    monkeypatch.setattr(stream, "GOODBYE", 0.02)
    monkeypatch.setattr(stream, "DRAIN", 0.02)

    async def app(scope, receive, send):
        await send({"type": "serial.close"})
        await asyncio.sleep(60)

    await asyncio.wait_for(server.serve(app, lambda: None), LIMIT)
    assert port.transport is None


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "serial.send"}, "nothing to send"),
        ({"type": "aprs.send", "bytes": b"x"}, "expected serial.send or serial.close; got 'aprs.send'"),
        ({}, "expected serial.send or serial.close; got None"),
    ],
)
async def test_what_the_app_does_wrong_is_raised_out_of_send(server, port, event, words, until):
    app = App()
    async with serving(server, app, port):
        await until(lambda: app.verbs == ["connect"])
        with pytest.raises(LocalProtocolError, match=words):
            await app.send(event)
        assert port.transport is not None


async def test_a_full_mailbox_stops_the_reading_and_loses_nothing(server, port, until):
    go = asyncio.Event()
    app = App()

    async def do(event, send):
        await go.wait()

    app.do = do
    async with serving(server, app, port):
        await until(lambda: app.verbs == ["connect"])
        sent = b"abcdefghij" * 300
        for start in range(0, len(sent), 100):
            port.feed(sent[start : start + 100])
        assert port.transport.paused is not None
        go.set()
        await until(lambda: len(app.letters) == len(sent))
        assert app.letters == sent
        assert port.transport.paused is None
        assert server.counters()["dropped"] == 0


async def test_an_app_that_reads_nothing_costs_no_more_memory_than_its_mailbox(server, port, until):
    app = App(lambda *_: asyncio.sleep(60))
    async with serving(server, app, port) as task:
        await until(lambda: app.verbs == ["connect"])
        port.feed(b"a" * 5 * TRANSPORT_CAPACITY)
        await until(lambda: server.counters()["dropped"] > 0)
        await until(lambda: port.transport.paused is None)
        connection = server._connection
        assert len(connection.mailbox) <= TRANSPORT_CAPACITY
        assert connection._late == []
        task.cancel()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stream, "GOODBYE", 0.02)
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_peer_that_breaks_the_protocol_is_dropped_and_the_runner_is_told(server, port, until):
    app = App()
    task = asyncio.create_task(server.serve(app, lambda: None))
    await asyncio.wait_for(port.opened.wait(), LIMIT)
    port.feed(b"ab!c")
    with pytest.raises(RemoteProtocolError, match="the peer said !"):
        await asyncio.wait_for(task, LIMIT)
    assert (app.letters, app.verbs[-1], port.transport) == (b"ab", "disconnect", None)


async def test_a_packet_that_meets_a_bug_is_counted_and_the_link_stays(server, port, until, caplog):
    app = App()
    async with serving(server, app, port):
        port.feed(b"ab?c")
        port.feed(b"d")
        await until(lambda: app.letters == b"abd")
        assert server.counters()["failed_reads"] == 1
    assert "memory://bench: what was read could not be understood: 61 62 3f 63" in caplog.text


async def test_counters_go_on_from_link_to_link(server, port, until):
    app = App()
    assert server.counters() == {}
    for number in (1, 2):
        async with serving(server, app, port):
            port.feed(b"123")
            assert server.counters() == {"noise": 3 * number, "failed_reads": 0, "dropped": 0}
    assert server.counters() == {"noise": 6, "failed_reads": 0, "dropped": 0}


async def test_each_link_has_a_session_of_its_own(server, port):
    sessions = []

    def make_session():
        sessions.append(Letters())
        return sessions[-1]

    server.make_session = make_session
    for _ in range(2):
        async with serving(server, App(), port):
            pass
    assert len(sessions) == 2


async def test_a_link_that_cannot_be_opened_calls_no_app(server, caplog):
    app = App()
    with caplog.at_level(logging.DEBUG), pytest.raises(LinkLost, match="memory://bench is not there"):
        await server.serve(app, lambda: None)
    assert app.scopes == []


async def test_a_stop_while_the_link_is_being_lost_ends_at_once(server, port, until):
    app = App(lambda *_: asyncio.sleep(60))
    async with serving(server, app, port) as task:
        await until(lambda: app.verbs == ["connect"])
        port.lose()
        await until(lambda: server._connection.over.done())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stream, "GOODBYE", 0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, LIMIT)
        port.opened.set()
