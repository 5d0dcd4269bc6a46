"""A TNC in KISS mode on a pty, for a host to open as it would open /dev/ttyUSB0.

    async with SimulatedTnc("/tmp/tnc", Air(seed=1)) as tnc:
        ...  # open /tmp/tnc; hear the air; transmit
        await tnc.next_sent()

Like the TNCs of its kind it has no flow control, and forgets what a host does not fetch. It is always in KISS mode, or
what a ``firmware`` makes of it. Bytes and the pty are in ``port``, frames in ``kiss``, the world in ``air``.
"""

import asyncio
import termios
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from transports.simulator.air import Air
from transports.simulator.firmware import Firmware
from transports.simulator.kiss import PARAMETER_NAMES, RETURN, KissFrame, KissReader, encode_kiss
from transports.simulator.packets import describe
from transports.simulator.port import PtyPort
from transports.simulator.tcp import TcpPort

MAX_SENT = 1000  # frames remembered in ``sent``, and as many waiting for ``next_sent``; the oldest goes first
MAX_PAUSE = 1.0  # seconds between two looks at the air, which may have changed its plans meanwhile
MAX_NOISE = 24  # bytes in one burst
FLOOD_BATCH = 64  # frames after which the loop gets a turn, however fast the host reads
MAX_HOST_BYTES = 65_536  # remembered in ``host_bytes``; the oldest go first
SETHW = 6
READ_WAIT = 1.0  # seconds that a host is given to read the first half of a frame before the cable is pulled


class What(Enum):
    """The kinds of event that a TNC tells its listener."""

    HEARD = "heard"  # a frame from the air was written to the host
    UNHEARD = "unheard"  # no host had the port open
    SENT = "sent"  # the host transmitted a frame
    PARAMETER = "parameter"  # the host set txdelay, persistence, …
    OPENED = "opened"
    CLOSED = "closed"
    PLUGGED = "plugged"
    UNPLUGGED = "unplugged"


@dataclass(frozen=True, slots=True)
class TncEvent:
    """Something that happened, with one line of text about it."""

    what: What
    text: str


@dataclass(slots=True)
class Counts:
    """Frames: heard by a host, heard by none, transmitted by it; KISS commands that make no sense to a TNC; bytes."""

    heard: int = 0
    unheard: int = 0
    sent: int = 0
    strange: int = 0
    garbled: int = 0  # bytes that came at another speed than the TNC's


def garble(data: bytes) -> bytes:
    """Return what a host reads at another speed: as many bytes, none of them right, none of them KISS."""
    return bytes(byte ^ 0xA5 if byte ^ 0xA5 not in (0xC0, 0xDB) else 0xFF for byte in data)


def steady_clock() -> Callable[[], float]:
    """Give a clock in seconds since 1970 that never goes back, even when somebody sets the time."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


class SimulatedTnc:
    """The device. ``start`` (or ``async with``) plugs it in, ``close`` takes it and its symlink away.

    ``link`` is the symlink to make, or ``tcp://127.0.0.1:8001`` for a TNC that is a program; port 0 is any.

    ``air``, if given, is ticked by a task of ours, and hears what the host transmits. ``noise`` is the probability of a
    burst of line noise before a frame. ``sent`` holds the AX.25 frames of the host, newest last, at most ``MAX_SENT``;
    ``parameters`` the last value of each KISS parameter by (port, name). What a host does not read is dropped beyond
    4 KiB (and the kernel's 20 kB), oldest first, and counted in ``dropped``.
    """

    def __init__(  # noqa: PLR0913 all but the link have a default
        self,
        link: Path | str,
        air: Air | None = None,
        *,
        clock: Callable[[], float] | None = None,
        noise: float = 0.0,
        seed: int = 0,
        firmware: Firmware | None = None,
        on_event: Callable[[TncEvent], None] | None = None,
    ) -> None:
        self.air = air
        self.counts = Counts()
        self.sent: deque[bytes] = deque(maxlen=MAX_SENT)
        self.parameters: dict[tuple[int, str], bytes] = {}  # bounded: 16 ports, 6 names
        self._clock = clock or steady_clock()
        self._noise = noise
        self._random = Random(f"{seed} noise")  # noqa: S311 a play, not a secret
        self._on_event = on_event
        self.firmware = firmware or Firmware(speed=None)
        self.firmware.say = self._say
        self.firmware.clock = self._clock
        self.host_bytes = bytearray()  # the last of what the host wrote, KISS or not
        self._port: PtyPort | TcpPort = (
            TcpPort(str(link), on_bytes=self._take_bytes, on_host=self._tell_host)
            if str(link).startswith("tcp://")
            else PtyPort(Path(link), on_bytes=self._take_bytes, on_host=self._tell_host)
        )
        self._reader = KissReader()
        self._unseen: asyncio.Queue[bytes] = asyncio.Queue(MAX_SENT)
        self._player: asyncio.Task[None] | None = None

    @property
    def link(self) -> Path | str:
        """The symlink that a host opens, or the URL."""
        return self._port.link

    @property
    def device(self) -> str:
        """The name of the pty behind it, as /dev/pts/7; another one after each ``replug``."""
        return self._port.device

    @property
    def speed(self) -> int:
        """The speed that the host has set, as a constant of termios (``termios.B9600``); 0 while unplugged."""
        return self._port.speed

    @property
    def dropped(self) -> int:
        """How many frames were lost because the host did not read them."""
        return self._port.outbox.dropped

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Plug in, and let the air play. OSError if there is no pty or the link cannot be made."""
        self.replug()
        if self.air:
            self._player = asyncio.create_task(self._play(self.air), name=f"air of {self.link}")

    async def close(self) -> None:
        """Unplug for good and remove the symlink. Raises what the air raised, if it did. Again is fine."""
        self.unplug()
        player, self._player = self._player, None
        if player:
            player.cancel()
            with suppress(asyncio.CancelledError):
                await player

    def hear(self, frame: bytes, port: int = 0) -> bool:
        """Receive an AX.25 frame (no checksum) from the air and pass it to the host. False if no host is there."""
        shown = self.firmware.hear(frame)
        there = self.hear_bytes(self._burst() + (encode_kiss(frame, port=port) if shown is None else shown))
        self.counts.heard += there
        self.counts.unheard += not there
        self._tell_frame(What.HEARD if there else What.UNHEARD, frame)
        return there

    def hear_bytes(self, raw: bytes) -> bool:
        """Write any bytes to the host: half frames, noise, boot messages. False if no host is there."""
        return self._port.put(raw if self._at_my_speed() else garble(raw))

    async def flood(self, frames: Iterable[bytes]) -> int:
        """Pass frames to the host as fast as it reads, losing none; give their number once the last is written.

        Waits while no host has the port open, and without end: bound it with ``asyncio.timeout``. What a host leaves
        unread when it closes the port, or when the cable is pulled, is lost all the same.
        """
        count = 0
        for count, frame in enumerate(frames, 1):
            await self._port.wait_for_room()
            while not self.hear(frame):
                await self._port.wait_for_room()
            if count % FLOOD_BATCH == 0:
                await asyncio.sleep(0)
        await self._port.wait_for_room()
        return count

    async def next_sent(self, timeout: float = 5.0) -> bytes:  # noqa: ASYNC109 one place for a bound that tests need
        """Give the next AX.25 frame that the host transmitted, each once. TimeoutError after ``timeout`` seconds."""
        async with asyncio.timeout(timeout):
            return await self._unseen.get()

    async def wait_for_host(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 as above
        """Wait until a host has the port open. TimeoutError after ``timeout`` seconds."""
        async with asyncio.timeout(timeout):
            await self._port.wait_for_host()

    def unplug(self) -> None:
        """Pull the cable, now. The symlink goes, the host sees a hang-up, and what it has not read is lost."""
        if self._port.plugged:
            self._port.unplug()
            self._tell(What.UNPLUGGED, self.device)

    async def unplug_after(self, partial: bytes) -> None:
        """Pull the cable in the middle of a frame: write ``partial``, let the host read it, and unplug."""
        self.hear_bytes(partial)
        await self._port.wait_until_read(READ_WAIT)
        self.unplug()

    def replug(self) -> str:
        """Plug in again under another /dev/pts name, move the symlink there, and give the name."""
        self._reader = KissReader()
        device = self._port.plug()
        self._tell(What.PLUGGED, f"{self.link} -> {device}")
        return device

    async def _play(self, air: Air) -> None:
        while True:
            for frame in air.tick(self._clock()):
                self.hear(frame)
            now = self._clock()
            await asyncio.sleep(min(max(air.next_due(now) - now, 0), MAX_PAUSE))

    def _take_bytes(self, data: bytes) -> None:
        self.host_bytes += data
        del self.host_bytes[:-MAX_HOST_BYTES]
        if not self._at_my_speed():
            self.counts.garbled += len(data)
            return
        for frame in self._reader.feed(self.firmware.take(data)):
            self._take_frame(frame)

    def _at_my_speed(self) -> bool:
        """Tell whether the host has set the TNC's own speed."""
        wanted = self.firmware.speed
        return wanted is None or self.speed == getattr(termios, f"B{wanted}")

    def _say(self, text: bytes) -> None:
        self.hear_bytes(text)

    def _take_frame(self, frame: KissFrame) -> None:
        name = PARAMETER_NAMES.get(frame.command)
        if frame.kind == RETURN:
            self.firmware.leave()
            self._tell(What.PARAMETER, "return from KISS" + (", ignored" if self.firmware.kiss else ""))
        elif frame.command == SETHW and (answer := self.firmware.answers.get(frame.data)):
            self.hear_bytes(encode_kiss(answer, port=frame.port, command=SETHW))
        elif name:
            self.parameters[frame.port, name] = frame.data
            self._tell(What.PARAMETER, f"{name} of port {frame.port}: {frame.data.hex(' ')}")
        elif frame.command or not frame.data:
            self.counts.strange += 1
        else:
            self._transmit(frame.data)

    def _transmit(self, frame: bytes) -> None:
        if not self.firmware.may_transmit():
            return
        self.counts.sent += 1
        self.sent.append(frame)
        if self._unseen.full():
            self._unseen.get_nowait()
        self._unseen.put_nowait(frame)
        self._tell_frame(What.SENT, frame)
        for answer in self.air.receive(frame, self._clock()) if self.air else ():
            self.hear(answer)

    def _burst(self) -> bytes:
        if self._random.random() >= self._noise:
            return b""
        return self._random.randbytes(self._random.randint(1, MAX_NOISE))

    def _tell_host(self, there: bool) -> None:  # noqa: FBT001 the port's callback
        if there:
            self.firmware.opened()
        self._tell(What.OPENED if there else What.CLOSED, self.device)

    def _tell_frame(self, what: What, frame: bytes) -> None:
        if self._on_event:  # before, for the line of text costs more than the frame
            self._tell(what, describe(frame))

    def _tell(self, what: What, text: str) -> None:
        if self._on_event:
            self._on_event(TncEvent(what, text))
