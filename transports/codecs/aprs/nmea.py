"""Raw GPS sentences, as simple trackers send them: `$GPRMC`, `$GPGGA`, `$GPGLL`. Chapter 5 of the APRS reference.

The checksum is not asked for: the frame that carried the sentence had a better one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields

KNOT = 1.852  # km/h

_ANGLE = re.compile(r"([0-9]{1,3})([0-9]{2}\.[0-9]{0,6})")
_DECIMAL = re.compile(r"[0-9]{1,5}(?:\.[0-9]{0,6})?")

# Where a sentence has its words; longitude comes two behind latitude.
_RMC = {"validity": 2, "latitude": 3, "speed": 7, "course": 8}
_GGA = {"validity": 6, "latitude": 2, "altitude": 9}
_GLL = {"validity": 6, "latitude": 1}
_LAYOUTS = {"RMC": _RMC, "GGA": _GGA, "GLL": _GLL}
_NO_FIX = (["V"], ["0"])  # what stands there was true once, perhaps yesterday
_LIMITS = {"N": 90, "S": 90, "E": 180, "W": 180}  # degrees


def parse_nmea(text: str) -> tuple[str, Fields] | str:
    """Read an info field that begins with '$'. Gives format and fields, or the reason why not."""
    words = text.partition("*")[0].split(",")
    layout = _LAYOUTS.get(words[0][-3:])
    if not words[0].startswith("$GP") or layout is None:
        return f"raw data: expected $GPRMC, $GPGGA or $GPGLL, came {words[0][:10]!r}"
    if words[layout["validity"] : layout["validity"] + 1] in _NO_FIX:
        return f"GPS sentence: expected a fix, came a receiver without one: {text[:60]!r}"
    fields: Fields = {"sentence": text}
    at = layout["latitude"]
    latitude, longitude = _angle(words[at : at + 2], "NS"), _angle(words[at + 2 : at + 4], "EW")
    if latitude is None or longitude is None:
        return f"GPS sentence: expected a place, came {text[:60]!r}"
    fields |= {"latitude": latitude, "longitude": longitude}
    if (speed := _decimal(words, layout.get("speed"))) is not None:
        fields["speed"] = round(speed * KNOT, 1)
    if course := _decimal(words, layout.get("course")):
        fields["course"] = round(course) or 360
    if (altitude := _decimal(words, layout.get("altitude"))) is not None:
        fields["altitude"] = altitude
    return "nmea", fields


def _angle(words: list[str], directions: str) -> float | None:
    """Degrees of `4934.2744,N`; the second direction is negative."""
    digits, direction = (*words, "", "")[:2]
    found = _ANGLE.fullmatch(digits)
    if found is None or len(direction) != 1 or direction not in directions:
        return None
    angle = int(found[1]) + float(found[2]) / 60
    if angle > _LIMITS[direction]:
        return None
    return round(-angle if direction == directions[1] else angle, 6)


def _decimal(words: list[str], at: int | None) -> float | None:
    if at is None or at >= len(words) or not _DECIMAL.fullmatch(words[at]):
        return None
    return float(words[at])
