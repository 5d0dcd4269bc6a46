"""What runs, as a person is told: one frozen value per device, and the live counters behind it.

What is observed is never a wish: nothing here is written to the database. A `DeviceBoard` is written by one runner, on the
loop, and read by whoever wants to know; reading makes a `DeviceStatus`, which is plain and safe to hand on.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any


class State(Enum):
    """Where a device is. ``failed`` means that a person must act; all else comes right by itself."""

    STARTING = "starting"
    UP = "up"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStatus:
    """One route of a device."""

    consumer: str
    match: str
    text: str  # "running", or in plain words what is wrong
    waiting: int  # events in its mailbox
    dropped: int  # events that it was too slow for
    errors: int  # handlers that raised, since the box started


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """One device, as it is now."""

    name: str
    kind: str
    link: str  # without secrets
    state: State
    text: str  # in plain words: what is wrong and what happens next, or "up"
    since: float  # seconds since the epoch, when the state began
    heard: int  # events received since the box started
    sent: int
    refused: int  # transmissions that the gate refused
    refusal: str  # why the last one was
    last_heard: float | None  # seconds since the epoch
    routes: tuple[RouteStatus, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "state": self.state.value, "routes": [asdict(route) for route in self.routes]}


@dataclass(slots=True)
class DeviceBoard:
    """The live counters of one device."""

    name: str
    kind: str
    link: str
    on_change: Callable[[], None] = lambda: None  # called when the state changes, not for each count
    state: State = State.STOPPED
    text: str = ""
    since: float = 0.0
    heard: int = 0
    sent: int = 0
    refused: int = 0
    refusal: str = ""
    last_heard: float | None = None
    routes: Callable[[], tuple[RouteStatus, ...]] = field(default=tuple)

    def turn(self, state: State, text: str) -> None:
        """Enter a state, and say in plain words what it means."""
        if state is not self.state:
            self.since = time.time()
        self.state, self.text = state, text
        self.on_change()

    def hear(self, when: float) -> None:
        """Count an event that came from the device."""
        self.heard += 1
        self.last_heard = when

    def refuse(self, reason: str) -> None:
        """Count a transmission that the gate refused."""
        self.refused += 1
        self.refusal = reason

    def read(self) -> DeviceStatus:
        """Return what is so now."""
        return DeviceStatus(
            name=self.name,
            kind=self.kind,
            link=self.link,
            state=self.state,
            text=self.text,
            since=self.since,
            heard=self.heard,
            sent=self.sent,
            refused=self.refused,
            refusal=self.refusal,
            last_heard=self.last_heard,
            routes=self.routes(),
        )
