"""Text lines out of a byte stream: CR, LF or CRLF, with a bound.

For serial devices that talk in lines: a TNC's monitor, a GPS, a weather station. What a line means, and in which
encoding, is not known here.
"""

from __future__ import annotations

from transports.codecs.delimited import Splitter

MAX_LINE = 1024  # bytes; twice the longest line that APRS-IS allows (512)

_CR = b"\r"
_LF = b"\n"


class Decoder:
    """A byte stream, in any chunks, to lines without their ends.

    CR, LF and CRLF all end a line. Empty lines are not given: so the LF of a CRLF that comes in the next chunk needs no
    memory. A line over `max_line` bytes is dropped up to its end and counted in `oversized`; between two calls at most
    `max_line` bytes are held.
    """

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._splitter = Splitter(_LF, max_line)

    @property
    def oversized(self) -> int:
        """Lines dropped because they were longer than `max_line`."""
        return self._splitter.oversized

    def receive_bytes(self, data: bytes) -> list[bytes]:
        """Give the lines that end in this chunk, in order."""
        return self._splitter.receive_bytes(data.replace(_CR, _LF))
