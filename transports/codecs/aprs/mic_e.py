"""Mic-E: a position with course and speed in nine characters, half of it in the destination address.

Chapter 10 of the APRS reference, and `mic-e-types.txt` of version 1.2. The marks of the radio's kind stay in the
comment, where they were sent.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from transports.codecs.aprs.comments import read_altitude, read_hidden
from transports.codecs.aprs.places import MIDDLE
from transports.codecs.aprs.units import KNOT, MAX_LATITUDE, MAX_LONGITUDE

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins, Reading

MAX_ALTITUDE = 60_000  # m; amateur balloons reach 45 km, and "145.725MHz}" is none
CACHED_DESTINATIONS = 4096  # a station's destination changes as it moves; the oldest are forgotten

ALTITUDE_WITHIN = "lenient: not at the head of the comment"
OLD_TELEMETRY = "guessed: hexadecimal digits where a comment may stand"

_DESTINATION = re.compile(r"([0-9A-LP-Z]{3})([0-9LP-Z])([0-9LP-Z])([0-9LP-Z])")
# Behind the data type: longitude, speed, course, symbol code and table.
_INFO = re.compile(
    r".([&-\x7f])([&-a])([\x1c-\x7f])([\x1c-\x7f])([\x1c-}])([\x1c-\x7f])([!-~])([/\\A-Z0-9])", re.DOTALL
)
_ALTITUDE = re.compile(r"([!-{])([!-{])([!-{])\}")
# Two channels behind the one mark, five behind the other; any more or fewer digits are words of a comment.
_TELEMETRY = re.compile(r"(?:'([0-9A-Fa-f]{4})|[`\u2018\x91]([0-9A-Fa-f]{10}))(?![0-9A-Za-z])")
_HEAD = 2  # characters: the altitude stands first, or behind the mark of a radio's kind
# By the number of the three bits, from 000 to 111.
_STANDARD = (
    "Emergency", "M6: Priority", "M5: Special", "M4: Committed",
    "M3: Returning", "M2: In Service", "M1: En Route", "M0: Off Duty",
)  # fmt: skip
_LATITUDE = str.maketrans("ABCDEFGHIJPQRSTUVWXYKLZ", "01234567890123456789   ")
_HALVES = (0.0, 0.05, 0.5, 5.0, 30.0)  # minutes, by digits left out
_NORTH = 360
_MINUTES = 60  # and more stand for those below ten (chapter 10, as the three below)
_HUNDREDS = range(180, 190)  # degrees, for 100 to 109
_BELOW_TEN = range(190, 200)  # degrees, for 0 to 9
_MAX_SPEED = 800  # knots; more stands for what is left over it
_MAX_COURSE = 400  # degrees; the same
_CHANNELS = 5


def parse_mic_e(text: str, destination: str, origins: Origins) -> Reading:
    """Read a Mic-E packet to this destination."""
    half = _read_destination(destination.partition("-")[0])
    if half is None:
        return f"Mic-E: expected half a position as the destination address, came {destination[:9]!r}"
    found = _INFO.match(text)
    if found is None:
        return f"Mic-E: expected eight characters of position, speed and symbol, came {text[:9]!r}"
    latitude, ambiguity, far, west, message = half
    longitude = _longitude(found, ambiguity, far=far)
    if longitude > MAX_LONGITUDE:
        return f"Mic-E: expected a longitude of at most 180 degrees, came {longitude:.0f}"
    fields: Fields = {
        "latitude": latitude,
        "longitude": round(-longitude if west else longitude, 6),
        "ambiguity": ambiguity,
        "symbol": found[8] + found[7],
        "mic_e_message": message,
    }
    if ambiguity:
        origins["latitude"] = origins["longitude"] = MIDDLE
    _read_course(found, fields)
    fields["comment"] = _read_comment(text[found.end() :], fields, origins)
    return "mic-e", fields


@lru_cache(maxsize=CACHED_DESTINATIONS)
def _read_destination(destination: str) -> tuple[float, int, bool, bool, str] | None:
    """Latitude, digits left out, whether the longitude is 100 or more and west, and the message."""
    found = _DESTINATION.fullmatch(destination)
    if found is None:
        return None
    digits = destination.translate(_LATITUDE)
    ambiguity = digits.count(" ")
    if ambiguity >= len(_HALVES) or digits.rstrip().count(" "):
        return None
    digits = digits.replace(" ", "0")
    latitude = int(digits[:2]) + (int(digits[2:]) / 100 + _HALVES[ambiguity]) / 60
    if latitude > MAX_LATITUDE:
        return None
    north = found[2] >= "P"
    return (
        round(latitude if north else -latitude, 6),
        ambiguity,
        found[3] >= "P",
        found[4] >= "P",
        _message(found[1]),
    )


def _message(characters: str) -> str:
    """Three bits: a digit or L is 0, P to Z a standard 1, A to K a custom 1; those of both kinds are no message."""
    kinds = ["0" if kind in "0123456789L" else "S" if kind >= "P" else "C" for kind in characters]
    number = sum(weight for weight, kind in zip((4, 2, 1), kinds, strict=True) if kind != "0")
    if "C" not in kinds:
        return _STANDARD[number]
    return "Unknown" if "S" in kinds else f"C{7 - number}: Custom-{7 - number}"


def _longitude(found: re.Match[str], ambiguity: int, *, far: bool) -> float:
    degrees = ord(found[1]) - 28 + (100 if far else 0)
    if degrees in _HUNDREDS:
        degrees -= 80
    elif degrees in _BELOW_TEN:
        degrees -= 190
    minutes = ord(found[2]) - 28
    if minutes >= _MINUTES:
        minutes -= _MINUTES
    hundredths = minutes * 100 + ord(found[3]) - 28
    if ambiguity:
        left_out: int = 10**ambiguity
        return degrees + (hundredths // left_out * left_out / 100 + _HALVES[ambiguity]) / 60
    return degrees + hundredths / 6000


def _read_course(found: re.Match[str], fields: Fields) -> None:
    tens, both = ord(found[4]) - 28, ord(found[5]) - 28
    units, hundreds = divmod(both, 10)
    speed = tens * 10 + units
    course = hundreds * 100 + ord(found[6]) - 28
    fields["speed"] = round((speed % _MAX_SPEED) * KNOT, 1)
    course %= _MAX_COURSE
    if 0 < course <= _NORTH:
        fields["course"] = course


def _read_comment(rest: str, fields: Fields, origins: Origins) -> str:
    if rest[:1] in "'`\u2018\x91" and rest and (old := _TELEMETRY.match(rest)):
        rest = _read_old_telemetry(old, rest, fields, origins)
    if "}" in rest:
        rest = _read_metres(rest, fields, origins)
    if "/A=" in rest and "altitude" not in fields:
        rest = read_altitude(rest, fields)
    return read_hidden(rest, fields, origins)


def _read_metres(rest: str, fields: Fields, origins: Origins) -> str:
    """`xxx}`: three digits in base 91, metres above 10 km below the sea."""
    for found in _ALTITUDE.finditer(rest):
        first, second, third = (ord(digit) - 33 for digit in found.groups())
        altitude = first * 8281 + second * 91 + third - 10_000
        if altitude > MAX_ALTITUDE:
            continue
        fields["altitude"] = altitude
        if found.start() >= _HEAD:
            origins["altitude"] = ALTITUDE_WITHIN
        return rest[: found.start()] + rest[found.end() :]
    return rest


def _read_old_telemetry(found: re.Match[str], rest: str, fields: Fields, origins: Origins) -> str:
    """Two channels, which are the first and the third, or five; the form that base 91 took the place of."""
    channels = list(bytes.fromhex(found[found.lastindex or 1]))
    values: list[int | None] = [*channels] if len(channels) == _CHANNELS else [channels[0], None, channels[1]]
    fields["telemetry"] = {"sequence": None, "values": values, "bits": ""}
    origins["telemetry"] = OLD_TELEMETRY
    return rest[found.end() :]
