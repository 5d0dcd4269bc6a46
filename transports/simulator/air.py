"""The air: whose turn it is, what a digipeater adds, what gets lost. Pure: time is passed in, chance has a seed.

``tick`` gives what a receiver at our place hears; ``receive`` takes what a transmitter at our place sends. Both speak
AX.25 frames without checksum. ``tnc.SimulatedTnc`` joins an air and a serial port.
"""

from collections.abc import Iterator, Sequence
from random import Random

from transports.simulator.packets import Packet, decode_packet, digipeat, encode_packet
from transports.simulator.stations import DIGIPEATER, Station, beaconing_stations
from transports.simulator.talker import Talker, talkers

MAX_LAG = 60.0  # seconds; what was due before that is said late, once, so that a long sleep ends in no flood
DIRECT, BOTH, RELAYED = "direct", "both", "relayed"
RECEPTION = {DIRECT: 5, BOTH: 3, RELAYED: 2}  # how a frame with a WIDE path reaches us, in tenths


class Air:
    """Stations around one place, in a story told by ``seed``.

    ``rate`` is the number of beacons and their digipeated copies per minute on average (0 for none); what the talkers
    say comes on top. ``talk_to`` is the callsign that they talk to (None for no talkers). ``loss`` and ``duplicates``
    are probabilities for each frame, both ways for loss. ``stations`` and ``people`` replace the usual cast.
    """

    def __init__(  # noqa: PLR0913 one keyword for each option of the command
        self,
        *,
        seed: int = 1,
        rate: float = 40.0,
        talk_to: str | None = "QQ1EDG",
        loss: float = 0.0,
        duplicates: float = 0.0,
        stations: Sequence[Station] | None = None,
        people: Sequence[Talker] | None = None,
    ) -> None:
        self.stations = list(beaconing_stations(seed) if stations is None else stations)
        self.people = list(talkers(seed, talk_to) if people is None and talk_to else people or ())
        self.lost = 0
        self.duplicated = 0
        self._gap = 60 / rate if rate and self.stations else float("inf")
        self._loss = loss
        self._duplicates = duplicates
        self._turns = Random(f"{seed} turns")  # noqa: S311 a play, not a secret
        self._luck = Random(f"{seed} luck")  # noqa: S311 apart, so that faults do not change the story
        self._next: float | None = None

    def next_due(self, now: float) -> float:
        """When ``tick`` will have something to give; infinite if never."""
        return min((self._next_beacon(now), *(person.next_due(now) for person in self.people)))

    def tick(self, now: float) -> list[bytes]:
        """Give the frames heard until ``now``, in order. Called at least once in ``MAX_LAG``, the story is the same.

        ``now`` is in seconds since 1970 and never goes back. The first call begins the story.
        """
        heard: list[bytes] = []
        while (due := self.next_due(now)) <= now:
            heard += self._hear(self._turn(due, max(due, now - MAX_LAG)))
        return heard

    def receive(self, frame: bytes, now: float) -> list[bytes]:
        """Let everybody hear a frame of ours; give what comes back at once: digipeated copies, acknowledgements."""
        packet = decode_packet(frame)
        if packet is None or self._is_lost():
            return []
        copy = digipeat(packet, DIGIPEATER)
        answers = [answer for person in self.people for answer in person.receive(packet, now)]
        return self._hear([*([copy] if copy else []), *answers])

    def flood(self, count: int, now: float = 0.0) -> Iterator[bytes]:
        """Give ``count`` beacons, each a second of the story after the one before, as fast as they are taken."""
        for second in range(count):
            yield encode_packet(self._station().beacon(now + second))

    def _next_beacon(self, now: float) -> float:
        if self._next is None:
            self._next = now + self._gap / 2
        return self._next

    def _turn(self, due: float, at: float) -> list[Packet]:
        if due < self._next_beacon(at):
            return [packet for person in self.people for packet in person.tick(at)]
        packets = self._received(self._station().beacon(at))
        self._next = at + self._gap * len(packets) * self._turns.uniform(0.5, 1.5)
        return packets

    def _station(self) -> Station:
        return self._turns.choices(self.stations, [station.weight for station in self.stations])[0]

    def _received(self, packet: Packet) -> list[Packet]:
        copy = digipeat(packet, DIGIPEATER)
        if copy is None:
            return [packet]
        way = self._turns.choices(list(RECEPTION), list(RECEPTION.values()))[0]
        return {DIRECT: [packet], BOTH: [packet, copy], RELAYED: [copy]}[way]

    def _hear(self, packets: list[Packet]) -> list[bytes]:
        heard: list[bytes] = []
        for packet in packets:
            if self._is_lost():
                continue
            frame = encode_packet(packet)
            again = self._luck.random() < self._duplicates
            self.duplicated += again
            heard += [frame] * (1 + again)
        return heard

    def _is_lost(self) -> bool:
        lost = self._luck.random() < self._loss
        self.lost += lost
        return lost
