"""Scope ``mqtt``: a session with a broker (MQTT 5.0 and 3.1.1), as one route sees it.

**Lifetime.** One scope per route from the broker's CONNACK to the loss of the connection. A broker that comes back is a
new scope; subscriptions are made anew by the route, so no consumer ever does it.

**Scope.** ``type`` "mqtt"; ``device`` the device's name; ``link`` the broker's URL without secrets; ``client_id``;
``state`` a dictionary that outlives the session. Under a route: ``topic_filters``, what the route subscribed to, and
``topic_route``, what its filter caught where the instance serves one captured value: ``{"args": [], "kwargs": {}}``,
in the form of ``url_route``. Where several topics come to one instance it stands on each event.

**Order.** ``mqtt.connect``, then any number of ``mqtt.receive``, then one ``mqtt.disconnect``. Messages of one topic
come in the broker's order. Overlapping filters of one route deliver once, but for what a broker kept for a session
from before its filters were changed.

**Handled.** A message of QoS 1 or 2 is acknowledged to the broker once each app that was given it has handled it. One
of our consumers has, when its handler has returned. Any other app has, when it asks for the next event, or ends. An
app that raises is given the same event again, with ``dup`` true, three times in all; then it is given up, counted and
acknowledged. What was not handled when the connection or the box went, the broker sends again in the next session, if
it kept that (option ``session_expiry``). So an app may see a message twice, and none is lost.

**Limits.** ``topic`` is 1 to 65,535 bytes of UTF-8, ``payload`` 0 to 262,144 bytes by default (the device's option).
At most ``in_flight`` messages (the device's option) wait to be handled; then the broker waits. Acknowledgements go out
in the order in which the messages came (MQTT 5.0, section 4.6), so the slowest app sets their pace. Until then no app
waits for another. A session has 1,000 topic filters at most.

**Properties.** ``payload_format_indicator`` 0 or 1, ``message_expiry_interval`` seconds, ``content_type`` and
``response_topic`` text, ``correlation_data`` bytes, ``user_property`` a list of pairs of text (MQTT 5.0, section
3.3.2.3). Under 3.1.1 none come, and none are sent.

**Sending.** ``mqtt.send`` publishes. It returns once the broker has acknowledged (QoS 1 and 2) or the message has been
handed to the connection (QoS 0), and raises `edge.errors.LinkLost` if the connection went first,
`edge.errors.LocalProtocolError` for what the specification or the broker does not allow.

**Durable.** ``mqtt.send`` with ``durable`` goes into the outbox (`edge.outbox`): it returns once the message is on
disk, whether the broker is there or not, and raises `edge.outbox.OutboxRefused` where it is not kept. The message is
sent with QoS 1 at least, in order with the others of its topic, at least once, until the broker has confirmed it or
``expires`` is over. In MQTT 5 its user property ``edge-id`` is the same each time that it is sent, and no other
message's.

**Subscribing.** Several may hold one filter: the highest QoS that a holder asks for counts, sinks when that holder
leaves, and ``retain_as_published`` counts if one asks for it, ``no_local`` if all do. Retained messages come to the
holder that subscribed (the event has its ``holder``, which no route's app sees); under 3.1.1 to everybody on the
filter, and only when its first holder comes.

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
    retain: bool  # kept from before; with retain_as_published: as its publisher said
    dup: bool  # it may have been seen before
    properties: dict[str, Any]  # MQTT 5, by the standard's names in snake case; empty under 3.1.1
    share: str | None  # the $share filter that this copy came by; empty: none; None: it cannot be told (3.1.1)
    time: float  # seconds since the epoch, UTC
    topic_route: NotRequired[dict[str, Any]]  # under a route: what its filter caught, "args" and "kwargs"


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
    properties: NotRequired[dict[str, Any]]  # as in ``mqtt.receive``
    origin: NotRequired[str]  # the device this came from, if it was forwarded; never sent back to it
    durable: NotRequired[bool]  # by the outbox; default False
    expires: NotRequired[float]  # of what is durable: seconds; default message_expiry_interval, or else 7 days


class Subscribe(TypedDict):
    """Subscribe to one more filter, for this connection's life."""

    type: Literal["mqtt.subscribe"]
    topic: str  # a topic filter (MQTT 5.0, section 4.7), or $share/NAME/FILTER (4.8.2)
    qos: NotRequired[int]  # default 0
    no_local: NotRequired[bool]  # not what this session publishes itself; default False; not with $share
    retain_as_published: NotRequired[bool]  # default False
    retained: NotRequired[str]  # "begin" (default): what is retained, now; "new": if the session is new; "never"
    holder: NotRequired[str]  # who asks, where several do by one connection


class Unsubscribe(TypedDict):
    """Give a filter back."""

    type: Literal["mqtt.unsubscribe"]
    topic: str
    holder: NotRequired[str]  # as in ``mqtt.subscribe``


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
