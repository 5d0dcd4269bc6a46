"""Where something is: the plain form of a place, `4903.50N/07201.75W-`, and the compressed one, `/5L!!<*e7>7P[`.

Chapters 6, 8 and 9 of the APRS reference. Nearly every packet heard has one, so this is read by our own hands and with
as few steps as may be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.units import FOOT, KNOT, MAX_LATITUDE, MAX_LONGITUDE, MILE

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins

PLAIN_SIZE = 19  # characters, from the latitude to the symbol code
COMPRESSED_SIZE = 13
MAX_ALTITUDE = 500_000  # m, over the space station; two characters could say ten times that

SMALL_LETTER = "lenient: N, S, E or W as a small letter"
MIDDLE = "guessed: the middle of what the sender left open"

_PLAIN = re.compile(
    r"([0-9]{2})([0-5 ][0-9 ]\.[0-9 ]{2})([NSns])([/\\A-Z0-9])([0-9]{3})([0-5 ][0-9 ]\.[0-9 ]{2})([EWew])([!-~])"
)
_COMPRESSED = re.compile(r"([/\\A-Za-j])([!-{]{4})([!-{]{4})([!-~])([ -{])([ -{])([ -{])")
_OPEN_MINUTES = re.compile(r"(?:[0-9]{2}\.[0-9] |[0-9]{2}\.  |[0-9] \.  |  \.  )")
_DIGITS_OF_OVERLAY = str.maketrans("abcdefghij", "0123456789")

# Half of what stands open, in minutes, by how many digits the sender left out (chapter 6).
_HALVES = (0.0, 0.05, 0.5, 5.0, 30.0)
_FIX_CURRENT = 0x20  # bits of the compression type byte (chapter 9)
_SOURCE = 0x18
_SOURCE_GGA = 0x10
_RANGE = 90  # the value of '{' in place of a course
_NORTH = 360


def read_place(text: str, at: int, fields: Fields, origins: Origins) -> int:
    """Read the place at this index into the fields; give the index behind it, or 0 where none stands."""
    if "0" <= text[at : at + 1] <= "9":
        return _read_plain(text, at, fields, origins)
    return _read_compressed(text, at, fields)


def is_plain(text: str, at: int) -> bool:
    """Whether a plain place stands at this index."""
    return _PLAIN.match(text, at) is not None


def _read_plain(text: str, at: int, fields: Fields, origins: Origins) -> int:
    found = _PLAIN.match(text, at)
    if found is None:
        return 0
    degrees_north, minutes_north, north, table, degrees_east, minutes_east, east, code = found.groups()
    if " " in minutes_north or " " in minutes_east:
        return _read_ambiguous(found, fields, origins)
    latitude = int(degrees_north) + float(minutes_north) / 60
    longitude = int(degrees_east) + float(minutes_east) / 60
    if latitude > MAX_LATITUDE or longitude > MAX_LONGITUDE:
        return 0
    fields["latitude"] = round(latitude if north == "N" else _southern(latitude, north, origins), 6)
    fields["longitude"] = round(longitude if east == "E" else _western(longitude, east, origins), 6)
    fields["ambiguity"] = 0
    fields["symbol"] = table + code
    return found.end()


def _read_ambiguous(found: re.Match[str], fields: Fields, origins: Origins) -> int:
    """A place with digits left out, as many in both minutes; the latitude's count where they differ."""
    degrees_north, minutes_north, north, table, degrees_east, minutes_east, east, code = found.groups()
    if not _OPEN_MINUTES.fullmatch(minutes_north):
        return 0
    ambiguity = minutes_north.count(" ")
    if minutes_east.count(" ") > ambiguity:
        return 0
    half = _HALVES[ambiguity]
    latitude = int(degrees_north) + (_known(minutes_north, ambiguity) + half) / 60
    longitude = int(degrees_east) + (_known(minutes_east, ambiguity) + half) / 60
    if latitude > MAX_LATITUDE or longitude > MAX_LONGITUDE:
        return 0
    fields["latitude"] = round(latitude if north == "N" else _southern(latitude, north, origins), 6)
    fields["longitude"] = round(longitude if east == "E" else _western(longitude, east, origins), 6)
    fields["ambiguity"] = ambiguity
    fields["symbol"] = table + code
    origins["latitude"] = origins["longitude"] = MIDDLE
    return found.end()


def _known(minutes: str, ambiguity: int) -> float:
    """The minutes with as many digits as the ambiguity leaves; the others nought."""
    kept = minutes.replace(".", "")[: 4 - ambiguity].ljust(4, "0")
    return int(kept.replace(" ", "0")) / 100


def _southern(latitude: float, letter: str, origins: Origins) -> float:
    if letter in "ns":
        origins["latitude"] = SMALL_LETTER
    return latitude if letter == "n" else -latitude


def _western(longitude: float, letter: str, origins: Origins) -> float:
    if letter in "ew":
        origins["longitude"] = SMALL_LETTER
    return longitude if letter == "e" else -longitude


def _read_compressed(text: str, at: int, fields: Fields) -> int:
    found = _COMPRESSED.match(text, at)
    if found is None:
        return 0
    table, north, east, code, course, speed, kind = found.groups()
    a, b, c, d = north.encode("ascii")
    fields["latitude"] = round(90 - (((a - 33) * 91 + b - 33) * 8281 + (c - 33) * 91 + d - 33) / 380926, 6)
    a, b, c, d = east.encode("ascii")
    fields["longitude"] = round((((a - 33) * 91 + b - 33) * 8281 + (c - 33) * 91 + d - 33) / 190463 - 180, 6)
    if fields["latitude"] < -MAX_LATITUDE or fields["longitude"] > MAX_LONGITUDE:
        return 0
    fields["compressed"] = True
    fields["symbol"] = table.translate(_DIGITS_OF_OVERLAY) + code
    if course != " ":
        _read_compressed_course(ord(course) - 33, ord(speed) - 33, ord(kind) - 33, fields)
    return found.end()


def _read_compressed_course(course: int, speed: int, kind: int, fields: Fields) -> None:
    """The two characters behind the symbol: altitude, radio range, or course and speed."""
    fields["fix_current"] = kind & _FIX_CURRENT != 0 and kind >= 0
    if speed < 0:
        return
    if kind & _SOURCE == _SOURCE_GGA:
        altitude = 1.002 ** (course * 91 + speed) * FOOT
        if altitude <= MAX_ALTITUDE:
            fields["altitude"] = round(altitude, 1)
    elif course == _RANGE:
        fields["range"] = round(2 * 1.08**speed * MILE, 1)
    else:
        fields["course"] = course * 4 or _NORTH
        fields["speed"] = round((1.08**speed - 1) * KNOT, 1)
