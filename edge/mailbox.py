"""The bounded inbox of one consumer: a transport lane and a layer lane, one reader, one future.

**Policy at the bound: wait for the quick, drop for the stuck.** A writer that may wait (`Mailbox.put`) waits while the
reader of a full lane reads on, until a quarter of the lane is free. A reader that reads nothing for as long as the
lane's grace, or too little in `PATIENCE` times that, is *stuck*: until half of that lane is free nothing waits for it,
and what does not fit is dropped and counted in `Mailbox.dropped`. So a flood is paced by the readers that keep up, and
a sleeping consumer costs its neighbours one grace, once.

The transport's grace is longer than all that the layer's may take: a consumer that waits for the stuck member of a
group is not stuck itself.

**Order.** FIFO in each lane; where both have messages they take turns, so that neither starves the other. A layer lane
that is more than half full has `CATCH_UP` turns to the transport's one: else the members of a busy group, each saying
more before it has heard the others, would end up waiting for one another. The last
event (``X.disconnect``) is given once the transport lane is empty, or at once after `DRAIN` seconds. What is queued
then is dropped and counted, and so is what waits in the layer lane.

**Receipts.** An `edge.receipts.Acknowledged` event counts as handled when the reader comes back for the next one:
only then does the mailbox let go of its receipt. Such events are taken beyond the capacity, for their sender bounds
them. One that its reader raised on goes to the next reader again (`Mailbox.begin_again`), a bounded number of times.
What is dropped because the connection ends is not let go of: its sender has it still.

Not thread-safe: everything here happens on the loop. Threads go through ``loop.call_soon_threadsafe``.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum

from edge.asgi import Event, Receive
from edge.receipts import Acknowledged

TRANSPORT_CAPACITY = 1024  # events; minutes of a busy channel, about 1 MB of the largest packets
LAYER_CAPACITY = 100  # messages; Django Channels' default
LAYER_GRACE = 0.25  # seconds in which the reader of a full layer lane must read at least one message
TRANSPORT_GRACE = 1.0  # the same for the transport lane; longer than PATIENCE times the layer's
PATIENCE = 3  # times the grace in which it must free a quarter of the lane
CATCH_UP = 1000  # messages of a layer lane that is more than half full, for one of the transport lane
DRAIN = 2.0  # seconds that a consumer has for what was heard before its link went
NONE_YET: deque[Event] = deque(maxlen=0)  # of every lane until its first message; a deque of its own costs 700 bytes
BURST = 16  # messages read in one turn of the loop; of a hundred flooded readers each reads within its grace

HandOn = Callable[[Event], bool]  # takes an event of the transport at once: True where it has


class Lane(Enum):
    """Where a message came from."""

    TRANSPORT = "transport"
    LAYER = "layer"


TRANSPORT = Lane.TRANSPORT  # looking a member up in its Enum costs as much as queueing a message
LAYER = Lane.LAYER


class Mailbox:
    """Two bounded lanes with one reader. `receive` is an ASGI ``receive``; `next` also tells the lane."""

    __slots__ = (
        "_burst",
        "_hurried",
        "_in_hand",
        "_last",
        "_layer",
        "_lent",
        "_resting",
        "_run",
        "_transport",
        "_waiter",
        "dropped",
        "given_up",
        "hand_on",
    )

    def __init__(
        self,
        *,
        transport_capacity: int = TRANSPORT_CAPACITY,
        layer_capacity: int = LAYER_CAPACITY,
        transport_grace: float = TRANSPORT_GRACE,
        layer_grace: float = LAYER_GRACE,
    ) -> None:
        self.dropped = 0
        self.given_up = 0  # events that readers raised on too often
        # A reader may take the transport's events in the very call that brings them, and save a turn of the loop: True
        # where it has. It is asked only while it rests, that is, waits for a message and nothing is before the event.
        # It sets this itself, at another time.
        self.hand_on: HandOn | None = None
        self._resting: HandOn | None = None  # the same, while it rests
        self._in_hand: Acknowledged | None = None  # read last, handled when the reader comes back
        self._lent: list[Acknowledged] = []  # read, and handled when `give_back` says so
        self._transport = _Queue(transport_capacity, transport_grace)
        self._layer = _Queue(layer_capacity, layer_grace)
        self._run = 0  # messages of the layer since the last of the transport
        self._last: Event | None = None
        self._hurried = False
        self._burst = 0
        self._waiter: asyncio.Future[None] | None = None

    @classmethod
    def behind(cls, receive: Receive) -> "Mailbox | None":
        """Return the mailbox whose ``receive`` this is: a consumer under our own transport needs no second one."""
        owner = getattr(receive, "__self__", None)
        return owner if isinstance(owner, cls) and getattr(receive, "__func__", None) is cls.receive else None

    def __len__(self) -> int:
        """Count what waits in both lanes. An empty mailbox is false: ask ``is None`` where one may be missing."""
        return len(self._transport.messages) + len(self._layer.messages)

    def waiting(self, lane: Lane) -> int:
        """Count what waits in one lane."""
        return len((self._transport if lane is TRANSPORT else self._layer).messages)

    @property
    def layer_capacity(self) -> int:
        """How many messages the layer lane holds; may be set."""
        return self._layer.capacity

    @layer_capacity.setter
    def layer_capacity(self, capacity: int) -> None:
        self._layer.capacity = capacity

    @property
    def stuck(self) -> bool:
        """Whether the reader let a full lane stand for too long and has not caught up since."""
        return self._transport.stuck or self._layer.stuck

    @property
    def closed(self) -> bool:
        """Whether the last event is in, or was read: nothing more is taken."""
        return self._last is not None

    @property
    def has_room(self) -> bool:
        """Whether the transport's next event is taken at once."""
        queue = self._transport
        return self._last is not None or len(queue.messages) < queue.capacity

    def offer(self, message: Event, lane: Lane = TRANSPORT) -> bool:
        """Take a message if there is room; never waits. False means that it was not taken (and not yet counted)."""
        hand_on = self._resting
        if hand_on is not None and lane is TRANSPORT and hand_on(message):
            return True
        queue = self._transport if lane is TRANSPORT else self._layer
        if self._last is not None or (len(queue.messages) >= queue.capacity and type(message) is not Acknowledged):
            return False
        if queue.messages is NONE_YET:
            queue.messages = deque()
        if type(message) is Acknowledged:
            message.receipt.hold()
        queue.messages.append(message)
        if self._waiter is not None:
            self._wake()
        return True

    def push(self, message: Event, lane: Lane = TRANSPORT) -> bool:
        """Take a message, or drop and count it."""
        taken = self.offer(message, lane)
        self.dropped += not taken
        return taken

    async def put(self, message: Event, lane: Lane = TRANSPORT) -> bool:
        """Take a message, waiting for room while the reader keeps up; False where it was dropped and counted."""
        while not self.offer(message, lane):
            if not await self.room(lane):
                return self.push(message, lane)
        return True

    def waits(self, lane: Lane = TRANSPORT) -> bool:
        """Whether a full lane is worth waiting for: that of a stuck reader is not, nor that of a closed mailbox."""
        return self._last is None and not (self._transport if lane is TRANSPORT else self._layer).stuck

    async def room(self, lane: Lane = TRANSPORT, *, patient: bool = False) -> bool:
        """Wait until a quarter of the lane is free, and tell whether it is: it never is in a mailbox that is closed.

        Until the reader turns out to be stuck, and not at all where it is; a patient writer waits as long as it takes.
        """
        queue = self._transport if lane is TRANSPORT else self._layer
        if self._last is not None or (queue.stuck and not patient):
            return False
        if not queue.has_room():
            await queue.wait(None if patient else queue.grace)
        return self._last is None and not queue.stuck

    def close(self, last: Event, *, drain: float = DRAIN) -> None:
        """Queue the last event behind what is there; after ``drain`` seconds it comes first. Later calls do nothing."""
        if self._last is not None:
            return
        self._last = last
        if drain <= 0:
            self._hurried = True
        elif self._transport.messages:
            asyncio.get_running_loop().call_later(drain, self.hurry)
        self._wake()
        self._transport.make_room()
        self._layer.make_room()

    def begin_again(self, first: Event) -> None:
        """Give a new reader this event first, then what its predecessor raised on or left in the transport lane.

        Events without a receipt are given once, those with one `edge.receipts.ATTEMPTS` times. In a mailbox that was
        closed meanwhile the last event still comes, after this one.
        """
        self.dropped += self._layer.clear()
        if self._hurried:
            self._hurried = False
            self.dropped += self._transport.clear()
        again: list[Event] = []
        for event in self._unfinished():
            if event.failed():
                again.append(event)
            else:
                self.given_up += 1
                event.receipt.release()
        self._transport.messages = deque((first, *again, *self._transport.messages))

    @property
    def unfinished(self) -> bool:
        """Whether an event with a receipt was read and not handled: one that its reader raised on."""
        return self._in_hand is not None or bool(self._lent)

    def stir(self, _: object = None) -> None:
        """Wake the reader although nothing came: there may be something elsewhere."""
        self._wake()

    def lend(self, event: Event) -> None:
        """Let the reader come back although this event, the one it was given last, is not handled yet."""
        if self._in_hand is event:
            self._lent.append(self._in_hand)
            self._in_hand = None

    def give_back(self, event: Event) -> None:
        """Say that an event that was lent is handled."""
        for index, lent in enumerate(self._lent):
            if lent is event:
                del self._lent[index]
                lent.receipt.release()
                return

    def abandon(self) -> None:
        """Let go of all receipts: nobody reads here any more, though the connection goes on. What waits is dropped."""
        waiting = [event for event in self._transport.messages if type(event) is Acknowledged]
        self.dropped += self._transport.clear()
        for event in (*self._unfinished(), *waiting):
            event.receipt.release()

    def _unfinished(self) -> list[Acknowledged]:
        """Return what was read and not handled, in its order, and forget it."""
        unfinished, self._lent = self._lent, []
        if self._in_hand is not None:
            unfinished.append(self._in_hand)
            self._in_hand = None
        return unfinished

    def _settle(self, handled: Acknowledged) -> None:
        self._in_hand = None
        handled.receipt.release()

    def hurry(self) -> None:
        """Let the last event overtake what is still queued."""
        self._hurried = True
        self._wake()

    async def receive(self) -> Event:
        """Return the next message of the transport lane, the last event over and over: an ASGI ``receive``."""
        if self._in_hand is not None:
            self._settle(self._in_hand)
        while self._burst >= BURST or (event := self._take_transport()) is None:
            await self.wait()
        return event

    async def next(self) -> tuple[Lane, Event]:
        """Return the next message of either lane, with its lane."""
        while (found := self.take()) is None:
            await self.wait()
        return found

    def take(self) -> tuple[Lane, Event] | None:
        """Return the next message with its lane, or None where the reader has to `wait` first."""
        if self._in_hand is not None:
            self._settle(self._in_hand)
        if self._burst >= BURST:
            return None
        if self._layer.messages and self._last is None and (not self._transport.messages or self._is_layers_turn()):
            self._run += 1
            self._burst += 1
            return LAYER, self._layer.take()
        self._run = 0
        event = self._take_transport()
        return None if event is None else (TRANSPORT, event)

    def take_all(self) -> list[Event]:
        """Return all that waits in the layer lane: its reader leaves, and another goes on with it."""
        return [self._layer.take() for _ in range(len(self._layer.messages))]

    async def wait(self) -> None:
        """Wait until there may be something to `take`; for one turn of the loop where a burst was read."""
        if self._burst >= BURST:
            self._burst = 0
            await asyncio.sleep(0)
            return
        if self._last is not None or self._transport.messages or self._layer.messages:
            return
        if self._waiter is not None:
            raise RuntimeError("a mailbox has one reader; another one is waiting for its next message already")
        self._burst = 0
        self._waiter = asyncio.get_running_loop().create_future()
        self._resting = self.hand_on  # both lanes are empty, and the mailbox is open
        try:
            await self._waiter
        finally:
            self._waiter = self._resting = None

    def _is_layers_turn(self) -> bool:
        return self._run < (CATCH_UP if len(self._layer.messages) > self._layer.capacity // 2 else 1)

    def _take_transport(self) -> Event | None:
        if self._transport.messages and not self._hurried:
            self._burst += 1
            event = self._transport.take()
            if type(event) is Acknowledged:
                self._in_hand = event
            return event
        if self._last is not None and (self._transport.messages or self._layer.messages):
            self.dropped += self._transport.clear() + self._layer.clear()
        return self._last

    def _wake(self) -> None:
        self._resting = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Queue:
    """One lane: its messages, and the writers that wait for room in it."""

    __slots__ = ("_writers", "capacity", "grace", "messages", "read", "stuck")

    def __init__(self, capacity: int, grace: float) -> None:
        if capacity < 1:
            raise ValueError(f"a lane holds at least 1 message, not {capacity}")
        self.capacity = capacity
        self.grace = grace  # seconds
        self.read = 0  # messages, ever
        self.messages = NONE_YET
        self.stuck = False
        self._writers: list[asyncio.Future[None]] = []

    def take(self) -> Event:
        message = self.messages.popleft()
        self.read += 1
        if (self._writers or self.stuck) and self.has_room():
            self.make_room()
        return message

    def has_room(self) -> bool:
        return len(self.messages) <= (self.capacity // 2 if self.stuck else self.capacity * 3 // 4)

    def clear(self) -> int:
        count = len(self.messages)
        self.messages.clear()
        self.make_room()
        return count

    async def wait(self, grace: float | None) -> None:
        future = asyncio.get_running_loop().create_future()
        self._writers.append(future)
        try:
            for _ in range(PATIENCE):
                read = self.read
                await asyncio.wait((future,), timeout=grace)
                if not future.done():
                    await asyncio.sleep(0)  # if the loop itself was held up, the reader has not had its turn yet
                if future.done():
                    return
                if self.read == read:
                    break
            self.stuck = True
        finally:
            if not future.done():
                self._writers.remove(future)

    def make_room(self) -> None:
        self.stuck = False
        for future in self._writers:
            if not future.done():
                future.set_result(None)
        self._writers.clear()
