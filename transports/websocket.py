"""A WebSocket of uvicorn's, whose events come by our own mailbox, and whose common frames are cut and made here.

uvicorn's protocol on websockets' state machine does the handshake, the closing, pings, fragments and all that goes
wrong; `transports.codecs.websocket` does whole messages, which are nearly all that is ever said. What a client says
goes straight into an `edge.mailbox.Mailbox`, as with our other transports: a consumer reads there itself, and the
socket is left unread only while the mailbox is full, where uvicorn's own stops and starts reading for each message.

All that is written in one turn of the loop goes out in one write: of what a group or a flood brings, many messages come
in one turn. With a hundred clients of one group that makes the whole way three times as cheap.
"""

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

from edge.asgi import Event
from edge.mailbox import TRANSPORT, Mailbox
from transports.codecs import websocket as codec

READ_AHEAD = 8  # messages that wait for the app; beyond, the socket is not read, and the client waits
CORKED = 16_384  # bytes; what exceeds them is written at once, so that an app that never lets the loop turn is paused


class WebSocket(WebSocketsSansIOProtocol):
    """The server's side of one connection. `READ_AHEAD` messages wait for the app, and those of one read more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # uvicorn's own
        super().__init__(*args, **kwargs)
        self.mailbox = Mailbox(transport_capacity=READ_AHEAD)
        self.queue: Any = self  # all that uvicorn's half does with it is `put_nowait`
        self.receive = self.mailbox.receive  # type: ignore[method-assign, assignment]  # an event is an event
        self._frames = codec.Frames(self.config.ws_max_size)
        self._late: list[Event] = []  # of one read, beyond what the mailbox holds; nothing is read meanwhile
        self._relief: asyncio.Task[None] | None = None
        self._out: list[bytes] = []  # of this turn of the loop
        self._size = 0  # bytes in it
        self._reading = False  # within a read, at whose end is written what its answers are

    # In.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a transport that writes once a turn."""
        super().connection_made(_Corked(transport, self))  # type: ignore[arg-type]  # as good as a transport

    def data_received(self, data: bytes) -> None:
        """Hand on messages; let the state machine have everything else."""
        if not self.handshake_initiated:
            super().data_received(data)  # the request, which uvicorn's HTTP side hands over whole
            return
        self._reading = True
        try:
            for first, payload in self._frames.feed(data):
                if not first:
                    super().data_received(payload)
                elif not self.close_sent:  # else nobody waits for it any more
                    self._hear(first, payload)
        finally:
            self._reading = False
            if self._out:
                self.flush()

    def send_receive_event_to_app(self) -> None:
        """Hand on a message that came in several frames; called by uvicorn's half."""
        first = codec.FIN_TEXT if self.curr_msg_data_type == "text" else codec.FIN_BINARY
        payload, self.frames = b"".join(self.frames), []
        if not self.close_sent:
            self._hear(first, payload)

    def put_nowait(self, event: Event) -> None:
        """Take an event of uvicorn's half: the first, the last, never one between."""
        if event["type"] == "websocket.disconnect":
            self.mailbox.close(event)
        else:
            self.mailbox.offer(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self._relief is not None:
            self._relief.cancel()
            self.mailbox.dropped += len(self._late)

    def _hear(self, first: int, payload: bytes) -> None:
        if first == codec.FIN_TEXT:
            try:
                event: Event = {"type": "websocket.receive", "text": payload.decode()}
            except UnicodeDecodeError:
                self.conn.send_close(1007)  # RFC 6455, section 8.1
                self.handle_parser_exception()
                return
        else:
            event = {"type": "websocket.receive", "bytes": payload}
        if self._late or not self.mailbox.offer(event):
            self._wait_for_room(event)

    def _wait_for_room(self, event: Event) -> None:
        if self.mailbox.closed:
            return
        self._late.append(event)
        if self._relief is None:
            self.transport.pause_reading()
            self._relief = self.loop.create_task(self._relieve(), name="edge-websocket-relief")

    async def _relieve(self) -> None:
        """Hand on what found no room, as the app makes some, and read again."""
        mailbox = self.mailbox
        for event in self._late:
            while not mailbox.offer(event) and not mailbox.closed:
                await mailbox.room(TRANSPORT, patient=True)
        self._late.clear()
        self._relief = None
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # Out.

    async def send(self, message: Any) -> None:
        """Send one event: the ASGI ``send``."""
        if message["type"] != "websocket.send" or not self.handshake_complete or self.close_sent:
            await super().send(message)
            return
        if not self.writable.is_set():
            await self.writable.wait()
        if self.conn.state is not OPEN or self.disconnected:
            raise ClientDisconnected
        payload = message.get("bytes")
        if payload is not None:
            self.put(codec.encode(codec.FIN_BINARY, payload))
        elif (text := message.get("text")) is not None:
            self.put(codec.encode(codec.FIN_TEXT, text.encode()))

    def put(self, data: bytes) -> None:
        """Write at the end of this turn, or at once where there is much of it."""
        if not self._out and not self._reading:
            self.loop.call_soon(self.flush)
        self._out.append(data)
        self._size += len(data)
        if self._size >= CORKED:
            self.flush()

    def flush(self) -> None:
        """Write what this turn has brought."""
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._size = 0
            self.transport.write_through(data)  # type: ignore[attr-defined]  # `_Corked`


class _Corked:
    """The transport as uvicorn's half sees it: what it writes keeps its place among our own frames."""

    __slots__ = ("_transport", "_websocket", "write", "write_through")

    def __init__(self, transport: Any, websocket: WebSocket) -> None:
        self._transport = transport
        self._websocket = websocket
        self.write = websocket.put
        self.write_through = transport.write

    def __getattr__(self, name: str) -> Any:  # whatever else the transport has
        return getattr(self._transport, name)

    def close(self) -> None:
        self._websocket.flush()
        self._transport.close()
