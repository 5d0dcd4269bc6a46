"""What could not be delivered, or may not be transmitted: counted always, said in the log once per interval."""

import logging
import time
from collections.abc import Callable

INTERVAL = 60.0  # seconds between two lines; a stuck reader of a busy feed would fill a disk with one line an event


class Sparing:
    """Counts in ``total``, and tells when it is time for a line: at the first, then at most once an interval."""

    def __init__(self, *, interval: float = INTERVAL, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self.interval = interval
        self._clock = clock
        self._said = 0
        self._due = float("-inf")

    def add(self, number: int) -> int:
        """Count; return how many a line has to speak of now, with those since the last one; 0 if it is too early."""
        self.total += number
        if (now := self._clock()) < self._due:
            return 0
        unsaid = self.total - self._said
        self._said, self._due = self.total, now + self.interval
        return unsaid


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
        self.dropper = dropper
        self._logger = logger
        self._drops = Sparing(interval=interval, clock=clock)

    @property
    def total(self) -> int:
        """Count what was dropped since the start."""
        return self._drops.total

    def count(self, number: int, where: str) -> None:
        """Count messages that were dropped for a channel, a group or a consumer."""
        if unsaid := self._drops.add(number):
            self._logger.warning(
                "%s dropped %d messages, the last for %s: who should read them is too slow, or gone "
                "(%d since the start; said at most every %g s)",
                self.dropper,
                unsaid,
                where,
                self.total,
                self._drops.interval,
            )


class RefusalLog:
    """Logs what the transmit gate refused: the first with its reason at once, others with the next, an interval later.

    A program at a device's KISS port may send on, ten frames a second, whatever it is told.
    """

    def __init__(
        self,
        logger: logging.Logger,
        device: str,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self._logger = logger
        self._refusals = Sparing(interval=interval, clock=clock)

    def count(self, reason: str) -> None:
        """Count an event that was refused."""
        unsaid = self._refusals.add(1)
        if unsaid == 1:
            self._logger.info("%s: not transmitted: %s", self.device, reason)
        elif unsaid:
            self._logger.info(
                "%s: not transmitted: %s (and %d others since; said at most every %g s)",
                self.device,
                reason,
                unsaid - 1,
                self._refusals.interval,
            )
