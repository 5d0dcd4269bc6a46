"""The same consumers under a second ASGI server, hypercorn; and other people's apps below our routers."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer as TheirAsync
from channels.generic.websocket import WebsocketConsumer as TheirSync
from django.core.asgi import get_asgi_application
from django.urls import path, re_path
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from edge.consumers import AsyncHttpConsumer, AsyncWebsocketConsumer, WebsocketConsumer
from edge.fanout import FanOut, Leg
from edge.legs import build_app
from edge.mailbox import Mailbox
from edge.routing import ProtocolTypeRouter, URLRouter

SOON = 10.0

codes = []


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text):
        if text == "fail":
            raise KeyError("a bug")
        await self.send(text=text)

    async def disconnect(self, code):
        codes.append(code)


class PlainEcho(WebsocketConsumer):
    def receive(self, text):
        if text == "fail":
            raise KeyError("a bug")
        self.send(text=text)

    def disconnect(self, code):
        codes.append(code)


class Member(AsyncWebsocketConsumer):
    groups = ("second-server",)

    async def receive(self, text):
        await self.channel_layer.group_send("second-server", {"type": "chat.message", "text": text})

    async def chat_message(self, event):
        await self.send(text=event["text"])


class Refuses(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close()


class Page(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, b"a page")


APP = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [path(name, app.as_asgi()) for name, app in (("echo", Echo), ("plain", PlainEcho), ("member", Member))]
            + [path("refuses", Refuses.as_asgi())]
        ),
        "http": URLRouter([path("page", Page.as_asgi())]),
    }
)


@asynccontextmanager
async def hypercorn(app):
    """Serve an app until the block ends, and stop the server within a bound."""
    config, stop = Config(), asyncio.Event()
    config.bind, config.graceful_timeout, config.loglevel = ["127.0.0.1:0"], 1.0, "CRITICAL"
    sockets = config.create_sockets()
    port = sockets.insecure_sockets[0].getsockname()[1]
    sockets.insecure_sockets[0].listen()  # clients may come before it is served
    config.create_sockets = lambda: sockets
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield port
    finally:
        stop.set()
        await asyncio.wait_for(serving, SOON)


@pytest.fixture
async def port():
    codes.clear()
    async with hypercorn(APP) as number:
        yield number


async def until(condition):
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", ["echo", "plain"])
async def test_an_echo_and_the_goodbye_under_hypercorn(port, name):
    async with connect(f"ws://127.0.0.1:{port}/{name}") as client:
        for number in range(20):
            await client.send(str(number))
        assert [await client.recv() for _ in range(20)] == [str(number) for number in range(20)]
        await client.close(1001)
    await until(lambda: codes)
    assert codes == [1006]  # hypercorn's word for every end that a client began


async def test_a_group_under_hypercorn(port):
    async with connect(f"ws://127.0.0.1:{port}/member") as one, connect(f"ws://127.0.0.1:{port}/member") as other:
        await other.send("ready?")
        assert await other.recv() == "ready?"
        await one.send("hello")
        assert [await asyncio.wait_for(other.recv(), SOON) for _ in range(1)] == ["hello"]


@pytest.mark.parametrize("name", ["echo", "plain"])
async def test_an_error_under_hypercorn_closes_with_1011_and_ends_once(port, name):
    async with connect(f"ws://127.0.0.1:{port}/{name}") as client:
        await client.send("fail")
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(client.recv(), SOON)
    assert closed.value.rcvd.code == 1011
    await until(lambda: codes)
    assert codes == [1011]


@pytest.mark.parametrize("name", ["refuses", "nobody"])
async def test_what_is_refused_and_what_nobody_serves_is_no_500_under_hypercorn(port, name):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{port}/{name}")
    assert refused.value.response.status_code == 403


async def test_pages_under_hypercorn(port):
    for name, status in (("page", b"200"), ("nobody", b"404")):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert status in await asyncio.wait_for(reader.readline(), SOON)
        writer.close()
        await writer.wait_closed()


# Any app below our routers


class Theirs(TheirAsync):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=json.dumps([text_data, self.scope["url_route"]["kwargs"]]))


class TheirsPlain(TheirSync):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=json.dumps([text_data, self.scope["url_route"]["kwargs"]]))


async def starlette_socket(scope, receive, send):
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    await socket.send_text(json.dumps([await socket.receive_text(), scope["url_route"]["kwargs"]]))
    await socket.close()


async def talk(app, scope, *events):
    """Call an app, say these, and return what it sent until it has ended or was heard out."""
    said, sent = asyncio.Queue(), []
    for event in events:
        said.put_nowait(event)

    async def send(event):
        sent.append(event)

    async with asyncio.timeout(SOON):
        await app(scope, said.get, send)
    return sent


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("target", [Theirs.as_asgi(), TheirsPlain.as_asgi(), starlette_socket])
async def test_a_socket_of_anybody_is_a_routes_target(target):
    sent = await talk(
        URLRouter([path("room/<int:room>/", target)]),
        {"type": "websocket", "path": "/room/7/", "headers": [], "query_string": b"", "subprotocols": []},
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "hello"},
        {"type": "websocket.disconnect", "code": 1000},
    )
    assert [json.loads(event["text"]) for event in sent if event["type"] == "websocket.send"] == [
        ["hello", {"room": 7}]
    ]


async def page(request):
    return PlainTextResponse("a page of Starlette")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("target", "status", "has"),
    [(Starlette(routes=[Route("/pages/x", page)]), 200, b"a page of Starlette"), (get_asgi_application(), 404, b"")],
)
async def test_a_site_of_anybody_is_a_routes_target(target, status, has):
    asked = asyncio.Event()

    async def receive():
        if asked.is_set():
            await asyncio.Event().wait()  # the client stays
        asked.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    sent = []

    async def send(event):
        sent.append(event)

    scope = {"type": "http", "method": "GET", "path": "/pages/x", "root_path": "", "headers": [(b"host", b"localhost")]}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "asgi": {"version": "3.0"}}
    async with asyncio.timeout(SOON):
        await URLRouter([re_path(r"^pages/", target)])(scope, receive, send)
    assert sent[0]["status"] == status
    assert has in b"".join(event.get("body", b"") for event in sent)


class TheirsOnALink(TheirAsync):
    """A consumer of Channels for a protocol of ours, by its own rules: one method for each event."""

    heard = []  # noqa: RUF012  (shared on purpose)

    async def serial_connect(self, message):
        pass

    async def serial_receive(self, message):
        self.heard.append(message["text"])
        await self.base_send({"type": "serial.send", "text": "heard"})

    async def serial_disconnect(self, message):
        await self.websocket_disconnect({"code": message["code"]})


async def test_a_consumer_of_channels_is_a_devices_route():
    app = build_app("channels.generic.websocket.AsyncWebsocketConsumer", "serial", {}, "")
    assert app.consumer_class is TheirAsync
    box, sent = Mailbox(), []
    fan_out = FanOut((Leg(key=1, app=TheirsOnALink.as_asgi(), consumer="theirs"),))
    box.offer({"type": "serial.connect"})
    box.offer({"type": "serial.receive", "text": "a line"})

    async def send(event):
        sent.append(event)
        box.close({"type": "serial.disconnect", "code": 1006, "reason": ""})

    async with asyncio.timeout(SOON):
        await fan_out({"type": "serial", "device": "tnc"}, box.receive, send)
    assert TheirsOnALink.heard == ["a line"]
    assert sent == [{"type": "serial.send", "text": "heard"}]
    assert fan_out.status()[0].errors == 0
