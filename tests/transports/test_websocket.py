"""`transports.websocket`: real sockets, and the websockets library or bytes by hand on the other side."""

import asyncio
import base64
import contextlib
import os
import socket

import pytest
from uvicorn.protocols.utils import ClientDisconnected
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from transports.web import WebServer
from transports.websocket import READ_AHEAD

SOON = 5.0  # seconds; no test waits longer for one thing
QUIET = 0.2  # seconds in which what must not come would have come


class App:
    """Keeps what it is told, and answers what a test hands it; reads only while it may."""

    def __init__(self):
        self.events = []
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.is_up = asyncio.Event()
        self.ended = asyncio.Event()
        self.send = None

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "websocket"
        assert await receive() == {"type": "websocket.connect"}
        await send({"type": "websocket.accept"})
        self.send = send
        self.is_up.set()
        try:
            while True:
                await self.may_read.wait()
                self.events.append(event := await receive())
                if event["type"] == "websocket.disconnect":
                    return
                if event.get("text") == "echo":
                    await send({"type": "websocket.send", "text": "echo"})
        finally:
            self.ended.set()

    @property
    def heard(self):
        return [event.get("text") or event.get("bytes") for event in self.events if event["type"].endswith("receive")]


@contextlib.asynccontextmanager
async def serving(app, **settings):
    server = WebServer(app, port=0, **settings)
    await asyncio.wait_for(server.start(), SOON)
    try:
        yield server.url.replace("http", "ws") + "/"
    finally:
        await asyncio.wait_for(server.stop(0.5), SOON)


async def until(condition):
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.01)


class Raw:
    """A client that writes what bytes it likes."""

    def __init__(self, url):
        host, port = url.split("/")[2].split(":")
        self.sock = socket.create_connection((host, int(port)))
        self.sock.setblocking(False)
        self.loop = asyncio.get_running_loop()

    async def __aenter__(self):
        key = base64.b64encode(os.urandom(16))
        await self.say(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += await self.hear()
        assert b" 101 " in head
        return self

    async def __aexit__(self, *_):
        self.sock.close()

    async def say(self, data):
        await asyncio.wait_for(self.loop.sock_sendall(self.sock, data), SOON)

    async def hear(self):
        return await asyncio.wait_for(self.loop.sock_recv(self.sock, 65_536), SOON)


def frame(opcode, data, *, fin=True):
    return Frame(opcode, data, fin=fin).serialize(mask=True)


async def test_text_and_bytes_come_and_go_in_order():
    app = App()
    async with serving(app) as url, connect(url) as client:
        for said in ("one", b"two", "x" * 60_000, "", b"", "ä"):
            await client.send(said)
        await until(lambda: len(app.events) == 6)
        assert [event.get("text", event.get("bytes")) for event in app.events] == [
            "one", b"two", "x" * 60_000, "", b"", "ä",
        ]  # fmt: skip
        for said in ({"text": "a"}, {"bytes": b"b"}, {"text": "c" * 70_000}, {"text": ""}):
            await app.send({"type": "websocket.send", **said})
        async with asyncio.timeout(SOON):
            assert [await client.recv() for _ in range(4)] == ["a", b"b", "c" * 70_000, ""]


async def test_frames_in_any_pieces_with_a_ping_and_a_message_in_fragments():
    app = App()
    async with serving(app) as url, Raw(url) as client:
        stream = b"".join(
            (
                frame(Opcode.TEXT, b"one"),
                frame(Opcode.TEXT, b"tw", fin=False),
                frame(Opcode.PING, b"?"),
                frame(Opcode.CONT, b"o"),
                frame(Opcode.BINARY, bytes(300)),
            )
        )
        for at in range(0, len(stream), 7):
            await client.say(stream[at : at + 7])
            await asyncio.sleep(0)
        await until(lambda: len(app.events) == 3)
        assert app.heard == ["one", "two", bytes(300)]
        assert await client.hear() == Frame(Opcode.PONG, b"?").serialize(mask=False)


async def test_many_frames_in_one_read_are_all_heard_and_their_answers_are_one_write():
    app = App()
    async with serving(app) as url, Raw(url) as client:
        await client.say(frame(Opcode.TEXT, b"echo") * 1000)
        answer = Frame(Opcode.TEXT, b"echo").serialize(mask=False)
        came = b""
        while len(came) < 1000 * len(answer):
            came += await client.hear()
        assert came == answer * 1000


async def test_a_slow_app_is_not_read_for_and_loses_nothing():
    app = App()
    async with serving(app) as url, connect(url) as client:
        await asyncio.wait_for(app.is_up.wait(), SOON)
        app.may_read.clear()
        await client.send("0")  # for which it waits in receive()
        await until(lambda: app.events)
        count, big = 200, "y" * 60_000
        talking = asyncio.create_task(say_all(client, [f"{number} {big}" for number in range(count)]))
        done, _ = await asyncio.wait({talking}, timeout=QUIET)
        assert not done, "the client had to wait"
        app.may_read.set()
        await asyncio.wait_for(talking, SOON)
        await until(lambda: len(app.events) == count + 1)
        assert [int(text.split()[0]) for text in app.heard[1:]] == list(range(count))


async def say_all(client, texts):
    for text in texts:
        await client.send(text)


async def test_the_end_overtakes_what_an_app_was_too_slow_for():
    app = App()
    async with serving(app) as url:
        async with connect(url) as client:
            await asyncio.wait_for(app.is_up.wait(), SOON)
            app.may_read.clear()
            for number in range(READ_AHEAD * 3):
                await client.send(str(number))
        await asyncio.sleep(0)
        app.may_read.set()
        await asyncio.wait_for(app.ended.wait(), SOON)
        assert app.events[-1]["type"] == "websocket.disconnect"
        assert [int(text) for text in app.heard] == list(range(len(app.heard)))


async def test_the_client_s_code_and_reason_reach_the_app():
    app = App()
    async with serving(app) as url, connect(url) as client:
        await client.close(4001, "enough")
        await asyncio.wait_for(app.ended.wait(), SOON)
        assert app.events == [{"type": "websocket.disconnect", "code": 4001, "reason": "enough"}]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(Opcode.TEXT, b"\xff"), 1007, id="no UTF-8"),
        pytest.param(
            frame(Opcode.TEXT, b"\xff", fin=False) + frame(Opcode.CONT, b""), 1007, id="no UTF-8 in fragments"
        ),
        pytest.param(Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002, id="not masked"),
        pytest.param(frame(Opcode.CONT, b"x"), 1002, id="goes on with nothing"),
        pytest.param(frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"y"), 1002, id="a message in a message"),
        pytest.param(frame(Opcode.BINARY, bytes(2000)), 1009, id="too long"),
        pytest.param(bytes([0x82, 0xFF]) + (2**40).to_bytes(8) + bytes(4), 1009, id="says it is too long"),
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection_with_its_code(data, code):
    app = App()
    async with serving(app, max_websocket_message=1024) as url, Raw(url) as client:
        await client.say(frame(Opcode.TEXT, b"before") + data)
        came = b""
        with contextlib.suppress(ConnectionError):
            while data := await client.hear():
                came += data
        assert came[:1] == b"\x88"
        assert int.from_bytes(came[2:4]) == code
        await asyncio.wait_for(app.ended.wait(), SOON)
        assert app.heard == ["before"]
        assert app.events[-1]["code"] == code


async def test_sending_to_one_who_left_is_an_error_and_what_comes_after_our_close_is_not_heard():
    app = App()
    async with serving(app) as url, connect(url) as client:
        await asyncio.wait_for(app.is_up.wait(), SOON)
        await app.send({"type": "websocket.close", "code": 4000, "reason": "bye"})
        with pytest.raises(RuntimeError, match="after sending"):
            await app.send({"type": "websocket.send", "text": "late"})
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(client.recv(), SOON)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "bye")
    async with serving(app := App()) as url:
        async with connect(url):
            await asyncio.wait_for(app.is_up.wait(), SOON)
        await asyncio.wait_for(app.ended.wait(), SOON)
        with pytest.raises(ClientDisconnected):
            await app.send({"type": "websocket.send", "text": "late"})


async def test_what_uvicorn_s_half_writes_keeps_its_place_among_our_frames():
    app = App()
    async with serving(app) as url, connect(url) as client:
        await asyncio.wait_for(app.is_up.wait(), SOON)
        for number in range(3):
            await app.send({"type": "websocket.send", "text": str(number)})
        await app.send({"type": "websocket.close"})
        async with asyncio.timeout(SOON):
            assert [text async for text in client] == ["0", "1", "2"]
