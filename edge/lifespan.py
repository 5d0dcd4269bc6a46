"""What apps do when their server starts and stops, and what they keep for all connections (ASGI, "Lifespan Protocol").

    async def open_pool(state):
        state["pool"] = await make_pool()

    async def close_pool(state):
        await state["pool"].close()

    application = Lifespan(ProtocolTypeRouter({…}), on_start=[open_pool], on_stop=[close_pool])

What a hook puts into ``state`` is in ``scope["state"]`` of every later connection. A `Lifespan` stands in front of the
whole application, or without an app of its own in a router, as ``ProtocolTypeRouter({…, "lifespan": Lifespan(…)})``.

`running` is the other side: it plays the server for an app that is run inside another program.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async

from edge.asgi import App, Event, Receive, Scope, Send
from edge.errors import ConfigError

__all__ = ["Lifespan", "running"]

logger = logging.getLogger("edge.lifespan")

STOP_TIMEOUT = 5.0  # seconds that each stop hook has, and each joined app

State = dict[str, Any]  # Any: an app's own things
# Any: what a hook returns is of no interest. It takes the state, or nothing.
Hook = Callable[[State], Any] | Callable[[], Any]
_Step = Callable[[State], Coroutine[Any, Any, None]]


class Lifespan:
    """An ASGI app that runs hooks when its server starts and stops.

    ``on_start`` hooks run first, in order; then those of ``app``, if it has a lifespan of its own, and of every app in
    ``join``, which must have one. At the end all that were started stop in the reverse order; the ``on_stop`` hooks of
    one `Lifespan` in the order given. A hook takes the state or nothing; a plain function runs in a thread.

    **Where a start hook fails** the server is told its name and its error, and stops; apps that had started are stopped
    first, and the ``on_stop`` hooks of this one are not run. **A stop hook that fails**, or takes more than
    ``stop_timeout`` seconds, keeps no other from running.
    """

    def __init__(
        self,
        app: App | None = None,
        on_start: Iterable[Hook] = (),
        on_stop: Iterable[Hook] = (),
        *,
        join: Iterable[App] = (),
        stop_timeout: float = STOP_TIMEOUT,
    ) -> None:
        self.app = app
        self.join = list(join)
        self.stop_timeout = stop_timeout
        self.state: State = {}
        self._on_start = [(_name(hook), _step(hook)) for hook in on_start]
        self._on_stop = [(_name(hook), _step(hook)) for hook in on_stop]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Live through the server's lifespan, or serve a connection with the state in its scope."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self.app is None:
            raise ValueError(f"this Lifespan has no app; it was given a scope of type {scope['type']!r}")
        else:
            # A server that knows the state has copied it already. For one that does not, and for our own transports.
            await self.app({**scope, "state": self.state | scope.get("state", {})}, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: State = scope.setdefault("state", {})
        await receive()
        problems: list[str] = []
        async with AsyncExitStack() as started:
            try:
                await self._start(state, started, problems)
            except Exception as error:
                logger.exception("the start failed")
                await started.aclose()
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            self.state = state
            await send({"type": "lifespan.startup.complete"})
            await receive()
        if problems:
            await send({"type": "lifespan.shutdown.failed", "message": "; ".join(problems)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, state: State, started: AsyncExitStack, problems: list[str]) -> None:
        for name, step in self._on_start:
            try:
                await step(state)
            except Exception as error:
                raise ConfigError(f"{name} failed at the start: {type(error).__name__}: {error}") from error
        for name, step in reversed(self._on_stop):
            started.push_async_callback(self._stop, name, step, state, problems)
        if self.app is not None:
            await started.enter_async_context(running(self.app, state, required=False, stop_timeout=self.stop_timeout))
        for app in self.join:
            await started.enter_async_context(running(app, state, stop_timeout=self.stop_timeout))

    async def _stop(self, name: str, step: _Step, state: State, problems: list[str]) -> None:
        try:
            async with asyncio.timeout(self.stop_timeout) as limit:
                await step(state)
        except TimeoutError:
            spent = f" within {self.stop_timeout:g} s" if limit.expired() else ""
            logger.exception("%s did not stop%s", name, spent)
            problems.append(f"{name} did not stop{spent}")
        except Exception as error:
            logger.exception("%s failed at the stop", name)
            problems.append(f"{name} failed at the stop: {type(error).__name__}: {error}")


@asynccontextmanager
async def running(
    app: App, state: State | None = None, *, required: bool = True, stop_timeout: float = STOP_TIMEOUT
) -> AsyncIterator[State]:
    """Start an app by its lifespan, and stop it at the end.

        async with running(app) as state: …

    ConfigError where it says that it failed, and where it has no lifespan, unless that is not ``required``. One that
    does not stop in time is cancelled.
    """
    state = {} if state is None else state
    side = _ServerSide(app, state)
    try:
        if not await side.start(required=required):
            yield state
            return
        try:
            yield state
        finally:
            await side.stop(stop_timeout)
    finally:
        await side.end()


class _ServerSide:
    """What a server says to one app, and hears from it."""

    def __init__(self, app: App, state: State) -> None:
        self._said: asyncio.Queue[Event] = asyncio.Queue()
        self._heard: asyncio.Queue[Event] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self._task = asyncio.create_task(self._run(app, scope), name="lifespan")

    async def _run(self, app: App, scope: Scope) -> None:
        await app(scope, self._said.get, self._heard.put)

    async def start(self, *, required: bool) -> bool:
        """Tell whether the app has started; False for one that knows no lifespan."""
        answer = await self._ask("lifespan.startup")
        if answer is None:
            error = None if self._task.cancelled() else self._task.exception()
            reason = f"it has no lifespan: {type(error).__name__}: {error}" if error else "it has no lifespan"
            if required:
                raise ConfigError(f"the app could not be started: {reason}") from error
            logger.debug("an app is not started: %s", reason)
            return False
        if answer["type"] == "lifespan.startup.failed":
            raise ConfigError(answer.get("message") or "the app failed at the start, and said no more")
        return True

    async def stop(self, limit: float) -> None:
        """Tell the app to stop, and wait for that as long as the limit allows."""
        try:
            async with asyncio.timeout(limit):
                answer = await self._ask("lifespan.shutdown")
        except TimeoutError:
            logger.warning("an app did not stop within %g s", limit)
            return
        if answer is None:
            error = None if self._task.cancelled() else self._task.exception()
            logger.error("an app's lifespan had ended before it was told to stop", exc_info=error)
        elif answer["type"] == "lifespan.shutdown.failed":
            logger.error("an app failed at the stop: %s", answer.get("message") or "it said no more")

    async def end(self) -> None:
        """Let nothing run on; an app that has said its last word may take a turn of the loop to return."""
        await asyncio.wait({self._task}, timeout=0.1)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=STOP_TIMEOUT)
        if self._task.done() and not self._task.cancelled():
            self._task.exception()  # which has been told, or came after the last word

    async def _ask(self, type_: str) -> Event | None:
        self._said.put_nowait({"type": type_})
        hearing = asyncio.create_task(self._heard.get(), name="lifespan answer")
        try:
            await asyncio.wait({hearing, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                return hearing.result()
        finally:
            hearing.cancel()
        return None if self._heard.empty() else self._heard.get_nowait()


def _step(hook: Hook) -> _Step:
    parameters = [
        parameter
        for parameter in inspect.signature(hook).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
    if len(needed) > 1:
        raise TypeError(f"{_name(hook)} takes {len(needed)} arguments; a hook takes the state, or nothing")

    async def step(state: State) -> None:
        arguments = (state,) if parameters else ()
        call: Any = hook if iscoroutinefunction(hook) else sync_to_async(hook)  # Any: either form of Hook
        result = await call(*arguments)
        if inspect.isawaitable(result):  # of a plain function that hands on a coroutine
            await result

    return step


def _name(hook: Hook) -> str:
    return f"{getattr(hook, '__module__', '')}.{getattr(hook, '__qualname__', repr(hook))}".lstrip(".")
