"""Split a stream at a delimiter byte, with a bound on what is kept.

KISS frames and text lines are both pieces between delimiters; this module is what they share. It knows nothing of what
a piece means: see `kiss` and `lines`.
"""

from __future__ import annotations


class Splitter:
    """Pieces of a byte stream between delimiters, whatever its chunks.

    `limit` is the longest piece in bytes. A longer one is dropped up to its delimiter and counted in `oversized`; so
    the splitter never holds more than `limit` bytes between two calls. Empty pieces are not given.
    """

    def __init__(self, delimiter: bytes, limit: int) -> None:
        self.oversized = 0  # pieces dropped because they were longer than the limit
        self._delimiter = delimiter
        self._limit = limit
        self._tail = bytearray()  # of a piece whose delimiter has not come; appending costs O(1), even byte by byte
        self._dropping = False  # inside an oversized piece, until its delimiter

    def receive_bytes(self, data: bytes) -> list[bytes]:
        """Give the pieces that end in this chunk, in order."""
        pieces = data.split(self._delimiter)
        rest = pieces.pop()
        if pieces:
            pieces[0] = self._finish(pieces[0])
            pieces = self._within_limit(pieces)
        self._keep(rest)
        return pieces

    def _finish(self, end: bytes) -> bytes:
        """Join the end of a piece to what was kept of it; a dropped one becomes empty."""
        if self._dropping:
            self._dropping = False
            return b""
        if not self._tail:
            return end
        piece = bytes(self._tail + end)
        self._tail.clear()
        return piece

    def _within_limit(self, pieces: list[bytes]) -> list[bytes]:
        """Leave out the empty pieces, and count out the oversized ones."""
        found = [piece for piece in pieces if piece]
        fitting = [piece for piece in found if len(piece) <= self._limit]
        self.oversized += len(found) - len(fitting)
        return fitting

    def _keep(self, rest: bytes) -> None:
        """Hold the beginning of a piece; once it is too long, nothing of it is held."""
        if self._dropping:
            return
        if len(self._tail) + len(rest) > self._limit:
            self.oversized += 1
            self._dropping = True
            self._tail.clear()
            return
        self._tail += rest
