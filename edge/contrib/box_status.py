"""What the box itself does, on topics: each device's state and counters, retained and throttled.

A route on the broker; its match names a topic on which anybody may ask for it at once. ``<status_topic>/box`` has the
box, ``<status_topic>/device/<name>`` each device as `edge.status.DeviceStatus`, without links and routes' words, for
those who may read a topic need not know them. A device that is taken out is cleared.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge import __version__
from edge.asgi import Event
from edge.consumers.feeds import AsyncMqttConsumer
from edge.contrib.discovery import as_json
from edge.contrib.outlet import Outlet
from edge.contrib.templates import topic_word
from edge.options import option
from edge.spec import CloseCode
from edge.status import BOX

_TOLD = ("name", "kind", "state", "text", "since", "heard", "sent", "refused", "refusal", "last_heard", "counters")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxStatusOptions:
    """Where to, and how often."""

    status_topic: str = option(
        "edge-box", label="Status topic", help="The topics of the box begin so.", minimum=1, maximum=200
    )
    interval: int = option(
        30,
        label="At most every",
        help="Of counters; another state is told at once.",
        unit="s",
        minimum=2,
        maximum=3600,
    )


class BoxStatus(AsyncMqttConsumer):
    """Publishes what the devices do."""

    Options = BoxStatusOptions
    groups = ("status",)

    async def connect(self) -> None:
        """Begin with what is said next: the broker may have forgotten everything."""
        self.devices: dict[str, dict[str, Any]] = {}
        self.told: dict[str, dict[str, Any]] = {}
        self.told_at = -float(self.options.interval)

    async def receive(self, message: Event) -> None:
        """Tell it again: somebody asks."""
        if not message.get("retain"):
            await self._tell(everything=True)

    async def status_changed(self, message: Mapping[str, Any]) -> None:
        """Take the devices' state, and publish what has changed. Other boxes on the layer tell theirs."""
        if message.get("box") != BOX:
            return
        self.devices = {device["name"]: {name: device.get(name) for name in _TOLD} for device in message["devices"]}
        states = {name: device["state"] for name, device in self.devices.items()}
        changed = states != {name: device["state"] for name, device in self.told.items()}
        if changed or time.monotonic() - self.told_at >= self.options.interval:
            await self._tell()

    async def disconnect(self, code: int) -> None:
        """Clear the topics where the route is taken out."""
        if code == CloseCode.GOING_AWAY and self.channel_layer is not None:
            outlet = Outlet(self.channel_layer, "", self.scope["device"])
            for topic in self.topics():
                await outlet.publish(topic, b"", qos=1, retain=True)

    def topics(self) -> list[str]:
        """List the topics that are retained."""
        return [f"{self.options.status_topic}/box", *(self.topic_of(name) for name in self.told)]

    def topic_of(self, name: str) -> str:
        """Return the topic of a device."""
        return f"{self.options.status_topic}/device/{topic_word(name)}"

    async def _tell(self, *, everything: bool = False) -> None:
        self.told_at = time.monotonic()
        before, self.told = self.told, dict(self.devices)
        for name in before.keys() - self.devices.keys():
            await self.keep(self.topic_of(name), b"")
        for name, device in self.devices.items():
            if everything or device != before.get(name):
                connected = "ON" if device["state"] == "up" else "OFF"
                await self.keep(self.topic_of(name), as_json({**device, "connected": connected}))
        states = [device["state"] for device in self.devices.values()]
        said = {
            "version": __version__,
            "devices": len(states),
            "up": states.count("up"),
            "failed": states.count("failed"),
        }
        await self.keep(f"{self.options.status_topic}/box", as_json(said))

    async def keep(self, topic: str, payload: bytes) -> None:
        """Publish a retained message."""
        await self.send(topic=topic, payload=payload, qos=1, retain=True)
