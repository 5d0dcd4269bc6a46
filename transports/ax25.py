"""A KISS TNC, or an AGWPE server in its place, with AX.25 frames on it (`edge.spec.ax25`).

Nothing is sent to the TNC until a consumer sends, but for what a person has set it to be told (`transports.tnc`): a
passive listener never sends a byte.
"""

from collections.abc import Mapping
from typing import Any

from edge.errors import LocalProtocolError
from edge.registry import Device
from transports.codecs import ax25, kiss
from transports.session import Clock
from transports.stream import StreamServer
from transports.tnc import Setup, Tnc
from transports.tnc_profile import build_tnc

COMMAND = 0x0F  # the low nibble of a KISS frame's type byte; 0 is data
HEADS_KEPT = 1024  # about 1 kB each; one more, and all are let go of

# What a station sends again and again: a KISS type byte and an AX.25 header, each with the event that they make before
# UI, "no layer 3" and whatever follows. Where a header ends is said by its own octets: a frame that begins with one of
# these has this header and no other, whatever its octets look like.
_heads: dict[bytes, dict[str, Any]] = {}
_UI = bytes((ax25.UI, ax25.NO_LAYER_3))


def build(device: Device) -> StreamServer:
    """Build the server of a TNC."""
    options = device.options  # `transports.options.Ax25Options`, as the catalog says
    return build_tnc(device, lambda setup: Ax25Session(options.callsign, options.air_baud, setup))


class Ax25Session:
    """`transports.session.ActiveSession` of a TNC: its KISS side, and AX.25 in each of its data frames."""

    scope_type = "ax25"

    def __init__(self, callsign: str = "", air_baud: int = 1200, setup: Setup | None = None) -> None:
        self.callsign = callsign
        self.air_baud = air_baud
        self.clock = Clock()
        self.tnc = Tnc(setup or Setup(), self.clock)
        self.is_active = self.tnc.setup.is_active
        self._receive_bodies = self.tnc.receive_bodies
        self._not_ax25 = 0

    def scope(self) -> Mapping[str, Any]:
        """Name the station, say how fast its air is, and whether its TNC confirms."""
        return {
            "callsign": self.callsign,
            "air_baud": self.air_baud,
            "confirms": self.tnc.setup.dialect.ackmode,
        }

    def receive_bytes(self, data: bytes, now: float) -> list[dict[str, Any]]:
        """Return an event for each frame; what is not AX.25 is counted."""
        events: list[dict[str, Any]] = []
        for body in self._receive_bodies(data):
            head, found, info = body.partition(_UI)
            known = _heads.get(head)
            if known is not None and found:
                event = known.copy()
                event["via"] = [*event["via"]]
                event["info"] = info
                event["raw"] = body[1:]
                event["time"] = now
                events.append(event)
            elif (read := self._read(body, now)) is not None:
                events.append(read)
        return events

    def _read(self, body: bytes, now: float) -> dict[str, Any] | None:
        """Return the event of one body of KISS, the long way, or None where it makes none."""
        if body[0] & COMMAND:
            return self.tnc.answer(body)
        raw = body[1:]
        try:
            header, octet, pid, info = ax25.split(raw)
        except ax25.FrameError:
            self._not_ax25 += 1
            return None
        control = ax25.CONTROLS[octet]
        event = {
            "type": "ax25.receive",
            "port": body[0] >> 4,
            "source": header.source_text,
            "destination": header.destination_text,
            "via": [*header.path_texts],
            "control": octet,
            "frame": control.name,
            "command": header.command,
            "poll": control.poll,
            "nr": control.nr,
            "ns": control.ns,
            "pid": pid,
            "info": info,
            "raw": raw,
            "time": now,
        }
        if octet == ax25.UI and pid == ax25.NO_LAYER_3:
            if len(_heads) >= HEADS_KEPT:
                _heads.clear()
            _heads[body[: -len(info) - len(_UI)]] = {**event, "via": header.path_texts, "info": b"", "raw": b""}
        return event

    def send(self, event: Mapping[str, Any]) -> bytes:
        """Return the KISS frame of a frame by its parts, UI where it names no other, or of ``raw``."""
        try:
            raw = event.get("raw")
            payload = ax25.encode(self._frame(event)) if raw is None else _whole(raw)
            return self.tnc.send(event.get("port") or 0, payload, event.get("id"))
        except (ValueError, TypeError) as error:
            raise LocalProtocolError(f"{event['type']}: {error}") from error

    def counters(self) -> Mapping[str, int]:
        """Return what was not passed on, by why."""
        return {**self.tnc.counters(), "not_ax25": self._not_ax25}

    def opened(self) -> None:
        """Tell the TNC what a person wants it to be told."""
        self.tnc.opened()

    @property
    def ready(self) -> bool:
        """At once: KISS has no answer to wait for."""
        return True

    def data_to_send(self) -> bytes:
        """Return what the TNC is to be told."""
        return self.tnc.data_to_send()

    def deadline(self) -> float | None:
        """Return when the TNC is late."""
        return self.tnc.deadline()

    def tick(self) -> list[dict[str, Any]]:
        """Say what the TNC did not confirm."""
        return self.tnc.tick()

    def closing(self) -> None:
        """Leave the TNC as it is; leaving KISS is for a profile."""

    @property
    def finished(self) -> bool:
        """At once."""
        return True

    def _frame(self, event: Mapping[str, Any]) -> ax25.Frame:
        source = event.get("source") or self.callsign
        if not source:
            raise ValueError("no source: set the device's callsign, or give one")
        if not event.get("destination"):
            raise ValueError("no destination")
        via = event.get("via") or ()
        if not isinstance(via, list | tuple):
            raise TypeError(f"via: expected a list of addresses; got {via!r:.80}")
        info = _bytes("info", event.get("info") or b"")
        return ax25.Frame.build(
            _control(event),
            source=source,
            destination=event["destination"],
            path=via,
            command=event.get("command"),
            pid=event.get("pid"),
            info=info,
        )


def _control(event: Mapping[str, Any]) -> ax25.Control:
    name = event.get("frame") or "UI"
    return ax25.Control(name=name, poll=bool(event.get("poll")), nr=event.get("nr"), ns=event.get("ns"))


def _whole(raw: object) -> bytes:
    frame = _bytes("raw", raw)
    if not 0 < len(frame) < kiss.MAX_FRAME:
        raise ValueError(f"raw: expected a frame of 1 to {kiss.MAX_FRAME - 1} bytes; got {len(frame)}")
    return frame


def _bytes(name: str, value: object) -> bytes:
    """Return bytes as they are: ``bytes(5)`` would be five zeros, and sent."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{name}: expected bytes; got {type(value).__name__}")
    return bytes(value)
