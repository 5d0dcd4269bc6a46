"""One AX.25 data link, version 2.0, as a pure state machine: frames, bytes and the time in, actions out.

The states are those of the standard (v2.2, section 6 and appendix C4). Where we differ from its diagrams we say so:

* **Nothing is lost silently.** The diagrams re-establish a link that went wrong and forget what was under way. We end
  it, and say why.
* **A repeated SABM** means that our UA was lost as long as the peer has taken and sent nothing; what we have sent is
  then sent again. Later it is a copy that came late, for `COPIES` seconds after the opening, and then a peer that began
  anew: this link ends and another begins.
* **N(R) may acknowledge whatever was ever sent**, also while an earlier frame is being sent again.
* **A round trip is measured** (6.7.1.1) from the moment that our last frame has left the antenna, and only where
  nothing was repeated.

Time is monotonic, in seconds. Bounds: `MAX_WAITING` bytes wait for the peer; each state ends by itself, after
``retries`` or `PATIENCE`. A link that counts modulo 128 is never offered: SABME and XID are answered with FRMR, as a
station of version 2.0 does, and the caller falls back (6.3.1, 6.3.2).
"""

from collections import deque
from dataclasses import replace

from edge.connected.values import KEY_UP, MODULO, Action, Closed, Frame, Opened, Parameters, Received, State, Transmit
from edge.errors import LocalProtocolError
from edge.spec import CloseCode

MAX_WAITING = 32_768  # bytes for one peer; some four minutes at 1200 Bd. More is our consumer's mistake
SHORTEST_T1 = 2.0  # seconds
LONGEST_T1 = 60.0
COPIES = 20.0  # seconds that a copy of a frame may come late, through digipeaters and behind a full window
PATIENCE = 600.0  # seconds that a peer may be busy (RNR) while we have something for it
HOLD = 5.0  # seconds before an I frame that the transmit gate refused is tried again
RELEASE_TRIES = 3  # DISCs before a link is let go without an answer
LATE = 3  # a number this far behind the one expected is of a frame that came late, and not five and more ahead
TEXT = 0xF0  # PID: no layer 3; the other protocols (NET/ROM, IP) are not for a conversation

_LIVE = (State.CONNECTED, State.TIMER_RECOVERY)
_NOT_UNDERSTOOD = 0x01  # W of FRMR: a control field without a meaning for us (4.3.3.9)
_WRONG_NUMBER = 0x08  # Z: an N(R) that acknowledges what was never sent


class Link:
    """One link with one peer; used again after it closed."""

    def __init__(self, parameters: Parameters, *, hops: int = 0) -> None:
        self.parameters = parameters
        self.state = State.DISCONNECTED
        self.hops = hops  # digipeaters between the peer and us
        self._actions: list[Action] = []
        self._reset(0.0)

    def _reset(self, now: float) -> None:
        self._vs = self._va = self._vr = 0
        self._pieces: deque[bytes] = deque()  # from V(A) on: on their way, then waiting
        self._fixed = 0  # of these, how many were ever sent: N(R) may acknowledge so many
        self._waiting = 0  # bytes in the pieces
        self._t1: float | None = None  # when an answer is missed
        self._t2: float | None = None  # when an acknowledgement is sent
        self._t3: float | None = None  # when the peer is asked whether it is there
        self._held: float | None = None  # until when the gate is not asked again
        self._t1_began = now
        self._on_air_until = now
        self._round_trip = self.parameters.first_round_trip(self.hops)
        self._retries = 0
        self._stuck = 0  # how often the first frame was sent again
        self._resent = now - COPIES
        self._peer_busy: float | None = None  # since when
        self._busy_polls = 0
        self._own_busy = False
        self._rejecting = False  # a REJ of ours is unanswered
        self._untouched = True  # neither side has taken anything of the other
        self._leaving = False
        self._refusal = ""  # the latest of the gate
        self._opened = now

    @property
    def waiting(self) -> int:
        """Count the bytes that the peer has not acknowledged."""
        return self._waiting

    def due(self) -> float | None:
        """Return when `tick` is wanted, or None for never."""
        times = (self._t1, self._t2, self._t3, self._held if self._pieces else None)
        return min((time for time in times if time is not None), default=None)

    def call(self, now: float) -> list[Action]:
        """Begin a link; only from DISCONNECTED."""
        self._reset(now)
        self.state = State.AWAITING_CONNECTION
        self._transmit(Frame(name="SABM", command=True, poll=True), now)
        self._start_t1(now)
        return self._done()

    def send(self, data: bytes, now: float) -> list[Action]:
        """Queue bytes for the peer. Raises LocalProtocolError where too much waits, or there is no link."""
        if self.state not in _LIVE or self._leaving:
            raise LocalProtocolError(f"there is no connection to send on: {self.state.value}")
        if self._waiting + len(data) > MAX_WAITING:
            raise LocalProtocolError(f"{self._waiting} bytes wait already; the limit is {MAX_WAITING}")
        self._queue(data)
        self._go_on(now)
        return self._done()

    def hang_up(self, now: float, *, at_once: bool = False) -> list[Action]:
        """End the link: once everything that was sent is acknowledged, or ``at_once``."""
        self._leaving = True
        if self.state in _LIVE and at_once:
            self._release(now)
        elif self.state is State.AWAITING_CONNECTION:
            self._transmit(Frame(name="DISC", command=True, poll=True), now)
            self._close("the call was taken back", CloseCode.NORMAL)
        self._go_on(now)
        return self._done()

    def set_busy(self, now: float, *, busy: bool) -> list[Action]:
        """Say whether our side can take more: while it cannot, the peer is told to wait (RNR)."""
        if busy != self._own_busy and self.state in _LIVE:
            self._own_busy = busy
            self._acknowledge(now)
        return self._done()

    def refused(self, frame: Frame, words: str, now: float) -> list[Action]:
        """Take note that a frame was not transmitted, for the gate would not let it."""
        self._refusal = words
        opening = frame.name == "SABM" or (frame.name == "UA" and self.state is State.CONNECTED and self._untouched)
        if opening and self.state is not State.DISCONNECTED:
            self._close(f"not transmitted: {words}", CloseCode.LINK_LOST)
        elif frame.name == "I" and self.state in _LIVE:
            if (frame.ns - self._va) % MODULO < self._outstanding:
                self._vs = frame.ns
            if self.state is State.CONNECTED and not self._outstanding:
                self._t1 = None
            self._held = now + HOLD
        return self._done()

    def tick(self, now: float) -> list[Action]:
        """Do what is due."""
        if self._t2 is not None and now >= self._t2:
            self._acknowledge(now)
        if self._t1 is not None and now >= self._t1:
            self._t1_expired(now)
        elif self._t3 is not None and now >= self._t3:
            self._enquire(now)
        if self._held is not None and now >= self._held:
            self._held = None
            self._go_on(now)
        return self._done()

    def receive(self, frame: Frame, now: float) -> list[Action]:
        """Take a frame of the peer."""
        if self.state in _LIVE and self._t3 is not None:
            self._t3 = now + self.parameters.keepalive
        handler = {
            "SABM": self._on_sabm,
            "SABME": self._on_unknown,
            "XID": self._on_unknown,
            "DISC": self._on_disc,
            "UA": self._on_ua,
            "DM": self._on_dm,
            "FRMR": self._on_frmr,
            "I": self._on_numbered,
            "RR": self._on_numbered,
            "RNR": self._on_numbered,
            "REJ": self._on_numbered,
            "TEST": self._on_test,
        }.get(frame.name)
        if handler is not None:
            handler(frame, now)
        return self._done()

    # What the unnumbered frames mean

    def _on_sabm(self, frame: Frame, now: float) -> None:
        if self.state is State.AWAITING_RELEASE:
            self._respond("DM", frame, now)
        elif self.state is State.DISCONNECTED:
            self._open(frame, now)
        elif self.state is State.AWAITING_CONNECTION:
            self._respond("UA", frame, now)  # both call at once; each is up with the other's UA
        elif self._untouched:
            self._vs = self._va
            self._respond("UA", frame, now)
            self._be_connected()
            self._go_on(now)
        elif now - self._opened >= COPIES:
            self._close("the peer began the connection anew", CloseCode.LINK_LOST)
            self._open(frame, now)

    def _open(self, sabm: Frame, now: float) -> None:
        self._reset(now)
        self._respond("UA", sabm, now)
        self._connect(called=False, now=now)

    def _on_unknown(self, frame: Frame, now: float) -> None:
        if frame.command and self.state not in _LIVE:
            self._reject(frame, _NOT_UNDERSTOOD, now)

    def _on_disc(self, frame: Frame, now: float) -> None:
        if self.state in _LIVE or self.state is State.AWAITING_RELEASE:
            self._respond("UA", frame, now)
            if self.state in _LIVE:
                self._close("the peer said goodbye", CloseCode.NORMAL)
        else:
            self._respond("DM", frame, now)

    def _on_ua(self, _frame: Frame, now: float) -> None:
        if self.state is State.AWAITING_CONNECTION:
            self._measure(now)
            self._connect(called=True, now=now)
            self._go_on(now)
        elif self.state is State.AWAITING_RELEASE:
            self._close("we said goodbye", CloseCode.NORMAL)
        elif self.state in _LIVE and now - self._opened >= COPIES:
            self._fail("the peer took an old call of ours for a new one", now)

    def _on_dm(self, frame: Frame, _now: float) -> None:
        if self.state is State.AWAITING_CONNECTION and frame.poll:
            self._close("the peer refused the call: it is busy, or does not take calls", CloseCode.LINK_LOST)
        elif self.state is State.AWAITING_RELEASE:
            self._close("we said goodbye", CloseCode.NORMAL)
        elif self.state in _LIVE:
            self._close("the peer knows of no connection any more", CloseCode.LINK_LOST)

    def _on_frmr(self, _frame: Frame, now: float) -> None:
        if self.state is State.AWAITING_CONNECTION:
            self._close("the peer refused the call: it does not understand it", CloseCode.LINK_LOST)
        elif self.state in _LIVE:
            self._fail("the peer rejected a frame of ours as wrong", now)

    def _on_test(self, frame: Frame, now: float) -> None:
        if frame.command:
            answer = Frame(name="TEST", command=False, poll=frame.poll, info=frame.info)
            self._transmit(answer, now)

    # What the numbered frames mean

    def _on_numbered(self, frame: Frame, now: float) -> None:
        if self.state not in _LIVE:
            asked = frame.command and (self.state is State.DISCONNECTED or frame.poll)
            if asked and self.state is not State.AWAITING_CONNECTION:
                self._respond("DM", frame, now)
            return
        if (frame.nr - self._va) % MODULO > self._fixed:
            if (self._va - frame.nr) % MODULO > LATE:
                self._reject(frame, _WRONG_NUMBER, now)
                self._close("the peer acknowledged what was never sent", CloseCode.LINK_LOST)
                return
            frame = replace(frame, nr=self._va)  # it was overtaken, and says nothing new
        if frame.name == "I":
            self._take_acknowledgement(frame.nr, now)
            self._on_i(frame, now)
        else:
            self._on_supervisory(frame, now)
        self._go_on(now)

    def _on_supervisory(self, frame: Frame, now: float) -> None:
        self._set_peer_busy(now, busy=frame.name == "RNR")
        if frame.command and frame.poll:
            self._acknowledge(now, final=True)
        final = frame.poll and not frame.command and self.state is State.TIMER_RECOVERY
        if final:
            self._measure(now)
            self._be_connected()
        self._take_acknowledgement(frame.nr, now)
        if final or (frame.name == "REJ" and now - self._resent >= self._round_trip / 2):
            self._send_again(now)

    def _on_i(self, frame: Frame, now: float) -> None:
        if frame.ns == self._vr and not self._own_busy:
            self._vr = (self._vr + 1) % MODULO
            self._rejecting, self._untouched = False, False
            if frame.pid == TEXT and frame.info:
                self._actions.append(Received(frame.info))
        elif not self._own_busy and not self._rejecting and not 1 <= (self._vr - frame.ns) % MODULO <= LATE:
            self._rejecting = True
            self._supervise("REJ", now, final=frame.poll)
            return
        if frame.poll:
            self._acknowledge(now, final=True)
        else:
            self._t2 = now + self.parameters.ack_delay

    def _take_acknowledgement(self, nr: int, now: float) -> None:
        count = (nr - self._va) % MODULO
        if not count:
            return
        if self.state is State.CONNECTED:  # else the answer to our question is still to come
            self._measure(now)
        outstanding = self._outstanding
        for _ in range(count):
            self._waiting -= len(self._pieces.popleft())
        self._fixed -= count
        self._va = nr
        if count > outstanding:
            self._vs = nr
        self._untouched, self._stuck = False, 0
        if self.state is State.CONNECTED:
            self._retries = 0
            self._t1 = None
            if self._outstanding:
                self._start_t1(now)

    def _set_peer_busy(self, now: float, *, busy: bool) -> None:
        if busy and self._peer_busy is None:
            self._peer_busy = now
        elif not busy:
            self._peer_busy, self._busy_polls = None, 0

    # What we do by ourselves

    def _go_on(self, now: float) -> None:
        """Send what may be sent; then, if nothing is left and we are leaving, say goodbye."""
        if self.state is not State.CONNECTED:
            return
        if self._peer_busy is None and self._held is None:
            while self._outstanding < min(self.parameters.window, len(self._pieces)):
                self._send_piece(now)
        if self._outstanding or (self._pieces and self._peer_busy is not None):
            self._t3 = None
            if self._t1 is None:
                self._start_t1(now)
        elif self._leaving and not self._pieces:
            self._release(now)
        elif self._t3 is None:
            self._t3 = now + self.parameters.keepalive

    def _send_piece(self, now: float) -> None:
        piece = self._pieces[self._outstanding]
        frame = Frame(name="I", command=True, nr=self._vr, ns=self._vs, info=piece)
        self._vs = (self._vs + 1) % MODULO
        self._fixed = max(self._fixed, self._outstanding)
        self._t2 = None
        self._transmit(frame, now)
        self._start_t1(now)

    def _send_again(self, now: float) -> None:
        """Go back to the first frame that the peer does not have (6.4.4.2)."""
        if not self._outstanding:
            return
        self._stuck += self._peer_busy is None
        if self._stuck > self.parameters.retries:
            self._fail(f"a frame was sent {self._stuck} times and never taken", now)
            return
        self._vs, self._resent = self._va, now
        if self.state is State.CONNECTED:
            self._t1 = None

    def _t1_expired(self, now: float) -> None:
        tries = RELEASE_TRIES if self.state is State.AWAITING_RELEASE else self.parameters.retries
        patience = self._peer_busy is not None and now - self._peer_busy > PATIENCE
        if self.state in _LIVE and patience:
            self._fail(f"the peer was busy for {PATIENCE / 60:g} minutes", now)
        elif self.state is not State.CONNECTED and self._retries >= tries:
            self._give_up(now)
        elif self.state in _LIVE:
            self._enquire(now)
        else:
            self._retries += 1
            name = "SABM" if self.state is State.AWAITING_CONNECTION else "DISC"
            self._transmit(Frame(name=name, command=True, poll=True), now)
            self._start_t1(now)

    def _give_up(self, now: float) -> None:
        words = f"no answer after {self._retries + 1} tries"
        if self._refusal:
            words = f"{words}, some of them not transmitted: {self._refusal}"
        if self.state is State.TIMER_RECOVERY:
            self._transmit(Frame(name="DM", command=False), now)
        self._close(words, CloseCode.LINK_LOST)

    def _enquire(self, now: float) -> None:
        """Ask the peer where it is (C4.3, Transmit Enquiry)."""
        self.state = State.TIMER_RECOVERY
        self._retries += 1
        self._busy_polls += self._peer_busy is not None
        self._t3 = None
        self._supervise("RNR" if self._own_busy else "RR", now, command=True, final=True)
        self._start_t1(now)

    def _acknowledge(self, now: float, *, final: bool = False) -> None:
        self._supervise("RNR" if self._own_busy else "RR", now, final=final)

    def _supervise(self, name: str, now: float, *, command: bool = False, final: bool = False) -> None:
        self._t2 = None
        self._transmit(Frame(name=name, command=command, poll=final, nr=self._vr), now)

    def _release(self, now: float) -> None:
        self.state, self._retries = State.AWAITING_RELEASE, 0
        self._t2 = self._t3 = self._held = None
        self._transmit(Frame(name="DISC", command=True, poll=True), now)
        self._start_t1(now)

    def _fail(self, reason: str, now: float) -> None:
        """End a link that went wrong, and tell the peer."""
        self._close(reason, CloseCode.LINK_LOST)
        self._transmit(Frame(name="DM", command=False), now)

    def _close(self, reason: str, code: CloseCode) -> None:
        self.state = State.DISCONNECTED
        self._t1 = self._t2 = self._t3 = self._held = None
        undelivered, self._waiting = self._waiting, 0
        self._pieces.clear()
        self._vs = self._va = self._fixed = 0
        if undelivered:
            reason = f"{reason}; {undelivered} bytes were not acknowledged"
        self._actions.append(Closed(reason, code, undelivered))

    def _be_connected(self) -> None:
        self.state, self._t1, self._retries, self._refusal = State.CONNECTED, None, 0, ""

    def _connect(self, *, called: bool, now: float) -> None:
        self._be_connected()
        self._opened, self._t3 = now, now + self.parameters.keepalive
        self._actions.append(Opened(called))

    def _respond(self, name: str, to: Frame, now: float) -> None:
        self._transmit(Frame(name=name, command=False, poll=to.poll), now)

    def _reject(self, frame: Frame, why: int, now: float) -> None:
        """Send FRMR: the control field, our state variables, and what was wrong (4.3.3.9)."""
        numbers = self._vr << 5 | (not frame.command) << 4 | self._vs << 1
        info = bytes((frame.control, numbers, why))
        self._transmit(Frame(name="FRMR", command=False, poll=frame.poll, info=info), now)

    def _transmit(self, frame: Frame, now: float) -> None:
        key_up = KEY_UP if now >= self._on_air_until else 0.0
        self._on_air_until = max(now, self._on_air_until) + key_up + self.parameters.air_seconds(len(frame.info))
        self._actions.append(Transmit(frame))

    def _start_t1(self, now: float) -> None:
        self._t1_began = max(now, self._on_air_until)
        timeout = 2 * self._round_trip * (1 + self._retries / 2 + self._busy_polls)
        self._t1 = self._t1_began + min(max(timeout, SHORTEST_T1), LONGEST_T1)

    def _measure(self, now: float) -> None:
        """Take the time of a round trip, where it is clear which frame was answered (6.7.1.1)."""
        asked_once = self._retries == 1 and self.state is State.TIMER_RECOVERY
        if self._t1 is not None and not self._stuck and (asked_once or not self._retries):
            self._round_trip += (max(now - self._t1_began, 0.0) - self._round_trip) / 8

    def _queue(self, data: bytes) -> None:
        """Cut into pieces; what was never sent may still grow, what was sent once stays as it is."""
        self._waiting += len(data)
        if data and len(self._pieces) > self._fixed:
            data = self._pieces.pop() + data
        size = self.parameters.piece
        self._pieces.extend(data[at : at + size] for at in range(0, len(data), size))

    @property
    def _outstanding(self) -> int:
        return (self._vs - self._va) % MODULO

    def _done(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions
