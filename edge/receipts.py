"""Events whose sender waits to hear that they were handled, as a broker does with QoS 1 and 2.

Such an event is an `Acknowledged`: to an app a dictionary like any other, with a `Receipt` that rides along with each
copy. Each mailbox that takes one holds the receipt until its reader comes back for the next event (`edge.mailbox`), and
whoever else still works with it may `Receipt.hold` it too. When the last has let go, the sender is told. Events without
one cost nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from edge.asgi import Event

ATTEMPTS = 3  # times that a consumer is given an event that it raised on; then it is given up, counted and acknowledged


class Receipt:
    """Counts who still holds an event. ``settle`` is called once, when the last has let go."""

    __slots__ = ("_holders", "_settle")

    def __init__(self, settle: Callable[[], None]) -> None:
        self._holders = 0
        self._settle = settle

    def hold(self) -> None:
        """Have it counted that one more works with it."""
        self._holders += 1

    def release(self) -> None:
        """Let go."""
        self._holders -= 1
        if not self._holders:
            self._settle()


class Acknowledged(dict[str, Any]):  # Any: an event's values are what its specification says
    """An event with a receipt. ``attempts`` counts the consumers of this copy that raised on it."""

    __slots__ = ("attempts", "receipt")

    def __init__(self, event: Mapping[str, Any], receipt: Receipt) -> None:
        super().__init__(event)
        self.receipt = receipt
        self.attempts = 0

    def copy(self) -> "Acknowledged":
        """Return a copy of the top level, with the same receipt and attempts of its own."""
        return Acknowledged(self, self.receipt)

    def failed(self) -> bool:
        """Count an attempt that raised; tell whether to try again, which the field ``dup`` then says."""
        self.attempts += 1
        self["dup"] = True
        return self.attempts < ATTEMPTS


def copy_of(event: Event) -> Event:
    """Copy an event's top level, with its receipt where it has one."""
    return event.copy() if type(event) is Acknowledged else dict(event)


def following(event: Event, made: dict[str, Any]) -> Event:
    """Return an event that was made of another: the other is handled once this one is."""
    return Acknowledged(made, event.receipt) if type(event) is Acknowledged else made
