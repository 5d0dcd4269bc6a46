"""Several named streams over one socket, each a consumer of its own.

    class Desk(Demultiplexer):
        streams = {"chat": Chat, "position": Position.as_asgi()}

On the wire each message is a JSON object ``{"stream": name, "payload": …}``, both ways. A stream's app is a WebSocket
app as any other: it is called with the socket's scope and ``scope["stream"]``, hears ``websocket.connect`` when the
socket opens, the payload as JSON text, ``websocket.disconnect`` at the end; what it sends must be JSON text. It has its
own mailbox, task, groups and lifetime.

**One stream harms no other.** One that raises or closes itself ends alone, and the client is told
``{"stream": name, "closed": code, "reason": …}``; so it is of a message to a stream that has ended (with 1000) or that
there never was (4404). One that is too slow holds the others up for a moment, as every mailbox does; then what does
not fit is dropped, counted in `Demultiplexer.dropped`, and logged at most once in `DROPS_LOGGED` seconds.
A broken envelope goes to ``on_decode_error``, which closes the socket with 1007.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from edge.asgi import App, Event, Receive, Scope, Send
from edge.consumers.base import GOODBYE
from edge.consumers.websocket import AsyncJsonWebsocketConsumer
from edge.errors import LinkLost, LocalProtocolError
from edge.exceptions import DecodeError
from edge.mailbox import Mailbox
from edge.spec import CloseCode

logger = logging.getLogger("edge.consumers")

STREAM_CAPACITY = 32  # messages that wait for one stream; of the largest that our server takes, 2 MiB
DROPS_LOGGED = 60.0  # seconds
UNKNOWN = 4404  # as `edge.routing.NOT_FOUND`


@dataclass(slots=True)
class _Stream:
    name: str
    mailbox: Mailbox = field(default_factory=lambda: Mailbox(transport_capacity=STREAM_CAPACITY))
    ended: tuple[int, str] | None = None  # code and reason, once it has closed itself
    task: asyncio.Task[None] | None = None


class Demultiplexer(AsyncJsonWebsocketConsumer):
    """One socket, several consumers: ``streams`` by name, each a consumer class or any ASGI app for a WebSocket."""

    # Any: an app, or what has as_asgi().
    streams: ClassVar[Mapping[str, Any]] = {}

    _streams: dict[str, _Stream]

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        super()._begin(scope, receive, send)
        self._streams = {}
        self._reported = 0  # drops
        self._report_at = 0.0  # the loop's time

    @property
    def dropped(self) -> int:
        """How many messages this socket and its streams were too slow for."""
        return super().dropped + sum(stream.mailbox.dropped for stream in self._streams.values())

    async def connect(self) -> None:
        """Accept, and begin every stream; override to look first, and call this."""
        await self.accept()
        for name, app in self.streams.items():
            stream = self._streams[name] = _Stream(name)
            stream.mailbox.offer({"type": "websocket.connect"})
            run: App = app.as_asgi() if hasattr(app, "as_asgi") else app
            stream.task = asyncio.create_task(self._run(stream, run), name=f"edge-consumer-stream-{name}")

    async def receive_json(self, content: Any) -> None:
        """Hand a payload to its stream."""
        if not isinstance(content, dict) or "payload" not in content or not isinstance(content.get("stream"), str):
            shown = json.dumps(content)[:80]
            await self.on_decode_error(DecodeError(f'expected {{"stream": name, "payload": …}}; got {shown}'), shown)
            return
        stream = self._streams.get(content["stream"])
        if stream is None:
            await self._tell_closed(content["stream"], UNKNOWN, "no such stream")
        elif stream.ended is not None:
            await self._tell_closed(stream.name, *stream.ended)
        else:
            await stream.mailbox.put({"type": "websocket.receive", "text": json.dumps(content["payload"])})
            self._report_drops()

    async def _end(self, ending: Event) -> None:
        try:
            await self._end_streams(ending)
        finally:
            await super()._end(ending)

    async def _end_streams(self, ending: Event) -> None:
        """Tell every stream goodbye and wait for it, as long as for a consumer's own; then cut it off."""
        code, reason = ending.get("code", CloseCode.NORMAL), ending.get("reason", "")
        for stream in self._streams.values():
            stream.mailbox.close({"type": "websocket.disconnect", "code": code, "reason": reason}, drain=0)
        tasks = [stream.task for stream in self._streams.values() if stream.task is not None]
        if not tasks:
            return
        try:
            _, late = await asyncio.wait(tasks, timeout=GOODBYE)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=GOODBYE)

    async def _run(self, stream: _Stream, app: App) -> None:
        async def send(event: Event) -> None:
            await self._send_from(stream, event)

        ended = (int(CloseCode.NORMAL), "the stream ended")
        try:
            await app({**self.scope, "stream": stream.name}, stream.mailbox.receive, send)
        except LinkLost:
            return
        except Exception:  # the fence: a stream's error stays in the stream
            logger.exception("%s: the stream %s raised", type(self).__qualname__, stream.name)
            ended = (int(CloseCode.HANDLER_ERROR), "the stream failed")
        if not stream.mailbox.closed:
            await self._close_stream(stream, *ended)

    async def _send_from(self, stream: _Stream, event: Event) -> None:
        """Take what a stream's app sends: its text goes out in the envelope, its close closes it alone."""
        if event["type"] == "websocket.close":
            if not stream.mailbox.closed:
                await self._close_stream(stream, int(event.get("code") or CloseCode.NORMAL), event.get("reason") or "")
        elif event["type"] == "websocket.send":
            try:
                payload = json.loads(event.get("text") or (event.get("bytes") or b"").decode())
            except ValueError as error:
                raise LocalProtocolError(f"the stream {stream.name} must send JSON: {error}") from error
            await self._tell({"stream": stream.name, "payload": payload})

    async def _close_stream(self, stream: _Stream, code: int, reason: str) -> None:
        stream.ended = (code, reason)
        stream.mailbox.close({"type": "websocket.disconnect", "code": code, "reason": reason}, drain=0)
        await self._tell_closed(stream.name, code, reason)

    async def _tell_closed(self, name: str, code: int, reason: str) -> None:
        await self._tell({"stream": name, "closed": code, "reason": reason})

    async def _tell(self, message: dict[str, object]) -> None:
        """Send, unless the socket has ended meanwhile: streams end a little later than their socket."""
        try:
            await self.send_json(message)
        except LocalProtocolError as error:
            raise LinkLost("the socket has ended") from error

    def _report_drops(self) -> None:
        dropped, now = self.dropped, self._loop.time()
        if dropped > self._reported and now >= self._report_at:
            logger.warning(
                "%s: %d messages were dropped, for their streams were too slow",
                type(self).__qualname__,
                dropped - self._reported,
            )
            self._reported, self._report_at = dropped, now + DROPS_LOGGED
