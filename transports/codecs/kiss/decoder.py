"""A KISS byte stream to frames, in any chunks, at the speed of ``bytes.split``."""

from __future__ import annotations

from transports.codecs.kiss.checksums import (
    FLEXNET_FLAG,
    SMACK_FLAG,
    Checksum,
    open_flexnet,
    open_smack,
    open_xor,
)
from transports.codecs.kiss.dialect import PLAIN, KissDialect
from transports.codecs.kiss.frames import FEND, FESC, MAX_FRAME, KissFrame, unstuff

_COMMAND = 0x0F  # the low nibble of the type byte; 0 is data
_FEND, _FESC = FEND[0], FESC[0]  # as numbers: a cold cache finds those in half the time
_WHOLE = 3  # pieces of a read that is one frame: nothing, the frame, nothing
PLAIN_AGAIN = 16  # data frames; aprx offers its sums anew every half hour at the latest


class Decoder:
    """A KISS byte stream, in any chunks, to frames.

    Noise is not an error: it is counted, and the next FEND begins anew. `max_frame` bounds a frame in unstuffed bytes
    with its type byte and sum; between two calls the decoder holds at most twice that (each may be escaped).

    Counters: `noise`, bytes before the first FEND (a stream may begin in mid-frame); `oversized`, frames dropped for
    their length; `malformed`, frames dropped for a bad escape; `bad_sums`, for their checksum. Empty frames are how
    KISS idles and are not counted.

    `checksum` is the sum that what is sent should have. It is the dialect's, but for `Checksum.AUTO`: there nothing
    until a good SMACK or FLEXNET frame has come, then the same. Plain frames may follow: aprx offers sums by one empty
    frame and goes on without until it is given one. `PLAIN_AGAIN` of them in a row are taken for a TNC that knows none
    in the place of one that did. They are taken in any case where sums are marked; unmarked ones (XOR) must be there.
    """

    __slots__ = (
        "_at_rest",
        "_dialect",
        "_max_frame",
        "_max_stuffed",
        "_plain_in_a_row",
        "_skipping",
        "_synchronised",
        "_tail",
        "_unsummed",
        "bad_sums",
        "checksum",
        "malformed",
        "noise",
        "oversized",
    )

    def __init__(self, dialect: KissDialect = PLAIN, max_frame: int = MAX_FRAME) -> None:
        self.noise = 0
        self.oversized = 0
        self.malformed = 0
        self.bad_sums = 0
        self.checksum: Checksum = Checksum.NONE if dialect.checksum is Checksum.AUTO else dialect.checksum
        self._dialect = dialect
        self._unsummed = dialect.checksum is Checksum.NONE
        self._max_frame = max_frame
        self._max_stuffed = 2 * max_frame
        self._tail = bytearray()  # of a frame whose FEND has not come; appending costs O(1), even byte by byte
        self._skipping = True  # until the next FEND: before the first one, and inside an oversized frame
        self._synchronised = False
        self._at_rest = False  # a frame has ended, none has begun, and none needs more than to be cut out
        self._plain_in_a_row = 0

    def receive_bytes(self, data: bytes) -> list[KissFrame]:
        """Give the frames that end in this chunk, in order."""
        return [KissFrame.of(body) for body in self.receive_bodies(data)]

    def receive_bodies(self, data: bytes) -> list[bytes]:
        """Give the frames that end in this chunk, each as its type byte and data: five times as quick as values.

        The type byte has the port in its high nibble; a low nibble of 0 is data. Unstuffed, and without the checksum.
        """
        if not self._at_rest and _FEND not in data:  # one byte of a slow line, mostly: nothing ends here
            self._keep(data)
            return []
        pieces = data.split(FEND)
        if self._at_rest and len(pieces) == _WHOLE:
            body = pieces[1]
            if 0 < len(body) == len(data) - 2 <= self._max_frame and _FESC not in body:
                return [body]  # what a read of a quiet line mostly gives: one frame as it stands
        escaped = _FESC in data
        if self._skipping:
            self._synchronise(pieces.pop(0))
        elif self._tail:
            escaped = escaped or FESC in self._tail
            pieces[0] = bytes(self._tail) + pieces[0]
            self._tail.clear()
        self._keep(pieces.pop())
        self._at_rest = self._unsummed and not (self._skipping or self._tail)
        bodies = [piece for piece in pieces if piece]
        if escaped:
            bodies = self._unstuffed(bodies)
        if bodies and max(map(len, bodies)) > self._max_frame:
            bodies = self._within_bound(bodies)
        return bodies if self._unsummed else [body for body in map(self._checked, bodies) if body is not None]

    def _keep(self, rest: bytes) -> None:
        """Hold the beginning of a frame; once it is too long, nothing of it is held."""
        if self._skipping:
            self.noise += 0 if self._synchronised else len(rest)
        elif len(self._tail) + len(rest) > self._max_stuffed:
            self.oversized += 1
            self._skipping = True
            self._tail.clear()
        else:
            self._tail += rest

    def _synchronise(self, skipped: bytes) -> None:
        """A FEND has come: what follows is a frame, what came before it was noise or too long."""
        self.noise += 0 if self._synchronised else len(skipped)
        self._synchronised = True
        self._skipping = False

    def _unstuffed(self, stuffed: list[bytes]) -> list[bytes]:
        found = []
        for piece in stuffed:
            if FESC not in piece:
                found.append(piece)
            elif len(piece) > self._max_stuffed:
                self.oversized += 1
            elif body := unstuff(piece, escape_c=self._dialect.escape_c):
                found.append(body)
            else:
                self.malformed += 1
        return found

    def _within_bound(self, bodies: list[bytes]) -> list[bytes]:
        fitting = [body for body in bodies if len(body) <= self._max_frame]
        self.oversized += len(bodies) - len(fitting)
        return fitting

    def _checked(self, body: bytes) -> bytes | None:
        """Check a frame's sum and take it off; None, counted, where it is wrong."""
        if body[0] & _COMMAND:
            return body  # only data frames have one
        opened = self._open(body)
        self.bad_sums += opened is None
        return opened

    def _open(self, body: bytes) -> bytes | None:
        wanted = self._dialect.checksum
        if wanted is Checksum.XOR or wanted is Checksum.TNCX:
            return open_xor(body, tncx=wanted is Checksum.TNCX)
        if body[0] & SMACK_FLAG and wanted is not Checksum.FLEXNET:
            opened, found = open_smack(body), Checksum.SMACK
        elif body[0] & FLEXNET_FLAG and wanted is not Checksum.SMACK:
            opened, found = open_flexnet(body), Checksum.FLEXNET
            if opened is None and self.checksum is Checksum.NONE:
                return body  # a plain frame of port 2 or 3, on a line that has no sums as yet
        else:
            opened, found = body, Checksum.NONE
        if wanted is Checksum.AUTO and opened is not None:
            self._follow(found)
        return opened

    def _follow(self, found: Checksum) -> None:
        """Send with the sums that come, and without after many frames that have none."""
        if found is not Checksum.NONE:
            self.checksum = found
            self._plain_in_a_row = 0
        elif self.checksum is not Checksum.NONE:
            self._plain_in_a_row += 1
            if self._plain_in_a_row >= PLAIN_AGAIN:
                self.checksum = Checksum.NONE
