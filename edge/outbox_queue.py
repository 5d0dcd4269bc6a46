"""What waits in the outbox for one device, by key: what may be sent next, and what is on its way. No I/O, no clock."""

import asyncio
from collections import deque

from edge.outbox_store import Entry, Outcome


class Waiting:
    """What waits for one device: the keys, each with its entries in order."""

    def __init__(self) -> None:
        self.keys: dict[str, deque[Entry]] = {}
        self.ready: deque[str] = deque()  # keys with something to send, of which nothing is on its way
        self.busy: set[str] = set()  # keys whose first entry is on its way
        self.count = 0
        self.bytes = 0
        self.done: dict[Outcome, int] = dict.fromkeys((Outcome.SENT, Outcome.FAILED, Outcome.EXPIRED), 0)
        self.wake = asyncio.Event()  # there is something ready

    def add(self, entry: Entry) -> None:
        """Take one more, the last of its key."""
        queue = self.keys.get(entry.key)
        if queue is None:
            queue = self.keys[entry.key] = deque()
            self.ready.append(entry.key)
            self.wake.set()
        queue.append(entry)

    def begin(self) -> Entry | None:
        """Return the first entry of the next key, which is busy until `end` says otherwise."""
        while self.ready:
            key = self.ready.popleft()
            if key in self.keys and key not in self.busy:
                self.busy.add(key)
                return self.keys[key][0]
        self.wake.clear()
        return None

    def end(self, key: str) -> None:
        """Say that nothing of this key is on its way any more."""
        self.busy.discard(key)
        if key in self.keys:
            self.ready.append(key)
            self.wake.set()

    def remove(self, entry: Entry) -> None:
        """Forget an entry; its key goes with its last one."""
        queue = self.keys.get(entry.key)
        if queue is None or entry not in queue:
            return
        if queue[0] is entry:
            queue.popleft()
        else:
            queue.remove(entry)
        if not queue:
            del self.keys[entry.key]

    def oldest(self) -> Entry | None:
        """Return the oldest entry that is not on its way."""
        heads = (queue[1] if key in self.busy else queue[0] for key, queue in self.keys.items() if self._idle(key))
        return min(heads, key=lambda entry: entry.id, default=None)

    def _idle(self, key: str) -> bool:
        return key not in self.busy or len(self.keys[key]) > 1

    def counts(self) -> dict[str, int]:
        """Return how many wait, and what became of others since the box started."""
        return {"waiting": self.count, **{outcome.value: count for outcome, count in self.done.items()}}
