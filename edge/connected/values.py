"""What goes into a data link and what comes out of it: frames without their addresses, and what is to be done."""

from dataclasses import dataclass
from enum import Enum

from edge.spec import CloseCode

MODULO = 8  # sequence numbers (AX.25 v2.2, section 4.2.2.2)
KEY_UP = 0.3  # seconds of TXDELAY before a burst (the KISS default)
OVERHEAD = 40  # octets of a frame beside its info: flags, three addresses, control, PID, FCS, bit stuffing


class State(Enum):
    """Where a link is (AX.25 v2.2, section C4.3)."""

    DISCONNECTED = "disconnected"
    AWAITING_CONNECTION = "awaiting connection"
    CONNECTED = "connected"
    TIMER_RECOVERY = "timer recovery"
    AWAITING_RELEASE = "awaiting release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How a link behaves (section 6.7.2). The defaults suit 1200 Bd, directly or through a digipeater."""

    window: int = 3  # k: I frames unacknowledged at once, 1 to 7; up to 3 where frames may overtake each other
    piece: int = 128  # N1, "paclen": octets of info in a frame that we send, 1 to 256
    retries: int = 10  # N2: how often a frame or a call is repeated before the link is given up
    air_baud: int = 1200
    keepalive: float = 300.0  # T3: seconds of silence after which the peer is asked whether it is there

    def air_seconds(self, octets: int) -> float:
        """Return how long a frame with so much info is on the air, without key-up."""
        return 8 * (OVERHEAD + octets) / self.air_baud

    @property
    def ack_delay(self) -> float:
        """T2: seconds to wait for the next frame of a burst before acknowledging it: one full frame, and a little."""
        return 0.2 + self.air_seconds(self.piece)

    def first_round_trip(self, hops: int) -> float:
        """Guess the seconds from the end of our frame to the end of its answer, half of the first T1."""
        return (3.0 + self.air_seconds(self.piece)) / 2 * (2 * hops + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame of connected mode, named as in `edge.spec.ax25`; who sent it to whom is the carrier's business."""

    name: str
    command: bool
    poll: bool = False
    nr: int = 0  # of I, RR, RNR, REJ
    ns: int = 0  # of I
    info: bytes = b""
    pid: int = 0xF0
    control: int = 0  # the octet as it was heard, for FRMR; not used in what is sent


@dataclass(frozen=True, slots=True)
class Transmit:
    """A frame is to be sent."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Opened:
    """The link is up; ``called`` where we began it."""

    called: bool


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes came, in order, each once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The link is over, or a call came to nothing; once a link.

    ``undelivered`` is how many of our bytes the peer never acknowledged; it may have some of them.
    """

    reason: str  # in plain words
    code: CloseCode
    undelivered: int = 0


Action = Transmit | Opened | Received | Closed
