"""The channel layer of one process: names, and the mailboxes behind them.

A message goes straight into the mailbox of each member, so its cost does not depend on how many channels are idle. It
is copied once per `group_send`; each member gets its own top level, the values below it are shared and not to be
changed.

`group_send` waits for members that keep up and drops for those that are stuck (`edge.mailbox`): a publisher in a flood
is paced by its readers, and one sleeping member costs it a quarter of a second once.
"""

import asyncio
import fnmatch
import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from edge.exceptions import ChannelFull
from edge.layers.base import Message, require_channel_name, require_group_name
from edge.mailbox import LAYER, LAYER_CAPACITY, Mailbox

MAX_CHANNELS = 10_000  # channels with messages and neither a mailbox nor a receiver; the oldest is forgotten beyond


class InMemoryChannelLayer:
    """The layer of one process and one event loop; threads use ``asyncio.run_coroutine_threadsafe``.

    ``capacity`` bounds a channel's waiting messages, ``channel_capacity`` maps name patterns (``http.*``) to other
    bounds, ``expiry`` is how many seconds a message may wait for `receive`. ``dropped`` counts what was not taken.
    """

    extensions = ["groups", "flush"]  # noqa: RUF012  (Channels' layers are asked for a list)

    def __init__(
        self,
        *,
        capacity: int = LAYER_CAPACITY,
        expiry: float = 60,
        channel_capacity: Mapping[str, int] | None = None,
        **_: Any,  # what only other layers of a shared setting know
    ) -> None:
        self.capacity = capacity
        self.expiry = expiry
        self.channel_capacity = dict(channel_capacity or {})
        if wrong := [number for number in (capacity, *self.channel_capacity.values()) if number < 1]:
            raise ValueError(f"a channel's capacity is at least 1 message, not {wrong[0]}")
        self.dropped = 0
        self.groups: dict[str, dict[str, Mailbox | None]] = {}
        self._groups_of: dict[str, set[str]] = {}
        self._mailboxes: dict[str, Mailbox] = {}
        self._queues: dict[str, _Queue] = {}

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a name that nobody else has."""
        return f"{prefix}.inmemory!{secrets.token_hex(8)}"

    def attach(self, channel: str, mailbox: Mailbox) -> None:
        """Deliver what is sent to a channel into this mailbox from now on, and what has waited there."""
        name = require_channel_name(channel)
        mailbox.layer_capacity = self.capacity_of(name)
        self._mailboxes[name] = mailbox
        if (waiting := self._queues.pop(name, None)) is not None:
            for message in waiting.take():
                mailbox.push(message, LAYER)
        for group in self._groups_of.get(name, ()):
            self.groups[group][name] = mailbox

    def detach(self, channel: str) -> None:
        """Forget a channel, and take it out of every group."""
        self._mailboxes.pop(channel, None)
        self._queues.pop(channel, None)
        for group in tuple(self._groups_of.get(channel, ())):
            self._leave(group, channel)

    def capacity_of(self, channel: str) -> int:
        """Return how many messages may wait in a channel."""
        patterns = self.channel_capacity.items()
        return next(
            (capacity for pattern, capacity in patterns if fnmatch.fnmatchcase(channel, pattern)), self.capacity
        )

    async def send(self, channel: str, message: Message) -> None:
        """Send to one channel. A full one is waited for as long as its reader keeps up; then ChannelFull."""
        name = require_channel_name(channel)
        copy = _copied(message)
        if (mailbox := self._mailboxes.get(name)) is not None:
            taken = await mailbox.put(copy, LAYER)
        else:
            taken = self._queue(name).put(copy)
        if not taken:
            self.dropped += 1
            raise ChannelFull(name)

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel that has no mailbox attached."""
        name = require_channel_name(channel)
        queue = self._queue(name)
        message = await queue.get()
        if not queue.wanted and self._queues.get(name) is queue:
            del self._queues[name]
        return message

    async def group_add(self, group: str, channel: str) -> None:
        """Join."""
        name = require_channel_name(channel)
        self.groups.setdefault(require_group_name(group), {})[name] = self._mailboxes.get(name)
        self._groups_of.setdefault(name, set()).add(group)

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave; leaving twice is fine."""
        self._leave(require_group_name(group), require_channel_name(channel))

    async def group_send(self, group: str, message: Message) -> None:
        """Send to every member: waits for the quick, drops and counts for the stuck."""
        members = self.groups.get(require_group_name(group))
        copy = _copied(message)
        if not members:
            return
        late: list[Mailbox] = []
        for name, mailbox in members.items():
            if mailbox is None:
                self.dropped += not self._queue(name).put(copy.copy())
            elif not mailbox.offer(copy.copy(), LAYER):
                if mailbox.waits(LAYER):
                    late.append(mailbox)
                else:
                    mailbox.dropped += 1
                    self.dropped += 1
        if late:
            taken = await asyncio.gather(*(mailbox.put(copy.copy(), LAYER) for mailbox in late))
            self.dropped += taken.count(False)

    async def flush(self) -> None:
        """Forget every group and every waiting message."""
        self.groups.clear()
        self._groups_of.clear()
        self._queues.clear()

    def _leave(self, group: str, channel: str) -> None:
        if channel not in (members := self.groups.get(group, {})):
            return
        del members[channel]
        self._groups_of[channel].discard(group)
        if not members:
            del self.groups[group]
        if not self._groups_of[channel]:
            del self._groups_of[channel]

    def _queue(self, channel: str) -> "_Queue":
        if channel not in self._queues:
            if len(self._queues) >= MAX_CHANNELS:
                self._forget_oldest()
            self._queues[channel] = _Queue(self.capacity_of(channel), self.expiry)
        return self._queues[channel]

    def _forget_oldest(self) -> None:
        oldest = next((name for name, queue in self._queues.items() if not queue.receivers), None)
        if oldest is not None:
            self.dropped += len(self._queues.pop(oldest).messages)


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

    def _expire(self) -> None:
        now = time.monotonic()
        while self.messages and self.messages[0][0] <= now:
            self.messages.popleft()


def _copied(message: Message) -> Message:
    if not isinstance(message, dict):
        raise TypeError(f"a message must be a dictionary, not {type(message).__name__}")
    return {key: _plain_copy(value) for key, value in message.items()}


def _plain_copy(value: Any) -> Any:  # any plain value
    if isinstance(value, dict):
        return {key: _plain_copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_copy(item) for item in value]
    return value
