"""What a layer could not deliver: counted always, said in the log once per interval."""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger("edge.layers")

INTERVAL = 60.0  # seconds between two lines; a stuck member of a busy group would fill a disk with one line a message


class DropLog:
    """Counts drops in ``total``; logs the first at once and the others together, an interval later."""

    def __init__(self, interval: float = INTERVAL, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self._interval = interval
        self._clock = clock
        self._said = 0
        self._due = float("-inf")

    def count(self, number: int, where: str) -> None:
        """Count messages that were dropped for a channel or a group."""
        self.total += number
        if (now := self._clock()) < self._due:
            return
        logger.warning(
            "the channel layer dropped %d messages, the last for %s: who should read them is too slow, or gone "
            "(%d since the start; said at most every %g s)",
            self.total - self._said,
            where,
            self.total,
            self._interval,
        )
        self._said, self._due = self.total, now + self._interval
