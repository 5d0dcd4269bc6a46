"""Routes on a broker: what one leg of the fan-out subscribes to, which messages are its own, and what it caught.

A leg's `Watch` holds the route's filter, and those that its consumer subscribed to itself. It is pure: it says what is
to be sent, `edge.fanout` sends it. `edge.instances` makes one instance for each captured value of a route.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from edge.asgi import App, Event
from edge.errors import ConfigError
from edge.fanout import Leg
from edge.instances import MAX_INSTANCES, Instances
from edge.options import option
from edge.topics import TopicFilter

MAX_KNOWN = 1_024  # topics of one filter whose match is remembered; beyond, all are tried anew

_holders = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicOptions:
    """What a route on a broker may set, beside what its consumer may."""

    subscribe_qos: int = option(
        1,
        label="QoS",
        help="With 1 and 2 the broker keeps a message until it was handled.",
        minimum=0,
        maximum=2,
    )
    no_local: bool = option(False, label="Not our own", help="Not what this same session publishes. MQTT 5.")
    retain_as_published: bool = option(
        False, label="Retain as published", help="The retain flag as its publisher set it. MQTT 5."
    )
    retained: str = option(
        "begin",
        label="Retained messages",
        help="When the route is told what the broker retains. MQTT 5.",
        choices=(
            ("begin", "Whenever the session begins"),
            ("new", "If the broker kept no session"),
            ("never", "Never"),
        ),
    )
    one_per: str = option(
        "",
        label="One instance per",
        help="Names of the match, with commas: each value they catch has an instance of its own. Empty: one for all.",
        maximum=255,
    )
    most_instances: int = option(
        100,
        label="Most instances",
        help="At once. Beyond, the one that was silent longest is ended.",
        unit="instances",
        minimum=1,
        maximum=MAX_INSTANCES,
    )
    instance_idle: int = option(
        60,
        label="Instance ends after silence",
        help="The next message begins another.",
        unit="min",
        minimum=1,
        maximum=10_080,
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `one_per`."""
        return tuple(name.strip() for name in self.one_per.split(",") if name.strip())


def check_topic_options(options: TopicOptions, filter_: TopicFilter) -> None:
    """Raise ConfigError where the options and the filter do not fit each other."""
    if missing := [name for name in options.names if name not in filter_.names]:
        known = ", ".join(filter_.names) or "no names"
        raise ConfigError(f"one_per: {filter_.text!r} has {known}; got {missing[0]!r}")
    if filter_.share and options.no_local:
        raise ConfigError(f"no_local: not for {filter_.text!r}; MQTT allows it for no shared subscription")


def topic_leg(key: object, filter_: TopicFilter, app: App, consumer: str, options: TopicOptions | None = None) -> Leg:
    """Make the leg of a route on a broker: it subscribes when it begins, takes what matches, and unsubscribes.

    Raises ConfigError for options that do not fit the filter.
    """
    chosen = options or TopicOptions()
    check_topic_options(chosen, filter_)
    if chosen.names:
        idle = chosen.instance_idle * 60.0
        app = Instances(app, chosen.names, most=chosen.most_instances, idle=idle, consumer=consumer)
    alone: dict[str, Any] = {} if filter_.pattern.groups else {"topic_route": {"args": [], "kwargs": {}}}
    return Leg(
        key=key,
        app=app,
        consumer=consumer,
        match=filter_.text,
        scope=(("topic_filters", [filter_.text]), *alone.items()),
        watch=lambda: Watch(filter_, chosen),
    )


class Watch:
    """The filters of one leg on one session."""

    def __init__(self, filter_: TopicFilter, options: TopicOptions) -> None:
        self._options = options
        self._own = f"{next(_holders)}/"
        self._filters = [_Known(filter_)]

    def begin(self) -> Sequence[Event]:
        """Return what is to be sent when the leg begins."""
        options = self._options
        asked: Event = {
            "type": "mqtt.subscribe",
            "topic": self._filters[0].filter.subscription,
            "qos": options.subscribe_qos,
            "holder": self._own,
        }
        if options.no_local:
            asked["no_local"] = True
        if options.retain_as_published:
            asked["retain_as_published"] = True
        if options.retained != "begin":
            asked["retained"] = options.retained
        return [asked]

    def end(self) -> Sequence[Event]:
        """Return what is to be sent when the leg ends."""
        return [self._leaving(known) for known in self._filters]

    def _leaving(self, known: "_Known") -> Event:
        return {"type": "mqtt.unsubscribe", "topic": known.filter.subscription, "holder": self._own + known.holder}

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Tell whether a message is for this leg."""
        holder = event.get("holder")
        if holder is not None and not holder.startswith(self._own):
            return False  # it was retained, and comes for another leg's subscribing
        return self._route(event) is not None

    def adapt(self, event: Event) -> None:
        """Say on this leg's own copy what the filter caught, and for which holder below it came."""
        route = self._route(event)
        if route is not None:
            event["topic_route"] = route
        if (holder := event.pop("holder", None)) and (below := holder.removeprefix(self._own)):
            event["holder"] = below

    def _route(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        share, topic = event.get("share"), event["topic"]
        for known in self._filters:
            is_right = share is None or share == (known.filter.subscription if known.filter.share else "")
            if is_right and (route := known.route(topic)) is not None:
                return route
        return None

    def outgoing(self, event: Event) -> Event:
        """Take note of what the consumer subscribes to itself, or gives back; return it with this leg as the holder."""
        if event["type"] not in ("mqtt.subscribe", "mqtt.unsubscribe"):
            return event
        below = str(event.get("holder", ""))
        event = {**event, "holder": self._own + below}
        filter_ = _parsed(event)
        if event["type"] == "mqtt.unsubscribe":
            self._forget(filter_, below)
        elif filter_ is not None:
            self._filters.append(_Known(filter_, below))
        return event

    def refused(self, event: Event) -> None:
        """Take note that a subscription could not be had."""
        if event["type"] == "mqtt.subscribe":
            self._forget(_parsed(event), event["holder"].removeprefix(self._own))

    def _forget(self, filter_: TopicFilter | None, holder: str) -> None:
        for index, known in reversed(list(enumerate(self._filters))):
            if filter_ and known.filter.subscription == filter_.subscription and known.holder == holder:
                del self._filters[index]
                return


def _parsed(event: Event) -> TopicFilter | None:
    """Return the filter of an event; None where it is none, which the transport says."""
    try:
        return TopicFilter.parse(event["topic"])
    except (ConfigError, KeyError, TypeError, AttributeError):
        return None


class _Known:
    """A filter, and what it made of the topics that came."""

    __slots__ = ("_known", "filter", "holder")

    def __init__(self, filter_: TopicFilter, holder: str = "") -> None:
        self.filter = filter_
        self.holder = holder
        self._known: dict[str, dict[str, Any] | None] = {}

    def route(self, topic: str) -> dict[str, Any] | None:
        try:
            return self._known[topic]
        except KeyError:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[topic] = self.filter.route(topic)
            return found
