"""An ASGI middleware: a feed in, one ``conversation`` per peer out (`edge.spec.conversation`).

    Conversations(ChatConsumer.as_asgi(), lambda scope: AprsCarrier(scope, AprsCarrier.Options(), ""))

What the two sides mean by "saying something" is the carrier's (`edge.carriers`). A dialogue that fails or blocks harms
no other: each runs in its own task with its own mailbox. What it raised is counted, and the peer's next word begins
another.

A carrier whose peers connect (`edge.connected`) says when a dialogue begins and when its peer has left, is told when it
ended here, and makes a dialogue's send wait while too much of it is on its way.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import cast

from edge.asgi import App, Event, Receive, Scope, Send
from edge.carrying import MAX_UNREAD, Begun, Carrier, Gone, Outcome, Said
from edge.errors import LinkLost, LocalProtocolError, Refused
from edge.mailbox import Mailbox
from edge.receipts import following
from edge.spec import CloseCode
from edge.status import Faults

logger = logging.getLogger("edge.conversations")

MAX_DIALOGUES = Carrier.max_dialogues
MAX_TASKS = 2 * MAX_DIALOGUES  # with those that have yet to end; beyond, the oldest of these is cancelled
MAX_SAID = 4096  # characters of one text, either way; what is beyond is cut off
TICK = 1.0  # seconds between looks at retries and silence, at most
SHORTEST_TICK = 0.02  # seconds, where a carrier asks for more
GOODBYE = 5.0  # seconds that the dialogues of a feed have to end


class Conversations:
    """The middleware. ``make_carrier(scope)`` is called once per connection of the feed."""

    def __init__(
        self, app: App, make_carrier: Callable[[Scope], Carrier], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self.make_carrier = make_carrier
        self.clock = clock
        self.faults = Faults()
        self.callsign: str | None = None  # what it calls out as, where its carrier does; "" for the device's own

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
                if event["type"].endswith((".receive", ".call")):
                    await feed.receive(event)
        finally:
            ticker.cancel()
            await feed.end(ending["code"], ending.get("reason", ""))


class _Dialogue:
    """One peer: a mailbox, and when it was last heard."""

    def __init__(self, peer: str, now: float, *, called: bool = False, max_unread: int = MAX_UNREAD) -> None:
        self.peer = peer
        self.called = called
        self.mailbox = Mailbox(transport_capacity=max_unread)
        self.heard = now
        self.accepted = False
        self.left = ""  # why the peer has left
        self.lost = False  # its consumer was told that the link is
        self.room = asyncio.Event()  # what waits for the peer has become less, or it is over


class _Feed:
    """The dialogues of one feed."""

    def __init__(self, owner: Conversations, scope: Scope, send: Send) -> None:
        self.app = owner.app
        self.clock = owner.clock
        self.faults = owner.faults
        self.scope = scope
        self.device: str = scope.get("device", "")
        self.send = send
        self.carrier = owner.make_carrier(scope)
        self.dialogues: dict[str, _Dialogue] = {}
        self.ending = False  # the feed's, not that of one dialogue
        self.tasks: dict[asyncio.Task[None], _Dialogue] = {}  # the oldest first; also of dialogues that are ending
        self.stirred = asyncio.Event()  # the carrier's next moment is sooner than the next look
        self.next_look = 0.0  # by the clock

    async def receive(self, event: Event) -> None:
        await self._perform(self.carrier.receive(event, self.clock()), event)

    async def tick_forever(self) -> None:
        while True:
            await self._wait_to_look()
            try:
                await self._tick()
            except Exception:  # the fence: the next look must come, whatever this one met
                logger.exception("%s: an error in the conversations' clock", self.device)

    async def _wait_to_look(self) -> None:
        due, now = self.carrier.due(), self.clock()
        wait = TICK if due is None else min(max(due - now, SHORTEST_TICK), TICK)
        self.stirred.clear()
        self.next_look = now + wait
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self.stirred.wait()
        self.next_look = now  # nobody has to wake the one that is awake

    def _stir(self) -> None:
        """Look sooner, where the carrier has something to do before."""
        due = self.carrier.due()
        if due is not None and due < self.next_look:
            self.stirred.set()

    async def end(self, code: int, reason: str) -> None:
        """Tell every dialogue goodbye, and wait for them to end, `GOODBYE` seconds at most."""
        self.ending = True
        leaving = self.carrier.end(self.clock())
        for peer in list(self.dialogues):
            self._close(peer, code, reason)
        if code != CloseCode.LINK_LOST:
            await self._perform(leaving)
        tasks = list(self.tasks)
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=GOODBYE)
        finally:
            for task in tasks:
                task.cancel()

    async def _tick(self) -> None:
        now = self.clock()
        await self._perform(self.carrier.tick(now))
        for dialogue in list(self.dialogues.values()):
            if now - dialogue.heard > self.carrier.idle_seconds:
                await self._hang_up(dialogue.peer, CloseCode.GOING_AWAY, "silent for too long", dialogue)
            else:
                await self._perform(self.carrier.unread(dialogue.peer, len(dialogue.mailbox), now))

    async def _perform(self, outcomes: Iterable[Outcome], heard: Event | None = None) -> None:
        """Do what the carrier asks for by itself, where no consumer is there to be told of an error."""
        for outcome in outcomes:
            if isinstance(outcome, Said):
                await self._said(outcome, heard)
            elif isinstance(outcome, Begun):
                await self._begun(outcome)
            elif isinstance(outcome, Gone):
                self._left(outcome)
            else:
                await self._send_quietly(outcome)
        for dialogue in self.dialogues.values():
            if not dialogue.room.is_set() and not self.carrier.crowded(dialogue.peer):
                dialogue.room.set()
        self._stir()

    async def _send_quietly(self, event: Event) -> None:
        try:
            await self.send(event)
        except Refused as error:
            await self._perform(self.carrier.refused(event, str(error), self.clock()))
        except LinkLost:
            logger.debug("%s: the link went before %s; the feed's end follows", self.device, event["type"])
        except LocalProtocolError as error:
            logger.warning("%s: %s", self.device, error)

    async def _said(self, said: Said, heard: Event | None) -> None:
        if not said.text and not said.data:
            return  # nothing was said: a message of blanks, a cleared topic
        dialogue = self.dialogues.get(said.peer) or self._begin(said.peer)
        if dialogue is None:
            return
        dialogue.heard = self.clock()
        text = None if said.text is None else said.text[:MAX_SAID]
        event = {"type": "conversation.receive", "text": text, "bytes": said.data}
        await dialogue.mailbox.put(event if heard is None else following(heard, event))
        await self._perform(self.carrier.unread(said.peer, len(dialogue.mailbox), self.clock()))

    async def _begun(self, begun: Begun) -> None:
        if self._begin(begun.peer, called=begun.called) is None:
            await self._perform(self.carrier.close(begun.peer, self.clock()))

    def _left(self, gone: Gone) -> None:
        if dialogue := self.dialogues.get(gone.peer):
            dialogue.left = gone.reason
            self._close(gone.peer, gone.code, gone.reason)

    def _begin(self, peer: str, *, called: bool = False) -> _Dialogue | None:
        if len(self.dialogues) >= self.carrier.max_dialogues:
            longest_silent = min(self.dialogues.values(), key=lambda dialogue: dialogue.heard)
            self._close(longest_silent.peer, CloseCode.GOING_AWAY, "too many conversations at once")
        if len(self.tasks) >= 2 * self.carrier.max_dialogues:
            next(task for task, dialogue in self.tasks.items() if dialogue.mailbox.closed).cancel()
            logger.warning("%s: %s is not answered, too many conversations have yet to end", self.device, peer)
            return None
        dialogue = _Dialogue(peer, self.clock(), called=called, max_unread=self.carrier.max_unread)
        self.dialogues[peer] = dialogue
        dialogue.mailbox.offer({"type": "conversation.connect"})
        task = asyncio.create_task(self._run(dialogue), name=f"edge-conversation-{peer}")
        self.tasks[task] = dialogue
        task.add_done_callback(self.tasks.pop)
        return dialogue

    async def _run(self, dialogue: _Dialogue) -> None:
        scope = {
            "type": "conversation",
            "asgi": self.scope.get("asgi", {"version": "3.0"}),
            "peer": dialogue.peer,
            "over": self.carrier.over,
            "called": dialogue.called,
            "device": self.device,
            "path": f"/{self.device}/{dialogue.peer}",
            "state": self.scope.get("state", {}),
        }
        try:
            while not await self._call_app(scope, dialogue):
                # What a broker waits to hear about is given again, as to any consumer (`edge.receipts`).
                dialogue.accepted = False
                dialogue.mailbox.begin_again({"type": "conversation.connect"})
                if len(dialogue.mailbox) == 1:
                    break  # it was given up, and nothing more was said
        finally:
            await self._hang_up(dialogue.peer, CloseCode.NORMAL, "", dialogue)
            if not self.ending:
                dialogue.mailbox.abandon()

    async def _call_app(self, scope: Scope, dialogue: _Dialogue) -> bool:
        """Run the consumer to its end; False where it raised on something that is to be given again."""
        try:
            await self.app(dict(scope), dialogue.mailbox.receive, lambda event: self._from_app(dialogue, event))
        except (Exception, SystemExit) as error:  # the fence: whatever a consumer raises stays in its dialogue
            if isinstance(error, LinkLost) and (dialogue.lost or dialogue.mailbox.closed):
                logger.debug("%s: the link went while the consumer spoke to %s", self.device, dialogue.peer)
                return True
            self.faults.add(error)
            logger.exception("%s: the conversation with %s failed", self.device, dialogue.peer)
            return dialogue.mailbox.closed or not dialogue.mailbox.unfinished
        return True

    async def _from_app(self, dialogue: _Dialogue, event: Event) -> None:
        try:
            await self._obey(dialogue, event)
        except LinkLost:
            dialogue.lost = True
            raise

    async def _obey(self, dialogue: _Dialogue, event: Event) -> None:
        type_ = event["type"]
        if type_ == "conversation.accept":
            dialogue.accepted = True
        elif type_ == "conversation.close":
            code, reason = event.get("code", CloseCode.NORMAL), event.get("reason", "")
            await self._hang_up(dialogue.peer, code, reason, dialogue)
        elif type_ == "conversation.send":
            await self._say(dialogue, event)
        else:
            raise LocalProtocolError(f"a conversation takes conversation.accept, .send and .close; got {type_!r}")

    async def _say(self, dialogue: _Dialogue, event: Event) -> None:
        while self.carrier.crowded(dialogue.peer) and not dialogue.mailbox.closed:
            dialogue.room.clear()
            await dialogue.room.wait()
        if dialogue.left:
            raise LinkLost(f"{dialogue.peer} is gone: {dialogue.left}")
        if not dialogue.accepted or dialogue.mailbox.closed:
            state = "over" if dialogue.accepted else "not accepted yet"
            raise LocalProtocolError(f"the conversation with {dialogue.peer} is {state}")
        text, data = cast("str | None", event.get("text")), cast("bytes | None", event.get("bytes"))
        if (text is None) == (data is None):
            raise LocalProtocolError("conversation.send takes text or bytes, exactly one of the two")
        for outcome in self.carrier.send(dialogue.peer, text and text[:MAX_SAID], data, self.clock()):
            await self._send_or_tell(cast("Event", outcome))  # what is said to a peer becomes events for the feed
        self._stir()

    async def _send_or_tell(self, event: Event) -> None:
        """Send; what the gate refuses is the carrier's to know, anything else its consumer's."""
        try:
            await self.send(event)
        except Refused as error:
            await self._perform(self.carrier.refused(event, str(error), self.clock()))

    async def _hang_up(self, peer: str, code: int, reason: str, dialogue: _Dialogue) -> None:
        """End a dialogue from our side, and let its peer know."""
        if self._close(peer, code, reason, dialogue):
            await self._perform(self.carrier.close(peer, self.clock()))

    def _close(self, peer: str, code: int, reason: str, expected: _Dialogue | None = None) -> bool:
        """End a dialogue; one that has ended, or was followed by another with the same peer, is left alone (False)."""
        dialogue = self.dialogues.get(peer)
        if dialogue is None or (expected is not None and dialogue is not expected):
            return False
        del self.dialogues[peer]
        dialogue.mailbox.close({"type": "conversation.disconnect", "code": int(code), "reason": reason})
        dialogue.room.set()
        return True
