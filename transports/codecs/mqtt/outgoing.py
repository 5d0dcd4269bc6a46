"""What a client sends, as bytes (MQTT 5.0 and 3.1.1, section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transports.codecs.mqtt.fields import binary, short, text, write_length, write_properties
from transports.codecs.mqtt.packets import Publish, Type


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
        parts = [text(self.client_id)]
        if self.will is not None:
            flags |= 0x04 | self.will.qos << 3 | self.will.retain << 5
            parts += [*([write_properties({})] if self.v5 else []), text(self.will.topic), binary(self.will.payload)]
        if self.username is not None:
            flags |= 0x80
            parts.append(text(self.username))
        if self.password is not None:
            flags |= 0x40
            parts.append(binary(self.password))
        head = text("MQTT") + bytes((5 if self.v5 else 4, flags)) + short(self.keepalive)
        return packet(Type.CONNECT, head, write_properties(self.properties) if self.v5 else b"", *parts)


def packet(first: int, *parts: bytes) -> bytes:
    """Put a packet together."""
    body = b"".join(parts)
    return bytes((first,)) + write_length(len(body)) + body


PING = packet(Type.PINGREQ)


def publish(message: Publish, *, v5: bool) -> bytes:
    """Return a PUBLISH (section 3.3)."""
    first = Type.PUBLISH | message.dup << 3 | message.qos << 1 | message.retain
    identifier = short(message.identifier) if message.qos else b""
    properties = (write_properties(message.properties) if message.properties else b"\0") if v5 else b""
    return packet(first, text(message.topic), identifier, properties, message.payload)


def answer(kind: Type, identifier: int) -> bytes:
    """Return a PUBACK, PUBREC, PUBREL or PUBCOMP that says success, which both versions write alike."""
    return bytes((kind | 0x02 if kind is Type.PUBREL else kind, 2)) + short(identifier)


def subscribe(identifier: int, asked: str, options: int, *, v5: bool, properties: Mapping[str, Any]) -> bytes:
    """Return a SUBSCRIBE for one filter; ``options`` is the byte of section 3.8.3.1, under 3.1.1 the QoS alone."""
    said = write_properties(properties) if v5 else b""
    return packet(Type.SUBSCRIBE | 0x02, short(identifier), said, text(asked), bytes((options,)))


def unsubscribe(identifier: int, asked: str, *, v5: bool) -> bytes:
    """Return an UNSUBSCRIBE for one filter."""
    return packet(Type.UNSUBSCRIBE | 0x02, short(identifier), b"\0" if v5 else b"", text(asked))


def disconnect(reason: int, *, v5: bool) -> bytes:
    """Return a DISCONNECT; under 3.1.1 it gives no reason."""
    return packet(Type.DISCONNECT, bytes((reason,)) if v5 and reason else b"")
