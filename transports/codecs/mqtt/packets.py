"""A stream cut into packets, and a message as a value. The length and flags are those of MQTT 5.0, section 2.1."""

from enum import IntEnum
from typing import Any, NamedTuple

from transports.codecs.mqtt.fields import MalformedError, read_length

HEAD = 65_541  # bytes of a packet that is too large that are kept: the longest topic, and the packet identifier


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
                decoded = read_length(data, position + 1)
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
