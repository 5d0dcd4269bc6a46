"""The bounded inbox of one consumer: a transport lane and a layer lane, one reader, one future.

**Policy at the bound: wait for the quick, drop for the stuck.** A writer that may wait (`Mailbox.put`) gives the reader
of a full lane `GRACE` seconds to read half of it, as often as it takes. A reader that did not is *stuck*: until it has
read half of that lane nothing waits for it, and what does not fit is dropped and counted in `Mailbox.dropped`. So a
flood is paced by the readers that keep up, and one sleeping consumer costs its neighbours a quarter of a second once.

**Order.** FIFO in each lane; where both have messages they take turns, so that neither starves the other. The last
event (``X.disconnect``) is given once the transport lane is empty, or at once after `DRAIN` seconds. What is queued
then is dropped and counted, and so is what waits in the layer lane.

Not thread-safe: everything here happens on the loop. Threads go through ``loop.call_soon_threadsafe``.
"""

import asyncio
from collections import deque
from enum import Enum

from edge.asgi import Event, Receive

TRANSPORT_CAPACITY = 1024  # events; minutes of a busy channel, about 1 MB of the largest packets
LAYER_CAPACITY = 100  # messages; Django Channels' default
GRACE = 0.25  # seconds that a writer waits for half of a full lane to be read
DRAIN = 2.0  # seconds that a consumer has for what was heard before its link went
BURST = 64  # messages read without letting the loop turn; a flood must not starve the other tasks


class Lane(Enum):
    """Where a message came from."""

    TRANSPORT = "transport"
    LAYER = "layer"


TRANSPORT = Lane.TRANSPORT  # looking a member up in its Enum costs as much as queueing a message
LAYER = Lane.LAYER


class Mailbox:
    """Two bounded lanes with one reader. `receive` is an ASGI ``receive``; `next` also tells the lane."""

    __slots__ = ("_burst", "_hurried", "_last", "_layer", "_transport", "_turn", "_waiter", "dropped", "grace")

    def __init__(
        self,
        *,
        transport_capacity: int = TRANSPORT_CAPACITY,
        layer_capacity: int = LAYER_CAPACITY,
        grace: float = GRACE,
    ) -> None:
        self.dropped = 0
        self.grace = grace
        self._transport = _Queue(transport_capacity)
        self._layer = _Queue(layer_capacity)
        self._turn = False  # the layer's turn, where both lanes have messages
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

    @property
    def layer_capacity(self) -> int:
        """How many messages the layer lane holds; may be set."""
        return self._layer.capacity

    @layer_capacity.setter
    def layer_capacity(self, capacity: int) -> None:
        self._layer.capacity = capacity

    @property
    def stuck(self) -> bool:
        """Whether the reader let a full lane stand for `GRACE` seconds and has not caught up since."""
        return self._transport.stuck or self._layer.stuck

    @property
    def closed(self) -> bool:
        """Whether the last event is in, or was read: nothing more is taken."""
        return self._last is not None

    def offer(self, message: Event, lane: Lane = TRANSPORT) -> bool:
        """Take a message if there is room; never waits. False means that it was not taken (and not yet counted)."""
        queue = self._transport if lane is TRANSPORT else self._layer
        if len(queue.messages) >= queue.capacity or self._last is not None:
            return False
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

    async def room(self, lane: Lane = TRANSPORT, *, patient: bool = False) -> bool:
        """Wait until half of the lane is free, and tell whether it is: it never is in a mailbox that is closed.

        For `GRACE` seconds at most, and not at all for a reader that is stuck; a patient writer waits as long as it takes.
        """
        queue = self._transport if lane is TRANSPORT else self._layer
        if self._last is not None or (queue.stuck and not patient):
            return False
        if len(queue.messages) > queue.capacity // 2:
            await queue.wait(None if patient else self.grace)
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
        """Give a new reader this event first, then what its predecessor left in the transport lane.

        In a mailbox that was closed meanwhile the last event still comes, after this one.
        """
        self.dropped += self._layer.clear()
        if self._hurried:
            self._hurried = False
            self.dropped += self._transport.clear()
        self._transport.messages.appendleft(first)

    def hurry(self) -> None:
        """Let the last event overtake what is still queued."""
        self._hurried = True
        self._wake()

    async def receive(self) -> Event:
        """Return the next message of the transport lane, the last event over and over: an ASGI ``receive``."""
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
        if self._burst >= BURST:
            return None
        if self._layer.messages and self._last is None and (self._turn or not self._transport.messages):
            self._turn = False
            self._burst += 1
            return LAYER, self._layer.take()
        self._turn = True
        event = self._take_transport()
        return None if event is None else (TRANSPORT, event)

    async def wait(self) -> None:
        """Wait until there may be something to `take`; for one turn of the loop where a burst was read."""
        if self._burst >= BURST:
            self._burst = 0
            await asyncio.sleep(0)
            return
        if self._waiter is not None:
            raise RuntimeError("a mailbox has one reader; another one is waiting for its next message already")
        self._burst = 0
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _take_transport(self) -> Event | None:
        if self._transport.messages and not self._hurried:
            self._burst += 1
            return self._transport.take()
        if self._last is not None and (self._transport.messages or self._layer.messages):
            self.dropped += self._transport.clear() + self._layer.clear()
        return self._last

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Queue:
    """One lane: its messages, and the writers that wait for half of it to be read."""

    __slots__ = ("_writers", "capacity", "messages", "stuck")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a lane holds at least 1 message, not {capacity}")
        self.capacity = capacity
        self.messages: deque[Event] = deque()
        self.stuck = False
        self._writers: list[asyncio.Future[None]] = []

    def take(self) -> Event:
        message = self.messages.popleft()
        if (self._writers or self.stuck) and len(self.messages) <= self.capacity // 2:
            self.make_room()
        return message

    def clear(self) -> int:
        count = len(self.messages)
        self.messages.clear()
        self.make_room()
        return count

    async def wait(self, grace: float | None) -> None:
        future = asyncio.get_running_loop().create_future()
        self._writers.append(future)
        try:
            done, _ = await asyncio.wait((future,), timeout=grace)
            self.stuck = self.stuck or not done
        finally:
            if not future.done():
                self._writers.remove(future)

    def make_room(self) -> None:
        self.stuck = False
        for future in self._writers:
            if not future.done():
                future.set_result(None)
        self._writers.clear()
