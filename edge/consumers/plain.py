"""Consumers whose handlers are plain functions: each has a thread to itself for as long as it lives (`edge.threads`).

How a handler's events and sends cross between the loop and its thread is in `edge.consumers.crossing`.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent import futures
from typing import Any, TypeVar

from edge.asgi import Event
from edge.consumers.base import Consumer
from edge.consumers.crossing import Crossing
from edge.errors import LinkLost
from edge.handlers import Call
from edge.threads import StickyThread, pool

T = TypeVar("T")

# Called in a sync consumer's thread before and after each handler; Django's leaf looks after connections here.
around_sync_handlers: list[Callable[[], None]] = []


class SyncConsumer(Consumer):
    """A consumer whose handlers are plain functions, run one after another in a thread of its own.

    A handler may block: nobody else waits for it. What it sends goes out in order and at once, and the handler goes on
    meanwhile (`edge.consumers.crossing` says what may be relied on).
    """

    handlers_are_async = False
    _thread: StickyThread | None = None
    _context: contextvars.Context
    _crossing: Crossing | None = None  # the handler that runs now, for its own thread
    _blocked: futures.Future[Any] | None = None

    def send(self, message: Event) -> None:
        """Send one ASGI event to the server."""
        self._put_out(message)

    def on_error(self, error: Exception, event: Event) -> bool:  # noqa: ARG002  (for those who override it)
        """Answer a handler's error: True, and the connection goes on with the next event. By default it ends."""
        return False

    async def _ask_on_error(self, error: Exception, event: Event) -> bool:
        if type(self).on_error is SyncConsumer.on_error:
            return False
        answers: list[bool] = []
        await self._handle(lambda consumer, event: answers.append(consumer.on_error(error, event)), event)
        return bool(answers and answers[0])

    async def _handle(self, call: Call, event: Event) -> None:
        if self._thread is None:
            self._thread = pool.lease()
            # asgiref's Local storage lives in context variables, so a copy of ours takes it along.
            self._context = contextvars.copy_context()

        def handle(crossing: Crossing) -> None:
            self._crossing = crossing
            try:
                _run_handler(call, self, event)
            finally:
                self._crossing = None

        crossing = Crossing(self._loop, self._context, handle)
        self._thread.post(crossing)
        await crossing.carry(self._transmit)

    def _put_out(self, event: Event, *, wait: bool = True) -> None:
        """Send from a handler, by its lane; from any other thread straight to the server."""
        crossing = self._crossing
        if crossing is not None and crossing.ident == threading.get_ident():
            crossing.send(event, wait=wait)
        else:
            self._block_on(self._transmit(event))

    async def _end(self, ending: Event) -> None:
        try:
            self._unblock()
            await super()._end(ending)
        finally:
            self._unblock()
            if self._thread is not None:
                pool.release(self._thread)
                self._thread = None

    def _unblock(self) -> None:
        """Let a thread go that still waits for a send: this connection has ended."""
        if (blocked := self._blocked) is not None:
            blocked.cancel()

    def _block_on(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it, from this consumer's thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._blocked = future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        else:
            coroutine.close()
            raise RuntimeError(
                f"{type(self).__qualname__} is a sync consumer: call its methods from its handlers, not from the loop"
            )
        try:
            return future.result()
        except futures.CancelledError:
            raise LinkLost("the connection ended before this was sent") from None
        finally:
            self._blocked = None


def _run_handler(call: Call, consumer: Consumer, event: Event) -> None:
    for hook in around_sync_handlers:
        hook()
    try:
        call(consumer, event)
    finally:
        for hook in around_sync_handlers:
            hook()
