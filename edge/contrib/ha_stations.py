"""The stations that Home Assistant is told of: what to publish for each packet. Pure; time is passed in.

Bounded by ``most_stations``: beyond, the one that was silent longest is taken back. One that was silent for
``expire_hours`` is taken back too. A field that was not sent for `FRESH` seconds is null: a station may send rain and
wind in turns, but yesterday's wind is none.

Telemetry is held back until the station's equations are heard, `PATIENCE` seconds at most: raw numbers in a history of
volts cannot be taken out again, and after a restart of the box nothing is known of any station.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edge.contrib.discovery import (
    WEATHER,
    Config,
    Telemetry,
    as_json,
    device_message,
    identifier,
    sensor,
    shown,
)
from edge.contrib.templates import is_number, topic_word
from edge.options import option

NAMES = "Names and bounds"  # the heading of options that few need
FRESH = 3600.0  # seconds
PATIENCE = 7200.0  # seconds; stations send their definitions every half an hour or so, and some have none
ACCURACY = 18.0  # metres; a hundredth of a minute (APRS 1.0.1, chapter 6)
STEPS = (ACCURACY, 185.0, 1852.0, 18_520.0, 111_120.0)  # metres, by how many digits the sender left out
_SAID = ("altitude", "course", "speed", "symbol", "comment")  # that go along with a place


class Publish(NamedTuple):
    """One retained message; an empty one takes back what was retained."""

    topic: str
    payload: bytes
    expiry: int = 0  # seconds; 0: for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class StationsOptions:
    """What is told, and where."""

    broker: str = option(
        "broker", label="Broker", help="The name of the device that is the MQTT broker.", minimum=1, maximum=40
    )
    node: str = option(
        "edge",
        label="Name of this box",
        help="In ids and topics; each box has its own.",
        group=NAMES,
        minimum=1,
        maximum=40,
    )
    discovery_prefix: str = option(
        "homeassistant", label="Discovery prefix", help="As in Home Assistant.", group=NAMES, minimum=1, maximum=100
    )
    availability: str = option(
        "",
        label="Availability topic",
        help="The broker device's will and birth topic. Empty: entities are always available.",
        maximum=255,
    )
    positions: bool = option(False, label="Positions", help="Show stations on the map, as device trackers.")
    expire_hours: int = option(
        24,
        label="Forget after silence",
        help="Then the station is taken back.",
        group=NAMES,
        unit="h",
        minimum=1,
        maximum=8760,
    )
    most_stations: int = option(
        100,
        label="Most stations",
        help="Beyond, the one that was silent longest is taken back.",
        group=NAMES,
        minimum=1,
        maximum=1000,
    )


@dataclass(slots=True)
class Station:
    """One station."""

    name: str
    identity: str
    topic: str
    begun: float  # when it was heard first
    heard: float
    told: float = 0.0  # when its discovery was published
    message: bytes = b""  # which
    device: Mapping[str, str] = field(default_factory=dict)
    telemetry: Telemetry = field(default_factory=Telemetry)
    values: dict[str, tuple[Any, float]] = field(default_factory=dict)  # by component: the value, and when it was sent
    place: bytes = b""

    def read(self, weather: Mapping[str, Any], report: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Return the values of a packet by component; of telemetry once it is known what it means, or never will."""
        found = {key: weather[key] for key in WEATHER if is_number(weather.get(key))}
        is_known = bool(self.telemetry.coefficients) or now - self.begun >= PATIENCE
        return {**found, **self.telemetry.values(report)} if is_known else found

    def state(self, now: float) -> bytes:
        """Write the state of all components."""
        return as_json({key: value if now - when < FRESH else None for key, (value, when) in self.values.items()})

    def components(self, *, positions: bool) -> dict[str, Config]:
        """Return what Home Assistant is told of it."""
        topic = f"{self.topic}/state"
        found = {
            key: sensor(WEATHER[key], key, f"{self.identity}_{key}", topic) for key in self.values if key in WEATHER
        }
        found |= self.telemetry.components((key for key in self.values if key not in WEATHER), self.identity, topic)
        if positions and self.place:
            found["place"] = {
                "platform": "device_tracker",
                "unique_id": f"{self.identity}_place",
                "name": None,
                "json_attributes_topic": f"{self.topic}/place",
                "source_type": "gps",
            }
        return found


class Stations:
    """All of them, of one device; the one that was silent longest first."""

    def __init__(self, device: str, options: StationsOptions) -> None:
        self.device = device
        self.options = options
        self._stations: OrderedDict[str, Station] = OrderedDict()

    def __len__(self) -> int:
        return len(self._stations)

    def hear(self, event: Mapping[str, Any], now: float) -> Iterator[Publish]:
        """Take an ``aprs.receive``; ``now`` is monotonic, in seconds."""
        packet, format_ = event["packet"], event["format"]
        if format_ == "telemetry-definition":
            yield from self._define(str(event["source"]), packet, now)
            return
        place = _place(packet) if self.options.positions else b""
        weather, report = packet.get("weather"), packet.get("telemetry")
        if not place and not weather and not report:
            return
        name = str(packet.get("name") if format_ in ("object", "item") and packet.get("name") else event["source"])
        yield from self._room_for(name)
        station = self._station(name, now)
        station.device = packet.get("device") or station.device
        if values := station.read(weather or {}, report or {}, now):
            station.values |= {key: (value, now) for key, value in values.items()}
            yield self._keep(f"{station.topic}/state", station.state(now))
        if place:
            station.place = place
            yield self._keep(f"{station.topic}/place", place)
        yield from self._tell(station, now)

    def tick(self, now: float) -> Iterator[Publish]:
        """Take back those that have been silent for too long."""
        limit = self.options.expire_hours * 3600.0
        for name in [name for name, station in self._stations.items() if now - station.heard >= limit]:
            yield from self._take_back(name)

    def everything(self, now: float) -> Iterator[Publish]:
        """Tell it all again: the broker, or Home Assistant, has begun anew."""
        for station in self._stations.values():
            if station.message:
                yield self._keep(self._config_topic(station), station.message)
            if station.values:
                yield self._keep(f"{station.topic}/state", station.state(now))
            if station.place:
                yield self._keep(f"{station.topic}/place", station.place)

    def clear(self) -> Iterator[Publish]:
        """Take everything back."""
        for name in list(self._stations):
            yield from self._take_back(name)

    def _define(self, source: str, packet: Mapping[str, Any], now: float) -> Iterator[Publish]:
        if str(packet.get("addressee", "")).upper() != source.upper():
            return  # what a station's telemetry means is for the station to say
        yield from self._room_for(source)
        station = self._station(source, now)
        station.telemetry.define(packet)
        yield from self._tell(station, now)

    def _room_for(self, name: str) -> Iterator[Publish]:
        while name not in self._stations and len(self._stations) >= self.options.most_stations:
            yield from self._take_back(next(iter(self._stations)))

    def _station(self, name: str, now: float) -> Station:
        station = self._stations.get(name)
        if station is None:
            identity = identifier(self.options.node, self.device, name)
            topic = "/".join(topic_word(word) for word in (self.options.node, self.device, identity))
            station = self._stations[name] = Station(name=name, identity=identity, topic=topic, begun=now, heard=now)
        station.heard = now
        self._stations.move_to_end(name)
        return station

    def _tell(self, station: Station, now: float) -> Iterator[Publish]:
        """Publish its discovery where it has changed, or half its life is over."""
        components = station.components(positions=self.options.positions)
        if not components:
            return
        message = device_message(
            station.identity,
            shown(station.name) or station.identity,
            components,
            availability=self.options.availability,
            manufacturer=shown(station.device.get("vendor", "")),
            model=shown(station.telemetry.title or station.device.get("model", "")),
        )
        if message != station.message or now - station.told >= self.options.expire_hours * 1800.0:
            station.message, station.told = message, now
            yield self._keep(self._config_topic(station), message)

    def _take_back(self, name: str) -> Iterator[Publish]:
        station = self._stations.pop(name)
        if station.message:
            yield Publish(self._config_topic(station), b"")
        if station.values:
            yield Publish(f"{station.topic}/state", b"")
        if station.place:
            yield Publish(f"{station.topic}/place", b"")

    def _config_topic(self, station: Station) -> str:
        return f"{self.options.discovery_prefix}/device/{station.identity}/config"

    def _keep(self, topic: str, payload: bytes) -> Publish:
        return Publish(topic, payload, self.options.expire_hours * 3600)


def _place(packet: Mapping[str, Any]) -> bytes:
    """Write where a packet says that it is, as a device tracker takes it; nothing where it does not say."""
    latitude, longitude = packet.get("latitude"), packet.get("longitude")
    if not is_number(latitude) or not is_number(longitude):
        return b""
    ambiguity = packet.get("ambiguity", 0)
    accuracy = STEPS[min(ambiguity, 4)] if isinstance(ambiguity, int) and ambiguity >= 0 else ACCURACY
    said = {name: packet[name] for name in _SAID if packet.get(name) not in (None, "")}
    said = {name: shown(value, 200) if isinstance(value, str) else value for name, value in said.items()}
    return as_json({"latitude": latitude, "longitude": longitude, "gps_accuracy": accuracy, **said})
