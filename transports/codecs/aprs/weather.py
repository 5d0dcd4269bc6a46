"""Weather data in the text of a packet, to SI-like units. Chapter 12 of the APRS reference, with version 1.2.

Written for pace: a weather station is every seventh packet heard, and says ten things.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from transports.codecs.aprs.units import FOOT, HUNDREDTH_INCH, INCH, MPH, celsius

if TYPE_CHECKING:
    from collections.abc import Callable

    from transports.codecs.aprs.packet import Fields, Origins, Reading

ABSOLUTE_ZERO = -459  # °F; some stations send t-555 for a broken sensor
FULL_HUMIDITY = 100  # %, sent as 00
DARK = 1000  # W/m², which a small l adds
MIN_PRESSURE, MAX_PRESSURE = 3000, 12_000  # tenths of hPa: the top of Everest, and more than was ever measured
PRESSURE_DIGITS = 5
UNKNOWN_SIZE = 8  # characters: two fields of dots behind a wind are those of a station, and not words
NORTH = 360  # degrees
REMEMBERED = 4096  # fields as sent, such as "r000"; stations repeat themselves, and beyond these the oldest goes
MAX_DIGITS = 3  # of rain, gusts, light and snow; what more means is anybody's guess, and a guess may be a flood
SHORT = "lenient: fewer or more digits than the standard has"

_WIND = re.compile(r"_?(?:c?([0-9]{3}|[0-9 .\-]{3})[/s]|s(?=[0-9]{3}[gt]))([0-9]{3}|[0-9 .\-]{3})")
# Each field and how many digits it has; one that the station does not know has dots, blanks or dashes.
_FIELD = re.compile(
    r"([grpPlLs#])([0-9]{1,3}(?![0-9.])|[0-9]{4,5}|[0-9]?\.[0-9]{1,2}|\.{3,5}|[0-9 .\-]{3})"
    r"|(t)(-?[0-9]{1,3}|[ .\-]{1,3}[0-9]{0,2})"
    r"|(h)([0-9]{1,3}|[ .\-]{1,3})"
    r"|(b)([0-9]{4,6}|[ .\-]{1,5})"
    r"|(V)([0-9]{3})|(F)(-?[0-9]{3,4})|(X)([0-9]{3})"
    r"|(v)([+-]?[0-9]{1,3})"  # heard of several programs, documented by none
    r"|()([. ]{1,5})(?=[grpPlLsthb][0-9.])"  # dots that lost their letter
)
_SOFTWARE = re.compile(r"[A-Za-z0-9\-_]{3,5}")
_MONTH_TO_MINUTE = re.compile(r"_([0-9]{8})")

_NAMES: dict[str, tuple[str, int]] = {  # field and its digits in the standard
    "": ("", 0),
    "v": ("", 0),
    "g": ("gust", 3),
    "t": ("temperature", 3),
    "r": ("rain_1h", 3),
    "p": ("rain_24h", 3),
    "P": ("rain_since_midnight", 3),
    "h": ("humidity", 2),
    "b": ("pressure", 5),
    "l": ("luminosity", 3),
    "L": ("luminosity", 3),
    "s": ("snow_24h", 3),
    "#": ("rain_counter", 3),
    "V": ("battery", 3),
    "F": ("water_level", 4),
    "X": ("radiation", 3),
}


def _rain(digits: str) -> float | None:
    return round(float(digits) * HUNDREDTH_INCH, 2) if _is_short(digits) else None


def _is_short(digits: str) -> bool:
    """Whether there are three digits, but for noughts in front."""
    return len(digits.lstrip("0")) <= MAX_DIGITS


def _temperature(digits: str) -> float | None:
    degrees = int(digits)
    return celsius(degrees) if degrees > ABSOLUTE_ZERO else None


def _humidity(digits: str) -> int | None:
    percent = int(digits) or FULL_HUMIDITY
    return percent if percent <= FULL_HUMIDITY else None


def _pressure(digits: str) -> float | None:
    """Tenths of hPa; a sixth digit is a finer step, which no barometer is good for."""
    tenths = int(digits[:PRESSURE_DIGITS])
    return tenths / 10 if MIN_PRESSURE <= tenths <= MAX_PRESSURE else None


_READERS: dict[str, Callable[[str], float | None]] = {
    "": lambda _: None,
    "v": lambda _: None,
    "g": lambda mph: round(float(mph) * MPH, 2) if _is_short(mph) else None,
    "t": _temperature,
    "r": _rain,
    "p": _rain,
    "P": _rain,
    "h": _humidity,
    "b": _pressure,
    "l": lambda watts: int(watts) + DARK if _is_short(watts) else None,
    "L": lambda watts: int(watts) if _is_short(watts) else None,
    "s": lambda inches: round(float(inches) * INCH, 1) if _is_short(inches) else None,
    "#": int,
    "V": lambda tenths: int(tenths) / 10,
    "F": lambda tenths: round(int(tenths) / 10 * FOOT, 2),
    "X": lambda code: float(int(code[:2]) * 10 ** int(code[2])),
}


def read_weather(text: str, at: int, fields: Fields, origins: Origins) -> int:
    """Read weather from this index: wind first, then fields in any order. Gives the index behind it.

    Puts `weather` into the fields if there is more than wind, which alone may as well be a course and a speed. A
    station that knows nothing sends fields of dots behind it; they are passed over, and are no text.
    What was sent as dots, blanks or dashes is unknown and left out, and so is what cannot be: below absolute zero, over
    100 %, no air. The wind is in mph whatever the form, as all software sends it and other parsers take it.
    """
    weather: Fields = {}
    wind = _WIND.match(text, at)
    end = _read_fields(text, wind.end() if wind else at, weather, origins)
    if not weather and not (wind and end >= wind.end() + UNKNOWN_SIZE):
        return at
    if wind:
        _read_wind(wind[1], wind[2], weather)
    if weather:
        fields["weather"] = weather
    return end


def _read_fields(text: str, at: int, weather: Fields, origins: Origins) -> int:
    while found := _FIELD.match(text, at):
        at = found.end()
        index = found.lastindex or 0
        name, value, as_specified = _read_field(found[index - 1], found[index])
        if value is not None:
            weather[name] = value
            if not as_specified:
                origins[f"weather.{name}"] = SHORT
    return at


@lru_cache(maxsize=REMEMBERED)
def _read_field(letter: str, digits: str) -> tuple[str, float | None, bool]:
    """Name, value (None for an unknown or impossible one), and whether it has its digits."""
    name, size = _NAMES[letter]
    try:
        return name, _READERS[letter](digits), len(digits) == size
    except ValueError:
        return name, None, True


def _read_wind(direction: str | None, speed: str, weather: Fields) -> None:
    if direction and direction.isdecimal() and (degrees := int(direction)) <= NORTH:
        weather["wind_direction"] = degrees
    if speed.isdecimal():
        weather["wind_speed"] = round(int(speed) * MPH, 2)


def read_weather_comment(rest: str, fields: Fields) -> str:
    """Keep the mark of program and station that may stand behind weather; give what else stands there."""
    rest = rest.strip()
    if _SOFTWARE.fullmatch(rest):
        fields["weather_software"] = rest
        return ""
    return rest


def parse_positionless_weather(text: str, origins: Origins) -> Reading:
    """Read `_MMDDHHMMc…s…g…t…`: weather from a station whose position came before."""
    fields: Fields = {}
    found = _MONTH_TO_MINUTE.match(text)
    at = read_weather(text, found.end(), fields, origins) if found else 0
    if found is None or "weather" not in fields:
        return f"weather: expected '_', eight digits of time and data, came {text[:20]!r}"
    fields["timestamp"] = found[1]
    fields["comment"] = read_weather_comment(text[at:], fields)
    return "weather", fields
