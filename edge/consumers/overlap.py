"""Opt-in concurrency: handlers of one connection that may overlap. Without it they run strictly one after another.

    class Lookup(AsyncWebsocketConsumer):
        concurrency = 8            # every handler but connect() and disconnect()

    class Mixed(AsyncWebsocketConsumer):
        @concurrent                # this one only
        async def receive(self, text): ...

At the limit the next event waits until one has ended, which is the client's backpressure. They begin in order and may
end in any. An error of one is a handler error as any other: the connection ends. At the end of the connection, whoever
ends it, those that still run are cancelled, before ``disconnect`` is called.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

OVERLAPPING = 16  # handlers at once where `concurrent` alone says that they may

F = TypeVar("F", bound=Callable[..., Any])  # Any: a handler takes and returns what it likes


def concurrent(handler: F) -> F:
    """Let the runs of an async handler overlap, `OVERLAPPING` of them, or as many as the class's ``concurrency``."""
    handler.is_concurrent = True  # type: ignore[attr-defined]  # read by is_concurrent
    return handler


def is_concurrent(handler: object) -> bool:
    """Whether a handler was marked by `concurrent`, under whatever decorators."""
    while handler is not None:
        if getattr(handler, "is_concurrent", False):
            return True
        handler = getattr(handler, "__wrapped__", None)
    return False


class Overlap:
    """The handlers of one connection that run at once; ``failed`` is told of the first error."""

    def __init__(self, limit: int, failed: Callable[[Exception], None]) -> None:
        self._limit = limit
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, handling: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin one; wait for room first."""
        while len(self._tasks) >= self._limit:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._run(handling), name="edge-consumer-handler")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self, timeout: float) -> None:  # noqa: ASYNC109  (what does not end by then is left behind)
        """Cancel those that run, and wait for them a while."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def _run(self, handling: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await handling()
        except Exception as error:  # noqa: BLE001  (the consumer's own loop raises it)
            self._failed(error)
