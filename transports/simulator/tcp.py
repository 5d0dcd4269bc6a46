"""A TNC's port that is a TCP port, as Direwolf's: what `transports.simulator.port.PtyPort` is on a pty, for one client.

``plug`` listens, ``unplug`` hangs up and stops listening; a second client is turned away. Towards one that does not
read an ``Outbox`` keeps 4 KiB beyond the kernel's buffers, and then drops the oldest frames.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from transports.simulator.outbox import Outbox
from transports.simulator.port import READ_SIZE

BACKLOG = 4


class TcpPort:
    """Needs a running loop; whoever calls ``plug`` must call ``unplug``. ``link`` is ``tcp://host:port``; 0 is any."""

    def __init__(self, link: str, *, on_bytes: Callable[[bytes], None], on_host: Callable[[bool], None]) -> None:
        host, _, port = link.removeprefix("tcp://").rpartition(":")
        if not (host and port.isascii() and port.isdecimal()):
            raise ValueError(f"expected tcp://host:port; got {link!r}")
        self.address = (host, int(port))
        self.outbox = Outbox()
        self._on_bytes = on_bytes
        self._on_host = on_host
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._host = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def link(self) -> str:
        """The URL that a host opens; with the port that was found, once plugged."""
        return f"tcp://{self.address[0]}:{self.address[1]}"

    @property
    def device(self) -> str:
        """The same; there is nothing behind it."""
        return self.link

    @property
    def plugged(self) -> bool:
        """Whether it listens."""
        return self._listener is not None

    @property
    def speed(self) -> int:
        """None: TCP has no speed."""
        return 0

    def plug(self) -> str:
        """Listen, and give the URL. OSError if that cannot be."""
        if self._listener is None:
            self._listener = socket.create_server(self.address, backlog=BACKLOG)
            self._listener.setblocking(False)
            self.address = self._listener.getsockname()[:2]
            asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return self.link

    def unplug(self) -> None:
        """Hang up and listen no more. Again is fine."""
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        self._hang_up()

    def put(self, frame: bytes) -> bool:
        """Write a frame, or as much as the host takes now; never waits. False if there is no host."""
        if self._client is None:
            return False
        self.outbox.put(frame)
        self._flush()
        return True

    async def wait_for_host(self) -> None:
        """Wait until a host is there; without end, so bound it from outside."""
        await self._host.wait()

    async def wait_for_room(self) -> None:
        """Wait until a host is there and all that was put is written; without end as well."""
        await self._room.wait()

    async def wait_until_read(self, limit: float) -> None:
        """Wait until all is written, or ``limit`` seconds have gone. What the host has read nobody can tell."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self.wait_for_room()

    def _accept(self) -> None:
        if self._listener is None:
            return
        client, _ = self._listener.accept()
        if self._client is not None:
            client.close()
            return
        client.setblocking(False)
        self._client = client
        asyncio.get_running_loop().add_reader(client, self._read)
        self._host.set()
        self._room.set()
        self._on_host(True)

    def _read(self) -> None:
        if self._client is None:
            return
        try:
            data = self._client.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_bytes(data)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(client)
        loop.remove_writer(client)
        client.close()
        self._host.clear()
        self._room.clear()
        self.outbox.clear()
        self._on_host(False)

    def _flush(self) -> None:
        client = self._client
        while client is not None and (chunk := self.outbox.head()):
            try:
                written = client.send(chunk)
            except BlockingIOError:
                written = 0
            except OSError:
                self._hang_up()
                return
            self.outbox.advance(written)
            if written < len(chunk):
                self._room.clear()
                asyncio.get_running_loop().add_writer(client, self._flush)
                return
        if client is not None and not self._room.is_set():
            asyncio.get_running_loop().remove_writer(client)
            self._room.set()
