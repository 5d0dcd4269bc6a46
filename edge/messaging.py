"""APRS messages as a dialogue needs them: acknowledged, retried, cut, delivered once (APRS 1.0.1, chapter 14).

Pure: time is passed in, in monotonic seconds, and what is to be done comes back as values.

* Only messages addressed to our own callsign count; bulletins and other stations' messages are not for us.
* A message with an id is acknowledged each time it is heard (but not twice within `ACK_GAP`, for digipeaters repeat
  it), and delivered the first time. Without an id, the same text heard again within `DUPLICATE_WINDOW` is the same
  message through another digipeater.
* A reply-ack station (aprs.org, aprs11/replyacks.txt) numbers its messages ``{MM}AA``: MM is acknowledged, and AA
  acknowledges ours.
* One message is on its way to each peer; the next follows when it was acknowledged. So order is kept. One that is
  refused or given up takes those behind it along: a peer that cannot be reached is not called for an hour.
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
MAX_PEERS = 256  # peers with something waiting; more is our consumer's mistake
RETRY_GAPS = (30.0, 60.0, 120.0, 240.0, 60.0)  # seconds after each try; the last is how long the fifth is waited for
DUPLICATE_WINDOW = 30.0  # seconds (APRS digipeaters' own window)
ACK_GAP = 10.0  # seconds; copies through digipeaters come within them, a peer's retry later
REMEMBER_IDS = 1800.0  # seconds; ids come round again, a peer's retries are over long before
MAX_REMEMBERED = 500  # messages heard or acknowledged lately; beyond, the oldest is forgotten and would be new again
MAX_ID = 99_999  # ids of up to five characters

_KEPT_BY_APRS = str.maketrans({"{": "(", "}": ")", "|": "!", "~": "-"})


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
    """A peer did not acknowledge in `RETRY_GAPS`, or refused; what waited behind this text is dropped as well."""

    peer: str
    text: str
    reason: str


Action = Heard | Transmit | Undelivered


class Recent:
    """What happened lately, by key: bounded by `MAX_REMEMBERED`, the oldest goes first."""

    def __init__(self) -> None:
        self._times: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def is_new(self, key: tuple[str, ...], window: float, now: float) -> bool:
        """Tell whether this did not happen within the window, and if so remember that it does now."""
        before = self._times.get(key)
        if before is not None and now - before < window:
            return False
        self._times[key] = now
        self._times.move_to_end(key)
        while len(self._times) > MAX_REMEMBERED:
            self._times.popitem(last=False)
        return True


@dataclass(slots=True)
class Station:
    """What all the dialogues of one station share: its callsign, the next id, and what was acknowledged lately.

    ``next_id`` should differ from one start of the box to the next: a peer takes an id that it knows for a copy.
    """

    callsign: str
    next_id: int = 1
    acknowledged: Recent = field(default_factory=Recent)

    def number(self) -> str:
        """Return an id for a message."""
        id_, self.next_id = self.next_id, self.next_id % MAX_ID + 1
        return str(id_)


@dataclass(slots=True)
class _Outgoing:
    text: str
    id: str
    tries: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Messages:
    """Both directions of the messages of one station, as one route sees them."""

    station: Station
    _heard: Recent = field(default_factory=Recent)
    _outgoing: dict[str, deque[_Outgoing]] = field(default_factory=dict)

    def receive(self, source: str, packet: Mapping[str, Any], now: float) -> list[Action]:
        """Take a packet that was heard."""
        own = self.station.callsign.upper()
        if not own or str(packet.get("addressee", "")).upper() != own or source.upper() == own:
            return []
        format_, id_ = packet.get("format"), str(packet.get("id", ""))
        if format_ == "message":
            return list(self._receive_message(source, str(packet.get("text", "")), id_, packet, now))
        if format_ in ("ack", "reject"):
            return list(self._settle(source, id_, refused=format_ == "reject", now=now))
        return []

    def send(self, peer: str, text: str, now: float) -> list[Action]:
        """Queue a text for a peer, in pieces where it is long; the first goes at once if none is on its way."""
        pieces = cut(text)
        queue = self._outgoing.get(peer)
        waiting = len(queue) if queue else 0
        if waiting + len(pieces) > MAX_WAITING:
            raise LocalProtocolError(f"{waiting} messages wait for {peer} already; the limit is {MAX_WAITING}")
        if not queue and len(self._outgoing) >= MAX_PEERS:
            raise LocalProtocolError(f"messages wait for {MAX_PEERS} peers already, the limit; none for {peer}")
        if not pieces:
            return []
        queue = self._outgoing.setdefault(peer, deque())
        queue.extend(_Outgoing(piece, self.station.number()) for piece in pieces)
        return [] if waiting else [self._transmit(peer, now)]

    def tick(self, now: float) -> list[Action]:
        """Retry what is due, and give up what was tried often enough."""
        due = [peer for peer, queue in self._outgoing.items() if now >= queue[0].due]
        return [self._retry(peer, now) for peer in due]

    def _receive_message(
        self, source: str, text: str, id_: str, packet: Mapping[str, Any], now: float
    ) -> Iterator[Action]:
        if id_ and self.station.acknowledged.is_new((source, id_), ACK_GAP, now):
            yield Transmit({"format": "ack", "addressee": source, "id": id_})
        if reply := str(packet.get("reply_ack", "")):
            yield from self._settle(source, reply, refused=False, now=now)
        # An id that comes round with another text is another message.
        if self._heard.is_new((source, id_, text), REMEMBER_IDS if id_ else DUPLICATE_WINDOW, now):
            yield Heard(source, text)

    def _settle(self, peer: str, id_: str, *, refused: bool, now: float) -> Iterator[Action]:
        queue = self._outgoing.get(peer)
        if not queue or queue[0].id != id_:
            return
        if refused:
            yield self._give_up(peer, "refused by the peer")
            return
        queue.popleft()
        if queue:
            yield self._transmit(peer, now)
        else:
            del self._outgoing[peer]

    def _retry(self, peer: str, now: float) -> Action:
        tries = self._outgoing[peer][0].tries
        if tries >= len(RETRY_GAPS):
            return self._give_up(peer, f"no acknowledgement after {tries} tries")
        return self._transmit(peer, now)

    def _give_up(self, peer: str, reason: str) -> Undelivered:
        return Undelivered(peer, self._outgoing.pop(peer)[0].text, reason)

    def _transmit(self, peer: str, now: float) -> Transmit:
        message = self._outgoing[peer][0]
        message.due = now + RETRY_GAPS[message.tries]
        message.tries += 1
        return Transmit({"format": "message", "addressee": peer, "text": message.text, "id": message.id})


def cut(text: str) -> list[str]:
    """Cut a text into pieces of at most `MAX_TEXT` bytes, between words where it can be, `MAX_PIECES` at most.

    Characters that APRS keeps for itself become their likes, and what cannot be printed goes. A text that is too long
    ends in "...".
    """
    rest = re.sub(r"\s+", " ", text.translate(_KEPT_BY_APRS))
    rest = "".join(character for character in rest if character.isprintable()).strip()
    pieces: list[str] = []
    while rest and len(pieces) < MAX_PIECES:
        piece = _fitting(rest, MAX_TEXT)
        rest = rest[len(piece) :].lstrip()
        pieces.append(piece.rstrip())
    if rest:
        pieces[-1] = _fitting(pieces[-1], MAX_TEXT - 3).rstrip() + "..."
    return pieces


def _fitting(text: str, limit: int) -> str:
    """Return as much of the beginning as fits into so many bytes, to a word's end where one is in its second half."""
    if len(text.encode()) <= limit:
        return text
    piece = text.encode()[:limit].decode(errors="ignore")
    space = piece.rfind(" ")
    return piece if space < len(piece) // 2 or text[len(piece)] == " " else piece[:space]
