"""An event as one line for people: where from, where to, and a short text. Pure; knows no page and no database.

What comes from the air or from a broker is hostile: every text here is bounded, printable and plain. Whoever puts it on
a page escapes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_TEXT = 200  # characters, as an aprs summary has
MAX_NAME = 100  # characters of a source; topics can have 65,535
MAX_SHOWN = 400  # bytes looked at; the rest could not be shown anyway
ELLIPSIS = "…"
UNPRINTABLE = "·"
MAX_JSON = 8_192  # bytes of a payload that is looked into
MOSTLY_TEXT = 0.7  # share of printable characters, below which bytes are shown in hexadecimal
MAX_HEX = 32  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event, in words. ``time`` is in seconds since the epoch."""

    time: float
    device: str
    direction: str  # heard, sent, refused
    source: str = ""
    destination: str = ""
    via: str = ""
    format: str = ""
    text: str = ""
    reason: str = ""  # why it was refused
    doubts: str = ""  # which fields are not as the standard has them


def line(device: str, direction: str, event: Mapping[str, Any], *, now: float, reason: str = "") -> Line:
    """Put an event into words. ``now`` is its time where it has none of its own, as what we send."""
    return Line(
        time=float(event.get("time") or now),
        device=device,
        direction=direction,
        source=clean(_text(event, "source") or _text(event, "topic"), MAX_NAME),
        destination=clean(_text(event, "destination"), MAX_NAME),
        via=clean(",".join(_texts(event.get("via"))), MAX_NAME),
        format=clean(_text(event, "format") or _format(event), MAX_NAME),
        text=summary(event),
        reason=clean(reason, MAX_TEXT),
        doubts=doubts(event),
    )


def summary(event: Mapping[str, Any]) -> str:
    """Say in at most 200 printable characters what an event carries: its summary, its packet, its text or its bytes."""
    if said := _text(event, "summary"):
        return clean(said, MAX_TEXT)
    if isinstance(packet := event.get("packet"), Mapping):
        return _packet(packet)
    content = payload(event)
    return _summary_in_json(content) or readable(content)


def _summary_in_json(content: bytes) -> str:
    """What a JSON object says of itself in ``summary``, as those do that the forward consumer publishes."""
    if not content.startswith(b"{") or len(content) > MAX_JSON:
        return ""
    try:
        said = json.loads(content).get("summary")
    except (ValueError, RecursionError):
        return ""
    return clean(said, MAX_TEXT) if isinstance(said, str) else ""


def doubts(event: Mapping[str, Any]) -> str:
    """Say which fields of an APRS packet were read leniently or guessed, and why: "latitude, longitude guessed: …"."""
    origins = event.get("origins")
    if not isinstance(origins, Mapping):
        return ""
    fields: dict[str, list[str]] = {}
    for name, origin in origins.items():
        fields.setdefault(str(origin), []).append(str(name))
    return clean("; ".join(f"{', '.join(names)} {origin}" for origin, names in fields.items()), MAX_TEXT)


def payload(event: Mapping[str, Any]) -> bytes:
    """Return the bytes that an event carries, whatever its protocol calls them; text as UTF-8."""
    for name in ("info", "payload", "bytes", "text", "raw"):
        value = event.get(name)
        if isinstance(value, str):
            return value.encode("utf-8", "replace")
        if isinstance(value, bytes):
            return value
    return b""


def readable(content: bytes) -> str:
    """Show bytes as text where they are mostly text, else in hexadecimal with their number."""
    text = content[:MAX_SHOWN].decode("utf-8", "replace")
    good = sum(character.isprintable() and character != "\N{REPLACEMENT CHARACTER}" for character in text)
    if not content or good >= MOSTLY_TEXT * len(text.strip()):
        return clean(text.strip(), MAX_TEXT)
    shown = content[:MAX_HEX].hex(" ") + (f" {ELLIPSIS}" if len(content) > MAX_HEX else "")
    return f"{len(content)} bytes: {shown}"


def clean(text: str, limit: int) -> str:
    """Cut a text to its limit, with a dot for each character that cannot be printed."""
    shown = text if len(text) <= limit else text[: limit - 1] + ELLIPSIS
    return shown if shown.isprintable() else "".join(_printable(character) for character in shown)


def _printable(character: str) -> str:
    return character if character.isprintable() else UNPRINTABLE


def _packet(packet: Mapping[str, Any]) -> str:
    """The packet of an ``aprs.send``, in the words that the specification has for its forms."""
    words = [_text(packet, "format")]
    if addressee := _text(packet, "addressee"):
        words.append(f"to {addressee}:")
    latitude, longitude = packet.get("latitude"), packet.get("longitude")
    if isinstance(latitude, int | float) and isinstance(longitude, int | float):
        words += [_text(packet, "name"), f"{latitude:.4f} {longitude:.4f}"]
    words += [_text(packet, name) for name in ("definition", "query", "status", "text", "comment")]
    words = [word for word in words if word]
    if number := _text(packet, "id"):
        words.append(f"({number})")
    return clean(" ".join(words), MAX_TEXT)


def _format(event: Mapping[str, Any]) -> str:
    packet = event.get("packet")
    return _text(packet, "format") if isinstance(packet, Mapping) else ""


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list | tuple) else []
