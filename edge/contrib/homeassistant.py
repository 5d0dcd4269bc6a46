"""Home Assistant without configuration: stations on a radio's route, the box on the broker's.

`HomeAssistantStations` is a route of an APRS device. What it matches is told: weather, telemetry, and positions where a
person asks for them. `HomeAssistantBox` is a route of the broker with the match ``homeassistant/status``, on which Home
Assistant says that it has begun. Then, and whenever the session with the broker begins, everything is told again.

Nothing here lets Home Assistant transmit: for that there is `edge.contrib.transmit`, with its rights.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge import __version__
from edge.asgi import Event
from edge.consumers.feeds import AsyncAprsConsumer
from edge.contrib import clock
from edge.contrib.box_status import BoxStatus, BoxStatusOptions
from edge.contrib.discovery import Config, Measure, device_message, identifier, sensor, switch_state
from edge.contrib.ha_stations import NAMES, Publish, Stations, StationsOptions
from edge.contrib.outlet import Outlet
from edge.errors import ConfigError
from edge.options import option
from edge.spec import CloseCode
from edge.status import State
from edge.topics import topic_problem

GROUP = "homeassistant"  # who is told that Home Assistant, or a broker, has begun anew
TICK = 30.0  # seconds between looks for stations that have been silent for too long
COUNTERS = {"heard": "heard", "sent": "sent", "refused": "refused by the gate"}


class HomeAssistantStations(AsyncAprsConsumer):
    """Tells Home Assistant of the stations that a radio hears."""

    Options = StationsOptions
    groups = (GROUP,)

    clock: asyncio.Task[None] | None = None

    @staticmethod
    def targets(_options: StationsOptions) -> Iterator[tuple[str, str]]:
        """Name the option that names the device to send to, and what that has to offer."""
        yield "broker", "mqtt"

    @staticmethod
    def check_options(options: StationsOptions, _scope_type: str) -> None:
        """Raise ConfigError for topics that are none."""
        _check_topics(options)

    async def connect(self) -> None:
        """Begin, or go on with the stations of before the link was lost."""
        device = self.scope["device"]
        self.outlet = Outlet(self.channel_layer, device, self.options.broker)
        self.stations: Stations = self.scope["state"].setdefault(
            f"homeassistant {self.options!r}", Stations(device, self.options)
        )
        self.clock = clock.start(TICK, self._tick, f"homeassistant-{device}")

    async def receive(self, message: Event) -> None:
        """Publish what a packet says."""
        await self._publish(self.stations.hear(message, time.monotonic()))

    async def homeassistant_online(self, message: Mapping[str, Any]) -> None:
        """Tell it all again."""
        if message["broker"] == self.options.broker:
            await self._publish(self.stations.everything(time.monotonic()))

    async def disconnect(self, code: int) -> None:
        """Take everything back where the route is taken out; what the radio has said stays while its link is away."""
        if self.clock is not None:
            self.clock.cancel()
        if code == CloseCode.GOING_AWAY:
            await self._publish(self.stations.clear())

    async def _publish(self, messages: Iterable[Publish]) -> None:
        for topic, payload, expiry in messages:
            properties = {"properties": {"message_expiry_interval": expiry}} if expiry else {}
            await self.outlet.publish(topic, payload, qos=1, retain=True, **properties)

    async def _tick(self) -> None:
        await self._publish(self.stations.tick(time.monotonic()))


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantBoxOptions(BoxStatusOptions):
    """Where to, how often, and by what name."""

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


class HomeAssistantBox(BoxStatus):
    """Tells Home Assistant of the box: whether it is there, its devices' states and counters."""

    Options = HomeAssistantBoxOptions

    @staticmethod
    def check_options(options: HomeAssistantBoxOptions, _scope_type: str) -> None:
        """Raise ConfigError for topics that are none."""
        _check_topics(options)

    async def connect(self) -> None:
        """Begin; the stations are told again too, for the broker may have forgotten everything."""
        await super().connect()
        self.components: dict[str, Config] = {}
        await self._tell_stations()

    async def receive(self, message: Event) -> None:
        """Tell it all again, where Home Assistant says that it has begun."""
        if message.get("payload") == b"online":
            self.components = {}
            await self._tell(everything=True)
            await self._tell_stations()

    def topics(self) -> list[str]:
        """List the topics that are retained."""
        return [self.config_topic, *super().topics()]

    @property
    def identity(self) -> str:
        """The box's id."""
        return identifier(self.options.node, "box")

    @property
    def config_topic(self) -> str:
        """Where its discovery goes."""
        return f"{self.options.discovery_prefix}/device/{self.identity}/config"

    async def _tell(self, *, everything: bool = False) -> None:
        components = self._components()
        if components != self.components:
            # A component is taken back by its platform alone; the next message leaves it out.
            gone = {key: {"platform": old["platform"]} for key, old in self.components.items() if key not in components}
            for told in ({**components, **gone}, components) if gone else (components,):
                await self.keep(self.config_topic, self._message(told))
            self.components = components
        await super()._tell(everything=everything)

    def _message(self, components: Mapping[str, Config]) -> bytes:
        return device_message(
            self.identity,
            f"Edge {self.options.node}",
            components,
            availability=self.options.availability,
            manufacturer="Edge",
            sw_version=__version__,
        )

    def _components(self) -> dict[str, Config]:
        topic = f"{self.options.status_topic}/box"
        up = sensor(Measure("Devices up"), "up", f"{self.identity}_up", topic)
        found: dict[str, Config] = {"up": {**up, "entity_category": "diagnostic"}}
        for name in self.devices:
            found |= self._device_components(name)
        return found

    def _device_components(self, name: str) -> dict[str, Config]:
        topic, base = self.topic_of(name), identifier(self.options.node, "device", name)
        connected = switch_state(f"{name} connected", "connected", f"{base}_connected", topic)
        state = sensor(Measure(f"{name} state", "", "enum", ""), "state", f"{base}_state", topic)
        found = {
            "connected": {**connected, "device_class": "connectivity"},
            "state": {**state, "options": [state.value for state in State]},
            **{
                key: sensor(Measure(f"{name} {words}", "", "", "total_increasing"), key, f"{base}_{key}", topic)
                for key, words in COUNTERS.items()
            },
        }
        return {f"{name}_{key}": {**config, "entity_category": "diagnostic"} for key, config in found.items()}

    async def _tell_stations(self) -> None:
        if self.channel_layer is not None:
            told = {"type": "homeassistant.online", "broker": self.scope["device"]}
            await self.channel_layer.group_send(GROUP, told)


def _check_topics(options: Any) -> None:  # Any: the options of either
    for name in ("discovery_prefix", "availability", "status_topic"):
        topic = getattr(options, name, "")
        if topic and (problem := topic_problem(topic)):
            raise ConfigError(f"{name}: {problem}")
