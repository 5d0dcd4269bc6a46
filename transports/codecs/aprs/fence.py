"""The fence around aprslib: the only module that calls it.

aprslib 0.7.2 raises more than its own errors on what strangers send (`ValueError` on a PHG rate, `NameError` on nested
third-party traffic), takes wind for course and speed, looks at the clock for timestamps, and what it makes of bytes
depends on whether chardet is installed. What it reads right, and what is rare enough on the air that its pace does not
matter, is read by it: the base-91 numbers of telemetry and of `!DAO!` in comments. What every packet has (a place, a
course, weather) is read in `places`, `mic_e` and `weather`. The tests hold both against aprslib's own reading.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # Its sources hold invalid escapes such as "\!", of which Python warns while it compiles them; it is theirs to mend,
    # and no other warning is hidden.
    warnings.filterwarnings("ignore", message=r".*invalid escape sequence")
    from aprslib import base91


def read_base91(digits: str) -> int:
    """Read a number of one or more characters from '!' to '{', which the caller has made sure of.

    Anything else is 0, as is an empty text. Never raises.
    """
    try:
        number: int = base91.to_decimal(digits)
    except (ValueError, TypeError):
        return 0
    return number
