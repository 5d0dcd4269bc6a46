"""The outbox: what must not be lost is on disk before ``put`` returns, and is sent until somebody confirms it.

    from edge import outbox
    await outbox.put("broker", {"type": "mqtt.send", "topic": "door", "payload": "open"}, expires=3600)

`Outbox` knows what waits for which device, in memory and, by the `Store` that the site gives it, on disk.
`edge.delivery` sends it, `edge.outbox_events` says what may be put in.

**Group commit.** One thread writes. All that is put while it commits goes into its next commit, together with what was
sent meanwhile. So a put costs one commit at most two, however many others put at the same time.

**At least once.** An entry is marked as sent after it was confirmed, with the next commit or within `MARK_DELAY`. What
was confirmed but not marked when the power went is sent again.

**Bounds** are `Bounds`. At a bound a put is refused, or where the site says so the device's oldest entry makes room
and has failed.

**Time.** While the box runs an entry's life is told by the monotonic clock, so no clock that is set expires anything;
the times on disk are moved along when the wall clock jumps (`JUMP`). After a restart the wall clock tells how long the
box was away. If it says less than before, as one without a battery does, the entry's whole life begins anew.
"""

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edge.outbox_events import OutboxRefused, lifetime, prepare
from edge.outbox_queue import Waiting
from edge.outbox_store import Batch, Entry, Mark, Outcome, Store

__all__ = ["Bounds", "Outbox", "OutboxRefused", "put", "use", "waiting_for"]

logger = logging.getLogger("edge.outbox")

MARK_DELAY = 0.25  # seconds that a mark waits for a put whose commit it can share
RETRY = 5.0  # seconds before marks that could not be written are written again
TICK = 1.0  # seconds between looks at what has expired
JUMP = 30.0  # seconds by which the wall clock differs from the monotonic one before it counts as set
LARGEST_BATCH = 1000  # entries in one commit; the thread holds the database no longer than that takes
SLACK = 1000  # deadlines of entries that are gone already, before they are swept out


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait. Bytes are those written down (`edge.outbox_events`); it is all in memory, too."""

    device_entries: int = 10_000
    device_bytes: int = 16_777_216
    entries: int = 50_000
    bytes: int = 33_554_432
    drop_oldest: bool = False  # at a device's bound its oldest entry makes room, where else the new one is refused


class Outbox:
    """What waits for all devices. Everything here happens on one loop; `put` (the module's) comes from any."""

    def __init__(
        self,
        store: Store,
        bounds: Bounds | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.bounds = bounds or Bounds()
        self.problem = "the outbox is not open yet"  # why it cannot be written to, in plain words; else empty
        self.guard: Callable[[str, Mapping[str, Any]], None] | None = None  # raises OutboxRefused
        self.opened = False
        self._clock, self._wall = clock, wall
        self._offset = wall() - clock()
        self._devices: dict[str, Waiting] = {}
        self._entries: dict[int, Entry] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._batch = Batch()
        self._promises: list[asyncio.Future[None]] = []  # one for each of the batch's puts
        self._marked: set[int] = set()  # done, and not yet on disk
        self._next_id = 1
        self._bytes = self._count = 0
        self._put = asyncio.Event()
        self._dirty = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Read what waits, and begin to write. Raises StoreError; then it may be tried again."""
        self._loop = asyncio.get_running_loop()
        last, waiting = await self._loop.run_in_executor(self._thread, self.store.open)
        self._next_id = last + 1
        self._begin_anew([entry for entry in waiting if entry.put_at > self._wall() + JUMP])
        for entry in waiting:
            self._restore(entry)
        self.opened, self.problem = True, ""
        for name, work in (("writer", self._write_forever()), ("clock", self._watch_the_clock())):
            self._tasks.append(asyncio.create_task(work, name=f"edge-outbox-{name}"))

    async def close(self) -> None:
        """Write what is still to be written, once, and let go. Puts that come later are refused."""
        was_open, self.opened, self.problem = self.opened, False, "the box is stopping"
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if was_open:
            while self._batch.puts or self._batch.marks:
                if not await self._commit():
                    break
            await asyncio.get_running_loop().run_in_executor(self._thread, self.store.close)
        self._thread.shutdown(wait=False)

    def of(self, device: str) -> Waiting:
        """Return what waits for a device."""
        waiting = self._devices.get(device)
        if waiting is None:
            waiting = self._devices[device] = Waiting()
        return waiting

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts of each device that has any; from any thread."""
        return {name: waiting.counts() for name, waiting in list(self._devices.items())}

    async def put(self, device: str, event: Mapping[str, Any], expires: float | None = None) -> int:
        """Keep an event until it was sent; return its number once it is on disk.

        ``expires`` is in seconds; it goes before the event's own. Raises OutboxRefused, and then nothing is kept.
        """
        if self.guard is not None:
            self.guard(device, event)
        if not self.opened:
            raise OutboxRefused(f"nothing can be kept: {self.problem}")
        key, body = prepare(event)
        life = lifetime(event, expires)
        self._make_room(device, len(body))
        entry = self._entry(device, key, body, life)
        self._count_in(entry)
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batch.puts.append(entry)
        self._promises.append(kept)
        self._put.set()
        self._dirty.set()
        await kept
        return entry.id

    def settle(self, entry: Entry, outcome: Outcome, reason: str = "") -> None:
        """Say what became of an entry; it waits no more."""
        if self._entries.pop(entry.id, None) is None:
            return  # a person has deleted it meanwhile
        waiting = self.of(entry.device)
        waiting.remove(entry)
        waiting.done[outcome] += 1
        self._count_out(entry)
        self._marked.add(entry.id)
        self._batch.marks.append(Mark(entry.id, outcome, reason[:500], self._wall()))
        self._dirty.set()
        if outcome is not Outcome.SENT:
            logger.warning("%s: entry %d of the outbox %s: %s", entry.device, entry.id, outcome.value, reason)

    def waited(self, entry: Entry) -> float:
        """Return for how many seconds an entry has waited."""
        return max(0.0, entry.expires_at - entry.put_at - (entry.deadline - self._clock()))

    def is_over(self, entry: Entry) -> bool:
        """Tell whether an entry's life is over."""
        return self._clock() >= entry.deadline

    async def refresh(self) -> None:
        """Take note of what a person deleted or wants sent again: the rows say so. Raises StoreError."""
        if not self.opened:
            return
        before = set(self._entries)
        rows = await asyncio.get_running_loop().run_in_executor(self._thread, self.store.waiting)
        there = {entry.id for entry in rows}
        for gone in before - there:
            if entry := self._entries.pop(gone, None):
                self.of(entry.device).remove(entry)
                self._count_out(entry)
        for entry in rows:
            if entry.id not in self._entries and entry.id not in self._marked:
                self._restore(entry)

    def _entry(self, device: str, key: str, body: bytes, life: float) -> Entry:
        number, self._next_id = self._next_id, self._next_id + 1
        now = self._wall()
        return Entry(
            id=number,
            device=device,
            key=key,
            body=body,
            put_at=now,
            expires_at=now + life,
            deadline=self._clock() + life,
        )

    def _make_room(self, device: str, size: int) -> None:
        """Raise OutboxRefused at a bound, unless the oldest may make room for the new."""
        while problem := self._too_much(self.of(device), device, size):
            oldest = self.of(device).oldest() if self.bounds.drop_oldest else None
            if oldest is None:
                raise OutboxRefused(f"the outbox is full: {problem}")
            self.settle(oldest, Outcome.FAILED, f"dropped to make room for newer ones: {problem}")

    def _too_much(self, waiting: Waiting, device: str, size: int) -> str:
        bounds = self.bounds
        if waiting.count >= bounds.device_entries:
            return f"{waiting.count} entries wait for {device}; the limit is {bounds.device_entries}"
        if waiting.bytes + size > bounds.device_bytes:
            return f"{waiting.bytes} bytes wait for {device}, {size} more are too many; limit {bounds.device_bytes}"
        if self._count >= bounds.entries:
            return f"{self._count} entries wait in all; the limit is {bounds.entries}"
        if self._bytes + size > bounds.bytes:
            return f"{self._bytes} bytes wait in all, {size} more are too many; the limit is {bounds.bytes}"
        return ""

    def _count_in(self, entry: Entry) -> None:
        waiting, size = self.of(entry.device), len(entry.body)
        waiting.count, waiting.bytes = waiting.count + 1, waiting.bytes + size
        self._count, self._bytes = self._count + 1, self._bytes + size

    def _count_out(self, entry: Entry) -> None:
        waiting, size = self.of(entry.device), len(entry.body)
        waiting.count, waiting.bytes = waiting.count - 1, waiting.bytes - size
        self._count, self._bytes = self._count - 1, self._bytes - size

    def _restore(self, entry: Entry) -> None:
        """Take an entry from the disk; its life goes on from what the wall clock says, within its own length."""
        life = entry.expires_at - entry.put_at
        entry.deadline = self._clock() + min(entry.expires_at - self._wall(), life)
        self._count_in(entry)
        self._take(entry)

    def _begin_anew(self, entries: list[Entry]) -> None:
        """Let entries from the future live from now on: the clock has gone back, and cannot tell their age."""
        if not entries:
            return
        logger.warning("the clock says less than when the outbox was written; %d entries live anew", len(entries))
        for entry in entries:
            life, entry.put_at = entry.expires_at - entry.put_at, self._wall()
            entry.expires_at = entry.put_at + life
        self._batch.moved += entries
        self._dirty.set()

    def _take(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        self.of(entry.device).add(entry)
        heapq.heappush(self._deadlines, (entry.deadline, entry.id))

    async def _write_forever(self) -> None:
        while True:
            await self._dirty.wait()
            if not self._batch.puts:
                await self._put_within(MARK_DELAY)
            if not await self._commit() and not self._batch.puts:
                await self._put_within(RETRY)

    async def _put_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._put.wait()

    async def _commit(self) -> bool:
        """Write what is there as one batch; tell whether it could be written."""
        whole, promises = self._batch, self._promises
        batch = Batch(whole.puts[:LARGEST_BATCH], whole.marks[:LARGEST_BATCH], whole.moved, whole.shift)
        self._batch = Batch(whole.puts[LARGEST_BATCH:], whole.marks[LARGEST_BATCH:])
        self._promises, promises = promises[LARGEST_BATCH:], promises[:LARGEST_BATCH]
        if not self._batch.puts:
            self._put.clear()
        if not self._batch.puts and not self._batch.marks:
            self._dirty.clear()
        writing = asyncio.get_running_loop().run_in_executor(self._thread, self.store.write, batch)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])  # whoever waits is told what the disk said, not what was hoped
            self._conclude(batch, promises, writing.exception())
            raise
        except Exception as error:  # noqa: BLE001  (the fence: whatever the store raises is told to who waits)
            self._conclude(batch, promises, error)
            return False
        self._conclude(batch, promises, None)
        return True

    def _conclude(self, batch: Batch, promises: list[asyncio.Future[None]], error: BaseException | None) -> None:
        if error is None:
            self.problem = "" if self.opened else self.problem
            self._marked.difference_update(mark.id for mark in batch.marks)
            for entry, promise in zip(batch.puts, promises, strict=True):
                self._take(entry)
                if not promise.done():
                    promise.set_result(None)
            return
        when = time.strftime("%H:%M:%S", time.gmtime(self._wall()))
        self._complain(f"the outbox cannot be written ({when} UTC): {error}")
        for entry, promise in zip(batch.puts, promises, strict=True):
            self._count_out(entry)
            if not promise.done():
                promise.set_exception(OutboxRefused(f"it could not be kept: {error}"))
        self._batch.marks[:0] = batch.marks
        self._batch.moved[:0] = batch.moved
        self._batch.shift += batch.shift
        if batch.marks or batch.moved or batch.shift:
            self._dirty.set()

    def _complain(self, problem: str) -> None:
        if not self.problem:
            logger.error("%s", problem)  # once, not with each put
        self.problem = problem

    async def _watch_the_clock(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        """Expire what is over; move the times on disk where the wall clock was set."""
        offset = self._wall() - self._clock()
        if abs(jump := offset - self._offset) > JUMP:
            logger.warning("the clock was set by %+.0f s; the times in the outbox are moved along", jump)
            self._shift(jump)
            self._offset = offset
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            if (entry := self._entries.get(number)) is not None:
                self._expire(entry, now)
        if len(self._deadlines) > 2 * len(self._entries) + SLACK:
            self._deadlines = [(entry.deadline, entry.id) for entry in self._entries.values()]
            heapq.heapify(self._deadlines)

    def _expire(self, entry: Entry, now: float) -> None:
        waiting = self.of(entry.device)
        if entry.key in waiting.busy and waiting.keys[entry.key][0] is entry:
            heapq.heappush(self._deadlines, (now + TICK, entry.id))  # on its way: that is the delivery's to end
        else:
            self.settle(entry, Outcome.EXPIRED, f"not sent within {entry.expires_at - entry.put_at:.0f} s")

    def _shift(self, jump: float) -> None:
        for entry in (*self._entries.values(), *self._batch.puts):
            entry.put_at += jump
            entry.expires_at += jump
        self._batch.shift += jump
        self._dirty.set()


_outbox: Outbox | None = None
_elsewhere: Callable[[str, Mapping[str, Any], float | None], Awaitable[int]] | None = None


def keep_elsewhere(keep: Callable[[str, Mapping[str, Any], float | None], Awaitable[int]] | None) -> None:
    """Have `put` of a process without a box hand everything to the process that has it, for as long as it runs."""
    global _elsewhere  # noqa: PLW0603  (as below)
    _elsewhere = keep


def use(outbox: Outbox | None) -> None:
    """Have this process's `put` go into this outbox: the box's own, for as long as it runs."""
    global _outbox  # noqa: PLW0603  (one box a process is what a box is)
    _outbox = outbox


async def put(device: str, event: Mapping[str, Any], *, expires: float | None = None) -> int:
    """Keep an event for a device until it was sent; return its number once it is on disk.

    For consumers, views and jobs in the process of the box or of its pages, on any loop (`asgiref.sync.async_to_sync`
    too). ``expires`` is in seconds (`edge.outbox_events.LIFETIMES`). Raises OutboxRefused, with the reason, and then
    nothing is kept: the outbox or the disk is full, there is no such device, the gate would never let it pass, no box
    runs here.
    """
    if _outbox is None and _elsewhere is not None:
        return await _elsewhere(device, event, expires)
    if _outbox is None or (loop := _outbox._loop) is None:  # noqa: SLF001  (this module's own)
        raise OutboxRefused("no box runs in this process, so nothing can be kept here")
    if loop is asyncio.get_running_loop():
        return await _outbox.put(device, event, expires)
    there = asyncio.run_coroutine_threadsafe(_outbox.put(device, event, expires), loop)
    return await asyncio.wrap_future(there)


def waiting_for(names: Iterable[str], counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Say in plain words what waits for devices that are not among the names."""
    known = set(names)
    return [
        f"{count['waiting']} entries of the outbox wait for a device {name!r}, which is not there"
        for name, count in counts.items()
        if name not in known and count["waiting"]
    ]
