"""One connection in, a copy of each route's app out: the fan-out over the routes of a device.

Each leg has its own task and mailbox, so a slow or failing consumer harms no other. A consumer that raises is started
anew, at once the first time and then with growing waits, and goes on with what its predecessor had not read; status
says so in plain words. One that ends or closes itself stays away until the next link. Routes can be changed while the
connection is up (`FanOut.update`): only the legs that differ are touched.

Each leg is given its own copy of an event's top level; the lists and dictionaries below it are shared, and not to be
changed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.asgi import App, Event, Receive, Scope, Send
from edge.drops import DropLog
from edge.errors import EdgeError, LinkLost
from edge.mailbox import DRAIN, Mailbox
from edge.receipts import Acknowledged, copy_of
from edge.spec import CloseCode
from edge.status import Faults, RouteStatus

logger = logging.getLogger("edge.fanout")

FIRST_WAIT = 0.5  # seconds before a consumer that failed twice in a row is started anew; doubles
LONGEST_WAIT = 60.0  # seconds
STEADY = 60.0  # seconds that a consumer ran without an error, after which the next counts as the first again
GOODBYE = 6.0  # seconds for all the legs to end, a little more than a consumer's own limit for disconnect()
CANCELLED = 1.5  # seconds for those that were cancelled because even that was too short
MAX_LINGERING = 8  # consumers still busy with a link that is gone; the oldest is cancelled beyond


class Watch(Protocol):
    """What a leg remembers of what it subscribed to, for one connection (`edge.topic_legs.Watch`)."""

    def begin(self) -> Sequence[Event]:
        """Return what is to be sent when the leg begins."""

    def end(self) -> Sequence[Event]:
        """Return what is to be sent when it ends."""

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event is for it."""

    def adapt(self, event: Event) -> None:
        """Make its copy of an event its own."""

    def outgoing(self, event: Event) -> Event:
        """Take note of what its consumer is about to send; return what is to be sent."""

    def refused(self, event: Event) -> None:
        """Take note that this could not be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What one route wants: compared by value of ``key``."""

    key: object  # equal keys are the same leg, and run once
    app: App
    consumer: str  # for people
    match: str = ""
    hears: bool = True  # False: it is given its connect and its disconnect, and no other event
    wants: Callable[[Mapping[str, Any]], bool] | None = None  # None: every event
    scope: tuple[tuple[str, Any], ...] = ()  # added to the leg's scope
    first: tuple[Event, ...] = ()  # sent to the transport when the leg begins
    last: tuple[Event, ...] = ()  # and when it ends
    watch: Callable[[], Watch] | None = None  # for each connection anew; says more of wants, first and last
    problem: str = ""  # why it cannot run; then app is never called


@dataclass(slots=True)
class _Record:
    """What is remembered of a leg from link to link."""

    faults: Faults = field(default_factory=Faults)
    dropped: int = 0  # by the mailboxes of links that are gone


class FanOut:
    """The ASGI app. One per device: it keeps the legs, and what they did, from link to link.

    ``heard`` is told of each event but connect and disconnect; it must neither block, nor raise, nor change it.
    ``farewell`` is the code and reason that the legs are told when the connection is cancelled: only the one who
    cancels knows whether the device was taken out or the box stops.
    """

    def __init__(self, legs: tuple[Leg, ...] = (), heard: Callable[[Event], None] | None = None) -> None:
        self.legs = legs
        self._heard = heard
        self.farewell: tuple[int, str] = (CloseCode.RESTART, "the box is stopping")
        self._runs: dict[object, Run] = {}
        self._hearers: tuple[Run, ...] = ()  # those of them that are given what is heard
        self._records: dict[object, _Record] = {}
        self._lingering: list[asyncio.Task[None]] = []
        self._connection: tuple[Scope, Send] | None = None
        self._drops = DropLog(logger, "a device")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, to its end."""
        ending: Event = {"code": int(CloseCode.RESTART)}
        self._connection = (scope, send)
        self._drops.dropper = scope.get("device", "") or "a device"
        if (mailbox := Mailbox.behind(receive)) is not None:
            mailbox.hand_on = self._take
        try:
            for leg in self.legs:
                self._start(leg, scope, send)
            while True:
                event = await receive()
                if event["type"].endswith(".disconnect"):
                    ending = event
                    return
                if not event["type"].endswith(".connect"):
                    if self._heard is not None:
                        self._heard(event)
                    await self._deliver(event)
        finally:
            self._connection = None
            await self._finish(scope, ending)

    def _take(self, event: Event) -> bool:
        """Hand an event to the legs at once; False where one of them has no room. The mailbox's `hand_on`."""
        hearers = self._hearers  # a handler may begin at once, and change what runs
        if len(hearers) == 1 and type(event) is dict:  # the usual case, without a call that is not needed
            run = hearers[0]
            copied = event.copy() if run.takes_all else run.copy(event)
            if copied is not None and not run.mailbox.offer(copied) and not run.mailbox.closed:
                return False
        elif not all(run.mailbox.has_room for run in hearers):
            return False
        else:
            self._hand_to(hearers, event)
        if self._heard is not None:
            self._heard(event)
        return True

    @staticmethod
    def _hand_to(hearers: "Sequence[Run]", event: Event) -> None:
        """Give each of them its copy; all of them have room."""
        if type(event) is Acknowledged:
            event.receipt.hold()  # until each of them has it
        for run in hearers:
            if (copied := run.copy(event)) is not None:
                run.mailbox.offer(copied)
        if type(event) is Acknowledged:
            event.receipt.release()

    def update(self, legs: tuple[Leg, ...]) -> None:
        """Take other legs: what is equal is not touched, what is gone is told goodbye, what is new begins."""
        before = {leg.key: leg for leg in self.legs}
        self.legs = tuple(before.get(leg.key, leg) for leg in legs)
        wanted = {leg.key for leg in legs}
        for key in [key for key in self._runs if key not in wanted]:
            run = self._runs.pop(key)
            self._hearers = tuple(other for other in self._hearers if other is not run)
            run.close(CloseCode.GOING_AWAY, "the route was taken out")
            self._linger(run.task)
        for key in [key for key in self._records if key not in wanted]:
            del self._records[key]
        if self._connection is not None:
            for leg in self.legs:
                self._start(leg, *self._connection)

    def call(self, event: Event, *, own: str) -> str:
        """Hand a request for a connection to the route that calls as ``callsign``; say why there is none, or nothing.

        ``own`` is the device's callsign, which a route has that sets none of its own.
        """
        callsign = event["callsign"]
        for run in self._runs.values():
            line: str | None = getattr(run.leg.app, "callsign", None)
            if line is not None and (line or own).upper() == callsign and not run.mailbox.closed:
                return "" if run.mailbox.push(event) else f"the route of {callsign} is too busy to call"
        return f"no route of this device carries connections as {callsign or 'a station without a callsign'}"

    def status(self) -> tuple[RouteStatus, ...]:
        """Return each leg's state, in the order of the routes; from any thread."""
        return tuple(self._status_of(leg) for leg in self.legs if leg.consumer)

    async def stop(self) -> None:
        """Cancel what still lingers from links that are gone, and wait a moment for it."""
        for task in self._lingering:
            task.cancel()
        if self._lingering:
            await asyncio.wait(self._lingering, timeout=CANCELLED)

    def _status_of(self, leg: Leg) -> RouteStatus:
        run, record = self._runs.get(leg.key), self._records.get(leg.key, _Record())
        within: Faults = getattr(leg.app, "faults", Faults())  # of dialogues, which fail each by itself
        own: Callable[[], str] = getattr(leg.app, "status_text", str)  # what an app has to say for itself
        return RouteStatus(
            consumer=leg.consumer,
            match=leg.match,
            text=leg.problem or (run.text() or within.recent() or own() or "running" if run else "waits for the link"),
            waiting=len(run.mailbox) if run else 0,
            dropped=record.dropped + (run.mailbox.dropped + run.mailbox.given_up if run else 0),
            errors=record.faults.count + within.count,
        )

    def _start(self, leg: Leg, scope: Scope, send: Send) -> None:
        if not leg.problem and leg.key not in self._runs:
            record = self._records.setdefault(leg.key, _Record())
            run = self._runs[leg.key] = Run(leg, scope, send, record.faults)
            if leg.hears:
                self._hearers += (run,)

    async def _deliver(self, event: Event) -> None:
        late = [
            (run, copy)
            for run in self._hearers
            if (copy := run.copy(event)) is not None and not (run.mailbox.offer(copy) or run.mailbox.closed)
        ]
        if late:
            taken = await asyncio.gather(*(run.mailbox.put(copy) for run, copy in late))
            for run in [run for (run, _), was_taken in zip(late, taken, strict=True) if not was_taken]:
                self._drops.count(1, run.leg.consumer)

    async def _finish(self, scope: Scope, ending: Event) -> None:
        """Tell every leg goodbye and wait for it; who is still busy then lingers."""
        stopping = ending["code"] == CloseCode.RESTART
        code, reason = self.farewell if stopping else (ending["code"], ending.get("reason", ""))
        runs, self._runs, self._hearers = self._runs, {}, ()
        for run in runs.values():
            run.close(code, reason, drain=0 if stopping else DRAIN, link_stays=False)
        tasks = [run.task for run in runs.values()]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=GOODBYE if stopping else DRAIN)
        finally:
            for key, run in runs.items():
                # What is unread now stays unread: the goodbye overtakes it.
                self._records.setdefault(key, _Record()).dropped += _lost_by(run.mailbox)
                if not run.task.done():
                    logger.info("%s: %s is still busy", scope.get("device", ""), run.leg.consumer)
                    self._linger(run.task)

    def _linger(self, task: asyncio.Task[None]) -> None:
        """Keep a consumer that is still busy: it ends by itself, with its disconnect(), when its handler returns."""
        self._lingering = [other for other in self._lingering if not other.done()]
        self._lingering.append(task)
        while len(self._lingering) > MAX_LINGERING:
            self._lingering.pop(0).cancel()


class Run:
    """One leg on one connection: its mailbox, and its app in a task that starts it anew where it raises."""

    def __init__(self, leg: Leg, scope: Scope, send: Send, faults: Faults) -> None:
        self.leg = leg
        self.scope: Scope = {**scope, **dict(leg.scope)}
        self.device: str = scope.get("device", "")
        self.mailbox = Mailbox()
        self._send = send
        self._wants = leg.wants
        self._watch = leg.watch() if leg.watch is not None else None
        self.takes_all = self._wants is None and self._watch is None
        self._faults = faults
        self._next = ""  # what follows the latest fault, in words
        self._ended = ""  # why it does not run although the link is up
        self._closed = asyncio.Event()
        self._link_stays = True
        self._link_went = False  # a send of ours said so; its end follows
        self.mailbox.offer(self._connect())
        self.task = asyncio.create_task(self._run(), name=f"edge-leg-{self.device}-{leg.consumer}")

    def copy(self, event: Event) -> Event | None:
        """Return this leg's own copy of an event, with its receipt where it has one; None where it is not for it."""
        if self._wants is not None and not self._wants(event):
            return None
        if self._watch is None:
            return copy_of(event)
        if not self._watch.takes(event):
            return None
        copied = copy_of(event)
        self._watch.adapt(copied)
        return copied

    def text(self) -> str:
        """Say what is wrong, or nothing."""
        if self._ended:
            return self._ended
        if fault := self._faults.recent():
            return f"{fault}; {self._next}" if self._next else fault
        if self.mailbox.stuck:
            return f"too slow: {len(self.mailbox)} events wait, {self.mailbox.dropped} were dropped"
        return ""

    def close(self, code: int, reason: str, *, drain: float = DRAIN, link_stays: bool = True) -> None:
        """Give the consumer its last event; where the link stays, `Leg.last` is sent once the consumer has ended."""
        self._link_stays = link_stays
        type_ = f"{self.scope['type']}.disconnect"
        self.mailbox.close({"type": type_, "code": int(code), "reason": reason}, drain=drain)
        self._closed.set()

    async def send(self, event: Event) -> None:
        """Pass on what the consumer sends; its ``close`` closes this leg, not the device."""
        if not event["type"].endswith(".close"):
            try:
                await (self._send(event) if self._watch is None else self._send_watched(self._watch, event))
            except LinkLost:
                self._link_went = True
                raise
        elif not self.mailbox.closed:
            code, reason = int(event.get("code", CloseCode.NORMAL)), event.get("reason", "")
            self._ended = f"closed itself ({code}{f', {reason}' if reason else ''}); begins again with the next link"
            self.close(code, reason)

    async def _send_watched(self, watch: Watch, event: Event) -> None:
        outgoing = watch.outgoing(event)
        try:
            await self._send(outgoing)
        except BaseException:
            watch.refused(outgoing)
            raise

    async def _run(self) -> None:
        watch = self._watch
        if not await self._send_each((*self.leg.first, *(watch.begin() if watch else ()))):
            return
        try:
            await self._keep_running()
            if not self.mailbox.closed:
                self.close(CloseCode.NORMAL, "")  # nothing is read any more, so nothing may pile up
        finally:
            if self._link_stays:
                self.mailbox.abandon()
        if self._link_stays:
            await self._send_each((*self.leg.last, *(watch.end() if watch else ())))

    async def _send_each(self, events: Sequence[Event]) -> bool:
        """Send what the leg itself has to say; False where that could not be."""
        try:
            for event in events:
                await self._send(dict(event))
        except LinkLost:
            logger.debug("%s: the link went while %s began or ended", self.device, self.leg.consumer)
            return False
        except EdgeError as error:
            self._ended = f"cannot run: {error}"
            self.close(CloseCode.NORMAL, "")
            logger.error("%s: %s cannot run: %s", self.device, self.leg.consumer, error)  # noqa: TRY400  (words suffice)
            return False
        return True

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            started = time.monotonic()
            error = await self._call_app()
            if error is None or self.mailbox.closed:
                return
            failures = 1 if time.monotonic() - started >= STEADY else failures + 1
            if await self._closed_within(restart_wait(failures)):
                return
            self._next = "was started again"
            self.mailbox.begin_again(self._connect())

    async def _call_app(self) -> BaseException | None:
        """Call the consumer until it ends; return what it raised."""
        try:
            await self.leg.app(dict(self.scope), self.mailbox.receive, self.send)
        except (Exception, SystemExit) as error:  # the fence: whatever a consumer raises stays in its leg
            # Of another device's link it is an error as any other: this one is up, and what it hears goes on.
            if isinstance(error, LinkLost) and (self._link_went or self.mailbox.closed):
                self._ended = f"ended, for {error}; begins again with the next link"
                return None
            self._faults.add(error)
            logger.exception("%s: %s raised", self.device, self.leg.consumer)
            return error
        if not self.mailbox.closed:
            self._ended = "ended by itself; begins again with the next link"
        return None

    async def _closed_within(self, seconds: float) -> bool:
        """Wait before the consumer is started anew; True where the connection went meanwhile."""
        self._next = f"starts again in {seconds:g} s"
        try:
            async with asyncio.timeout(seconds):
                return await self._closed.wait()
        except TimeoutError:
            return False

    def _connect(self) -> Event:
        return {"type": f"{self.scope['type']}.connect"}


def _lost_by(mailbox: Mailbox) -> int:
    """Count what its reader did not or could not handle. What a broker was not told of yet comes again."""
    return mailbox.dropped + mailbox.given_up + len(mailbox)


def restart_wait(failures: int) -> float:
    """Return the seconds before a consumer that failed so often in a row is started anew: none the first time."""
    return 0.0 if failures <= 1 else min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 2, 16))
