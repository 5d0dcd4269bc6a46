"""Raw data of Peet Bros weather stations: `$ULTW…`, `!!…`, `#50B7500820082`, `*7007600000000`.

Chapter 12 of the APRS reference has the heads; what the digits mean is Peet Bros' own: four hexadecimal digits a word
of the Ultimeter 2000 ("packet mode" and "data logging mode"), one, two, two and four of the Ultimeter II.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.units import HUNDREDTH_INCH, KMH, MPH, celsius

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transports.codecs.aprs.packet import Fields, Origins, Reading

MAX_WORDS = 32

_WORDS = re.compile(r"(?:[0-9A-Fa-f]{4}|----)*")
_SMALL = re.compile(r"[#*]([0-9A-Fa-f])([0-9A-Fa-f]{2})([0-9A-Fa-f]{2}|--)([0-9A-Fa-f]{4}|----)([0-9A-Fa-f]{4}|----)?")
_TURN = 360 / 255  # degrees for each step of the vane
_SIXTEENTH = 22.5  # degrees
_OFFSET = 56  # °F, which the Ultimeter II adds
_COLDEST = -4597  # tenths of °F, above absolute zero
_HUMIDITIES = range(10, 1001)  # tenths of a percent
_MIN_PRESSURE, _MAX_PRESSURE = 10, 12_000  # tenths of hPa

# What each word is, by place, in packet mode and in data logging mode.
_PACKET = (
    "gust", "wind_direction", "temperature", "rain_total", "pressure", "", "", "",
    "humidity", "", "", "rain_since_midnight", "wind_speed",
)  # fmt: skip
_LOGGING = (
    "wind_speed", "wind_direction", "temperature", "rain_total", "pressure", "temperature_indoor",
    "humidity", "humidity_indoor", "", "", "rain_since_midnight", "wind_speed",
)  # fmt: skip


def parse_ultimeter(text: str, origins: Origins) -> Reading:  # noqa: ARG001 - a reader is called with both
    """Read an info field that begins with `$ULTW`, `!!`, '#' or '*'."""
    weather = _read_small(text) if text[0] in "#*" else _read_words(text)
    if not weather:
        return f"Ultimeter: expected words of hexadecimal digits, came {text[:20]!r}"
    return "weather", {"weather": weather}


def _read_words(text: str) -> Fields:
    head, names = (len("$ULTW"), _PACKET) if text[0] == "$" else (len("!!"), _LOGGING)
    found = _WORDS.match(text, head, head + 4 * MAX_WORDS)
    digits = found[0] if found else ""
    return _name([_signed(digits[at : at + 4]) for at in range(0, len(digits), 4)], names)


def _signed(word: str) -> int | None:
    if word == "----":
        return None
    number = int(word, 16)
    return number - 0x10000 if number & 0x8000 else number


def _name(words: Sequence[int | None], names: Sequence[str]) -> Fields:
    """Name what is there and can be; a later word of the same name is the better one."""
    weather: Fields = {}
    for name, word in zip(names, words, strict=False):
        if name and word is not None and (value := _value(name, word)) is not None:
            weather[name] = value
    return weather


def _value(name: str, word: int) -> float | None:
    if name == "wind_direction":
        return round((word & 0xFF) * _TURN)
    if name.startswith("temperature"):
        return celsius(word / 10) if word >= _COLDEST else None
    if name == "pressure":
        return word / 10 if _MIN_PRESSURE <= word <= _MAX_PRESSURE else None
    if name.startswith("humidity"):
        return round(word / 10) if word in _HUMIDITIES else None
    if word < 0:
        return None
    return round(word * HUNDREDTH_INCH, 2) if name.startswith("rain") else round(word / 10 * KMH, 2)


def _read_small(text: str) -> Fields:
    """The Ultimeter II: wind in km/h behind '#', in mph behind '*'."""
    found = _SMALL.match(text)
    if found is None:
        return {}
    direction, wind, temperature, total, today = found.groups()
    weather: Fields = {
        "wind_direction": int(int(direction, 16) * _SIXTEENTH),
        "wind_speed": round(int(wind, 16) * (KMH if text[0] == "#" else MPH), 2),
    }
    if temperature != "--":
        weather["temperature"] = celsius(int(temperature, 16) - _OFFSET)
    if total != "----":
        weather["rain_total"] = round(int(total, 16) * HUNDREDTH_INCH, 2)
    if today and today != "----":
        weather["rain_since_midnight"] = round(int(today, 16) * HUNDREDTH_INCH, 2)
    return weather
