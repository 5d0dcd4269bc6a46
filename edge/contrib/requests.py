"""What others ask a bridge to transmit: from a message to the event to send, or why not. Pure; time is passed in.

`Request.read` takes what came (a topic's payload, a line, a packet) as values for templates; `Maker` makes the event
for the device and holds it to what the route may transmit. All of it may be hostile.
"""

import fnmatch
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.contrib.templates import Template, text_of
from edge.errors import ConfigError
from edge.options import option

MAX_PAYLOAD = 16_384  # bytes that are looked at; far more than a frame carries
MAX_DEPTH = 8  # of lists and objects in each other; a packet has three
MAX_WAITING = 100  # requests of one route that wait for their result
MINUTE = 60.0  # seconds

SENDS = (
    ("message", "APRS message"),
    ("status", "APRS status"),
    ("position", "APRS position, of JSON"),
    ("packet", "APRS packet of any format, of JSON"),
    ("info", "APRS information field, as it is"),
    ("ui", "AX.25 UI frame"),
    ("text", "Text on a serial line"),
    ("bytes", "Bytes on a serial line, as they are"),
)
_MAKERS = {"text": "_line"}  # whose name is taken
_SCOPES = {"ui": "ax25", "text": "serial", "bytes": "serial"}  # of what is not for aprs


class Denied(ValueError):  # noqa: N818  (what happened to it; no error of ours)
    """It is not transmitted; the words say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransmitOptions:
    """Where to, what, and what of it is allowed."""

    to: str = option("vhf", label="Device", help="The name of the device that transmits.", minimum=1, maximum=40)
    send: str = option("message", label="Send as", choices=SENDS)
    addressee: str = option(
        "{to}",
        label="Addressee",
        help="Of a message or a UI frame: a name of the match, a field of the JSON, or a callsign as it is.",
        maximum=100,
    )
    text: str = option(
        "{text}",
        label="Text",
        help="A template of the fields of the JSON and the names of the match. What is no JSON is {text} as a whole.",
        maximum=500,
    )
    addressees: str = option(
        "*",
        label="Allowed addressees",
        help="Patterns, with commas or blanks: QQ1*, QQ2ABC-7. Who else is named is refused.",
        minimum=1,
        maximum=500,
    )
    formats: str = option(
        "message, status, position",
        label="Allowed formats",
        help="Of packets of any format; third-party packets never.",
        minimum=1,
        maximum=300,
    )
    largest: int = option(
        256, label="Largest", help="Of the text or the bytes that are sent.", unit="bytes", minimum=1, maximum=2048
    )
    per_minute: int = option(
        6,
        label="Most a minute",
        help="Of this route; the device's own limits hold besides.",
        unit="frames",
        minimum=1,
        maximum=600,
    )
    acknowledge: bool = option(
        False,
        label="Wait for acknowledgement",
        help="Messages are numbered, sent up to five times, and the result says whether they arrived.",
    )
    result_topic: str = option(
        "",
        label="Results go to",
        help="With names of the match, and {device}: vhf/{to}/result. Empty: only to who asks (MQTT 5).",
        maximum=255,
    )
    respond: bool = option(
        True, label="Answer who asks", help="Publish the result to the response topic that a message names (MQTT 5)."
    )


def scope_type(send: str) -> str:
    """Return what a device must offer for this to be sent by it."""
    return _SCOPES.get(send, "aprs")


def check_options(options: TransmitOptions) -> None:
    """Raise ConfigError for templates that are wrong."""
    for name in ("addressee", "text", "result_topic"):
        try:
            Template.parse(getattr(options, name))
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Request:
    """What came."""

    values: Mapping[str, Any]  # for templates
    body: Mapping[str, Any] | None  # the JSON object, where it was one
    data: bytes

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> "Request":
        """Read an event of any feed. Denied where it is too large or too deep; never another error."""
        data = bytes(next(event[name] for name in ("payload", "bytes", "info") if name in event))
        if len(data) > MAX_PAYLOAD:
            raise Denied(f"expected at most {MAX_PAYLOAD:,} bytes; got {len(data):,}")
        body = _object(data)
        said = text_of(data)
        # What the topic says goes before what the payload says: a broker's access list knows topics only.
        caught = event.get("topic_route", {}).get("kwargs", {})
        heard = {name: event[name] for name in ("topic", "source", "destination", "format", "packet") if name in event}
        return cls({"text": said, **(body or {}), "payload": said, **heard, **caught}, body, data)


def _object(data: bytes) -> dict[str, Any] | None:
    """Read a JSON object; None where it is anything else."""
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    if _depth_exceeds(found, MAX_DEPTH):
        raise Denied(f"expected JSON of at most {MAX_DEPTH} levels")
    return found if isinstance(found, dict) else None


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")


def _depth_exceeds(value: object, left: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left < 0 or any(_depth_exceeds(item, left - 1) for item in inner)


@dataclass(slots=True)
class Maker:
    """Makes events of requests, within the rights of one route."""

    options: TransmitOptions
    _addressee: Template = field(init=False)
    _text: Template = field(init=False)
    _addressees: re.Pattern[str] = field(init=False)
    _formats: frozenset[str] = field(init=False)
    _sent: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self._addressee = Template.parse(self.options.addressee)
        self._text = Template.parse(self.options.text)
        patterns = _words(self.options.addressees.upper())
        self._addressees = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
        self._formats = frozenset(_words(self.options.formats.lower()))
        self._sent = deque(maxlen=self.options.per_minute)

    def make(self, request: Request) -> dict[str, Any]:
        """Return the event to send. Denied where this route may not, or it says too little."""
        event = getattr(self, _MAKERS.get(self.options.send, f"_{self.options.send}"))(request)
        return {"type": f"{scope_type(self.options.send)}.send", **event}

    def count(self, now: float, waiting: int) -> None:
        """Count one that is sent now (monotonic seconds). Denied where too many came in a minute, or still wait."""
        if waiting >= MAX_WAITING:
            raise Denied(f"{waiting} wait for their result already, the limit")
        if len(self._sent) == self._sent.maxlen and self._sent[0] > now - MINUTE:
            raise Denied(f"{len(self._sent)} in the last minute; the limit of this route is {self.options.per_minute}")
        self._sent.append(now)

    def _message(self, request: Request) -> dict[str, Any]:
        addressee, text = self._to(request), self._said(request)
        return {"packet": {"format": "message", "addressee": addressee, "text": text, "id": ""}}

    def _status(self, request: Request) -> dict[str, Any]:
        return {"packet": {"format": "status", "text": self._said(request)}}

    def _position(self, request: Request) -> dict[str, Any]:
        return self._of_json(request, {"format": "position"})

    def _packet(self, request: Request) -> dict[str, Any]:
        format_ = str((request.body or {}).get("format", "")).lower()
        if format_ not in self._formats or format_ == "third-party":
            raise Denied(f"this route may transmit {', '.join(sorted(self._formats))}; got format {format_[:40]!r}")
        return self._of_json(request, {"format": format_})

    def _info(self, request: Request) -> dict[str, Any]:
        return {"info": self._within(request.data)}

    def _ui(self, request: Request) -> dict[str, Any]:
        return {"destination": self._to(request), "info": self._said(request).encode()}

    def _line(self, request: Request) -> dict[str, Any]:
        return {"text": self._said(request)}

    def _bytes(self, request: Request) -> dict[str, Any]:
        return {"bytes": self._within(request.data)}

    def _of_json(self, request: Request, more: dict[str, Any]) -> dict[str, Any]:
        if request.body is None:
            raise Denied("expected a JSON object with the fields of a packet")
        self._within(request.data)
        packet = {**request.body, **more}
        if "addressee" in packet:
            packet["addressee"] = self._permitted(str(packet["addressee"]))
        return {"packet": packet}

    def _to(self, request: Request) -> str:
        return self._permitted(self._addressee.render(request.values))

    def _permitted(self, addressee: str) -> str:
        name = addressee.strip().upper()
        if not name:
            raise Denied(f"expected an addressee by {self.options.addressee}; got none")
        if not self._addressees.fullmatch(name):
            raise Denied(f"this route may send to {self.options.addressees}; got {name[:40]!r}")
        return name

    def _said(self, request: Request) -> str:
        text = self._text.render(request.values)
        if not text.strip():
            raise Denied(f"expected a text by {self.options.text}; got none")
        if not text.isprintable():
            raise Denied("expected a text of one line that can be printed; got control characters")
        self._within(text.encode())
        return text

    def _within(self, data: bytes) -> bytes:
        if not data:
            raise Denied("there is nothing in it to be sent")
        if len(data) > self.options.largest:
            raise Denied(f"expected at most {self.options.largest} bytes; got {len(data)}")
        return data


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]
