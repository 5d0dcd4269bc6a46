"""The contract that every stream transport keeps with its app, whatever the protocol and whatever the line."""

import asyncio
import contextlib
import dataclasses
import socket
import time

import pytest

from edge import consumers, spec
from edge.errors import EdgeError, LinkLost, LocalProtocolError
from edge.registry import Device
from tests.contract.lines import LIMIT, LINES, until
from tests.contract.protocols import PROTOCOLS
from transports import aprs, ax25, links
from transports.options import AprsOptions, Ax25Options

SCOPES = {
    "serial": {"framing": "line"},
    "ax25": {"callsign": "QQ1EDG-10", "air_baud": 1200, "confirms": False},
    "aprs": {"callsign": "QQ1EDG-10", "confirms": False},
}
CONSUMERS = {
    "serial": (consumers.AsyncSerialConsumer, consumers.SerialConsumer),
    "ax25": (consumers.AsyncAx25Consumer, consumers.Ax25Consumer),
    "aprs": (consumers.AsyncAprsConsumer, consumers.AprsConsumer),
}


class App:
    """Notes what each connection is told; ``do(event, send)`` is called with each event."""

    def __init__(self):
        self.connections = []
        self.scopes = []
        self.send = None
        self.do = None

    async def __call__(self, scope, receive, send):
        told = []
        self.connections.append(told)
        self.scopes.append(scope)
        self.send = send
        event = {"type": ""}
        while not event["type"].endswith(".disconnect"):
            told.append(event := await receive())
            if self.do is not None:
                await self.do(event, send)

    @property
    def told(self):
        return self.connections[-1]

    def verbs(self, index=-1):
        return [event["type"].split(".")[1] for event in self.connections[index]]


class Bench:
    """A transport on a line, and an app above it."""

    def __init__(self, protocol, line):
        self.protocol = protocol
        self.line = line
        self.app = App()
        self.state = {"kept": "from link to link"}
        self.device = Device(name="dut", link=line.url, options=protocol.options, state=self.state)
        self.server = protocol.build(self.device)
        self.task = None

    async def up(self, app=None):
        """Serve one link, and wait until the app was called."""
        told_up, called = asyncio.Event(), len(self.app.connections)
        before, connections = len(self.line.written()), len(getattr(self.line, "writers", ()))
        self.task = asyncio.create_task(self.server.serve(app or self.app, told_up.set))
        if self.protocol.greeting:
            # A peer that does not read sees the connection, and no byte of it.
            await until(lambda: len(getattr(self.line, "writers", ())) > connections or self.line.written()[before:])
            self.line.feed(self.protocol.greeting)
        await asyncio.wait_for(told_up.wait(), LIMIT)
        if app is None:
            await until(lambda: len(self.app.connections) > called and self.app.told)
        if hasattr(self.line, "writers"):
            await until(lambda: self.line.writers)

    async def ended(self):
        """Wait until the link is served no more; return what was raised."""
        await asyncio.wait([self.task], timeout=LIMIT)
        assert self.task.done()
        return None if self.task.cancelled() else self.task.exception()

    async def hear(self, *texts):
        self.line.feed(b"".join(self.protocol.make(text) for text in texts))
        await until(lambda: self.texts()[-1:] == [texts[-1]])

    def texts(self):
        events = [event for event in self.app.told if event["type"].endswith(".receive")]
        return [self.protocol.read(event) for event in events]

    def event(self, verb, **fields):
        return {"type": f"{self.protocol.name}.{verb}", **fields}


@pytest.fixture(params=LINES, ids=lambda line: line.name)
async def line(request, tmp_path):
    line = request.param(tmp_path)
    await line.start()
    yield line
    await line.stop()


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: f"{protocol.name} {protocol.dialect}".strip())
async def bench(request, line):
    bench = Bench(request.param, line)
    yield bench
    if bench.task is not None and not bench.task.done():
        bench.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, EdgeError):
            await asyncio.wait_for(bench.task, LIMIT)


async def test_the_scope_has_the_fields_of_its_specification(bench):
    await bench.up()
    (scope,) = bench.app.scopes
    expected = {"type": bench.protocol.name, "device": "dut", "link": bench.line.url, **SCOPES[bench.protocol.name]}
    assert {name: scope[name] for name in expected} == expected
    assert scope["asgi"] == {"version": "3.0", "spec_version": spec.SPEC_VERSION}
    assert scope["state"] is bench.state
    assert set(scope) == {*expected, "asgi", "state"}


async def test_events_have_the_fields_of_their_specification_in_plain_values(bench):
    before = time.time()
    await bench.up()
    await bench.hear("one")
    bench.line.lose()
    await bench.ended()
    for event in bench.app.told:
        assert set(event) == spec.fields(event["type"])
        assert is_plain(event)
    assert before - 1 <= bench.app.told[1]["time"] <= time.time() + 1


def is_plain(value):
    """Tell whether ASGI permits this value (asgiref, specs/asgi.rst, "Events")."""
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    if type(value) in (list, tuple):
        return all(is_plain(item) for item in value)
    return value is None or type(value) in (bytes, str, int, float, bool)


async def test_a_lost_link_connects_first_and_disconnects_last(bench):
    await bench.up()
    await bench.hear("one", "two")
    bench.line.lose()
    assert isinstance(await bench.ended(), LinkLost)
    assert bench.app.verbs() == ["connect", "receive", "receive", "disconnect"]
    assert bench.app.told[-1]["code"] == 1006
    assert bench.app.told[-1]["reason"] == str(bench.task.exception())


async def test_a_link_that_is_lost_at_once_connects_first_and_disconnects_last(bench):
    await bench.up()
    bench.line.lose()
    assert isinstance(await bench.ended(), LinkLost)
    assert bench.app.verbs() == ["connect", "disconnect"]


async def test_an_app_that_closes_is_told_so_and_the_link_is_free_again(bench):
    async def do(event, send):
        if event["type"].endswith(".receive"):
            await send(bench.event("close", code=4001, reason="enough"))
            await send(bench.event("close"))

    bench.app.do = do
    await bench.up()
    await bench.hear("one")
    assert await bench.ended() is None
    assert bench.app.verbs() == ["connect", "receive", "disconnect"]
    assert bench.app.told[-1] == bench.event("disconnect", code=4001, reason="enough")
    with pytest.raises(EdgeError):
        await bench.app.send(bench.event("send", **bench.protocol.send))
    bench.app.do = None
    await bench.up()
    await bench.hear("again")


async def test_a_cancelled_transport_says_goodbye_and_lets_the_cancellation_through(bench):
    await bench.up()
    await bench.hear("one")
    bench.task.cancel()
    await bench.ended()
    assert bench.task.cancelled()
    assert bench.app.verbs() == ["connect", "receive", "disconnect"]
    assert bench.app.told[-1] == bench.event("disconnect", code=1012, reason="the box is stopping")
    await bench.up()
    await bench.hear("again")


async def test_what_an_app_raises_reaches_the_runner_and_the_link_is_free_again(bench):
    async def do(event, send):
        if event["type"].endswith(".receive"):
            raise ValueError("boom")

    bench.app.do = do
    await bench.up()
    bench.line.feed(bench.protocol.make("one"))
    assert str(await bench.ended()) == "boom"
    assert bench.app.verbs() == ["connect", "receive"]
    bench.app.do = None
    await bench.up()
    await bench.hear("again")


@pytest.mark.parametrize("which", [0, 1], ids=["async", "sync"])
@pytest.mark.parametrize("way", ["lost", "closed", "cancelled", "raised"])
async def test_a_consumer_is_connected_and_disconnected_once_on_every_way_out(bench, which, way):
    told = []
    base = CONSUMERS[bench.protocol.name][which]

    def note(text):
        told.append(text)
        if text == "receive" and way == "raised":
            raise ValueError("boom")

    if which == 0:

        class Consumer(base):
            async def connect(self):
                note("connect")

            async def receive(self):
                note("receive")
                if way == "closed":
                    await self.close()

            async def disconnect(self, code):
                note(f"disconnect {int(code)}")
    else:

        class Consumer(base):
            def connect(self):
                note("connect")

            def receive(self):
                note("receive")
                if way == "closed":
                    self.close()

            def disconnect(self, code):
                note(f"disconnect {int(code)}")

    await bench.up(Consumer.as_asgi())
    bench.line.feed(bench.protocol.make("one"))
    await until(lambda: "receive" in told)
    if way == "lost":
        bench.line.lose()
    elif way == "cancelled":
        bench.task.cancel()
    error = await bench.ended()
    code, raised = {
        "lost": (1006, LinkLost),
        "closed": (1000, type(None)),
        "cancelled": (1012, type(None)),
        "raised": (1011, ValueError),
    }[way]
    assert told == ["connect", "receive", f"disconnect {code}"]
    assert isinstance(error, raised)


async def test_what_is_sent_reaches_the_far_side(bench):
    await bench.up()
    await bench.app.send(bench.event("send", **bench.protocol.send))
    await until(lambda: bench.line.written().endswith(bench.protocol.sent))


async def test_a_passive_listener_sends_nothing(bench):
    await bench.up()
    await bench.hear("one")
    await until(lambda: bench.line.written() == bench.protocol.opening)


async def test_a_write_after_the_loss_raises(bench):
    await bench.up()
    bench.line.lose()
    await bench.ended()
    for _ in range(2):
        with pytest.raises(LinkLost):
            await bench.app.send(bench.event("send", **bench.protocol.send))


@pytest.mark.parametrize("verb", ["receive", "accept", ""])
async def test_an_event_that_the_specification_does_not_have_is_the_apps_mistake(bench, verb):
    await bench.up()
    with pytest.raises(LocalProtocolError, match="expected"):
        await bench.app.send(bench.event(verb))
    await bench.hear("still here")


async def test_nothing_of_a_connection_leaks_into_the_next(bench):
    await bench.up()
    whole = bench.protocol.make("never whole")
    await bench.hear("one")
    bench.line.feed(whole[: len(whole) // 2])
    await asyncio.sleep(0.02)  # so that it is likely to have been read; either way it must not be seen
    bench.line.lose()
    await bench.ended()
    await bench.line.replug()
    await bench.up()
    await bench.hear("after")
    assert bench.texts() == ["after"]
    assert [bench.app.verbs(index) for index in (0, 1)] == [
        ["connect", "receive", "disconnect"],
        ["connect", "receive"],
    ]
    assert bench.app.scopes[0] is not bench.app.scopes[1]
    assert bench.app.scopes[0]["state"] is bench.app.scopes[1]["state"]


@pytest.mark.parametrize("kind", [ax25, aprs], ids=["ax25", "aprs"])
async def test_what_a_tnc_is_told_it_is_told_at_each_link_up_and_before_what_is_sent(line, kind):
    told = b"\xc0\x01\x1e\xc0\xc0\x21\x1e\xc0"
    options = (Ax25Options if kind is ax25 else AprsOptions)(callsign="QQ1EDG-10", txdelay=300, kiss_ports="0,2")
    protocol = next(each for each in PROTOCOLS if each.build is kind.build)
    bench = Bench(dataclasses.replace(protocol, options=options), line)
    for _ in range(2):
        before = len(line.written())
        await bench.up()
        await until(lambda: line.written()[before:] == told)
        await bench.app.send(bench.event("send", **protocol.send))
        await until(lambda: line.written()[before:].endswith(protocol.sent))
        assert line.written()[before:].startswith(told)
        line.lose()
        await bench.ended()
        await line.replug()


async def test_a_flood_arrives_whole_and_in_order(bench):
    texts = [f"{number:05}" for number in range(3000)]
    await bench.up()
    for start in range(0, len(texts), 50):
        bench.line.feed(b"".join(bench.protocol.make(text) for text in texts[start : start + 50]))
        await until(lambda start=start: len(bench.texts()) >= start)
    await until(lambda: len(bench.texts()) == len(texts))
    assert bench.texts() == texts


async def test_a_link_that_is_not_there_calls_no_app_and_says_so(bench):
    bench.line.lose()
    ups = []
    with pytest.raises(LinkLost, match=r"is not there|refused the connection"):
        await asyncio.wait_for(bench.server.serve(bench.app, lambda: ups.append(1)), LIMIT)
    assert (bench.app.scopes, ups) == ([], [])


async def test_what_was_counted_is_told(bench):
    await bench.up()
    await bench.hear("one")
    assert bench.server.counters()
    assert set(bench.server.counters().values()) == {0}


async def test_a_far_side_that_takes_nothing_is_given_up_with_bounded_memory(bench, monkeypatch):
    if bench.line.name == "memory":
        return  # memory takes everything
    monkeypatch.setattr(links, "DRAIN_TIMEOUT", 0.2)
    if bench.line.name == "tcp":
        bench.line.reading.clear()
    await bench.up()
    largest, error = 0, None
    many = {"text": "x" * 4000} if bench.protocol.name == "serial" else bench.protocol.send
    transport = bench.server._connection.link._transport
    if bench.line.name == "tcp":
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    deadline = time.monotonic() + LIMIT
    while error is None and time.monotonic() < deadline:
        sends = [bench.app.send(bench.event("send", **many)) for _ in range(50)]
        answers = await asyncio.wait_for(asyncio.gather(*sends, return_exceptions=True), LIMIT)
        error = next((answer for answer in answers if answer is not None), None)
        largest = max(largest, transport.get_write_buffer_size())
    assert isinstance(error, LinkLost)
    assert "took nothing for 0.2 s" in str(error)
    assert largest < 50 * 4100 + links.WRITE_LIMIT
    assert "took nothing for 0.2 s" in str(await bench.ended())
    assert bench.app.verbs() == ["connect", "disconnect"]
