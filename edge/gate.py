"""The one place that decides whether a radio may transmit.

A radio is silent until a person says otherwise. `Gate` stands in front of every ``ax25.send``, ``aprs.send`` and
``serial.send`` of a device and passes it only if transmitting is allowed, a callsign is set, the frame carries it as
its source, the rate and the share of air time are within bounds, and the event did not come from this same device. What
is refused is counted and shown with the reason, and is not an error of the consumer: it goes on.

The source of a whole frame (``raw``) is read from its own bytes, whatever the event claims beside it.

**Connected mode** (``frame`` other than UI, in ``ax25.send``) is bounded by its air time alone: a connection needs as
many frames as it needs, and one that goes unacknowledged is only sent again. Frames without info, which acknowledge and
say goodbye, may go on for `RESERVE` percent of air time beyond what stops all others, so that a full channel slows
connections down and does not break them.

A plain serial line has no callsigns, so there the first and the last rule and the rate are what is left.

The rules are pure: the time is passed in.
"""

import re
from collections import deque
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import Any

CALLSIGN = re.compile(r"(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*[0-9])[A-Z0-9]{3,6}(-([1-9]|1[0-5]))?")
PLACEHOLDERS = frozenset({"N0CALL", "NOCALL", "MYCALL", "N0CAL", "NOCAL", "TEST", "AA0AA", "XX0XX", "W1XYZ"})

MINUTE = 60.0  # seconds; the window of the frame rate
DUTY_WINDOW = 600.0  # seconds; the window of the air time
OVERHEAD_BYTES = 20  # flags, FCS and bit stuffing of a frame (AX.25 v2.2, section 3.1), rounded up
KEY_UP = 0.3  # seconds of TXDELAY before each frame (the KISS default of 300 ms)
MAX_REMEMBERED = 10_000  # transmissions in the duty window; more than the highest rate allows (600 a minute)
RESERVE = 5  # percent of air time, for what keeps connections alive
ALL_THE_TIME = 100  # percent; no bound on the air time
SOURCE_AT = 7  # octets; the source address of an AX.25 frame stands behind the destination's (v2.2, section 3.12)


def callsign_problem(callsign: str) -> str:
    """Say what is wrong with a station's own callsign, or nothing."""
    base = callsign.partition("-")[0]
    if base in PLACEHOLDERS:
        return f"{callsign} is a placeholder; put in your own callsign"
    if not CALLSIGN.fullmatch(callsign):
        form = "QQ1ABC or QQ1ABC-10 (capital letters and digits, SSID 1 to 15)"
        return f"expected a callsign such as {form}; got {callsign!r}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """What one device may do on the air."""

    device: str
    allowed: bool
    callsign: str  # empty where the kind has none, or nobody has set it
    needs_callsign: bool
    any_source: bool = False  # frames of other stations too: the operator answers for them
    frames_per_minute: int = 20
    duty_percent: int = 25
    air_baud: int = 1200


@dataclass(slots=True)
class Gate:
    """The rules for one device, and what it has transmitted lately (bounded by `MAX_REMEMBERED`)."""

    licence: Licence
    # When, seconds on the air, and whether it counts as one of the minute's frames.
    _sent: deque[tuple[float, float, bool]] = field(default_factory=lambda: deque(maxlen=MAX_REMEMBERED))

    def refusal(self, event: Mapping[str, Any], now: float) -> str:
        """Say in plain words why this event may not be transmitted now, or nothing.

        ``now`` is monotonic, in seconds.
        """
        return self.standing_refusal(event) or self.rate_refusal(event, now)

    def standing_refusal(self, event: Mapping[str, Any]) -> str:
        """Say why this event may never be transmitted as things are set, or nothing."""
        licence = self.licence
        if not licence.allowed:
            return f"transmitting is off for {licence.device}; a person can allow it in the device's settings"
        if licence.needs_callsign and (
            problem := callsign_problem(licence.callsign) if licence.callsign else "no callsign is set"
        ):
            return problem
        if event.get("origin") == licence.device:
            return f"it came from {licence.device} itself; sending it back would be a loop"
        return self._source_problem(event) if licence.needs_callsign else ""

    def passed(self, event: Mapping[str, Any], now: float) -> None:
        """Remember a transmission that is let through; before it is made, for others may ask meanwhile."""
        self._sent.append((now, self._air_seconds(event), not is_connected_mode(event)))

    def take_back(self) -> None:
        """Forget the latest: it turned out that it could not be sent at all."""
        self._sent.pop()

    def _source_problem(self, event: Mapping[str, Any]) -> str:
        raw = event.get("raw")
        if raw is not None and not (own := _source_of(raw)):
            return "the source of a whole frame (raw) cannot be read; send its parts"
        if self.licence.any_source:
            return ""
        stated = str(event.get("source") or self.licence.callsign)  # what some scopes send although there is a raw
        for source in (stated,) if raw is None else (stated, own):
            if source.partition("-")[0] != self.licence.callsign.partition("-")[0]:
                return f"its source {source} is not this station's callsign {self.licence.callsign}"
        return ""

    def rate_refusal(self, event: Mapping[str, Any], now: float) -> str:
        """Say why it is too much now, or nothing; later it may pass."""
        while self._sent and self._sent[0][0] <= now - DUTY_WINDOW:
            self._sent.popleft()
        connected = is_connected_mode(event)
        minute = 0 if connected else sum(counts for when, _, counts in reversed(self._sent) if when > now - MINUTE)
        if minute >= self.licence.frames_per_minute:
            return f"{minute} frames in the last minute; the limit is {self.licence.frames_per_minute}"
        air = sum(seconds for _, seconds, _ in self._sent) + self._air_seconds(event)
        percent = self.licence.duty_percent + (RESERVE if connected and not event.get("info") else 0)
        if self.licence.duty_percent < ALL_THE_TIME and air > DUTY_WINDOW * percent / 100:
            return f"{air:.0f} s of air time in ten minutes; the limit is {self.licence.duty_percent} %"
        return ""

    def _air_seconds(self, event: Mapping[str, Any]) -> float:
        if raw := event.get("raw"):
            return KEY_UP + 8 * (_length(raw) + OVERHEAD_BYTES) / self.licence.air_baud
        carried = event.get("info") or event.get("bytes") or event.get("text") or str(event.get("packet", ""))
        addresses = 7 * (2 + _length(event.get("via")))
        return KEY_UP + 8 * (_length(carried) + addresses + OVERHEAD_BYTES) / self.licence.air_baud


def is_connected_mode(event: Mapping[str, Any]) -> bool:
    """Whether a frame belongs to a connection, or answers one that asks for it."""
    return (
        event.get("type") == "ax25.send" and event.get("raw") is None and event.get("frame", "UI") not in ("UI", None)
    )


def _source_of(raw: object) -> str:
    """Read the source of an AX.25 frame (v2.2, section 3.12): six characters shifted left by one, then the SSID."""
    octets = raw[SOURCE_AT : 2 * SOURCE_AT] if isinstance(raw, bytes) else b""
    callsign = "".join(chr(octet >> 1) for octet in octets[:-1]).rstrip(" ")
    if len(octets) < SOURCE_AT or not re.fullmatch(r"[A-Z0-9]+", callsign):
        return ""
    ssid = octets[-1] >> 1 & 0x0F
    return f"{callsign}-{ssid}" if ssid else callsign


def _length(value: object) -> int:
    """Return the length of what has one; what has none is the transport's to refuse."""
    return len(value) if isinstance(value, Sized) else 0
