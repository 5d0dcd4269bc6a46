"""A link and a session make an ASGI server: the one loop behind every serial protocol.

A read's bytes become events in the callback that brought them, and the events go straight into the mailbox that the app
reads: no task, no thread, no copy in between. When the mailbox is full the link is not read until there is room
(`edge.mailbox` says how long that may take), so the far side waits in its own buffer.

A session that speaks by itself (`transports.session.ActiveSession`) is asked after each call what it has to send and
when it wants to be called again: one timer, here. One that does not, pays for one comparison with None a read.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edge.asgi import App, Event, Scope
from edge.errors import LinkLost, LocalProtocolError, RemoteProtocolError
from edge.mailbox import DRAIN, Mailbox
from edge.registry import Device
from edge.spec import SPEC_VERSION, CloseCode
from transports.links import Link, open_link
from transports.session import ActiveSession, Session, as_active

logger = logging.getLogger("transports.stream")

GOODBYE = 8.0  # seconds that the app may take to end when it is told to, longer than all its own limits
CANCELLED = 1.0  # seconds more, once it was cancelled
ENTERING = 60.0  # seconds that a session may take to be ready; the longest recipe of a TNC takes ten
LEAVING = 4.0  # seconds that a session may take to leave; shorter than what the supervisor waits for a device
TICK_GAP = 0.01  # seconds between two ticks at least, should a deadline stay in the past
FAILED_TICK_GAP = 1.0  # the same after one that met a bug, for each is logged


class StreamServer:
    """The ASGI server of one device on one byte stream (`edge.registry.Server`)."""

    def __init__(self, device: Device, make_session: Callable[[], Session], *, baud: int) -> None:
        self.device = device
        self.make_session = make_session
        self.baud = baud
        self._connection: _Connection | None = None
        self._counted: Counter[str] = Counter()  # by the sessions of links that are gone

    async def serve(self, app: App, on_up: Callable[[], None]) -> None:
        """Open the link, call the app once, stay until the link is lost (`edge.registry.Server.serve`)."""
        connection = _Connection(self.make_session())
        connection.link = await open_link(self.device.link, connection, baud=self.baud)
        self._connection = connection
        try:
            await connection.enter()
            on_up()
            await self._run(app, connection)
            lost_reason = connection.lost_reason  # before we close it ourselves
        finally:
            await connection.close()
            self._counted.update(connection.counters())
            self._connection = None
        if lost_reason:
            raise LinkLost(lost_reason)

    def counters(self) -> Mapping[str, int]:
        """Return what the sessions counted and did not pass on, and what the app was too slow for."""
        now = self._connection.counters() if self._connection is not None else {}
        return {name: self._counted[name] + now.get(name, 0) for name in {**self._counted, **now}}

    async def _run(self, app: App, connection: "_Connection") -> None:
        """Run the app until it ends, closes, or the link is lost."""
        receive, send = connection.mailbox.receive, connection.send
        task = asyncio.ensure_future(app(self._scope(connection.session), receive, send))
        try:
            await asyncio.wait([task, connection.over], return_when=asyncio.FIRST_COMPLETED)
            connection.disconnect(CloseCode.LINK_LOST, connection.lost_reason)
            await asyncio.wait([task], timeout=DRAIN + GOODBYE)
        except asyncio.CancelledError:
            connection.disconnect(CloseCode.RESTART, "the box is stopping", drain=0)
            await asyncio.wait([task], timeout=GOODBYE)
            if error := _error_of(task):  # told here, for the cancellation must go on
                logger.exception("%s: the app failed while it was stopped", self.device.name, exc_info=error)
            raise
        finally:
            await _make_sure_of_end(task)
        if error := _error_of(task) or connection.failure:
            raise error

    def _scope(self, session: Session) -> Scope:
        return {
            "type": session.scope_type,
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "device": self.device.name,
            "link": self.device.shown_link,
            "state": self.device.state,
            **session.scope(),
        }


class _Connection:
    """One open link with its session: what the link gives goes in, what the app sends goes out."""

    def __init__(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        self.session = session
        self._receive_bytes = session.receive_bytes
        self.mailbox = Mailbox()
        self.link: Link
        self.over: asyncio.Future[None] = loop.create_future()  # lost, or closed by the app
        self.lost_reason = ""
        self.failure: RemoteProtocolError | None = None  # the peer broke a protocol that has state
        self.failed_reads = 0  # by a bug in the session, which never raises by its contract
        self._late: list[dict[str, Any]] = []  # events of one read that found no room; nothing is read meanwhile
        self._relief: asyncio.Task[None] | None = None
        active = as_active(session)
        self._active = None if active is None else _Active(self, active)
        # Before the link is open, for the first bytes may come with the same turn of the loop.
        self.mailbox.offer({"type": f"{session.scope_type}.connect"})

    def received(self, data: bytes) -> None:
        """Take what a read gave; `transports.links.Receiver`."""
        active = self._active
        if active is not None:
            active.begin()
        try:
            for event in self._receive_bytes(data, time.time()):  # as `hand_on` does, without another call
                if self._late or not self.mailbox.offer(event):
                    self._late.append(event)
        except RemoteProtocolError as error:
            self.fail(error)
        except Exception:  # the fence: a stranger's packet that meets a bug of ours must not take the link down
            self.failed_reads += 1
            logger.exception("%s: what was read could not be understood: %s", self.link.name, data.hex(" "))
        if self._late and self._relief is None:
            self._wait_for_room()
        if active is not None:
            active.go_on()

    def hand_on(self, events: Iterable[dict[str, Any]]) -> None:
        """Put events into the mailbox; where it is full, read nothing until there is room."""
        offer = self.mailbox.offer
        try:
            for event in events:
                if self._late or not offer(event):
                    self._late.append(event)
        finally:
            if self._late and self._relief is None:
                self._wait_for_room()

    def fail(self, error: RemoteProtocolError) -> None:
        """Drop a link whose far side broke the protocol."""
        self.failure = error
        self.link.abort(str(error))

    def lost(self, reason: str) -> None:
        """Take note that the link is gone; `transports.links.Receiver`."""
        if not self.over.done():
            self.lost_reason = f"{self.link.name}: {reason}"
            self.over.set_result(None)

    async def send(self, event: Event) -> None:
        """Send one event of the app: the ASGI ``send``."""
        type_, scope_type = event.get("type"), self.session.scope_type
        if self.over.done() and not self.lost_reason and type_ != f"{scope_type}.close":
            raise LocalProtocolError(f"{type_} came after the connection was closed")
        if type_ == f"{scope_type}.send":
            if self._active is not None:
                self._active.begin()
            self.link.write(self.session.send(event))
            if self._active is not None:
                self._active.go_on()
            await self.link.drain()
        elif type_ == f"{scope_type}.close":
            self.disconnect(event.get("code", CloseCode.NORMAL), event.get("reason", ""))
            if not self.over.done():
                self.over.set_result(None)
        else:
            raise LocalProtocolError(f"expected {scope_type}.send or {scope_type}.close; got {type_!r}")

    def disconnect(self, code: int, reason: str, *, drain: float = DRAIN) -> None:
        """Give the app its last event, once; what is said later changes nothing."""
        event = {"type": f"{self.session.scope_type}.disconnect", "code": int(code), "reason": reason}
        self.mailbox.close(event, drain=drain)
        if drain <= 0:
            self.mailbox.hurry()

    def counters(self) -> Mapping[str, int]:
        """Return the session's counters, and the events that the app was too slow for."""
        return {**self.session.counters(), "failed_reads": self.failed_reads, "dropped": self.mailbox.dropped}

    async def enter(self) -> None:
        """Let the session begin, and wait until it is ready; raises as `StreamServer.serve` does."""
        if self._active is None:
            return
        self._active.open()
        await asyncio.wait([self._active.ready, self.over], timeout=ENTERING, return_when=asyncio.FIRST_COMPLETED)
        if self.failure is not None:
            raise self.failure
        if self.over.done():
            raise LinkLost(self.lost_reason)
        if not self._active.ready.done():
            raise LinkLost(f"{self.link.name}: the device was not ready within {ENTERING:g} s")

    async def close(self) -> None:
        """Let the session take leave, and close the link."""
        try:
            if self._active is not None and not self.lost_reason and self.failure is None:
                await self._active.leave()
        finally:
            if self._relief is not None:
                self._relief.cancel()
            if self._active is not None:
                self._active.stop()
            await self.link.close()

    def _wait_for_room(self) -> None:
        if self.mailbox.closed:  # nobody is there any more; a session that takes leave still has to read
            self.mailbox.dropped += len(self._late)
            self._late.clear()
            return
        self.link.pause()
        self._relief = asyncio.create_task(self._relieve(), name="edge-stream-relief")

    async def _relieve(self) -> None:
        """Hand on what found no room, as the app makes some, and read again."""
        for event in self._late:
            await self.mailbox.put(event)
        self._late.clear()
        self._relief = None
        self.link.resume()


class _Active:
    """What a connection does for a session that speaks by itself: its clock, its timer, its own words."""

    def __init__(self, connection: _Connection, session: ActiveSession) -> None:
        self.connection = connection
        self.session = session
        self.loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self.finished: asyncio.Future[None] = self.loop.create_future()
        self._opened = False
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self._earliest = 0.0  # when the next tick may be
        self._writing: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Set the session's clock; before each call into it."""
        self.session.clock.now = self.loop.time()

    def go_on(self) -> None:
        """Write what the session has to say, look where it is, and set the timer; after each call into it."""
        session, link = self.session, self.connection.link
        if not self._opened or link.reason:
            return
        if not link.is_full:
            if data := session.data_to_send():
                self._write(data)
        elif self._writing is None:
            self._writing = asyncio.create_task(self._write_later(), name="edge-stream-write")
        if not self.ready.done() and session.ready:
            self.ready.set_result(None)
        if self._leaving and not self.finished.done() and session.finished:
            self.finished.set_result(None)
        self._set_timer(session.deadline())

    def open(self) -> None:
        """Tell the session that its link is up."""
        self._opened = True
        self.begin()
        self.session.opened()
        self.go_on()

    async def leave(self) -> None:
        """Let the session take leave, `LEAVING` seconds at most."""
        self._leaving = True
        self.begin()
        self.session.closing()
        self.go_on()
        await asyncio.wait(
            [self.finished, self.connection.link.gone], timeout=LEAVING, return_when=asyncio.FIRST_COMPLETED
        )

    def stop(self) -> None:
        """Call the session no more."""
        self._opened = False
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            self._writing.cancel()

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(LinkLost):  # `_Connection.lost` is told of it in any case
            self.connection.link.write(data)

    async def _write_later(self) -> None:
        """Go on once the far side takes bytes again; one that takes none is given up by `Link.drain`."""
        with contextlib.suppress(LinkLost):
            await self.connection.link.drain()
            self._writing = None
            self.begin()
            self.go_on()

    def _set_timer(self, deadline: float | None) -> None:
        """See to it that `_tick` comes by then. It may come earlier: deadlines mostly move on, with every read."""
        if deadline is None or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(max(deadline, self._earliest), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.begin()
        now, deadline = self.session.clock.now, self.session.deadline()
        if deadline is not None and deadline <= now:
            self._earliest = now + (TICK_GAP if self._tick_session() else FAILED_TICK_GAP)
        self.go_on()

    def _tick_session(self) -> bool:
        """Let the session do what is due; False where it met a bug."""
        connection = self.connection
        try:
            connection.hand_on(self.session.tick())
        except RemoteProtocolError as error:
            connection.fail(error)
        except Exception:  # the fence: as for what is read
            connection.failed_reads += 1
            logger.exception("%s: what was due could not be done", connection.link.name)
            return False
        return True


async def _make_sure_of_end(task: "asyncio.Future[None]") -> None:
    """Cancel an app that took longer than it may."""
    if task.done():
        return
    task.cancel()
    await asyncio.wait([task], timeout=CANCELLED)
    if not task.done():
        logger.error("an app does not end although it was cancelled; it was left behind")


def _error_of(task: "asyncio.Future[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
