"""One KISS frame, and its bytes on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from transports.codecs.kiss.checksums import Checksum, seal
from transports.codecs.kiss.dialect import PLAIN, KissDialect

FEND = b"\xc0"  # frame end, and as well frame start
FESC = b"\xdb"  # frame escape
ESCAPED_FEND = b"\xdb\xdc"
ESCAPED_FESC = b"\xdb\xdd"
ESCAPED_C = b"\xdbC"  # `KissDialect.escape_c`

MAX_FRAME = 2048  # bytes unstuffed, with the type byte; Direwolf's largest info field, six times the standard's 256
MAX_NIBBLE = 15  # ports and commands share the type byte, a nibble each
RETURN_TYPE = 0xFF  # the one type byte without a port: leave KISS, whatever the port
ID_SIZE = 2  # bytes of the id of an ACKMODE frame

LEAVE = b"\xc0\xff\xc0"  # leave KISS mode
TNC_PI_RESET = b"\xc0\x0f\x02\xc0"  # what a TNC-Pi takes for a reset


class Command(IntEnum):
    """What a frame asks of the TNC. From the TNC, only DATA, SETHW and ACKMODE are common."""

    DATA = 0
    TXDELAY = 1  # one byte, in 10 ms
    PERSISTENCE = 2  # one byte, p * 256 - 1
    SLOTTIME = 3  # one byte, in 10 ms
    TXTAIL = 4  # one byte, in 10 ms
    FULLDUPLEX = 5  # one byte, 0 is half duplex
    SETHW = 6  # as the hardware likes it
    ACKMODE = 12  # data behind two bytes of id, which the TNC sends back once it is on the air (XKISS)
    POLL = 14  # what have you heard? (XKISS)
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

    @classmethod
    def of(cls, body: bytes) -> KissFrame:
        """Read a body: the type byte, and data (`Decoder.receive_bodies`)."""
        port, command = _TYPES[body[0]]
        return cls(port=port, command=command, data=body[1:])


def _read_type(byte: int) -> tuple[int, Command | int]:
    """Port and command of a type byte. Only 0xFF is RETURN, a lone 15 stays a number; see `KissFrame`."""
    port, command = byte >> 4, byte & 0x0F
    if byte == RETURN_TYPE or (command in _KNOWN and command != Command.RETURN):
        return port, Command(command)
    return port, command


_KNOWN = frozenset(Command)
# Looked up once per frame: calling an Enum costs more than all the rest of decoding.
_TYPES = tuple(_read_type(byte) for byte in range(256))


def encode(frame: KissFrame, dialect: KissDialect = PLAIN, checksum: Checksum | None = None) -> bytes:
    """One frame as the TNC reads it, with a FEND on both sides.

    The leading FEND flushes line noise at the TNC; the standard recommends it. ``checksum`` is the sum that is in force
    (`Decoder.checksum`), by default the dialect's; only data frames get it. Raises `ValueError` on a port or command
    that does not fit its nibble, or the sum's mark.
    """
    if not 0 <= frame.port <= MAX_NIBBLE:
        raise ValueError(f"KISS port: expected 0 to 15, came {frame.port}")
    if not 0 <= frame.command <= MAX_NIBBLE:
        raise ValueError(f"KISS command: expected 0 to 15, came {frame.command}")
    body = _sealed(frame, dialect.checksum if checksum is None else checksum)
    # The type byte is stuffed as well: port 12 with DATA is C0 itself, port 13 with command 11 is DB.
    stuffed = body.replace(FESC, ESCAPED_FESC).replace(FEND, ESCAPED_FEND)
    return FEND + (stuffed.replace(b"C", ESCAPED_C) if dialect.escape_c else stuffed) + FEND


def unstuff(body: bytes, *, escape_c: bool = False) -> bytes | None:
    """Undo the escapes, at C speed; None where an FESC is not followed by what may follow it."""
    known = body.count(ESCAPED_FEND) + body.count(ESCAPED_FESC) + (body.count(ESCAPED_C) if escape_c else 0)
    if body.count(FESC) != known:
        return None
    if escape_c:
        body = body.replace(ESCAPED_C, b"C")
    # FEND first: undone the other way round, the FESC of `DB DD DC` would make an escape with the DC behind it.
    return body.replace(ESCAPED_FEND, FEND).replace(ESCAPED_FESC, FESC)


def _sealed(frame: KissFrame, checksum: Checksum) -> bytes:
    if frame.command is Command.RETURN:
        return bytes((RETURN_TYPE,)) + frame.data
    body = bytes((frame.port << 4 | frame.command,)) + frame.data
    if checksum is Checksum.NONE or checksum is Checksum.AUTO:
        return body
    is_data = frame.command == Command.DATA
    if checksum in _MARKED:
        if is_data and frame.port > _MARKED[checksum]:
            raise ValueError(f"KISS port with {checksum.value}: expected 0 to {_MARKED[checksum]}, came {frame.port}")
        return seal(body, checksum) if is_data else body
    if is_data or frame.command == Command.ACKMODE:
        return seal(body, checksum, unsummed=0 if is_data else ID_SIZE)
    return body


_MARKED = {Checksum.SMACK: 7, Checksum.FLEXNET: 1}  # the highest port beside the mark in the type byte
