"""A handler begins in the very call that brings its event, and mostly ends there: a turn of the loop is saved.

Asyncio's way to hand an event to a task is a future, a callback and a turn of the loop, which costs as much as all
else that is done with a message. Most handlers of most events wait for nothing (``await self.send(…)`` returns at once
unless the peer is slow), so while an async consumer rests in its mailbox, its transport's callback takes the first step
of the handler itself, as eager tasks of Python 3.12 do for a new task:

* It runs as the consumer's own task, in that task's context: ``asyncio.current_task()``, ``asyncio.timeout()``, task
  groups and context variables are what they are anywhere in a handler.
* Where it has to wait after all, the consumer's task is woken and goes on with it from there. Nothing else is read
  meanwhile, so the order stays.
* What it raises, the consumer's task raises, and so ends or goes on as ever.

It is not done where the consumer does not rest or something waits before the event (`edge.mailbox`), where another task
is running (what it does must not be cut in two), for an event whose sender waits to hear that it was handled, or more
than a burst in a millisecond: then the event goes the long way, by the mailbox.
"""

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task  # documented for tasks that are not asyncio's own ("Extending")
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextvars import Context
from typing import Any

from edge.asgi import Event
from edge.mailbox import BURST, Mailbox
from edge.receipts import Acknowledged

HALF_BURST = BURST // 2
SPARED = 0.001  # seconds in which a consumer is spared a burst of turns of the loop at most: others have theirs

Begin = Callable[[Any, Event], Coroutine[Any, Any, Any]]  # a compiled handler, of a consumer and an event


class Eager:
    """The first steps of one consumer's handlers; made in its task, and by `close` out of use."""

    __slots__ = (
        "_begun",
        "_consumer",
        "_context",
        "_handlers",
        "_loop",
        "_mailbox",
        "_spared",
        "_spared_until",
        "_task",
    )

    def __init__(self, consumer: Any, handlers: Mapping[str, Begin], mailbox: Mailbox, context: Context) -> None:
        self._consumer = consumer
        self._handlers = handlers
        self._mailbox = mailbox
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._begun: _Rest | None = None  # what has to be gone on with
        self._spared = 0  # turns
        self._spared_until = 0.0  # when they are counted anew, in the loop's time
        mailbox.hand_on = self._take

    def close(self) -> None:
        """Take no more."""
        self._mailbox.hand_on = None

    async def wait(self) -> None:
        """Wait until there may be something to take, and go on with what was begun meanwhile."""
        try:
            await self._mailbox.wait()
        except asyncio.CancelledError as error:
            if self._begun is None:
                raise
            self._begun.error = error
        if self._begun is not None:
            rest, self._begun = self._begun, None
            try:
                await rest
            except Exception as error:
                if not await self._consumer._is_answered(error, rest.event):  # noqa: SLF001  (we are a part of it)
                    raise

    def _take(self, event: Event) -> bool:
        """Begin with an event's handler; False where it has to go the long way. The mailbox's `hand_on`."""
        begin = self._handlers.get(event["type"])
        if begin is None or type(event) is Acknowledged or self._consumer._closed:  # noqa: SLF001  (as above)
            return False
        loop, task = self._loop, self._task
        if self._spared >= HALF_BURST:  # only now, for asking the clock costs a tenth of the whole way
            now = loop.time()
            if now < self._spared_until:
                return False
            self._spared_until = now + SPARED
            self._spared = 0
        try:
            _enter_task(loop, task)  # type: ignore[arg-type]  # made within a task
        except RuntimeError:
            return False  # another task is running
        self._spared += 1
        try:
            handling = begin(self._consumer, event)
            waits_for = self._context.run(handling.send, None)
        except StopIteration:
            return True
        except BaseException as error:  # noqa: BLE001  (the task's own to raise)
            self._begun = _Rest(event, None, None, error)
        else:
            self._begun = _Rest(event, handling, waits_for, None)
        finally:
            _leave_task(loop, task)  # type: ignore[arg-type]  # as above
        self._mailbox.stir()
        return True


class _Rest:
    """An awaitable: the rest of a coroutine that has taken its first step, up to a future that it waits for."""

    __slots__ = ("_coroutine", "_waits_for", "error", "event")

    def __init__(
        self, event: Event, coroutine: Coroutine[Any, Any, Any] | None, waits_for: Any, error: BaseException | None
    ) -> None:
        self.event = event
        self._coroutine = coroutine
        self._waits_for = waits_for  # a future, or None to give way for a turn
        self.error = error  # raised by it, or to be thrown into it

    def __await__(self) -> Generator[Any, Any, None]:
        coroutine, waits_for = self._coroutine, self._waits_for
        try:
            if coroutine is None:
                assert self.error is not None  # nothing else is without a coroutine
                raise self.error
            if self.error is not None:  # the task was cancelled before it came to wait for the future
                if waits_for is not None:
                    waits_for.cancel()
                waits_for = coroutine.throw(self.error)
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001  (the coroutine's to answer)
                    waits_for = coroutine.throw(error)
                else:
                    waits_for = coroutine.send(sent)
        except StopIteration:
            return


async def context_of_this_task() -> Context:
    """Return the context that the running task's steps run in."""
    if sys.version_info >= (3, 12):
        task = asyncio.current_task()
        assert task is not None  # a coroutine is run by one
        return task.get_context()
    probe = _Probe()
    asyncio.get_running_loop().call_soon(probe.set_result, None)
    await probe
    return probe.context


class _Probe(asyncio.Future[None]):
    """Is told the context of the task that waits for it, which a task of Python 3.11 tells nobody else."""

    context: Context

    def add_done_callback(self, callback: Callable[..., object], *, context: Context | None = None) -> None:
        assert context is not None  # a task gives its own
        self.context = context
        super().add_done_callback(callback, context=context)
