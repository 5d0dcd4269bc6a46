"""From what a TNC hears to the topics of a broker, without code.

The route's options name the broker's device and the topic; the payload is JSON with every field of the event, bytes as
hexadecimal text. Delivery is at most once: while the broker is away up to a hundred messages wait for a minute; what is
lost beyond that is told in the log.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any

from edge.asgi import Event
from edge.consumers.base import AsyncConsumer
from edge.errors import ConfigError
from edge.exceptions import ChannelFull
from edge.options import option
from edge.topics import fill, template_problem

logger = logging.getLogger("edge.contrib.forward")

FIELDS = {
    "aprs": frozenset({"device", "source", "destination", "format", "port"}),
    "ax25": frozenset({"device", "source", "destination", "port"}),
    "serial": frozenset({"device"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardOptions:
    """Where to."""

    broker: str = option(
        "broker", label="Broker", help="The name of the device that is the MQTT broker.", minimum=1, maximum=40
    )
    topic: str = option(
        "edge/{device}",
        label="Topic",
        help="May name {device}, and from a TNC {source}, {destination}, {port} and {format}: aprs/{source}/{format}.",
        minimum=1,
        maximum=255,
    )
    retain: bool = option(False, label="Retain", help="The broker keeps the last message of each topic for newcomers.")


class Forward(AsyncConsumer):
    """Publishes each event that it hears."""

    protocols = frozenset({"aprs", "ax25", "serial"})
    Options = ForwardOptions

    async def connect(self) -> None:
        """Check the topic against what this feed has."""
        known = FIELDS[self.scope["type"]]
        if problem := template_problem(self.options.topic, known):
            raise ConfigError(f"topic: {problem}")
        self.lost = 0

    async def receive(self, message: Event) -> None:
        """Publish; a broker that cannot take more is told of in the log, once per gap."""
        values = {"device": self.scope["device"], **message}
        event = {
            "type": "mqtt.send",
            "topic": fill(self.options.topic, {name: values[name] for name in FIELDS[self.scope["type"]]}),
            "payload": json.dumps(_plain(_for_readers(values)), ensure_ascii=False),
            "retain": self.options.retain,
            "origin": self.scope["device"],
        }
        if self.channel_layer is None:
            raise ConfigError("forwarding needs a channel layer; none is configured")
        try:
            await self.channel_layer.send(f"device.{self.options.broker}", event)
        except ChannelFull:
            self.lost += 1
            if self.lost == 1:
                logger.warning(
                    "%s: %s takes no more; messages are being lost", self.scope["device"], self.options.broker
                )
        else:
            if self.lost:
                logger.warning(
                    "%s: %s is back; %d messages were lost", self.scope["device"], self.options.broker, self.lost
                )
            self.lost = 0

    async def disconnect(self) -> None:
        """Nothing is kept."""


def _for_readers(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with those that a person looks for first in front."""
    first = [name for name in ("device", "time", "source", "destination", "format", "summary") if name in values]
    return {name: values[name] for name in (*first, *(name for name in values if name not in first and name != "type"))}


def _plain(value: Any) -> Any:  # what JSON can hold, of what ASGI permits
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value
