"""A link and a session make an ASGI server: the one loop behind every serial protocol.

A read's bytes become events in the callback that brought them, and the events go straight into the mailbox that the app
reads: no task, no thread, no copy in between. When the mailbox is full the link is not read until there is room
(`edge.mailbox` says how long that may take), so the far side waits in its own buffer.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from edge.asgi import App, Event, Scope
from edge.errors import LinkLost, LocalProtocolError, RemoteProtocolError
from edge.mailbox import DRAIN, Mailbox
from edge.registry import Device
from edge.spec import SPEC_VERSION, CloseCode
from transports.links import Link, open_link
from transports.session import Session

logger = logging.getLogger("transports.stream")

GOODBYE = 8.0  # seconds that the app may take to end when it is told to, longer than all its own limits
CANCELLED = 1.0  # seconds more, once it was cancelled


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
        self.session = session
        self.mailbox = Mailbox()
        self.link: Link
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # lost, or closed by the app
        self.lost_reason = ""
        self.failure: RemoteProtocolError | None = None  # the peer broke a protocol that has state
        self.failed_reads = 0  # by a bug in the session, which never raises by its contract
        self._late: list[dict[str, Any]] = []  # events of one read that found no room; nothing is read meanwhile
        self._relief: asyncio.Task[None] | None = None
        # Before the link is open, for the first bytes may come with the same turn of the loop.
        self.mailbox.offer({"type": f"{session.scope_type}.connect"})

    def received(self, data: bytes) -> None:
        """Take what a read gave; `transports.links.Receiver`."""
        offer = self.mailbox.offer
        try:
            for event in self.session.receive_bytes(data, time.time()):
                if self._late or not offer(event):
                    self._late.append(event)
        except RemoteProtocolError as error:
            self.failure = error
            self.link.abort(str(error))
        except Exception:  # the fence: a stranger's packet that meets a bug of ours must not take the link down
            self.failed_reads += 1
            logger.exception("%s: what was read could not be understood: %s", self.link.name, data.hex(" "))
        if self._late and self._relief is None:
            self.link.pause()
            self._relief = asyncio.create_task(self._relieve(), name="edge-stream-relief")

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
            self.link.write(self.session.send(event))
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

    async def close(self) -> None:
        """Close the link."""
        if self._relief is not None:
            self._relief.cancel()
        await self.link.close()

    async def _relieve(self) -> None:
        """Hand on what found no room, as the app makes some, and read again."""
        for event in self._late:
            await self.mailbox.put(event)
        self._late.clear()
        self._relief = None
        self.link.resume()


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
