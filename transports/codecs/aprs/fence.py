"""The fence around aprslib: the only module that calls it.

aprslib 0.7.2 reads positions, compressed positions and Mic-E well. It raises more than its own errors on what
strangers send (`ValueError` on a PHG rate, `NameError` on nested third-party traffic), it looks at the clock for
timestamps, and what it makes of bytes depends on whether chardet is installed. So it is given text, never bytes;
positions, without timestamps; and whatever it raises ends here.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

with warnings.catch_warnings():
    # Its sources hold invalid escapes such as "\!", of which Python warns while it compiles them; it is theirs to mend,
    # and no other warning is hidden.
    warnings.filterwarnings("ignore", message=r".*invalid escape sequence")
    import aprslib

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields

# aprslib wants a whole packet. The source says nothing to a position, and the destination only to Mic-E.
_NEUTRAL_SOURCE = "N0CALL"
_NEUTRAL_DESTINATION = "APRS"


def parse_with_aprslib(text: str, destination: str = _NEUTRAL_DESTINATION) -> Fields | str:
    """Give aprslib's fields for an info field, or the reason why there are none. Never raises."""
    try:
        fields: Fields = aprslib.parse(f"{_NEUTRAL_SOURCE}>{destination}:{text}")
    except Exception as error:  # noqa: BLE001 - hostile bytes raise what nobody foresaw; see the module's docstring
        return f"{type(error).__name__}: {error}"[:200]
    # Mic-E to a destination that is none comes back as a beacon or the like, and without an error.
    return fields if "symbol" in fields and "symbol_table" in fields else "expected a position, came none"
