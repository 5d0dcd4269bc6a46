"""Scope ``websocket``: the ASGI standard's own (asgi.readthedocs.io, "WebSocket", spec version 2.5).

Here only for the names of the fields, so that a handler can be checked when its class is made.
"""

from collections.abc import Iterable
from typing import Literal, NotRequired, TypedDict


class Connect(TypedDict):
    """A client asks for a connection."""

    type: Literal["websocket.connect"]


class Receive(TypedDict):
    """A message came: at least one of the two is not None."""

    type: Literal["websocket.receive"]
    text: NotRequired[str | None]
    bytes: NotRequired[bytes | None]


class Disconnect(TypedDict):
    """The connection is gone; the last event."""

    type: Literal["websocket.disconnect"]
    code: NotRequired[int]  # 1005 where the client gave none
    reason: NotRequired[str | None]


class Accept(TypedDict):
    """Take the connection."""

    type: Literal["websocket.accept"]
    subprotocol: NotRequired[str | None]
    headers: NotRequired[Iterable[tuple[bytes, bytes]]]


class Send(TypedDict):
    """Send a message: exactly one of the two."""

    type: Literal["websocket.send"]
    text: NotRequired[str | None]
    bytes: NotRequired[bytes | None]


class Close(TypedDict):
    """End the connection, or refuse it where it was not accepted."""

    type: Literal["websocket.close"]
    code: NotRequired[int]
    reason: NotRequired[str | None]


EVENTS = {
    "websocket.connect": Connect,
    "websocket.receive": Receive,
    "websocket.disconnect": Disconnect,
    "websocket.accept": Accept,
    "websocket.send": Send,
    "websocket.close": Close,
}
