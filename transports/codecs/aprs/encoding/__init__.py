"""What a station sends, from the fields of `transports.codecs.aprs.packet` to the bytes of an info field.

`encode` takes what `parse` gives: a mapping with `format` and the fields by name. Fields that a format does not carry,
or that follow from others (`antenna` from `phg`), are passed over, so a parsed packet can be sent as it is.

Each part raises `ValueError` on what the air cannot carry: which field, what was expected, what came; so that a person
hears of it at the keyboard, and not nobody on the channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding.messages import (
    encode_ack,
    encode_bulletin,
    encode_definition,
    encode_message,
    encode_reject,
)
from transports.codecs.aprs.encoding.mic_e import encode_mic_e
from transports.codecs.aprs.encoding.places import encode_item, encode_object, encode_position
from transports.codecs.aprs.encoding.telemetry import encode_telemetry
from transports.codecs.aprs.encoding.texts import (
    encode_capabilities,
    encode_query,
    encode_status,
    encode_user_defined,
    third_party,
)
from transports.codecs.aprs.encoding.weather import encode_positionless
from transports.codecs.aprs.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Fields = Mapping[str, Any]  # Any: a consumer's own values, looked at field by field

COMMENTED = ("position", "object", "item", "weather", "mic-e")
WITHIN_COMMENTS = ("frequency", "tone", "offset", "range", "device")  # read in a comment, which keeps them

MAX_DEPTH = 2  # third-party packets within each other, as many as the parser reads


@dataclass(frozen=True, slots=True)
class Encoded:
    """An info field; and the destination address where the format has its say in it (Mic-E), else ""."""

    info: bytes
    destination: str = ""


def encode(packet: Mapping[str, Any]) -> Encoded:
    """Write a packet of one of the formats `ENCODABLE`. Raises ValueError."""
    return _encode(packet, MAX_DEPTH)


def _encode(packet: _Fields, depth: int) -> Encoded:
    form = packet.get("format")
    try:
        if form == "third-party":
            return _encode_third_party(packet, depth)
        write = _WRITERS.get(form) if isinstance(form, str) else None
        if write is None:
            raise ValueError(f"format: expected one of {', '.join(ENCODABLE)}, came {form!r:.80}")
        return _with_comment(write, packet) if form in COMMENTED and packet.get("comment") else write(packet)
    except KeyError as error:
        raise ValueError(f"a packet of format {form} needs {error}") from error


def _with_comment(write: Callable[[_Fields], Encoded], packet: _Fields) -> Encoded:
    """Write a packet whose comment is heard as one.

    What stands behind the data may be read as more of them (`/A=001000`, a rain behind a wind): then a blank in between
    keeps it apart, and where even that does not help it is refused, for others would hear what nobody said.
    """
    comment = packet["comment"]
    said = _read(write({**packet, "comment": ""}))
    for attempt in (comment, f" {comment}"):
        encoded = write({**packet, "comment": attempt})
        heard = _read(encoded)
        if heard == {**said, "comment": str(comment).strip()}:
            return encoded
    others = ", ".join(name for name in heard if heard[name] != said.get(name) and name != "comment")
    raise ValueError(
        f"comment: {comment!r:.80} would be heard as {others or 'another comment'}; "
        "give that as a field of its own, or say it in other words"
    )


def _read(encoded: Encoded) -> dict[str, Any]:
    """What a station makes of it, but for what is read out of a comment that stays one."""
    packet = parse("N0CALL", encoded.destination or "APZEDG", (), encoded.info)
    fields = {name: value for name, value in packet.fields.items() if name not in WITHIN_COMMENTS}
    return {"comment": "", **fields, "format": packet.format}


def _encode_weather(fields: _Fields) -> bytes:
    """Weather with a position is a position with weather."""
    if not isinstance(fields.get("weather"), dict):
        raise ValueError(f"weather: expected its fields by name, came {fields.get('weather')!r:.40}")  # noqa: TRY004
    if "latitude" not in fields:
        return encode_positionless(fields)
    return encode_position({"symbol": "/_", **fields})


def _encode_third_party(fields: _Fields, depth: int) -> Encoded:
    """The inner packet by its bytes (`raw`) where there are any, which are not ours to change; else by its fields."""
    inner = fields["packet"]
    if not isinstance(inner, dict):
        raise ValueError(f"packet: expected the packet inside by its fields, came {inner!r:.40}")  # noqa: TRY004
    if depth <= 0:
        raise ValueError(f"packet: expected at most {MAX_DEPTH} packets within each other, came more")
    if isinstance(raw := inner.get("raw"), bytes) and raw:
        return Encoded(third_party(fields, raw, fields["destination"]))
    own = {"format": inner.get("format"), **inner["fields"]} if isinstance(inner.get("fields"), dict) else inner
    encoded = _encode(own, depth - 1)
    destination = encoded.destination or fields["destination"]
    return Encoded(third_party(fields, encoded.info, destination))


def _plain(write: Callable[[_Fields], bytes]) -> Callable[[_Fields], Encoded]:
    """Of a format whose destination says nothing."""
    return lambda fields: Encoded(write(fields))


_WRITERS: dict[str, Callable[[_Fields], Encoded]] = {
    "position": _plain(encode_position),
    "object": _plain(encode_object),
    "item": _plain(encode_item),
    "weather": _plain(_encode_weather),
    "message": _plain(encode_message),
    "ack": _plain(encode_ack),
    "reject": _plain(encode_reject),
    "bulletin": _plain(encode_bulletin),
    "telemetry": _plain(encode_telemetry),
    "telemetry-definition": _plain(encode_definition),
    "status": _plain(encode_status),
    "query": _plain(encode_query),
    "capabilities": _plain(encode_capabilities),
    "user-defined": _plain(encode_user_defined),
    "mic-e": lambda fields: Encoded(*encode_mic_e(fields)),
}
ENCODABLE = (*_WRITERS, "third-party")
