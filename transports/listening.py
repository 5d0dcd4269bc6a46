"""Find out what speaks on a serial port by listening, at one speed after the other. Never sends a byte.

`judge` is pure. `listen` opens the port, reads, and closes it; it blocks for as long as it was told: not for the loop.

Opening a port raises DTR and RTS for a moment, which the kernel does and nobody can prevent; both are lowered at once.
An adapter that keys a transmitter by one of them (a sound card's, not a TNC's) may key it for some milliseconds.
"""

import contextlib
import re
import termios
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import cycle

import serial

from edge.errors import LinkLost
from transports.codecs import ax25, kiss
from transports.links import open_quietly

BAUDS = (9600, 1200, 4800, 19_200, 38_400, 57_600, 115_200)  # Bd; the likely ones first
DWELL = 2.0  # seconds at one speed; a GPS speaks each second
FINISH = 0.5  # seconds more while something is being said, so that it is heard to its end
READ = 0.1  # seconds that one read waits
CHUNK = 1024  # bytes that one read takes; as many as come in that time at 100 kBd
MAX_HEARD = 8192  # bytes that are judged; later ones of the same dwell are not read
MAX_SECONDS = 120.0
SHOWN = 60  # characters of a line that are told
FEW = 4  # bytes; fewer say nothing
PLAIN = 0.95  # share of printable characters from which it is text

_NMEA = re.compile(rb"\$([A-Z]{2}[A-Z0-9]{2,4},[^*$\r\n]{0,90})\*([0-9A-Fa-f]{2})")


class What(Enum):
    """What was heard, the surest first."""

    KISS = "KISS frames"
    NMEA = "NMEA sentences"
    TEXT = "text"
    NOISE = "noise"
    SILENCE = "nothing"


_RANK = {what: rank for rank, what in enumerate(What)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was heard at one speed, and in words."""

    what: What
    baud: int
    words: str


def judge(data: bytes) -> tuple[What, str]:
    """Say what bytes look like, and in words for a person. Never raises."""
    if sources := _sources(data):
        return What.KISS, f"KISS frames, of {', '.join(sources[:3])}"
    if found := [sentence for sentence, total in _NMEA.findall(data) if _sum(sentence) == int(total, 16)]:
        return What.NMEA, f"a GPS or the like: {found[-1][:SHOWN].decode('ascii', 'replace')}"
    if len(data) < FEW:
        return What.SILENCE if not data else What.NOISE, f"{len(data)} bytes"
    text = data.decode("latin-1")
    plain = sum(character.isascii() and (character.isprintable() or character in "\r\n\t") for character in text)
    if plain >= PLAIN * len(text) and (lines := [line.strip() for line in text.splitlines() if line.strip()]):
        shown = max(lines, key=len)[:SHOWN]
        return What.TEXT, f"text, so not in KISS mode: {''.join(c if c.isprintable() else '·' for c in shown)}"
    return What.NOISE, f"{len(data)} bytes that mean nothing at this speed"


def listen(link: str, *, seconds: float, first: Iterable[int] = ()) -> Heard:
    """Listen on a port that is nobody's, and return the surest of what was heard. Stops early where it is sure.

    ``first`` are speeds to begin with, such as those of the profile that fits. Raises as `transports.links.open_link`.
    """
    bauds = tuple(dict.fromkeys([*first, *BAUDS]))
    until = time.monotonic() + min(seconds, MAX_SECONDS)
    best = Heard(what=What.SILENCE, baud=bauds[0], words=_silence(seconds))
    with open_quietly(link, bauds[0]) as port:
        for baud in cycle(bauds):
            what, words = judge(_read(port, baud, until))
            if _RANK[what] < _RANK[best.what]:
                best = Heard(what=what, baud=baud, words=words)
            if best.what in (What.KISS, What.NMEA) or time.monotonic() >= until:
                return best
    raise AssertionError("cycle() has an end")


def _read(port: serial.Serial, baud: int, until: float) -> bytes:
    """Hear one speed out."""
    data = b""
    try:
        port.baudrate = baud
        with contextlib.suppress(termios.error):  # what is no tty of the kernel's own may not know it
            port.reset_input_buffer()
        port.timeout = READ
        end = min(time.monotonic() + DWELL, until)
        latest = 0.0
        while (now := time.monotonic()) < end or (now < end + FINISH and now - latest < READ * 2):
            if chunk := port.read(CHUNK):
                data, latest = data + chunk, now
            if len(data) >= MAX_HEARD:
                break
    except OSError as error:  # serial.SerialException is one
        raise LinkLost(f"{port.name}: the port is gone (unplugged?)") from error
    return data


def _sources(data: bytes) -> list[str]:
    """Name the stations whose AX.25 frames stand in KISS frames, in the order in which they were first heard."""
    found: dict[str, None] = {}
    for body in kiss.Decoder().receive_bodies(data):
        if body and not body[0] & 0x0F:
            try:
                found[ax25.decode(body[1:]).header.source.name] = None
            except ValueError:
                continue
    return list(found)


def _sum(sentence: bytes) -> int:
    total = 0
    for byte in sentence:
        total ^= byte
    return total


def _silence(seconds: float) -> str:
    return f"nothing was said in {seconds:g} s; a TNC says nothing until it hears a packet"
