"""The protocol side of a transport, as pure values: bytes in, events out; events in, bytes out.

A session does not open, await, sleep, log or look at the clock; the time of a read is passed in. That is all that a new
serial protocol has to write (README.md, "Add a transport in five steps"); `transports.stream` does the rest.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class Session(Protocol):
    """One protocol on one link, from link-up to link-lost; a new link gets a new session."""

    scope_type: str  # a key of edge.spec.SCOPES

    def scope(self) -> Mapping[str, Any]:
        """Return the fields of the scope that this protocol adds to ``type``, ``device``, ``link`` and ``state``."""

    def receive_bytes(self, data: bytes, now: float) -> Iterable[dict[str, Any]]:
        """Take what one read gave at ``now`` (seconds since the epoch); return the ``X.receive`` events in it.

        Never raises: noise is counted. Holds a bounded part of an unfinished frame.
        """

    def send(self, event: Mapping[str, Any]) -> bytes:
        """Return the bytes of one ``X.send``; raise `edge.errors.LocalProtocolError` for one that cannot be sent."""

    def counters(self) -> Mapping[str, int]:
        """Return what was counted and not passed on: noise, frames too long, frames of another protocol."""
