"""`AsyncHttpConsumer`: over a communicator, and over the real server with a browser's plain socket."""

import asyncio
import contextlib

import pytest

from edge.consumers import AsyncHttpConsumer, http
from edge.errors import LinkLost, LocalProtocolError
from edge.exceptions import InvalidChannelLayerError
from edge.layers import InMemoryChannelLayer, channel_layers
from edge.testing import ApplicationCommunicator, HttpCommunicator
from transports.web import WebServer

SOON = 5.0  # seconds; no test waits so long unless it fails


class Told(AsyncHttpConsumer):
    """Writes down how often it was said goodbye to."""

    def __init__(self, log):
        super().__init__()
        self.log = log
        self.gone = asyncio.Event()
        self.busy = asyncio.Event()

    async def disconnect(self):
        self.log.append("disconnect")
        self.gone.set()


class Poll(Told):
    groups = ("news",)

    async def handle(self, body):
        if not await self.wait(0.05 if body == b"impatient" else None):
            await self.send_response(204, b"")

    async def news(self, event):
        await self.send_response(200, event["text"].encode(), headers={"content-type": "text/plain"})


class Stream(Told):
    """Begins in `handle`, goes on when that has returned."""

    groups = ("news",)

    async def handle(self, body):
        await self.send_headers(headers={b"content-type": b"text/plain"})
        await self.send_body(b"", more_body=True)

    async def news(self, event):
        await self.send_body(event["text"].encode(), more_body=event["more"])


class Busy(Told):
    """Is at work when its client leaves."""

    async def handle(self, body):
        await self.send_headers()
        await self.send_body(b"begun", more_body=True)
        self.busy.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.log.append("interrupted")


async def until(true):
    async with asyncio.timeout(SOON):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving(app):
    server = WebServer(app, port=0)
    await asyncio.wait_for(server.start(), SOON)
    try:
        yield int(server.url.rpartition(":")[2])
    finally:
        await asyncio.wait_for(server.stop(0.5), SOON)


@contextlib.asynccontextmanager
async def asking(port, *lines, method="GET"):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = [f"{method} / HTTP/1.1", "host: localhost", *lines, "", ""]
        writer.write("\r\n".join(head).encode())
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read_until(reader, mark):
    return await asyncio.wait_for(reader.readuntil(mark), SOON)


async def test_it_gathers_the_body_and_answers():
    class Echo(AsyncHttpConsumer):
        async def handle(self, body):
            await self.send_response(200, body, headers={b"Content-Type": b"text/plain"})

    asked = ApplicationCommunicator(Echo.as_asgi(), HttpCommunicator(Echo.as_asgi(), "POST", "/").scope)
    await asked.send_input({"type": "http.request", "body": b"hel", "more_body": True})
    await asked.send_input({"type": "http.request", "body": b"lo"})
    start, body = await asked.receive_output(), await asked.receive_output()
    assert start == {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]}
    assert body == {"type": "http.response.body", "body": b"hello", "more_body": False}
    await asked.wait()


async def test_an_instance_is_an_app_and_headers_may_be_texts():
    class Plain(AsyncHttpConsumer):
        async def handle(self, body):
            await self.send_response(404, b"no", headers=[("x-why", "nothing")])

    response = await HttpCommunicator(Plain(), "GET", "/").get_response()
    assert response == {"status": 404, "headers": [(b"x-why", b"nothing")], "body": b"no"}


async def test_a_long_poll_is_answered_by_a_message_to_its_group(layer):
    log = []
    polling = HttpCommunicator(Poll(log), "GET", "/")
    answer = asyncio.ensure_future(polling.get_response(timeout=SOON))
    await until(lambda: layer.groups)
    await layer.group_send("news", {"type": "news", "text": "it rains"})
    await layer.group_send("news", {"type": "news", "text": "too late"})
    assert (await answer)["body"] == b"it rains"
    await polling.wait()
    assert log == ["disconnect"]
    assert layer.groups == {}


async def test_a_long_poll_that_nobody_answers_ends_by_its_own_limit(layer):
    log = []
    polling = HttpCommunicator(Poll(log), "GET", "/", b"impatient")
    assert (await polling.get_response())["status"] == 204
    await polling.wait()
    assert log == ["disconnect"]


async def test_a_limit_holds_while_messages_flow_that_do_not_answer(layer):
    class Deaf(AsyncHttpConsumer):
        groups = ("news",)
        heard = 0

        async def handle(self, body):
            answered = await self.wait(0.05)
            await self.send_response(200, f"{answered} {self.heard > 1}".encode())

        async def news(self, event):
            Deaf.heard += 1
            await self.channel_layer.send(self.channel_name, event)
            await asyncio.sleep(0)

    polling = HttpCommunicator(Deaf.as_asgi(), "GET", "/")
    answer = asyncio.ensure_future(polling.get_response())
    await until(lambda: layer.groups)
    await layer.group_send("news", {"type": "news"})
    assert (await answer)["body"] == b"False True"
    await polling.wait()


async def test_an_open_response_goes_on_after_handle_has_returned(layer):
    log = []
    streaming = HttpCommunicator(Stream(log), "GET", "/")
    answer = asyncio.ensure_future(streaming.get_response(timeout=SOON))
    await until(lambda: layer.groups)
    for text, more in (("one ", True), ("two", False)):
        await layer.group_send("news", {"type": "news", "text": text, "more": more})
    assert (await answer)["body"] == b"one two"
    await streaming.wait()
    assert log == ["disconnect"]


async def test_over_the_real_server_a_long_poll_is_answered_by_group_send(layer):
    log = []
    async with serving(Poll(log)) as port, asking(port) as reader:
        await until(lambda: layer.groups)
        await layer.group_send("news", {"type": "news", "text": "it rains"})
        assert b"200 OK" in await read_until(reader, b"\r\n\r\n")
        assert await read_until(reader, b"0\r\n\r\n") == b"8\r\nit rains\r\n0\r\n\r\n"
    assert log == ["disconnect"]


@pytest.mark.parametrize("kind", [Poll, Stream, Busy])
async def test_over_the_real_server_a_client_that_leaves_is_seen_at_once(layer, kind):
    log = []
    consumer = kind(log)
    async with serving(consumer) as port:
        async with asking(port) as reader:
            if kind is not Poll:
                await read_until(reader, b"\r\n\r\n")
            await until(lambda: layer.groups or consumer.busy.is_set())
        await asyncio.wait_for(consumer.gone.wait(), SOON)
        await until(lambda: not layer.groups)
    assert log == (["interrupted", "disconnect"] if kind is Busy else ["disconnect"])


async def test_a_client_that_leaves_before_its_body_was_whole_is_not_handled():
    log = []
    asked = HttpCommunicator(Busy(log), "POST", "/")
    await asked.send_input({"type": "http.request", "body": b"half", "more_body": True})
    await asked.send_input({"type": "http.disconnect"})
    await asked.wait()
    assert log == ["disconnect"]


async def test_what_is_done_after_the_response_is_not_interrupted():
    log = []

    class Late(Told):
        async def handle(self, body):
            await self.send_response(202, b"")
            await self.busy.wait()
            log.append("done")

    consumer = Late(log)
    asked = HttpCommunicator(consumer, "POST", "/")
    await asked.get_response()
    await asked.send_input({"type": "http.disconnect"})  # as servers do at the end of a response
    await until(asked.input_queue.empty)
    assert await asked.receive_nothing(0.02)
    consumer.busy.set()
    await asked.wait()
    assert log == ["done", "disconnect"]


async def test_a_stop_of_the_box_says_goodbye_too():
    log = []
    consumer = Busy(log)
    asked = HttpCommunicator(consumer, "GET", "/")
    await asked.send_input({"type": "http.request"})
    await asyncio.wait_for(consumer.busy.wait(), SOON)
    asked.stop()
    await asyncio.wait({asked.future}, timeout=SOON)
    assert asked.future.cancelled()
    assert log == ["interrupted", "disconnect"]


async def test_an_error_in_handle_is_raised_after_the_goodbye():
    log = []

    class Wrong(Told):
        async def handle(self, body):
            raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await HttpCommunicator(Wrong(log), "GET", "/").get_response()
    assert log == ["disconnect"]


async def test_a_peer_that_is_lost_while_sending_is_no_error():
    log = []

    class Talker(Told):
        async def handle(self, body):
            await self.send_response(200, b"hello")

    async def send(event):
        raise ConnectionResetError("gone")

    async def receive():
        return {"type": "http.request"}

    await asyncio.wait_for(Talker(log)({"type": "http"}, receive, send), SOON)
    assert log == ["disconnect"]
    assert issubclass(LinkLost, OSError)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_beyond_the_bound_is_answered_with_413_and_never_handled(announced):
    log = []

    class Small(Told):
        max_body = 4

        async def handle(self, body):
            log.append("handled")

    headers = [(b"content-length", b"5")] if announced else []
    asked = HttpCommunicator(Small(log), "POST", "/", b"12345", headers)
    response = await asked.get_response()
    assert (response["status"], (b"connection", b"close") in response["headers"]) == (413, True)
    assert response["body"] == b"The body of a request to this address may have 4 bytes.\n"
    await asked.wait()
    assert log == ["disconnect"]


async def test_over_the_real_server_413_comes_before_the_body():
    class Small(AsyncHttpConsumer):
        max_body = 4

    async with serving(Small.as_asgi()) as port, asking(port, "content-length: 999999999", method="POST") as reader:
        assert b"HTTP/1.1 413 " in await read_until(reader, b"\r\n\r\n")
        assert b"may have 4 bytes" in await asyncio.wait_for(reader.read(), SOON)  # to the end: it was closed


async def test_no_bound_lets_every_body_through(monkeypatch):
    class Large(AsyncHttpConsumer):
        max_body = None

        async def handle(self, body):
            await self.send_response(200, b"%d" % len(body))

    asked = HttpCommunicator(Large.as_asgi(), "POST", "/", bytes(http.MAX_BODY + 1))
    assert (await asked.get_response())["body"] == b"%d" % (http.MAX_BODY + 1)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda self: self.send_body(b""), "http.response.body was sent when the response was not yet begun"),
        (lambda self: self.send_response(200, b""), "http.response.start was sent when the response was complete"),
    ],
)
async def test_what_does_not_fit_the_response_is_a_clear_error(act, words):
    class Muddled(AsyncHttpConsumer):
        async def handle(self, body):
            if "complete" in words:
                await act(self)
            await act(self)

    asked = HttpCommunicator(Muddled.as_asgi(), "GET", "/")
    await asked.send_input({"type": "http.request"})
    with pytest.raises(LocalProtocolError, match=words):
        await asked.wait()


async def test_handle_without_a_response_is_told_of_wait():
    class Silent(AsyncHttpConsumer):
        async def handle(self, body):
            pass

    with pytest.raises(LocalProtocolError, match=r"handle\(\) returned before it began a response; .*self.wait\(\)"):
        await HttpCommunicator(Silent.as_asgi(), "GET", "/").get_response()


async def test_a_text_is_no_body():
    class Texts(AsyncHttpConsumer):
        async def handle(self, body):
            await self.send_response(200, "text")

    with pytest.raises(AssertionError, match="Body is not bytes"):
        await HttpCommunicator(Texts.as_asgi(), "GET", "/").get_response()


async def test_a_consumer_without_handle_says_so():
    with pytest.raises(NotImplementedError, match=r"must provide a handle\(\) method"):
        await HttpCommunicator(AsyncHttpConsumer.as_asgi(), "GET", "/").get_response()


async def test_groups_need_a_layer(no_layer):
    with pytest.raises(InvalidChannelLayerError, match="BACKEND is unconfigured"):
        await HttpCommunicator(Stream([]), "GET", "/").get_response()


async def test_the_layer_cannot_call_the_consumers_own_methods(layer):
    log = []
    polling = HttpCommunicator(Poll(log), "GET", "/")
    answer = asyncio.ensure_future(polling.get_response(timeout=SOON))
    await until(lambda: layer.groups)
    for type_ in ("handle", "wait", "send.body", "http.disconnect", "disconnect", "unknown"):
        await layer.group_send("news", {"type": type_})
    await layer.group_send("news", {"type": "news", "text": "still here"})
    assert (await answer)["body"] == b"still here"
    await polling.wait()


def test_a_plain_handle_is_an_error_when_the_class_is_made():
    with pytest.raises(TypeError, match=r"handle\(\) is a plain function"):

        class Plain(AsyncHttpConsumer):
            def handle(self, body):
                pass


class Foreign:
    """A layer that can only be asked, as Channels' are."""

    def __init__(self):
        inner = self.inner = InMemoryChannelLayer()
        self.extensions = inner.extensions
        self.send, self.receive, self.new_channel = inner.send, inner.receive, inner.new_channel
        self.group_add, self.group_discard, self.group_send = inner.group_add, inner.group_discard, inner.group_send


async def test_a_third_partys_layer_wakes_it_too(layer):
    foreign = Foreign()
    channel_layers.set("default", foreign)
    polling = HttpCommunicator(Poll([]), "GET", "/")
    answer = asyncio.ensure_future(polling.get_response(timeout=SOON))
    await until(lambda: foreign.inner.groups)
    await foreign.group_send("news", {"type": "news", "text": "from afar"})
    assert (await answer)["body"] == b"from afar"
    await polling.wait()


async def test_events_of_extensions_pass_as_they_are():
    class Extended(AsyncHttpConsumer):
        async def handle(self, body):
            await self.send({"type": "http.response.push", "path": "/style.css", "headers": []})
            await self.send({"type": "http.response.start", "status": 200, "trailers": True})
            await self.send_body(b"")
            await self.send({"type": "http.response.trailers", "headers": []})

    asked = HttpCommunicator(Extended.as_asgi(), "GET", "/")
    await asked.send_input({"type": "http.request"})
    sent = [(await asked.receive_output())["type"].rpartition(".")[2] for _ in range(4)]
    assert sent == ["push", "start", "body", "trailers"]
    await asked.wait()
