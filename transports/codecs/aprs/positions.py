"""Positions, with or without time, weather, objects and items: a place with something around it.

Chapters 6 to 9, 11 and 12 of the APRS reference. The place is read in `places`, what stands behind it in `comments`,
weather in `weather`; Mic-E is in `mic_e`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.comments import read_altitude, read_comment, read_hidden
from transports.codecs.aprs.places import is_plain, read_place
from transports.codecs.aprs.ultimeter import parse_ultimeter
from transports.codecs.aprs.weather import read_weather, read_weather_comment

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins, Reading

MAX_TEXT_BEFORE = 40  # characters before a '!' position, as some X1J nodes send them (chapter 5)
WEATHER_STATION = "_"  # symbol code
TIME_SIZE = 7  # characters
KMH = 1 / 3.6  # m/s

ODD_TIME = "lenient: no time as the standard has it"
NO_TIME = "lenient: without the time that this data type has"
WIND = "guessed: a weather station's wind, in the form of course and speed"
TEXT_BEFORE = "lenient: behind other text"

_TIME = re.compile(r"[0-3][0-9][0-2][0-9][0-5][0-9][zh/]")
_ODD_TIME = re.compile(r"[0-9. ]{6}.", re.DOTALL)
_OBJECT = re.compile(r";([ -~]{9})([*_])", re.DOTALL)
_ITEM = re.compile(r"\)([ -~]{3,9}?)([!_])", re.DOTALL)


def parse_position(text: str, origins: Origins) -> Reading:
    """Read an info field that begins with '!' or '='."""
    if text[1:2] == "!":
        return parse_ultimeter(text, origins)
    fields: Fields = {"messaging": text[0] == "="}
    return _finish("position", text, read_place(text, 1, fields, origins), fields, origins)


def parse_timed_position(text: str, origins: Origins) -> Reading:
    """Read an info field that begins with '/' or '@'."""
    fields: Fields = {"messaging": text[0] == "@"}
    return _finish("position", text, _read_timed_place(text, 1, fields, origins), fields, origins)


def parse_position_within(text: str, origins: Origins) -> Reading:
    """Read a position after up to 40 characters of other text."""
    at = text.find("!", 0, MAX_TEXT_BEFORE)
    if at < 0:
        return f"data type {text[:1]!r} is not known"
    origins["latitude"] = origins["longitude"] = TEXT_BEFORE
    fields: Fields = {"messaging": False}
    return _finish("position", text, read_place(text, at + 1, fields, origins), fields, origins)


def parse_object(text: str, origins: Origins) -> Reading:
    """Read an object, which begins with ';' (chapter 11)."""
    found = _OBJECT.match(text)
    if found is None:
        return f"object: expected ';', a name of 9 characters, '*' or '_', came {text[:11]!r}"
    fields: Fields = {"name": found[1].rstrip(), "alive": found[2] == "*"}
    return _finish("object", text, _read_timed_place(text, found.end(), fields, origins), fields, origins)


def parse_item(text: str, origins: Origins) -> Reading:
    """Read an item, which begins with ')' (chapter 11)."""
    found = _ITEM.match(text)
    if found is None:
        return f"item: expected ')', a name of 3 to 9 characters, '!' or '_', came {text[:11]!r}"
    fields: Fields = {"name": found[1].rstrip(), "alive": found[2] == "!"}
    return _finish("item", text, read_place(text, found.end(), fields, origins), fields, origins)


def _read_timed_place(text: str, at: int, fields: Fields, origins: Origins) -> int:
    """A time and a place; a clock that was never set sends dots, and some leave the time out."""
    if _TIME.match(text, at):
        fields["timestamp"] = text[at : at + TIME_SIZE]
        return read_place(text, at + TIME_SIZE, fields, origins)
    odd = _ODD_TIME.match(text, at) is not None and not is_plain(text, at)
    if odd and (end := read_place(text, at + TIME_SIZE, fields, origins)):
        fields["timestamp"] = text[at : at + TIME_SIZE]
        origins["timestamp"] = ODD_TIME
        return end
    origins["latitude"] = origins["longitude"] = NO_TIME
    return read_place(text, at, fields, origins)


def _finish(form: str, text: str, at: int, fields: Fields, origins: Origins) -> Reading:
    """Read what stands behind the place, where there is one: weather if the symbol says so, or a comment."""
    if not at:
        return f"{form}: expected a place, plain or compressed, came {text[:40]!r}"
    if fields["symbol"][1] != WEATHER_STATION:
        read_comment(text, at, fields, origins)
        return form, fields
    end = read_weather(text, at, fields, origins)
    if end == at:
        read_comment(text, at, fields, origins)
        return form, fields
    if fields.get("compressed") and "speed" in fields and "weather" in fields:
        _take_wind(fields, origins)
    rest = text[end:]
    if "/A=" in rest:
        rest = read_altitude(rest, fields)
    fields["comment"] = read_weather_comment(read_hidden(rest, fields, origins), fields)
    return ("weather" if form == "position" and "weather" in fields else form), fields


def _take_wind(fields: Fields, origins: Origins) -> None:
    """A weather station's compressed course and speed are those of the wind (chapter 12)."""
    weather = fields["weather"]
    weather.setdefault("wind_speed", round(fields["speed"] * KMH, 2))
    if "course" in fields:
        weather.setdefault("wind_direction", fields["course"])
    origins["course"] = origins["speed"] = WIND
