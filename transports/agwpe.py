"""An AGWPE server in the place of a KISS TNC: Direwolf, soundmodem, ldsped, AGWPE itself.

`AgwpeSession` wraps the session of a KISS TNC and stands in for its TNC: raw frames of the server come to the wrapped
session as KISS, and what that session sends to its TNC goes to the server as raw frames. So everything above KISS
(`transports.ax25`, `transports.aprs`) works unchanged, and a link's scheme is all that a person chooses.

KISS parameters have no counterpart in AGWPE, where the server has them in its own configuration: they stay here. What
KISS confirms by ACKMODE is confirmed here by asking how many frames wait, until none does.

**Order.** A login where one is set, then the questions for version and ports, then the request for raw frames. It is
ready once the server has answered; one that does not within `ANSWER` seconds is none.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from edge.errors import LocalProtocolError, RemoteProtocolError
from edge.registry import Device
from transports.codecs import agwpe, kiss
from transports.session import ActiveSession, Clock, Session

ANSWER = 10.0  # seconds for the first answer; servers on the far side of a slow network included
ASK_AGAIN = 1.0  # seconds between two questions how many frames wait
ACK_ID = 2  # bytes of the id before an ACKMODE frame (XKISS)
MAX_UNCONFIRMED = 256  # frames of a port whose leaving is awaited, as in `transports.tnc`; the oldest are forgotten


def over_agwpe(device: Device, session: Session, dialect: kiss.KissDialect) -> "AgwpeSession":
    """Wrap the session of a KISS TNC that speaks ``dialect``, with the login that the device's options name."""
    login = device.options.agwpe_user, device.options.agwpe_password
    return AgwpeSession(session, login=login, dialect=dialect)


class AgwpeSession:
    """`transports.session.ActiveSession` of a client of AGWPE, around the session of a KISS TNC."""

    def __init__(
        self, session: Session, *, login: tuple[str, str] = ("", ""), dialect: kiss.KissDialect = kiss.PLAIN
    ) -> None:
        self.session = session
        self.scope_type = session.scope_type
        self.ports: dict[int, str] = {}  # by number, as the server calls them; empty until it has said so
        self._active = session if isinstance(session, ActiveSession) else None
        self.clock = self._active.clock if self._active is not None else Clock()
        self._login = login
        self._dialect = dialect
        self._server = agwpe.Decoder()
        self._tnc = kiss.Decoder(dialect)  # of what the wrapped session says
        self._out = b""
        self._answer_by: float | None = None  # None: not opened yet, or answered
        self._answered = False
        self._others = 0
        self._unconfirmed: dict[int, deque[bytes]] = {}  # by port: the ids of frames that may still wait
        self._ask_at: float | None = None

    def scope(self) -> Mapping[str, Any]:
        """Return the fields of the wrapped session's scope."""
        return self.session.scope()

    def opened(self) -> None:
        """Log in, ask who is there, and ask for raw frames."""
        if any(self._login):
            self._out += agwpe.encode(agwpe.login(*self._login))
        for kind in (agwpe.VERSION, agwpe.PORTS, agwpe.RAW_MONITOR):
            self._out += agwpe.encode(agwpe.AgwpeFrame(kind=kind))
        self._answer_by = None if self._answered else self.clock.now + ANSWER
        if self._active is not None:
            self._active.opened()

    @property
    def ready(self) -> bool:
        """Whether the server has answered, and the wrapped session is ready."""
        return self._answered and (self._active is None or self._active.ready)

    def receive_bytes(self, data: bytes, now: float) -> list[dict[str, Any]]:
        """Return the events of the raw frames; RemoteProtocolError where what came is no AGWPE."""
        try:
            frames = self._server.receive_bytes(data)
        except agwpe.FrameError as error:
            raise RemoteProtocolError(f"this is no AGWPE server, or it has lost step ({error})") from error
        events: list[dict[str, Any]] = []
        for frame in frames:
            self._answered, self._answer_by = True, None
            if frame.kind == agwpe.RAW:
                events += self._hear(frame.port, kiss.Command.DATA, agwpe.read_raw(frame), now)
            elif frame.kind == agwpe.PORTS:
                self.ports = agwpe.read_ports(frame)
            elif frame.kind == agwpe.OUTSTANDING:
                events += self._confirm(frame, now)
            elif frame.kind != agwpe.VERSION:
                self._others += 1
        return events

    def send(self, event: Mapping[str, Any]) -> bytes:
        """Return the raw frame of an event; LocalProtocolError where the server has no such port."""
        port = event.get("port") or 0
        if self.ports and port not in self.ports:
            known = ", ".join(f"{number} ({name})" for number, name in self.ports.items())
            raise LocalProtocolError(f"{event['type']}: the AGWPE server has no port {port!r:.20}; it has {known:.400}")
        return self._as_agwpe(self.session.send(event))

    def data_to_send(self) -> bytes:
        """Return what has to be said to the server by itself."""
        data, self._out = self._out, b""
        return data if self._active is None else data + self._as_agwpe(self._active.data_to_send())

    def deadline(self) -> float | None:
        """Return when the first answer or a question is due, or the wrapped session's own deadline."""
        times = (self._answer_by, self._ask_at, None if self._active is None else self._active.deadline())
        return min((time for time in times if time is not None), default=None)

    def tick(self) -> Iterable[dict[str, Any]]:
        """Do what is due; RemoteProtocolError where the server has not answered."""
        if self._answer_by is not None and self.clock.now >= self._answer_by:
            raise RemoteProtocolError(
                f"no AGWPE server answered within {ANSWER:g} s; is it a port for KISS? Then the link is tcp://"
            )
        if self._ask_at is not None and self.clock.now >= self._ask_at:
            self._ask_at = self.clock.now + ASK_AGAIN
            self._out = b"".join(map(_question, self._unconfirmed))
        return () if self._active is None else self._active.tick()

    def closing(self) -> None:
        """Let the wrapped session take leave; AGWPE itself has no goodbye."""
        if self._active is not None:
            self._active.closing()

    @property
    def finished(self) -> bool:
        """Whether the wrapped session has taken leave."""
        return self._active is None or self._active.finished

    def counters(self) -> Mapping[str, int]:
        """Return the wrapped session's counters; other frames than raw ones are no data."""
        counted = self.session.counters()
        return {**counted, "not_data": counted.get("not_data", 0) + self._others}

    def _as_agwpe(self, said: bytes) -> bytes:
        """Return what was said to a TNC as the server takes it: data as raw frames, and nothing of the rest."""
        frames = []
        for frame in self._tnc.receive_bytes(said) if said else ():
            if frame.command is kiss.Command.DATA:
                frames.append(agwpe.encode(agwpe.raw(frame.port, frame.data)))
            elif frame.command is kiss.Command.ACKMODE:
                frames += agwpe.encode(agwpe.raw(frame.port, frame.data[ACK_ID:])), _question(frame.port)
                self._unconfirmed.setdefault(frame.port, deque(maxlen=MAX_UNCONFIRMED)).append(frame.data[:ACK_ID])
                self._ask_at = self._ask_at or self.clock.now + ASK_AGAIN
        return b"".join(frames)

    def _confirm(self, frame: agwpe.AgwpeFrame, now: float) -> list[dict[str, Any]]:
        """Confirm the frames of a port where none waits any more; the server transmits the last, or has done so."""
        if frame.port not in self._unconfirmed or agwpe.read_outstanding(frame) != 0:
            return []
        ids = self._unconfirmed.pop(frame.port)
        self._ask_at = self._ask_at if self._unconfirmed else None
        return [event for id_ in ids for event in self._hear(frame.port, kiss.Command.ACKMODE, id_, now)]

    def _hear(self, port: int, command: kiss.Command, data: bytes, now: float) -> Iterable[dict[str, Any]]:
        """Let the wrapped session hear this of its TNC; a port beyond KISS's sixteen by its lowest four bits."""
        frame = kiss.KissFrame(port=port & kiss.MAX_NIBBLE, command=command, data=data)
        return self.session.receive_bytes(kiss.encode(frame, self._dialect), now)


def _question(port: int) -> bytes:
    return agwpe.encode(agwpe.AgwpeFrame(kind=agwpe.OUTSTANDING, port=port))
