"""Several streams over one socket: each a consumer of its own, and none harms another."""

import asyncio
import json

import pytest

from edge.consumers import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    Demultiplexer,
    JsonWebsocketConsumer,
    streams,
)

SOON = 5.0


class Echo(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json({self.scope["stream"]: content})


class Plain(JsonWebsocketConsumer):
    def receive_json(self, content):
        if content == "fail":
            raise KeyError("a bug")
        if content == "close":
            self.close(4001, "enough")
        else:
            self.send_json(content)


class Member(AsyncJsonWebsocketConsumer):
    groups = ("room",)

    async def chat_message(self, event):
        await self.send_json(event["text"])


class Desk(Demultiplexer):
    streams = {  # noqa: RUF012  (never changed)
        "echo": Echo,
        "plain": Plain.as_asgi(),
        "member": Member,
    }


def say(line, stream, payload):
    line.say("receive", text=json.dumps({"stream": stream, "payload": payload}))


async def told(line):
    return json.loads(await line.text())


@pytest.fixture
async def desk(serve):
    line = serve(Desk.as_asgi())
    assert (await line.answer())["type"] == "websocket.accept"
    return line


async def test_each_stream_answers_under_its_own_name(desk):
    say(desk, "echo", {"a": [1]})
    assert await told(desk) == {"stream": "echo", "payload": {"echo": {"a": [1]}}}
    say(desk, "plain", None)
    assert await told(desk) == {"stream": "plain", "payload": None}
    await desk.hang_up()
    assert [event["type"] for event in desk.sent].count("websocket.accept") == 1


async def test_a_stream_has_groups_of_its_own_and_leaves_them_with_the_socket(desk, layer):
    say(desk, "echo", 1)
    await told(desk)  # the streams began before it
    await layer.group_send("room", {"type": "chat.message", "text": "hello"})
    assert await told(desk) == {"stream": "member", "payload": "hello"}
    await desk.hang_up()
    assert layer.groups == {}


@pytest.mark.parametrize(("how", "code", "reason"), [("fail", 1011, "the consumer failed"), ("close", 4001, "enough")])
async def test_a_stream_that_ends_does_so_alone_and_the_client_is_told(desk, caplog, how, code, reason):
    say(desk, "plain", how)
    assert await told(desk) == {"stream": "plain", "closed": code, "reason": reason}
    say(desk, "plain", 1)
    assert (await told(desk))["closed"] == code
    say(desk, "echo", 1)
    assert await told(desk) == {"stream": "echo", "payload": {"echo": 1}}
    await desk.hang_up()
    assert ("the stream plain raised" in caplog.text) is (how == "fail")


async def test_a_stream_that_nobody_knows_is_said_to_be_closed(desk):
    say(desk, "other", 1)
    assert await told(desk) == {"stream": "other", "closed": 4404, "reason": "no such stream"}


@pytest.mark.parametrize(
    "broken", ["{", "[]", "1", '{"stream": "echo"}', '{"payload": 1}', '{"stream": 1, "payload": 1}']
)
async def test_a_broken_envelope_closes_the_socket_with_1007(desk, broken):
    desk.say("receive", text=broken)
    assert (await desk.answer())["code"] == 1007
    await desk.hang_up(1007)


async def test_every_stream_is_said_goodbye_to_once(serve):
    codes = []

    class Listener(AsyncWebsocketConsumer):
        async def disconnect(self, code):
            codes.append((self.scope["stream"], code))

    line = serve(type("Mine", (Demultiplexer,), {"streams": {"a": Listener, "b": Listener}}).as_asgi())
    await line.answer()
    await asyncio.sleep(0)
    await line.hang_up(1001)
    assert sorted(codes) == [("a", 1001), ("b", 1001)]
    codes.clear()
    line = serve(type("Mine", (Demultiplexer,), {"streams": {"a": Listener, "b": Listener}}).as_asgi())
    await line.answer()
    await asyncio.sleep(0)
    await line.cancel()
    assert sorted(codes) == [("a", 1012), ("b", 1012)]


async def test_a_stream_that_must_not_say_something_hears_of_it(serve, caplog):
    class Texts(AsyncWebsocketConsumer):
        async def receive(self, text):
            await self.send(text="no json")

    line = serve(type("Mine", (Demultiplexer,), {"streams": {"texts": Texts}}).as_asgi())
    await line.answer()
    say(line, "texts", 1)
    assert (await told(line))["closed"] == 1011
    assert "the stream texts must send JSON" in caplog.text
    await line.hang_up()


async def test_a_stuck_stream_loses_its_own_messages_and_no_others(serve, monkeypatch, caplog):
    monkeypatch.setattr(streams, "STREAM_CAPACITY", 2)
    monkeypatch.setattr("edge.mailbox.TRANSPORT_GRACE", 0.01)
    monkeypatch.setattr(streams._Stream, "__init__", _with_little_grace(streams._Stream.__init__))
    never, stuck = asyncio.Event(), asyncio.Event()

    class Stuck(AsyncWebsocketConsumer):
        async def receive(self):
            stuck.set()
            await never.wait()

    consumer = type("Mine", (Demultiplexer,), {"streams": {"stuck": Stuck, "echo": Echo}})()
    line = serve(consumer)
    await line.answer()
    say(line, "stuck", 0)
    await asyncio.wait_for(stuck.wait(), SOON)
    for number in range(10):
        say(line, "stuck", number)
    say(line, "echo", 1)
    assert await told(line) == {"stream": "echo", "payload": {"echo": 1}}
    assert consumer.dropped == 8
    assert caplog.text.count("messages were dropped") == 1
    never.set()
    await line.hang_up()


def _with_little_grace(init):
    def start(self, name):
        init(self, name)
        self.mailbox._transport.grace = 0.01

    return start


async def test_any_app_is_a_stream_and_one_that_returns_has_ended(serve):
    async def once(scope, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.send", "text": json.dumps(scope["stream"])})

    line = serve(type("Mine", (Demultiplexer,), {"streams": {"once": once}}).as_asgi())
    await line.answer()
    assert await told(line) == {"stream": "once", "payload": "once"}
    assert await told(line) == {"stream": "once", "closed": 1000, "reason": "the stream ended"}
    await line.hang_up()


async def test_a_stream_that_does_not_end_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(streams, "GOODBYE", 0.01)
    cut = []

    async def deaf(scope, receive, send):
        try:
            await asyncio.Event().wait()
        finally:
            cut.append(scope["stream"])

    line = serve(type("Mine", (Demultiplexer,), {"streams": {"deaf": deaf}}).as_asgi())
    await line.answer()
    await asyncio.sleep(0)
    await line.hang_up()
    assert cut == ["deaf"]
