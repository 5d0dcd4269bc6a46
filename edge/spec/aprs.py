r"""Scope ``aprs``: a feed of APRS packets from a TNC (APRS 1.0.1 with the 1.1 and 1.2 additions).

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
``weather`` is named ``weather.gust`` and the like.

``packet["device"]`` names what sent it, ``{"vendor", "model", "class"}`` as far as known, by the to-call or the type
bytes of Mic-E; it is there only for a device that is registered.

**Sending.** ``aprs.send`` takes ``info`` as bytes, or a ``packet`` with its ``format`` and the fields of
`transports.codecs.aprs.packet`, in those units. What was heard can be sent as it is: fields that a format does not
carry are passed over. What the air cannot carry is refused with the field, what was expected and what came.

Positions, to a hundredth of a minute (18 m); ``datum`` "W" makes that 0.2 m, ``compressed`` 0.3 m::

    {"format": "position", "latitude": 49.5, "longitude": -72.75, "symbol": "/-", "comment": "at most 43 bytes"}
    {"format": "position", "latitude": 49.5, "longitude": -72.75, "messaging": True, "timestamp": "092345z"}
    {"format": "position", "latitude": 49.5, "longitude": -72.75, "symbol": "/>", "course": 88, "speed": 66.7}
    {"format": "position", "latitude": 49.5, "longitude": -72.75, "altitude": 376.1, "datum": "W"}
    {"format": "position", "latitude": 49.5, "longitude": -72.75, "compressed": True, "course": 88, "speed": 67.1}
    {"format": "position", "latitude": 49.5, "longitude": -72.75, "ambiguity": 2}

``timestamp`` is ``DDHHMMz`` (UTC), ``DDHHMM/`` (local) or ``HHMMSSh`` (UTC). Behind a plain place stands at most one of
``course`` and ``speed`` (km/h), ``phg``, ``dfs``, ``range`` (km), ``area``, ``signpost``; with the symbol ``/\`` a
``bearing`` and its ``nrq`` beside a course. In its comment, telemetry, each number 0 to 8,280::

    {"format": "position", "latitude": 49.5, "longitude": -72.75, "phg": "5132"}
    {"format": "position", "latitude": 49.5, "longitude": -72.75, "range": 80.5}
    {"format": "position", "latitude": 49.5, "longitude": -72.75,
     "telemetry": {"sequence": 7, "values": [199, 0, 8280], "bits": ""}}

Mic-E, whose destination address is part of the position and takes the place of the event's ``destination``;
``mic_e_message`` is M0 to M6, C0 to C6 or Emergency::

    {"format": "mic-e", "latitude": 49.5, "longitude": -72.75, "symbol": "/>", "course": 88, "speed": 66.7,
     "altitude": 376, "mic_e_message": "M2: In Service"}

Objects (1 to 9 characters; without ``timestamp`` a permanent one) and items (3 to 9); ``alive`` False takes them back::

    {"format": "object", "name": "LEADER", "latitude": 49.5, "longitude": -72.75, "symbol": "/>", "alive": True}
    {"format": "item", "name": "AID #2", "latitude": 49.5, "longitude": -72.75, "symbol": "/A", "alive": False}
    {"format": "object", "name": "SEARCH", "latitude": 49.5, "longitude": -72.75, "symbol": "\\l",
     "area": {"shape": 7, "color": 3, "latitude_offset": -0.07, "longitude_offset": 0.07}}
    {"format": "item", "name": "I91 3N", "latitude": 49.5, "longitude": -72.75, "symbol": "\\m", "signpost": "55"}

Weather with a place (the symbol is a weather station's), without one (month, day, hour, minute), and in objects::

    {"format": "weather", "latitude": 49.5, "longitude": -72.75, "weather": {"temperature": 21.5, "humidity": 60}}
    {"format": "weather", "timestamp": "10090556",
     "weather": {"wind_direction": 220, "wind_speed": 1.8, "gust": 2.2, "temperature": 25.0, "rain_1h": 0.5}}
    {"format": "object", "name": "WX", "latitude": 49.5, "longitude": -72.75, "symbol": "/_",
     "weather": {"pressure": 990.0}}

Messages (text of at most 67 bytes, id of at most 5 letters and digits) and their answers; ``reply_ack`` makes them
``{MM}AA`` and ``ackMM}AA`` with ids of at most 2. Bulletins 0 to 9 and announcements A to Z, perhaps of a group::

    {"format": "message", "addressee": "QQ1ABC-7", "text": "hello", "id": "01"}
    {"format": "message", "addressee": "QQ1ABC-7", "text": "hello", "id": "M1", "reply_ack": "A7"}
    {"format": "ack", "addressee": "QQ1ABC-7", "id": "01"}
    {"format": "reject", "addressee": "QQ1ABC-7", "id": "01"}
    {"format": "bulletin", "number": "4", "group": "WX", "text": "Stand by your snowplows"}

Telemetry, and what its five channels and eight bits mean (``addressee`` is whose telemetry it is)::

    {"format": "telemetry", "telemetry": {"sequence": 5, "values": [199, 0, 255, 7.5, -3], "bits": "01101001"}}
    {"format": "telemetry-definition", "addressee": "QQ1ABC", "definition": "PARM", "names": ["Battery", "Inside"]}
    {"format": "telemetry-definition", "addressee": "QQ1ABC", "definition": "UNIT", "names": ["V", "deg.C"]}
    {"format": "telemetry-definition", "addressee": "QQ1ABC", "definition": "EQNS", "coefficients": [0, 0.1, 0]}
    {"format": "telemetry-definition", "addressee": "QQ1ABC", "definition": "BITS", "bits": "11111111", "title": "Hut"}

Status (62 bytes with all that is in it), queries to everybody, capabilities, one's own formats, and a packet of another
network, by its fields or by ``raw``::

    {"format": "status", "text": "on the air"}
    {"format": "status", "text": "on the air", "timestamp": "092345z"}
    {"format": "status", "text": "my house", "locator": "IO91SX", "symbol": "/-", "heading": 110, "erp": 490}
    {"format": "query", "query": "APRS", "latitude": 49.5, "longitude": -72.75, "range": 320}
    {"format": "capabilities", "capabilities": {"IGATE": "", "MSG_CNT": "43"}}
    {"format": "user-defined", "experiment": "Q1", "text": "anything"}
    {"format": "third-party", "source": "QQ1ABC", "destination": "APRS", "path": ["TCPIP", "QQ1GAT*"],
     "packet": {"format": "message", "addressee": "QQ2ABC", "text": "hello", "id": "1"}}

It passes the transmit gate as every transmission does.

**Durable.** ``aprs.send`` with ``durable`` goes into the outbox (`edge.outbox`): it returns once the packet is on disk,
whether the TNC is there or not, and raises `edge.outbox.OutboxRefused` where it is not kept. A message is sent until
the peer has acknowledged or refused it, or five tries went without an answer, or ``expires`` is over; one at a time to
each peer. It needs no ``id``: it is given one that stays the same after a restart, and is cut where it is long. Any
other packet is done once the TNC has it.
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
    durable: NotRequired[bool]  # by the outbox; default False
    expires: NotRequired[float]  # of what is durable: seconds; default one day


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
