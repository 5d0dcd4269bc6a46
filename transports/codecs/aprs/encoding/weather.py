"""Weather, from our units to those of the air. Chapter 12.

Resolution: wind and gusts a mile an hour (mph), temperature a degree Fahrenheit, rain a hundredth of an inch, snow an
inch from ten on and a tenth or hundredth below, humidity a percent, pressure a tenth of a hectopascal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MPH = 0.44704  # m/s
HUNDREDTH_INCH = 0.254  # mm
INCH = 25.4  # mm
THREE_DIGITS = 999
MIN_FAHRENHEIT = -99
MAX_COMMENT = 43  # bytes
UNKNOWN = "..."
_SOFTWARE = re.compile(r"[A-Za-z0-9_-]{3,5}")
_TIME = re.compile(r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])[0-5][0-9]")


def encode_positionless(fields: Mapping[str, Any]) -> bytes:
    """Write `_MMDDHHMMc…s…g…t…`: the weather of a station whose position was sent before."""
    time = checks.matching(fields["timestamp"], "timestamp", _TIME, "month, day, hour and minute in eight digits")
    weather = _checked(fields["weather"])
    direction, speed = _wind(weather)
    comment = checks.text(fields.get("comment", ""), "comment", MAX_COMMENT, "|~")
    data = weather_data(weather) + weather_software(fields)
    return f"_{time}c{direction}s{speed}{data}".encode("ascii") + comment


def wind_extension(weather: Mapping[str, Any]) -> str:
    """Write `220/004`, which stands in a position's place for course and speed."""
    return "/".join(_wind(_checked(weather)))


def wind_of(weather: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the wind's direction and speed, m/s, each where it is known."""
    weather = _checked(weather)
    _wind(weather)
    return weather.get("wind_direction"), weather.get("wind_speed")


def weather_data(weather: Mapping[str, Any]) -> str:
    """Write all but the wind. Gusts and temperature are always there, as dots where nobody knows them."""
    weather = _checked(weather)
    return "".join(
        write(weather[name]) if weather.get(name) is not None else missing for name, write, missing in _WRITERS
    )


def weather_software(fields: Mapping[str, Any]) -> str:
    """Write the letter of the program and the two to four characters of the station's kind, where they are given.

    A comment behind them stands apart, for it has no mark of its own.
    """
    if not fields.get("weather_software"):
        return ""
    expected = "three to five letters or digits"
    mark = checks.matching(fields["weather_software"], "weather_software", _SOFTWARE, expected)
    return mark + (" " if fields.get("comment") else "")


def _checked(weather: object) -> Mapping[str, Any]:
    """The fields by name; one that no station sends is refused, for a slip would be lost in silence."""
    if not isinstance(weather, dict):
        raise ValueError(f"weather: expected its fields by name, came {weather!r:.40}")  # noqa: TRY004 - the caller's kind
    if unknown := [name for name in weather if name not in FIELDS]:
        raise ValueError(f"weather: expected {', '.join(FIELDS)}, came {unknown[0]!r:.40}")
    return weather


def _wind(weather: Mapping[str, Any]) -> tuple[str, str]:
    direction, speed = weather.get("wind_direction"), weather.get("wind_speed")
    return (
        UNKNOWN if direction is None else f"{round(checks.number(direction, 'wind_direction', 0, 360, 'degrees')):03d}",
        UNKNOWN if speed is None else f"{_miles_an_hour(speed, 'wind_speed'):03d}",
    )


def _miles_an_hour(value: object, name: str) -> int:
    return checks.steps(value, name, MPH, (0, THREE_DIGITS), "m/s")


def _gust(value: object) -> str:
    return f"g{_miles_an_hour(value, 'gust'):03d}"


def _temperature(value: object) -> str:
    low, high = (MIN_FAHRENHEIT - 32.5) / 1.8, (THREE_DIGITS - 31.5) / 1.8
    celsius = checks.number(value, "temperature", round(low, 1), round(high, 1), "°C")
    return f"t{max(MIN_FAHRENHEIT, min(round(celsius * 1.8 + 32), THREE_DIGITS)):03d}"


def _rain(letter: str, name: str) -> Callable[[object], str]:
    def write(value: object) -> str:
        return f"{letter}{checks.steps(value, name, HUNDREDTH_INCH, (0, THREE_DIGITS), 'mm'):03d}"

    return write


def _humidity(value: object) -> str:
    """100 % is sent as 00; 0 %, which does not occur, as 01."""
    return f"h{max(1, round(checks.number(value, 'humidity', 0, 100, '%'))) % 100:02d}"


def _pressure(value: object) -> str:
    return f"b{round(checks.number(value, 'pressure', 300, 1200, 'hPa') * 10):05d}"


def _luminosity(value: object) -> str:
    watts = round(checks.number(value, "luminosity", 0, 1999, "W/m²"))
    return f"L{watts:03d}" if watts <= THREE_DIGITS else f"l{watts - 1000:03d}"


def _snow(value: object) -> str:
    """Three characters: `012`, `1.5`, `.25`."""
    inches = checks.number(value, "snow_24h", 0, THREE_DIGITS * INCH, "mm") / INCH
    for places, limit in ((2, 0.995), (1, 9.95)):
        shown = f"{inches:.{places}f}"
        if inches < limit and float(shown) % 1:
            return "s" + shown.removeprefix("0")
    return f"s{round(inches):03d}"


_WRITERS: tuple[tuple[str, Callable[[object], str], str], ...] = (
    ("gust", _gust, f"g{UNKNOWN}"),
    ("temperature", _temperature, f"t{UNKNOWN}"),
    ("rain_1h", _rain("r", "rain_1h"), ""),
    ("rain_24h", _rain("p", "rain_24h"), ""),
    ("rain_since_midnight", _rain("P", "rain_since_midnight"), ""),
    ("humidity", _humidity, ""),
    ("pressure", _pressure, ""),
    ("luminosity", _luminosity, ""),
    ("snow_24h", _snow, ""),
)
FIELDS = ("wind_direction", "wind_speed", *(name for name, _, _ in _WRITERS))
