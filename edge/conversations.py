"""An ASGI middleware: a feed in, one ``conversation`` per peer out (`edge.spec.conversation`).

    Conversations(ChatConsumer.as_asgi(), lambda scope: AprsCarrier(scope, AprsCarrier.Options(), ""))

What the two sides mean by "saying something" is the carrier's: `AprsCarrier` for APRS messages (`edge.messaging`),
`MqttCarrier` for topics. A dialogue that fails or blocks harms no other: each runs in its own task with its own mailbox.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

from edge.asgi import App, Event, Receive, Scope, Send
from edge.errors import ConfigError, LocalProtocolError
from edge.mailbox import Mailbox
from edge.messaging import Action, Heard, Messages, Transmit
from edge.options import option
from edge.spec import CloseCode
from edge.topics import TopicFilter, fill, template_problem

logger = logging.getLogger("edge.conversations")

MAX_DIALOGUES = 64  # at once on one route; beyond, the one that was silent longest is ended
MAX_SAID = 4096  # characters of one text, either way
TICK = 1.0  # seconds between looks at retries and silence, only while there is somebody to talk to
GOODBYE = 5.0  # seconds that a dialogue has to end


@dataclass(frozen=True, slots=True)
class Said:
    """A peer said something: exactly one of the two is not None."""

    peer: str
    text: str | None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A peer cannot be reached."""

    peer: str
    reason: str


Outcome = Said | Gone | Event


class Carrier(Protocol):
    """How a feed carries dialogues. What it returns is to be done in order: things said, peers gone, events for the feed."""

    over: str
    idle_seconds: float

    def receive(self, event: Event, now: float) -> Iterable[Outcome]:
        """Take an event of the feed."""

    def send(self, peer: str, text: str | None, data: bytes | None, now: float) -> Iterable[Outcome]:
        """Say something to a peer."""

    def tick(self, now: float) -> Iterable[Outcome]:
        """Look at the clock."""

    def end(self, peer: str) -> None:
        """Forget a peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AprsCarrierOptions:
    """What a route may set where APRS messages carry conversations."""

    idle_minutes: int = option(30, label="Ends after silence", unit="min", minimum=1, maximum=1440)


class AprsCarrier:
    """Dialogues over APRS messages to the station's own callsign."""

    Options = AprsCarrierOptions
    over = "aprs"

    def __init__(self, scope: Scope, options: AprsCarrierOptions, match: str) -> None:  # noqa: ARG002  (the carriers' form)
        self.idle_seconds = options.idle_minutes * 60.0
        # What was heard and numbered lately outlives the link: a TNC that was unplugged must not make an old message new.
        self.messages: Messages = scope["state"].setdefault(
            f"messages {scope['callsign']}", Messages(scope["callsign"])
        )

    @staticmethod
    def check(options: AprsCarrierOptions, match: str) -> None:
        """Raise ConfigError where the options and the match do not fit each other: here they always do."""

    def receive(self, event: Event, now: float) -> Iterator[Outcome]:
        """Take a packet."""
        return self._outcomes(
            self.messages.receive(event["source"], {"format": event["format"], **event["packet"]}, now)
        )

    def send(self, peer: str, text: str | None, data: bytes | None, now: float) -> Iterator[Outcome]:
        """Send a text, in as many messages as it takes."""
        if text is None:
            raise LocalProtocolError(f"APRS messages carry text, not bytes; got {len(data or b'')} bytes for {peer}")
        return self._outcomes(self.messages.send(peer, text, now))

    def tick(self, now: float) -> Iterator[Outcome]:
        """Retry."""
        return self._outcomes(self.messages.tick(now))

    def end(self, peer: str) -> None:
        """Let what is on its way go on: goodbyes are said just before the end."""

    def _outcomes(self, actions: Iterable[Action]) -> Iterator[Outcome]:
        for action in actions:
            if isinstance(action, Heard):
                yield Said(action.peer, action.text)
            elif isinstance(action, Transmit):
                yield {"type": "aprs.send", "packet": dict(action.packet)}
            else:
                yield Gone(action.peer, action.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttCarrierOptions:
    """What a route may set where topics carry conversations."""

    reply_topic: str = option(
        "",
        label="Answers go to",
        help="With the names of the match in braces, as chat/{peer}/out. Empty: as the match, with its last level 'in' as 'out'.",
        maximum=255,
    )
    idle_minutes: int = option(30, label="Ends after silence", unit="min", minimum=1, maximum=1440)


class MqttCarrier:
    """Dialogues over topics: ``chat/+peer/in`` comes in, answers go to ``chat/{peer}/out``; the first name is the peer."""

    Options = MqttCarrierOptions
    over = "mqtt"

    def __init__(self, scope: Scope, options: MqttCarrierOptions, match: str) -> None:  # noqa: ARG002  (the carriers' form)
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
        if not caught:
            return
        peer = caught[self.filter.names[0]]
        try:
            yield Said(peer, event["payload"].decode())
        except UnicodeDecodeError:
            yield Said(peer, None, event["payload"])

    def send(self, peer: str, text: str | None, data: bytes | None, now: float) -> Iterator[Outcome]:  # noqa: ARG002  (as above)
        """Publish the answer."""
        topic = fill(self.reply_topic, {name: peer for name in self.filter.names})
        yield {"type": "mqtt.send", "topic": topic, "payload": text if text is not None else data or b"", "qos": 1}

    def tick(self, now: float) -> Iterable[Outcome]:  # noqa: ARG002  (as above)
        """Do nothing: the broker confirms by itself."""
        return ()

    def end(self, peer: str) -> None:
        """Forget a peer: nothing is kept."""


def _reply_topic(match: str) -> str:
    levels = [f"{{{level[1:]}}}" if level[:1] in ("+", "#") else level for level in match.split("/")]
    return "/".join([*levels[:-1], "out" if levels[-1] == "in" else f"{levels[-1]}/out"])


# Any: the two carriers share a form, not an options type; edge.legs pairs them.
CARRIERS: dict[str, Any] = {"aprs": AprsCarrier, "mqtt": MqttCarrier}


class _Dialogue:
    """One peer: a mailbox, a task, and when it was last heard."""

    def __init__(self, peer: str, now: float) -> None:
        self.peer = peer
        self.mailbox = Mailbox()
        self.heard = now
        self.accepted = False
        self.task: asyncio.Task[None] | None = None


class Conversations:
    """The middleware. ``make_carrier(scope)`` is called once per connection of the feed."""

    def __init__(
        self, app: App, make_carrier: Callable[[Scope], Carrier], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self.make_carrier = make_carrier
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one feed, to its end."""
        feed = _Feed(self, scope, send)
        ticker = asyncio.create_task(feed.tick_forever(), name="edge-conversations-tick")
        ending: Event = {"code": int(CloseCode.RESTART), "reason": "the box is stopping"}
        try:
            while True:
                event = await receive()
                if event["type"].endswith(".disconnect"):
                    ending = event
                    return
                if event["type"].endswith(".receive"):
                    await feed.receive(event)
        finally:
            ticker.cancel()
            await feed.end(ending)


class _Feed:
    """The dialogues of one feed."""

    def __init__(self, owner: Conversations, scope: Scope, send: Send) -> None:
        self.app = owner.app
        self.clock = owner.clock
        self.scope = scope
        self.send = send
        self.carrier = owner.make_carrier(scope)
        self.dialogues: dict[str, _Dialogue] = {}

    async def receive(self, event: Event) -> None:
        await self._perform(self.carrier.receive(event, self.clock()))

    async def tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = self.clock()
            await self._perform(self.carrier.tick(now))
            for dialogue in list(self.dialogues.values()):
                if now - dialogue.heard > self.carrier.idle_seconds:
                    self._close(dialogue.peer, CloseCode.GOING_AWAY, "silent for too long")

    async def end(self, ending: Event) -> None:
        dialogues = list(self.dialogues.values())
        for dialogue in dialogues:
            self._close(dialogue.peer, ending["code"], ending.get("reason", ""))
        tasks = [dialogue.task for dialogue in dialogues if dialogue.task]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GOODBYE)
            for task in late:
                task.cancel()

    async def _perform(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Said):
                await self._said(outcome)
            elif isinstance(outcome, Gone):
                self._close(outcome.peer, CloseCode.LINK_LOST, outcome.reason)
            else:
                await self.send(outcome)

    async def _said(self, said: Said) -> None:
        dialogue = self.dialogues.get(said.peer) or self._begin(said.peer)
        dialogue.heard = self.clock()
        text = None if said.text is None else said.text[:MAX_SAID]
        await dialogue.mailbox.put({"type": "conversation.receive", "text": text, "bytes": said.data})

    def _begin(self, peer: str) -> _Dialogue:
        if len(self.dialogues) >= MAX_DIALOGUES:
            longest_silent = min(self.dialogues.values(), key=lambda dialogue: dialogue.heard)
            self._close(longest_silent.peer, CloseCode.GOING_AWAY, "too many conversations at once")
        dialogue = self.dialogues[peer] = _Dialogue(peer, self.clock())
        dialogue.mailbox.offer({"type": "conversation.connect"})
        dialogue.task = asyncio.create_task(self._run(dialogue), name=f"edge-conversation-{peer}")
        return dialogue

    async def _run(self, dialogue: _Dialogue) -> None:
        scope = {
            "type": "conversation",
            "asgi": self.scope.get("asgi", {"version": "3.0"}),
            "peer": dialogue.peer,
            "over": self.carrier.over,
            "device": self.scope.get("device", ""),
            "path": f"/{self.scope.get('device', '')}/{dialogue.peer}",
            "state": self.scope.get("state", {}),
        }
        try:
            await self.app(scope, dialogue.mailbox.receive, lambda event: self._from_app(dialogue, event))
        except Exception:
            logger.exception("%s: the conversation with %s failed", self.scope.get("device", ""), dialogue.peer)
        finally:
            if self.dialogues.get(dialogue.peer) is dialogue:
                del self.dialogues[dialogue.peer]
            self.carrier.end(dialogue.peer)

    async def _from_app(self, dialogue: _Dialogue, event: Event) -> None:
        type_ = event["type"]
        if type_ == "conversation.accept":
            dialogue.accepted = True
        elif type_ == "conversation.close":
            self._close(dialogue.peer, event.get("code", CloseCode.NORMAL), event.get("reason", ""), dialogue)
        elif type_ != "conversation.send":
            raise LocalProtocolError(f"a conversation takes conversation.accept, .send and .close; got {type_!r}")
        elif not dialogue.accepted or dialogue.mailbox.closed:
            raise LocalProtocolError(
                f"the conversation with {dialogue.peer} is {'over' if dialogue.accepted else 'not accepted yet'}"
            )
        else:
            text = cast("str | None", event.get("text"))
            await self._perform(
                self.carrier.send(dialogue.peer, text and text[:MAX_SAID], event.get("bytes"), self.clock())
            )

    def _close(self, peer: str, code: int, reason: str, expected: _Dialogue | None = None) -> None:
        dialogue = self.dialogues.get(peer)
        if dialogue is None or (expected is not None and dialogue is not expected):
            return
        del self.dialogues[peer]
        dialogue.mailbox.close({"type": "conversation.disconnect", "code": int(code), "reason": reason})
