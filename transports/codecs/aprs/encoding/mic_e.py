"""Mic-E: a position with course and speed in nine bytes, and half of it in the destination address. Chapter 10.

Resolution: a hundredth of a minute (18 m), with a `datum` a ninety-first of that; speed a knot, altitude a metre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding import checks
from transports.codecs.aprs.encoding.places import (
    HUNDREDTHS,
    MAX_COMMENT,
    MAX_LONGITUDE,
    ambiguity_of,
    course_of,
    dao_of,
    knots_of,
    split_angle,
    tail,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    _Fields = Mapping[str, Any]  # Any: a consumer's own values, looked at in `checks`

MAX_KNOTS = 799
MIN_ALTITUDE = -10_000  # m
MAX_ALTITUDE = 91**3 - 1 + MIN_ALTITUDE

STANDARD = (
    "M0: Off Duty",
    "M1: En Route",
    "M2: In Service",
    "M3: Returning",
    "M4: Committed",
    "M5: Special",
    "M6: Priority",
)
EMERGENCY = "Emergency"
# By the two characters in front: the bits, and the letters of a 1 and a 0 that is left out.
_MESSAGES = {
    **{f"M{number}": (7 - number, "P", "Z") for number in range(7)},
    **{f"C{number}": (7 - number, "A", "K") for number in range(7)},
    EMERGENCY: (0, "P", "Z"),
}


def encode_mic_e(fields: _Fields) -> tuple[bytes, str]:
    """Return the info field, which begins with "`", and the destination address."""
    degrees_north, hundredths_north, part_north, south = split_angle(fields, "latitude")
    degrees_east, hundredths_east, part_east, west = split_angle(fields, "longitude")
    if degrees_east == MAX_LONGITUDE:
        # The table's bytes for 180 degrees are those of 100; the hundredth of a minute before it is no way off.
        degrees_east, hundredths_east, part_east = MAX_LONGITUDE - 1, HUNDREDTHS - 1, 0
    digits = f"{degrees_north:02d}{hundredths_north:04d}"
    # Hundredths of minutes, as minutes and hundredths: 5999 is 59.99.
    destination = _destination(digits, fields, south=south, far=_is_far(degrees_east), west=west)
    table, code = checks.symbol(fields)
    head = _longitude(degrees_east, hundredths_east) + _speed_and_course(fields)
    rest = {name: value for name, value in fields.items() if name != "altitude"}
    body = tail(rest, MAX_COMMENT, dao_of(fields, part_north, part_east))
    return b"`" + bytes(head) + f"{code}{table}{_altitude(fields)}".encode("ascii") + body, destination


def _destination(digits: str, fields: _Fields, *, south: bool, far: bool, west: bool) -> str:
    """Six digits of latitude, of which each also says one thing more by the alphabet it is taken from."""
    bits, one, blank = _message(fields.get("mic_e_message", STANDARD[0]))
    wanted = [bits & 4, bits & 2, bits & 1, not south, far, west]
    letters = [one, one, one, "P", "P", "P"]
    blanks = [blank, blank, blank, "Z", "Z", "Z"]
    left_out = len(digits) - ambiguity_of(fields)
    characters = []
    for at, digit in enumerate(digits):
        if at >= left_out:
            characters.append(blanks[at] if wanted[at] else "L")
        else:
            characters.append(chr(ord(letters[at]) + int(digit)) if wanted[at] else digit)
    return "".join(characters)


def _message(value: object) -> tuple[int, str, str]:
    name = value if value == EMERGENCY else str(value)[:2]
    found = _MESSAGES.get(str(name))
    if found is None:
        raise ValueError(f"mic_e_message: expected M0 to M6, C0 to C6 or Emergency, came {value!r:.40}")
    return found


def _is_far(degrees: int) -> bool:
    """Below ten degrees, and from a hundred on, the destination says so."""
    return degrees < 10 or degrees >= 100  # noqa: PLR2004 - the standard's table


def _longitude(degrees: int, hundredths: int) -> list[int]:
    """Degrees, minutes and hundredths, each moved to where most are printable (chapter 10's tables)."""
    if degrees < 10:  # noqa: PLR2004 - likewise
        first = degrees + 118
    elif degrees < 100:  # noqa: PLR2004
        first = degrees + 28
    elif degrees < 110:  # noqa: PLR2004
        first = degrees + 8
    else:
        first = degrees - 72
    minutes, rest = divmod(hundredths, 100)
    return [first, minutes + (88 if minutes < 10 else 28), rest + 28]  # noqa: PLR2004


def _speed_and_course(fields: _Fields) -> list[int]:
    knots, course = knots_of(fields, MAX_KNOTS) or 0, course_of(fields)
    tens, units = divmod(knots, 10)
    hundreds, rest = divmod(course, 100)
    # Both forms of each mean the same; these are the printable ones.
    return [tens + (108 if knots < 200 else 28), units * 10 + hundreds + 32, rest + 28]  # noqa: PLR2004


def _altitude(fields: _Fields) -> str:
    """`"4T}`: metres above ten kilometres below the sea."""
    if fields.get("altitude") is None:
        return ""
    altitude = round(checks.number(fields["altitude"], "altitude", MIN_ALTITUDE, MAX_ALTITUDE, "m"))
    return checks.base91(altitude - MIN_ALTITUDE, 3) + "}"
