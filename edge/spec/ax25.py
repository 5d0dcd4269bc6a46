"""Scope ``ax25``: a TNC while its link is up, with AX.25 frames (AX.25 v2.2, section 3) as events.

**Lifetime.** One scope from link-up to link-lost. A TNC that comes back is a new scope.

**Scope.** ``type`` "ax25"; ``device`` the device's name; ``link`` its URL without secrets; ``callsign`` the station's
own callsign or an empty string; ``air_baud`` the speed on the air, as it was set; ``confirms`` whether the TNC
says when a frame is on the air (ACKMODE); ``state`` a dictionary that outlives the link.

**Order.** ``ax25.connect``, then any number of ``ax25.receive``, ``ax25.sent`` and ``ax25.report``, then one
``ax25.disconnect``.

**Addresses** are text: callsign of 1 to 6 characters, "-" and SSID 1 to 15, nothing for SSID 0: ``"QQ1ABC-7"``. In
``via`` a trailing ``*`` marks each digipeater that has repeated the frame.

**Limits.** ``info`` holds 0 to 2,016 bytes: a frame's bound is 2,048 (`transports.codecs.kiss`). ``via`` holds 0 to 8
addresses.

**Frames** are named as in the standard (section 4.3): I; RR, RNR, REJ, SREJ; SABM, SABME, DISC, UA, DM, FRMR, UI, XID,
TEST; "unknown" for a control octet without a meaning. ``control`` is read modulo 8, for nothing in a frame says that it
counts modulo 128.

**Sending.** Every ``ax25.send`` passes the transmit gate (`edge.gate`) and may be refused there: refusals are counted
and shown. That of a UI frame is not raised; that of any other is `edge.errors.Refused`, for a connection has to know
what its peer will not hear.

**Connected mode** is made out of this feed by `edge.connected`: each connection is a ``conversation``. ``ax25.call`` on
the channel ``device.<name>`` asks a route for one: ``peer``, and if need be ``via`` (a list), ``callsign`` (which route
calls; default: the station's), ``port``, and ``reply_channel``, where ``ax25.called`` then says what came of it:
``device``, ``peer``, ``callsign``, ``connected`` (true or false) and ``reason`` (in words, where it is false).

**Confirmation.** Where the scope's ``confirms`` is true, an ``ax25.send`` with an ``id`` is answered by one
``ax25.sent``, unless the gate refused it or the link is lost before; elsewhere the id means nothing. Every consumer of
the TNC is told, so an id should be one's own. It says that the transmitter has sent the frame, not that it was heard.

**Closing.** ``ax25.close`` closes this consumer's connection, not the TNC's.
"""

from typing import Literal, NotRequired, TypedDict


class Connect(TypedDict):
    """The TNC's link is up. Nothing has been transmitted, and the TNC was told no more than a person has set."""

    type: Literal["ax25.connect"]


class Receive(TypedDict):
    """A frame was heard."""

    type: Literal["ax25.receive"]
    port: int  # the TNC's radio port, 0 to 15
    source: str
    destination: str
    via: list[str]
    control: int  # 0x03 for UI
    frame: str  # its name, see above
    command: bool | None  # False for a response; None where the C bits do not say, as before version 2
    poll: bool  # the P/F bit: an answer is asked for, or given
    nr: int | None  # N(R), 0 to 7, of I and supervisory frames
    ns: int | None  # N(S), 0 to 7, of I frames
    pid: int | None  # 0xF0 for no layer 3; None where the frame has none
    info: bytes
    raw: bytes  # the whole AX.25 frame as the TNC gave it, without FCS
    time: float  # seconds since the epoch, UTC, when the read returned


class Sent(TypedDict):
    """The TNC said that a frame with an ``id`` is on the air, or has not said so in time; needs no handler."""

    type: Literal["ax25.sent"]
    port: int
    id: str  # as it was sent
    confirmed: bool  # False: no word for 120 seconds, or too many wait (256); it may have left all the same
    seconds: float  # since it was given to the TNC


class Report(TypedDict):
    """The TNC says something of itself (SETHW); needs no handler."""

    type: Literal["ax25.report"]
    port: int
    name: str  # "tnc": what it is; "txbuf": how much waits; "hardware": anything else
    text: str  # printable ASCII, or ""; "DIREWOLF 1.6"
    number: int | None  # of "txbuf": bytes. 0 does not say that the last frame has left the antenna
    raw: bytes  # the body of the SETHW frame


class Disconnect(TypedDict):
    """The TNC is gone; the last event."""

    type: Literal["ax25.disconnect"]
    code: int  # edge.spec.CloseCode
    reason: str


class Send(TypedDict):
    """Transmit a frame, UI where it names no other, or with ``raw`` a whole frame as it is."""

    type: Literal["ax25.send"]
    port: NotRequired[int]
    source: NotRequired[str]  # default: the station's own callsign
    destination: NotRequired[str]  # needed without raw
    via: NotRequired[list[str]]
    info: NotRequired[bytes]
    frame: NotRequired[str]  # default "UI"
    command: NotRequired[bool | None]  # default: UA, DM and FRMR are responses, all others commands
    poll: NotRequired[bool]
    nr: NotRequired[int | None]  # needed in I and supervisory frames
    ns: NotRequired[int | None]  # needed in I frames
    pid: NotRequired[int | None]  # default 0xF0 in I and UI frames
    raw: NotRequired[bytes]
    id: NotRequired[str]  # 1 to 64 characters; where the scope confirms, ``ax25.sent`` brings it back
    origin: NotRequired[str]  # the device this came from, if it was forwarded; the gate refuses a loop


class Close(TypedDict):
    """Leave the TNC."""

    type: Literal["ax25.close"]
    code: NotRequired[int]
    reason: NotRequired[str]


EVENTS = {
    "ax25.connect": Connect,
    "ax25.receive": Receive,
    "ax25.sent": Sent,
    "ax25.report": Report,
    "ax25.disconnect": Disconnect,
    "ax25.send": Send,
    "ax25.close": Close,
}
