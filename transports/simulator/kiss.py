"""KISS as a TNC's firmware sees it: one byte at a time.

Standard: Chepponis and Karn, "The KISS TNC", 1987. Deliberately plain, and deliberately not the codec under test.
"""

from dataclasses import dataclass
from enum import Enum, auto

FEND, FESC, TFEND, TFESC = 0xC0, 0xDB, 0xDC, 0xDD

DATA = 0
PARAMETER_NAMES = {1: "txdelay", 2: "persistence", 3: "slottime", 4: "txtail", 5: "fullduplex", 6: "sethardware"}
RETURN = 0xFF  # the whole type byte, not a nibble: leave KISS
MAX_FRAME = 2048  # bytes after unstuffing; six times the largest AX.25 UI frame

_STUFFED = [bytes([byte]) for byte in range(256)]
_STUFFED[FEND] = bytes([FESC, TFEND])
_STUFFED[FESC] = bytes([FESC, TFESC])


@dataclass(frozen=True, slots=True, kw_only=True)
class KissFrame:
    """What came between two FENDs. ``kind`` is the whole type byte: port in the high nibble, command in the low."""

    kind: int
    data: bytes

    @property
    def port(self) -> int:
        """The radio port, 0 to 15."""
        return self.kind >> 4

    @property
    def command(self) -> int:
        """The command nibble; ``DATA`` is a frame for the air. Look for ``RETURN`` in ``kind`` first."""
        return self.kind & 0x0F


def encode_kiss(data: bytes, *, port: int = 0, command: int = DATA) -> bytes:
    """Wrap an AX.25 frame (or a parameter) for the wire, FEND on both sides."""
    kind = _STUFFED[port << 4 | command]
    return b"".join((b"\xc0", kind, *[_STUFFED[byte] for byte in data], b"\xc0"))


class _State(Enum):
    OUTSIDE = auto()  # before the first FEND: what came over the line is no frame
    INSIDE = auto()
    ESCAPED = auto()
    SKIPPING = auto()  # too long: wait for the next FEND


class KissReader:
    """Bytes of the host in, frames out. A frame over ``MAX_FRAME`` is dropped and counted in ``oversized``."""

    def __init__(self) -> None:
        self.oversized = 0
        self._state = _State.OUTSIDE
        self._frame = bytearray()

    def feed(self, data: bytes) -> list[KissFrame]:
        """Take any chunk; give the frames that ended within it."""
        frames = (self._take(byte) for byte in data)
        return [frame for frame in frames if frame is not None]

    def _take(self, byte: int) -> KissFrame | None:
        if byte == FEND:
            return self._end()
        if self._state is _State.ESCAPED:
            self._state = _State.INSIDE
            self._keep({TFEND: FEND, TFESC: FESC}.get(byte, byte))
        elif self._state is _State.INSIDE and byte == FESC:
            self._state = _State.ESCAPED
        elif self._state is _State.INSIDE:
            self._keep(byte)
        return None

    def _keep(self, byte: int) -> None:
        if len(self._frame) >= MAX_FRAME:
            self.oversized += 1
            self._frame.clear()
            self._state = _State.SKIPPING
            return
        self._frame.append(byte)

    def _end(self) -> KissFrame | None:
        frame, self._frame = bytes(self._frame), bytearray()
        self._state = _State.INSIDE
        return KissFrame(kind=frame[0], data=frame[1:]) if frame else None
