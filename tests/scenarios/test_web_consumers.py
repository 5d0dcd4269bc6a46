"""Consumers behind the real web server: who does not read, who floods, and the end of the box."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer
from transports.web import CUT_TIMEOUT, WebServer

SOON = 30.0
CHUNK = 65_536
CHUNKS = 1_600  # 100 MiB
ALLOWED = 8 * 1024  # KiB


class Client:
    """A WebSocket client that reads only when it is told to, on a plain socket."""

    def __init__(self, port, path):
        self.sock = socket.create_connection(("127.0.0.1", port), SOON)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self.sock.sendall("\r\n".join(lines).encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.sock.recv(4096)
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        assert b" 101 " in head, head

    @staticmethod
    def frame(data, opcode):
        size = struct.pack("!BB", 0x80 | opcode, 0x80 | len(data)) if len(data) < 126 else b""
        if not size:
            size = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, len(data))
        return size + bytes(4) + data  # masked with zeros

    def say(self, text):
        self.sock.sendall(self.frame(text.encode(), 1))

    def exactly(self, size):
        parts = [self.rest]
        have = len(self.rest)
        while have < size:
            parts.append(self.sock.recv(1 << 20))
            if not parts[-1]:
                raise EOFError
            have += len(parts[-1])
        data = b"".join(parts)
        self.rest = data[size:]
        return data[:size]

    def read(self):
        first, size = self.exactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.exactly(8))
        return first & 15, self.exactly(size)

    def ask(self, text):
        self.say(text)
        return json.loads(self.read()[1])

    def close(self):
        self.sock.close()


@pytest.fixture
def served():
    """The port of a server in a process of its own."""
    script = Path(__file__).with_name("consumers_served.py")
    root = str(script.parents[2])
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    ) as process:
        try:
            yield int(process.stdout.readline())
            process.stdin.close()
            assert process.wait(SOON) == 0
        finally:
            process.kill()


@pytest.fixture
def connect(served):
    clients = []

    def start(path):
        clients.append(Client(served, path))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def standstill(status, name):
    """Ask until a count has stood still for half a second; return the last answer."""
    end, since, last = time.monotonic() + SOON, time.monotonic(), status.ask("?")
    while time.monotonic() - since < 0.5:
        assert time.monotonic() < end, f"{name} never stood still"
        answer = status.ask("?")
        if answer[name] != last[name]:
            since = time.monotonic()
        last = answer
        time.sleep(0.01)
    return last


@pytest.mark.parametrize("path", ["/deluge", "/plain-deluge"])
def test_a_client_that_does_not_read_stops_its_consumer_and_costs_no_memory(connect, path):
    status, client = connect("/status"), connect(path)
    client.say("1")
    client.read()
    before = status.ask("?")["peak"]
    client.say(str(CHUNKS))
    waiting = standstill(status, "sent")
    assert waiting["sent"] < CHUNKS
    assert waiting["peak"] - before < ALLOWED
    for _ in range(CHUNKS):
        assert len(client.read()[1]) == CHUNK
    done = status.ask("?")
    assert done["sent"] == CHUNKS + 1
    assert done["peak"] - before < ALLOWED


@pytest.mark.parametrize("path", ["/slow", "/slow-member", "/plain-slow"])
def test_a_client_that_floods_a_slow_handler_is_paused_and_nothing_is_lost(connect, path):
    status, client = connect("/status"), connect(path)
    before = status.ask("?")["peak"]
    flood = memoryview(client.frame(bytes(CHUNK), 2) * CHUNKS)
    client.sock.settimeout(1.0)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < len(flood):
            sent += client.sock.send(flood[sent : sent + CHUNK])
    assert sent < len(flood), "the server took all of it"
    assert status.ask("?")["peak"] - before < ALLOWED
    status.ask("release")
    client.sock.settimeout(SOON)
    client.sock.sendall(flood[sent:])
    end = time.monotonic() + SOON
    while (found := status.ask("?"))["heard"] < CHUNKS:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert found["peak"] - before < ALLOWED


# The end of the box


class Ends:
    """Consumers of every kind of misfortune; ``codes`` is what each was told at the end."""

    def __init__(self):
        self.codes = []
        self.busy = threading.Semaphore(0)
        self.never = threading.Event()
        ends = self

        class Idle(AsyncWebsocketConsumer):
            async def disconnect(self, code):
                await asyncio.sleep(0.01)  # as one that has something to put in order
                ends.codes.append(code)

        class PlainIdle(WebsocketConsumer):
            def disconnect(self, code):
                ends.codes.append(code)

        class Sleeper(Idle):
            async def receive(self):
                ends.busy.release()
                await asyncio.sleep(3600)

        class Talker(Idle):
            async def receive(self):
                ends.busy.release()
                while True:
                    await self.send(bytes=bytes(CHUNK))

        class PlainTalker(PlainIdle):
            def receive(self):
                ends.busy.release()
                while True:
                    self.send(bytes=bytes(CHUNK))

        class PlainSleeper(PlainIdle):
            def receive(self):
                ends.busy.release()
                ends.never.wait(SOON)

        kinds = (Idle, PlainIdle, Sleeper, Talker, PlainTalker, PlainSleeper)
        self.consumers = {kind.__name__: kind for kind in kinds}

    async def __call__(self, scope, receive, send):
        await self.consumers[scope["path"].strip("/")].as_asgi()(scope, receive, send)


async def stopped(ends, *names):
    """Serve these, each to a client that never reads, and stop; return the seconds that took and the clients."""
    server = WebServer(ends, port=0)
    await server.start()
    port, clients = int(server.url.rpartition(":")[2]), []
    for name in names:
        client = await asyncio.to_thread(Client, port, f"/{name}")
        clients.append(client)
        if "Idle" not in name:
            client.say("go")
            assert await asyncio.to_thread(ends.busy.acquire, timeout=SOON)
    began = time.monotonic()
    await server.stop(0.3)
    return time.monotonic() - began, clients


@pytest.mark.parametrize("name", ["Idle", "PlainIdle", "Sleeper", "Talker", "PlainTalker"])
async def test_when_the_box_stops_each_consumer_is_told_once_whatever_it_does(name):
    ends = Ends()
    took, [client] = await stopped(ends, name)
    client.close()
    assert ends.codes == [1012]
    assert took < 0.3 + 2 * CUT_TIMEOUT + 1


async def test_all_of_them_at_once_take_no_longer():
    ends = Ends()
    names = ["Idle", "PlainIdle", "Sleeper", "Talker", "PlainTalker"] * 4
    took, clients = await stopped(ends, *names)
    for client in clients:
        client.close()
    assert ends.codes == [1012] * len(names)
    assert took < 0.3 + 2 * CUT_TIMEOUT + 2


async def test_an_idle_client_is_closed_with_1012():
    _, [client] = await stopped(Ends(), "Idle")
    opcode, data = await asyncio.to_thread(client.read)
    client.close()
    assert (opcode, struct.unpack("!H", data[:2])[0]) == (8, 1012)


async def test_a_plain_handler_that_sleeps_on_does_not_hold_the_box_up(caplog):
    ends = Ends()
    took, [client] = await stopped(ends, "PlainSleeper")
    client.close()
    assert took < 0.3 + 2 * CUT_TIMEOUT + 1
    assert ends.codes == [], "it cannot be told while it sleeps"
    ends.never.set()
