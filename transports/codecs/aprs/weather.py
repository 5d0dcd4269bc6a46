"""Weather data in the text of a packet, to SI-like units. Chapter 12 of the APRS reference.

aprslib takes the wind of nearly all real reports for course and speed, and stops at the first field out of order; so
the text behind a weather station's position is read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from transports.codecs.aprs.packet import Fields

MPH = 0.44704  # m/s
HUNDREDTH_INCH = 0.254  # mm
INCH = 25.4  # mm
ABSOLUTE_ZERO = -273.15  # °C; some stations send t-555 for a broken sensor
FULL_HUMIDITY = 100  # %, sent as 00

_UNKNOWN = r"[ .\-]"  # a digit that the station does not know
_WIND = re.compile(rf"_?((?:[0-9]|{_UNKNOWN}){{3}})/((?:[0-9]|{_UNKNOWN}){{3}})")
_WIND_LETTERS = re.compile(rf"c((?:[0-9]|{_UNKNOWN}){{3}})s((?:[0-9]|{_UNKNOWN}){{3}})")
_FIELD = re.compile(
    rf"([grpPlLs#])([0-9]{{1,3}}|[0-9]?\.[0-9]{{1,2}}|{_UNKNOWN}{{3}})"
    rf"|(t)(-?[0-9]{{1,3}}|{_UNKNOWN}{{3}})"
    rf"|(h)([0-9]{{1,3}}|{_UNKNOWN}{{2,3}})"
    rf"|(b)([0-9]{{4,5}}|{_UNKNOWN}{{4,5}})"
)
_NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+")

_READERS: dict[str, tuple[str, Callable[[float], float]]] = {
    "g": ("gust", lambda mph: mph * MPH),
    "t": ("temperature", lambda fahrenheit: (fahrenheit - 32) / 1.8),
    "r": ("rain_1h", lambda hundredths: hundredths * HUNDREDTH_INCH),
    "p": ("rain_24h", lambda hundredths: hundredths * HUNDREDTH_INCH),
    "P": ("rain_since_midnight", lambda hundredths: hundredths * HUNDREDTH_INCH),
    "h": ("humidity", lambda percent: percent or FULL_HUMIDITY),
    "b": ("pressure", lambda tenths: tenths / 10),
    "l": ("luminosity", lambda watts: watts + 1000),
    "L": ("luminosity", lambda watts: watts),
    "s": ("snow_24h", lambda inches: inches * INCH),
}
_POSSIBLE: dict[str, Callable[[float], bool]] = {
    "temperature": lambda celsius: celsius >= ABSOLUTE_ZERO,
    "humidity": lambda percent: percent <= FULL_HUMIDITY,
    "pressure": lambda hectopascal: hectopascal > 0,
}


def parse_weather(text: str) -> tuple[Fields, str]:
    """Read weather from the head of a text: wind first, then fields in any order. Gives the weather and the rest.

    Fields sent as dots, blanks or dashes are unknown and left out, and so are those that cannot be: below absolute
    zero, over 100 %, no air. The wind is in mph whatever the form, as all software sends it and other parsers take it.
    """
    weather: Fields = {}
    at = 0
    wind = _WIND.match(text) or _WIND_LETTERS.match(text)
    if wind:
        at = wind.end()
        weather |= _parse_wind(wind[1], wind[2])
    while found := _FIELD.match(text, at):
        at = found.end()
        letter, value = (group for group in found.groups() if group is not None)
        weather |= _parse_field(letter, value)
    return weather, text[at:].strip()


def _parse_wind(direction: str, speed: str) -> Fields:
    wind: Fields = {}
    if direction.isdecimal():
        wind["wind_direction"] = int(direction)
    if speed.isdecimal():
        wind["wind_speed"] = round(int(speed) * MPH, 2)
    return wind


def _parse_field(letter: str, value: str) -> Fields:
    """One field; empty for an unknown or impossible value, and for the raw rain counter, which has no unit."""
    if letter not in _READERS or not _NUMBER.fullmatch(value):
        return {}
    name, read = _READERS[letter]
    number = round(read(float(value)), 2)
    possible = _POSSIBLE.get(name)
    return {} if possible is not None and not possible(number) else {name: number}
