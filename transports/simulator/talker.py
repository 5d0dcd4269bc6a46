"""A person with a radio that does APRS messages: says a line, waits for the answer, acknowledges what comes.

Standard: APRS 1.0.1, chapter 14. The radio is of the old kind: it knows message numbers and acknowledgements, but no
reply-acks, and repeats a line with a growing gap until it is acknowledged. No clock: time is passed in.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from transports.simulator import aprs
from transports.simulator.packets import Packet
from transports.simulator.stations import MOBILE, TOCALL

FIRST_GAP = 8.0  # seconds before the first repetition; the gap doubles each time
MAX_TRIES = 5  # 8 + 16 + 32 + 64 s, then a person gives up
ANSWER_WAIT = 30.0  # seconds from the acknowledgement until one stops waiting for words
PAUSE = (15.0, 45.0)  # seconds between the answer and one's next line
MAX_REMEMBERED = 64  # messages, to know a repetition by
MAX_INBOX = 256  # messages; older ones are forgotten


@dataclass(frozen=True, slots=True)
class Line:
    """A line on its way: how often it was sent, and when to send it again or to give up."""

    text: str
    number: str
    tries: int
    due: float


class Talker:
    """One such person. ``inbox`` holds (source, text) of what was understood, repetitions left out.

    ``acked``, ``rejected`` and ``given_up`` count the own lines by their ends. With an empty ``script`` it only listens
    and acknowledges; ``say`` adds a line by hand.
    """

    def __init__(self, call: str, peer: str, script: Sequence[str] = (), *, random: Random | None = None) -> None:
        self.call = call
        self.peer = peer
        self.inbox: deque[tuple[str, str]] = deque(maxlen=MAX_INBOX)
        self.acked = self.rejected = self.given_up = 0
        self._script = deque(script)
        self._random = random or Random(call)  # noqa: S311 a play, not a secret
        self._known: deque[tuple[str, str, str]] = deque(maxlen=MAX_REMEMBERED)
        self._line: Line | None = None
        self._number = 0
        self._next: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether a line is on its way and not acknowledged yet."""
        return self._line is not None

    def say(self, text: str, now: float) -> Packet:
        """Send a line at once, in place of the one on its way."""
        self._number = self._number % 99 + 1
        self._line = Line(text=text, number=f"{self._number:02}", tries=1, due=now + FIRST_GAP)
        return self._message(self.peer, text, self._line.number)

    def next_due(self, now: float) -> float:
        """When ``tick`` has something to do; infinite if never."""
        if self._line:
            return self._line.due
        if not self._script:
            return float("inf")
        if self._next is None:
            self._next = now + self._random.uniform(2, 10)
        return self._next

    def tick(self, now: float) -> list[Packet]:
        """Repeat the line, give it up, or begin the next one of the script, which goes round and round."""
        if self.next_due(now) > now:
            return []
        if self._line:
            return self._repeat(self._line, now)
        self._script.rotate(-1)
        return [self.say(self._script[-1], now)]

    def receive(self, packet: Packet, now: float) -> list[Packet]:
        """Hear a packet; give the acknowledgement, if it was a numbered message to this station."""
        message = aprs.parse_message(packet.info)
        if not message or message.addressee != self.call:
            return []
        if not message.number and message.text.startswith(("ack", "rej")):
            self._settle(message.text, now)
            return []
        self._understand(packet.source, message, now)
        # A repetition is acknowledged again: the first acknowledgement may be what was lost.
        return [self._message(packet.source, f"ack{message.number}")] if message.number else []

    def _repeat(self, line: Line, now: float) -> list[Packet]:
        if line.tries >= MAX_TRIES:
            self.given_up += 1
            self._finish(now)
            return []
        self._line = replace(line, tries=line.tries + 1, due=now + FIRST_GAP * 2**line.tries)
        return [self._message(self.peer, line.text, line.number)]

    def _settle(self, text: str, now: float) -> None:
        if not self._line or text[3:] != self._line.number:
            return
        if text.startswith("ack"):
            self.acked += 1
        else:
            self.rejected += 1
        self._finish(now, wait=ANSWER_WAIT)

    def _understand(self, source: str, message: aprs.Message, now: float) -> None:
        key = (source, message.number, message.text)
        if message.number and key in self._known:
            return
        self._known.append(key)
        self.inbox.append((source, message.text))
        if source == self.peer and not self._line:
            self._finish(now)

    def _finish(self, now: float, wait: float = 0.0) -> None:
        self._line = None
        self._next = now + wait + self._random.uniform(*PAUSE)

    def _message(self, addressee: str, text: str, number: str = "") -> Packet:
        info = aprs.message(addressee, text, number)
        return Packet(source=self.call, destination=TOCALL, path=MOBILE, info=info)


def talkers(seed: int, peer: str) -> list[Talker]:
    """Give two people who talk with ``peer``, the same for the same seed."""
    scripts = {
        "QQ1MIA-7": ("hello", "/name Mia", "what is new?", "nice evening on the lake", "73 for now"),
        "QQ1TOM-9": ("good evening", "/name Tom", "anybody on the hill?", "back on the road"),
    }
    return [Talker(call, peer, script, random=Random(f"{seed} {call}")) for call, script in scripts.items()]  # noqa: S311
