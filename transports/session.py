"""The protocol side of a transport, as pure values: bytes in, events out; events in, bytes out.

A session does not open, await, sleep, log or look at the clock; time is passed in. That is all that a new serial
protocol has to write (README.md, "Add a transport in five steps"); `transports.stream` does the rest.

`Session` is enough for a protocol that only answers when it is spoken to. One that speaks first, waits, or has to take
leave (KISS parameters, a recipe that enters KISS mode, connected mode's timers) is an `ActiveSession`. What neither of
them may do is key a transmitter unasked: a passive listener never sends a byte, and what goes on the air passes the
gate (`edge.gate`) before it comes here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


class Session(Protocol):
    """One protocol on one link, from link-up to link-lost; a new link gets a new session."""

    scope_type: str  # a key of edge.spec.SCOPES

    def scope(self) -> Mapping[str, Any]:
        """Return the fields of the scope that this protocol adds to ``type``, ``device``, ``link`` and ``state``."""

    def receive_bytes(self, data: bytes, now: float) -> Iterable[dict[str, Any]]:
        """Take what one read gave at ``now`` (seconds since the epoch, for people); return the events in it.

        Noise is counted, not raised; `edge.errors.RemoteProtocolError` drops the link where the peer broke a protocol
        that has state. Holds a bounded part of an unfinished frame.
        """

    def send(self, event: Mapping[str, Any]) -> bytes:
        """Return the bytes of one ``X.send``; raise `edge.errors.LocalProtocolError` for one that cannot be sent."""

    def counters(self) -> Mapping[str, int]:
        """Return what was counted and not passed on: noise, frames too long, frames of another protocol."""


@dataclass(slots=True)
class Clock:
    """What time it is, as a session is told.

    ``now`` is monotonic, in seconds from a moment that means nothing; for timers, never for people. `transports.stream`
    sets it before each call into an `ActiveSession`; a test sets it by hand. All that lives inside a session (links of
    connected mode, the session within a wrapper) holds the same clock, so that nobody has to hand the time on.
    """

    now: float = 0.0


@runtime_checkable
class ActiveSession(Session, Protocol):
    """A session that has things to send by itself, needs time, or takes leave.

    **Order.** `opened` once, when the link is up; then `receive_bytes`, `send` and `tick` in any order (bytes that come
    with the opening may be there before `opened`); then `closing` at most once, if the link is closed on purpose and
    not lost. After each of these calls the stream writes what `data_to_send` gives, looks at `ready` or `finished`, and
    sets its one timer to `deadline`. None of them blocks.

    **A wrapper** holds the session that it wraps, shares its ``clock``, and passes on what is not its own business: it
    is how a TNC is brought into KISS mode and out of it. Until its recipe is through it is not `ready`: no consumer is
    started, and the device is shown as being opened. A step is bytes in `data_to_send`, a wait is a `deadline`, an
    answer is looked for in `receive_bytes`. A recipe that fails raises `edge.errors.RemoteProtocolError` in plain
    words, out of `tick` or `receive_bytes`: the link is dropped, the words are shown, and it is tried again later.
    """

    clock: Clock

    # May have ``is_active``, False where its options leave it nothing to say: see `as_active`.

    def opened(self) -> None:
        """Begin: the link is up."""

    @property
    def ready(self) -> bool:
        """Whether the link is up for consumers. Once true it stays so.

        The stream gives up on a session that is not ready within `transports.stream.ENTERING` seconds.
        """

    def data_to_send(self) -> bytes:
        """Return what is to be written now, in order, and forget it; mostly nothing.

        Not called while the far side takes nothing, so what waits here needs a bound of its own.
        """

    def deadline(self) -> float | None:
        """Return when `tick` is wanted, by ``clock.now``; None for never. One in the past is served at once."""

    def tick(self) -> Iterable[dict[str, Any]]:
        """Do what is due by ``clock.now``; return events as `receive_bytes` does. May be called early: then nothing."""

    def closing(self) -> None:
        """Begin to take leave: the link will be closed on purpose, and no consumer is there any more.

        What has to be written goes by `data_to_send`; whoever has to wait goes on by `deadline` and `receive_bytes`
        until `finished`. May come before `ready`.
        """

    @property
    def finished(self) -> bool:
        """Whether the link may be closed; asked from `closing` on.

        The stream closes it after `transports.stream.LEAVING` seconds in any case.
        """


def as_active(session: Session) -> ActiveSession | None:
    """Return the session where it speaks by itself, else None: then nobody calls its hooks.

    One that could, but by its options will not, says so by an attribute ``is_active``, set when it is made. That spares
    each read the asking, which is a tenth of the time from the port to a consumer.
    """
    return session if isinstance(session, ActiveSession) and getattr(session, "is_active", True) else None
