"""What one TNC does otherwise than the standard says, as a value; a TNC's profile fills it."""

from __future__ import annotations

from dataclasses import dataclass

from transports.codecs.kiss.checksums import Checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class KissDialect:
    """How one TNC speaks KISS. The default is the standard of 1987, which every TNC speaks.

    `checksum`: which sum its data frames have; `checksums`.

    `escape_c`: the letter C is escaped as well, as ``DB 43``. A Kenwood TM-D700 leaves packet mode on ``TC 0`` and a
    return, wherever they stand, so the letter must not be seen.

    `ackmode`: it answers a data frame of command 12 (``C0 0C id id data C0``) with the id once the frame is on the air.
    """

    checksum: Checksum = Checksum.NONE
    escape_c: bool = False
    ackmode: bool = False


PLAIN = KissDialect()
