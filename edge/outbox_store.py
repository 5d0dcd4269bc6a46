"""What the outbox writes down, and what a store of it can: the seam between `edge.outbox` and the site's database."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class Outcome(Enum):
    """What became of an entry."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"


class StoreError(Exception):
    """The store could not be read or written; nothing of the batch was. The message is for a person."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One event that waits. ``put_at`` and ``expires_at`` are the wall clock's, seconds since the epoch, UTC."""

    id: int
    device: str
    key: str  # within a device, entries of one key are sent in their order: a topic, a peer
    body: bytes  # the event, as `edge.outbox_events.prepare` wrote it
    put_at: float
    expires_at: float
    deadline: float = 0.0  # the same as expires_at, by the monotonic clock of this run


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry is done: sent, failed or expired."""

    id: int
    outcome: Outcome
    reason: str
    at: float  # seconds since the epoch


@dataclass(slots=True)
class Batch:
    """What one commit writes, all or nothing."""

    puts: list[Entry] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    moved: list[Entry] = field(default_factory=list)  # entries whose put_at and expires_at are others now
    shift: float = 0.0  # seconds by which the times of all that waits (before these puts) are moved


class Store(Protocol):
    """Where entries are kept. Called in one thread, one call at a time."""

    def open(self) -> tuple[int, list[Entry]]:
        """Return the highest id that was ever used, and what waits, by id. Raises StoreError."""

    def write(self, batch: Batch) -> None:
        """Write a batch; when it returns, a power cut takes nothing of it away. Raises StoreError."""

    def waiting(self) -> list[Entry]:
        """Return what waits, by id. Raises StoreError."""

    def close(self) -> None:
        """Let go of the file."""
