"""`transports.web`: a tiny ASGI app, http.client and the websockets library's client."""

import asyncio
import contextlib
import errno
import http.client
import logging
import signal
import socket
import ssl
import sys

import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import ConnectionClosed

from edge.errors import ConfigError
from tests.certificates import make_pair, served
from transports import web
from transports.web import WebServer

SOON = 5.0  # seconds; no test waits longer for one thing


class App:
    """Says hello over HTTP, echoes over WebSocket, floods on /flood, never ends on /forever."""

    def __init__(self):
        self.scopes = []
        self.disconnects = []
        self.begun = asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await self.talk(scope, receive, send)
        elif scope["path"] == "/forever":
            await self.stay()
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"hello"})

    async def stay(self):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    async def talk(self, scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        self.begun.set()
        if scope["path"] == "/flood":
            with contextlib.suppress(OSError):
                while True:
                    await send({"type": "websocket.send", "bytes": bytes(65_536)})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})
        self.disconnects.append(event["code"])


@contextlib.asynccontextmanager
async def serving(app, **settings):
    server = WebServer(app, **{"port": 0, **settings})
    await asyncio.wait_for(server.start(), SOON)
    try:
        yield server
    finally:
        await asyncio.wait_for(server.stop(0.5), SOON)


def port_of(server):
    return int(server.url.rpartition(":")[2])


def get(port, path="/", headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


async def test_it_answers_from_start_to_stop():
    async with serving(App()) as server:
        port = port_of(server)
        assert server.url == f"http://127.0.0.1:{port}"
        status, body, headers = await asyncio.to_thread(get, port)
        assert (status, body) == (200, b"hello")
        assert "server" not in headers
        assert "date" in headers
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(get, port)
    async with serving(App(), port=port):  # nothing was left behind
        pass


@pytest.mark.needs("openssl")
async def test_with_a_context_it_speaks_tls_and_the_context_may_change_under_it(tmp_path):
    pairs = [make_pair(tmp_path, name) for name in ("one.example", "two.example")]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    app = App()
    async with serving(app, tls=context) as server:
        port = port_of(server)
        assert server.url == f"https://127.0.0.1:{port}"
        with pytest.raises(ssl.SSLError):  # at once, and not after a wait: there is no certificate yet
            await asyncio.to_thread(served, port, "one.example", pairs[0][0])
        for name, pair in zip(("one.example", "two.example"), pairs, strict=True):
            context.load_cert_chain(*pair)
            found = await asyncio.to_thread(served, port, name, pair[0])
            assert found["subjectAltName"] == (("DNS", name),)
        trusting = ssl.create_default_context(cafile=str(pairs[1][0]))
        async with connect(
            f"wss://two.example:{port}/", host="127.0.0.1", port=port, ssl=trusting, proxy=None
        ) as client:
            await client.send("hello")
            assert await asyncio.wait_for(client.recv(), SOON) == "hello"
        assert app.scopes[-1]["scheme"] == "wss"


async def test_stopping_twice_or_before_the_start_is_no_error():
    server = WebServer(App(), port=0)
    await server.stop()
    await server.start()
    waiting = asyncio.create_task(server.wait())
    await server.stop()
    await server.stop()
    await asyncio.wait_for(waiting, SOON)


async def test_a_busy_port_is_told_with_what_to_do():
    async with serving(App()) as server:
        port = port_of(server)
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is in use; stop the program that uses it, or"):
            await WebServer(App(), port=port).start()
        assert (await asyncio.to_thread(get, port))[0] == 200


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EACCES, ""), "port 80 needs rights .* such as 8000, or give the service CAP_NET_BIND_SERVICE"),
        (socket.gaierror(socket.EAI_NONAME, ""), "'box' is no address of this machine; use 127.0.0.1"),
        (OSError(errno.EMFILE, "Too many open files"), "cannot listen on box:80: .*Too many open files"),
    ],
)
async def test_why_a_port_cannot_be_had_is_told(monkeypatch, error, words):
    async def getaddrinfo(*args, **kwargs):
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(ConfigError, match=words):
        await WebServer(App(), host="box", port=80).start()


async def test_an_address_of_another_machine_is_told():
    with pytest.raises(ConfigError, match=r"'192.0.2.1' is no address of this machine"):
        await WebServer(App(), host="192.0.2.1", port=0).start()


async def test_a_port_that_is_none_is_told():
    with pytest.raises(ConfigError, match="expected a port from 0 to 65535; got 70000"):
        await WebServer(App(), port=70_000).start()


@pytest.mark.parametrize(("host", "said"), [("0.0.0.0", "localhost"), ("localhost", "localhost")])
async def test_the_url_is_for_a_browser_of_this_machine(host, said):
    async with serving(App(), host=host) as server:
        assert server.url.startswith(f"http://{said}:")
        assert (await asyncio.to_thread(get, port_of(server)))[0] == 200


async def test_a_websocket_talks_uncompressed_and_within_its_bound():
    app = App()
    async with (
        serving(app, max_websocket_message=1000) as server,
        connect(server.url.replace("http", "ws"), proxy=None) as client,
    ):
        assert client.protocol.extensions == []
        await client.send("x" * 1000)
        assert await asyncio.wait_for(client.recv(), SOON) == "x" * 1000
        await client.send("x" * 1001)
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(client.recv(), SOON)
        assert caught.value.rcvd.code == 1009


async def test_websockets_are_closed_with_1012_when_the_server_stops():
    app = App()
    async with serving(app) as server, connect(server.url.replace("http", "ws"), proxy=None) as client:
        await asyncio.wait_for(app.begun.wait(), SOON)
        await asyncio.wait_for(server.stop(2.0), SOON)
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(client.recv(), SOON)
        assert caught.value.rcvd.code == 1012
    assert app.disconnects == [1012]


async def test_a_client_that_never_reads_does_not_hold_up_the_stop(caplog):
    app = App()
    async with serving(app) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server), limit=1)
        writer.write(
            b"GET /flood HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await asyncio.wait_for(app.begun.wait(), SOON)
        began = asyncio.get_running_loop().time()
        await asyncio.wait_for(server.stop(0.2), SOON)
        assert asyncio.get_running_loop().time() - began < 0.2 + 2 * web.CUT_TIMEOUT + 1
        writer.transport.abort()
        del reader
    assert "cut 1 connections" in caplog.text


async def test_an_app_that_never_ends_is_cancelled():
    app = App()
    async with serving(app) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(b"GET /forever HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(app.begun.wait(), SOON)
        await asyncio.wait_for(server.stop(0.1), SOON)
        assert app.cancelled
        with contextlib.suppress(OSError):
            await asyncio.wait_for(reader.read(), SOON)
        writer.transport.abort()


async def test_no_signal_handler_is_changed():
    def handlers():
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    before = handlers()
    async with serving(App()):
        assert handlers() == before
    assert handlers() == before


async def test_logging_is_left_alone():
    handlers = list(logging.getLogger().handlers)
    async with serving(App()):
        assert logging.getLogger().handlers == handlers
        assert logging.getLogger("uvicorn").handlers == []


async def test_a_unix_socket_serves_a_proxy(tmp_path):
    path = tmp_path / "edge.sock"
    app = App()
    async with serving(app, uds=str(path)) as server:
        assert server.url == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o660
        forwarded = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
        async with unix_connect(str(path), "ws://edge/", additional_headers=forwarded) as client:
            await client.send("hi")
            assert await asyncio.wait_for(client.recv(), SOON) == "hi"
        assert (app.scopes[0]["client"][0], app.scopes[0]["scheme"]) == ("192.0.2.7", "wss")
        with pytest.raises(ConfigError, match="is in use by another server"):
            await WebServer(App(), uds=str(path)).start()
    assert not path.exists()


async def test_a_unix_socket_of_a_dead_server_is_replaced_and_a_file_is_not(tmp_path):
    path = tmp_path / "edge.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(App(), uds=str(path)):
        pass
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is not a socket, and was left alone"):
        await WebServer(App(), uds=str(path)).start()
    assert path.read_text() == "mine"
    with pytest.raises(ConfigError, match=r"cannot listen on the Unix socket .* does its folder exist"):
        await WebServer(App(), uds=str(tmp_path / "none" / "edge.sock")).start()


async def test_a_socket_that_is_handed_in_is_served():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        async with serving(App(), sock=sock) as server:
            assert server.url == f"http://127.0.0.1:{port}"
            assert (await asyncio.to_thread(get, port))[0] == 200


async def test_only_a_trusted_proxy_is_believed():
    app = App()
    async with serving(app, forwarded_allow_ips="192.0.2.9") as server:
        await asyncio.to_thread(get, port_of(server), "/", {"X-Forwarded-For": "192.0.2.7"})
    assert app.scopes[0]["client"][0] == "127.0.0.1"


def test_the_box_runs_on_the_fastest_loop_there_is(monkeypatch):
    async def main():
        return type(asyncio.get_running_loop()).__module__

    pytest.importorskip("uvloop")
    assert web.run(main()).startswith("uvloop")
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert web.run(main()).startswith("asyncio")
