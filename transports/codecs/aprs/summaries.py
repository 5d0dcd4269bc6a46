"""One sentence on what was heard, for people.

A summary is plain text: whoever puts it on a page escapes it. It is built from what is there, and says nothing of the
rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transports.codecs.aprs.packet import Packet

    _Fields = Mapping[str, Any]  # Any: what ASGI permits; read through _text and _number only

MAX_SUMMARY = 200  # characters
_ELLIPSIS = "…"


def summary(packet: Packet) -> str:
    """Say in one line of at most 200 printable characters what the packet says. Never raises.

    "position 48.2082N 16.3738E, 40 km/h to 90°, on the way home".
    """
    sentence = _SENTENCES.get(packet.format, _other)(packet.fields, packet.format)
    if packet.reason:
        sentence = f"unparsed {decode_text(packet.raw)!r}: {packet.reason}"
    line = "".join(character if character.isprintable() else " " for character in sentence or packet.format)
    return line if len(line) <= MAX_SUMMARY else line[: MAX_SUMMARY - 1] + _ELLIPSIS


def _text(fields: _Fields, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else ""


def _number(fields: _Fields, name: str) -> int | float | None:
    value = fields.get(name)
    return value if isinstance(value, int | float) else None


def _mapping(fields: _Fields, name: str) -> _Fields:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _place(fields: _Fields, form: str) -> str:
    name = _text(fields, "name")
    killed = "killed" if fields.get("alive") is False else ""
    head = " ".join(part for part in (form, name, killed, _coordinates(fields)) if part)
    telemetry = _telemetry_values(fields)
    return _join(head, _movement(fields), _altitude(fields), _weather(fields), telemetry, _text(fields, "comment"))


def _coordinates(fields: _Fields) -> str:
    latitude, longitude = _number(fields, "latitude"), _number(fields, "longitude")
    if latitude is None or longitude is None:
        return ""
    about = "about " if fields.get("ambiguity") or "locator" in fields else ""
    return f"{about}{abs(latitude):.4f}{'NS'[latitude < 0]} {abs(longitude):.4f}{'EW'[longitude < 0]}"


def _movement(fields: _Fields) -> str:
    speed, course = _number(fields, "speed"), _number(fields, "course")
    if not speed or _mapping(fields, "weather"):
        return ""
    return f"{speed:.0f} km/h" + ("" if course is None else f" to {course:.0f}°")


def _altitude(fields: _Fields) -> str:
    altitude = _number(fields, "altitude")
    return "" if altitude is None else f"{altitude:.0f} m"


def _weather(fields: _Fields) -> str:
    weather = _mapping(fields, "weather")
    readings = ((_number(weather, name), words) for name, words in _READINGS)
    return _join(*(words.format(value) for value, words in readings if value is not None))


_READINGS = (
    ("temperature", "{:.1f} °C"),
    ("humidity", "{:.0f} %"),
    ("pressure", "{:.1f} hPa"),
    ("wind_speed", "wind {:.1f} m/s"),
    ("wind_direction", "from {:.0f}°"),
    ("gust", "gusts {:.1f} m/s"),
    ("rain_1h", "rain {:.1f} mm/h"),
)


def _bearing(fields: _Fields, form: str) -> str:
    bearing = _number(fields, "bearing")
    return form if bearing is None else f"{form}: a signal from {bearing:.0f}°"


def _status(fields: _Fields, form: str) -> str:
    place = _coordinates(fields)
    return _join(f"{form} {_text(fields, 'status')}".rstrip(), f"at {place}" if place else "")


def _message(fields: _Fields, form: str) -> str:
    number = _text(fields, "id")
    return f"{form} to {_text(fields, 'addressee')}: {_text(fields, 'text')}" + (f" ({number})" if number else "")


def _answer(fields: _Fields, form: str) -> str:
    return f"{form} to {_text(fields, 'addressee')} for message {_text(fields, 'id')}"


def _telemetry_values(fields: _Fields) -> str:
    telemetry = _mapping(fields, "telemetry")
    values = telemetry.get("values")
    if not isinstance(values, list):
        return ""
    words = " ".join("-" if value is None else str(value) for value in values)
    return f"telemetry {telemetry.get('sequence')}: {words}"


def _telemetry(fields: _Fields, _form: str) -> str:
    return _join(_telemetry_values(fields), _text(fields, "comment"))


def _third_party(fields: _Fields, _form: str) -> str:
    inner = _mapping(fields, "packet")
    form = _text(inner, "format")
    inside = _SENTENCES.get(form, _other)(_mapping(inner, "fields"), form)
    return f"relayed from {_text(fields, 'source')}: {inside}"


def _capabilities(fields: _Fields, form: str) -> str:
    words = (f"{name}={value}" if value else str(name) for name, value in _mapping(fields, "capabilities").items())
    return f"{form} {_join(*words)}"


def _definition(fields: _Fields, _form: str) -> str:
    return f"telemetry of {_text(fields, 'addressee')}: {_text(fields, 'text')}"  # which begins with PARM, UNIT …


def _other(fields: _Fields, form: str) -> str:
    """The formats whose text says it all."""
    return " ".join([form, *(_text(fields, name) for name in _TEXTS if _text(fields, name))])


_TEXTS = ("query", "experiment", "addressee", "text")
_SENTENCES: dict[str, Callable[[_Fields, str], str]] = {
    **dict.fromkeys(("position", "mic-e", "object", "item", "weather", "grid", "nmea"), _place),
    **dict.fromkeys(("message", "bulletin"), _message),
    **dict.fromkeys(("ack", "reject"), _answer),
    "telemetry": _telemetry,
    "telemetry-definition": _definition,
    "status": _status,
    "df": _bearing,
    "third-party": _third_party,
    "capabilities": _capabilities,
}
