"""MQTT packets as values: bytes in, `Packet` and `Publish` out, and the packets that a client sends as bytes.

Pure (MQTT 5.0 and 3.1.1, section 3 of both). Knows no session: who waits for which answer is `transports.mqtt_wire`.
Properties are dictionaries by the standard's names in snake case (section 2.2.2.2 of MQTT 5.0); ``user_property`` is a
list of pairs, ``subscription_identifier`` a list of numbers, all else occurs once.

`packets` cuts a stream, `incoming` reads what a broker sends, `outgoing` writes what a client does, `fields` and
`reasons` are what both are made of.
"""

from transports.codecs.mqtt.fields import MAX_IDENTIFIER, MAX_LENGTH, MAX_SHORT, PROPERTIES, MalformedError
from transports.codecs.mqtt.incoming import (
    Answer,
    Connack,
    identifier_of,
    read_answer,
    read_connack,
    read_disconnect,
    read_publish,
)
from transports.codecs.mqtt.outgoing import PING, Connect, Will, answer, disconnect, publish, subscribe, unsubscribe
from transports.codecs.mqtt.packets import HEAD, Packet, Packets, Publish, Type
from transports.codecs.mqtt.reasons import FAILURE, REASONS, reason_text

__all__ = [
    "FAILURE",
    "HEAD",
    "MAX_IDENTIFIER",
    "MAX_LENGTH",
    "MAX_SHORT",
    "PING",
    "PROPERTIES",
    "REASONS",
    "Answer",
    "Connack",
    "Connect",
    "MalformedError",
    "Packet",
    "Packets",
    "Publish",
    "Type",
    "Will",
    "answer",
    "disconnect",
    "identifier_of",
    "publish",
    "read_answer",
    "read_connack",
    "read_disconnect",
    "read_publish",
    "reason_text",
    "subscribe",
    "unsubscribe",
]
