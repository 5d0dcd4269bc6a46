"""The clock of a consumer: some work, again and again, for as long as it lives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger("edge.contrib.clock")


def start(seconds: float, work: Callable[[], Awaitable[None]], name: str) -> "asyncio.Task[None]":
    """Do the work every so many seconds, in a task that the caller cancels; what it raises is logged."""
    return asyncio.create_task(_run(seconds, work, name), name=f"edge-{name}")


async def _run(seconds: float, work: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:  # the fence: the next look must come, whatever a layer raised at this one
            logger.exception("%s: an error in its clock", name)
