"""What one peer may send: how large, and how often.

    class Chat(WebsocketConsumer):
        limits = Limits(max_message_bytes=4096, messages_per_second=5)

A message that is too large closes the connection with 1009, too many with 1008: a client is told, and no handler runs.
With ``over_rate="wait"`` nothing is closed: the consumer reads no faster than that, and its peer feels it (the server
stops to read). Then what the layer has for it waits as well, a message's time at the most.

These are for those who misbehave; the server's own bounds (`transports.web.WebServer`) come first.
"""

from dataclasses import dataclass
from typing import Literal

from edge.asgi import Event
from edge.errors import ConfigError

TOO_BIG = 1009  # RFC 6455, section 7.4.1
POLICY = 1008  # likewise: "when there is no other more suitable status code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one connection; None for none. ``burst`` is how many may come at once (default: a second's)."""

    max_message_bytes: int | None = None  # of UTF-8 where it is a text
    messages_per_second: float | None = None
    burst: int | None = None
    over_rate: Literal["close", "wait"] = "close"

    def __post_init__(self) -> None:
        for name in ("max_message_bytes", "messages_per_second", "burst"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise ConfigError(f"{name}: expected more than 0, or None for no limit; got {value!r}")
        if self.over_rate not in ("close", "wait"):
            raise ConfigError(f"over_rate: expected 'close' or 'wait'; got {self.over_rate!r}")

    def is_too_big(self, event: Event) -> bool:
        """Whether an event's text or bytes are larger than allowed."""
        if self.max_message_bytes is None:
            return False
        text = event.get("text")
        if text is None:
            return len(event.get("bytes") or b"") > self.max_message_bytes
        # Counting characters first spares most texts their encoding.
        return len(text) > self.max_message_bytes or (
            len(text) * 4 > self.max_message_bytes and len(text.encode(errors="replace")) > self.max_message_bytes
        )


class Bucket:
    """A token bucket: pure, the time is passed in."""

    def __init__(self, limits: Limits) -> None:
        self._rate = limits.messages_per_second or 0.0  # a second; 0 for no limit
        self._size = float(limits.burst or max(1.0, self._rate))
        self._tokens = self._size
        self._seen: float | None = None

    def take(self, now: float) -> float:
        """Take a message at this time, in seconds; return how long it is too early, 0 where it is in time."""
        if not self._rate:
            return 0.0
        if self._seen is not None:
            self._tokens = min(self._size, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)
