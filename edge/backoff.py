"""How long to wait before trying again: a pure decision. One place sleeps, the runner."""

import random
from dataclasses import dataclass

SHORTEST = 0.25  # seconds; a cable that was knocked is back in a moment
LONGEST = 30.0  # seconds; somebody stands beside the box with the plug in the hand
STEADY = 30.0  # seconds up, after which the next loss begins from the shortest wait again
JITTER = 0.2  # of the wait, either way: a hundred boxes must not knock at one broker together


@dataclass(slots=True)
class Backoff:
    """Waits that double from `SHORTEST` to `LONGEST`, with jitter, and begin anew after a while up."""

    random: random.Random
    failures: int = 0

    def next_wait(self, *, was_up: float) -> float:
        """Return the seconds to wait, given for how many seconds the link was up (0 if it never came up)."""
        self.failures = 1 if was_up >= STEADY else self.failures + 1
        wait = min(LONGEST, SHORTEST * 2.0 ** min(self.failures - 1, 16))
        return wait * self.random.uniform(1 - JITTER, 1 + JITTER)
