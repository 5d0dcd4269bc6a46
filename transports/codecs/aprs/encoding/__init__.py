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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Fields = Mapping[str, Any]  # Any: a consumer's own values, looked at field by field

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
        if form == "mic-e":
            return Encoded(*encode_mic_e(packet))
        if form == "third-party":
            return _encode_third_party(packet, depth)
        write = _WRITERS.get(form) if isinstance(form, str) else None
        if write is None:
            raise ValueError(f"format: expected one of {', '.join(ENCODABLE)}, came {form!r:.80}")
        return Encoded(write(packet))
    except KeyError as error:
        raise ValueError(f"a packet of format {form} needs {error}") from error


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


_WRITERS: dict[str, Callable[[_Fields], bytes]] = {
    "position": encode_position,
    "object": encode_object,
    "item": encode_item,
    "weather": _encode_weather,
    "message": encode_message,
    "ack": encode_ack,
    "reject": encode_reject,
    "bulletin": encode_bulletin,
    "telemetry": encode_telemetry,
    "telemetry-definition": encode_definition,
    "status": encode_status,
    "query": encode_query,
    "capabilities": encode_capabilities,
    "user-defined": encode_user_defined,
}
ENCODABLE = (*_WRITERS, "mic-e", "third-party")
