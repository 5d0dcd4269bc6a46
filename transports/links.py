"""Links: bytes both ways, no protocol. `open_link` knows ``serial://``, ``tcp://`` and ``memory://``.

A link calls `Receiver.received` from the loop with what each read gave, and `Receiver.lost` once when it is gone. `Link.write` takes
bytes and raises LinkLost on a link that is gone, where asyncio's own transports keep silent; `Link.drain` waits while the other side does not take them.

pyserial-asyncio 0.6 is sound if it is held right: the port is opened off the loop (opening may block), exclusively, its write
buffer is small (a TNC that does not read must be noticed, not fed), and a close that does not end is aborted after a deadline.
"""

import asyncio
import contextlib
import errno
import socket
import termios
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

import serial
import serial_asyncio

from edge.errors import ConfigError, LinkLost

OPEN_TIMEOUT = 10.0  # seconds; a port that cannot be opened by then is treated as not there
DRAIN_TIMEOUT = 30.0  # seconds that the far side may take nothing before the link counts as dead
CLOSE_TIMEOUT = 1.0  # seconds for what is still to be written
WRITE_LIMIT = 1024  # bytes waiting to be written before `drain` waits: about a second at 9600 Bd


class Receiver(Protocol):
    """Who is told what the link gives."""

    def received(self, data: bytes) -> None:
        """Take what one read gave."""

    def lost(self, reason: str) -> None:
        """Take note that the link is gone; called once, last."""


class Link(asyncio.Protocol):
    """An open link. Whoever opened it closes it."""

    def __init__(self, receiver: Receiver, name: str) -> None:
        self.name = name
        self.reason = ""  # why it is gone, in plain words; empty while it is up
        self._receiver = receiver
        # Any: asyncio's, pyserial-asyncio's and our own memory transports, alike in what is used here.
        self._transport: Any = None
        self._writable: asyncio.Future[None] | None = None
        self._gone = asyncio.get_running_loop().create_future()

    def write(self, data: bytes) -> None:
        """Write; raises LinkLost where the link is gone."""
        if self.reason or self._transport is None:
            raise LinkLost(f"{self.name}: {self.reason or 'not open'}")
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait while more than `WRITE_LIMIT` bytes wait to be written; LinkLost after `DRAIN_TIMEOUT` seconds."""
        if self._writable is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._writable), DRAIN_TIMEOUT)
        except TimeoutError:
            self._abort(f"took nothing for {DRAIN_TIMEOUT:g} s")
            raise LinkLost(f"{self.name}: {self.reason}") from None
        if self.reason:
            raise LinkLost(f"{self.name}: {self.reason}")

    def pause(self) -> None:
        """Stop reading: what arrives waits in the kernel, then in the far side."""
        if not self.reason:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if not self.reason:
            self._transport.resume_reading()

    async def close(self) -> None:
        """Close after what is to be written; abort after `CLOSE_TIMEOUT` seconds."""
        if not self.reason:
            self._transport.close()
            await asyncio.wait([self._gone], timeout=CLOSE_TIMEOUT)
        if not self._gone.done():
            self._abort("closed")
            await asyncio.wait([self._gone], timeout=CLOSE_TIMEOUT)

    def _abort(self, reason: str) -> None:
        self.reason = self.reason or reason
        port = self._transport.get_extra_info("serial")
        if port is not None:
            # pyserial-asyncio ends with a tcdrain, which would block the loop on a port that takes nothing.
            with contextlib.suppress(OSError, termios.error):
                port.reset_output_buffer()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by asyncio."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)

    def data_received(self, data: bytes) -> None:
        """Hand on what was read; called by asyncio."""
        self._receiver.received(data)

    def pause_writing(self) -> None:
        """Make `drain` wait; called by asyncio."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let `drain` go on; called by asyncio."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End; called by asyncio."""
        self.reason = self.reason or (_lost_words(exc) if exc else "closed by the other side")
        self.resume_writing()
        if not self._gone.done():
            self._gone.set_result(None)
        self._receiver.lost(self.reason)


async def open_link(url: str, receiver: Receiver, *, baud: int = 9600) -> Link:
    """Open a link: raises LinkLost, in plain words, where trying again may help, ConfigError where it cannot."""
    parts = urlsplit(url)
    opener = {"serial": _open_serial, "tcp": _open_tcp, "memory": _open_memory}.get(parts.scheme)
    if opener is None:
        raise ConfigError(f"expected serial://, tcp:// or memory://; got {parts.scheme}://")
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            return await opener(parts, receiver, baud)
    except TimeoutError:
        raise LinkLost(f"{_name(parts)} did not open within {OPEN_TIMEOUT:g} s") from None
    except (OSError, termios.error) as error:
        raise _open_error(_name(parts), error) from error


def _name(parts: SplitResult) -> str:
    return (
        parts.path
        if parts.scheme == "serial"
        else f"{parts.hostname}:{parts.port}"
        if parts.scheme == "tcp"
        else parts.netloc
    )


async def _open_serial(parts: SplitResult, receiver: Receiver, baud: int) -> Link:
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, lambda: serial.Serial(parts.path, baudrate=baud, exclusive=True))
    try:
        port = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)  # it may open yet, and must not stay open
        raise
    _, link = await serial_asyncio.connection_for_serial(loop, lambda: Link(receiver, parts.path), port)
    return await _begun(link)


def _close_late(opening: "asyncio.Future[serial.Serial]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _begun(link: Link) -> Link:
    """Wait until a transport that announces itself by ``call_soon`` has done so."""
    while link._transport is None:  # noqa: SLF001  (this module's own class)
        await asyncio.sleep(0)
    return link


async def _open_tcp(parts: SplitResult, receiver: Receiver, baud: int) -> Link:  # noqa: ARG001  (one form for all openers)
    loop = asyncio.get_running_loop()
    transport, link = await loop.create_connection(lambda: Link(receiver, _name(parts)), parts.hostname, parts.port)
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a TNC that lost its power says no goodbye
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    return link


def _open_error(name: str, error: Exception) -> Exception:
    """Say in plain words why a link could not be opened."""
    number = getattr(error, "errno", None)
    words = {
        errno.ENOENT: f"{name} is not there (unplugged?)",
        errno.ENODEV: f"{name} is not there (unplugged?)",
        errno.ENXIO: f"{name} is not there (unplugged?)",
        errno.EACCES: f"no permission to open {name}; add this program's user to the group that owns it (often dialout)",
        errno.EPERM: f"no permission to open {name}; add this program's user to the group that owns it (often dialout)",
        errno.EAGAIN: f"{name} is in use by another program",
        errno.EBUSY: f"{name} is in use by another program",
        errno.EIO: f"{name} answers with an error (unplugged?)",
        errno.ECONNREFUSED: f"{name} refused the connection; does the program behind it run?",
        errno.ENETUNREACH: f"{name} cannot be reached: no network",
        errno.EHOSTUNREACH: f"{name} cannot be reached: no route to it",
    }
    if isinstance(error, socket.gaierror):
        return LinkLost(f"the name in {name} is not known")
    if number is None and "25" in str(error) or number == errno.ENOTTY:
        return ConfigError(f"{name} is not a serial port; expected something such as /dev/ttyUSB0")
    if number == errno.EISDIR:
        return ConfigError(f"{name} is a folder; expected a serial port such as /dev/ttyUSB0")
    return LinkLost(words.get(number or 0, f"{name} cannot be opened: {error}"))


def _lost_words(error: Exception) -> str:
    if isinstance(error, serial.SerialException) or getattr(error, "errno", None) == errno.EIO:
        return "the port is gone (unplugged?)"
    return f"the connection broke: {error}"


class MemoryPort:
    """The far end of ``memory://<name>``: what stands in for a TNC in a test, within one process.

    Only one link is open at a time; ``written`` grows by what the link writes.
    """

    ports: dict[str, "MemoryPort"] = {}  # noqa: RUF012  (the registry of open names)

    def __init__(self, name: str) -> None:
        self.name = name
        self.written = bytearray()
        self.transport: _MemoryTransport | None = None
        self.opened = asyncio.Event()
        self.ports[name] = self

    def feed(self, data: bytes) -> None:
        """Let the link read this."""
        if self.transport is None:
            raise LinkLost(f"memory://{self.name} is not open")
        self.transport.feed(data)

    def lose(self) -> None:
        """Pull the cable."""
        if self.transport is not None:
            self.transport.lose(OSError(errno.EIO, "Input/output error"))

    def remove(self) -> None:
        """Take the port away: it cannot be opened any more."""
        self.lose()
        self.ports.pop(self.name, None)


class _MemoryTransport(asyncio.Transport):
    def __init__(self, port: MemoryPort, link: Link) -> None:
        super().__init__()
        self.port = port
        self.link = link
        self.paused: bytearray | None = None

    def feed(self, data: bytes) -> None:
        if self.paused is not None:
            self.paused += data
        else:
            self.link.data_received(data)

    def lose(self, error: Exception | None) -> None:
        if self.port.transport is self:
            self.port.transport = None
            self.port.opened.clear()
            asyncio.get_running_loop().call_soon(self.link.connection_lost, error)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.port.written += data

    def pause_reading(self) -> None:
        self.paused = self.paused if self.paused is not None else bytearray()

    def resume_reading(self) -> None:
        waiting, self.paused = self.paused, None
        if waiting:
            self.feed(bytes(waiting))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take no note: memory takes everything at once."""

    def close(self) -> None:
        self.lose(None)

    def abort(self) -> None:
        self.lose(None)


async def _open_memory(parts: SplitResult, receiver: Receiver, baud: int) -> Link:  # noqa: ARG001  (one form for all openers)
    port = MemoryPort.ports.get(parts.netloc)
    if port is None:
        raise LinkLost(f"memory://{parts.netloc} is not there")
    if port.transport is not None:
        raise LinkLost(f"memory://{parts.netloc} is in use")
    link = Link(receiver, f"memory://{parts.netloc}")
    port.transport = _MemoryTransport(port, link)
    link.connection_made(port.transport)
    port.opened.set()
    return link
