"""Links: bytes both ways, no protocol. `open_link` knows ``serial://``, ``usb://``, ``tcp://``, ``agwpe://``, ``memory://``.

``usb://`` names a port by who it is (`edge.usb`); which node that is today is looked up at each opening. A serial port
that another program has too is not opened, nor is a pty that is another program's by now (`transports.holders`).

A link calls `Receiver.received` from the loop with what each read gave, and `Receiver.lost` once when it is gone.
`Link.write` takes bytes and raises LinkLost on a link that is gone, where asyncio's own transports keep silent;
`Link.drain` waits while the other side does not take them.

pyserial-asyncio 0.6 is sound if it is held right: the port is opened off the loop (opening may block), exclusively; its
write buffer is small (a TNC that does not read must be noticed, not fed); and it is only ever aborted, never closed,
for both end with a tcdrain, which would block the loop on a port that takes nothing (`Link.close`).
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import termios
import weakref
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

import serial
import serial_asyncio

from edge.errors import ConfigError, LinkLost
from edge.usb import SCHEME as USB
from transports.holders import PTYS, holder_words, pty_problem
from transports.link_words import GONE, IN_USE, lost_words, open_error
from transports.ports import find
from transports.scan import scan

OPEN_TIMEOUT = 10.0  # seconds; a port that cannot be opened by then is treated as not there
DRAIN_TIMEOUT = 30.0  # seconds that the far side may take nothing before the link counts as dead
CLOSE_TIMEOUT = 1.0  # seconds for what is still to be written
CLOSE_POLL = 0.02  # seconds between looks at what a closing port has still to write; no event tells
AGWPE_PORT = 8000  # where AGWPE servers listen; agwpe:// is TCP, and the session's business (`transports.agwpe`)
DEAD_PEER = 60  # seconds after which a TCP peer that answers nothing is gone
READ_SIZE = 4096  # bytes of a serial port at once; the kernel keeps no more for a reader
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
        self.node = ""  # of a serial port: what was opened
        self.reason = ""  # why it is gone, in plain words; empty while it is up
        self._receiver = receiver
        self.data_received = receiver.received  # type: ignore[method-assign]  # called by asyncio; nothing in between
        # Any: asyncio's, pyserial-asyncio's and our own memory transports, alike in what is used here.
        self._transport: Any = None
        self._written = 0  # bytes, ever
        self._closing = False  # by us
        self._aborted = False
        self._writable: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def write(self, data: bytes) -> None:
        """Write; raises LinkLost where the link is gone. Writes whole: who writes much at once has to `drain`."""
        if self.reason or self._transport.is_closing():
            raise LinkLost(f"{self.name}: {self.reason or 'closing'}")
        self._written += len(data)
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait while more than `WRITE_LIMIT` bytes wait to be written.

        LinkLost after `DRAIN_TIMEOUT` seconds in which the far side took none of them; a slow one is waited for.
        """
        while self._writable is not None and not self.reason:
            before = self._taken()
            await asyncio.wait([self._writable], timeout=DRAIN_TIMEOUT)
            if self._writable is not None and not self.reason and self._taken() <= before:
                self.abort(f"took nothing for {DRAIN_TIMEOUT:g} s")
        if self.reason:
            raise LinkLost(f"{self.name}: {self.reason}")

    @property
    def is_full(self) -> bool:
        """Whether `drain` would wait: the far side does not take what was written."""
        return self._writable is not None

    @property
    def gone(self) -> "asyncio.Future[None]":
        """Done once the link is gone; to be waited for, never set."""
        return self._gone

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
            await self._flush()
        if not self._gone.done():
            self.abort("closed")
            await asyncio.wait([self._gone], timeout=CLOSE_TIMEOUT)

    def abort(self, reason: str) -> None:
        """Let go of the link at once, and of what is to be written."""
        self.reason = self.reason or reason
        if self._gone.done() or self._aborted or self._is_ending():
            return
        self._aborted = True
        if (port := self._port()) is not None:
            # With an empty buffer neither pyserial-asyncio's tcdrain nor the kernel's close() has to wait.
            with contextlib.suppress(OSError, termios.error):
                port.reset_output_buffer()
        self._transport.abort()

    async def _flush(self) -> None:
        """Wait until all is written, `CLOSE_TIMEOUT` seconds at most."""
        if self._port() is None:
            self._closing = True
            self._transport.close()
            await asyncio.wait([self._gone], timeout=CLOSE_TIMEOUT)
            return
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while not self.reason and (self._transport.get_write_buffer_size() or self._port().out_waiting):  # noqa: ASYNC110  (CLOSE_POLL)
                    await asyncio.sleep(CLOSE_POLL)

    def _is_ending(self) -> bool:
        """Tell whether `connection_lost` is due in any case; pyserial-asyncio does not survive to be told twice."""
        return self._transport.is_closing() and not self._transport.get_write_buffer_size()

    def _port(self) -> Any:  # a serial.Serial, or None where the link is none or gone
        return self._transport.get_extra_info("serial")

    def _taken(self) -> int:
        """Count the bytes that have left for the far side, as far as the kernel tells (a pty's never does)."""
        waiting, port = int(self._transport.get_write_buffer_size()), self._port()
        with contextlib.suppress(OSError):
            waiting += port.out_waiting if port is not None else 0
        return self._written - waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by asyncio, for a serial port by its opener too."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)

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
        self.reason = self.reason or lost_words(exc, closing=self._closing)
        self.resume_writing()
        if not self._gone.done():
            self._gone.set_result(None)
        self._receiver.lost(self.reason)


async def open_link(url: str, receiver: Receiver, *, baud: int = 9600) -> Link:
    """Open a link: raises LinkLost, in plain words, where trying again may help, ConfigError where it cannot."""
    parts = urlsplit(url)
    opener = _openers().get(parts.scheme)
    if opener is None:
        raise ConfigError(f"expected {', '.join(f'{scheme}://' for scheme in _openers())}; got {parts.scheme}://")
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            return await opener(parts, receiver, baud)
    except TimeoutError:
        raise LinkLost(f"{_name(parts)} did not open within {OPEN_TIMEOUT:g} s") from None
    except LinkLost:
        raise
    except (OSError, termios.error) as error:
        raise open_error(_name(parts), error) from error
    except UnicodeError as error:  # a host name that cannot be one (RFC 3490)
        raise ConfigError(f"{_name(parts)} names no host: {error}") from error


def _openers() -> dict[str, Callable[[SplitResult, Receiver, int], Awaitable[Link]]]:
    return {
        "serial": _open_serial,
        USB: _open_serial,
        "tcp": _open_tcp,
        "agwpe": _open_tcp,
        "memory": _open_memory,
    }


def open_nodes() -> set[str]:
    """Name the nodes of the serial ports that are open."""
    return {link.node for link in _open if not link.reason}


def let_go(node: str) -> None:
    """Let go of the links to a serial port that went, on the loop: some drivers say nothing while nobody writes."""
    for link in list(_open):
        if link.node == node and not link.reason:
            link.abort(GONE)


def _name(parts: SplitResult) -> str:
    """Name what a link opens, for people: without user and password."""
    if parts.scheme == "serial":
        return parts.path
    if parts.scheme == USB:
        return parts.geturl()
    return f"memory://{parts.netloc}" if parts.scheme == "memory" else f"{parts.hostname}:{_port(parts)}"


def _port(parts: SplitResult) -> int:
    return parts.port or (AGWPE_PORT if parts.scheme == "agwpe" else 0)


async def _open_serial(parts: SplitResult, receiver: Receiver, baud: int) -> Link:
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, _open_port, parts, baud, open_nodes())
    try:
        port, node = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)  # it may open yet, and must not stay open
        raise
    link = Link(receiver, _name(parts) if parts.scheme == "serial" else f"{_name(parts)} ({node})")
    link.node = node
    _open.add(link)
    # It announces itself only in the next turn of the loop, when what it reads first is on its way already.
    link.connection_made(_SerialTransport(loop, link, port))
    return link


def open_quietly(link: str, baud: int) -> serial.Serial:
    """Open a ``serial://`` or ``usb://`` port to listen, DTR and RTS low; blocks, raises as `open_link` does."""
    try:
        port, _ = _open_port(urlsplit(link), baud, (), lines=False)
    except termios.error as error:
        raise open_error(link, error) from error
    return port


def _open_port(
    parts: SplitResult, baud: int, ours: Collection[str], *, lines: bool | None = None
) -> tuple[serial.Serial, str]:
    """Open a serial port for us alone, and say which node it was; in a thread. Raises what `open_link` does.

    ``ours`` are the nodes that we have open. ``lines`` is what DTR and RTS are set to; None: raised, as the kernel
    does.
    """
    path = parts.path if parts.scheme == "serial" else node_of(parts.geturl())
    name = path if parts.scheme == "serial" else f"{_name(parts)} ({path})"
    if problem := pty_problem(path):
        raise LinkLost(f"{name} is not opened: {problem}")
    try:
        if lines is None:
            port = serial.Serial(path, baudrate=baud, exclusive=True)
        else:
            port = serial.Serial(None, baudrate=baud, exclusive=True)
            port.port, port.dtr, port.rts = path, lines, lines
            port.open()
    except (OSError, termios.error) as error:
        raise open_error(name, error, path, ours=os.path.realpath(path) in ours) from error
    node = os.path.realpath(path)
    try:
        _exclude_others(port, node, name)
    except BaseException:
        port.close()
        raise
    return port, node


def node_of(link: str) -> str:
    """Find today's node of a ``usb://`` link; blocks, and raises as `transports.ports.find` does."""
    return find(link, scan(), _wanted).path


def want(links: Iterable[str]) -> None:
    """Say which links the devices of this box have, so that none takes a port that another names more exactly."""
    global _wanted  # noqa: PLW0603  (a value that is replaced whole, so threads need no lock)
    _wanted = tuple(links)


def _exclude_others(port: serial.Serial, node: str, name: str) -> None:
    """Keep out who does not ask for the lock that pyserial has, and notice who was there before. Not of ptys.

    A pty keeps the exclusion for good, and the program behind it has both of its ends.
    """
    if node.startswith(PTYS):
        return
    with contextlib.suppress(OSError):  # what is no tty of the kernel's own may not know it
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
    if found := holder_words(node):
        raise LinkLost(f"{IN_USE.format(name=name)}: {found}")


class _SerialTransport(serial_asyncio.SerialTransport):  # type: ignore[misc]  # ships no types
    """pyserial-asyncio's, but for the read: its own asks the kernel four times for what one read gives.

    A tenth of the time from the port to a consumer (`docs/performance.md`). 0.6 is its last release, so what is
    overridden here stays as it is.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, line: serial.Serial) -> None:
        super().__init__(loop, protocol, line)
        self._read = partial(os.read, line.fileno(), READ_SIZE)
        self._received = protocol.data_received

    def _read_ready(self) -> None:
        try:
            data = self._read()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._close(exc=error)
            return
        if data:
            self._received(data)
        else:  # ready to be read, and nothing to read: the device is gone
            self._close(exc=serial.SerialException("the port ended"))


def _close_late(opening: "asyncio.Future[tuple[serial.Serial, str]]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


async def _open_tcp(parts: SplitResult, receiver: Receiver, baud: int) -> Link:  # noqa: ARG001  (one form for all openers)
    loop = asyncio.get_running_loop()
    host = parts.hostname or ""
    transport, link = await loop.create_connection(lambda: Link(receiver, _name(parts)), host, _port(parts))
    notice_dead_peers(transport.get_extra_info("socket"))
    return link


def notice_dead_peers(sock: socket.socket) -> None:
    """Let the kernel end a TCP connection whose far side lost its power or its network: that says no goodbye.

    Within `DEAD_PEER` seconds: by probes where nothing is on its way, by the missing acknowledgement where something is
    (for which Linux would else wait a quarter of an hour), and where the far side takes nothing at all.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_PEER // 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAD_PEER // 6)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER * 1000)  # in milliseconds


_open: "weakref.WeakSet[Link]" = weakref.WeakSet()  # serial ports, for `let_go`
_wanted: tuple[str, ...] = ()


class MemoryPort:
    """The far end of ``memory://<name>``: what stands in for a TNC in a test, within one process.

    Only one link is open at a time. ``written`` grows by what the link writes, and what is fed to a link that does not
    read waits here, both without bound: a test knows how much it wants.
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
        if self.ports.get(self.name) is self:
            del self.ports[self.name]


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

    def is_closing(self) -> bool:
        return self.port.transport is not self

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take no note: memory takes everything at once."""

    def get_write_buffer_size(self) -> int:
        return 0

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
