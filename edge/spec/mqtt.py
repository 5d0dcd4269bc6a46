"""Scope ``mqtt``: a session with a broker (MQTT 5.0 and 3.1.1), as one route sees it.

**Lifetime.** One scope per route from the broker's CONNACK to the loss of the connection. A broker that comes back is a
new scope; subscriptions are made anew by the route, so no consumer ever does it.

**Scope.** ``type`` "mqtt"; ``device`` the device's name; ``link`` the broker's URL without secrets; ``client_id``;
``state`` a dictionary that outlives the session. Under a route: ``topic_filters``, what the route subscribed to.

**Order.** ``mqtt.connect``, then any number of ``mqtt.receive``, then one ``mqtt.disconnect``. Messages of one topic
come in the broker's order. Overlapping filters of one route deliver once.

**Limits.** ``topic`` is 1 to 65,535 bytes of UTF-8, ``payload`` 0 to 262,144 bytes by default (the device's option).

**Sending.** ``mqtt.send`` publishes. It returns once the broker has acknowledged (QoS 1 and 2) or the message has been
handed to the connection (QoS 0), and raises `edge.errors.LinkLost` if the connection went first.

**Closing.** ``mqtt.close`` closes this consumer's connection, not the broker's.
"""

from typing import Any, Literal, NotRequired, TypedDict


class Connect(TypedDict):
    """The broker has accepted the session."""

    type: Literal["mqtt.connect"]


class Receive(TypedDict):
    """A message came."""

    type: Literal["mqtt.receive"]
    topic: str
    payload: bytes
    qos: int  # 0, 1 or 2
    retain: bool
    properties: dict[str, Any]  # MQTT 5, by the standard's names in snake case; empty under 3.1.1
    time: float  # seconds since the epoch, UTC


class Disconnect(TypedDict):
    """The session is gone; the last event."""

    type: Literal["mqtt.disconnect"]
    code: int  # edge.spec.CloseCode
    reason: str


class Send(TypedDict):
    """Publish."""

    type: Literal["mqtt.send"]
    topic: str  # no wildcards
    payload: bytes | str  # text is sent as UTF-8
    qos: NotRequired[int]  # default 0
    retain: NotRequired[bool]  # default False
    origin: NotRequired[str]  # the device this came from, if it was forwarded; never sent back to it


class Subscribe(TypedDict):
    """Subscribe to one more filter, for this connection's life."""

    type: Literal["mqtt.subscribe"]
    topic: str  # a topic filter (MQTT 5.0, section 4.7)
    qos: NotRequired[int]  # default 0


class Unsubscribe(TypedDict):
    """Give a filter back."""

    type: Literal["mqtt.unsubscribe"]
    topic: str


class Close(TypedDict):
    """Leave the session."""

    type: Literal["mqtt.close"]
    code: NotRequired[int]
    reason: NotRequired[str]


EVENTS = {
    "mqtt.connect": Connect,
    "mqtt.receive": Receive,
    "mqtt.disconnect": Disconnect,
    "mqtt.send": Send,
    "mqtt.subscribe": Subscribe,
    "mqtt.unsubscribe": Unsubscribe,
    "mqtt.close": Close,
}
