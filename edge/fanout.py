"""One connection in, a copy of each route's app out: the fan-out over the routes of a device.

Each leg has its own task and mailbox, so a slow or failing consumer harms no other. A consumer that raises is started
anew, at once the first time and then with growing waits, and goes on with what its predecessor had not read; status says so
in plain words. Routes can be changed while the connection is up (`FanOut.update`): only the legs that differ are touched.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.asgi import App, Event, Receive, Scope, Send
from edge.mailbox import DRAIN, Mailbox
from edge.spec import CloseCode
from edge.status import RouteStatus

logger = logging.getLogger("edge.fanout")

FIRST_WAIT = 0.5  # seconds before a consumer that failed twice in a row is started anew; doubles
LONGEST_WAIT = 60.0  # seconds
STEADY = 60.0  # seconds without an error, after which the next counts as the first again
GOODBYE = 6.0  # seconds for all the legs to end, a little more than a consumer's own limit for disconnect()
MAX_LINGERING = 8  # consumers still busy with a link that is gone; the oldest is cancelled beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What one route wants: compared by value of ``key``."""

    key: object  # equal keys are the same leg
    app: App
    consumer: str  # for people
    match: str = ""
    wants: Callable[[Mapping[str, Any]], bool] | None = None  # None: every event
    scope: tuple[tuple[str, Any], ...] = ()  # added to the leg's scope
    first: tuple[Event, ...] = ()  # sent to the transport when the leg begins, as mqtt.subscribe
    last: tuple[Event, ...] = ()  # and when it ends
    problem: str = ""  # why it cannot run; then app is never called


class FanOut:
    """The ASGI app. One per device: it keeps the legs, and the legs' errors, from link to link."""

    def __init__(self, legs: tuple[Leg, ...] = ()) -> None:
        self.legs = legs
        self._runs: dict[object, _Run] = {}
        self._errors: dict[object, int] = {}
        self._lingering: list[asyncio.Task[None]] = []
        self._connection: tuple[Scope, Send] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, to its end."""
        ending: Event = {
            "type": f"{scope['type']}.disconnect",
            "code": int(CloseCode.RESTART),
            "reason": "the box is stopping",
        }
        self._connection = (scope, send)
        try:
            for leg in self.legs:
                self._start(leg, scope, send)
            while True:
                event = await receive()
                if event["type"].endswith(".disconnect"):
                    ending = event
                    return
                if not event["type"].endswith(".connect"):
                    await self._deliver(event)
        finally:
            self._connection = None
            await self._finish(ending)

    def update(self, legs: tuple[Leg, ...]) -> None:
        """Take other legs: what is equal is not touched, what is gone is told goodbye, what is new begins."""
        self.legs = legs
        wanted = {leg.key for leg in legs}
        for key in [key for key in self._runs if key not in wanted]:
            run = self._runs.pop(key)
            run.close(_disconnect(run.scope, CloseCode.GOING_AWAY, "the route was taken out"))
            self._linger(run.task)
        if self._connection is not None:
            for leg in legs:
                if leg.key not in self._runs:
                    self._start(leg, *self._connection)

    def status(self) -> tuple[RouteStatus, ...]:
        """Return each leg's state, in the order of the routes."""
        return tuple(self._status_of(leg) for leg in self.legs if leg.consumer)

    async def stop(self) -> None:
        """Cancel what still lingers from links that are gone."""
        for task in self._lingering:
            task.cancel()
        if self._lingering:
            await asyncio.wait(self._lingering, timeout=GOODBYE)

    def _status_of(self, leg: Leg) -> RouteStatus:
        run = self._runs.get(leg.key)
        return RouteStatus(
            consumer=leg.consumer,
            match=leg.match,
            text=leg.problem or (run.text() if run else "waits for the link"),
            waiting=len(run.mailbox) if run else 0,
            dropped=run.mailbox.dropped if run else 0,
            errors=self._errors.get(leg.key, 0),
        )

    def _start(self, leg: Leg, scope: Scope, send: Send) -> None:
        if not leg.problem:
            self._runs[leg.key] = _Run(leg, scope, send, self._count_error)

    def _count_error(self, key: object) -> int:
        self._errors[key] = self._errors.get(key, 0) + 1
        return self._errors[key]

    async def _deliver(self, event: Event) -> None:
        late: list[_Run] = []
        for run in self._runs.values():
            if (run.wants is None or run.wants(event)) and not run.mailbox.offer(dict(event)):
                late.append(run)
        if late:
            await asyncio.gather(*(run.mailbox.put(dict(event)) for run in late if not run.mailbox.closed))

    async def _finish(self, ending: Event) -> None:
        runs, self._runs = list(self._runs.values()), {}
        stopping = ending["code"] == CloseCode.RESTART
        for run in runs:
            run.close(dict(ending), drain=0 if stopping else DRAIN)
        tasks = [run.task for run in runs]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GOODBYE if stopping else DRAIN)
            for task in late:
                self._linger(task)

    def _linger(self, task: asyncio.Task[None]) -> None:
        """Keep a consumer that is still busy: it ends by itself, with its disconnect(), when its handler returns."""
        self._lingering = [other for other in self._lingering if not other.done()]
        self._lingering.append(task)
        while len(self._lingering) > MAX_LINGERING:
            self._lingering.pop(0).cancel()


class _Run:
    """One leg on one connection."""

    def __init__(self, leg: Leg, scope: Scope, send: Send, count_error: Callable[[object], int]) -> None:
        self.leg = leg
        self.wants = leg.wants
        self.scope: Scope = {**scope, **dict(leg.scope)}
        self.mailbox = Mailbox()
        self._send = send
        self._count_error = count_error
        self._failure = ""
        self._ended = ""
        self.mailbox.offer({"type": f"{scope['type']}.connect"})
        self.task = asyncio.create_task(self._run(), name=f"edge-leg-{scope.get('device', '')}-{leg.consumer}")

    def text(self) -> str:
        if self._ended or self._failure:
            return self._ended or self._failure
        if self.mailbox.stuck:
            return f"too slow: {len(self.mailbox)} events wait, {self.mailbox.dropped} were dropped"
        return "running"

    def close(self, ending: Event, *, drain: float = DRAIN) -> None:
        self.mailbox.close(ending, drain=drain)

    async def send(self, event: Event) -> None:
        """Pass on what the consumer sends; its ``close`` closes this leg, not the device."""
        if event["type"].endswith(".close"):
            self.close(_disconnect(self.scope, event.get("code", CloseCode.NORMAL), event.get("reason", "")))
        else:
            await self._send(event)

    async def _run(self) -> None:
        try:
            for event in self.leg.first:
                await self._send(dict(event))
            await self._keep_running()
            for event in self.leg.last if self.mailbox.closed else ():
                await self._send(dict(event))
        except OSError:
            logger.debug("%s: the link went while a leg began or ended", self.scope.get("device", ""))

    async def _keep_running(self) -> None:
        failures, failed_at = 0, 0.0
        while True:
            started = time.monotonic()
            try:
                await self.leg.app(dict(self.scope), self.mailbox.receive, self.send)
            except Exception as error:  # noqa: BLE001  (the fence: whatever a consumer raises stays in its leg)
                failures = 1 if started - failed_at > STEADY else failures + 1
                failed_at = time.monotonic()
                wait = 0.0 if failures == 1 else min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 2, 16))
                self._report(error, wait)
            else:
                self._ended = "" if self.mailbox.closed else "ended by itself"
                return
            if self.mailbox.closed:
                return
            await asyncio.sleep(wait)
            self.mailbox.begin_again({"type": f"{self.scope['type']}.connect"})

    def _report(self, error: Exception, wait: float) -> None:
        count = self._count_error(self.leg.key)
        again = f"starts again in {wait:.0f} s" if wait >= 1 else "was started again"
        what = f"{type(error).__name__}: {error}"[:200]
        at = time.strftime("%H:%M:%S", time.gmtime())
        self._failure = f"raised {what} (at {at} UTC, {count} in all); {again}"
        logger.error("%s: %s raised; it %s", self.scope.get("device", ""), self.leg.consumer, again, exc_info=error)


def _disconnect(scope: Scope, code: int, reason: str) -> Event:
    return {"type": f"{scope['type']}.disconnect", "code": int(code), "reason": reason}
