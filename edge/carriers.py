"""How a feed carries dialogues: what "saying something" means over APRS messages and over MQTT topics.

A carrier (`edge.carrying`) is pure: it takes events of the feed and the time, and returns what is to be done, in order.
The dialogues themselves, their tasks and their ends are `edge.conversations`'. Connections of packet terminals are
carried by `edge.connected`.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from edge.asgi import Event, Scope
from edge.carrying import Carrier, Gone, Outcome, Said
from edge.connected.carrier import ConnectedCarrier
from edge.errors import ConfigError, LocalProtocolError
from edge.messaging import MAX_ID, Action, Heard, Messages, Station, Transmit
from edge.options import option
from edge.topics import TopicFilter, fill, template_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AprsCarrierOptions:
    """What a route may set where APRS messages carry conversations."""

    idle_minutes: int = option(30, label="Ends after silence", unit="min", minimum=1, maximum=1440)


class AprsCarrier(Carrier):
    """Dialogues over APRS messages to the station's own callsign.

    What was heard and what is on its way outlives the link (``scope["state"]``): a TNC that was unplugged must not make
    an old message new. Each route has its own; ids and acknowledgements are the station's.
    """

    Options = AprsCarrierOptions
    over = "aprs"

    def __init__(
        self,
        scope: Scope,
        options: AprsCarrierOptions,
        match: str,  # noqa: ARG002  (the carriers' form)
        *,
        route: str = "",
    ) -> None:
        self.idle_seconds = options.idle_minutes * 60.0
        state, callsign = scope["state"], scope["callsign"]
        # Seconds, so that ids after a restart are not those from before it: nobody sends one a second.
        station = state.setdefault(f"station {callsign}", Station(callsign, int(time.time()) % MAX_ID + 1))
        self.messages: Messages = state.setdefault(f"messages {callsign} {route}", Messages(station))

    @staticmethod
    def check(options: AprsCarrierOptions, match: str) -> None:
        """Raise ConfigError where the options and the match do not fit each other: here they always do."""

    def receive(self, event: Event, now: float) -> list[Outcome]:
        """Take a packet."""
        return _outcomes(self.messages.receive(event["source"], {"format": event["format"], **event["packet"]}, now))

    def send(self, peer: str, text: str | None, data: bytes | None, now: float) -> list[Outcome]:
        """Send a text, in as many messages as it takes."""
        if text is None:
            raise LocalProtocolError(f"APRS messages carry text, not bytes; got {len(data or b'')} bytes for {peer}")
        return _outcomes(self.messages.send(peer, text, now))

    def tick(self, now: float) -> list[Outcome]:
        """Retry."""
        return _outcomes(self.messages.tick(now))


def _outcomes(actions: Iterable[Action]) -> list[Outcome]:
    return [_outcome(action) for action in actions]


def _outcome(action: Action) -> Outcome:
    if isinstance(action, Heard):
        return Said(action.peer, action.text)
    if isinstance(action, Transmit):
        return {"type": "aprs.send", "packet": dict(action.packet)}
    return Gone(action.peer, action.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttCarrierOptions:
    """What a route may set where topics carry conversations."""

    reply_topic: str = option(
        "",
        label="Answers go to",
        help="With the match's names in braces: chat/{peer}/out. Empty: as the match, its last level 'in' as 'out'.",
        maximum=255,
    )
    idle_minutes: int = option(30, label="Ends after silence", unit="min", minimum=1, maximum=1440)


class MqttCarrier(Carrier):
    """Dialogues over topics: ``chat/+peer/in`` comes in, answers go to ``chat/{peer}/out``.

    The peer is what the match's names caught, joined by "/" where there are several. A retained message is not heard:
    it was said once, before, and would be answered again after every reconnection.
    """

    Options = MqttCarrierOptions
    over = "mqtt"

    def __init__(
        self,
        scope: Scope,  # noqa: ARG002  (the carriers' form)
        options: MqttCarrierOptions,
        match: str,
        *,
        route: str = "",  # noqa: ARG002  (likewise)
    ) -> None:
        self.idle_seconds = options.idle_minutes * 60.0
        self.filter = TopicFilter.parse(match)
        self.reply_topic = options.reply_topic or _reply_topic(match)

    @staticmethod
    def check(options: MqttCarrierOptions, match: str) -> None:
        """Raise ConfigError where the match names no peer, or the answers have nowhere to go."""
        filter_ = TopicFilter.parse(match)
        if not filter_.names:
            raise ConfigError(
                f"a conversation needs to know its peer: expected a match such as chat/+peer/in; got {match!r}"
            )
        template = options.reply_topic or _reply_topic(match)
        if problem := template_problem(template, frozenset(filter_.names)):
            raise ConfigError(f"reply_topic: {problem}")
        if filter_.match(fill(template, dict.fromkeys(filter_.names, "x"))) is not None:
            raise ConfigError(
                f"reply_topic: {template!r} matches {match!r} itself, so each answer would come back as a question"
            )

    def receive(self, event: Event, now: float) -> Iterator[Outcome]:  # noqa: ARG002  (a carrier's form)
        """Take a message; a payload that is not UTF-8 is bytes."""
        caught = self.filter.match(event["topic"])
        if not caught or not all(caught.values()) or event.get("retain"):
            return
        peer = "/".join(caught[name] for name in self.filter.names)
        try:
            yield Said(peer, event["payload"].decode())
        except UnicodeDecodeError:
            yield Said(peer, None, event["payload"])

    def send(self, peer: str, text: str | None, data: bytes | None, now: float) -> list[Outcome]:  # noqa: ARG002  (as above)
        """Publish the answer."""
        # Only the last name can have caught a "/", for "#" stands last: so the peer comes apart as it was put together.
        values = dict(zip(self.filter.names, peer.split("/", len(self.filter.names) - 1), strict=True))
        payload = text if text is not None else data
        return [{"type": "mqtt.send", "topic": fill(self.reply_topic, values), "payload": payload, "qos": 1}]

    def tick(self, now: float) -> list[Outcome]:  # noqa: ARG002  (as above)
        """Do nothing: the broker confirms by itself."""
        return []


def _reply_topic(match: str) -> str:
    levels = [f"{{{level[1:]}}}" if level[:1] in ("+", "#") else level for level in match.split("/")]
    return "/".join([*levels[:-1], "out" if levels[-1] == "in" else f"{levels[-1]}/out"])


# Any: the carriers share a form, not an options type; edge.legs pairs them.
CARRIERS: dict[str, Any] = {"aprs": AprsCarrier, "mqtt": MqttCarrier, "ax25": ConnectedCarrier}
