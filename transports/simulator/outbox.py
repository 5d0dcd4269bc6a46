"""The memory of a TNC towards its host: little, and the newest matters most."""

from collections import deque

LIMIT = 4096  # bytes; what a TNC with a small controller spares for frames that the host has not fetched


class Outbox:
    """A queue of whole frames of at most ``limit`` bytes together. When full, the oldest frame goes, and is counted.

    The one frame of which the host already has a part stays: cutting it would damage the next one too.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.dropped = 0
        self.size = 0
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self._started = 0  # bytes of the first frame that have left

    def put(self, frame: bytes) -> None:
        """Append a frame, dropping from the old end what stands in its way; or the frame itself, if it cannot fit."""
        if not frame:  # a head that is empty would stand in the way of all that follow
            return
        first = 1 if self._started else 0
        while self.size + len(frame) > self._limit and len(self._frames) > first:
            self.size -= len(self._frames[first])
            del self._frames[first]
            self.dropped += 1
        if self.size + len(frame) > self._limit:
            self.dropped += 1
            return
        self._frames.append(frame)
        self.size += len(frame)

    def head(self) -> bytes:
        """What should be written next; empty when there is nothing."""
        return self._frames[0][self._started :] if self._frames else b""

    def advance(self, count: int) -> None:
        """Note that ``count`` bytes of the head have been written."""
        self._started += count
        self.size -= count
        if self._started == len(self._frames[0]):
            self._frames.popleft()
            self._started = 0

    def clear(self) -> None:
        """Forget everything: the host is gone. What it had not fetched counts as dropped."""
        self.dropped += len(self._frames)
        self._frames.clear()
        self.size = self._started = 0
