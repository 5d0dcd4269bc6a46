import asyncio
import contextvars
import subprocess
import sys

import pytest

from edge.consumers import AsyncAprsConsumer, AsyncConsumer, AsyncMqttConsumer, SerialConsumer, WebsocketConsumer
from edge.consumers.websocket import AsyncWebsocketConsumer
from edge.mailbox import TRANSPORT_CAPACITY
from edge.spec import SCOPES
from edge.testing import (
    ApplicationCommunicator,
    ConversationCommunicator,
    FeedCommunicator,
    HttpCommunicator,
    WebsocketCommunicator,
)

SHORT = 0.05  # seconds; for waits that are meant to run out


class Chat(WebsocketConsumer):
    """The documentation's own, word for word."""

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


class Mirror(AsyncWebsocketConsumer):
    async def receive(self, text, bytes):
        await self.send(text=text) if text is not None else await self.send(bytes=bytes)


async def silent(scope, receive, send):
    while True:
        await receive()


async def ending(scope, receive, send):
    await receive()


def test_the_module_needs_no_django():
    code = "import sys, edge.testing; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


async def test_what_the_app_sends_is_received_in_order():
    async def app(scope, receive, send):
        for number in range(3):
            await send({"type": "number", "number": number})

    communicator = ApplicationCommunicator(app, {"type": "test"})
    assert [(await communicator.receive_output())["number"] for _ in range(3)] == [0, 1, 2]
    await communicator.wait()


async def test_what_was_sent_just_before_the_end_is_still_there_after_it():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "first"})
        await send({"type": "second"})

    communicator = ApplicationCommunicator(app, {"type": "test"})
    await communicator.send_input({"type": "go"})
    await communicator.wait()
    assert (await communicator.receive_output())["type"] == "first"
    assert (await communicator.receive_output())["type"] == "second"


async def test_what_the_app_raises_is_raised_by_the_next_call():
    async def app(scope, receive, send):
        await receive()
        raise KeyError("lost")

    communicator = ApplicationCommunicator(app, {"type": "test"})
    await communicator.send_input({"type": "go"})
    with pytest.raises(KeyError, match="lost"):
        await communicator.receive_output()
    with pytest.raises(KeyError):
        await communicator.send_input({"type": "more"})
    with pytest.raises(KeyError):
        await communicator.receive_nothing()
    with pytest.raises(KeyError):
        await communicator.wait()
    with pytest.raises(KeyError):
        communicator.stop()
    communicator.stop(exceptions=False)


async def test_an_app_that_sends_nothing_in_time_is_cancelled():
    communicator = ApplicationCommunicator(silent, {"type": "test"})
    with pytest.raises(TimeoutError, match=r"sent nothing within 0\.05 s"):
        await communicator.receive_output(timeout=SHORT)
    assert communicator.future.cancelled()


async def test_an_app_that_does_not_end_in_time_is_cancelled():
    communicator = ApplicationCommunicator(silent, {"type": "test"})
    with pytest.raises(TimeoutError, match="did not end"):
        await communicator.wait(timeout=SHORT)
    assert communicator.future.cancelled()


async def test_an_app_that_refuses_to_be_cancelled_does_not_hold_up_the_test():
    release = asyncio.Event()

    async def stubborn(scope, receive, send):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    communicator = ApplicationCommunicator(stubborn, {"type": "test"})
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await communicator.wait(timeout=SHORT)
        release.set()
        await communicator.wait()


async def test_nothing_is_waited_for_from_an_app_that_has_ended():
    communicator = ApplicationCommunicator(ending, {"type": "test"})
    await communicator.send_input({"type": "go"})
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError, match="has ended"):
            await communicator.receive_output(timeout=60)


async def test_silence_can_be_looked_for():
    communicator = ApplicationCommunicator(silent, {"type": "test"})
    assert await communicator.receive_nothing(timeout=SHORT)
    communicator.stop()

    async def talker(scope, receive, send):
        await send({"type": "word"})

    assert not await ApplicationCommunicator(talker, {"type": "test"}).receive_nothing(timeout=5)


async def test_the_scope_can_be_changed_until_the_first_event():
    async def app(scope, receive, send):
        await send({"type": scope["word"]})

    communicator = ApplicationCommunicator(app, {"type": "test"})
    communicator.scope["word"] = "late"
    assert (await communicator.receive_output())["type"] == "late"


async def test_the_context_of_the_test_does_not_leak_into_the_app():
    colour = contextvars.ContextVar("colour", default="none")
    colour.set("of the test")

    async def app(scope, receive, send):
        await send({"type": colour.get()})

    assert (await ApplicationCommunicator(app, {"type": "test"}).receive_output())["type"] == "none"


async def test_a_forgotten_communicator_ends_its_app():
    ended = asyncio.Event()

    async def app(scope, receive, send):
        try:
            await receive()
            await receive()
        finally:
            ended.set()

    communicator = ApplicationCommunicator(app, {"type": "test"})
    await communicator.send_input({"type": "go"})
    await asyncio.sleep(0)
    del communicator
    async with asyncio.timeout(5):
        await ended.wait()


async def test_a_request_is_answered():
    class Page(AsyncConsumer):
        async def http_request(self, event):
            scope = self.scope
            parts = [scope["method"], scope["path"], scope["query_string"].decode(), event["body"].decode()]
            await self.send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
            await self.send({"type": "http.response.body", "body": "|".join(parts).encode(), "more_body": True})
            await self.send({"type": "http.response.body", "body": b"."})

    communicator = HttpCommunicator(Page.as_asgi(), "post", "/caf%C3%A9/?x=1", body=b"hello")
    response = await communicator.get_response()
    assert response == {"status": 201, "headers": [(b"a", b"b")], "body": "POST|/café/|x=1|hello.".encode()}
    communicator.stop()


async def test_a_response_may_leave_out_what_asgi_lets_it_leave_out():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    assert await HttpCommunicator(app, "GET", "/").get_response() == {"status": 204, "headers": [], "body": b""}


def test_a_body_is_bytes():
    with pytest.raises(TypeError, match="bytes"):
        HttpCommunicator(silent, "GET", "/", body="text")


async def test_the_chat_of_the_documentation_runs_over_a_websocket():
    communicator = WebsocketCommunicator(Chat.as_asgi(), "/chat/?room=1")
    assert communicator.scope["path"] == "/chat/"
    assert communicator.scope["query_string"] == b"room=1"
    assert await communicator.connect() == (True, None)
    assert await communicator.receive_from() == "[Welcome Anonymous!]"
    await communicator.send_to(text_data="/name Ann")
    assert await communicator.receive_from() == "[set your username to Ann]"
    await communicator.send_to(text_data="hello")
    assert await communicator.receive_from() == "Ann: hello"
    await communicator.disconnect()


async def test_subprotocol_and_headers_of_the_accept_are_there():
    class Choosy(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept(subprotocol=self.scope["subprotocols"][1], headers=[(b"x", b"y")])

    communicator = WebsocketCommunicator(Choosy.as_asgi(), "/", subprotocols=["v1", "v2"])
    assert await communicator.connect() == (True, "v2")
    assert communicator.response_headers == [(b"x", b"y")]
    await communicator.disconnect()


async def test_a_refusal_is_told_with_its_code():
    class Closed(AsyncWebsocketConsumer):
        async def connect(self):
            await self.close(code=4003)

    communicator = WebsocketCommunicator(Closed.as_asgi(), "/")
    assert await communicator.connect() == (False, 4003)
    await communicator.disconnect()


async def test_frames_may_be_bytes_and_may_be_empty():
    communicator = WebsocketCommunicator(Mirror.as_asgi(), "/")
    await communicator.connect()
    for said in ({"text_data": ""}, {"bytes_data": b""}, {"bytes_data": b"\x00\xff"}):
        await communicator.send_to(**said)
        assert await communicator.receive_from() == next(iter(said.values()))
    await communicator.disconnect()


async def test_json_goes_both_ways():
    communicator = WebsocketCommunicator(Mirror.as_asgi(), "/")
    await communicator.connect()
    await communicator.send_json_to({"a": [1, None]})
    assert await communicator.receive_json_from() == {"a": [1, None]}
    await communicator.send_to(bytes_data=b"{}")
    with pytest.raises(AssertionError, match="JSON"):
        await communicator.receive_json_from()
    await communicator.disconnect()


@pytest.mark.parametrize(
    "said", [{}, {"text_data": "a", "bytes_data": b"a"}, {"text_data": b"a"}, {"bytes_data": "a"}], ids=str
)
async def test_a_frame_is_exactly_one_of_text_and_bytes(said):
    with pytest.raises(AssertionError):
        await WebsocketCommunicator(silent, "/").send_to(**said)


async def test_a_close_where_a_message_was_expected_is_an_assertion():
    class Curt(AsyncWebsocketConsumer):
        async def receive(self, text):
            await self.close(4000)

    communicator = WebsocketCommunicator(Curt.as_asgi(), "/")
    await communicator.connect()
    await communicator.send_to(text_data="hello")
    with pytest.raises(AssertionError, match=r"websocket\.close"):
        await communicator.receive_from()
    await communicator.disconnect()


@pytest.mark.parametrize("communicator", [lambda app: WebsocketCommunicator(app, "/"), ConversationCommunicator])
async def test_what_a_handler_raises_reaches_the_test_and_not_only_its_close(communicator):
    class Broken(AsyncWebsocketConsumer):
        async def connect(self):
            if self.scope.get("broken"):
                raise KeyError("at once")
            await self.accept()

        async def receive(self, text):
            raise KeyError(text)

    dialogue = communicator(Broken.as_asgi())
    dialogue.scope["broken"] = True
    with pytest.raises(KeyError, match="at once"):
        await dialogue.connect()
    dialogue = communicator(Broken.as_asgi())
    await dialogue.connect()
    await dialogue.send_to(text_data="later")
    with pytest.raises(KeyError, match="later"):
        await dialogue.receive_from()


async def test_an_app_may_close_as_if_a_handler_had_failed():
    class Closed(AsyncWebsocketConsumer):
        async def connect(self):
            await self.close(1011)

    communicator = WebsocketCommunicator(Closed.as_asgi(), "/")
    assert await communicator.connect(timeout=SHORT) == (False, 1011)
    await communicator.disconnect()


def test_a_path_is_text():
    with pytest.raises(TypeError):
        WebsocketCommunicator(silent, b"/")


async def test_the_same_chat_runs_over_a_conversation():
    communicator = ConversationCommunicator(Chat.as_asgi(), "QQ7TST", device="vhf")
    assert communicator.scope["path"] == "/vhf/QQ7TST"
    assert await communicator.connect() == (True, None)
    assert await communicator.receive_from() == "[Welcome Anonymous!]"
    await communicator.send_to(text_data="hello")
    assert await communicator.receive_from() == "Anonymous: hello"
    await communicator.disconnect()


async def test_a_conversation_can_be_refused():
    class Closed(AsyncWebsocketConsumer):
        async def connect(self):
            await self.close(code=4003)

    communicator = ConversationCommunicator(Closed.as_asgi())
    assert await communicator.connect() == (False, 4003)
    await communicator.disconnect()


async def test_a_peer_that_left_cannot_say_more():
    async def app(scope, receive, send):
        while (await receive())["type"] != "conversation.disconnect":
            pass
        await asyncio.sleep(60)

    communicator = ConversationCommunicator(app)
    await communicator.send_input({"type": "conversation.disconnect", "code": 1000})
    with pytest.raises(AssertionError, match="mailbox"):
        await communicator.send_to(text_data="still here?")
    communicator.stop()


class Repeater(AsyncAprsConsumer):
    async def receive(self, source, packet):
        await self.send(packet={"format": "status", "text": f"{source} said {packet.get('text')}"})

    async def disconnect(self, code):
        self.scope["state"]["endings"] = [*self.scope["state"].get("endings", []), code]


async def test_a_packet_is_heard_and_answered():
    feed = FeedCommunicator(Repeater.as_asgi(), "aprs", callsign="QQ0BOX-10")
    assert feed.scope["callsign"] == "QQ0BOX-10"
    await feed.connect()
    await feed.hear(format="status", packet={"text": "hello"})
    assert await feed.sent() == {
        "type": "aprs.send",
        "packet": {"format": "status", "text": "QQ1ABC-7 said hello"},
    }
    await feed.disconnect(code=1001)
    assert feed.scope["state"]["endings"] == [1001]


async def test_a_lost_link_is_how_a_feed_ends_where_nothing_is_said():
    feed = FeedCommunicator(Repeater.as_asgi(), "aprs")
    await feed.connect()
    await feed.disconnect()
    assert feed.scope["state"]["endings"] == [1006]


@pytest.mark.parametrize("scope_type", ["serial", "ax25", "aprs", "mqtt"])
async def test_what_is_heard_has_every_field_of_its_specification(scope_type):
    heard = []

    async def app(scope, receive, send):
        while not heard or heard[-1]["type"] != f"{scope_type}.disconnect":
            heard.append(await receive())

    feed = FeedCommunicator(app, scope_type)
    await feed.connect()
    await feed.hear()
    await feed.disconnect()
    connect, receive, disconnect = heard
    assert connect == {"type": f"{scope_type}.connect"}
    for event in (receive, disconnect):
        shape = SCOPES[scope_type][event["type"]]
        assert event.keys() == shape.__required_keys__ | shape.__optional_keys__


async def test_text_may_be_given_where_bytes_are_meant():
    class Logger(AsyncMqttConsumer):
        async def receive(self, topic, payload):
            await self.send(topic="copy", payload=payload)

    feed = FeedCommunicator(Logger.as_asgi(), "mqtt")
    await feed.connect()
    await feed.hear(topic="a/b", payload="21.5 °C")
    assert (await feed.sent())["payload"] == "21.5 °C".encode()
    await feed.disconnect()


async def test_a_line_can_be_given_as_its_text_to_a_consumer_with_plain_handlers():
    class Upper(SerialConsumer):
        def receive(self, text, bytes):
            self.send(text=text.upper() + str(len(bytes)))

    feed = FeedCommunicator(Upper.as_asgi(), "serial", framing="line")
    await feed.connect()
    await feed.hear(text="abc")
    assert (await feed.sent())["text"] == "ABC3"
    await feed.disconnect()


async def test_a_field_that_no_event_has_is_refused_with_those_that_there_are():
    feed = FeedCommunicator(silent, "mqtt")
    with pytest.raises(TypeError, match=r"no body; it has dup, payload, .*topic"):
        await feed.hear(body=b"")


def test_a_scope_that_is_no_feed_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="serial, ax25, aprs, mqtt"):
        FeedCommunicator(silent, "websocket")


async def test_what_a_consumer_of_a_feed_raises_reaches_the_test():
    class Broken(AsyncAprsConsumer):
        async def receive(self, info):
            raise KeyError(info)

    feed = FeedCommunicator(Broken.as_asgi(), "aprs")
    await feed.connect()
    await feed.hear(info="boom")
    with pytest.raises(KeyError, match="boom"):
        await feed.sent()


async def test_a_flood_that_nobody_reads_is_told_to_the_test():
    async def deaf(scope, receive, send):
        await asyncio.sleep(60)

    feed = FeedCommunicator(deaf, "serial")
    for _ in range(TRANSPORT_CAPACITY):
        await feed.hear(bytes=b"x")
    with pytest.raises(AssertionError, match="full"):
        await feed.hear(bytes=b"x")
    feed.stop()
