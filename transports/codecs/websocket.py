"""WebSocket frames of a client, cut out of a stream of bytes, and a server's frames (RFC 6455, section 5).

Only what is common is read here: a whole message in one masked frame, without extension. Everything else (control
frames, fragments, what breaks the protocol) is passed on as the bytes of one whole frame, for a library to judge. That
is what makes the common message cheap: it is cut by two comparisons, where a state machine has a dozen calls.
"""

from collections.abc import Sequence

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without a wheel
    from websockets.utils import apply_mask

FIN_TEXT, FIN_BINARY = 0x81, 0x82  # first octets of a whole message: FIN, no reserved bit, opcode 1 or 2
WHOLE = (FIN_TEXT, FIN_BINARY)
FIN, MASKED, SIZE = 0x80, 0x80, 0x7F  # bits of the first two octets
CONTROL = 0x08  # this bit of the opcode: close, ping, pong
SIZE_16, SIZE_64 = 126, 127  # in place of a size: it follows in 2 or 8 octets
SHORT = 125  # bytes, the most that the second octet says
SHORT_HEAD = 6  # bytes before what such a frame carries: two octets and the mask

Message = tuple[int, bytes]  # FIN_TEXT or FIN_BINARY, and what it says; 0, and a whole frame that is not read here


class Frames:
    """Cuts a client's stream. Holds at most one unfinished frame of ``limit`` bytes, and its head.

    A frame that says it is longer is passed on at once, as far as it has come, and so is everything after it: whoever
    judges it ends the connection, and there is no telling any more where a frame begins.
    """

    __slots__ = ("_fragmented", "_limit", "_lost", "_parts", "_short_of", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []  # of the unfinished frame
        self._waiting = 0  # bytes in them
        self._short_of = 0  # bytes that it has to have before another look at it is worth while
        self._fragmented = False  # a message in several frames is under way: no other may begin (section 5.4)
        self._lost = False

    def feed(self, data: bytes) -> Sequence[Message]:
        """Take what a read gave; return what is whole, in order. Never raises."""
        size = len(data) - SHORT_HEAD
        # One short message in one read, as most come: masked, and its size is that of the read.
        if 0 <= size <= SHORT and data[1] == MASKED + size and not (self._parts or self._fragmented or self._lost):
            first = data[0]
            if first == FIN_TEXT or first == FIN_BINARY:  # noqa: PLR1714, SIM109  (a tuple costs)
                return ((first, apply_mask(data[SHORT_HEAD:], data[2:SHORT_HEAD])),)
        if self._lost:
            return ((0, data),)
        if self._parts:
            self._parts.append(data)
            self._waiting += len(data)
            if self._waiting < self._short_of:
                return ()
            data = b"".join(self._parts)
            self._parts.clear()
        return self._cut(data)

    def _cut(self, data: bytes) -> list[Message]:
        found: list[Message] = []
        at, end = 0, len(data)
        while at < end:
            first, size, head = _head(data, at)
            if size > self._limit:
                self._lost = True
                found.append((0, data[at:]))
                break
            body, after = at + head, at + head + size
            if after > end:
                self._keep(data[at:], head + size)
                break
            if first in WHOLE and not self._fragmented and data[at + 1] & MASKED:
                found.append((first, apply_mask(data[body:after], data[body - 4 : body])))
            else:
                found.append((0, data[at:after]))
                if not first & CONTROL:
                    self._fragmented = not first & FIN
            at = after
        return found

    def _keep(self, rest: bytes, whole: int) -> None:
        self._parts.append(rest)
        self._waiting, self._short_of = len(rest), whole


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the first octet of a frame, the size of what it carries, and that of its head, as far as they are there.

    Where they are not, the head's size is what has to be there for another look.
    """
    end = len(data)
    if end - at < 2:  # noqa: PLR2004  (the two octets that every frame has)
        return 0, 0, 2
    first, second = data[at], data[at + 1]
    size, head = second & SIZE, 6 if second & MASKED else 2
    if size <= SHORT:
        return first, size, head
    more = 2 if size == SIZE_16 else 8
    if end - at < 2 + more:
        return first, 0, 2 + more
    return first, int.from_bytes(data[at + 2 : at + 2 + more]), head + more


def encode(first: int, payload: bytes) -> bytes:
    """Return a server's frame, which is not masked (section 5.1); ``first`` is FIN_TEXT or FIN_BINARY."""
    size = len(payload)
    if size <= SHORT:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, SIZE_16)) + size.to_bytes(2) + payload
    return bytes((first, SIZE_64)) + size.to_bytes(8) + payload
