"""The filters of one MQTT session: who holds them, what the broker is asked for, and which of several copies counts.

Pure: no loop, no packets. `transports.mqtt` asks the broker.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.topics import TopicFilter
from transports.codecs.mqtt import MAX_IDENTIFIER

MAX_FILTERS = 1_000  # of one session; each costs the broker memory too
MAX_CHOICES = 1_024  # topics whose filter is remembered; beyond, all are worked out anew
HANDLING = {"begin": 0, "new": 1, "never": 2}  # of retained messages (MQTT 5.0, section 3.8.3.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one holder of a filter asks for."""

    holder: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retained: str = "begin"


@dataclass(slots=True)
class Subscription:
    """One filter, on behalf of all its holders."""

    asked: TopicFilter
    wishes: list[Wish] = field(default_factory=list)
    has_come: bool = False  # a copy that names it

    def options(self, *more: Wish) -> int:
        """Return the options byte for the broker, with those of more holders, but for the retained messages."""
        wishes = (*self.wishes, *more)
        no_local = all(wish.no_local for wish in wishes)
        return max(wish.qos for wish in wishes) | no_local << 2 | self._as_published(wishes) << 3

    @property
    def as_published(self) -> bool:
        """Whether the retain flag is the publisher's, so that it does not tell what was kept."""
        return self._as_published(self.wishes)

    @staticmethod
    def _as_published(wishes: Sequence[Wish]) -> bool:
        return any(wish.retain_as_published for wish in wishes)


class Subscriptions:
    """All of them, the oldest first. ``resumed``: the broker may still send what it kept for an earlier set of them."""

    def __init__(self, *, resumed: bool) -> None:
        self._resumed = resumed
        self._held: dict[str, Subscription] = {}
        self._last = random.randrange(MAX_IDENTIFIER)  # noqa: S311  (no secret; not what an earlier session used)
        self._named: dict[int, tuple[str, str]] = {}  # filter and holder, by the identifier that messages name
        self._choices: dict[str, str | None] = {}

    def __len__(self) -> int:
        return len(self._held)

    def find(self, subscription: str) -> Subscription | None:
        """Return what is held for a filter."""
        return self._held.get(subscription)

    def name(self, subscription: str, holder: str) -> int:
        """Return a new identifier for what the broker is asked for now."""
        self._last = self._last % MAX_IDENTIFIER + 1
        self._named[self._last] = (subscription, holder)
        return self._last

    def forget(self, identifier: int) -> None:
        """Take back an identifier that the broker has refused."""
        del self._named[identifier]

    def hold(self, asked: TopicFilter, wish: Wish) -> None:
        """Remember what the broker has granted."""
        self._held.setdefault(asked.subscription, Subscription(asked)).wishes.append(wish)
        self._choices.clear()

    def release(self, subscription: str, holder: str) -> bool:
        """Take one holder out; tell whether there was such a one. The last one leaves a filter without wishes."""
        wishes = self._held[subscription].wishes if subscription in self._held else []
        for index, wish in enumerate(wishes):
            if wish.holder == holder:
                del wishes[index]
                self._choices.clear()
                return True
        return False

    def drop(self, subscription: str) -> None:
        """Forget a filter."""
        del self._held[subscription]
        for identifier in [number for number, (text, _) in self._named.items() if text == subscription]:
            del self._named[identifier]
        self._choices.clear()

    def share(self, identifiers: Sequence[int]) -> str | None:
        """Return the shared filter that a copy came by, or nothing; None where that cannot be told.

        It cannot for what a broker kept from before this session, and for a broker that names no identifiers.
        """
        known = [self._named[number][0] for number in identifiers if number in self._named]
        shared = [text for text in known if text.startswith("$share/")]
        return shared[0] if shared else ("" if known else None)

    def holder(self, identifiers: Sequence[int]) -> str:
        """Return whose subscribing brought a retained message, or nothing where that cannot be told."""
        if len(identifiers) != 1 or identifiers[0] not in self._named:
            return ""
        subscription, holder = self._named[identifiers[0]]
        held = self._held.get(subscription)
        return "" if held is not None and held.as_published else holder

    def wants(self, topic: str, identifiers: Sequence[int], *, retain: bool) -> bool:
        """Tell whether this copy is the one to hand on: that of the matching filter with the highest QoS.

        Where that cannot be told (no identifiers, none that we know), the answer is yes: twice is better than never.
        A copy for a shared subscription stands for itself, for the next may go to another of its group; and a retained
        message does, for it is what one filter is told first.
        """
        if len(self._held) <= 1 or not identifiers:
            return True
        filters = {self._named[number][0] for number in identifiers if number in self._named}
        self._see(filters)
        if not filters or retain or self.share(identifiers):
            return True
        if topic not in self._choices:
            if len(self._choices) >= MAX_CHOICES:
                self._choices.clear()
            self._choices[topic] = self._choose(topic)
        chosen = self._choices[topic]
        return chosen is None or chosen in filters

    def _see(self, filters: set[str]) -> None:
        for text in filters:
            held = self._held.get(text)
            if held is not None and not held.has_come:
                held.has_come = True
                self._choices.clear()

    def _choose(self, topic: str) -> str | None:
        """Return the filter whose copy counts; of equal ones the oldest.

        What a broker kept from before a filter was asked for has no copy for that one; it is relied on once one came.
        """
        candidates = [
            held
            for held in self._held.values()
            if not held.asked.share and held.asked.match(topic) is not None and (held.has_come or not self._resumed)
        ]
        return max(candidates, key=lambda held: held.options() & 3).asked.subscription if candidates else None
