"""A KISS TNC as a feed of APRS packets (`edge.spec.aprs`): an AX.25 session, and APRS in its UI frames."""

from collections.abc import Mapping
from typing import Any

from edge.errors import LocalProtocolError
from edge.registry import Device
from transports.ax25 import Ax25Session
from transports.codecs import aprs
from transports.options import TO_CALL, AprsOptions
from transports.stream import StreamServer
from transports.tnc import Setup
from transports.tnc_profile import build_tnc

UI, NO_LAYER_3 = 0x03, 0xF0  # control and PID of an APRS packet (APRS 1.0.1, chapter 3)


def build(device: Device) -> StreamServer:
    """Build the server of an APRS feed."""
    options: AprsOptions = device.options
    return build_tnc(device, lambda setup: AprsSession(options.callsign, options.path, setup))


class AprsSession:
    """`transports.session.ActiveSession` of an APRS feed; what it says by itself is its AX.25 session's."""

    scope_type = "aprs"

    def __init__(self, callsign: str = "", path: str = "", setup: Setup | None = None) -> None:
        self.path = [hop.strip() for hop in path.split(",") if hop.strip()]
        self._ax25 = Ax25Session(callsign, setup=setup)
        self.clock = self._ax25.clock
        self.is_active = self._ax25.is_active
        self._not_aprs = 0

    def scope(self) -> Mapping[str, Any]:
        """Name the station, and say whether its TNC confirms."""
        return {"callsign": self._ax25.callsign, "confirms": self._ax25.tnc.setup.dialect.ackmode}

    def receive_bytes(self, data: bytes, now: float) -> list[dict[str, Any]]:
        """Return an event for each packet; frames that are not APRS are counted."""
        events = []
        for event in self._ax25.receive_bytes(data, now):
            if event["type"] != "ax25.receive":
                events.append(_renamed(event))
                continue
            if event["control"] != UI or event["pid"] != NO_LAYER_3:
                self._not_aprs += 1
                continue
            packet = aprs.parse(event["source"], event["destination"], event["via"], event["info"])
            for name in _CONNECTED_ONLY:
                del event[name]
            event["type"] = "aprs.receive"
            event["format"] = packet.format
            event["packet"] = fields = dict(packet.fields)
            event["reason"] = packet.reason
            event["origins"] = dict(packet.origins)
            event["summary"] = aprs.summary(packet)
            if device := aprs.identify(event["destination"], event["info"]):
                fields["device"] = device
                event["summary"] = _by_device(event["summary"], device)
            events.append(event)
        return events

    def send(self, event: Mapping[str, Any]) -> bytes:
        """Return the KISS frame of ``info`` or ``packet``, to our to-call and by the device's path if it names none.

        A Mic-E packet has the destination that holds its position, whatever the event says.
        """
        info, destination = event.get("info"), event.get("destination") or TO_CALL
        if info is None:
            encoded = _encode(event.get("packet"))
            info, destination = encoded.info, encoded.destination or destination
        via = event["via"] if event.get("via") is not None else self.path
        # These are no fields of aprs.send, and would pass by what was encoded here.
        others = dict.fromkeys((*_CONNECTED_ONLY, "pid", "raw"))
        return self._ax25.send({**event, **others, "info": info, "destination": destination, "via": via})

    def counters(self) -> Mapping[str, int]:
        """Return what was not passed on, by why."""
        return {**self._ax25.counters(), "not_aprs": self._not_aprs}

    def opened(self) -> None:
        """Begin."""
        self._ax25.opened()

    @property
    def ready(self) -> bool:
        """As the AX.25 session is."""
        return self._ax25.ready

    def data_to_send(self) -> bytes:
        """Return what the TNC is to be told."""
        return self._ax25.data_to_send()

    def deadline(self) -> float | None:
        """Return when the TNC is late."""
        return self._ax25.deadline()

    def tick(self) -> list[dict[str, Any]]:
        """Say what the TNC did not confirm."""
        return [_renamed(event) for event in self._ax25.tick()]

    def closing(self) -> None:
        """Take leave."""
        self._ax25.closing()

    @property
    def finished(self) -> bool:
        """As the AX.25 session is."""
        return self._ax25.finished


def _renamed(event: dict[str, Any]) -> dict[str, Any]:
    """Call a confirmation or a report by the name of this scope."""
    return {**event, "type": event["type"].replace("ax25", "aprs", 1)}


_CONNECTED_ONLY = ("frame", "command", "poll", "nr", "ns")  # what ax25 tells and takes beyond APRS's UI frames


def _by_device(summary: str, device: Mapping[str, str]) -> str:
    """Say behind the summary which device sent the packet, where there is room."""
    line = f"{summary} [{' '.join(device[name] for name in ('vendor', 'model') if name in device)}]"
    return line if len(line) <= aprs.MAX_SUMMARY else summary


def _encode(packet: object) -> aprs.Encoded:
    """Encode the packets that `edge.spec.aprs` sends."""
    if not packet or not isinstance(packet, Mapping):
        raise LocalProtocolError("aprs.send takes info, or packet with its fields by name")
    try:
        return aprs.encode(packet)
    except ValueError as error:
        raise LocalProtocolError(f"aprs.send: {error}") from error
