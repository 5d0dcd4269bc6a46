"""The bounded inbox of one consumer: a transport lane and a layer lane, one reader, one future.

**Policy at the bound: wait for the quick, drop for the stuck.** A writer that may wait (`Mailbox.put`) gives a full lane
`GRACE` seconds to make room. A reader that made none is *stuck*: from then on, until it has read half of its lane, nothing waits for it,
and what does not fit is dropped and counted in `Mailbox.dropped`. So a flood is paced by the readers that keep up, and
one sleeping consumer costs its neighbours a quarter of a second once.

**Order.** FIFO in each lane; where both have messages they take turns, so that neither starves the other. The last event
(``X.disconnect``) is given once the transport lane is empty, or at once after `DRAIN` seconds: whatever is queued then is
dropped and counted.

Not thread-safe: everything here happens on the loop. Threads go through ``loop.call_soon_threadsafe``.
"""

import asyncio
from collections import deque
from enum import Enum

from edge.asgi import Event, Receive

TRANSPORT_CAPACITY = 1024  # events; minutes of a busy channel, about 1 MB of the largest packets
LAYER_CAPACITY = 100  # messages; Django Channels' default
GRACE = 0.25  # seconds that a writer waits for a full lane, once
DRAIN = 2.0  # seconds that a consumer has for what was heard before its link went
BURST = 64  # messages read without letting the loop turn; a flood must not starve the other tasks


class Lane(Enum):
    """Where a message came from."""

    TRANSPORT = "transport"
    LAYER = "layer"


class Mailbox:
    """Two bounded lanes with one reader. `receive` is an ASGI ``receive``; `next` also tells the lane."""

    __slots__ = (
        "_burst",
        "_hurried",
        "_last",
        "_layer",
        "_room",
        "_stuck",
        "_transport",
        "_turn",
        "_waiter",
        "capacities",
        "dropped",
    )

    def __init__(self, *, transport_capacity: int = TRANSPORT_CAPACITY, layer_capacity: int = LAYER_CAPACITY) -> None:
        self.capacities = {Lane.TRANSPORT: transport_capacity, Lane.LAYER: layer_capacity}
        self.dropped = 0
        self._transport: deque[Event] = deque()
        self._layer: deque[Event] = deque()
        self._turn = False  # the layer's turn, where both lanes have messages
        self._last: Event | None = None
        self._hurried = False
        self._stuck = False
        self._burst = 0
        self._waiter: asyncio.Future[None] | None = None
        self._room: list[asyncio.Future[None]] = []

    @classmethod
    def behind(cls, receive: Receive) -> "Mailbox | None":
        """Return the mailbox whose ``receive`` this is, so that a consumer under our own transport needs no second one."""
        owner = getattr(receive, "__self__", None)
        return owner if isinstance(owner, cls) and getattr(receive, "__func__", None) is cls.receive else None

    def __len__(self) -> int:
        """Count what waits in both lanes."""
        return len(self._transport) + len(self._layer)

    @property
    def stuck(self) -> bool:
        """Whether the reader let a full lane stand for `GRACE` seconds and has not caught up since."""
        return self._stuck

    @property
    def closed(self) -> bool:
        """Whether the last event is in, or was read: nothing more is taken."""
        return self._last is not None

    def offer(self, message: Event, lane: Lane = Lane.TRANSPORT) -> bool:
        """Take a message if there is room; never waits. False means that it was not taken (and not yet counted)."""
        queue = self._transport if lane is Lane.TRANSPORT else self._layer
        if len(queue) >= self.capacities[lane] or self._last is not None:
            return False
        queue.append(message)
        if self._waiter is not None:
            self._wake()
        return True

    def push(self, message: Event, lane: Lane = Lane.TRANSPORT) -> bool:
        """Take a message, or drop and count it."""
        taken = self.offer(message, lane)
        self.dropped += not taken
        return taken

    async def put(self, message: Event, lane: Lane = Lane.TRANSPORT) -> bool:
        """Take a message, waiting up to `GRACE` seconds for room; False where it was dropped and counted."""
        if self.offer(message, lane):
            return True
        await self.room()
        return self.push(message, lane)

    async def room(self) -> None:
        """Wait until the reader has made room, `GRACE` seconds at most, not at all for a stuck or closed one."""
        if self._stuck or self._last is not None:
            return
        future = asyncio.get_running_loop().create_future()
        self._room.append(future)
        try:
            await asyncio.wait_for(future, GRACE)
        except TimeoutError:
            self._stuck = True
        finally:
            if future in self._room:
                self._room.remove(future)

    def close(self, last: Event, *, drain: float = DRAIN) -> None:
        """Queue the last event behind what is there; after ``drain`` seconds it comes first. Later calls change nothing."""
        if self._last is not None:
            return
        self._last = last
        if drain > 0 and self._transport:
            asyncio.get_running_loop().call_later(drain, self.hurry)
        elif drain <= 0:
            self.hurry()
        self._wake()
        self._make_room()

    def begin_again(self, first: Event) -> None:
        """Give a new reader this event first, then what its predecessor left in the transport lane."""
        self._transport.appendleft(first)
        self._layer.clear()

    def hurry(self) -> None:
        """Let the last event overtake what is still queued."""
        self._hurried = True
        self._wake()

    async def receive(self) -> Event:
        """Return the next message of the transport lane, the last event over and over: an ASGI ``receive``."""
        while True:
            if (message := self._pop_transport()) is not None:
                if self._burst >= BURST:
                    await self._breathe()
                return message
            await self._wait()

    async def next(self) -> tuple[Lane, Event]:
        """Return the next message of either lane, with its lane."""
        while True:
            if (found := self._pop()) is not None:
                if self._burst >= BURST:
                    await self._breathe()
                return found
            await self._wait()

    def _pop(self) -> tuple[Lane, Event] | None:
        if self._layer and not self._hurried and (self._turn or not self._transport) and self._last is None:
            self._turn = False
            message = self._layer.popleft()
            self._popped(self._layer, self.capacities[Lane.LAYER])
            return Lane.LAYER, message
        self._turn = True
        event = self._pop_transport()
        return None if event is None else (Lane.TRANSPORT, event)

    def _pop_transport(self) -> Event | None:
        if self._transport and not self._hurried:
            message = self._transport.popleft()
            self._popped(self._transport, self.capacities[Lane.TRANSPORT])
            return message
        if self._last is not None:
            self.dropped += len(self._transport) + len(self._layer)
            self._transport.clear()
            self._layer.clear()
        return self._last

    def _popped(self, queue: deque[Event], capacity: int) -> None:
        self._burst += 1
        if (self._room or self._stuck) and len(queue) <= capacity // 2:
            self._stuck = False
            self._make_room()

    def _make_room(self) -> None:
        for future in self._room:
            if not future.done():
                future.set_result(None)
        self._room.clear()

    async def _breathe(self) -> None:
        self._burst = 0
        await asyncio.sleep(0)

    async def _wait(self) -> None:
        self._burst = 0
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
