"""Read one APRS packet, whatever it is.

A packet is told by its first character, the data type identifier (chapter 5 of the APRS reference). What cannot be
read is a packet too: unparsed, with the reason and with every byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.locators import parse_locator
from transports.codecs.aprs.messages import parse_message
from transports.codecs.aprs.mic_e import parse_mic_e
from transports.codecs.aprs.nmea import parse_nmea
from transports.codecs.aprs.packet import Packet
from transports.codecs.aprs.positions import (
    parse_item,
    parse_object,
    parse_position,
    parse_position_within,
    parse_timed_position,
)
from transports.codecs.aprs.queries import (
    parse_agrelo,
    parse_capabilities,
    parse_query,
    parse_test,
    parse_user_defined,
)
from transports.codecs.aprs.status import parse_status
from transports.codecs.aprs.telemetry import parse_telemetry
from transports.codecs.aprs.text import decode_text
from transports.codecs.aprs.ultimeter import parse_ultimeter
from transports.codecs.aprs.weather import parse_positionless_weather

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transports.codecs.aprs.packet import Origins, Reading

MAX_DEPTH = 2  # third-party packets within third-party packets; a gateway makes one, a broken one any number

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
    return _parse(destination, info, 0)


def _parse(destination: str, info: bytes, depth: int) -> Packet:
    text = decode_text(info)
    if not text:
        return Packet(format="unparsed", fields={"text": ""}, reason="the info field is empty", raw=info)
    origins: Origins = {}
    head = text[0]
    if reader := _READERS.get(head):
        result = reader(text, origins)
    elif head in "`'\x1c\x1d":
        result = parse_mic_e(text, destination, origins)
    elif head == "}":
        result = _parse_third_party(info, depth)
    else:
        result = _parse_other(text, destination, origins)
    if isinstance(result, str):
        return Packet(format="unparsed", fields={"text": text}, reason=result, raw=info)
    return Packet(format=result[0], fields=result[1], raw=info, origins=origins)


def _parse_other(text: str, destination: str, origins: Origins) -> Reading:
    """What its first character does not tell alone; and text that is no APRS data, but may still be a beacon."""
    if text.startswith("T#"):
        return parse_telemetry(text, origins)
    if text[0] == "$":
        return parse_ultimeter(text, origins) if text.startswith("$ULTW") else parse_nmea(text, destination, origins)
    result = parse_position_within(text, origins)
    if isinstance(result, str) and _GENERIC.fullmatch(destination):
        origins.clear()
        return "beacon", {"text": text}
    return result


def _parse_peet(text: str, origins: Origins) -> Reading:
    """A Peet Bros station's '#' and '*' may as well be text before a position."""
    result = parse_ultimeter(text, origins)
    return parse_position_within(text, origins) if isinstance(result, str) and "!" in text else result


_READERS: dict[str, Callable[[str, Origins], Reading]] = {
    "!": parse_position,
    "=": parse_position,
    "/": parse_timed_position,
    "@": parse_timed_position,
    ";": parse_object,
    ")": parse_item,
    "_": parse_positionless_weather,
    ":": parse_message,
    ">": parse_status,
    "[": parse_locator,
    "?": parse_query,
    "<": parse_capabilities,
    "{": parse_user_defined,
    ",": parse_test,
    "%": parse_agrelo,
    "#": _parse_peet,
    "*": _parse_peet,
}


def _parse_third_party(info: bytes, depth: int) -> Reading:
    """Chapter 17: a packet from another network, whole, behind a '}'; read as bytes, which the inner one keeps."""
    found = _THIRD_PARTY.fullmatch(info)
    if found is None:
        return f"third-party: expected '}}SOURCE>DESTINATION,PATH:info', came {info[:40]!r}"
    if depth >= MAX_DEPTH:
        return f"third-party: expected at most {MAX_DEPTH} packets within each other, came more"
    source, destination, hops = (group.decode("ascii") for group in found.groups()[:3])
    inner = _parse(destination, found[4], depth + 1)
    packet = {
        "format": inner.format,
        "fields": inner.fields,
        "reason": inner.reason,
        "raw": inner.raw,
        "origins": inner.origins,
    }
    path = hops.split(",")[1:]
    return "third-party", {"source": source, "destination": destination, "path": path, "packet": packet}
