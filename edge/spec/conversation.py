"""Scope ``conversation``: a dialogue with one peer, in the shape of a WebSocket without its HTTP parts.

Made by `edge.conversations` out of APRS messages (one per station), of MQTT topics (one per captured name) and of AX.25
connections, so that a consumer written for a browser talks to a handheld radio, to a broker and to a packet terminal
unchanged.

**Lifetime.** From the first thing the peer says, or over AX.25 from its connection, until either closes, until the peer
is silent for the idle time (30 minutes by default), or until the feed below is lost.

**Scope.** ``type`` "conversation"; ``peer`` who it is (a callsign, a captured topic part); ``over`` the scope type
below ("aprs", "mqtt", "ax25"); ``called`` whether we have called the peer; ``device``; ``state``; ``path``
``/<device>/<peer>``, so that an application of one's own can put a URL router on top.

**Order.** ``conversation.connect``; the consumer answers ``conversation.accept`` or ``conversation.close``; then
``conversation.receive`` and ``conversation.send`` in any order; ``conversation.disconnect`` last.

**Limits.** ``text`` in either direction is 1 to 4,096 characters. What is longer than the carrier allows is cut into
pieces, between words where it can be. Over APRS a message is delivered when the peer acknowledges it, retried with
growing gaps, and given up after five tries. Over AX.25 a text is a line, in either direction; what comes and is not
UTF-8 is ``bytes``, and ``bytes`` that go out go as they are. While much is on its way (2,048 bytes) a
``conversation.send`` waits; of one peer's, at most 32,768 bytes wait.

**Closing.** With code and reason, as `edge.spec.CloseCode` has them.
"""

from typing import Literal, NotRequired, TypedDict


class Connect(TypedDict):
    """A peer has begun to talk."""

    type: Literal["conversation.connect"]


class Receive(TypedDict):
    """The peer said something: exactly one of the two is not None."""

    type: Literal["conversation.receive"]
    text: str | None
    bytes: bytes | None


class Disconnect(TypedDict):
    """The dialogue is over; the last event."""

    type: Literal["conversation.disconnect"]
    code: int  # edge.spec.CloseCode
    reason: str


class Accept(TypedDict):
    """Talk to this peer."""

    type: Literal["conversation.accept"]


class Send(TypedDict):
    """Say something: exactly one of the two."""

    type: Literal["conversation.send"]
    text: NotRequired[str | None]
    bytes: NotRequired[bytes | None]


class Close(TypedDict):
    """End the dialogue, or refuse it where it was not accepted."""

    type: Literal["conversation.close"]
    code: NotRequired[int]
    reason: NotRequired[str]


EVENTS = {
    "conversation.connect": Connect,
    "conversation.receive": Receive,
    "conversation.disconnect": Disconnect,
    "conversation.accept": Accept,
    "conversation.send": Send,
    "conversation.close": Close,
}
