"""Our TNC for other programs: a route's app that offers what a device hears as KISS over TCP.

Xastir, YAAC, APRSdroid, aprx or kissutil connect to it as they connect to Direwolf: each hears every frame, and what
one of them sends goes through the transmit gate like all that is sent (`edge.gate`). Off until a route names it, and
its clients listen only until the route says that they may transmit. The port is open while the TNC's link is up: a TNC
that is gone is gone for the clients too.

**Bounds.** `KissServerOptions.clients` at once, the next is turned away. A client that does not read has `MAX_WAITING`
bytes waiting for it, then misses frames, and is cut after `MAX_MISSED` in a row. One that sends more than `BURST`
frames at once is read at `RATE` frames a second, the rest waits at its side. What is missed, ignored and turned away is
counted, and shown as the route's status.

Standard: Chepponis and Karn, "The KISS TNC", 1987; over TCP as Direwolf and others have it: the same bytes.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.asgi import Event, Receive, Scope, Send
from edge.errors import LinkLost, LocalProtocolError
from edge.options import option
from transports.codecs import ax25, kiss
from transports.links import notice_dead_peers

logger = logging.getLogger("transports.kiss_server")

MAX_WAITING = 65_536  # bytes written for a client and not taken yet; some 300 frames beside what the kernel holds
MAX_MISSED = 256  # frames in a row that a client may miss before it is cut; minutes of a busy channel
BURST = 64.0  # frames that a client may send at once; a page of a mailbox in connected mode is fewer
RATE = 10.0  # frames a second after that; the gate lets no more than ten pass (600 a minute)
CHUNK = 4096  # bytes a read; without a single whole frame in them they cost as much as one
BACKLOG = 128  # connections that wait in the kernel; beyond, a knock waits for its next try
RETRY = 5.0  # seconds before a port that could not be opened is tried again
CLOSING = 1.0  # seconds for the clients' tasks to end


@dataclass(frozen=True, slots=True, kw_only=True)
class KissServerOptions:
    """Where, for how many, and whether they may transmit."""

    listen: str = option(
        "127.0.0.1",
        label="Listen on",
        help="127.0.0.1: programs on this box only. 0.0.0.0: whoever reaches this box; KISS has no password.",
        minimum=1,
        maximum=255,
    )
    port: int = option(8001, label="TCP port", help="8001 is what other programs expect.", minimum=1, maximum=65535)
    clients: int = option(4, label="Most clients", help="At once.", unit="clients", minimum=1, maximum=32)
    transmit: bool = option(
        False, label="Clients may transmit", help="Through the transmit gate. Off: they listen only."
    )


class Allowance:
    """How fast a client is read: a burst, then so much a second. Pure: time is passed in, in seconds."""

    def __init__(self, now: float) -> None:
        self._left = BURST
        self._at = now

    def take(self, cost: float, now: float) -> float:
        """Spend ``cost`` frames; return the seconds to wait before going on."""
        self._left = min(BURST, self._left + (now - self._at) * RATE) - cost
        self._at = now
        return max(0.0, -self._left / RATE)


class KissServer:
    """The ASGI app of one route. It outlives the links of its device; what is open belongs to one of them."""

    protocols = frozenset({"ax25", "aprs"})
    Options = KissServerOptions

    def __init__(self, options: KissServerOptions | None = None) -> None:
        self.options = options or KissServerOptions()
        self._port: _Port | None = None

    @classmethod
    def as_asgi(cls, *, options: KissServerOptions | None = None) -> "KissServer":
        """Return the app of one route; as a consumer class does."""
        return cls(options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one link of the device, to its end."""
        self._port = port = _Port(scope, send, self.options)
        port.open()
        try:
            while not (event := await receive())["type"].endswith(".disconnect"):
                if event["type"].endswith(".receive"):
                    port.hear(event)
        finally:
            self._port = None
            await port.close()

    def status_text(self) -> str:
        """Say who is connected, or why nobody can be; asked by `edge.fanout`, from any thread."""
        port = self._port
        return port.status_text() if port is not None else ""


class _Client:
    """One program that is connected."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.task = asyncio.current_task()
        self.name = _address(writer.get_extra_info("peername"))
        self.heard = 0  # frames written for it
        self.sent = 0  # frames of its that went to the gate
        self.ignored = (
            0  # of its frames: parameters, no AX.25, none that the device sends, none where it may only listen
        )
        self.missed = 0  # frames that found no room
        self._missed_in_a_row = 0
        self._transport = writer.transport
        self._loop = asyncio.get_running_loop()
        self._allowance = Allowance(self._loop.time())

    def __str__(self) -> str:
        counts = f"{self.heard} to it, {self.sent} from it"
        counts += f", {self.ignored} ignored" if self.ignored else ""
        return f"{self.name} ({counts}{f', {self.missed} missed' if self.missed else ''})"

    def write(self, data: bytes) -> None:
        """Write a frame, or drop and count it; never waits."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() + len(data) <= MAX_WAITING:
            self._missed_in_a_row = 0
            self.heard += 1
            self._transport.write(data)
            return
        self.missed += 1
        self._missed_in_a_row += 1
        if self._missed_in_a_row >= MAX_MISSED:
            logger.warning("the KISS client %s reads nothing and is cut", self)
            self.cut()

    async def pace(self, cost: float) -> None:
        """Wait until so many frames more may be read."""
        if (seconds := self._allowance.take(cost, self._loop.time())) > 0:
            await asyncio.sleep(seconds)

    def cut(self) -> None:
        """Let go of it at once, and of what waits for it."""
        self._transport.abort()


class _Port:
    """The TCP port during one link of the device, and who is connected to it."""

    def __init__(self, scope: Scope, send: Send, options: KissServerOptions) -> None:
        self.device: str = scope["device"]
        self.options = options
        self.where = _address((options.listen, options.port))
        self.clients: list[_Client] = []
        self.turned_away = 0
        self._is_aprs = scope["type"] == "aprs"
        self._send = send
        self._full = False  # the latest to knock was turned away
        self._problem = ""
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None]

    def open(self) -> None:
        """Begin to listen, now or as soon as it can be."""
        self._opening = asyncio.create_task(self._keep_trying(), name=f"edge-kiss-server-{self.device}")

    def hear(self, event: Event) -> None:
        """Give each client a frame that was heard."""
        if self.clients:
            frame = kiss.KissFrame(port=event["port"], command=kiss.Command.DATA, data=event["raw"])
            data = kiss.encode(frame)
            for client in tuple(self.clients):
                client.write(data)

    async def close(self) -> None:
        """Close the port and cut the clients, within `CLOSING` seconds."""
        self._opening.cancel()
        if self._server is not None:
            self._server.close()
        tasks = [self._opening, *(client.task for client in self.clients if client.task is not None)]
        for client in tuple(self.clients):
            client.cut()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSING)

    def status_text(self) -> str:
        """Say who is connected, or why nobody can be; from any thread."""
        if self._problem:
            return f"{self._problem}; tried again every {RETRY:g} s"
        if self._server is None:
            return f"opening {self.where}"
        clients = [str(client) for client in tuple(self.clients)]
        text = f"{len(clients)} of {self.options.clients} clients on {self.where}"
        text += f": {'; '.join(clients)}" if clients else ""
        return f"{text}; {self.turned_away} turned away" if self.turned_away else text

    async def _keep_trying(self) -> None:
        while self._server is None:
            try:
                self._server = await asyncio.start_server(
                    self._welcome, self.options.listen, self.options.port, limit=CHUNK, backlog=BACKLOG
                )
            except (OSError, UnicodeError) as error:
                problem = _words(self.where, self.options.listen, error)
                if problem != self._problem:
                    logger.warning("%s: %s", self.device, problem)
                self._problem = problem
                await asyncio.sleep(RETRY)
        self._problem = ""
        logger.info("%s: KISS for other programs on %s", self.device, self.where)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; called by asyncio."""
        if len(self.clients) >= self.options.clients:
            self._turn_away(writer)
            return
        client = _Client(writer)
        self.clients.append(client)
        logger.info("%s: KISS client %s came", self.device, client.name)
        try:
            notice_dead_peers(writer.get_extra_info("socket"))
            await self._serve(client, reader)
        except OSError as error:  # LinkLost is one
            logger.debug("%s: KISS client %s: %s", self.device, client.name, error)
        except asyncio.CancelledError:  # by `close`, which is the only one that holds this task
            logger.debug("%s: KISS client %s is told goodbye", self.device, client.name)
        finally:
            client.cut()
            self.clients.remove(client)
            self._full = False
            logger.info("%s: KISS client %s left", self.device, client)

    def _turn_away(self, writer: asyncio.StreamWriter) -> None:
        self.turned_away += 1
        writer.transport.abort()
        if not self._full:  # a log is no place for one who knocks all day
            logger.warning(
                "%s: %s has its %d clients; others are turned away", self.device, self.where, len(self.clients)
            )
        self._full = True

    async def _serve(self, client: _Client, reader: asyncio.StreamReader) -> None:
        decoder = kiss.Decoder()
        while data := await reader.read(CHUNK):
            for frame in decoder.receive_bytes(data):
                await client.pace(1.0)
                await self._transmit(client, frame)
            await client.pace(len(data) / CHUNK)

    async def _transmit(self, client: _Client, frame: kiss.KissFrame) -> None:
        """Send a client's frame through the gate, which counts and shows what it refuses."""
        if (event := self._event(frame)) is None:
            client.ignored += 1
            return
        try:
            await self._send(event)
        except LinkLost:
            raise
        except LocalProtocolError as error:
            client.ignored += 1
            logger.debug("%s: KISS client %s: %s", self.device, client.name, error)
        else:
            client.sent += 1

    def _event(self, frame: kiss.KissFrame) -> Event | None:
        """Return what is to be sent of a client's frame, if anything.

        Parameters (TXDELAY and such) are not passed on: the TNC has them from its own options, for all who share it.
        """
        if frame.command is not kiss.Command.DATA or not self.options.transmit:
            return None
        try:
            decoded = ax25.decode(frame.data)
        except ax25.FrameError:
            return None
        if not self._is_aprs:
            return {"type": "ax25.send", "port": frame.port, "raw": frame.data}
        return _aprs_event(frame.port, decoded)


def _aprs_event(port: int, frame: ax25.Frame) -> Event | None:
    """Return the packet by its parts: an APRS feed sends no others."""
    if (frame.control, frame.pid) != (ax25.UI, ax25.NO_LAYER_3):
        return None
    return {
        "type": "aprs.send",
        "port": port,
        "source": frame.source_text,
        "destination": frame.destination_text,
        "via": list(frame.path_texts),
        "info": frame.info,
    }


_OPEN_WORDS: Mapping[int, str] = {
    errno.EADDRINUSE: "{where} is in use by another program",
    errno.EADDRNOTAVAIL: "this box has no address {listen}",
    errno.EACCES: "no permission to listen on {where}; take a port above 1023",
}


def _words(where: str, listen: str, error: Exception) -> str:
    """Say in plain words why a port could not be opened."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"the name {listen} is not known"
    # asyncio since 3.12 raises one without a number where none of the addresses is this box's.
    number = getattr(error, "errno", None) or errno.EADDRNOTAVAIL
    words = _OPEN_WORDS.get(number, "{where} cannot be opened: {error}")
    return words.format(where=where, listen=listen, error=error)


def _address(pair: Any) -> str:  # Any: what the kind of socket calls an address; None for one that is gone already
    if not isinstance(pair, tuple):
        return "a client"
    host, port = pair[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
