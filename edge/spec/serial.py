"""Scope ``serial``: an open serial line, or a TCP stream in its place, without any protocol on it.

**Lifetime.** One scope from link-up to link-lost. A line that comes back is a new scope.

**Scope.** ``type`` "serial"; ``device`` the device's name; ``link`` its URL without secrets; ``framing`` "bytes" or
"line"; ``state`` a dictionary that outlives the link.

**Order.** ``serial.connect``, then any number of ``serial.receive``, then one ``serial.disconnect``.

**Limits.** With framing "bytes", ``bytes`` is what one read gave: 1 to 65,536 bytes, with no promise about where it was
cut. With framing "line" it is one line of 1 to 1,024 bytes without its end; ``text`` is the same decoded (UTF-8, else
Latin-1). One ``serial.send`` takes at most 65,536 bytes.

**Closing.** ``serial.close`` closes this consumer's connection, not the port: other routes go on.
"""

from typing import Literal, NotRequired, TypedDict


class Connect(TypedDict):
    """The line is open."""

    type: Literal["serial.connect"]


class Receive(TypedDict):
    """Bytes came."""

    type: Literal["serial.receive"]
    bytes: bytes
    text: str | None  # only with framing "line"
    time: float  # seconds since the epoch, UTC, when the read returned


class Disconnect(TypedDict):
    """The line is gone; the last event."""

    type: Literal["serial.disconnect"]
    code: int  # edge.spec.CloseCode
    reason: str


class Send(TypedDict):
    """Write. Exactly one of the two; with framing "line" the line's end is added."""

    type: Literal["serial.send"]
    bytes: NotRequired[bytes | None]
    text: NotRequired[str | None]  # sent as UTF-8
    origin: NotRequired[str]  # the device this came from, if it was forwarded; the gate refuses a loop


class Close(TypedDict):
    """Leave the line."""

    type: Literal["serial.close"]
    code: NotRequired[int]
    reason: NotRequired[str]


EVENTS = {
    "serial.connect": Connect,
    "serial.receive": Receive,
    "serial.disconnect": Disconnect,
    "serial.send": Send,
    "serial.close": Close,
}
