"""A channel layer for code that cannot await: threads, Django's views, management commands.

    from edge.layers import get_channel_layer, sync_facade

    sync_facade(get_channel_layer()).group_send("room", {"type": "chat.message", "text": "hello"})

**Where it runs.** A layer belongs to the loop it was first used on: there its queues and its connections are. A call is
posted to that loop while it runs, so a view's thread, a sync consumer's or one of your own reaches the consumers of
this process. Where no loop runs the layer (a command, a Celery task, a view under WSGI) the calls of all facades share
one loop in a thread of their own, which stays: connections to a server are kept from one call to the next, and no
call ends with "Event loop is closed". A fork gets a thread of its own.

**What is refused.** A call on a loop would block it, and perhaps wait for itself: RuntimeError, which says what to
await. A call that the layer does not answer in time is TimeoutError, and is given up.
"""

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent import futures
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

TIMEOUT = 10.0  # seconds; a layer answers in milliseconds, unless what it talks to is away
JOIN = 2.0  # seconds that the thread has to end when the process does

T = TypeVar("T")


class SyncLayer:
    """The methods of a layer as plain functions; made by `sync_facade`. ``layer`` is the layer itself."""

    def __init__(self, layer: Any, timeout: float = TIMEOUT) -> None:  # Any: a third party's layer may have any shape
        self.layer = layer
        self.timeout = timeout

    def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send to one channel; raises `edge.exceptions.ChannelFull` at its capacity."""
        self.call("send", channel, message)

    def receive(self, channel: str, timeout: float | None = None) -> dict[str, Any]:
        """Wait for the next message of a channel, for ``timeout`` seconds (None: the facade's); then TimeoutError."""
        message: dict[str, Any] = self.call("receive", channel, timeout=timeout)
        return message

    def new_channel(self, *prefix: str) -> str:
        """Return a new name."""
        name: str = self.call("new_channel", *prefix)
        return name

    def group_add(self, group: str, channel: str) -> None:
        """Join."""
        self.call("group_add", group, channel)

    def group_discard(self, group: str, channel: str) -> None:
        """Leave."""
        self.call("group_discard", group, channel)

    def group_send(self, group: str, message: dict[str, Any]) -> Any:
        """Send to every member; returns what the layer does: a `Receipt` of ours, None of Channels'."""
        return self.call("group_send", group, message)

    def group_members(self, group: str) -> list[str]:
        """Return the channels in a group: of layers with the ``presence`` extension."""
        members: list[str] = self.call("group_members", group)
        return members

    def group_count(self, group: str) -> int:
        """Return how many channels are in a group: of layers with the ``presence`` extension."""
        count: int = self.call("group_count", group)
        return count

    def flush(self) -> None:
        """Forget every group and every waiting message."""
        self.call("flush")

    def call(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call any async method of the layer, on the loop that it belongs to, and wait for what it returns."""
        here = asyncio._get_running_loop()  # noqa: SLF001  (get_running_loop raises, which costs more)
        if here is not None:
            raise RuntimeError(
                f"{method}() of a sync facade would block the event loop that runs here; "
                f"await {method}() of the layer itself"
            )

        async def work() -> Any:
            return await getattr(self.layer, method)(*arguments)  # looked up here: some layers need a loop for it

        return _run_on(loop_of(self.layer), work, method, self.timeout if timeout is None else timeout)


class _Thread:
    """A loop that runs in a thread of its own, for the layers that no other loop runs."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.process = os.getpid()
        self._thread = threading.Thread(target=self.loop.run_forever, name="edge-layers-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the loop; what layers hang on its closing (channels_redis does) is done then."""
        if self.process != os.getpid() or self.loop.is_closed():
            return
        if asyncio.all_tasks(self.loop):
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(_end_tasks(), self.loop).result(JOIN)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(JOIN)
        if not self.loop.is_running():
            self.loop.close()


async def _end_tasks() -> None:
    """Let what layers run in the background end: a connection that is kept says good-bye."""
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


_lock = threading.Lock()
_homes: "WeakKeyDictionary[Any, asyncio.AbstractEventLoop]" = WeakKeyDictionary()
_own: _Thread | None = None


def sync_facade(layer: Any, timeout: float = TIMEOUT) -> SyncLayer:  # Any: a third party's layer may have any shape
    """Return the plain functions of a layer, whoever made it; None is a ValueError."""
    if layer is None:
        raise ValueError("there is no channel layer: CHANNEL_LAYERS has none of this alias")
    settle(layer)
    return SyncLayer(layer, timeout)


def settle(layer: Any) -> None:  # Any: as above
    """Note that a layer is used on the loop that runs here, if one does; the first that runs keeps it."""
    here = asyncio._get_running_loop()  # noqa: SLF001  (as above)
    if here is None or (known := _homes.get(layer)) is here:
        return
    with _lock:
        known = _homes.get(layer)
        if known is None or not known.is_running() or (_own is not None and known is _own.loop):
            _homes[layer] = here


def loop_of(layer: Any) -> asyncio.AbstractEventLoop:  # Any: as above
    """Return the loop that runs a layer; the facades' own where none does."""
    global _own  # noqa: PLW0603  (one thread a process, started by the first who needs it)
    home = _homes.get(layer)
    if home is not None and home.is_running():
        return home
    with _lock:
        if _own is None or _own.process != os.getpid() or _own.loop.is_closed():
            _own = _Thread()
            atexit.register(_own.stop)
        return _own.loop


def _run_on(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, T]], method: str, timeout: float
) -> T:
    coroutine = work()
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError as error:  # it was closed just now
        coroutine.close()
        raise RuntimeError(f"{method}(): the event loop of the channel layer has ended") from error
    try:
        return future.result(timeout)
    except futures.CancelledError:
        raise RuntimeError(f"{method}() was cut off: the event loop of the channel layer is ending") from None
    except TimeoutError:
        if future.done():
            raise  # the layer's own
        future.cancel()
        raise TimeoutError(f"{method}(): the channel layer gave no answer within {timeout:g} s") from None
