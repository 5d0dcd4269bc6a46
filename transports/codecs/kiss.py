"""KISS, the protocol between a host and a TNC: a byte stream to frames and back.

A frame on the wire is FEND, a type byte (port in the high nibble, command in the low one), data, FEND. What a data
frame carries is the business of `ax25`; when to send which parameter is that of the session. CRC dialects (SMACK,
FLEXNET) are not read here: their frames come out with the port number that their type byte spells.

Standard: Chepponis and Karn, "The KISS TNC: A simple Host-to-TNC communications protocol", 1987.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from transports.codecs.delimited import Splitter

FEND = b"\xc0"  # frame end, and as well frame start
FESC = b"\xdb"  # frame escape
ESCAPED_FEND = b"\xdb\xdc"
ESCAPED_FESC = b"\xdb\xdd"

MAX_FRAME = 2048  # bytes unstuffed, with the type byte; Direwolf's largest info field, six times the standard's 256
MAX_NIBBLE = 15  # ports and commands share the type byte, a nibble each
RETURN_TYPE = 0xFF  # the one type byte without a port: leave KISS, whatever the port


class Command(IntEnum):
    """What a frame asks of the TNC. From the TNC, only DATA and SETHW are common."""

    DATA = 0
    TXDELAY = 1  # one byte, in 10 ms
    PERSISTENCE = 2  # one byte, p * 256 - 1
    SLOTTIME = 3  # one byte, in 10 ms
    TXTAIL = 4  # one byte, in 10 ms
    FULLDUPLEX = 5  # one byte, 0 is half duplex
    SETHW = 6  # as the hardware likes it
    RETURN = 15  # leave KISS mode


@dataclass(frozen=True, slots=True, kw_only=True)
class KissFrame:
    """One frame, unstuffed. `port` is 0 to 15; `command` is a plain int where KISS has no name for it.

    `Command.RETURN` is the type byte 0xFF, whatever the port. A plain 15 is not: it goes with its port nibble, because
    some TNCs (TNC-Pi) take `C0 pF 02` for a reset.
    """

    port: int = 0
    command: Command | int = Command.DATA
    data: bytes = b""


def _read_type(byte: int) -> tuple[int, Command | int]:
    """Port and command of a type byte. Only 0xFF is RETURN, a lone 15 stays a number; see `KissFrame`."""
    port, command = byte >> 4, byte & 0x0F
    if byte == RETURN_TYPE or command <= Command.SETHW:
        return port, Command(command)
    return port, command


# Looked up once per frame: calling an Enum costs more than all the rest of decoding.
_TYPES = tuple(_read_type(byte) for byte in range(256))


def _unstuff(body: bytes) -> bytes | None:
    """Undo the escapes, at C speed; None where an FESC is not followed by what may follow it."""
    if body.count(FESC) != body.count(ESCAPED_FEND) + body.count(ESCAPED_FESC):
        return None
    # FEND first: undone the other way round, the FESC of `DB DD DC` would make an escape with the DC behind it.
    return body.replace(ESCAPED_FEND, FEND).replace(ESCAPED_FESC, FESC)


class Decoder:
    """A KISS byte stream, in any chunks, to frames.

    Noise is not an error: it is counted, and the next FEND begins anew. `max_frame` bounds a frame in unstuffed bytes
    with its type byte; between two calls the decoder holds at most twice that (each byte may have been escaped).

    Counters: `noise`, bytes before the first FEND (a stream may begin in mid-frame); `oversized`, frames dropped for
    their length; `malformed`, frames dropped for a bad escape. Empty frames are how KISS idles and are not counted.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self.noise = 0
        self.malformed = 0
        self._max_frame = max_frame
        self._too_long = 0  # unstuffed; the splitter counts those that are too long even stuffed
        self._splitter = Splitter(FEND, 2 * max_frame)
        self._synchronised = False

    @property
    def oversized(self) -> int:
        """Frames dropped because they were longer than `max_frame`."""
        return self._too_long + self._splitter.oversized

    def receive_bytes(self, data: bytes) -> list[KissFrame]:
        """Give the frames that end in this chunk, in order."""
        if not self._synchronised:
            data = self._skip_noise(data)
        frames = []
        for stuffed in self._splitter.receive_bytes(data):
            body = self._open(stuffed) if FESC in stuffed else stuffed
            if len(body) > self._max_frame:
                self._too_long += 1
            elif body:
                port, command = _TYPES[body[0]]
                frames.append(KissFrame(port=port, command=command, data=body[1:]))
        return frames

    def _skip_noise(self, data: bytes) -> bytes:
        """Drop and count what comes before the first FEND of the stream."""
        start = data.find(FEND)
        self._synchronised = start >= 0
        skipped = start if self._synchronised else len(data)
        self.noise += skipped
        return data[skipped:]

    def _open(self, stuffed: bytes) -> bytes:
        """Unstuff one frame; a malformed one is counted and becomes empty."""
        body = _unstuff(stuffed)
        if body is None:
            self.malformed += 1
            return b""
        return body


def encode(frame: KissFrame) -> bytes:
    """One frame as the TNC reads it, with a FEND on both sides.

    The leading FEND flushes line noise at the TNC; the standard recommends it. Raises `ValueError` on a port or command
    that does not fit its nibble.
    """
    if not 0 <= frame.port <= MAX_NIBBLE:
        raise ValueError(f"KISS port: expected 0 to 15, came {frame.port}")
    if not 0 <= frame.command <= MAX_NIBBLE:
        raise ValueError(f"KISS command: expected 0 to 15, came {frame.command}")
    # The type byte is stuffed as well: port 12 with DATA is C0 itself, port 13 with command 11 is DB.
    body = bytes((_type_byte(frame),)) + frame.data
    return FEND + body.replace(FESC, ESCAPED_FESC).replace(FEND, ESCAPED_FEND) + FEND


def _type_byte(frame: KissFrame) -> int:
    if frame.command is Command.RETURN:
        return RETURN_TYPE
    return frame.port << 4 | frame.command
