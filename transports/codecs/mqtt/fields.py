"""The fields of a packet: numbers, text, and properties by the standard's names (MQTT 5.0, sections 1.5 and 2.2.2)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_LENGTH = 268_435_455  # bytes; what four bytes of length can say (section 1.5.5)
MAX_IDENTIFIER = 268_435_455  # of a subscription (section 3.8.2.1.2)
MAX_SHORT = 65_535


class MalformedError(ValueError):
    """Bytes that are no MQTT packet; the connection cannot be read any further (section 4.13)."""


def read_length(data: bytes, position: int) -> tuple[int, int] | None:
    """Read a variable byte integer (section 1.5.5); None where its end has not come yet."""
    value = 0
    for index in range(4):
        if position + index >= len(data):
            return None
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004  (the last one)
            return value, position + index + 1
    raise MalformedError("a length of more than four bytes")


def write_length(value: int) -> bytes:
    """Return a variable byte integer (section 1.5.5); ValueError beyond `MAX_LENGTH`."""
    if value > MAX_LENGTH:
        raise ValueError(f"a packet has {MAX_LENGTH} bytes at most; this would have {value}")
    encoded = bytearray()
    while value > 127:  # noqa: PLR2004  (seven bits a byte)
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def short(value: int) -> bytes:
    """Return a two byte integer (section 1.5.2)."""
    return value.to_bytes(2, "big")


def text(value: str) -> bytes:
    """Return a UTF-8 string (section 1.5.4); ValueError beyond `MAX_SHORT` bytes."""
    return binary(value.encode())


def binary(value: bytes) -> bytes:
    """Return binary data (section 1.5.6); ValueError beyond `MAX_SHORT` bytes."""
    if len(value) > MAX_SHORT:
        raise ValueError(f"expected at most {MAX_SHORT} bytes; got {len(value)}")
    return short(len(value)) + value


def _pair(value: Sequence[str]) -> bytes:
    name, said = value
    return text(name) + text(said)


class Cursor:
    """Reads fields out of one packet's body; `MalformedError` where it ends too early."""

    __slots__ = ("_body", "position")

    def __init__(self, body: bytes, position: int = 0) -> None:
        self._body = body
        self.position = position

    def take(self, count: int) -> bytes:
        """Return so many bytes."""
        end = self.position + count
        if end > len(self._body):
            raise MalformedError(f"a packet ends {end - len(self._body)} bytes too early")
        taken, self.position = self._body[self.position : end], end
        return taken

    def number(self, count: int) -> int:
        """Return an integer of so many bytes."""
        return int.from_bytes(self.take(count), "big")

    def length(self) -> int:
        """Return a variable byte integer."""
        found = read_length(self._body, self.position)
        if found is None:
            raise MalformedError("a packet ends within a length")
        value, self.position = found
        return value

    def binary(self) -> bytes:
        """Return binary data."""
        return self.take(self.number(2))

    def text(self) -> str:
        """Return a UTF-8 string; UnicodeDecodeError, which is a ValueError, for what is none."""
        return self.binary().decode()

    def rest(self) -> bytes:
        """Return what is left, without going on."""
        return self._body[self.position :]


@dataclass(frozen=True, slots=True)
class _Kind:
    read: Callable[[Cursor], Any]  # Any: the property's own type
    write: Callable[[Any], bytes]


_BYTE = _Kind(lambda cursor: cursor.number(1), lambda value: int(value).to_bytes(1, "big"))
_SHORT = _Kind(lambda cursor: cursor.number(2), short)
_LONG = _Kind(lambda cursor: cursor.number(4), lambda value: int(value).to_bytes(4, "big"))
_LENGTH = _Kind(Cursor.length, write_length)
_TEXT = _Kind(Cursor.text, text)
_BINARY = _Kind(Cursor.binary, binary)
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


def write_properties(values: Mapping[str, Any]) -> bytes:
    """Return properties with their length (section 2.2.2)."""
    encoded = b"".join(_each_property(values))
    return write_length(len(encoded)) + encoded


def _each_property(values: Mapping[str, Any]) -> Iterator[bytes]:
    for name, value in values.items():
        number, kind = PROPERTIES[name]
        for one in value if name in _LISTS else (value,):
            yield bytes((number,)) + kind.write(one)


def read_properties(cursor: Cursor) -> dict[str, Any]:
    """Read properties with their length; MalformedError for a number that none has."""
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
