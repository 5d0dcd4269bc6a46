"""Positions, with or without time, weather, objects, items, Mic-E, locators and raw GPS sentences.

What stands around the position is read here, the position itself by aprslib behind `fence`. Chapters 6 to 12 of the
APRS reference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.fence import parse_with_aprslib
from transports.codecs.aprs.weather import parse_weather

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields

KNOT = 1.852  # km/h
KNOT_IN_M_S = KNOT / 3.6
MAX_ALTITUDE = 60_000  # m; amateur balloons reach 45 km, and aprslib takes "145.725MHz}" for an altitude of 358 km
NORTH = 360  # degrees; 0 is "unknown"
UNCOMPRESSED_SIZE = 19  # characters, from the latitude to the symbol code
COMPRESSED_SIZE = 13
MAX_TEXT_BEFORE = 40  # characters before a '!' position, as some X1J nodes send them (chapter 5)
WEATHER_STATION = "_"  # symbol code

_TIMESTAMP = re.compile(r"[0-9]{6}.|[0-9. ]{6}[zh/]", re.DOTALL)
_OBJECT = re.compile(r";([ -~]{9})([*_])(.*)", re.DOTALL)
_ITEM = re.compile(r"\)([ -~]{3,9}?)([!_])(.*)", re.DOTALL)
_COURSE_SPEED = re.compile(r"([0-9]{3})/([0-9]{3})")
_MONTH_TO_MINUTE = re.compile(r"_([0-9]{8})(.*)", re.DOTALL)
_LOCATOR = re.compile(r"\[([A-Ra-r]{2})([0-9]{2})(?:([A-Xa-x]{2}))?\](.*)", re.DOTALL)

# aprslib's names, ours, and the decimals worth keeping (0.1 m for a place).
_NUMBERS = (
    ("latitude", "latitude", 6),
    ("longitude", "longitude", 6),
    ("altitude", "altitude", 1),
    ("speed", "speed", 1),
    ("rng", "range", 1),
    ("radiorange", "range", 1),
    ("phg_range", "range", 1),
)
_AS_THEY_ARE = (
    ("posambiguity", "ambiguity"),
    ("phg", "phg"),
    ("mtype", "mic_e_message"),
    ("comment", "comment"),
)


def parse_position(text: str) -> tuple[str, Fields] | str:
    """Read an info field that begins with '!', '=', '/' or '@'. Gives format and fields, or the reason why not."""
    timestamp, body = _split_timestamp(text[1:]) if text[0] in "/@" else ("", text[1:])
    fields = _parse_place(body)
    if isinstance(fields, str):
        return fields
    form = "weather" if "weather" in fields else "position"
    return form, {"messaging": text[0] in "=@", **_timed(timestamp), **fields}


def parse_position_within(text: str) -> tuple[str, Fields] | str:
    """Read a position after up to 40 characters of other text."""
    at = text.find("!", 0, MAX_TEXT_BEFORE)
    if at < 0:
        return f"data type {text[:1]!r} is not known"
    return parse_position(text[at:])


def parse_object(text: str) -> tuple[str, Fields] | str:
    """Read an object, which begins with ';' (chapter 11)."""
    found = _OBJECT.fullmatch(text)
    if found is None:
        return f"object: expected ';', a name of 9 characters, '*' or '_', came {text[:11]!r}"
    timestamp, body = _split_timestamp(found[3])
    fields = _parse_place(body)
    if isinstance(fields, str):
        return fields
    return "object", {"name": found[1].rstrip(), "alive": found[2] == "*", **_timed(timestamp), **fields}


def parse_item(text: str) -> tuple[str, Fields] | str:
    """Read an item, which begins with ')' (chapter 11)."""
    found = _ITEM.fullmatch(text)
    if found is None:
        return f"item: expected ')', a name of 3 to 9 characters, '!' or '_', came {text[:11]!r}"
    fields = _parse_place(found[3])
    if isinstance(fields, str):
        return fields
    return "item", {"name": found[1].rstrip(), "alive": found[2] == "!", **fields}


def parse_mic_e(text: str, destination: str) -> tuple[str, Fields] | str:
    """Read Mic-E (chapter 10): half of the position is in the destination address."""
    raw = parse_with_aprslib(text, destination)
    return raw if isinstance(raw, str) else ("mic-e", _translate(raw))


def parse_positionless_weather(text: str) -> tuple[str, Fields] | str:
    """Read `_MMDDHHMMc…s…g…t…`: weather from a station whose position came before."""
    found = _MONTH_TO_MINUTE.fullmatch(text)
    weather, comment = parse_weather(found[2]) if found else ({}, "")
    if found is None or not weather:
        return f"weather: expected '_', eight digits of time and data, came {text[:20]!r}"
    return "weather", {"timestamp": found[1], "weather": weather, "comment": comment}


def parse_locator(text: str) -> tuple[str, Fields] | str:
    """Read `[FN35BQ]`: a Maidenhead locator; the position is the middle of its square."""
    found = _LOCATOR.fullmatch(text)
    if found is None:
        return f"locator: expected '[', four or six characters and ']', came {text[:8]!r}"
    field, square, subsquare = found[1].upper(), found[2], (found[3] or "").upper()
    east, north = (ord(letter) - ord("A") for letter in field)
    longitude, latitude = 20 * east + 2 * int(square[0]) - 180.0, 10 * north + int(square[1]) - 90.0
    if subsquare:
        longitude += (ord(subsquare[0]) - ord("A") + 0.5) / 12
        latitude += (ord(subsquare[1]) - ord("A") + 0.5) / 24
    else:
        longitude, latitude = longitude + 1, latitude + 0.5
    return "grid", {"latitude": round(latitude, 6), "longitude": round(longitude, 6), "comment": found[4].strip()}


def _split_timestamp(text: str) -> tuple[str, str]:
    """The seven characters of time, if they are there, and the rest. Dots stand for a clock that was never set."""
    found = _TIMESTAMP.match(text)
    return (found[0], text[found.end() :]) if found else ("", text)


def _timed(timestamp: str) -> Fields:
    return {"timestamp": timestamp} if timestamp else {}


def _parse_place(body: str) -> Fields | str:
    """A position, its symbol, and what follows; weather if the symbol says so. Gives fields, or the reason why not."""
    size = UNCOMPRESSED_SIZE if body[:1].isdecimal() else COMPRESSED_SIZE
    place, rest = body[:size], body[size:]
    code = place[-1:] if size == UNCOMPRESSED_SIZE else place[9:10]
    if code == WEATHER_STATION:
        return _parse_weather_station(place, rest)
    raw = parse_with_aprslib(f"!{body}")
    if isinstance(raw, str):
        # Perhaps only the comment is at fault (PHG3330O); then the place is good, and the comment stays as it was sent.
        raw = parse_with_aprslib(f"!{place}")
        if isinstance(raw, str):
            return raw
        raw["comment"] = rest.strip()
    fields = _translate(raw)
    # aprslib leaves out a speed of zero: a car at a red light has one all the same.
    moving = _COURSE_SPEED.match(rest) if size == UNCOMPRESSED_SIZE else None
    return fields | _parse_course_speed(moving) if moving else fields


def _parse_course_speed(found: re.Match[str]) -> Fields:
    course = int(found[1])
    return {"speed": round(int(found[2]) * KNOT, 1)} | ({"course": course} if 0 < course <= NORTH else {})


def _parse_weather_station(place: str, rest: str) -> Fields | str:
    """A position with the weather symbol: what follows is weather, and a compressed course is the wind."""
    raw = parse_with_aprslib(f"!{place}")
    if isinstance(raw, str):
        return raw
    fields = _translate(raw)
    weather, comment = parse_weather(rest)
    speed, direction = fields.pop("speed", None), fields.pop("course", None)
    if speed is not None and "wind_speed" not in weather:
        weather |= {"wind_direction": direction, "wind_speed": round(raw["speed"] / 3.6, 2)}
    return fields | {"weather": weather, "comment": comment}


def _translate(raw: Fields) -> Fields:
    """From aprslib's names, kinds and decimals to ours."""
    fields: Fields = {"symbol": f"{raw['symbol_table']}{raw['symbol']}"}
    fields |= {ours: round(raw[theirs], places) for theirs, ours, places in _NUMBERS if theirs in raw}
    fields |= {ours: raw[theirs] for theirs, ours in _AS_THEY_ARE if theirs in raw}
    if 0 < raw.get("course", 0) <= NORTH:
        fields["course"] = raw["course"]
    if fields.get("altitude", 0) > MAX_ALTITUDE:
        del fields["altitude"]
    if telemetry := raw.get("telemetry"):
        fields["telemetry"] = _translate_telemetry(telemetry)
    return fields


def _translate_telemetry(telemetry: Fields | list[int]) -> Fields:
    """Base-91 telemetry of a comment has a sequence number; the older Mic-E kind is a bare list of values."""
    if isinstance(telemetry, list):
        return {"sequence": 0, "values": telemetry, "bits": ""}
    return {"sequence": telemetry["seq"], "values": telemetry["vals"], "bits": telemetry.get("bits", "")}
