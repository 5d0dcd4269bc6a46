"""What could not be delivered: counted always, said in the log once per interval."""

import logging
import time
from collections.abc import Callable

INTERVAL = 60.0  # seconds between two lines; a stuck reader of a busy feed would fill a disk with one line an event


class DropLog:
    """Counts drops in ``total``; logs the first at once and the others together, an interval later.

    ``dropper`` is who dropped, in words that a log line can begin with.
    """

    def __init__(
        self,
        logger: logging.Logger,
        dropper: str,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = 0
        self.dropper = dropper
        self._logger = logger
        self._interval = interval
        self._clock = clock
        self._said = 0
        self._due = float("-inf")

    def count(self, number: int, where: str) -> None:
        """Count messages that were dropped for a channel, a group or a consumer."""
        self.total += number
        if (now := self._clock()) < self._due:
            return
        self._logger.warning(
            "%s dropped %d messages, the last for %s: who should read them is too slow, or gone "
            "(%d since the start; said at most every %g s)",
            self.dropper,
            self.total - self._said,
            where,
            self.total,
            self._interval,
        )
        self._said, self._due = self.total, now + self._interval
