"""A link and a session make an ASGI server: the one loop behind every serial protocol.

A read's bytes become events in the callback that brought them, and the events go straight into the mailbox that the app
reads: no task, no thread, no copy in between. When the mailbox is full the link is not read until there is room (`edge.mailbox`
says how long that may take), so the far side waits in its own buffer.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from edge.asgi import App, Event, Scope
from edge.errors import LinkLost, LocalProtocolError
from edge.mailbox import DRAIN, Mailbox
from edge.registry import Device
from edge.spec import SPEC_VERSION, CloseCode
from transports.links import Link, open_link
from transports.session import Session

GOODBYE = 8.0  # seconds that the app may take to end when it is told to, longer than all its own limits


class StreamServer:
    """The ASGI server of one device on one byte stream (`edge.registry.Server`)."""

    def __init__(self, device: Device, make_session: Callable[[], Session], *, link: str, baud: int) -> None:
        self.device = device
        self.make_session = make_session
        self.shown_link = link
        self.baud = baud

    async def serve(self, app: App, on_up: Callable[[], None]) -> None:
        """Open the link, call the app once, stay until the link is lost (`edge.registry.Server.serve`)."""
        connection = _Connection(self.make_session())
        connection.link = await open_link(self.device.link, connection, baud=self.baud)
        on_up()
        type_ = connection.session.scope_type
        task = asyncio.create_task(self._call(app, connection), name=f"edge-app-{self.device.name}")
        try:
            await asyncio.wait([task, connection.gone], return_when=asyncio.FIRST_COMPLETED)
            reason = f"{connection.link.name}: {connection.link.reason}" if connection.gone.done() else ""
            connection.mailbox.close(_disconnect(type_, CloseCode.LINK_LOST, reason))
            await _ended(task, DRAIN + GOODBYE)
        except asyncio.CancelledError:
            connection.mailbox.close(_disconnect(type_, CloseCode.RESTART, "the box is stopping"), drain=0)
            await _ended(task, GOODBYE)
            raise
        finally:
            await connection.link.close()
            connection.forget()
        if reason:
            raise LinkLost(reason)

    async def _call(self, app: App, connection: "_Connection") -> None:
        session = connection.session
        scope: Scope = {
            "type": session.scope_type,
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "device": self.device.name,
            "link": self.shown_link,
            "state": self.device.state,
            **session.scope(),
        }
        connection.mailbox.offer({"type": f"{session.scope_type}.connect"})
        await app(scope, connection.mailbox.receive, connection.send)


class _Connection:
    """One open link with its session: what the link gives goes in, what the app sends goes out."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.mailbox = Mailbox()
        self.link: Link
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._late: list[dict[str, Any]] = []  # events of one read that found no room; nothing is read meanwhile
        self._relief: asyncio.Task[None] | None = None

    def received(self, data: bytes) -> None:
        offer = self.mailbox.offer
        for event in self.session.receive_bytes(data, time.time()):
            if self._late or not offer(event):
                self._late.append(event)
        if self._late and self._relief is None:
            self.link.pause()
            self._relief = asyncio.create_task(self._relieve(), name="edge-stream-relief")

    def lost(self, reason: str) -> None:  # noqa: ARG002  (the link keeps it)
        if not self.gone.done():
            self.gone.set_result(None)

    async def send(self, event: Event) -> None:
        """Send one event of the app."""
        type_ = event["type"]
        if type_ == f"{self.session.scope_type}.close":
            code, reason = event.get("code", CloseCode.NORMAL), event.get("reason", "")
            self.mailbox.close(_disconnect(self.session.scope_type, code, reason))
        elif type_ == f"{self.session.scope_type}.send":
            self.link.write(self.session.send(event))
            await self.link.drain()
        else:
            expected = f"{self.session.scope_type}.send or .close"
            raise LocalProtocolError(f"expected {expected}; got {type_!r}")

    def forget(self) -> None:
        if self._relief is not None:
            self._relief.cancel()

    async def _relieve(self) -> None:
        """Hand on what found no room, as the app makes some, and read again."""
        for event in self._late:
            await self.mailbox.put(event)
        self._late.clear()
        self._relief = None
        self.link.resume()


async def _ended(task: asyncio.Task[None], limit: float) -> None:
    """Wait for the app; cancel it after the limit; raise what it raised."""
    done, _ = await asyncio.wait([task], timeout=limit)
    if not done:
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
    elif not task.cancelled():
        task.result()


def _disconnect(type_: str, code: int, reason: str) -> Event:
    return {"type": f"{type_}.disconnect", "code": int(code), "reason": reason}
