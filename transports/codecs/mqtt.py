"""MQTT packets as values: bytes in, `Packet` and `Publish` out, and the packets that a client sends as bytes.

Pure (MQTT 5.0 and 3.1.1, section 3 of both). Knows no session: who waits for which answer is `transports.mqtt_wire`.
Properties are dictionaries by the standard's names in snake case (section 2.2.2.2 of MQTT 5.0); ``user_property`` is a
list of pairs, ``subscription_identifier`` a list of numbers, all else occurs once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

MAX_LENGTH = 268_435_455  # bytes; what four bytes of length can say (section 1.5.5)
MAX_IDENTIFIER = 268_435_455  # of a subscription (section 3.8.2.1.2)
MAX_SHORT = 65_535
HEAD = 65_541  # bytes of a packet that is too large that are kept: the longest topic, and the packet identifier
FAILURE = 0x80  # reason codes from here on are refusals


class Type(IntEnum):
    """Packet types, in the upper half of the first byte (section 2.1.2)."""

    CONNECT = 0x10
    CONNACK = 0x20
    PUBLISH = 0x30
    PUBACK = 0x40
    PUBREC = 0x50
    PUBREL = 0x60
    PUBCOMP = 0x70
    SUBSCRIBE = 0x80
    SUBACK = 0x90
    UNSUBSCRIBE = 0xA0
    UNSUBACK = 0xB0
    PINGREQ = 0xC0
    PINGRESP = 0xD0
    DISCONNECT = 0xE0


REASONS = {
    0x00: "Success",
    0x04: "Disconnect with will message",
    0x10: "No matching subscribers",
    0x11: "No subscription found",
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x84: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8B: "Server shutting down",
    0x8C: "Bad authentication method",
    0x8D: "Keep alive timeout",
    0x8E: "Session taken over",
    0x8F: "Topic filter invalid",
    0x90: "Topic name invalid",
    0x91: "Packet identifier in use",
    0x92: "Packet identifier not found",
    0x93: "Receive maximum exceeded",
    0x94: "Topic alias invalid",
    0x95: "Packet too large",
    0x96: "Message rate too high",
    0x97: "Quota exceeded",
    0x98: "Administrative action",
    0x99: "Payload format invalid",
    0x9A: "Retain not supported",
    0x9B: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9E: "Shared subscriptions not supported",
    0x9F: "Connection rate exceeded",
    0xA0: "Maximum connect time",
    0xA1: "Subscription identifiers not supported",
    0xA2: "Wildcard subscriptions not supported",
}
_OLD_CONNACK = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}  # return codes of 3.1.1, section 3.2.2.3


class MalformedError(ValueError):
    """Bytes that are no MQTT packet; the connection cannot be read any further (section 4.13)."""


class Packet(NamedTuple):
    """One packet: its first byte, what follows the length, and how much of that was cut off as too large."""

    first: int
    body: bytes
    missing: int = 0


class Publish(NamedTuple):
    """A message. ``identifier`` is 0 for QoS 0. Properties are empty under 3.1.1."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    identifier: int
    properties: dict[str, Any]  # Any: a property is a number, text, bytes or a list of them, by its name


class Packets:
    """Cuts a stream into packets. Holds one unfinished packet at most, of ``limit`` bytes.

    A larger PUBLISH is handed on with its first `HEAD` bytes and the number of those that were passed over, so that
    it can be told and acknowledged; `MalformedError` for any other that large, and for a length that is none.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._need = 2  # bytes before there is something to cut
        self._skip = 0  # bytes of a packet that is too large, yet to come

    def feed(self, data: bytes) -> list[Packet]:
        """Take what was read; return the packets that are whole now."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
        elif len(data) < self._need:
            self._rest += data
            return []
        found: list[Packet] = []
        position = self._cut(data, found)
        self._rest = bytearray(data[position:])
        return found

    def _cut(self, data: bytes, found: list[Packet]) -> int:
        position, size = 0, len(data)
        self._need = 2
        while size - position >= 2:  # noqa: PLR2004  (first byte and one of the length)
            length, start = data[position + 1], position + 2
            if length > 127:  # noqa: PLR2004  (more bytes of length follow)
                decoded = _read_length(data, position + 1)
                if decoded is None:
                    break
                length, start = decoded
            end = start + length
            if length > self._limit:
                end = self._cut_large(data, position, start, length, found)
            elif end > size:
                self._need = end - position
            else:
                found.append(Packet(data[position], data[start:end]))
                position = end
                continue
            if end > size:
                break
            position = end
        return position

    def _cut_large(self, data: bytes, position: int, start: int, length: int, found: list[Packet]) -> int:
        """Hand on the head of a packet that is too large; return where the next one begins, beyond all if unknown."""
        if data[position] & 0xF0 != Type.PUBLISH:
            raise MalformedError(f"a packet of {length} bytes that is no message")
        head = min(length, HEAD)
        if len(data) - start < head:
            self._need = start + head - position
            return len(data) + 1
        found.append(Packet(data[position], data[start : start + head], length - head))
        end = start + length
        if end > len(data):
            self._skip = end - len(data)
            return len(data)
        return end


def _read_length(data: bytes, position: int) -> tuple[int, int] | None:
    """Read a variable byte integer (section 1.5.5); None where its end has not come yet."""
    value = 0
    for index in range(4):
        if position + index >= len(data):
            return None
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < FAILURE:
            return value, position + index + 1
    raise MalformedError("a length of more than four bytes")


def _length(value: int) -> bytes:
    if value > MAX_LENGTH:
        raise ValueError(f"a packet has {MAX_LENGTH} bytes at most; this would have {value}")
    encoded = bytearray()
    while value > 127:  # noqa: PLR2004  (seven bits a byte)
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _short(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _text(value: str) -> bytes:
    return _binary(value.encode())


def _binary(value: bytes) -> bytes:
    if len(value) > MAX_SHORT:
        raise ValueError(f"expected at most {MAX_SHORT} bytes; got {len(value)}")
    return _short(len(value)) + value


def _pair(value: Sequence[str]) -> bytes:
    name, text = value
    return _text(name) + _text(text)


class _Cursor:
    """Reads fields out of one packet's body; `MalformedError` where it ends too early."""

    __slots__ = ("_body", "position")

    def __init__(self, body: bytes, position: int = 0) -> None:
        self._body = body
        self.position = position

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._body):
            raise MalformedError(f"a packet ends {end - len(self._body)} bytes too early")
        taken, self.position = self._body[self.position : end], end
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def length(self) -> int:
        found = _read_length(self._body, self.position)
        if found is None:
            raise MalformedError("a packet ends within a length")
        value, self.position = found
        return value

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return self.binary().decode()  # UnicodeDecodeError is a ValueError

    def rest(self) -> bytes:
        return self._body[self.position :]


@dataclass(frozen=True, slots=True)
class _Kind:
    read: Callable[[_Cursor], Any]  # Any: the property's own type
    write: Callable[[Any], bytes]


_BYTE = _Kind(lambda cursor: cursor.number(1), lambda value: int(value).to_bytes(1, "big"))
_SHORT = _Kind(lambda cursor: cursor.number(2), _short)
_LONG = _Kind(lambda cursor: cursor.number(4), lambda value: int(value).to_bytes(4, "big"))
_LENGTH = _Kind(_Cursor.length, _length)
_TEXT = _Kind(_Cursor.text, _text)
_BINARY = _Kind(_Cursor.binary, _binary)
_PAIR = _Kind(lambda cursor: [cursor.text(), cursor.text()], _pair)

PROPERTIES: dict[str, tuple[int, _Kind]] = {  # MQTT 5.0, table 2-4
    "payload_format_indicator": (0x01, _BYTE),
    "message_expiry_interval": (0x02, _LONG),
    "content_type": (0x03, _TEXT),
    "response_topic": (0x08, _TEXT),
    "correlation_data": (0x09, _BINARY),
    "subscription_identifier": (0x0B, _LENGTH),
    "session_expiry_interval": (0x11, _LONG),
    "assigned_client_identifier": (0x12, _TEXT),
    "server_keep_alive": (0x13, _SHORT),
    "authentication_method": (0x15, _TEXT),
    "authentication_data": (0x16, _BINARY),
    "request_problem_information": (0x17, _BYTE),
    "will_delay_interval": (0x18, _LONG),
    "request_response_information": (0x19, _BYTE),
    "response_information": (0x1A, _TEXT),
    "server_reference": (0x1C, _TEXT),
    "reason_string": (0x1F, _TEXT),
    "receive_maximum": (0x21, _SHORT),
    "topic_alias_maximum": (0x22, _SHORT),
    "topic_alias": (0x23, _SHORT),
    "maximum_qos": (0x24, _BYTE),
    "retain_available": (0x25, _BYTE),
    "user_property": (0x26, _PAIR),
    "maximum_packet_size": (0x27, _LONG),
    "wildcard_subscription_available": (0x28, _BYTE),
    "subscription_identifier_available": (0x29, _BYTE),
    "shared_subscription_available": (0x2A, _BYTE),
}
_BY_NUMBER = {number: (name, kind) for name, (number, kind) in PROPERTIES.items()}
_LISTS = frozenset({"user_property", "subscription_identifier"})


def _properties(values: Mapping[str, Any]) -> bytes:
    encoded = b"".join(_each_property(values))
    return _length(len(encoded)) + encoded


def _each_property(values: Mapping[str, Any]) -> Iterator[bytes]:
    for name, value in values.items():
        number, kind = PROPERTIES[name]
        for one in value if name in _LISTS else (value,):
            yield bytes((number,)) + kind.write(one)


def _read_properties(cursor: _Cursor) -> dict[str, Any]:
    length = cursor.length()
    if not length:
        return {}
    end = cursor.position + length
    found: dict[str, Any] = {}
    while cursor.position < end:
        number = cursor.number(1)
        if number not in _BY_NUMBER:
            raise MalformedError(f"property {number} is unknown")
        name, kind = _BY_NUMBER[number]
        if name in _LISTS:
            found.setdefault(name, []).append(kind.read(cursor))
        else:
            found[name] = kind.read(cursor)
    if cursor.position != end:
        raise MalformedError("properties that end in the middle of one")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """A message that is published for a client, or by it."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """What a client says first (section 3.1). ``properties`` go unsaid under 3.1.1."""

    client_id: str
    v5: bool
    clean: bool
    keepalive: int  # seconds
    username: str | None
    password: bytes | None
    will: Will | None
    properties: Mapping[str, Any]

    def encode(self) -> bytes:
        """Return the packet."""
        flags = self.clean << 1
        parts = [_text(self.client_id)]
        if self.will is not None:
            flags |= 0x04 | self.will.qos << 3 | self.will.retain << 5
            parts += [*([_properties({})] if self.v5 else []), _text(self.will.topic), _binary(self.will.payload)]
        if self.username is not None:
            flags |= 0x80
            parts.append(_text(self.username))
        if self.password is not None:
            flags |= 0x40
            parts.append(_binary(self.password))
        head = _text("MQTT") + bytes((5 if self.v5 else 4, flags)) + _short(self.keepalive)
        return packet(Type.CONNECT, head, _properties(self.properties) if self.v5 else b"", *parts)


class Connack(NamedTuple):
    """The broker's answer; ``reason`` by the codes of 5.0 under 3.1.1 too."""

    session_present: bool
    reason: int
    properties: dict[str, Any]


class Answer(NamedTuple):
    """PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK: which packet, and how it went."""

    identifier: int
    reasons: tuple[int, ...]


def packet(first: int, *parts: bytes) -> bytes:
    """Put a packet together."""
    body = b"".join(parts)
    return bytes((first,)) + _length(len(body)) + body


PING = packet(Type.PINGREQ)


def publish(message: Publish, *, v5: bool) -> bytes:
    """Return a PUBLISH (section 3.3)."""
    first = Type.PUBLISH | message.dup << 3 | message.qos << 1 | message.retain
    identifier = _short(message.identifier) if message.qos else b""
    properties = (_properties(message.properties) if message.properties else b"\0") if v5 else b""
    return packet(first, _text(message.topic), identifier, properties, message.payload)


def answer(kind: Type, identifier: int) -> bytes:
    """Return a PUBACK, PUBREC, PUBREL or PUBCOMP that says success, which both versions write alike."""
    return bytes((kind | 0x02 if kind is Type.PUBREL else kind, 2)) + _short(identifier)


def subscribe(identifier: int, text: str, options: int, *, v5: bool, properties: Mapping[str, Any]) -> bytes:
    """Return a SUBSCRIBE for one filter; ``options`` is the byte of section 3.8.3.1, under 3.1.1 the QoS alone."""
    said = _properties(properties) if v5 else b""
    return packet(Type.SUBSCRIBE | 0x02, _short(identifier), said, _text(text), bytes((options,)))


def unsubscribe(identifier: int, text: str, *, v5: bool) -> bytes:
    """Return an UNSUBSCRIBE for one filter."""
    return packet(Type.UNSUBSCRIBE | 0x02, _short(identifier), b"\0" if v5 else b"", _text(text))


def disconnect(reason: int, *, v5: bool) -> bytes:
    """Return a DISCONNECT; under 3.1.1 it gives no reason."""
    return packet(Type.DISCONNECT, bytes((reason,)) if v5 and reason else b"")


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
            cursor = _Cursor(body, end)
            properties, end = _read_properties(cursor), cursor.position
    return Publish(topic, body[end:], qos, bool(first & 1), bool(first & 8), identifier, properties)


def identifier_of(found: Packet) -> int:
    """Return the packet identifier of a message whose topic cannot be read; 0 for QoS 0."""
    end = 2 + int.from_bytes(found.body[:2], "big")
    return int.from_bytes(found.body[end : end + 2], "big") if found.first & 6 else 0


def read_connack(body: bytes, *, v5: bool) -> Connack:
    """Read a CONNACK. A 5.0 client's is read also where an old broker refuses in the form of 3.1.1."""
    cursor = _Cursor(body)
    present, reason = bool(cursor.number(1) & 1), cursor.number(1)
    if not v5 or not cursor.rest():
        return Connack(present, _OLD_CONNACK.get(reason, reason), {})
    return Connack(present, reason, _read_properties(cursor))


def read_answer(found: Packet, *, v5: bool) -> Answer:
    """Read an answer to a packet of ours, or a PUBREL."""
    cursor = _Cursor(found.body)
    identifier = cursor.number(2)
    kind = found.first & 0xF0
    if kind in (Type.SUBACK, Type.UNSUBACK):
        if v5:
            _read_properties(cursor)
        return Answer(identifier, tuple(cursor.rest()) or (0,))
    return Answer(identifier, (cursor.number(1),) if cursor.rest() else (0,))


def read_disconnect(body: bytes) -> int:
    """Return the reason code of the broker's DISCONNECT."""
    return body[0] if body else 0


def reason_text(reason: int) -> str:
    """Say a reason code by the standard's name for it."""
    return REASONS.get(reason, f"reason code {reason}")
