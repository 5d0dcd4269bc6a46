"""A host that opens the simulated port with nothing but ``os`` and takes KISS apart by splitting."""

import asyncio
import os
import time

import pytest

LIMIT = 10  # seconds; no wait here is longer


class Host:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.data = bytearray()
        self.gone = False
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.fd, self._read)

    @property
    def frames(self):
        """The data frames of port 0 between FENDs, unstuffed."""
        parts = bytes(self.data).split(b"\xc0")[:-1]
        return [part[1:].replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb") for part in parts if part]

    def write(self, data):
        assert os.write(self.fd, data) == len(data)

    async def until(self, true):
        async with asyncio.timeout(LIMIT):
            while not true():
                self._news.clear()
                await self._news.wait()

    def stop_reading(self):
        asyncio.get_running_loop().remove_reader(self.fd)

    def close(self):
        if self.fd >= 0:
            self.stop_reading()
            os.close(self.fd)
            self.fd = -1

    def _read(self):
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._news.set()
        self.data += data
        if not data:
            self.gone = True
            self.stop_reading()


@pytest.fixture
async def open_host():
    """Give a function that opens a port; all are closed at the end."""
    hosts = []

    def open_(path):
        hosts.append(Host(path))
        return hosts[-1]

    yield open_
    for host in hosts:
        host.close()


@pytest.fixture
def eventually():
    """Give a function that waits, within ``LIMIT``, for what only a look can tell."""

    async def wait(true):
        deadline = time.monotonic() + LIMIT
        while not true():
            assert time.monotonic() < deadline, "it never came true"
            await asyncio.sleep(0.005)

    return wait
