"""A TNC brought into KISS mode before its session begins, out of it when it ends, and frames at the TNC's own pace.

`Entering` and `Pacing` are wrappers of any session (`transports.session.ActiveSession`): pure, on its hooks alone, with
time passed in. `fitted` puts on what a profile asks for, and nothing where it asks for nothing. Without the option
``enter_kiss`` there is no text, whatever the profile says: a passive listener never sends a byte.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from edge.errors import LocalProtocolError, RemoteProtocolError
from transports.profiles import Profile, Recipe, Step
from transports.session import ActiveSession, Clock, Session

MAX_HEARD = 4096  # bytes kept of what a TNC says during one step; its newest
MAX_PACED = 64  # frames that wait for their turn; more is an error of who sends them
SHOWN = 80  # characters of a TNC's answer in a message

FEND = b"\xc0"


def fitted(session: Session, profile: Profile, *, enter: bool) -> Session:
    """Wrap a session as a profile says: entering and leaving (if ``enter``), the settle time, the pace of frames."""
    if profile.line.frame_gap:
        session = Pacing(session, profile.line.frame_gap)
    recipe = profile.enter if enter else None
    if recipe is None and not profile.line.settle:
        return session
    return Entering(session, recipe, profile.leave if recipe else None, settle=profile.line.settle)


class _Wrapper:
    """Hands everything on to the session inside, which need not be an active one."""

    def __init__(self, inner: Session) -> None:
        self.inner = inner
        self.active = inner if isinstance(inner, ActiveSession) else None
        self.clock = self.active.clock if self.active else Clock()
        self.scope_type = inner.scope_type

    def scope(self) -> Mapping[str, Any]:
        return self.inner.scope()

    def receive_bytes(self, data: bytes, now: float) -> Iterable[dict[str, Any]]:
        return self.inner.receive_bytes(data, now)

    def send(self, event: Mapping[str, Any]) -> bytes:
        return self.inner.send(event)

    def counters(self) -> Mapping[str, int]:
        return self.inner.counters()

    def opened(self) -> None:
        if self.active:
            self.active.opened()

    @property
    def ready(self) -> bool:
        return self.active is None or self.active.ready

    def data_to_send(self) -> bytes:
        return self.active.data_to_send() if self.active else b""

    def deadline(self) -> float | None:
        return self.active.deadline() if self.active else None

    def tick(self) -> Iterable[dict[str, Any]]:
        return self.active.tick() if self.active else ()

    def closing(self) -> None:
        if self.active:
            self.active.closing()

    @property
    def finished(self) -> bool:
        return self.active is None or self.active.finished


class Entering(_Wrapper):
    """Waits until the device listens, says the recipe's steps, and only then lets the session inside begin.

    Until then it is not `ready`. What the TNC says meanwhile is swallowed and counted (``entry_text``, in bytes), but
    for the last step's part from its first FEND on: that is KISS already. An answer that does not come fails the recipe
    in plain words, unless its step says what it means: "done" takes the TNC for one that is in KISS mode already
    (counted in ``entry_unanswered``).
    """

    def __init__(self, inner: Session, enter: Recipe | None, leave: Recipe | None, *, settle: float = 0.0) -> None:
        super().__init__(inner)
        first = (Step(wait=settle),) if settle else ()
        self._enter = _Run(self.clock, first + (enter.steps if enter else ()))
        self._leave = _Run(self.clock, leave.steps if leave else ())
        self._entered = False
        self._closing = False
        self._text = 0
        self._heard_at = 0.0  # for people: the time of the last read

    def opened(self) -> None:
        """Begin the recipe."""
        self._enter.begin()

    @property
    def ready(self) -> bool:
        """Whether the TNC is in KISS mode, as far as one can know, and the session inside is ready."""
        return self._entered and super().ready

    def receive_bytes(self, data: bytes, now: float) -> Iterable[dict[str, Any]]:
        """Look for the answer to the step at hand; once in KISS mode, hand on."""
        self._heard_at = now
        if self._leave.running:
            self._leave.hear(data)
            return ()
        if self._entered:
            return super().receive_bytes(data, now)
        self._text += len(data)
        self._enter.hear(data)
        return self._look()

    def data_to_send(self) -> bytes:
        """Return what the recipe says now; then what the session inside has to say."""
        if self._entered and not self._leave.running:
            return super().data_to_send() + (self._start_to_leave() if self._closing and super().finished else b"")
        return (self._leave if self._leave.running else self._enter).data_to_send()

    def deadline(self) -> float | None:
        """Return when the step at hand is over."""
        if self._leave.running:
            return self._leave.deadline
        return super().deadline() if self._entered else self._enter.deadline

    def tick(self) -> Iterable[dict[str, Any]]:
        """Go on with the recipe where its time has come."""
        if self._leave.running:
            self._leave.tick(fail=False)  # it is left anyhow
            return ()
        if self._entered:
            return super().tick()
        self._enter.tick(fail=True)
        return self._look()

    def closing(self) -> None:
        """Let the session inside take leave, then say the steps that leave KISS mode. Not if it was never entered."""
        self._closing = True
        if self._entered:
            super().closing()

    @property
    def finished(self) -> bool:
        """Whether all that leaves KISS mode has been said."""
        return not self._entered or (super().finished and self._leave.over)

    def counters(self) -> Mapping[str, int]:
        """Add what was swallowed, and whether the TNC did not answer."""
        return {**super().counters(), "entry_text": self._text, "entry_unanswered": self._enter.unanswered}

    def _look(self) -> Iterable[dict[str, Any]]:
        if not self._enter.over or self._entered:
            return ()
        self._entered = True
        super().opened()
        start = self._enter.heard.find(FEND)
        if start < 0:
            return ()
        self._text -= len(self._enter.heard) - start
        return super().receive_bytes(bytes(self._enter.heard[start:]), self._heard_at)

    def _start_to_leave(self) -> bytes:
        if self._leave.over:
            return b""
        self._leave.begin()
        return self._leave.data_to_send()


class _Run:
    """The steps of a recipe, one after the other, in time."""

    def __init__(self, clock: Clock, steps: tuple[Step, ...]) -> None:
        self.clock = clock
        self.heard = bytearray()  # since the step began
        self.unanswered = 0
        self.running = False
        self.over = False
        self._steps = deque(steps)
        self._number = 0
        self._to_send: deque[bytes] = deque()  # the text of the step at hand, in the pieces that its pace asks for
        self._next_piece = 0.0
        self._until = 0.0

    def begin(self) -> None:
        self.running = True
        self._next_step()

    @property
    def deadline(self) -> float | None:
        if not self.running:
            return None
        return self._next_piece if self._to_send else self._until

    def data_to_send(self) -> bytes:
        if not self._to_send or self.clock.now < self._next_piece:
            return b""
        piece = self._to_send.popleft()
        step = self._steps[0]
        self._next_piece = self.clock.now + step.pace
        self._until = self.clock.now + (step.within if step.expect else step.wait)  # counted from the last character
        return piece

    def hear(self, data: bytes) -> None:
        self.heard += data
        del self.heard[:-MAX_HEARD]
        if self.running and self._is_answered():
            self._next_step()

    def tick(self, *, fail: bool) -> None:
        if not self.running or self._to_send or self.clock.now < self._until:
            return
        step = self._steps[0]
        if step.expect and step.otherwise == "done":
            self.unanswered += 1
            self._end()
        elif step.expect and step.otherwise == "fail" and fail:
            self.running = False
            raise RemoteProtocolError(self._failure(step))
        else:
            self._next_step()

    def _is_answered(self) -> bool:
        step = self._steps[0]
        return bool(step.expect) and not self._to_send and _bytes(step.expect).lower() in self.heard.lower()

    def _next_step(self) -> None:
        if self._number:
            self._steps.popleft()
        self._number += 1
        if not self._steps:
            self._end()
            return
        step = self._steps[0]
        self.heard.clear()
        text = _bytes(step.send)
        self._to_send = deque([bytes([byte]) for byte in text] if step.pace else [text] if text else [])
        self._next_piece = self.clock.now
        self._until = self.clock.now + (step.within if step.expect else step.wait)

    def _end(self) -> None:
        self.running, self.over = False, True
        self._to_send.clear()

    def _failure(self, step: Step) -> str:
        said = self.heard.decode("latin-1")[-SHOWN:]
        return (
            f"the TNC did not enter KISS mode: step {self._number} of its profile sent {step.send!r} and expected "
            f"{step.expect!r} within {step.within:g} s; got {said!r}. Are the profile and the baud rate right?"
        )


class Pacing(_Wrapper):
    """Keeps a time between frames that are sent, for a TNC that loses those that follow each other closely.

    At most `MAX_PACED` frames wait; who sends more is told. What the session inside says by itself is not held up.
    """

    def __init__(self, inner: Session, gap: float) -> None:
        super().__init__(inner)
        self._gap = gap  # seconds
        self._waiting: deque[bytes] = deque()
        self._next = 0.0

    def send(self, event: Mapping[str, Any]) -> bytes:
        """Return nothing: the frame goes by `data_to_send`, at once or when its turn comes."""
        if len(self._waiting) >= MAX_PACED:
            raise LocalProtocolError(
                f"{event.get('type')}: {MAX_PACED} frames wait already; this TNC takes one in {self._gap:g} s"
            )
        self._waiting.append(super().send(event))
        return b""

    def data_to_send(self) -> bytes:
        """Return the frame whose turn it is."""
        own = super().data_to_send()
        if not self._waiting or self.clock.now < self._next:
            return own
        self._next = self.clock.now + self._gap
        return own + self._waiting.popleft()

    def deadline(self) -> float | None:
        """Return when the next frame may go, if one waits."""
        inner = super().deadline()
        if not self._waiting:
            return inner
        return self._next if inner is None else min(inner, self._next)

    @property
    def finished(self) -> bool:
        """Whether all frames have gone; the stream waits for them only so long."""
        return not self._waiting and super().finished

    def counters(self) -> Mapping[str, int]:
        """Add the frames that wait; once the link is gone, they are lost."""
        return {**super().counters(), "unsent": len(self._waiting)}


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
