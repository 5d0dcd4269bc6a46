"""HTTP and WebSocket: uvicorn inside our own loop. It is the transport for browsers; the standard's scopes are its own.

uvicorn is made to be the main program. Here it is one server among others: it takes no signal, configures no logging,
ends no process, and runs no lifespan (the box does). `run` is the other half: the loop that everything runs on.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import stat
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from edge.asgi import App
from edge.errors import ConfigError
from transports.websocket import WebSocket

MAX_CONNECTIONS = 4_096  # beyond, HTTP is answered with 503; uvicorn has no bound of its own
BACKLOG = 256  # connections that the kernel keeps while the loop is busy
PING_INTERVAL = 30.0  # seconds; half of what proxies and phone networks commonly let an idle connection live
PING_TIMEOUT = 20.0  # seconds; a phone in a pocket takes a while, a dead one is found within a minute
KEEP_ALIVE = 15  # seconds that an idle HTTP connection is kept for the next request of the page
CUT_TIMEOUT = 1.0  # seconds for what was cut off to be torn down
SOCKET_MODE = 0o660  # of a Unix socket: the proxy's user belongs in the service's group
TICK = 1.0  # seconds; the Date header shows no less

_log = logging.getLogger(__name__)

T = TypeVar("T")


class WebServer:
    """Serves one ASGI app over HTTP/1.1 and WebSocket, on TCP, on a Unix socket, or on a socket that is handed in.

    With ``tls`` it speaks HTTPS; whoever made the context may give it another certificate at any time.
    ``forwarded_allow_ips`` are the proxies whose X-Forwarded headers are believed; on a Unix socket, which only the
    proxy can open, by default every one. ``max_websocket_message`` is in bytes; a larger one closes its connection with
    1009. Messages are not compressed: with permessage-deflate each browser costs 54 KiB instead of 20.
    """

    def __init__(  # noqa: PLR0913  (one setting each, all but the app by keyword)
        self,
        app: App,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        uds: str | None = None,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        forwarded_allow_ips: str | None = None,
        max_websocket_message: int = 65_536,
        log_level: str = "warning",
    ) -> None:
        self._host, self._port, self._uds = host, port, uds
        self._given = sock
        self._sockets: list[socket.socket] = []
        believed = forwarded_allow_ips or ("*" if uds else "127.0.0.1,::1")
        self._scheme = "https" if tls else "http"
        self._config = _configure(app, believed, max_websocket_message, log_level)
        self._config.tls = tls
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where a browser of this machine finds the server; the port is the real one once `start` has returned."""
        if self._uds is not None:
            return f"unix:{self._uds}"
        host, port = self._host, self._port
        if self._sockets and self._sockets[0].family in (socket.AF_INET, socket.AF_INET6):
            host, port = (
                self._sockets[0].getsockname()[:2] if self._given else (host, self._sockets[0].getsockname()[1])
            )
        host = "localhost" if host in ("", "0.0.0.0", "::") else host  # noqa: S104  (said, not bound)
        return f"{self._scheme}://[{host}]:{port}" if ":" in host else f"{self._scheme}://{host}:{port}"

    async def start(self) -> None:
        """Listen, and return once connections are taken; raise ConfigError that says why that cannot be."""
        self._sockets = [self._given] if self._given else await self._bind()
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets), name="web server")
        listening = asyncio.create_task(self._server.listening.wait(), name="web server is listening")
        try:
            await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
        if self._task.done():
            self._close_sockets()
            await self._task
        _log.info("serving on %s", self.url)

    @property
    def ended(self) -> bool:
        """Tell whether the server was started and serves no more."""
        return self._task is not None and self._task.done()

    async def wait(self) -> None:
        """Return when the server has stopped; raise what it died of."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109  (uvicorn's own, which says goodbye within it)
        """Take no more connections, close WebSockets with 1012, let answers finish, and after a while cut the rest.

        That is after ``timeout`` seconds; the whole takes two `CUT_TIMEOUT` more at most. May be called twice, and
        without `start`.
        """
        if self._task is None:
            return
        self._config.timeout_graceful_shutdown = timeout  # type: ignore[assignment]  # an int to uvicorn, which waits for it
        self._server.leave()
        try:
            await asyncio.wait({self._task}, timeout=timeout + CUT_TIMEOUT)
        finally:
            await self._cut()
            self._close_sockets()

    async def _bind(self) -> list[socket.socket]:
        if self._uds is not None:
            return [_bind_unix(Path(self._uds))]
        return await _bind_tcp(self._host, self._port)

    async def _cut(self) -> None:
        """Close without a word what did not close: clients that do not read, apps that do not end."""
        state = self._server.server_state
        left = [connection.transport for connection in state.connections]
        for transport in left:
            transport.abort()
        rest: set[asyncio.Task[None]] = {*state.tasks, *({self._task} if self._task else ())}
        rest = {task for task in rest if not task.done()}
        for task in rest:
            task.cancel()
        if left or rest:
            _log.warning("cut %d connections and %d tasks that did not end in time", len(left), len(rest))
        if rest:
            await asyncio.wait(rest, timeout=CUT_TIMEOUT)

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        if self._uds is not None and self._sockets:
            Path(self._uds).unlink(missing_ok=True)
        self._sockets = []


class _Config(uvicorn.Config):
    """uvicorn's settings, which are also those of its loggers, and there is one set of those in a process."""

    tls: ssl.SSLContext | None = None

    def load(self) -> None:
        """Take the context as it is given; uvicorn's own way there begins with the names of files."""
        super().load()
        self.ssl = self.tls

    def configure_logging(self) -> None:
        """Quieten uvicorn's loggers, unless uvicorn is the main program, whose person set them up."""
        if logging.getLogger("uvicorn.error").level == logging.NOTSET:
            super().configure_logging()


class _Server(uvicorn.Server):
    """uvicorn without what a main program does."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """Begin the shutdown."""
        self.should_exit = True
        self._leaving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the box."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    def _log_started_message(self, listeners: Sequence[socket.SocketType]) -> None:
        """Say nothing: `WebServer` says where it serves."""

    async def main_loop(self) -> None:
        """Wait for the end. uvicorn's own wakes ten times a second for it, which an idle box pays for."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), TICK)


def _configure(app: App, believed: str, max_websocket_message: int, log_level: str) -> _Config:
    return _Config(
        app,
        http="httptools",
        ws=WebSocket,
        interface="asgi3",
        lifespan="off",
        loop="none",
        log_config=None,
        log_level=log_level,
        access_log=False,
        server_header=False,  # nobody's business
        date_header=True,
        proxy_headers=True,
        forwarded_allow_ips=believed,
        ws_max_size=max_websocket_message,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_INTERVAL,
        ws_ping_timeout=PING_TIMEOUT,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        backlog=BACKLOG,
    )


async def _bind_tcp(host: str, port: int) -> list[socket.socket]:
    """Bind each address of a host, all on one port; port 0 takes any that is free."""
    loop = asyncio.get_running_loop()
    bound: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = bound[0].getsockname()[1] if bound else port
            bound.append(_listen(family, (address[0], chosen, *address[2:])))
    except (OSError, OverflowError) as error:
        for sock in bound:
            sock.close()
        raise ConfigError(_why_not(host, port, error)) from error
    return bound


def _listen(family: int, address: Any) -> socket.socket:
    """Return a listening socket. The address is Any: its shape is the family's."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _why_not(host: str, port: int, error: Exception) -> str:
    """Say why a port cannot be listened on, and what to do."""
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return (
            f"port {port} on {host or 'this machine'} is in use; stop the program that uses it, or choose another port"
        )
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"port {port} needs rights that this program does not have; choose one from 1024 on, such as 8000,"
            " or give the service CAP_NET_BIND_SERVICE"
        )
    if isinstance(error, socket.gaierror) or number == errno.EADDRNOTAVAIL:
        return f"{host!r} is no address of this machine; use 127.0.0.1 for this machine only, 0.0.0.0 for its networks"
    if isinstance(error, OverflowError):
        return f"expected a port from 0 to 65535; got {port}"
    return f"cannot listen on {host}:{port}: {error}"


def _bind_unix(path: Path) -> socket.socket:
    """Bind a Unix socket; one that a dead server left behind is replaced, anything else is not touched."""
    try:
        _make_way(path)
        sock = _listen(socket.AF_UNIX, str(path))
        path.chmod(SOCKET_MODE)
    except OSError as error:
        told = error.strerror or error  # "AF_UNIX path too long" has no number
        hint = "does its folder exist, and may we write there?"
        raise ConfigError(f"cannot listen on the Unix socket {path}: {told}; {hint}") from error
    return sock


def _make_way(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ConfigError(f"{path} is not a socket, and was left alone; choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ConfigError(f"{path} is in use by another server; stop it, or choose another path")


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, which nearly doubles what WebSockets carry, or None for asyncio's own where there is none."""
    try:
        import uvloop  # noqa: PLC0415  (not on every platform)
    except ImportError:
        return None
    return uvloop.new_event_loop


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run the box: like `asyncio.run`, on the fastest loop there is. Control-C cancels ``main``."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)
