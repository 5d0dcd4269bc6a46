"""Raw GPS sentences, as simple trackers send them: `$GPRMC`, `$GPGGA`, `$GPGLL`, `$GPVTG`, `$GPWPL`.

Chapter 5 of the APRS reference, and NMEA 0183. The symbol is in the destination address. A sentence whose own
checksum says that it is damaged is not read; one without a checksum is.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

from transports.codecs.aprs.symbols import DEFAULT, symbol_of
from transports.codecs.aprs.units import KNOT

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins, Reading

NO_SYMBOL = "guessed: neither the sentence nor the destination names a symbol"
OTHER_RECEIVER = "lenient: of another satellite system than GPS"
MAX_SPEED = 1000  # knots, at which receivers on sale fall silent by law
MIN_ALTITUDE, MAX_ALTITUDE = -1000, 100_000  # m

_HEAD = re.compile(r"\$G[NPLAB](RMC|GGA|GLL|VTG|WPL)")
_CHECKSUM = re.compile(r"\*([0-9A-Fa-f]{2})\s*\Z")
_ANGLE = re.compile(r"\s*([0-9]{1,3})([0-5][0-9]\.[0-9]{0,9})\s*")
_DECIMAL = re.compile(r"\s*(-?[0-9]{1,6}(?:\.[0-9]{0,9})?)\s*")

# Where a sentence has its words; longitude comes two behind latitude.
_RMC = {"validity": 2, "latitude": 3, "speed": 7, "course": 8}
_GGA = {"validity": 6, "latitude": 2, "altitude": 9}
_GLL = {"validity": 6, "latitude": 1}
_VTG = {"course": 1, "speed": 5}
_WPL = {"latitude": 1, "name": 5}
_LAYOUTS = {"RMC": _RMC, "GGA": _GGA, "GLL": _GLL, "VTG": _VTG, "WPL": _WPL}
_NO_FIX = ("V", "0", "N")  # what stands there was true once, perhaps yesterday
_LIMITS = {"N": 90, "S": 90, "E": 180, "W": 180}  # degrees
_NORTH = 360


def parse_nmea(text: str, destination: str, origins: Origins) -> Reading:
    """Read an info field that begins with '$' to this destination."""
    head = _HEAD.match(text)
    if head is None:
        return f"raw data: expected $GPRMC, $GPGGA, $GPGLL, $GPVTG or $GPWPL, came {text[:10]!r}"
    if not _whole(text):
        return f"GPS sentence: expected the checksum that it names, came damaged: {text[:60]!r}"
    layout = _LAYOUTS[head[1]]
    words = text.partition("*")[0].split(",")
    if "validity" in layout and _word(words, layout["validity"]) in _NO_FIX:
        return f"GPS sentence: expected a fix, came a receiver without one: {text[:60]!r}"
    fields: Fields = {"sentence": text}
    if "latitude" in layout and not _read_place(words, layout["latitude"], fields):
        return f"GPS sentence: expected a place, came {text[:60]!r}"
    _read_rest(words, layout, fields)
    if len(fields) == 1:
        return f"GPS sentence: expected course or speed, came {text[:60]!r}"
    if not text.startswith("$GP"):
        origins["sentence"] = OTHER_RECEIVER
    fields["symbol"] = symbol_of(destination) or DEFAULT
    if symbol_of(destination) is None:
        origins["symbol"] = NO_SYMBOL
    return "nmea", fields


def _whole(text: str) -> bool:
    found = _CHECKSUM.search(text[-8:])
    if found is None:
        return True
    body = text[1 : text.rindex("*")].encode("utf-8", "replace")
    return reduce(xor, body, 0) == int(found[1], 16)


def _word(words: list[str], at: int) -> str:
    return words[at].strip() if at < len(words) else ""


def _read_place(words: list[str], at: int, fields: Fields) -> bool:
    latitude, longitude = _angle(words[at : at + 2], "NS"), _angle(words[at + 2 : at + 4], "EW")
    if latitude is None or longitude is None:
        return False
    fields["latitude"], fields["longitude"] = latitude, longitude
    return True


def _read_rest(words: list[str], layout: dict[str, int], fields: Fields) -> None:
    if "name" in layout and (name := _word(words, layout["name"])):
        fields["name"] = name
    if (speed := _decimal(words, layout.get("speed"))) is not None and 0 <= speed <= MAX_SPEED:
        fields["speed"] = round(speed * KNOT, 1)
    if (course := _decimal(words, layout.get("course"))) is not None and 0 <= course <= _NORTH:
        fields["course"] = int(course + 0.5) or _NORTH
    if (altitude := _decimal(words, layout.get("altitude"))) is not None and MIN_ALTITUDE <= altitude <= MAX_ALTITUDE:
        fields["altitude"] = altitude


def _angle(words: list[str], directions: str) -> float | None:
    """Degrees of `4934.2744,N`; the second direction is negative."""
    digits, direction = (*words, "", "")[:2]
    direction = direction.strip().upper()
    found = _ANGLE.fullmatch(digits)
    if found is None or len(direction) != 1 or direction not in directions:
        return None
    angle = int(found[1]) + float(found[2]) / 60
    if angle > _LIMITS[direction]:
        return None
    return round(-angle if direction == directions[1] else angle, 6)


def _decimal(words: list[str], at: int | None) -> float | None:
    if at is None or at >= len(words):
        return None
    found = _DECIMAL.fullmatch(words[at])
    return float(found[1]) if found else None
