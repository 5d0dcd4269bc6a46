"""The KISS side of a TNC: frames both ways in its dialect, what it is told at link-up, what it confirms and reports.

Pure, as the sessions that hold it (`transports.ax25`). With the default `Setup` it never says anything by itself: a
passive listener never sends a byte. What it does say keys nothing, and so needs no leave of the gate.
"""

from dataclasses import dataclass, field
from typing import Any

from edge.errors import ConfigError
from transports.codecs import kiss
from transports.options import Ax25Options
from transports.session import Clock

CONFIRM_TIMEOUT = 120.0  # seconds that a TNC may keep a frame for a busy channel; then it counts as unconfirmed
MAX_UNCONFIRMED = 256  # frames that wait for the TNC; beyond, the oldest counts as unconfirmed
MAX_ID = 64  # characters of the id that a consumer gives a frame
TXBUF_INTERVAL = 1.0  # seconds between two questions how much still waits
MAX_NUMBER = 0xFFFF  # of an ACKMODE id; 0 is not used, for some TNCs take it for none
LEFT = -1  # of an option: the TNC keeps what it has

_DATA = kiss.Command.DATA
_ACKMODE = kiss.Command.ACKMODE
_SETHW = kiss.Command.SETHW


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How one TNC is spoken to. The default is the standard, in silence."""

    dialect: kiss.KissDialect = kiss.PLAIN
    parameters: kiss.Parameters = field(default_factory=kiss.Parameters)  # sent at every link-up
    ask: bool = False  # what it is, and after each transmission how much waits (Direwolf, fldigi)

    @property
    def is_active(self) -> bool:
        """Whether anything is ever said, or waited for, that no consumer sends."""
        return self.ask or self.dialect.ackmode or bool(self.parameters.frames())


@dataclass(slots=True)
class _Waiting:
    id: str
    port: int
    since: float


class Tnc:
    """One KISS line, from link-up to link-lost. Events are those of ``ax25`` (`edge.spec.ax25`)."""

    def __init__(self, setup: Setup, clock: Clock) -> None:
        self.setup = setup
        self.clock = clock
        self.not_data = 0  # frames that are neither data nor an answer that is understood
        self._decoder = kiss.Decoder(setup.dialect)
        self._out = b""
        self._number = 0
        self._waiting: dict[int, _Waiting] = {}  # by the number on the wire, the oldest first
        self._ask_at: dict[int, float] = {}  # radio port: when to ask how much waits
        self.receive_bodies = self._decoder.receive_bodies  # the hot path, without a call in between

    def opened(self) -> None:
        """Tell the TNC its parameters, and ask what it is, if that was wished for."""
        parameters = self.setup.parameters
        self._out += b"".join(map(self._encode, parameters.frames()))
        if self.setup.ask:
            self._ask(parameters.ports[0], kiss.TNC_QUERY)

    def send(self, port: int, payload: bytes, id_: object) -> bytes:
        """Return the bytes of a data frame; with an id, and where the TNC confirms, it will be told of.

        Raises ValueError for a port or an id that cannot be.
        """
        if id_ is not None and not (isinstance(id_, str) and 0 < len(id_) <= MAX_ID):
            raise ValueError(f"id: expected text of 1 to {MAX_ID} characters; got {id_!r:.80}")
        if id_ is None or not self.setup.dialect.ackmode:
            data = self._encode(kiss.KissFrame(port=port, data=payload))
        else:
            number = self._number % MAX_NUMBER + 1
            marked = number.to_bytes(2, "little") + payload
            data = self._encode(kiss.KissFrame(port=port, command=_ACKMODE, data=marked))
            self._number = number
            self._waiting[number] = _Waiting(id_, port, self.clock.now)
        if self.setup.ask:
            self._ask(port, kiss.TXBUF_QUERY)
        return data

    def answer(self, body: bytes) -> dict[str, Any] | None:
        """Read a frame that is not data: the event of a confirmation or a report, None where it is neither."""
        port, command = body[0] >> 4, body[0] & 0x0F
        if command == _ACKMODE and len(body) > 2:  # noqa: PLR2004  (an id)
            number = int.from_bytes(body[1:3], "little")
            if number in self._waiting:
                return self._sent(number, confirmed=True)
        elif command == _SETHW:
            report = kiss.read_report(body[1:])
            if report.name == "txbuf" and report.number and self.setup.ask:
                self._ask_at[port] = self.clock.now + TXBUF_INTERVAL
            return {
                "type": "ax25.report",
                "port": port,
                "name": report.name,
                "text": report.text,
                "number": report.number,
                "raw": body[1:],
            }
        self.not_data += 1
        return None

    def data_to_send(self) -> bytes:
        """Return what the TNC is to be told."""
        if not self._out:
            return b""
        out, self._out = self._out, b""
        return out

    def deadline(self) -> float | None:
        """Return when a frame counts as unconfirmed, or a question is due."""
        if not self._waiting and not self._ask_at:
            return None
        dues = list(self._ask_at.values())
        if self._waiting:
            dues.append(next(iter(self._waiting.values())).since + CONFIRM_TIMEOUT)
        return min(dues) if len(self._waiting) <= MAX_UNCONFIRMED else self.clock.now

    def tick(self) -> list[dict[str, Any]]:
        """Give up what was not confirmed in time, and ask what is due."""
        now = self.clock.now
        for port in [port for port, when in self._ask_at.items() if when <= now]:
            del self._ask_at[port]
            self._ask(port, kiss.TXBUF_QUERY)
        late = [number for number, waiting in self._waiting.items() if waiting.since + CONFIRM_TIMEOUT <= now]
        many = list(self._waiting)[: max(0, len(self._waiting) - MAX_UNCONFIRMED)]
        return [self._sent(number, confirmed=False) for number in dict.fromkeys(late + many)]

    def counters(self) -> dict[str, int]:
        """Return what was not passed on, by why."""
        decoder = self._decoder
        return {
            "noise_bytes": decoder.noise,
            "too_long": decoder.oversized,
            "bad_escape": decoder.malformed,
            "bad_checksum": decoder.bad_sums,
            "not_data": self.not_data,
        }

    def _sent(self, number: int, *, confirmed: bool) -> dict[str, Any]:
        waiting = self._waiting.pop(number)
        return {
            "type": "ax25.sent",
            "port": waiting.port,
            "id": waiting.id,
            "confirmed": confirmed,
            "seconds": self.clock.now - waiting.since,
        }

    def _ask(self, port: int, question: bytes) -> None:
        """Ask, at most once until the far side has taken it: so what waits here is bounded."""
        asked = self._encode(kiss.KissFrame(port=port, command=_SETHW, data=question))
        if asked not in self._out:
            self._out += asked

    def _encode(self, frame: kiss.KissFrame) -> bytes:
        return kiss.encode(frame, self.setup.dialect, self._decoder.checksum)


def setup_of(options: Ax25Options, dialect: kiss.KissDialect = kiss.PLAIN) -> Setup:
    """Read a device's options, over the dialect of its profile; raises ConfigError."""
    checksum = dialect.checksum if options.checksum == "profile" else kiss.Checksum(options.checksum)
    try:
        parameters = kiss.Parameters(
            txdelay=_set(options.txdelay),
            persistence=_set(options.persistence),
            slottime=_set(options.slottime),
            txtail=_set(options.txtail),
            full_duplex={"unset": None, "off": False, "on": True}[options.full_duplex],
            hardware=tuple(bytes.fromhex(each) for each in options.hardware.split(";") if each.strip()),
            ports=kiss.parse_ports(options.kiss_ports),
        )
    except ValueError as error:
        raise ConfigError(f"what the TNC is told: {error}") from error
    return Setup(
        dialect=kiss.KissDialect(
            checksum=checksum, escape_c=dialect.escape_c, ackmode=dialect.ackmode or options.ackmode
        ),
        parameters=parameters,
        ask=options.ask,
    )


def _set(value: int) -> int | None:
    return None if value == LEFT else value
