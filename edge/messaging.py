"""APRS messages as a dialogue needs them: acknowledged, retried, cut into pieces, delivered once (APRS 1.0.1, chapter 14).

Pure: time is passed in, in monotonic seconds, and what is to be done comes back as values.

* Only messages addressed to our own callsign count; bulletins and other stations' messages are not for us.
* A message with an id is acknowledged each time it is heard, and delivered the first time. Without an id, the same
  text heard again within `DUPLICATE_WINDOW` is the same message through another digipeater.
* We have one message on its way to each peer; the next follows when it was acknowledged, refused or given up. So order is kept.
"""

import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.errors import LocalProtocolError

MAX_TEXT = 67  # bytes of a message's text (APRS 1.0.1, chapter 14)
MAX_PIECES = 10  # messages that one long text may become; a radio channel is shared
MAX_WAITING = 50  # messages waiting for one peer; more is our consumer's mistake
RETRY_GAPS = (30.0, 60.0, 120.0, 240.0, 60.0)  # seconds after each try; the last is how long the fifth is waited for
DUPLICATE_WINDOW = 30.0  # seconds (APRS digipeaters' own window)
REMEMBER_IDS = 1800.0  # seconds; ids come round again, a peer's retries are over long before
MAX_REMEMBERED = 500  # messages heard lately
MAX_ID = 99_999  # ids of up to five characters
MAX_PEERS = 256  # peers with something waiting

_FORBIDDEN = str.maketrans({"{": "(", "}": ")", "|": "!", "~": "-", "\r": " ", "\n": " ", "\0": " "})


@dataclass(frozen=True, slots=True)
class Heard:
    """A peer said something to us, for the first time."""

    peer: str
    text: str


@dataclass(frozen=True, slots=True)
class Transmit:
    """A packet to send, as `edge.spec.aprs` has it."""

    packet: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A peer did not acknowledge in `RETRY_GAPS`, or refused."""

    peer: str
    text: str
    reason: str


Action = Heard | Transmit | Undelivered


@dataclass(slots=True)
class _Outgoing:
    text: str
    id: str
    tries: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Messages:
    """Both directions of the messages of one station."""

    callsign: str
    _next_id: int = 1
    _heard: OrderedDict[tuple[str, str], float] = field(default_factory=OrderedDict)
    _outgoing: dict[str, deque[_Outgoing]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an acknowledgement."""
        return not self._outgoing

    def receive(self, source: str, packet: Mapping[str, Any], now: float) -> Iterator[Action]:
        """Take a packet that was heard."""
        if packet.get("addressee", "").upper() != self.callsign.upper() or not self.callsign:
            return
        format_ = packet.get("format")
        if format_ == "message":
            yield from self._receive_message(source, packet, now)
        if format_ in ("ack", "reject"):
            yield from self._settle(source, str(packet.get("id", "")), refused=format_ == "reject", now=now)

    def send(self, peer: str, text: str, now: float) -> Iterator[Action]:
        """Queue a text for a peer, in pieces where it is long; the first goes at once."""
        pieces = list(cut(text))
        queue = self._outgoing.get(peer, deque())
        if len(queue) + len(pieces) > MAX_WAITING or (peer not in self._outgoing and len(self._outgoing) >= MAX_PEERS):
            raise LocalProtocolError(f"{len(queue)} messages wait for {peer} already; the limit is {MAX_WAITING}")
        for piece in pieces:
            queue.append(_Outgoing(piece, str(self._next_id)))
            self._next_id = self._next_id % MAX_ID + 1
        if queue:
            self._outgoing[peer] = queue
            yield from self._try_first(peer, now)

    def tick(self, now: float) -> Iterator[Action]:
        """Retry what is due, and give up what was tried often enough."""
        for peer in list(self._outgoing):
            first = self._outgoing[peer][0]
            if first.tries and now >= first.due:
                if first.tries >= len(RETRY_GAPS):
                    yield Undelivered(peer, first.text, f"no acknowledgement after {first.tries} tries")
                    yield from self._next(peer, now)
                else:
                    yield self._transmit(peer, first, now)

    def forget(self, peer: str) -> None:
        """Drop what waits for a peer."""
        self._outgoing.pop(peer, None)

    def _receive_message(self, source: str, packet: Mapping[str, Any], now: float) -> Iterator[Action]:
        text, id_ = str(packet.get("text", "")), str(packet.get("id", ""))
        if id_:
            yield Transmit({"format": "ack", "addressee": source, "id": id_})
        if reply := str(packet.get("reply_ack", "")):
            yield from self._settle(source, reply, refused=False, now=now)
        if not self._is_duplicate((source, id_ or f" {text}"), REMEMBER_IDS if id_ else DUPLICATE_WINDOW, text, now):
            yield Heard(source, text)

    def _is_duplicate(self, key: tuple[str, str], window: float, text: str, now: float) -> bool:
        key = (key[0], f"{key[1]} {text}")  # an id that comes round with another text is another message
        before = self._heard.get(key)
        self._heard[key] = now
        self._heard.move_to_end(key)
        while len(self._heard) > MAX_REMEMBERED:
            self._heard.popitem(last=False)
        return before is not None and now - before < window

    def _settle(self, peer: str, id_: str, *, refused: bool, now: float) -> Iterator[Action]:
        queue = self._outgoing.get(peer)
        if not queue or queue[0].id != id_ or not queue[0].tries:
            return
        if refused:
            yield Undelivered(peer, queue[0].text, "refused by the peer")
        yield from self._next(peer, now)

    def _next(self, peer: str, now: float) -> Iterator[Action]:
        queue = self._outgoing[peer]
        queue.popleft()
        if queue:
            yield from self._try_first(peer, now)
        else:
            del self._outgoing[peer]

    def _try_first(self, peer: str, now: float) -> Iterator[Action]:
        first = self._outgoing[peer][0]
        if not first.tries:
            yield self._transmit(peer, first, now)

    def _transmit(self, peer: str, message: _Outgoing, now: float) -> Transmit:
        message.due = now + RETRY_GAPS[message.tries]
        message.tries += 1
        return Transmit({"format": "message", "addressee": peer, "text": message.text, "id": message.id})


def cut(text: str) -> Iterator[str]:
    """Cut a text into pieces of at most `MAX_TEXT` bytes, between words where it can be, `MAX_PIECES` at most.

    Characters that APRS keeps for itself become their likes. A text that is too long ends in "...".
    """
    rest = re.sub(r"\s+", " ", text.translate(_FORBIDDEN)).strip()
    for number in range(1, MAX_PIECES + 1):
        if not rest:
            return
        piece = _fitting(rest, MAX_TEXT)
        rest = rest[len(piece) :].lstrip()
        if rest and number == MAX_PIECES:
            piece = _fitting(piece, MAX_TEXT - 3) + "..."
        yield piece.rstrip()


def _fitting(text: str, limit: int) -> str:
    """Return as much of the beginning as fits into so many bytes, up to a word's end where there is one."""
    if len(text.encode()) <= limit:
        return text
    piece = text.encode()[:limit].decode(errors="ignore")
    space = piece.rfind(" ")
    return piece if space < limit // 2 or text[len(piece) : len(piece) + 1] == " " else piece[:space]
