"""What one process does for the channel layer over MQTT, on one loop: its topics, and the channels behind them.

    <prefix>/g/<group>               to a group: each process with members hears it once, and hands it to them
    <prefix>/p/<process>/<channel>   to a channel of one process (…!…), which subscribes once for all of its own
    <prefix>/c/<channel>             to a channel that processes share: $share/edge/… lets one of its readers have it
    <prefix>/w/<channel>             somebody reads a shared channel from now on: who holds messages hands them on

Names of channels and groups hold no ``/``, ``+`` or ``#``, so each is one level of a topic as it is.

What reaches a member or reader of this process goes there directly (`edge.layers.memory` keeps them). Published is
with QoS 1, so that the sender knows the broker has it; heard is with QoS 0, for delivery is at most once.
"""

import asyncio
import contextlib
import logging
import math
import secrets
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from edge.drops import DropLog
from edge.exceptions import ChannelFull, MessageTooLarge
from edge.layers.base import Message, Receipt
from edge.layers.memory import InMemoryChannelLayer
from edge.layers.mqtt_line import NO_LOCAL, Broker, LayerAwayError, Line, MqttOptions
from edge.layers.packing import pack, require_plain, unpack
from edge.mailbox import BURST, Mailbox

logger = logging.getLogger("edge.layers")

SHARE = "$share/edge/"
RESTORED = "layer.restored"
LINGER = 1.0  # seconds without a reader after which a shared channel is somebody else's to read
ATTEMPTS = 3  # to find the reader of a shared channel who came just now
MAX_NAMED = 10_000  # channels that were named and may be sent to from elsewhere; the oldest is forgotten beyond
MAX_HEARD = 4096  # messages from the broker that wait for their members; beyond, and beyond the bytes, they are dropped
MAX_HEARD_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a layer was made with."""

    broker: Broker
    options: MqttOptions
    prefix: str
    expiry: float  # seconds
    capacity: int
    channel_capacity: Mapping[Any, int]  # keys: as of edge.layers.base.BaseChannelLayer


class Session:
    """A process's part in the layer. Everything happens on the loop that it was made on."""

    def __init__(self, settings: Settings) -> None:
        self.loop = asyncio.get_running_loop()
        self.process = secrets.token_hex(6)
        self.local = InMemoryChannelLayer(
            expiry=settings.expiry, capacity=settings.capacity, channel_capacity=settings.channel_capacity
        )
        self.drops = DropLog(logger, "the channel layer over MQTT")
        self._prefix = settings.prefix
        self._expiry = math.ceil(settings.expiry)
        self._largest = settings.options.max_payload
        self._named: dict[str, None] = {}  # process-local channels that may be sent to; a dict, for its order
        self._readers: dict[str, int] = {}  # in `receive`, by shared channel
        self._guests: dict[str, dict[str, None]] = {}  # members of a group that are read elsewhere
        self._held: set[str] = set()  # shared channels with messages here, and no reader anywhere
        self._handing: set[str] = set()  # those that are handed on just now
        self._announced = 0  # readers that others told us of
        self._heard: deque[tuple[str, bytes]] = deque()
        self._heard_bytes = 0
        self._arrived = asyncio.Event()
        self._works: set[asyncio.Task[None]] = set()
        self._line = Line(
            settings.broker,
            settings.options,
            f"edge-layer-{self.process}",
            hear=self._hear,
            noise=lambda what: self.drops.count(1, f"a message that is {what.replace('_', ' ')}"),
            restored=self._restored,
        )

    def start(self) -> None:
        """Connect, and hear."""
        self._line.start()
        self._work(self._deliver())
        self._work(self._want(f"{self._prefix}/p/{self.process}/+", NO_LOCAL))
        self._work(self._want(f"{self._prefix}/w/+", NO_LOCAL))

    async def close(self) -> None:
        """Hand on what is held for others, and leave the broker."""
        parting = [self._unread(channel) for channel in self.local.channels if "!" not in channel]
        if handing := [task for task in parting if task is not None]:
            await asyncio.wait(handing, timeout=LINGER)
        for task in self._works:
            task.cancel()
        await self._line.close()

    @property
    def why(self) -> str:
        """Why the broker is away, in plain words; empty while it is there, and until it was tried once."""
        return self._line.why if self._line.tried else ""

    def cut(self) -> None:
        """End at once, on the loop."""
        for task in self._works:
            task.cancel()
        self._line.cut()

    # Channels.

    def new_channel(self, prefix: str) -> str:
        """Return a name that nobody else has, and that others may send to from now on."""
        name = f"{prefix}.{self.process}!{secrets.token_hex(8)}"
        self.local.require_valid_channel_name(name)
        self._named[name] = None
        if len(self._named) > MAX_NAMED:
            del self._named[next(iter(self._named))]
        return name

    def attach(self, channel: str, mailbox: Mailbox) -> None:
        """Deliver into this mailbox."""
        self.local.attach(channel, mailbox)
        if "!" not in channel:
            self._work(self._read_attached(channel))

    def detach(self, channel: str) -> None:
        """Forget a channel, and take it out of its groups."""
        groups = self.local.groups_of(channel)
        self.local.detach(channel)
        self._named.pop(channel, None)
        self._unread(channel)
        for group in groups:
            self._leave_empty(group)

    async def send(self, channel: str, message: Message) -> None:
        """Send to one channel, wherever it is read."""
        self.local.require_valid_channel_name(channel)
        process = _process_of(channel)
        if process == self.process or self.local.is_read(channel):
            require_plain(message)
            await self.local.send(channel, message)
        elif not process:
            await self._send_shared(channel, message)
        elif not await self._publish(f"p/{process}/{channel}", self._packed(message)):
            raise ChannelFull(f"{channel}: the process that reads it has ended")

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel."""
        self.local.require_valid_channel_name(channel)
        if "!" in channel:
            return await self.local.receive(channel)
        self._readers[channel] = self._readers.get(channel, 0) + 1
        try:
            if not self._line.wanted(self._shared(channel)):
                await self._read(channel)
            return await self.local.receive(channel)
        finally:
            self._readers[channel] -= 1
            if not self._readers[channel]:
                del self._readers[channel]
                self.loop.call_later(LINGER, self._unread, channel)

    async def _send_shared(self, channel: str, message: Message) -> None:
        """Give it to whoever reads the channel; where nobody does, hold it until somebody comes."""
        payload = self._packed(message)
        for _ in range(ATTEMPTS):
            told = self._announced
            if channel in self._held:
                break
            if await self._publish(f"c/{channel}", payload):
                return
            if told == self._announced:  # else a reader came while the broker answered
                break
        await self.local.send(channel, message)
        if not self.local.is_read(channel):
            self._held.add(channel)

    async def _read_attached(self, channel: str) -> None:
        await self._read(channel)
        self._unread(channel)  # where it was detached meanwhile

    async def _read(self, channel: str) -> None:
        self._held.discard(channel)
        await self._want(self._shared(channel))
        with contextlib.suppress(LayerAwayError):
            await self._announce(channel)

    def _unread(self, channel: str) -> asyncio.Task[None] | None:
        """Read a shared channel no more, where nobody here does; what waits is for others."""
        if channel in self._readers or self.local.is_read(channel) or not self._line.wanted(self._shared(channel)):
            return None
        self._line.unwant(self._shared(channel))  # its task was made first, so the broker hears of it first
        self._held.add(channel)
        return self._work(self._hand_on(channel))

    async def _announce(self, channel: str) -> None:
        await self._publish(f"w/{channel}", b"")

    async def _hand_on(self, channel: str) -> None:
        """Give what waits here to those who read the channel elsewhere; keep it where nobody does."""
        if channel in self._handing:
            return
        self._handing.add(channel)
        try:
            while waiting := deque(self.local.take_waiting(channel)):
                if not await self._handed_on(channel, waiting):
                    for message in waiting:
                        with contextlib.suppress(ChannelFull):  # counted there
                            await self.local.send(channel, message)
                    return
            self._held.discard(channel)
        finally:
            self._handing.discard(channel)

    async def _handed_on(self, channel: str, waiting: deque[Message]) -> bool:
        while waiting:
            try:
                if not await self._publish(f"c/{channel}", pack(waiting[0])):
                    return False
            except LayerAwayError:
                return False
            waiting.popleft()
        return True

    # Groups.

    async def group_add(self, group: str, channel: str) -> None:
        """Join; a channel that is read elsewhere is a guest, to whom we send on."""
        self.local.require_valid_group_name(group)
        self.local.require_valid_channel_name(channel)
        if _process_of(channel) == self.process or self.local.is_read(channel):
            await self.local.group_add(group, channel)
        else:
            self._guests.setdefault(group, {})[channel] = None
        if problem := await self._line.want(f"{self._prefix}/g/{group}", NO_LOCAL):
            raise LayerAwayError(problem)

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave."""
        await self.local.group_discard(group, channel)
        guests = self._guests.get(group, {})
        guests.pop(channel, None)
        if not guests:
            self._guests.pop(group, None)
        self._leave_empty(group)

    async def group_send(self, group: str, message: Message) -> Receipt:
        """Send to the members here, then to all other processes."""
        self.local.require_valid_group_name(group)
        payload = self._packed(message)
        receipt = await self._fan_out(group, message)
        try:
            await self._publish(f"g/{group}", payload)
        except LayerAwayError as error:
            raise LayerAwayError(f"{error} ({receipt.delivered} members in this process have the message)") from error
        return receipt

    async def flush(self) -> None:
        """Forget groups and waiting messages; who reads a channel reads on."""
        for group in {*self.local.groups, *self._guests}:
            self._line.unwant(f"{self._prefix}/g/{group}")
        self._guests.clear()
        self._held.clear()
        await self.local.flush()

    async def _fan_out(self, group: str, message: Message) -> Receipt:
        receipt = await self.local.group_send(group, message)
        for guest in tuple(self._guests.get(group, ())):
            try:
                await self.send(guest, message)
            except ChannelFull:
                self.drops.count(1, guest)
                receipt = Receipt(receipt.delivered, receipt.dropped + 1)
            else:
                receipt = Receipt(receipt.delivered + 1, receipt.dropped)
        return receipt

    def _leave_empty(self, group: str) -> None:
        if group not in self.local.groups and group not in self._guests:
            self._line.unwant(f"{self._prefix}/g/{group}")

    # The broker.

    def _packed(self, message: Message) -> bytes:
        payload = pack(message)
        if len(payload) > self._largest:
            raise MessageTooLarge(f"a message has {self._largest} bytes at most (max_message); this one {len(payload)}")
        return payload

    async def _publish(self, topic: str, payload: bytes) -> bool:
        return await self._line.publish(f"{self._prefix}/{topic}", payload, expiry=self._expiry)

    async def _want(self, topic: str, options: int = 0) -> None:
        await self._line.want(topic, options)

    def _shared(self, channel: str) -> str:
        return f"{SHARE}{self._prefix}/c/{channel}"

    def _hear(self, topic: str, payload: bytes) -> None:
        """Take a message off the connection; its members get it in their turn."""
        kind, _, name = topic[len(self._prefix) + 1 :].partition("/")
        if kind == "w":
            self._announced += 1
            if name in self._held:
                self._work(self._hand_on(name))
        elif len(self._heard) >= MAX_HEARD or self._heard_bytes + len(payload) > MAX_HEARD_BYTES:
            self.drops.count(1, topic)
        else:
            self._heard.append((topic, payload))
            self._heard_bytes += len(payload)
            self._arrived.set()

    async def _deliver(self) -> None:
        """Hand on what was heard, waiting for members that keep up (`edge.mailbox`), giving way now and then."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._heard:
                for _ in range(min(BURST, len(self._heard))):
                    topic, payload = self._heard.popleft()
                    self._heard_bytes -= len(payload)
                    await self._deliver_one(topic, payload)
                await asyncio.sleep(0)

    async def _deliver_one(self, topic: str, payload: bytes) -> None:
        kind, _, name = topic[len(self._prefix) + 1 :].partition("/")
        try:
            message = unpack(payload)
            if kind == "g":
                await self._fan_out(name, message)
                self._leave_empty(name)
            elif kind == "c":
                await self._take_shared(name, message)
            else:
                await self._take_own(name.partition("/")[2], message)
        except (ValueError, TypeError) as error:
            self.drops.count(1, f"{topic[:120]!r}, which is ill-formed ({str(error)[:120]})")
        except ChannelFull:
            pass  # counted by the local layer
        except Exception:
            logger.exception("the channel layer over MQTT failed with a message on %s", topic[:120])

    async def _take_own(self, channel: str, message: Message) -> None:
        if channel in self._named or self.local.is_read(channel):
            await self.local.send(channel, message)
        else:
            self.drops.count(1, channel)

    async def _take_shared(self, channel: str, message: Message) -> None:
        await self.local.send(channel, message)
        if not self._line.wanted(self._shared(channel)):  # it was on its way when the last reader here left
            self._held.add(channel)
            self._work(self._hand_on(channel))

    def _restored(self) -> None:
        """Tell our consumers of the gap, others that we read, and give on what was held meanwhile."""
        self.local.tell_attached({"type": RESTORED})
        for channel in {*self._readers, *(name for name in self.local.channels if "!" not in name)}:
            self._work(self._hand_on(channel) if channel in self._held else self._say_again(channel))

    async def _say_again(self, channel: str) -> None:
        if self._line.wanted(self._shared(channel)):
            with contextlib.suppress(LayerAwayError):
                await self._announce(channel)

    def _work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="edge-layer-mqtt-work")
        self._works.add(task)
        task.add_done_callback(self._works.discard)
        return task


def _process_of(channel: str) -> str:
    """Return the process that a channel belongs to, or nothing for one that processes share."""
    head, mark, _ = channel.partition("!")
    return head.rpartition(".")[2] if mark else ""
