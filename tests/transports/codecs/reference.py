"""Our parser beside a reference parser's answers on recorded traffic (Ham::APRS::FAP 1.21), field by field.

The answers are one JSON object a line, for the packet of the same line in the TNC2 file. Both sides are brought to the
same form: the reference's units are ours but for decimals, it gives course 0 for an unknown one, it takes control
characters out of comments, and it counts white space its own way. A field that the reference has and we have not is a
difference; one that only we have is counted by itself, since a reference that is silent neither agrees nor differs.
These are the raw figures; `reference_classes` says which of the differences are of a known kind.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transports.codecs import aprs

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"
FILES = (
    "goaprs_large_2012",
    "goaprs_faptests",
    "javAPRSlib_aprs",
    "javAPRSlib_cwop",
    "wa8lmf_track2_vpdigi",
)
NEAR = 0.0002  # degrees
HELD_OUT = 4  # one in so many stations; whole stations, since what one sends is alike
WEATHER = {
    "wind_direction": ("wind_direction", 0.6),
    "wind_speed": ("wind_speed", 0.06),
    "wind_gust": ("gust", 0.06),
    "temp": ("temperature", 0.06),
    "temp_in": ("temperature_indoor", 0.06),
    "humidity": ("humidity", 0.6),
    "pressure": ("pressure", 0.06),
    "rain_1h": ("rain_1h", 0.06),
    "rain_24h": ("rain_24h", 0.06),
    "rain_midnight": ("rain_since_midnight", 0.06),
    "snow_24h": ("snow_24h", 0.06),
    "luminosity": ("luminosity", 0.6),
}
# The reference looks for weather anywhere behind the first fields: `.OWW ver0818` is rain to it, and `.OWW ve8`.
_CUTS = [
    re.compile(cut)
    for cut in (
        *(rf"{letter}\d{{1,3}}" for letter in ("r", "p", "P", "h", "[lL]", "s")),
        r"b\d{4,5}",
        r"v[-+]?\d+",
        r"#\d+",
    )
]
_DROPPED = re.compile(r"[\x00-\x1f\x7f\xff]")


@dataclass
class Tally:
    """What was compared: packets the reference accepts, those we parsed, and by field how many agree."""

    accepted: int = 0
    parsed: int = 0
    refused: list[tuple[bytes, str]] = field(default_factory=list)
    compared: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] = field(default_factory=Counter)
    more: Counter[str] = field(default_factory=Counter)
    differing: dict[str, list[tuple[bytes, Any, Any]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, raw: bytes, theirs: Any, ours: Any, *, same: bool) -> None:
        """Count one field; `theirs` is None where the reference does not look, and "" where it found nothing."""
        if theirs is None:
            self.more[name] += 1
            self.differing[name + "+"].append((raw, theirs, ours))
            return
        self.compared[name] += 1
        self.agreed[name] += same
        if not same:
            self.differing[name].append((raw, theirs, ours))

    def share(self, name: str) -> float:
        return self.agreed[name] / self.compared[name] if self.compared[name] else 1.0


def packets(name: str, step: int = 1) -> list[tuple[bytes, dict[str, Any]]]:
    """The lines of one corpus with the reference's answers, each `step`th."""
    with gzip.open(CORPORA / f"{name}.tnc2.gz") as file:
        lines = file.read().split(b"\n")[::step]
    with gzip.open(CORPORA / f"{name}.fap.jsonl.gz") as file:
        answers = file.read().split(b"\n")[::step]
    # The answers hold bytes as they were heard, so they are Latin-1 in the form of JSON.
    return [(line, json.loads(answer.decode("latin-1"))) for line, answer in zip(lines, answers, strict=True) if answer]


def is_held_out(line: bytes) -> bool:
    """Whether this is of a station whose packets are not looked at when the parser is mended, one in four."""
    call = line.partition(b">")[0].partition(b"-")[0]
    return zlib.crc32(call) % HELD_OUT == 0


def split(line: bytes) -> tuple[str, str, list[str], bytes]:
    """Source, destination, path and info of a TNC2 line."""
    head, _, info = line.partition(b":")
    source, _, rest = head.decode("latin-1").partition(">")
    destination, *path = rest.split(",")
    return source, destination, path, info


def compare(tally: Tally, line: bytes, theirs: dict[str, Any]) -> aprs.Packet:
    """Parse one line and count how it agrees."""
    packet = aprs.parse(*split(line))
    if not theirs["ok"]:
        return packet
    tally.accepted += 1
    if packet.format == "unparsed":
        tally.refused.append((line, packet.reason))
        return packet
    tally.parsed += 1
    _compare_place(tally, line, theirs, packet.fields)
    _compare_weather(tally, line, theirs.get("wx", {}), packet.fields.get("weather", {}))
    _compare_message(tally, line, theirs, packet)
    _compare_text(tally, line, theirs, packet)
    return packet


def _compare_place(tally: Tally, line: bytes, theirs: dict[str, Any], ours: Any) -> None:
    if "latitude" in theirs:
        place = ours.get("latitude"), ours.get("longitude")
        same = place[0] is not None and all(
            abs(mine - theirs[name]) <= NEAR for name, mine in zip(("latitude", "longitude"), place, strict=True)
        )
        tally.add("position", line, (theirs["latitude"], theirs["longitude"]), place, same=same)
        symbol = theirs["symboltable"] + theirs["symbolcode"]
        tally.add("symbol", line, symbol, ours.get("symbol"), same=symbol == ours.get("symbol"))
    _number(tally, line, "course", theirs.get("course") or None, ours.get("course"), 0.5)
    _number(tally, line, "speed", theirs.get("speed"), ours.get("speed"), 0.06)
    _number(tally, line, "altitude", theirs.get("altitude"), ours.get("altitude"), 0.06)
    if "radiorange" in theirs:
        _number(tally, line, "range", theirs["radiorange"], ours.get("range"), 0.06)
    _exact(tally, line, "ambiguity", theirs.get("posambiguity"), ours.get("ambiguity"))
    _exact(tally, line, "phg", theirs.get("phg"), ours.get("phg"))
    _exact(tally, line, "datum", theirs.get("daodatumbyte"), ours.get("datum"))
    for mine, name in (("name", "objectname"), ("name", "itemname"), ("alive", "alive")):
        if name in theirs:
            value = theirs[name].rstrip() if mine == "name" else bool(theirs[name])
            _exact(tally, line, name, value, ours.get(mine))


def _number(tally: Tally, line: bytes, name: str, theirs: Any, ours: Any, near: float) -> None:
    if theirs is None and ours is None:
        return
    same = theirs is not None and ours is not None and abs(float(theirs) - ours) <= near
    tally.add(name, line, theirs, ours, same=same)


def _exact(tally: Tally, line: bytes, name: str, theirs: Any, ours: Any) -> None:
    if theirs is not None or ours is not None:
        tally.add(name, line, theirs, ours, same=theirs == ours)


def _compare_weather(tally: Tally, line: bytes, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    for name, (mine, near) in WEATHER.items():
        _number(tally, line, f"weather.{mine}", theirs.get(name), ours.get(mine), near)


def _compare_message(tally: Tally, line: bytes, theirs: dict[str, Any], packet: aprs.Packet) -> None:
    if theirs.get("type") not in ("message", "telemetry-message"):
        return
    fields = packet.fields
    _exact(tally, line, "message.addressee", theirs["destination"], fields.get("addressee"))
    if "message" in theirs:
        _exact(tally, line, "message.text", theirs["message"].rstrip(), _heard(packet, fields.get("text", "")).rstrip())
    _exact(
        tally, line, "message.id", theirs.get("messageid"), fields.get("id") or None if "message" in theirs else None
    )
    for name, form in (("messageack", "ack"), ("messagerej", "reject")):
        if name in theirs and "message" not in theirs:
            acknowledged = fields.get("id", "") + ("}" + fields["reply_ack"] if "reply_ack" in fields else "")
            _exact(tally, line, f"message.{form}", theirs[name], acknowledged if packet.format == form else None)
        elif name in theirs:
            _exact(tally, line, "message.reply_ack", theirs[name], fields.get("reply_ack"))


def _heard(packet: aprs.Packet, text: str) -> str:
    """Our text as the reference has it, which takes each byte for a character."""
    try:
        packet.raw.decode("utf-8")
    except UnicodeDecodeError:
        return text
    return text.encode("utf-8").decode("latin-1")


def _compare_text(tally: Tally, line: bytes, theirs: dict[str, Any], packet: aprs.Packet) -> None:
    if theirs.get("type") in ("location", "object", "item", "wx"):
        comment = plain(theirs.get("comment", ""))
        mine = plain(_heard(packet, packet.fields.get("comment", "")))
        # Of a weather station without weather it reads no comment at all.
        silent = not comment and "wx" not in theirs and theirs.get("symbolcode") == "_"
        if comment or mine:
            tally.add("comment", line, None if silent else comment, mine, same=comment == mine)
    if theirs.get("type") == "status":
        mine = plain(_heard(packet, packet.fields.get("status", "")))
        tally.add("status", line, theirs["status"], mine, same=plain(theirs["status"]) == mine)
    if "telemetry" in theirs:
        telemetry = packet.fields.get("telemetry", {})
        values = [None if value is None else float(value) for value in theirs["telemetry"]["vals"]]
        ours = [None if value is None else float(value) for value in telemetry.get("values", [])]
        ours += [None] * (5 - len(ours))
        values += [None] * (5 - len(values))
        tally.add("telemetry.values", line, values, ours, same=values == ours)
        _exact(tally, line, "telemetry.sequence", theirs["telemetry"].get("seq"), telemetry.get("sequence"))
    if "capabilities" in theirs:
        mine = {name: value or None for name, value in packet.fields.get("capabilities", {}).items()}
        _exact(tally, line, "capabilities", {k: v or None for k, v in theirs["capabilities"].items()}, mine)


def cuts(text: str) -> Iterator[str]:
    """A text without pieces of words that look like weather: at most one of a kind, three in all."""
    for size in range(1, 4):
        for pieces in itertools.combinations(_CUTS, size):
            left = text
            for piece in pieces:
                left = piece.sub("", left, count=1)
            if left != text:
                yield plain(left)


def plain(text: str) -> str:
    """Text without control characters, and with single blanks."""
    return " ".join(_DROPPED.sub("", text).split())
