"""One handler's run in a thread, and what it sends out meanwhile: the crossing between a thread and the loop.

A call from a loop into a thread and back costs two switches, each send from there would cost two more. So what a
handler sends goes into an **outbound lane**, in order, and the consumer's own task on the loop carries it to the
server while the handler runs on. The loop is woken once for what is there, not once for each.

**What a plain handler may rely on.** Everything goes out in the order in which it was sent, and at once: a handler that
sends and then sleeps has its text out before. A handler counts as finished once the server has taken all of its sends,
and the next one begins after that. What the connection's state does not allow is raised by the call itself. That the
peer has gone is a `LinkLost` out of the *next* send, or the end of the connection where there is none. A lane that
holds `LANE` events or `LANE_BYTES` makes its handler wait until it is empty, which is the client's backpressure.
A send that must know its outcome at once (a radio's gate may refuse it) waits for that: `Crossing.send` with ``wait``.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent import futures
from contextlib import suppress
from contextvars import Context

from asgiref.sync import SyncToAsync

from edge.asgi import Event
from edge.errors import LinkLost

LANE = 64  # events; a handler that answers with more than a page of them has time to wait for its client
LANE_BYTES = 262_144  # bytes and characters of their payloads; several times what a server buffers itself

Transmit = Callable[[Event], Awaitable[None]]


class Crossing:
    """The run of one handler: made on the loop, a job of a `StickyThread`, ended by `carry` on the loop.

    Of the attributes that both sides write each has one writer at a time; deque and assignment are atomic.
    """

    __slots__ = (
        "_asleep",
        "_blocked",
        "_done",
        "_failure",
        "_handle",
        "_lane",
        "_loop",
        "_over",
        "_result",
        "_tasks",
        "_waiter",
        "_weight",
        "context",
        "ident",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context, handle: Callable[["Crossing"], None]) -> None:
        self.context = context
        self.ident = 0  # of the thread that runs the handler, while it does
        self._loop = loop
        self._handle = handle
        self._lane: deque[Event] = deque()
        self._weight = 0  # bytes in the lane since it was last empty
        self._asleep = False  # the carrier waits, and nobody has woken it yet
        self._waiter: asyncio.Future[None] | None = None
        self._blocked: futures.Future[None] | None = None  # the handler's wait for an empty lane
        self._tasks: list[asyncio.Task[object]] = []  # of async_to_sync inside the handler
        self._failure: Exception | None = None  # of a send
        self._result: BaseException | None = None
        self._done = False
        self._over = False  # nobody carries any more

    def __call__(self) -> Callable[[], object]:
        """Run the handler: a job of the thread."""
        if not self._over:
            here = SyncToAsync.threadlocal  # by this async_to_sync finds the loop, and says which tasks it began there
            here.main_event_loop, here.main_event_loop_pid, here.task_context = self._loop, os.getpid(), self._tasks
            self.ident = threading.get_ident()
            try:
                self.context.run(self._handle, self)
            except BaseException as error:  # noqa: BLE001  (raised on the loop, by carry)
                self._result = error
            self.ident = 0
        return self._finish

    def send(self, event: Event, *, wait: bool = False) -> None:
        """Queue an event for the server; from the handler only. Raises what the sends before it came to.

        With ``wait`` it returns when the server has taken the event, and raises what that came to.
        """
        self._raise_failure()
        if not self._lane:
            self._weight = 0
        self._weight += len(event.get("text") or event.get("bytes") or b"")
        self._lane.append(event)
        self._wake()
        if wait or len(self._lane) >= LANE or self._weight >= LANE_BYTES:
            self._wait_until_empty()
            self._raise_failure()

    async def carry(self, transmit: Transmit) -> None:
        """Send what the handler sends until it has returned; raise what it raised, else what a send came to."""
        try:
            while True:
                while self._lane:
                    await self._carry_one(transmit)
                self._let_go()
                if self._done and not self._lane:
                    break
                await self._wait()
            if self._result is not None:
                raise self._result
            if self._failure is not None:
                raise self._failure
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            raise
        finally:
            self._over = True
            self._lane.clear()
            self._let_go()
            self._result = self._failure = None  # their tracebacks refer to us

    async def _carry_one(self, transmit: Transmit) -> None:
        try:
            await transmit(self._lane.popleft())
        except Exception as error:  # noqa: BLE001  (whatever it is, the handler is told)
            self._fail(error)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        self._asleep = True
        # What came before we were seen asleep has woken nobody.
        if self._lane or self._done or self._blocked is not None:
            self._asleep = False
            return
        await self._waiter

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self._lane.clear()

    def _let_go(self) -> None:
        blocked, self._blocked = self._blocked, None
        if blocked is not None:
            with suppress(futures.InvalidStateError):  # both sides may come here at the very end
                blocked.set_result(None)

    def _wait_until_empty(self) -> None:
        blocked: futures.Future[None] = futures.Future()
        self._blocked = blocked
        if self._over:  # between the check and here
            self._let_go()
        self._wake()
        blocked.result()

    def _raise_failure(self) -> None:
        if self._over:
            raise LinkLost("the connection ended before this was sent")
        if (failure := self._failure) is not None:
            self._failure = None  # the handler knows now, and may have an answer
            raise failure

    def _finish(self) -> None:
        self._done = True
        self._wake()

    def _wake(self) -> None:
        if self._asleep:
            self._asleep = False
            try:
                self._loop.call_soon_threadsafe(self._stir)
            except RuntimeError:  # the loop is closed, and nobody carries any more
                self._over = True
                self._let_go()

    def _stir(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
