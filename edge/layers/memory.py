"""The channel layer of one process: names, and the mailboxes behind them.

A message goes straight into the mailbox of each member, so its cost does not depend on how many channels are idle. It
is copied once per `group_send`; each member gets its own top level, the values below it are shared and not to be
changed.

`group_send` waits for members that keep up and drops for those that are stuck (`edge.mailbox`): a publisher in a flood
is paced by its readers, and one sleeping member costs it a quarter of a second once.
"""

import asyncio
import itertools
import logging
import secrets
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from edge.drops import DropLog
from edge.exceptions import ChannelFull
from edge.layers.base import BaseChannelLayer, Message, Receipt, require_message
from edge.layers.sync import settle
from edge.mailbox import LAYER, LAYER_CAPACITY, Mailbox

logger = logging.getLogger("edge.layers")

MAX_CHANNELS = 10_000  # channels with messages and neither a mailbox nor a receiver; the oldest is forgotten beyond


class InMemoryChannelLayer(BaseChannelLayer):
    """The layer of one process and one event loop; threads use its `sync`.

    ``capacity`` bounds a channel's waiting messages, ``channel_capacity`` maps name patterns (``http.*``) to other
    bounds, ``expiry`` is how many seconds a message may wait for `receive`. ``dropped`` counts what was not taken.

    A membership ends with `group_discard`, with its channel, or when a message to it expires that nobody came to read.
    ``group_expiry`` is taken for the sake of shared settings and does nothing: who is there for days stays a member.

    ``groups`` is what tests of Channels projects look at: the members by group, a dictionary with a key for each. So is
    `channels`.
    """

    extensions = ["groups", "flush", "presence"]  # noqa: RUF012  (Channels' layers are asked for a list)

    def __init__(
        self,
        expiry: float = 60,
        group_expiry: float = 86400,  # noqa: ARG002  (as said above)
        capacity: int = LAYER_CAPACITY,
        channel_capacity: Mapping[Any, int] | None = None,  # keys: as of BaseChannelLayer
        **_: Any,  # what only other layers of a shared setting know
    ) -> None:
        super().__init__(expiry, capacity, channel_capacity)
        if wrong := [number for number in (capacity, *(channel_capacity or {}).values()) if number < 1]:
            raise ValueError(f"a channel's capacity is at least 1 message, not {wrong[0]}")
        self.groups: dict[str, dict[str, Mailbox | None]] = {}
        self._groups_of: dict[str, set[str]] = {}
        self._watchers: dict[str, dict[str, None]] = {}  # by group; a dict, for its order
        self._watched_by: dict[str, set[str]] = {}
        self._mailboxes: dict[str, Mailbox] = {}
        self._queues: dict[str, _Queue] = {}
        self._drops = DropLog(logger, "the channel layer")

    @property
    def dropped(self) -> int:
        """How many messages were not taken, or expired unread, since the start."""
        return self._drops.total

    @property
    def channels(self) -> "Mapping[str, Waiting]":
        """The channels that are open or have messages, with Channels' ``qsize()`` and ``empty()``: for tests."""
        return _Channels(self._mailboxes, self._queues)

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a name that nobody else has."""
        return f"{prefix}.inmemory!{secrets.token_hex(8)}"

    def attach(self, channel: str, mailbox: Mailbox) -> None:
        """Deliver what is sent to a channel into this mailbox from now on, and what has waited there."""
        self.require_valid_channel_name(channel)
        settle(self)
        mailbox.layer_capacity = self.get_capacity(channel)
        self._mailboxes[channel] = mailbox
        if (waiting := self._queues.pop(channel, None)) is not None:
            for message in waiting.take():
                mailbox.push(message, LAYER)
        for group in self._groups_of.get(channel, ()):
            self.groups[group][channel] = mailbox

    def detach(self, channel: str) -> None:
        """Forget a channel, and take it out of every group and every watch."""
        self._mailboxes.pop(channel, None)
        self._queues.pop(channel, None)
        for group in tuple(self._watched_by.get(channel, ())):
            self._unwatch(group, channel)
        for group in tuple(self._groups_of.get(channel, ())):
            self._leave(group, channel)

    async def send(self, channel: str, message: Message) -> None:
        """Send to one channel. A full one is waited for as long as its reader keeps up; then ChannelFull."""
        require_message(message)
        self.require_valid_channel_name(channel)
        copy = _copied(message)
        if (mailbox := self._mailboxes.get(channel)) is not None:
            taken = await mailbox.put(copy, LAYER)
        else:
            taken = self._queue(channel).put(copy)
        if not taken:
            self._drops.count(1, channel)
            raise ChannelFull(channel)

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel that has no mailbox attached."""
        self.require_valid_channel_name(channel)
        settle(self)
        queue = self._queue(channel)
        try:
            return await queue.get()
        finally:
            if not queue.wanted and self._queues.get(channel) is queue:
                del self._queues[channel]

    async def group_add(self, group: str, channel: str) -> None:
        """Join."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        members = self.groups.setdefault(group, {})
        if channel in members:
            return
        members[channel] = self._mailboxes.get(channel)
        self._groups_of.setdefault(channel, set()).add(group)
        self._tell_watchers("group.joined", group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave; leaving twice is fine."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        self._leave(group, channel)

    async def group_send(self, group: str, message: Message) -> Receipt:
        """Send to every member: waits for the quick, drops and counts for the stuck. The receipt says how many."""
        require_message(message)
        self.require_valid_group_name(group)
        members = self.groups.get(group)
        if not members:
            return Receipt()
        copy = _copied(message)
        count, dropped = len(members), 0
        late: list[Mailbox] = []
        queued: list[str] = []
        for name, mailbox in members.items():
            if mailbox is None:
                queued.append(name)
            elif not mailbox.offer(copy.copy(), LAYER):
                if mailbox.waits(LAYER):
                    late.append(mailbox)
                else:
                    mailbox.dropped += 1
                    dropped += 1
        for name in queued:
            dropped += not self._enqueue(name, copy.copy())
        if late:
            taken = await asyncio.gather(*(mailbox.put(copy.copy(), LAYER) for mailbox in late))
            dropped += taken.count(False)
        if dropped:
            self._drops.count(dropped, group)
        return Receipt(count - dropped, dropped)

    async def group_members(self, group: str) -> list[str]:
        """Return the channels in a group, in the order of their joining."""
        self.require_valid_group_name(group)
        return list(self.groups.get(group, ()))

    async def group_count(self, group: str) -> int:
        """Return how many channels are in a group."""
        self.require_valid_group_name(group)
        return len(self.groups.get(group, ()))

    async def watch_group(self, group: str, channel: str) -> None:
        """Tell a channel who joins and leaves: `edge.layers.PresenceLayer`. One that is full is not waited for."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        self._watchers.setdefault(group, {})[channel] = None
        self._watched_by.setdefault(channel, set()).add(group)

    async def unwatch_group(self, group: str, channel: str) -> None:
        """Tell it no more; unwatching twice is fine."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        self._unwatch(group, channel)

    def is_read(self, channel: str) -> bool:
        """Tell whether a channel has a reader here, now: a mailbox, or somebody who waits in `receive`."""
        queue = self._queues.get(channel)
        return channel in self._mailboxes or (queue is not None and queue.receivers > 0)

    def take_waiting(self, channel: str) -> list[Message]:
        """Take what waits in a channel without a mailbox."""
        queue = self._queues.get(channel)
        if queue is None:
            return []
        taken = queue.take()
        queue.messages.clear()
        if not queue.wanted:
            del self._queues[channel]
        return taken

    def groups_of(self, channel: str) -> set[str]:
        """Return the groups that a channel is in."""
        return set(self._groups_of.get(channel, ()))

    def tell_attached(self, message: Message) -> None:
        """Tell every mailbox; one that is full is not waited for."""
        for channel, mailbox in self._mailboxes.items():
            if not mailbox.push(message.copy(), LAYER):
                self._drops.count(1, channel)

    async def flush(self) -> None:
        """Forget every group, every watch and every waiting message; nobody is told that anybody left."""
        for index in (self.groups, self._groups_of, self._watchers, self._watched_by):
            index.clear()
        for queue in self._queues.values():
            queue.messages.clear()
        self._queues = {name: queue for name, queue in self._queues.items() if queue.receivers}

    def _leave(self, group: str, channel: str) -> None:
        if _unlink(self.groups, self._groups_of, group, channel):
            self._tell_watchers("group.left", group, channel)

    def _unwatch(self, group: str, channel: str) -> None:
        _unlink(self._watchers, self._watched_by, group, channel)

    def _tell_watchers(self, type_: str, group: str, channel: str) -> None:
        for watcher in tuple(self._watchers.get(group, ())):
            message = {"type": type_, "group": group, "channel": channel}
            mailbox = self._mailboxes.get(watcher)
            taken = self._enqueue(watcher, message) if mailbox is None else mailbox.push(message, LAYER)
            if not taken:
                self._drops.count(1, watcher)

    def _enqueue(self, channel: str, message: Message) -> bool:
        """Queue for a channel without a mailbox; one whose messages expire unread is gone, and leaves its groups."""
        queue = self._queue(channel)
        if not queue.abandoned():
            return queue.put(message)
        self.detach(channel)
        return False

    def _queue(self, channel: str) -> "_Queue":
        if channel not in self._queues:
            if len(self._queues) >= MAX_CHANNELS:
                self._forget_oldest()
            self._queues[channel] = _Queue(self.get_capacity(channel), self.expiry)
        return self._queues[channel]

    def _forget_oldest(self) -> None:
        oldest = next((name for name, queue in self._queues.items() if not queue.receivers), None)
        if oldest is not None and (lost := len(self._queues.pop(oldest).messages)):
            self._drops.count(lost, oldest)


class Waiting:
    """What waits in a channel, as a test may ask."""

    def __init__(self, count: int, capacity: int) -> None:
        self._count = count
        self.maxsize = capacity

    def qsize(self) -> int:
        """Return how many messages wait."""
        return self._count

    def empty(self) -> bool:
        """Tell whether none does."""
        return not self._count

    def full(self) -> bool:
        """Tell whether no more fits."""
        return self._count >= self.maxsize


class _Channels(Mapping[str, Waiting]):
    """The channels of a layer, open or with messages; looks at the layer, copies nothing."""

    def __init__(self, mailboxes: Mapping[str, Mailbox], queues: "Mapping[str, _Queue]") -> None:
        self._mailboxes = mailboxes
        self._queues = queues

    def __getitem__(self, channel: str) -> Waiting:
        if (mailbox := self._mailboxes.get(channel)) is not None:
            return Waiting(mailbox.waiting(LAYER), mailbox.layer_capacity)
        queue = self._queues[channel]
        return Waiting(len(queue.messages), queue.capacity)

    def __iter__(self) -> Iterator[str]:
        return itertools.chain(self._mailboxes, self._queues)

    def __len__(self) -> int:
        return len(self._mailboxes) + len(self._queues)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name!r}: {waiting.qsize()} waiting' for name, waiting in self.items())}}}"


class _Queue:
    """The messages of a channel that somebody will `receive`: bounded, and each kept for ``expiry`` seconds."""

    def __init__(self, capacity: int, expiry: float) -> None:
        self.capacity = capacity
        self.expiry = expiry
        self.messages: deque[tuple[float, Message]] = deque()
        self.arrived = asyncio.Event()
        self.receivers = 0

    @property
    def wanted(self) -> bool:
        return bool(self.messages or self.receivers)

    def abandoned(self) -> bool:
        """Tell whether a message expired that nobody came to read, and nobody is waiting to."""
        return self._expire() > 0 and not self.receivers

    def put(self, message: Message) -> bool:
        self._expire()
        if len(self.messages) >= self.capacity:
            return False
        self.messages.append((time.monotonic() + self.expiry, message))
        self.arrived.set()
        return True

    async def get(self) -> Message:
        self.receivers += 1
        try:
            self._expire()
            while not self.messages:
                self.arrived.clear()
                await self.arrived.wait()
                self._expire()
            return self.messages.popleft()[1]
        finally:
            self.receivers -= 1

    def take(self) -> list[Message]:
        self._expire()
        return [message for _, message in self.messages]

    def _expire(self) -> int:
        now, before = time.monotonic(), len(self.messages)
        while self.messages and self.messages[0][0] <= now:
            self.messages.popleft()
        return before - len(self.messages)


def _unlink(
    of_group: dict[str, dict[str, Any]],  # a member's value is of no interest here
    of_channel: dict[str, set[str]],
    group: str,
    channel: str,
) -> bool:
    """Take a channel out of a group and out of its index, which are never left empty; False where it was in none."""
    members = of_group.get(group, {})
    if channel not in members:
        return False
    del members[channel]
    of_channel[channel].discard(group)
    if not members:
        del of_group[group]
    if not of_channel[channel]:
        del of_channel[channel]
    return True


def _copied(message: Message) -> Message:
    return {key: _plain_copy(value) for key, value in message.items()}


def _plain_copy(value: Any) -> Any:  # any plain value
    if isinstance(value, dict):
        return {key: _plain_copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_copy(item) for item in value]
    return value
