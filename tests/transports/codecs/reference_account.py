"""What became of each difference from the reference parser: how many are of a known class, and which are left.

The raw figures stand beside those with the classes accounted for, so that neither hides the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.transports.codecs import reference
from tests.transports.codecs.reference_classes import CLASSES, Case, class_of
from transports.codecs import aprs

HEAD = (
    f"{'field':30}{'compared':>10}{'differ':>8}{'agree %':>10}"  # raw
    f"{'classed':>9}{'left':>6}{'then %':>9}{'only ours':>11}"
)


@dataclass
class Account:
    """A tally with its differences put into classes; `left` are those that no class takes."""

    tally: reference.Tally
    taken: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    left: dict[str, list[tuple[bytes, Any, Any]]] = field(default_factory=lambda: defaultdict(list))
    shown: dict[tuple[str, str], str] = field(default_factory=dict)  # a recorded packet for each field and class

    @classmethod
    def of(cls, tally: reference.Tally) -> Account:
        account = cls(tally)
        for name in tally.compared:
            for line, theirs, ours in tally.differing[name]:
                account.add(name, line, theirs, ours)
        return account

    def add(self, name: str, line: bytes, theirs: Any, ours: Any) -> None:
        packet = aprs.parse(*reference.split(line))
        known = class_of(Case(field=name, theirs=theirs, ours=ours, packet=packet))
        if known is None:
            self.left[name].append((line, theirs, ours))
            return
        self.taken[name][known.name] += 1
        self.shown.setdefault((name, known.name), packet.raw.decode("latin-1"))

    def share(self, name: str) -> float:
        """Of what was compared, how much agrees or differs in a known way."""
        return 1 - len(self.left[name]) / self.tally.compared[name] if self.tally.compared[name] else 1.0

    def table(self) -> str:
        tally = self.tally
        lost, share = tally.accepted - tally.parsed, 100 * tally.parsed / max(1, tally.accepted)
        rows = [
            HEAD,
            f"{'parsed':30}{tally.accepted:>10}{lost:>8}{share:>10.3f}",
        ]
        for name, total in tally.compared.items():
            raw = f"{name:30}{total:>10}{total - tally.agreed[name]:>8}{100 * tally.share(name):>10.3f}"
            taken = f"{self.taken[name].total():>9}{len(self.left[name]):>6}{100 * self.share(name):>9.3f}"
            rows.append(f"{raw}{taken}{tally.more[name]:>11}")
        return "\n".join(rows)

    def classes(self) -> str:
        """Each class with its count, its reason, and the first recorded packet of it."""
        rows = [
            f"{name:30}{count:>6}  {known.name}: {known.reason}\n{'':38}{reference.plain(self.shown[name, known.name])}"
            for known in CLASSES
            for name in known.fields
            if (count := self.taken[name][known.name])
        ]
        return "\n".join(rows)
