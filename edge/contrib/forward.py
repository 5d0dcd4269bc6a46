"""From what a TNC or a line hears to the topics of a broker, without code.

The route's options name the broker's device, the topic and the payload: JSON with every field of the event (bytes as
hexadecimal text), JSON with chosen fields, or a template (`edge.contrib.templates`). Delivery is at most once: while
the broker is away up to a hundred messages wait for a minute; what is lost beyond that is told in the log. With
``durable`` it is at least once, by the outbox (`edge.outbox`).

Retained topics are bounded: the one that was silent longest is cleared at the broker when there would be more than
``most_topics``, and each after ``clear_after`` minutes of silence. A broker that speaks MQTT 5 clears it by itself
then, also when the box is off (message expiry, MQTT 5.0, section 3.3.2.3.3).

A user property ``edge-origin`` goes along, so that `edge.contrib.transmit` never sends a packet back to where it was
heard (`edge.contrib.origins`).
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge import spec
from edge.asgi import Event
from edge.consumers.base import AsyncConsumer
from edge.contrib import clock, origins
from edge.contrib.outlet import Outlet
from edge.contrib.templates import MISSING, Template, look_up, plain
from edge.errors import ConfigError
from edge.options import option
from edge.topics import topic_problem

FIELDS = {
    "aprs": frozenset({"device", "source", "station", "destination", "format", "port"}),
    "ax25": frozenset({"device", "source", "destination", "port"}),
    "serial": frozenset({"device"}),
}
RETAINED = "Bounds of what is retained"  # the heading of options that few need
TICK = 5.0  # seconds between looks for topics that have been silent for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardOptions:
    """Where to, and what."""

    broker: str = option(
        "broker", label="Broker", help="The name of the device that is the MQTT broker.", minimum=1, maximum=40
    )
    topic: str = option(
        "edge/{device}",
        label="Topic",
        help="May name {device}, and from a TNC {source}, {destination}, {port}, {format} and {station}, "
        "which is an object's name or else the source: aprs/{station}/{format}.",
        minimum=1,
        maximum=255,
    )
    payload: str = option(
        "",
        label="Payload",
        help="With the event's fields in braces: {packet.latitude:.4f},{packet.longitude:.4f}. Empty: JSON.",
        maximum=1000,
    )
    json_fields: str = option(
        "",
        label="Fields of the JSON",
        help="By name, with commas: source, lat=packet.latitude. Empty: all of them. Not with a payload of your own.",
        maximum=1000,
    )
    missing: str = option(
        "empty",
        label="A field is missing",
        help="What happens where the packet has not what the payload or the fields name.",
        choices=(("empty", "Leave it empty (null in JSON)"), ("skip", "Publish nothing")),
    )
    qos: int = option(0, label="QoS", help="1 and 2: the broker confirms it.", minimum=0, maximum=2)
    durable: bool = option(
        False,
        label="Keep while the broker is away",
        help="In the outbox, on disk, also across a restart. The broker confirms each message.",
    )
    retain: bool = option(False, label="Retain", help="The broker keeps the last message of each topic for newcomers.")
    clear_after: int = option(
        0,
        label="Clear after silence",
        help="What was retained is taken back when the topic was silent for so long. 0: never.",
        group=RETAINED,
        unit="min",
        minimum=0,
        maximum=525_600,
    )
    most_topics: int = option(
        1000,
        label="Most retained topics",
        help="Beyond, the one that was silent longest is cleared.",
        group=RETAINED,
        minimum=1,
        maximum=10_000,
    )


class Forward(AsyncConsumer):
    """Publishes each event that it hears."""

    protocols = frozenset({"aprs", "ax25", "serial"})
    Options = ForwardOptions

    clock: asyncio.Task[None] | None = None

    @staticmethod
    def targets(_options: ForwardOptions) -> Iterator[tuple[str, str]]:
        """Name the option that names the device to send to, and what that has to offer."""
        yield "broker", "mqtt"

    @staticmethod
    def check_options(options: ForwardOptions, scope_type: str) -> None:
        """Raise ConfigError for templates that are wrong, or name what this feed does not have."""
        topic_template(options.topic, FIELDS[scope_type])
        Payload(options, scope_type)

    async def connect(self) -> None:
        """Check the templates against what this feed has."""
        options = self.options
        self.outlet = Outlet(self.channel_layer, self.scope["device"], options.broker)
        self.topic = topic_template(options.topic, FIELDS[self.scope["type"]])
        self.payload = Payload(options, self.scope["type"])
        kept = self.scope["state"].setdefault(f"forward {options.broker} {options.topic}", Kept())
        self.kept: Kept = kept
        if options.retain and options.clear_after:
            self.clock = clock.start(TICK, self._clear_silent, f"forward-{self.scope['device']}")

    async def receive(self, message: Event) -> None:
        """Publish; a broker that cannot take more is told of in the log, once per gap."""
        values = values_of(self.scope["device"], message)
        payload = self.payload(values)
        if payload is None:
            return
        topic = self.topic.render_topic({"station": station_of(values), **values})
        # Half a surrogate pair is text to Python, not to UTF-8.
        if not await self._publish(topic, payload.encode(errors="replace")) or not self.options.retain:
            return
        for old in self.kept.note(topic, time.monotonic(), self.options.most_topics):
            await self._publish(old, b"")

    async def disconnect(self) -> None:
        """End the clock; what is retained stays with the broker, for its time."""
        if self.clock is not None:
            self.clock.cancel()

    async def _publish(self, topic: str, payload: bytes) -> bool:
        options, device = self.options, self.scope["device"]
        properties: dict[str, Any] = {"user_property": [[origins.PROPERTY, origins.name(device)]]}
        if options.retain and options.clear_after and payload:
            properties["message_expiry_interval"] = options.clear_after * 60
        origins.note(topic, payload, device)
        kept = {"durable": True} if options.durable else {}
        return await self.outlet.publish(
            topic, payload, qos=options.qos, retain=options.retain, properties=properties, **kept
        )

    async def _clear_silent(self) -> None:
        for topic in self.kept.silent(time.monotonic() - self.options.clear_after * 60):
            await self._publish(topic, b"")


class Kept:
    """The topics that were retained, the one that was silent longest first."""

    def __init__(self) -> None:
        self._topics: OrderedDict[str, float] = OrderedDict()

    def note(self, topic: str, now: float, most: int) -> list[str]:
        """Take note of a topic; return those that are to be cleared, for there are more than ``most``."""
        self._topics[topic] = now
        self._topics.move_to_end(topic)
        return [self._topics.popitem(last=False)[0] for _ in range(len(self._topics) - most)]

    def silent(self, since: float) -> list[str]:
        """Forget and return the topics on which nothing came since then."""
        found = [topic for topic, when in self._topics.items() if when <= since]
        for topic in found:
            del self._topics[topic]
        return found

    def __len__(self) -> int:
        return len(self._topics)


def topic_template(text: str, known: frozenset[str]) -> Template:
    """Compile a topic template; ConfigError where it could not become a topic."""
    try:
        template = Template.parse(text, known)
    except ConfigError as error:
        raise ConfigError(f"topic: {error}") from error
    if problem := topic_problem(text):
        raise ConfigError(f"topic: {problem}")
    return template


class Payload:
    """What makes the payload of an event's fields: None where nothing is to be published. ConfigError at the making."""

    def __init__(self, options: ForwardOptions, scope_type: str) -> None:
        if options.payload and options.json_fields:
            raise ConfigError("payload: give a payload or the fields of the JSON, not both")
        self.skip = options.missing == "skip"
        known = (spec.fields(f"{scope_type}.receive") or frozenset()) - {"type"} | {"device"}
        try:
            self.template = Template.parse(options.payload, known) if options.payload else None
        except ConfigError as error:
            raise ConfigError(f"payload: {error}") from error
        try:
            self.fields = dict(_chosen(options.json_fields, known))
        except ConfigError as error:
            raise ConfigError(f"json_fields: {error}") from error

    def __call__(self, values: Mapping[str, Any]) -> str | None:
        """Write one payload."""
        if self.template is not None:
            return None if self.skip and self.template.missing(values) else self.template.render(values)
        if not self.fields:
            return json.dumps(plain(values), ensure_ascii=False)
        found = {name: look_up(path, values) for name, path in self.fields.items()}
        if self.skip and MISSING in found.values():
            return None
        chosen = {name: None if value is MISSING else plain(value) for name, value in found.items()}
        return json.dumps(chosen, ensure_ascii=False)


def _chosen(text: str, known: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, equals, path = (part.strip() for part in word.partition("="))
        names = Template.parse("{" + (path if equals else name) + "}", known).names
        yield (name if equals else names[0].path[-1]), names[0].path


def values_of(device: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event, those that a person looks for first in front."""
    values = {"device": device, **event}
    first = [name for name in ("device", "time", "source", "destination", "format", "summary") if name in values]
    return {name: values[name] for name in (*first, *(name for name in values if name not in first and name != "type"))}


def station_of(values: Mapping[str, Any]) -> str:
    """Name what a packet is about: the object or item, or else its source."""
    packet = values.get("packet")
    named = isinstance(packet, Mapping) and values.get("format") in ("object", "item") and packet.get("name")
    return str(named or values.get("source", ""))
