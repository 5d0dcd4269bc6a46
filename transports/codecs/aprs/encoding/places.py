"""Positions, plain and compressed, and what is built around one: objects, items, weather stations. Chapters 6 to 12.

Resolution: a hundredth of a minute (18 m), with a `datum` a ninety-first of that (0.2 m), compressed 0.3 m; speed a
knot, compressed about 4 %; altitude a foot, compressed 0.1 %; course a degree, compressed four.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding import checks
from transports.codecs.aprs.encoding.areas import area_extension, signpost
from transports.codecs.aprs.encoding.telemetry import comment_telemetry
from transports.codecs.aprs.encoding.weather import weather_data, weather_software, wind_extension, wind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    _Fields = Mapping[str, Any]  # Any: a consumer's own values, looked at in `checks`

KNOT = 1.852  # km/h
FOOT = 0.3048  # m
MILE = 1.609344  # km
MAX_LATITUDE = 90  # degrees
MAX_LONGITUDE = 180  # degrees
MAX_AMBIGUITY = 4  # digits left out (chapter 6)
MAX_COMMENT = 43  # bytes of text behind a position (chapter 8); altitude, telemetry and DAO stand beside it
MAX_COMPRESSED_COMMENT = 40  # bytes (chapter 9)
MAX_KNOTS = 999
MAX_COMPRESSED_KNOTS = 942  # the 89th power of 1.08, less one
MAX_MILES = 9999
MIN_FEET, MAX_FEET = -99_999, 999_999
PERMANENT = "111111z"  # the time of an object that stays, by custom
WEATHER_STATION = "_"  # symbol code
DIRECTION_FINDER = "/\\"  # symbol

HUNDREDTHS = 6000  # of a minute, in a degree
DAO_PARTS = 91  # of a hundredth of a minute, which one character of `!wAB!` tells
_LATITUDE_SCALE, _LONGITUDE_SCALE = 380_926, 190_463  # base-91 units in a degree (chapter 9)
_MAX_FOUR_DIGITS = 91**4 - 1
_BY_SOFTWARE = 0b000010  # bits of the compression type (chapter 9)
_FIX_CURRENT = 0b100000
_FROM_GGA = 0b010000  # the two bytes are an altitude
_SPEED_BASE, _ALTITUDE_BASE = 1.08, 1.002
_PLAIN_ONLY = ("datum", "phg", "dfs", "bearing", "area", "signpost")
_MAX_EXPONENT = 89  # of a one-digit speed or range; the digit 90 is "{", which marks a range

_TIMESTAMP = re.compile(
    r"(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])[0-5][0-9][z/]|(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]h"
)
_NRQ = re.compile(r"[0-9]{3}")
_DATUM = re.compile(r"[A-Za-z]")
_PHG = re.compile(r"[0-9][0-~][0-9][0-9][0-9A-Z]?")
_OBJECT_NAME = re.compile(r"[!-~](?:[ -~]{0,7}[!-~])?")
_ITEM_NAME = re.compile(r"[\"-^`-~](?:[ \"-^`-~]{1,7}[\"-^`-~])")


def encode_position(fields: _Fields) -> bytes:
    """Write `!`, `=`, `/` or `@` and a position; weather behind it where there is a field `weather`."""
    timestamp = timestamp_of(fields, "")
    messaging = checks.flag(fields.get("messaging", False), "messaging")
    head = {(False, False): "!", (False, True): "=", (True, False): "/", (True, True): "@"}[bool(timestamp), messaging]
    return f"{head}{timestamp}".encode("ascii") + place(fields)


def encode_object(fields: _Fields) -> bytes:
    """Write `;NAME     *` and a position (chapter 11). Without a timestamp it has that of permanent objects."""
    name = checks.matching(
        fields["name"], "name", _OBJECT_NAME, "1 to 9 printable ASCII characters without a blank at either end"
    )
    alive = "*" if checks.flag(fields.get("alive", True), "alive") else "_"
    return f";{name:<9}{alive}{timestamp_of(fields, PERMANENT)}".encode("ascii") + place(fields)


def encode_item(fields: _Fields) -> bytes:
    """Write `)NAME!` and a position (chapter 11)."""
    name = checks.matching(
        fields["name"], "name", _ITEM_NAME, "3 to 9 printable ASCII characters without '!', '_' and a blank at the end"
    )
    alive = "!" if checks.flag(fields.get("alive", True), "alive") else "_"
    return f"){name}{alive}".encode("ascii") + place(fields)


def timestamp_of(fields: _Fields, default: str) -> str:
    """Return the time as sent: `DDHHMMz` UTC, `DDHHMM/` local, `HHMMSSh` UTC; the default where there is none."""
    if not fields.get("timestamp"):
        return default
    return checks.matching(
        fields["timestamp"], "timestamp", _TIMESTAMP, "day, hour, minute and z or /, or hour, minute, second and h"
    )


def place(fields: _Fields) -> bytes:
    """Write a position with its symbol, and all that stands behind it."""
    if fields.get("compressed"):
        head, fields = _compressed(fields)
        limit, dao = MAX_COMPRESSED_COMMENT, ""
    else:
        head, dao = _plain(fields)
        limit = MAX_COMMENT
    if fields.get("weather") is not None:
        head += weather_data(fields["weather"]) + weather_software(fields)
    return head.encode("ascii") + tail(fields, limit, dao)


def tail(fields: _Fields, limit: int, dao: str = "") -> bytes:
    """Write altitude, comment, base-91 telemetry and `!DAO!`: what may stand anywhere in the text behind a position."""
    altitude = f"/A={feet_of(fields):06d}" if fields.get("altitude") is not None else ""
    comment = checks.text(fields.get("comment", ""), "comment", limit, "|~")
    telemetry = comment_telemetry(fields["telemetry"]) if fields.get("telemetry") is not None else ""
    return altitude.encode("ascii") + comment + (telemetry + dao).encode("ascii")


def feet_of(fields: _Fields) -> int:
    """Return the altitude in whole feet."""
    return checks.steps(fields["altitude"], "altitude", FOOT, (MIN_FEET, MAX_FEET), "m")


def angle_of(fields: _Fields, name: str) -> float:
    """Return latitude or longitude, degrees."""
    limit = MAX_LATITUDE if name == "latitude" else MAX_LONGITUDE
    return checks.number(fields[name], name, -limit, limit, "degrees")


def course_of(fields: _Fields) -> int:
    """Return 1 to 360, or 0 where there is none."""
    course = fields.get("course")
    return 0 if course is None else round(checks.number(course, "course", 0, 360, "degrees"))


def knots_of(fields: _Fields, limit: int = MAX_KNOTS) -> int | None:
    """Return the speed, or None where nothing moves; a course needs a speed beside it."""
    if fields.get("speed") is None:
        if fields.get("course") is not None:
            raise ValueError("course: expected a speed beside it, came none")
        return None
    return checks.steps(fields["speed"], "speed", KNOT, (0, limit), "km/h")


def _plain(fields: _Fields) -> tuple[str, str]:
    """`4903.50N/07201.75W-` with its extension, and the `!wAB!` for the comment."""
    table, code = checks.symbol(fields)
    north, digit_north = _plain_angle(fields, "latitude", "NS")
    east, digit_east = _plain_angle(fields, "longitude", "EW")
    return f"{north}{table}{east}{code}{extension(fields, table + code)}", dao_of(fields, digit_north, digit_east)


def _plain_angle(fields: _Fields, name: str, directions: str) -> tuple[str, int]:
    degrees, hundredths, part, negative = split_angle(fields, name)
    width = 2 if name == "latitude" else 3
    digits = f"{degrees:0{width}d}{hundredths // 100:02d}.{hundredths % 100:02d}"
    return _blanked(digits, ambiguity_of(fields)) + directions[negative], part


def split_angle(fields: _Fields, name: str) -> tuple[int, int, int, bool]:
    """Degrees, hundredths of a minute, the part of one for DAO, and whether it is south or west.

    Reckoned in the smallest part, so that 59.999 minutes carry into the degree.
    """
    angle = angle_of(fields, name)
    parts = DAO_PARTS if fields.get("datum") else 1
    hundredths, part = divmod(round(abs(angle) * HUNDREDTHS * parts), parts)
    return *divmod(hundredths, HUNDREDTHS), part, angle < 0


def dao_of(fields: _Fields, north: int, east: int) -> str:
    """Write the digits in base 91 behind the datum as a small letter, which says that they are; "" without a datum."""
    if not fields.get("datum"):
        return ""
    datum = checks.matching(fields["datum"], "datum", _DATUM, "one letter, W for WGS 84")
    return f"!{datum.lower()}{checks.base91(north, 1)}{checks.base91(east, 1)}!"


def ambiguity_of(fields: _Fields) -> int:
    """Return how many digits are left out, 0 to 4."""
    ambiguity = checks.integer(fields.get("ambiguity") or 0, "ambiguity", 0, MAX_AMBIGUITY)
    if ambiguity and (fields.get("datum") or fields.get("compressed")):
        raise ValueError(f"ambiguity: expected 0 for a position with a datum or compressed, came {ambiguity}")
    return ambiguity


def _blanked(digits: str, ambiguity: int) -> str:
    """Leave out the last digits, and let the point stand."""
    characters = list(digits)
    for at in [-1, -2, -4, -5][:ambiguity]:
        characters[at] = " "
    return "".join(characters)


def extension(fields: _Fields, symbol: str) -> str:
    """Write the one data extension behind the symbol code (chapter 7), or nothing."""
    if fields.get("weather") is not None:
        if symbol[1] != WEATHER_STATION:
            raise ValueError(f"symbol: expected the code _ beside weather, came {symbol!r}")
        return wind_extension(fields["weather"])
    knots = knots_of(fields)
    # The parser reckons a range from PHG; sent again, it is not a second extension.
    ranged = fields.get("range") is not None and not fields.get("phg")
    written = {
        "course and speed": "" if knots is None else f"{course_of(fields):03d}/{knots:03d}" + _bearing(fields, symbol),
        "phg": _phg(fields, "phg", "PHG"),
        "dfs": _phg(fields, "dfs", "DFS"),
        "range": f"RNG{_miles(fields):04d}" if ranged else "",
        "area": area_extension(fields, symbol),
        "signpost": signpost(fields, symbol),
    }
    found = {name: text for name, text in written.items() if text}
    if len(found) > 1:
        raise ValueError(f"behind a position: expected one of {', '.join(written)}, came {' and '.join(found)}")
    return "".join(found.values())


def _bearing(fields: _Fields, symbol: str) -> str:
    """`/270/729`: direction, and hits, range and quality, of a direction finder's report."""
    if fields.get("bearing") is None:
        return ""
    if symbol != DIRECTION_FINDER:
        raise ValueError(f"symbol: expected /\\ beside a bearing, came {symbol!r}")
    nrq = checks.matching(fields.get("nrq", "000"), "nrq", _NRQ, "three digits: hits, range, quality")
    return f"/{checks.integer(fields['bearing'], 'bearing', 0, 360):03d}/{nrq}"


def _phg(fields: _Fields, name: str, head: str) -> str:
    """Write four digits; a PHG may have a fifth, its beacons per hour, which a "/" ends (version 1.1)."""
    if not fields.get(name):
        return ""
    code = checks.matching(fields[name], name, _PHG, "four digits: power or strength, height, gain, direction")
    return f"{head}{code}" + ("/" if len(code) > len("phgd") else "")


def _miles(fields: _Fields) -> int:
    return checks.steps(fields["range"], "range", MILE, (0, MAX_MILES), "km")


def _compressed(fields: _Fields) -> tuple[str, _Fields]:
    """`/YYYYXXXX$csT` (chapter 9). The two bytes before the last hold one thing; what is left goes behind."""
    table, code = checks.symbol(fields)
    ambiguity_of(fields)
    if wrong := [name for name in _PLAIN_ONLY if fields.get(name)]:
        raise ValueError(f"{wrong[0]}: expected none with a compressed position, came {fields[wrong[0]]!r:.40}")
    north = round(_LATITUDE_SCALE * (MAX_LATITUDE - angle_of(fields, "latitude")))
    east = round(_LONGITUDE_SCALE * (MAX_LONGITUDE + angle_of(fields, "longitude")))
    table = chr(ord("a") + int(table)) if table.isdecimal() else table  # a digit there is an uncompressed latitude's
    places = "".join(checks.base91(min(value, _MAX_FOUR_DIGITS), 4) for value in (north, east))
    extra, left = _two_bytes(fields)
    return f"{table}{places}{code}{extra}", left


def _two_bytes(fields: _Fields) -> tuple[str, _Fields]:
    """Write course and speed, or range, or altitude, with the compression type; and return what is left to write."""
    current = _FIX_CURRENT if checks.flag(fields.get("fix_current", True), "fix_current") else 0
    kind = chr((_BY_SOFTWARE | current) + 33)
    if fields.get("weather") is not None:
        fields = {**fields, **_wind_as_course(fields["weather"])}
    if knots_of(fields, MAX_COMPRESSED_KNOTS) is not None:
        speed = checks.logarithm(fields["speed"] / KNOT + 1, _SPEED_BASE)
        return f"{chr(round(course_of(fields) / 4) % 90 + 33)}{chr(speed + 33)}{kind}", fields
    if fields.get("range") is not None:
        farthest = 2 * MILE * _SPEED_BASE**_MAX_EXPONENT
        kilometres = checks.number(fields["range"], "range", 1, round(farthest, 1), "km")
        reach = max(0, checks.logarithm(kilometres / (2 * MILE), _SPEED_BASE))
        return "{" + chr(reach + 33) + kind, fields
    if fields.get("altitude") is not None and feet_of(fields) >= 1:
        exponent = checks.logarithm(fields["altitude"] / FOOT, _ALTITUDE_BASE)
        left = {name: value for name, value in fields.items() if name != "altitude"}
        return checks.base91(exponent, 2) + chr((_BY_SOFTWARE | current | _FROM_GGA) + 33), left
    return " sT", fields


def _wind_as_course(weather: _Fields) -> dict[str, float]:
    """A compressed weather station's wind stands where others have course and speed."""
    direction, speed = wind_of(weather)
    return {} if speed is None else {"course": direction or 0, "speed": speed * 3.6}
