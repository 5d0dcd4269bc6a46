"""What the tests of links and servers share: ptys as serial ports, a TCP peer, and bounded waits."""

import asyncio
import os
import tty

import pytest

LIMIT = 10  # seconds; no wait here is longer


class Pty:
    """A serial port of which the test holds the other end, and reads only when it likes."""

    def __init__(self):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)

    def feed(self, data):
        assert os.write(self.master, data) == len(data)

    def read(self):
        try:
            return os.read(self.master, 65536)
        except BlockingIOError:
            return b""

    def lose(self):
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def pty():
    port = Pty()
    yield port
    port.lose()


@pytest.fixture
def until():
    """Give a function that waits, within ``LIMIT``, for what only a look can tell."""

    async def wait(true):
        async with asyncio.timeout(LIMIT):
            while not true():
                await asyncio.sleep(0.002)

    return wait


class Peer:
    """A TCP server for one client at a time."""

    def __init__(self):
        self.connections = []
        self.received = bytearray()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.lose()
        self.server.close()
        await asyncio.wait_for(self.server.wait_closed(), LIMIT)

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.port}"

    async def _serve(self, reader, writer):
        self.connections.append(writer)
        try:
            while data := await reader.read(65536):
                self.received += data
        except ConnectionError:
            pass
        finally:
            writer.close()

    def feed(self, data):
        self.connections[-1].write(data)

    def lose(self):
        while self.connections:
            self.connections.pop().transport.abort()


@pytest.fixture
async def peer():
    async with Peer() as running:
        yield running
