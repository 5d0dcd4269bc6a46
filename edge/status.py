"""What runs, as a person is told: one frozen value per device, and the live counters behind it.

What is observed is never a wish: nothing here is written to the database. A `DeviceBoard` is written by one runner, on
the loop, and read by whoever wants to know; reading makes a `DeviceStatus`, which is plain and safe to hand on.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

BOX = secrets.token_hex(8)  # this process, among those that meet on one channel layer


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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RouteStatus":
        """Read plain values, of another version of ours too."""
        nothing: dict[str, Any] = {"consumer": "", "match": "", "text": "", "waiting": 0, "dropped": 0, "errors": 0}
        return cls(**{**nothing, **{name: values[name] for name in cls.__slots__ if name in values}})


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
    counters: dict[str, int] = field(default_factory=dict)  # what the protocol counted and did not pass on, as noise
    outbox: dict[str, int] = field(default_factory=dict)  # waiting; and sent, failed, expired since the box started

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "state": self.state.value, "routes": [asdict(route) for route in self.routes]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DeviceStatus":
        """Undo `as_dict`, of another version too: what it does not say is nothing, what is new is passed over."""
        said = {**_NOTHING, **{name: values[name] for name in cls.__slots__ if name in values}}
        state = said["state"] if said["state"] in {state.value for state in State} else State.WAITING.value
        routes = tuple(RouteStatus.from_dict(route) for route in said["routes"])
        return cls(**{**said, "state": State(state), "routes": routes})


_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("name", "kind", "link", "text", "refusal"), ""),
    **dict.fromkeys(("since", "heard", "sent", "refused"), 0),
    "state": State.WAITING.value,
    "last_heard": None,
    "routes": (),
}

# What a line at the wrong speed is heard as, and how many bytes each count stands for.
NOISE = {"noise_bytes": 1, "not_data": 8, "bad_escape": 16, "bad_checksum": 16, "too_long": 16, "not_ax25": 16}
NOISE_AT = 128  # bytes in a row that meant nothing, from which it is said
RECENT = 90.0  # seconds for which a fault is told in words, longer than any wait after one; then it is but a number


@dataclass(slots=True)
class Faults:
    """What one consumer raised: how often, and in words the latest."""

    count: int = 0
    latest: str = ""
    at: float = 0.0  # monotonic seconds

    def add(self, error: BaseException) -> None:
        """Count an error."""
        self.count += 1
        self.at = time.monotonic()
        when = time.strftime("%H:%M:%S", time.gmtime())
        what = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
        self.latest = f"raised {what} (at {when} UTC, {self.count} in all)"

    def recent(self) -> str:
        """Return the latest fault in words, or nothing where it is longer ago than `RECENT`."""
        return self.latest if self.count and time.monotonic() - self.at < RECENT else ""


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
    counters: Callable[[], Mapping[str, int]] = field(default=dict)
    outbox: Callable[[], Mapping[str, int]] = field(default=dict)
    _understood: int = 0  # at the latest look: events, and frames that were none of this kind
    _noise: int = 0  # when the latest of them was heard, or the state began

    def turn(self, state: State, text: str) -> None:
        """Enter a state, and say in plain words what it means."""
        if state is not self.state:
            self.since = time.time()
        self.state, self.text = state, text
        self._noise = _noise_in(self.counters())
        self.on_change()

    def hear(self, when: float) -> None:
        """Count an event that came from the device."""
        self.heard += 1
        self.last_heard = when

    def refuse(self, reason: str) -> None:
        """Count a transmission that the gate refused."""
        self.refused += 1
        self.refusal = reason

    def go_on_from(self, old: "DeviceBoard") -> None:
        """Begin where the device's board before this one ended."""
        self.state, self.text, self.since = old.state, old.text, old.since
        self.heard, self.sent, self.last_heard = old.heard, old.sent, old.last_heard
        self.refused, self.refusal = old.refused, old.refusal

    def _now(self, counters: Mapping[str, int]) -> str:
        """Return the state's words, or that only noise is heard: bytes come, and none of them mean anything."""
        understood, noise = self.heard + counters.get("not_aprs", 0), _noise_in(counters)
        if understood != self._understood:
            self._understood = understood
            self._noise = noise
        if self.state is not State.UP or noise - self._noise < NOISE_AT:
            return self.text
        return "up, but only noise is heard: is the baud rate right, and the TNC in KISS mode?"

    def read(self) -> DeviceStatus:
        """Return what is so now."""
        counters = dict(self.counters())
        return DeviceStatus(
            name=self.name,
            kind=self.kind,
            link=self.link,
            state=self.state,
            text=self._now(counters),
            since=self.since,
            heard=self.heard,
            sent=self.sent,
            refused=self.refused,
            refusal=self.refusal,
            last_heard=self.last_heard,
            routes=self.routes(),
            counters=counters,
            outbox=dict(self.outbox()),
        )


def _noise_in(counters: Mapping[str, int]) -> int:
    return sum(weight * counters.get(name, 0) for name, weight in NOISE.items())
