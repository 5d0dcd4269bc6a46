"""The far ends that every stream transport is held to: a pty, a TCP peer, memory; alike in what is done to them."""

import asyncio
import contextlib
import os
import socket
import tty

from transports.links import MemoryPort

LIMIT = 10  # seconds; no wait here is longer


async def until(true):
    """Wait for what only a look can tell."""
    async with asyncio.timeout(LIMIT):
        while not true():
            await asyncio.sleep(0.002)


class PtyLine:
    """A serial port behind a symlink; after a loss it comes back under another name."""

    name = "pty"

    def __init__(self, folder):
        self.link = folder / "port"
        self.master = -1
        self.seen = bytearray()

    @property
    def url(self):
        return f"serial://{self.link}"

    async def start(self):
        before = self.master
        self.master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(slave))
        os.close(slave)
        if before >= 0:
            os.close(before)

    async def stop(self):
        self.lose()

    def feed(self, data):
        assert os.write(self.master, data) == len(data)

    def written(self):
        with contextlib.suppress(BlockingIOError, OSError):
            self.seen += os.read(self.master, 65536)
        return bytes(self.seen)

    def lose(self):
        if self.master >= 0:
            self.link.unlink(missing_ok=True)  # as udev does; the kernel gives the number to whoever asks next
            os.close(self.master)
        self.master = -1

    async def replug(self):
        """Come back as another device, as the kernel likes to have it."""
        holder = os.openpty()  # takes the number that has become free
        await self.start()
        for end in holder:
            os.close(end)


class TcpLine:
    name = "tcp"

    def __init__(self, _folder):
        self.port = 0
        self.writers = []
        self.server = None
        self.seen = bytearray()
        self.reading = asyncio.Event()
        self.reading.set()

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.port}"

    async def start(self):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # soon full, where nobody reads
        listening.bind(("127.0.0.1", self.port))
        self.server = await asyncio.start_server(self._serve, sock=listening, limit=1024)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self):
        self.lose()
        await asyncio.wait_for(self.server.wait_closed(), LIMIT)

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        await self.reading.wait()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.seen += data
        writer.close()

    def feed(self, data):
        self.writers[-1].write(data)

    def written(self):
        return bytes(self.seen)

    def lose(self):
        self.reading.set()
        self.server.close()
        while self.writers:
            self.writers.pop().transport.abort()

    async def replug(self):
        await self.start()


class MemoryLine:
    name = "memory"
    url = "memory://contract"

    def __init__(self, _folder):
        self.port = None

    async def start(self):
        self.port = MemoryPort("contract")

    async def stop(self):
        self.port.remove()

    def feed(self, data):
        self.port.feed(data)

    def written(self):
        return bytes(self.port.written)

    def lose(self):
        self.port.remove()

    async def replug(self):
        await self.start()


LINES = (PtyLine, TcpLine, MemoryLine)
