"""Scope ``aprs``: a feed of APRS packets from a TNC (APRS 1.0.1 with the 1.1 and 1.2 additions).

**Lifetime, order, addresses, limits, closing** are those of ``ax25`` (`edge.spec.ax25`), whose fields every event
carries too. Frames that are not APRS (control other than 0x03, PID other than 0xF0) are counted by the transport and
not passed on.

**Scope.** As ``ax25``, with ``type`` "aprs".

**The packet.** ``format`` says what it is: one of `transports.codecs.aprs`'s formats, ``"unparsed"`` where the parser
gave up; then ``reason`` says why and ``info`` still has every byte. ``packet`` holds what was understood, in plain
values and one system of units (degrees, metres, km/h, °C, hPa, mm; wind in m/s). Input from the air is hostile: a field
is there only if it was understood, and text can hold anything. ``origins`` says of which fields the value is not as
the standard has it: a field that it does not name is; one that it names begins with "lenient" (sent otherwise than the
standard says, yet plain) or "guessed" (what was sent does not settle it), and goes on with the rule. A value within
``weather`` is named ``weather.gust`` and the like. ``made_by`` names the sender's device or program by ``vendor``,
``model`` and ``class``, each only where it is known.

**Sending.** ``aprs.send`` takes ``info`` as bytes, or a ``packet``:

* ``{"format": "message", "addressee": "QQ1ABC-7", "text": "hello", "id": "01"}`` (text of at most 67 bytes)
* ``{"format": "ack", "addressee": …, "id": …}`` and ``{"format": "reject", …}``
* ``{"format": "status", "text": …}``
* ``{"format": "position", "latitude": …, "longitude": …, "symbol": "/-", "comment": …}``

It passes the transmit gate as every transmission does.
"""

from typing import Any, Literal, NotRequired, TypedDict


class Connect(TypedDict):
    """The feed is up."""

    type: Literal["aprs.connect"]


class Receive(TypedDict):
    """A packet was heard."""

    type: Literal["aprs.receive"]
    port: int
    source: str
    destination: str
    via: list[str]
    control: int
    pid: int | None
    info: bytes
    raw: bytes
    time: float
    format: str
    packet: dict[str, Any]  # plain values, by format
    reason: str  # why format is "unparsed", else ""
    made_by: dict[str, str]  # vendor, model, class
    origins: dict[str, str]  # fields of packet that are not as the standard has them: "lenient: …" or "guessed: …"
    summary: str  # one short sentence for people, of at most 200 characters


class Sent(TypedDict):
    """The TNC said that a frame with an ``id`` is on the air, or has not said so in time; needs no handler."""

    type: Literal["aprs.sent"]
    port: int
    id: str  # as it was sent
    confirmed: bool  # False: no word for 120 seconds, or too many wait (256); it may have left all the same
    seconds: float  # since it was given to the TNC


class Report(TypedDict):
    """The TNC says something of itself (SETHW); needs no handler."""

    type: Literal["aprs.report"]
    port: int
    name: str  # "tnc": what it is; "txbuf": how much waits; "hardware": anything else
    text: str  # printable ASCII, or ""; "DIREWOLF 1.6"
    number: int | None  # of "txbuf": bytes. 0 does not say that the last frame has left the antenna
    raw: bytes  # the body of the SETHW frame


class Disconnect(TypedDict):
    """The feed is gone; the last event."""

    type: Literal["aprs.disconnect"]
    code: int  # edge.spec.CloseCode
    reason: str


class Send(TypedDict):
    """Transmit a packet: ``info``, or ``packet``."""

    type: Literal["aprs.send"]
    port: NotRequired[int]
    source: NotRequired[str]  # default: the station's own callsign
    destination: NotRequired[str]  # default: this software's to-call, APZEDG
    via: NotRequired[list[str]]  # default: the device's path
    info: NotRequired[bytes]
    packet: NotRequired[dict[str, Any]]
    id: NotRequired[str]  # 1 to 64 characters; where the scope confirms, ``aprs.sent`` brings it back
    origin: NotRequired[str]  # the device this came from, if it was forwarded; the gate refuses a loop


class Close(TypedDict):
    """Leave the feed."""

    type: Literal["aprs.close"]
    code: NotRequired[int]
    reason: NotRequired[str]


EVENTS = {
    "aprs.connect": Connect,
    "aprs.receive": Receive,
    "aprs.sent": Sent,
    "aprs.report": Report,
    "aprs.disconnect": Disconnect,
    "aprs.send": Send,
    "aprs.close": Close,
}
