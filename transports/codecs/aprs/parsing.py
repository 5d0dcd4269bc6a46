"""Read one APRS packet, whatever it is.

A packet is told by its first character, the data type identifier (chapter 5 of the APRS reference). What cannot be
read is a packet too: unparsed, with the reason and with every byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.messages import parse_message
from transports.codecs.aprs.nmea import parse_nmea
from transports.codecs.aprs.packet import Packet
from transports.codecs.aprs.positions import (
    parse_item,
    parse_locator,
    parse_mic_e,
    parse_object,
    parse_position,
    parse_position_within,
    parse_positionless_weather,
)
from transports.codecs.aprs.telemetry import parse_telemetry
from transports.codecs.aprs.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transports.codecs.aprs.packet import Fields

MAX_DEPTH = 2  # third-party packets within third-party packets; a gateway makes one, a broken one any number

_STATUS_TIME = re.compile(r"[0-9]{6}z")
_QUERY = re.compile(r"\?([A-Za-z0-9]{1,16})\??(.*)", re.DOTALL)
_THIRD_PARTY = re.compile(
    rb"\}([A-Za-z0-9-]{1,9})>([A-Za-z0-9-]{1,9})((?:,[A-Za-z0-9-]{1,9}\*?){0,16}):(.+)", re.DOTALL
)
# To these a station sends plain text; chapter 4 lists the generic destinations.
_GENERIC = re.compile(
    r"(?:AIR|ALL|AP|BEACON|CQ|GPS|DF|DGPS|DRILL|DX|ID|JAVA|MAIL|MICE|QST|QTH|RTCM|SKY|SPACE|SPC|SYM"
    r"|TEL|TEST|TLM|WX|ZIP|UIDIGI).*"
)


def parse(
    source: str,  # noqa: ARG001 - a heard packet is these four; no format needs its source or path yet
    destination: str,
    path: Sequence[str],  # noqa: ARG001
    info: bytes,
) -> Packet:
    """Read a heard packet. Never raises, whatever the bytes, and keeps them all in `raw`."""
    return _parse(destination, info, depth=0)


def _parse(destination: str, info: bytes, depth: int) -> Packet:
    text = decode_text(info)
    if not text:
        return Packet(format="unparsed", fields={"text": ""}, reason="the info field is empty", raw=info)
    result = _parse_third_party(info, depth) if text[0] == "}" else _parse_text(text, destination)
    if isinstance(result, str):
        return Packet(format="unparsed", fields={"text": text}, reason=result, raw=info)
    form, fields = result
    return Packet(format=form, fields=fields, raw=info)


def _parse_text(text: str, destination: str) -> tuple[str, Fields] | str:
    """Find the reader by the data type identifier, and read. Text that is no APRS data may still be a beacon."""
    if text[0] in "`'\x1c\x1d":
        return parse_mic_e(text, destination.partition("-")[0])
    if text.startswith("T#"):
        return parse_telemetry(text)
    if reader := _READERS.get(text[0]):
        return reader(text)
    result = parse_position_within(text)
    if isinstance(result, str) and _GENERIC.fullmatch(destination):
        return "beacon", {"text": text}
    return result


def _parse_status(text: str) -> tuple[str, Fields]:
    """Chapter 16. The time is day, hour and minute, always UTC."""
    timed = _STATUS_TIME.match(text, 1)
    if timed:
        return "status", {"timestamp": timed[0], "status": text[timed.end() :].strip()}
    return "status", {"status": text[1:].strip()}


def _parse_query(text: str) -> tuple[str, Fields] | str:
    """Chapter 15: `?APRS?`, perhaps with an area behind it."""
    found = _QUERY.fullmatch(text)
    if found is None:
        return f"query: expected '?' and a name, came {text[:12]!r}"
    return "query", {"query": found[1], "text": found[2].strip()}


def _parse_capabilities(text: str) -> tuple[str, Fields]:
    """Chapter 15: `<IGATE,MSG_CNT=0,LOC_CNT=0`."""
    words = (word.partition("=") for word in text[1:].split(",") if word.strip())
    return "capabilities", {"capabilities": {name.strip(): value.strip() for name, _, value in words}}


def _parse_user_defined(text: str) -> tuple[str, Fields] | str:
    """Chapter 18: '{', the experimenter's and the packet type's character, and data."""
    experiment = text[1:3]
    if len(experiment) < len("{{"):
        return f"user-defined: expected '{{' and two characters, came {text!r}"
    return "user-defined", {"experiment": experiment, "text": text[3:]}


def _parse_test(text: str) -> tuple[str, Fields]:
    return "test", {"text": text[1:]}


_READERS: dict[str, Callable[[str], tuple[str, Fields] | str]] = {
    "!": parse_position,
    "=": parse_position,
    "/": parse_position,
    "@": parse_position,
    ";": parse_object,
    ")": parse_item,
    "_": parse_positionless_weather,
    ":": parse_message,
    ">": _parse_status,
    "[": parse_locator,
    "$": parse_nmea,
    "?": _parse_query,
    "<": _parse_capabilities,
    "{": _parse_user_defined,
    ",": _parse_test,
}


def _parse_third_party(info: bytes, depth: int) -> tuple[str, Fields] | str:
    """Chapter 17: a packet from another network, whole, behind a '}'; read as bytes, which the inner one keeps."""
    found = _THIRD_PARTY.fullmatch(info)
    if found is None:
        return f"third-party: expected '}}SOURCE>DESTINATION,PATH:info', came {info[:40]!r}"
    if depth >= MAX_DEPTH:
        return f"third-party: expected at most {MAX_DEPTH} packets within each other, came more"
    source, destination, hops = (group.decode("ascii") for group in found.groups()[:3])
    inner = _parse(destination, found[4], depth + 1)
    packet = {"format": inner.format, "fields": inner.fields, "reason": inner.reason, "raw": inner.raw}
    path = hops.split(",")[1:]
    return "third-party", {"source": source, "destination": destination, "path": path, "packet": packet}
