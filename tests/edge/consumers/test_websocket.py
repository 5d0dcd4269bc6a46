"""Consumers of dialogues: one class for browsers and for conversations, in both of Channels' forms."""

import asyncio
import json

import pytest

from edge.consumers import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from edge.errors import LocalProtocolError
from edge.exceptions import AcceptConnection, DenyConnection

DIALOGUES = ["websocket", "conversation"]
SERVERS = [pytest.param(False, id="our mailbox"), pytest.param(True, id="a foreign server")]


# Exactly as DESIGN.md, section 5, prints it.
class ChatConsumer(WebsocketConsumer):
    def connect(self, message):
        self.username = "Anonymous"
        self.accept()
        self.send(text="[Welcome %s!]" % self.username)

    def receive(self, text, bytes=None):
        if text.startswith("/name"):
            self.username = text[5:].strip()
            self.send(text="[set your username to %s]" % self.username)
        else:
            self.send(text=self.username + ": " + text)

    def disconnect(self, message):
        pass


# The same in the form of Django Channels 4.
class Channels4Consumer(WebsocketConsumer):
    def connect(self):
        self.username = "Anonymous"
        self.accept()
        self.send(text_data=f"[Welcome {self.username}!]")

    def receive(self, text_data=None, bytes_data=None):
        if text_data.startswith("/name"):
            self.username = text_data[5:].strip()
            self.send(text_data=f"[set your username to {self.username}]")
        else:
            self.send(text_data=f"{self.username}: {text_data}")

    def disconnect(self, close_code):
        assert close_code == 1000


class AsyncChannels4Consumer(AsyncWebsocketConsumer):
    async def connect(self):
        self.username = "Anonymous"
        await self.accept()
        await self.send(text_data=f"[Welcome {self.username}!]")

    async def receive(self, text_data=None, bytes_data=None):
        if text_data.startswith("/name"):
            self.username = text_data[5:].strip()
            await self.send(text_data=f"[set your username to {self.username}]")
        else:
            await self.send(text_data=f"{self.username}: {text_data}")

    async def disconnect(self, close_code):
        assert close_code == 1000


@pytest.mark.parametrize("foreign", SERVERS)
@pytest.mark.parametrize("type_", DIALOGUES)
@pytest.mark.parametrize("consumer", [ChatConsumer, Channels4Consumer, AsyncChannels4Consumer])
async def test_one_chat_in_either_form_talks_over_each_kind_of_dialogue(serve, consumer, type_, foreign):
    line = serve(consumer.as_asgi(), type_, foreign=foreign)
    assert (await line.answer())["type"] == f"{type_}.accept"
    assert await line.answer() == {"type": f"{type_}.send", "text": "[Welcome Anonymous!]"}
    line.say("receive", text="/name Ann")
    assert await line.text() == "[set your username to Ann]"
    line.say("receive", text="hello", bytes=None)
    assert await line.text() == "Ann: hello"
    await line.hang_up()


async def test_an_instance_is_an_app_too(serve):
    line = serve(ChatConsumer())
    await line.answer()
    assert await line.text() == "[Welcome Anonymous!]"
    await line.hang_up()


async def test_a_consumer_without_handlers_accepts_and_listens(serve):
    for consumer in (WebsocketConsumer, AsyncWebsocketConsumer):
        line = serve(consumer.as_asgi())
        assert await line.answer() == {"type": "websocket.accept", "subprotocol": None}
        line.say("receive", text="hello")
        await line.hang_up()


async def test_accept_carries_what_only_a_browser_knows_to_a_browser_only(serve):
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept("chat", headers=[(b"x-edge", b"1")])

    assert await serve(Consumer.as_asgi()).answer() == {
        "type": "websocket.accept",
        "subprotocol": "chat",
        "headers": [(b"x-edge", b"1")],
    }
    assert await serve(Consumer.as_asgi(), "conversation").answer() == {"type": "conversation.accept"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"text": "a"}, {"text": "a"}),
        ({"text_data": "a"}, {"text": "a"}),
        ({"text": ""}, {"text": ""}),
        ({"bytes": b"a"}, {"bytes": b"a"}),
        ({"bytes_data": b""}, {"bytes": b""}),
        ({"text": "a", "bytes": b"b"}, {"text": "a"}),
    ],
)
async def test_send_takes_either_name_and_text_before_bytes(serve, arguments, expected):
    class Async(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.send(**arguments)

    class Plain(WebsocketConsumer):
        def connect(self):
            self.accept()
            self.send(**arguments)

    for consumer in (Async, Plain):
        line = serve(consumer.as_asgi())
        await line.answer()
        assert await line.answer() == {"type": "websocket.send", **expected}


async def test_send_without_anything_to_send_says_so(serve):
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.send()

    with pytest.raises(ValueError, match="one of bytes_data or text_data"):
        await serve(Consumer.as_asgi()).ended()


@pytest.mark.parametrize(("close", "expected"), [(True, {}), (4001, {"code": 4001})])
@pytest.mark.parametrize("type_", DIALOGUES)
async def test_send_can_close_afterwards(serve, type_, close, expected):
    class Async(AsyncWebsocketConsumer):
        async def receive(self, text):
            await self.send(text="bye", close=close)

    class Plain(WebsocketConsumer):
        def receive(self, text):
            self.send(text="bye", close=close)

    for consumer in (Async, Plain):
        line = serve(consumer.as_asgi(), type_)
        await line.answer()
        line.say("receive", text="?")
        assert await line.text() == "bye"
        assert await line.answer() == {"type": f"{type_}.close", **expected}
        await line.hang_up()


async def test_closing_twice_does_nothing(serve):
    class Consumer(WebsocketConsumer):
        def connect(self):
            self.accept()
            self.close(code=4000, reason="enough")
            self.close()

    line = serve(Consumer.as_asgi())
    await line.answer()
    await line.hang_up()
    assert line.sent[1:] == [{"type": "websocket.close", "code": 4000, "reason": "enough"}]


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("accept accept", r"accept\(\) was called on a connection that is open"),
        ("send", r"send\(\) was called on a connection that is not yet accepted"),
        ("accept close send", r"send\(\) was called on a connection that is closed"),
        ("close accept", r"accept\(\) was called on a connection that is closed"),
    ],
)
@pytest.mark.parametrize("type_", DIALOGUES)
async def test_what_a_connection_does_not_allow_is_said_in_clear_words(serve, type_, does, words):
    class Async(AsyncWebsocketConsumer):
        async def connect(self):
            for verb in does.split():
                await getattr(self, verb)(*["hello"] * (verb == "send"))

    class Plain(WebsocketConsumer):
        def connect(self):
            for verb in does.split():
                getattr(self, verb)(*["hello"] * (verb == "send"))

    for consumer in (Async, Plain):
        with pytest.raises(LocalProtocolError, match=words):
            await serve(consumer.as_asgi(), type_).ended()


@pytest.mark.parametrize("base", [WebsocketConsumer, AsyncWebsocketConsumer])
async def test_connect_can_accept_or_deny_by_raising(serve, base):
    def consumer(error):
        if base is WebsocketConsumer:

            class Plain(WebsocketConsumer):
                def connect(self):
                    raise error

            return Plain

        class Async(AsyncWebsocketConsumer):
            async def connect(self):
                raise error

        return Async

    line = serve(consumer(AcceptConnection).as_asgi())
    assert (await line.answer())["type"] == "websocket.accept"
    await line.hang_up()
    line = serve(consumer(DenyConnection).as_asgi())
    assert await line.answer() == {"type": "websocket.close"}
    await line.hang_up(1006)


@pytest.mark.parametrize("foreign", SERVERS)
@pytest.mark.parametrize("type_", DIALOGUES)
async def test_after_its_own_close_a_consumer_hears_only_that_it_ended(serve, layer, type_, foreign):
    """Else a peer that talks on, or a group, would make it send on a closed connection, which nobody did wrong."""
    heard = []

    class Consumer(AsyncWebsocketConsumer):
        groups = ("room",)

        async def receive(self, text):
            heard.append(text)
            await self.send(text="bye", close=True)

        async def chat_message(self, event):
            await self.send(text=event["text"])

        async def disconnect(self, code):
            heard.append(code)

    line = serve(Consumer.as_asgi(), type_, foreign=foreign)
    await line.answer()
    line.say("receive", text="first")
    line.say("receive", text="second")
    assert await line.text() == "bye"
    await layer.group_send("room", {"type": "chat.message", "text": "to all"})
    await line.hang_up(1001)
    assert heard == ["first", 1001]


async def test_a_browser_that_gave_no_code_ends_with_1005(serve):
    codes = []

    class Consumer(AsyncWebsocketConsumer):
        async def disconnect(self, code):
            codes.append(code)

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("disconnect")
    await line.ended()
    assert codes == [1005]


@pytest.mark.parametrize("type_", DIALOGUES)
async def test_json_goes_both_ways(serve, type_):
    class Async(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content):
            await self.send_json({"you said": content})

    class Plain(JsonWebsocketConsumer):
        def receive_json(self, content):
            self.send_json({"you said": content})

    for consumer in (Async, Plain):
        line = serve(consumer.as_asgi(), type_)
        await line.answer()
        line.say("receive", text='{"a": [1, null]}')
        assert json.loads(await line.text()) == {"you said": {"a": [1, None]}}
        line.say("receive", text=None, bytes='"ä"'.encode())
        assert json.loads(await line.text()) == {"you said": "ä"}
        await line.hang_up()


@pytest.mark.parametrize("base", [AsyncJsonWebsocketConsumer, JsonWebsocketConsumer])
@pytest.mark.parametrize(
    "frame", [{"text": "{"}, {"text": ""}, {"bytes": b""}, {"bytes": b"\xff\xfe"}, {"text": "[" * 100_000}]
)
async def test_what_is_not_json_closes_with_1007_and_is_no_error(serve, base, frame):
    line = serve(base.as_asgi())
    await line.answer()
    line.say("receive", **frame)
    assert await line.answer() == {"type": "websocket.close", "code": 1007, "reason": "expected JSON"}
    await line.hang_up(1007)


async def test_a_consumer_may_answer_what_is_not_json_itself(serve):
    class Async(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content):
            await self.send_json(content)

        async def on_decode_error(self, error, data):
            await self.send_json([type(error).__name__, type(error.__cause__).__name__, data])

    class Plain(JsonWebsocketConsumer):
        def receive_json(self, content):
            self.send_json(content)

        def on_decode_error(self, error, data):
            self.send_json([type(error).__name__, type(error.__cause__).__name__, data])

    for consumer in (Async, Plain):
        line = serve(consumer.as_asgi())
        await line.answer()
        line.say("receive", text="{")
        assert json.loads(await line.text()) == ["DecodeError", "JSONDecodeError", "{"]
        line.say("receive", text="1")
        assert await line.text() == "1"
        await line.hang_up()


@pytest.mark.parametrize("foreign", SERVERS)
async def test_the_low_level_methods_of_channels_are_overridden_and_called_as_there(serve, foreign):
    seen = []

    class Async(AsyncWebsocketConsumer):
        async def websocket_connect(self, message):
            seen.append("connect")
            await super().websocket_connect(message)

        async def websocket_receive(self, message):
            await super().websocket_receive({**message, "text": message["text"].upper()})

        async def receive(self, text_data=None, bytes_data=None):
            await self.send(text_data=text_data)

        async def websocket_disconnect(self, message):
            try:
                await super().websocket_disconnect(message)
            finally:
                seen.append("after")

        async def disconnect(self, code):
            seen.append(code)

    class Plain(WebsocketConsumer):
        def websocket_connect(self, message):
            seen.append("connect")
            super().websocket_connect(message)

        def websocket_receive(self, message):
            super().websocket_receive({**message, "text": message["text"].upper()})

        def receive(self, text_data=None, bytes_data=None):
            self.send(text_data=text_data)

        def websocket_disconnect(self, message):
            try:
                super().websocket_disconnect(message)
            finally:
                seen.append("after")

        def disconnect(self, code):
            seen.append(code)

    for consumer in (Async, Plain):
        seen.clear()
        line = serve(consumer.as_asgi(), foreign=foreign)
        await line.answer()
        line.say("receive", text="hello")
        assert await line.text() == "HELLO"
        await line.hang_up(1001)
        assert seen == ["connect", 1001, "after"]


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
@pytest.mark.parametrize(("error", "verb"), [(AcceptConnection, "accept"), (DenyConnection, "close")])
async def test_connect_may_steer_by_raising_below_an_override_too(serve, base, error, verb):
    class Async(AsyncWebsocketConsumer):
        async def websocket_connect(self, message):
            await super().websocket_connect(message)

        async def connect(self):
            raise error

    class Plain(WebsocketConsumer):
        def websocket_connect(self, message):
            super().websocket_connect(message)

        def connect(self):
            raise error

    line = serve((Plain if base is WebsocketConsumer else Async).as_asgi())
    assert (await line.answer())["type"] == f"websocket.{verb}"
    await line.hang_up()


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_dispatch_stands_around_every_event_where_it_is_overridden(serve, layer, base):
    seen = []

    async def dispatch(self, message):
        seen.append(message["type"])
        await base.dispatch(self, message)

    async def areceive(self, text):
        await self.send(text=text)

    async def achat(self, event):
        await self.send(text=event["text"])

    def receive(self, text):
        self.send(text=text)

    def chat(self, event):
        self.send(text=event["text"])

    handlers = (receive, chat) if base is WebsocketConsumer else (areceive, achat)
    body = {"dispatch": dispatch, "receive": handlers[0], "chat_message": handlers[1], "groups": ("room",)}
    line = serve(type("Mine", (base,), body).as_asgi())
    await line.answer()
    line.say("receive", text="1")
    assert await line.text() == "1"
    await layer.group_send("room", {"type": "chat.message", "text": "2"})
    assert await line.text() == "2"
    await layer.group_send("room", {"type": "close"})
    await line.hang_up()
    assert seen == ["websocket.connect", "websocket.receive", "chat.message", "websocket.disconnect"]


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_an_error_before_accept_is_left_to_the_server_which_answers_500(serve, base):
    def connect(self):
        raise KeyError("a bug")

    async def aconnect(self):
        raise KeyError("a bug")

    handler = connect if base is WebsocketConsumer else aconnect
    line = serve(type("Mine", (base,), {"connect": handler}).as_asgi())
    with pytest.raises(KeyError):
        await line.ended()
    assert line.sent == []


async def test_a_peer_that_takes_no_goodbye_holds_nobody_up(serve, monkeypatch):
    monkeypatch.setattr("edge.consumers.websocket.GOODBYE", 0.02)
    never = asyncio.Event()

    async def send(event):
        if event["type"].endswith(".close"):
            await never.wait()

    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text):
            raise KeyError(text)

    line = serve(Consumer.as_asgi(), send=send)
    await line.answer()
    line.say("receive", text="x")
    with pytest.raises(KeyError, match="x"):
        await line.ended()
