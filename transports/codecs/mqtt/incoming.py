"""What a broker sends, read out of packets (MQTT 5.0 and 3.1.1, section 3)."""

from typing import Any, NamedTuple

from transports.codecs.mqtt.fields import Cursor, MalformedError, read_properties
from transports.codecs.mqtt.packets import Packet, Publish, Type
from transports.codecs.mqtt.reasons import OLD_CONNACK


class Connack(NamedTuple):
    """The broker's answer; ``reason`` by the codes of 5.0 under 3.1.1 too."""

    session_present: bool
    reason: int
    properties: dict[str, Any]


class Answer(NamedTuple):
    """PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK: which packet, and how it went."""

    identifier: int
    reasons: tuple[int, ...]


def read_publish(found: Packet, *, v5: bool) -> Publish:
    """Read a message. Raises MalformedError, and UnicodeDecodeError for a topic that is no UTF-8."""
    first, body, missing = found
    end = 2 + (int.from_bytes(body[:2], "big"))
    if end > len(body):
        raise MalformedError("a topic longer than its packet")
    qos, identifier = first >> 1 & 3, 0
    if qos == 3:  # noqa: PLR2004  (there is none)
        raise MalformedError("QoS 3")
    if end == 2:  # noqa: PLR2004  (the length itself)
        raise MalformedError("a message without a topic")  # a topic alias, and we allow none (section 3.3.2.3.4)
    topic = body[2:end].decode()
    if qos:
        identifier, end = int.from_bytes(body[end : end + 2], "big"), end + 2
        if not identifier:
            raise MalformedError("packet identifier 0")
    properties: dict[str, Any] = {}
    if v5 and not missing:
        if body[end : end + 1] == b"\0":
            end += 1
        else:
            cursor = Cursor(body, end)
            properties, end = read_properties(cursor), cursor.position
    return Publish(topic, body[end:], qos, bool(first & 1), bool(first & 8), identifier, properties)


def identifier_of(found: Packet) -> int:
    """Return the packet identifier of a message whose topic cannot be read; 0 for QoS 0."""
    end = 2 + int.from_bytes(found.body[:2], "big")
    return int.from_bytes(found.body[end : end + 2], "big") if found.first & 6 else 0


def read_connack(body: bytes, *, v5: bool) -> Connack:
    """Read a CONNACK. A 5.0 client's is read also where an old broker refuses in the form of 3.1.1."""
    cursor = Cursor(body)
    present, reason = bool(cursor.number(1) & 1), cursor.number(1)
    if not v5 or not cursor.rest():
        return Connack(present, OLD_CONNACK.get(reason, reason), {})
    return Connack(present, reason, read_properties(cursor))


def read_answer(found: Packet, *, v5: bool) -> Answer:
    """Read an answer to a packet of ours, or a PUBREL."""
    cursor = Cursor(found.body)
    identifier = cursor.number(2)
    kind = found.first & 0xF0
    if kind in (Type.SUBACK, Type.UNSUBACK):
        if v5:
            read_properties(cursor)
        return Answer(identifier, tuple(cursor.rest()) or (0,))
    return Answer(identifier, (cursor.number(1),) if cursor.rest() else (0,))


def read_disconnect(body: bytes) -> int:
    """Return the reason code of the broker's DISCONNECT."""
    return body[0] if body else 0
