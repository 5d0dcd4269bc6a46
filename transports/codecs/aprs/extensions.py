"""The data extensions, seven characters behind a place: course and speed, PHG, RNG, DFS, DF bearing, area, storm.

Chapters 7, 11 (areas) and 12 (storms) of the APRS reference; the PHG rate is of version 1.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.units import FOOT, KNOT, KNOT_IN_M_S, MILE

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins

RECKONED = "guessed: reckoned from power, height and gain"

_NORTH = 360  # degrees; 0 is "unknown"
_AREA_SYMBOL = "\\l"
_STORM_SYMBOLS = ("\\@", "/@")
_DF_SYMBOL = "/\\"
_SIGNPOST_SYMBOL = "\\m"
_EXTENSION_HEADS = frozenset("0123456789 .PRD{")

_COURSE_SPEED = re.compile(r"([0-9]{3}|[0-9. ]{3})/([0-9]{3}|[0-9. ]{3})")
_PHG = re.compile(r"PHG([0-9][0-~][0-9][0-9])(?:([0-9A-Z])(?=/))?")
_RANGE = re.compile(r"RNG([0-9]{4})")
_DFS = re.compile(r"DFS([0-9][0-~][0-9][0-9])")
_BEARING = re.compile(r"/([0-9]{3})/([0-9]{3})")
_AREA = re.compile(r"([0-9])([0-9]{2})(?:/([0-9])|1([0-5]))([0-9]{2})(?:\{([0-9]{1,3})\})?")
_STORM = re.compile(
    r"/(TS|HC|TD|TY|TC)(?:/([0-9]{3}))?(?:\^([0-9]{3}))?(?:/([0-9]{4,5}))?(?:>([0-9]{3}))?(?:&([0-9]{3}))?(?:%([0-9]{3}))?"
)
_SIGNPOST = re.compile(r"\{([ -|~]{1,3})\}")
_LINE_LEFT = "6"  # an area of this shape runs to the west
_LONG_PRESSURE = 5  # digits, of which the last is a tenth
_MAX_HEIGHT = 30  # of a PHG's height, a power of two; 2 ** 30 times ten feet is no antenna


def read_extension(text: str, at: int, fields: Fields, origins: Origins) -> int:
    """Read the extension at this index into the fields, where there is one; give the index behind it."""
    head = text[at : at + 1]
    if head not in _EXTENSION_HEADS:
        return at
    symbol = fields["symbol"]
    if symbol == _AREA_SYMBOL and (area := _AREA.match(text, at)):
        return _read_area(area, fields)
    if symbol == _SIGNPOST_SYMBOL and (sign := _SIGNPOST.match(text, at)):
        fields["signpost"] = sign[1]
        return sign.end()
    if head == "P":
        return _read_phg(text, at, fields, origins)
    if head == "R":
        return _read_range(text, at, fields)
    if head == "D":
        return _read_dfs(text, at, fields)
    found = _COURSE_SPEED.match(text, at)
    if found is None:
        return at
    read_course_speed(found[1], found[2], fields)
    if symbol == _DF_SYMBOL and (df := _BEARING.match(text, found.end())):
        fields["bearing"], fields["nrq"] = int(df[1]), df[2]
        return df.end()
    if symbol in _STORM_SYMBOLS and (storm := _STORM.match(text, found.end())):
        return _read_storm(storm, fields)
    return found.end()


def read_course_speed(course: str, speed: str, fields: Fields) -> None:
    """Three digits of degrees, of which 000 and over 360 are unknown, and three of knots."""
    if course.isdecimal() and 0 < (degrees := int(course)) <= _NORTH:
        fields["course"] = degrees
    if speed.isdecimal():
        fields["speed"] = round(int(speed) * KNOT, 1)


def _read_phg(text: str, at: int, fields: Fields, origins: Origins) -> int:
    found = _PHG.match(text, at)
    if found is None:
        return at
    phg, rate = found.groups()
    fields["phg"] = phg + (rate or "")
    power, height, gain = int(phg[0]) ** 2, _height(phg[1]), int(phg[2])
    fields["antenna"] = {"power": power, **_antenna(phg)}
    if height is not None and power:
        fields["range"] = round((2 * height * ((power / 10) * (10 ** (gain / 10) / 2)) ** 0.5) ** 0.5 * MILE, 1)
        origins["range"] = RECKONED
    return found.end()


def _read_dfs(text: str, at: int, fields: Fields) -> int:
    found = _DFS.match(text, at)
    if found is None:
        return at
    fields["dfs"] = found[1]
    fields["antenna"] = {"strength": int(found[1][0]), **_antenna(found[1])}
    return found.end()


def _antenna(code: str) -> Fields:
    """Height, gain and directivity, as PHG and DFS both have them."""
    antenna: Fields = {"gain": int(code[2]), "directivity": int(code[3]) * 45}
    if (height := _height(code[1])) is not None:
        antenna["height"] = round(height * FOOT, 1)
    return antenna


def _height(code: str) -> int | None:
    """Feet above the average terrain, ten at '0', doubled with each character."""
    doublings = ord(code) - ord("0")
    return 10 << doublings if doublings <= _MAX_HEIGHT else None


def _read_range(text: str, at: int, fields: Fields) -> int:
    found = _RANGE.match(text, at)
    if found is None:
        return at
    fields["range"] = round(int(found[1]) * MILE, 1)
    return found.end()


def _read_area(found: re.Match[str], fields: Fields) -> int:
    """Offsets are the squares of their digits, in 1/1500 of a degree, to the south-east; or to the south-west."""
    shape, north, color, high, east, width = found.groups()
    area: Fields = {
        "shape": int(shape),
        "color": int(color) if color else 10 + int(high),
        "latitude_offset": -(int(north) ** 2) / 1500,
        "longitude_offset": (-1 if shape == _LINE_LEFT else 1) * int(east) ** 2 / 1500,
    }
    area["latitude_offset"] = round(area["latitude_offset"], 6)
    area["longitude_offset"] = round(area["longitude_offset"], 6)
    if width:
        area["width"] = round(int(width) * MILE, 1)
    fields["area"] = area
    return found.end()


def _read_storm(found: re.Match[str], fields: Fields) -> int:
    """Sustained wind and gusts in knots, central pressure, and radii in nautical miles."""
    kind, wind, gust, pressure, hurricane, storm, gale = found.groups()
    data: Fields = {"kind": kind}
    if wind:
        data["wind_speed"] = round(int(wind) * KNOT_IN_M_S, 2)
    if gust:
        data["gust"] = round(int(gust) * KNOT_IN_M_S, 2)
    if pressure:
        data["pressure"] = int(pressure) / (10 if len(pressure) == _LONG_PRESSURE else 1)
    radii = (("hurricane", hurricane), ("storm", storm), ("gale", gale))
    data["radii"] = {name: round(int(miles) * KNOT, 1) for name, miles in radii if miles}
    fields["storm"] = data
    return found.end()
