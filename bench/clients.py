"""WebSocket clients, many in one process of their own: they count, check the order, and take the time.

Blocking sockets and no library: a client that is slower than the server would measure itself.
"""

import os
import selectors
import socket
import struct
import sys
import time
from urllib.parse import urlsplit

from bench.measure import answer, commands, percentile

QUIET = 3.0  # seconds without a message, after which no more are expected
MASK = bytes(4)  # a mask of zeros is a mask (RFC 6455, section 5.3), and leaves the text as it is
READ = 1 << 18  # bytes


class Client:
    """One connection: the handshake, and text frames out of a stream of bytes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.sock = socket.create_connection((parts.hostname, parts.port), 10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(
            b"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % (parts.path.encode(), parts.netloc.encode())
        )
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.sock.recv(4096)
            if not data:
                raise ConnectionError(f"the server closed during the handshake: {head!r}")
            head += data
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise ConnectionError(f"the server refused: {head!r}")
        self.rest = head.partition(b"\r\n\r\n")[2]

    def send(self, text: bytes) -> None:
        """Send a text of up to 125 bytes."""
        self.sock.sendall(bytes((0x81, 0x80 | len(text))) + MASK + text)

    def texts(self) -> list[bytes]:
        """Read once; return the texts that are whole; answer pings, which MASK leaves as they are."""
        data = self.rest + self.sock.recv(READ)
        found = []
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                if end - at < 4:
                    break
                size, head = struct.unpack_from("!H", data, at + 2)[0], 4
            if end - at < head + size:
                break
            if data[at] == 0x81:
                found.append(data[at + head : at + head + size])
            elif data[at] == 0x89:  # else the server gives a client up that waits for its turn
                self.sock.sendall(bytes((0x8A, 0x80 | size)) + MASK + data[at + head : at + head + size])
            at += head + size
        self.rest = data[at:]
        return found


def main() -> None:
    """Connect, then obey until standard input ends."""
    url, count = sys.argv[1], int(sys.argv[2])
    clients = [Client(url.replace("*", str(index))) for index in range(count)]
    with selectors.EpollSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        answer(connected=count)
        for command in commands():
            if "count" in command:
                _count(selector, command["count"], command["late"], command["seconds"])
            elif "times" in command:
                _times(selector, command["times"] * count, command["seconds"])
            elif "say" in command:
                for client in clients:
                    client.send(command["say"].encode())  # and read nothing until the next command
            elif "flood" in command:
                _flood(clients[0].sock, command["flood"], command["size"], command["seconds"])
            else:
                _echo(selector, clients, command["echo"], command["size"], command.get("seconds", 60))
    os._exit(0)  # without goodbyes: the server ends first


def _count(selector: selectors.BaseSelector, each: int, late: float, seconds: float) -> None:
    """Count numbered texts until each client has had its number, or nothing comes any more, or the time is up.

    ``timely`` is how many came within ``late`` seconds.
    """
    counts: dict[object, int] = {}
    last: dict[object, int] = {}
    wanted, total, disorder, timely = each * len(selector.get_map()), 0, 0, 0
    answer(ready=wanted)
    began = time.monotonic()
    heard = until = began + seconds
    while total < wanted and time.monotonic() < min(until, heard + QUIET):
        for key, _ in selector.select(0.1):
            texts = key.data.texts()
            for text in texts:
                index = int(text[-8:])
                disorder += index <= last.get(key.data, -1)
                last[key.data] = index
            total += len(texts)
            counts[key.data] = counts.get(key.data, 0) + len(texts)
            heard = time.monotonic()
            if heard < began + late:
                timely = total
    answer(
        delivered=total,
        timely=timely,
        disorder=disorder,
        seconds=time.monotonic() - began,
        least=min(counts.values(), default=0),
    )


def _times(selector: selectors.BaseSelector, wanted: int, seconds: float) -> None:
    """Take the time since the writing of each text."""
    waits: list[int] = []
    answer(ready=wanted)
    until = time.monotonic() + seconds
    while len(waits) < wanted and time.monotonic() < until:
        for key, _ in selector.select(0.1):
            now = time.monotonic_ns()
            waits += [now - int(text[-20:]) for text in key.data.texts()]
    answer(delivered=len(waits), p50=percentile(waits, 0.5) / 1e6, p99=percentile(waits, 0.99) / 1e6)


def _echo(selector: selectors.BaseSelector, clients: list[Client], count: int, size: int, seconds: float) -> None:
    """Keep one text under way on each connection, until ``count`` have come back in all or the time is up."""
    text = b"x" * size
    waits: list[int] = []
    sent: dict[Client, int] = {}
    answer(ready=count)
    began = time.monotonic()
    for client in clients:
        sent[client] = time.monotonic_ns()
        client.send(text)
    under_way = len(clients)
    came = 0
    until = began + seconds
    while came < count and time.monotonic() < until:
        for key, _ in selector.select(1):
            for _ in key.data.texts():
                now = time.monotonic_ns()
                waits.append(now - sent[key.data])
                came += 1
                if came + under_way - 1 < count:
                    sent[key.data] = now
                    key.data.send(text)
                else:
                    under_way -= 1
    seconds = time.monotonic() - began
    answer(came=came, seconds=seconds, p50=percentile(waits, 0.5) / 1e3, p99=percentile(waits, 0.99) / 1e3)


def _flood(sock: socket.socket, count: int, size: int, seconds: float) -> None:
    """Send so many messages of so many bytes, as fast as the server takes them, until the time is up."""
    message = b"\x82\xff" + struct.pack("!Q", size) + MASK + bytes(size)
    answer(ready=count)
    sent, until = 0, time.monotonic() + seconds
    while sent < count * len(message) and (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            sent += sock.send(memoryview(message)[sent % len(message) :])
        except TimeoutError:
            break
    answer(sent=sent // len(message))


if __name__ == "__main__":
    main()
