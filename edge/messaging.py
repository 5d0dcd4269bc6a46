"""APRS messages as a dialogue needs them: acknowledged, retried, cut, delivered once (APRS 1.0.1, chapter 14).

Pure: time is passed in, in monotonic seconds, and what is to be done comes back as values.

* Only messages addressed to our own callsign count; bulletins and other stations' messages are not for us.
* A message with an id is acknowledged each time it is heard (but not twice within `ACK_GAP`, for digipeaters repeat
  it), and delivered the first time. Without an id, the same text heard again within `DUPLICATE_WINDOW` is the same
  message through another digipeater.
* A reply-ack station (aprs.org, aprs11/replyacks.txt) numbers its messages ``{MM}AA``: it is acknowledged by all that
  stands there, ``ackMM}AA``, and AA acknowledges ours. What we say to it from then on is numbered so too, with its
  latest MM behind; until it says something without.
* A message that an IGate brought (third-party) is its inner source's, and so is the answer.
* More than `MAX_HEARD` new messages of one peer within `HEARD_WINDOW` are neither delivered nor acknowledged, and
  counted in `Messages.ignored`: a person's radio tries again later, and two automatic stations that answer each other
  come to rest at that pace.
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
MAX_HEARD = 10  # new messages from one peer within the window; nobody types faster, a loop of two answerers does
HEARD_WINDOW = 60.0  # seconds
MAX_ID = 99_999  # ids of up to five characters

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of the two characters that a reply-ack leaves for an id

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

    def knows(self, key: tuple[str, ...], window: float, now: float) -> bool:
        """Tell whether this happened within the window."""
        before = self._times.get(key)
        return before is not None and now - before < window

    def is_new(self, key: tuple[str, ...], window: float, now: float) -> bool:
        """Tell whether this did not happen within the window, and if so remember that it does now."""
        if self.knows(key, window, now):
            return False
        self._times[key] = now
        self._times.move_to_end(key)
        while len(self._times) > MAX_REMEMBERED:
            self._times.popitem(last=False)
        return True


class Pace:
    """How often each peer spoke lately: `MAX_HEARD` times are remembered, of `MAX_PEERS` peers; the oldest goes."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def permits(self, peer: str, now: float) -> bool:
        """Tell whether this peer may speak once more, and if so remember that it does."""
        times = self._times.setdefault(peer, deque(maxlen=MAX_HEARD))
        self._times.move_to_end(peer)
        while len(self._times) > MAX_PEERS:
            self._times.popitem(last=False)
        if len(times) == MAX_HEARD and now - times[0] < HEARD_WINDOW:
            return False
        times.append(now)
        return True


@dataclass(slots=True)
class Station:
    """What all the dialogues of one station share: its callsign, the next id, and what was acknowledged lately.

    ``replying`` holds the latest id of each reply-ack station, of `MAX_PEERS` of them; the oldest is forgotten, and is
    written to without reply-acks until it speaks again.

    ``next_id`` should differ from one start of the box to the next: a peer takes an id that it knows for a copy.
    """

    callsign: str
    next_id: int = 1
    acknowledged: Recent = field(default_factory=Recent)
    replying: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def number(self, *, short: bool = False) -> str:
        """Return an id for a message; of two characters where a reply-ack must have room behind it."""
        id_, self.next_id = self.next_id, self.next_id % MAX_ID + 1
        if not short:
            return str(id_)
        tens, ones = divmod(id_ % len(_DIGITS) ** 2, len(_DIGITS))
        return _DIGITS[tens] + _DIGITS[ones]

    def note(self, peer: str, id_: str, *, replying: bool) -> None:
        """Remember by its latest message whether a peer uses reply-acks, and which id it waits for."""
        self.replying.pop(peer, None)
        if replying:
            self.replying[peer] = id_
            while len(self.replying) > MAX_PEERS:
                self.replying.popitem(last=False)


@dataclass(slots=True)
class _Outgoing:
    text: str
    id: str
    replying: bool = False
    tries: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Messages:
    """Both directions of the messages of one station, as one route sees them."""

    station: Station
    ignored: int = 0  # messages beyond the pace
    _pace: Pace = field(default_factory=Pace)
    _heard: Recent = field(default_factory=Recent)
    _outgoing: dict[str, deque[_Outgoing]] = field(default_factory=dict)

    def receive(self, source: str, packet: Mapping[str, Any], now: float) -> list[Action]:
        """Take a packet that was heard, with its source."""
        source, packet = _innermost(source, packet)
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
        short = peer in self.station.replying
        queue.extend(_Outgoing(piece, self.station.number(short=short), short) for piece in pieces)
        return [] if waiting else [self._transmit(peer, now)]

    def tick(self, now: float) -> list[Action]:
        """Retry what is due, and give up what was tried often enough."""
        due = [peer for peer, queue in self._outgoing.items() if now >= queue[0].due]
        return [self._retry(peer, now) for peer in due]

    def _receive_message(
        self, source: str, text: str, id_: str, packet: Mapping[str, Any], now: float
    ) -> Iterator[Action]:
        if reply := str(packet.get("reply_ack", "")):
            yield from self._settle(source, reply, refused=False, now=now)
        # An id that comes round with another text is another message.
        key, window = (source, id_, text), REMEMBER_IDS if id_ else DUPLICATE_WINDOW
        if not self._heard.knows(key, window, now) and not self._pace.permits(source, now):
            self.ignored += 1
            return
        if id_:
            self.station.note(source, id_, replying="reply_ack" in packet)
            if self.station.acknowledged.is_new((source, id_), ACK_GAP, now):
                yield Transmit({"format": "ack", "addressee": source, "id": id_, **_reply_ack(packet)})
        if self._heard.is_new(key, window, now):
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
        packet = {"format": "message", "addressee": peer, "text": message.text, "id": message.id}
        if message.replying:  # the latest at this instant; it may differ from one try to the next
            packet["reply_ack"] = self.station.replying.get(peer, "")
        return Transmit(packet)


def answers(source: str, packet: Mapping[str, Any], callsign: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the answers to our messages that a packet holds: the peer, the id, and whether the peer refused it.

    ``packet`` is what was heard, as `edge.spec.aprs` has it: ``format`` and ``packet``.
    """
    source, inner = _innermost(source, {**packet.get("packet", {}), "format": packet.get("format")})
    if str(inner.get("addressee", "")).upper() != callsign.upper():
        return
    if inner.get("format") in ("ack", "reject"):
        yield source.upper(), str(inner.get("id", "")), inner.get("format") == "reject"
    if reply := str(inner.get("reply_ack", "")):
        yield source.upper(), reply, False


def _reply_ack(packet: Mapping[str, Any]) -> dict[str, str]:
    return {"reply_ack": str(packet["reply_ack"])} if "reply_ack" in packet else {}


def _innermost(source: str, packet: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Unwrap what came through an IGate; the parser has bounded how deep it goes."""
    while packet.get("format") == "third-party":
        inner = packet.get("packet")
        if not isinstance(inner, Mapping) or not isinstance(inner.get("fields"), Mapping):
            return source, {}
        source, packet = str(packet.get("source", "")), {"format": inner.get("format"), **inner["fields"]}
    return source, packet


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
