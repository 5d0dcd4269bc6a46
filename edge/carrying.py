"""What a carrier is: how a feed carries dialogues. Those there are: `edge.carriers`, `edge.connected.carrier`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from edge.asgi import Event
from edge.spec import CloseCode

MAX_UNREAD = 100  # things said that one dialogue has not read; beyond, `edge.mailbox` says what happens


@dataclass(frozen=True, slots=True)
class Begun:
    """A peer is there, and has said nothing yet; ``called`` where we have called it."""

    peer: str
    called: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A peer said something: exactly one of the two is not None."""

    peer: str
    text: str | None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A peer cannot be reached, or has left."""

    peer: str
    reason: str
    code: CloseCode = CloseCode.LINK_LOST


Outcome = Begun | Said | Gone | Event


class Carrier(Protocol):
    """What it returns is to be done in order: peers that begin, things said, peers gone, events for the feed.

    The methods with a body are for feeds with connections of their own; others inherit them as they are.
    """

    over: str
    idle_seconds: float
    max_dialogues: int = 64  # at once; beyond, the one that was silent longest is ended
    max_unread: int = MAX_UNREAD

    def receive(self, event: Event, now: float) -> Iterable[Outcome]:
        """Take an event of the feed."""

    def send(self, peer: str, text: str | None, data: bytes | None, now: float) -> Iterable[Outcome]:
        """Say something to a peer; LocalProtocolError for what cannot be said."""

    def tick(self, now: float) -> Iterable[Outcome]:
        """Look at the clock."""

    def due(self) -> float | None:
        """Return when `tick` is wanted, where that may be sooner than in a second."""
        return None

    def close(self, peer: str, now: float) -> Iterable[Outcome]:  # noqa: ARG002  (here nobody has to be told)
        """Take note that our side has ended the dialogue with a peer."""
        return ()

    def end(self, now: float) -> Iterable[Outcome]:  # noqa: ARG002  (as above)
        """Take leave of all peers at once: the route, the box or the link ends; what it returns may go unsent."""
        return ()

    def unread(self, peer: str, count: int, now: float) -> Iterable[Outcome]:  # noqa: ARG002  (as above)
        """Take note of how many things the dialogue with a peer has not read."""
        return ()

    def crowded(self, peer: str) -> bool:  # noqa: ARG002  (as above)
        """Whether so much waits for a peer that its dialogue should wait as well."""
        return False

    def refused(self, event: Event, words: str, now: float) -> Iterable[Outcome]:  # noqa: ARG002  (as above)
        """Take note that the transmit gate refused an event of ours."""
        return ()
