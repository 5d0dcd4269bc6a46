"""Consumers for a dialogue of texts and bytes: a browser's WebSocket, and every `edge.spec.conversation`.

The two have one shape, so one class serves both, unchanged: it answers with its own scope's events.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from enum import Enum
from typing import Any

from edge.asgi import Event, Receive, Scope, Send
from edge.consumers.base import GOODBYE, AsyncConsumer, Consumer, SyncConsumer
from edge.errors import LocalProtocolError
from edge.exceptions import AcceptConnection, DenyConnection

logger = logging.getLogger("edge.consumers")

Headers = Iterable[tuple[bytes, bytes]]


class _Phase(Enum):
    CONNECTING = "not yet accepted"
    OPEN = "open"
    CLOSED = "closed"


class _Dialogue(Consumer):
    """The events of a dialogue, and which of them are allowed when."""

    protocols = frozenset({"websocket", "conversation"})
    _phase: _Phase
    _must_know: bool  # what a send came to: a radio's gate may refuse it, a browser's server takes all

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        super()._begin(scope, receive, send)
        self._phase = _Phase.CONNECTING
        self._send_type = f"{scope['type']}.send"
        self._must_know = scope["type"] != "websocket"

    def _accept_event(self, subprotocol: str | None, headers: Headers | None) -> Event:
        if self._phase is not _Phase.CONNECTING:
            raise LocalProtocolError(f"accept() was called on a connection that is {self._phase.value}")
        self._phase = _Phase.OPEN
        event: Event = {"type": f"{self.scope['type']}.accept"}
        if self.scope["type"] == "websocket":
            event["subprotocol"] = subprotocol
            if headers:
                event["headers"] = list(headers)
        return event

    def _send_event(self, text: str | None, data: bytes | None) -> Event:
        if self._phase is not _Phase.OPEN:
            raise LocalProtocolError(f"send() was called on a connection that is {self._phase.value}")
        if text is not None:
            return {"type": self._send_type, "text": text}
        if data is not None:
            return {"type": self._send_type, "bytes": data}
        raise ValueError("You must pass one of bytes_data or text_data")

    def _close_event(self, code: int | None, reason: str | None) -> Event | None:
        """Return the closing event, or None where the connection is closed already."""
        if self._phase is _Phase.CLOSED:
            return None
        self._phase, self._closed = _Phase.CLOSED, True
        event: Event = {"type": f"{self.scope['type']}.close"}
        if code is not None and code is not True:
            event["code"] = int(code)
        if reason:
            event["reason"] = reason
        return event

    async def _connect(self, event: Event) -> None:
        try:
            await super()._connect(event)
        except AcceptConnection:
            await self._transmit(self._accept_event(None, None))
        except DenyConnection:
            if closing := self._close_event(None, None):
                await self._transmit(closing)

    async def _close_after_error(self, code: int) -> None:
        if event := self._close_event(code, "the consumer failed"):
            try:
                async with asyncio.timeout(GOODBYE):
                    await self.base_send(event)
            except Exception:  # the fence: the handler's own error is the one to report
                logger.debug("%s: the peer could not be told of an error", type(self).__qualname__, exc_info=True)

    async def _end(self, ending: Event) -> None:
        self._phase = _Phase.CLOSED
        await super()._end(ending)


class AsyncWebsocketConsumer(_Dialogue, AsyncConsumer):
    """A dialogue with async handlers: ``connect``, ``receive``, ``disconnect``."""

    async def connect(self) -> None:
        """Accept; override to look first."""
        await self.accept()

    async def receive(self, text: str | None = None, bytes: bytes | None = None) -> None:  # noqa: A002  (the event's field)
        """Handle a message; exactly one of the two is not None."""

    async def disconnect(self, code: int) -> None:
        """Say goodbye; the connection is closed already."""

    async def accept(self, subprotocol: str | None = None, headers: Headers | None = None) -> None:
        """Take the connection; once."""
        await self._transmit(self._accept_event(subprotocol, headers))

    async def send(  # type: ignore[override]  # Channels' own signature, wider than its base's
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,
        close: bool | int = False,  # noqa: FBT001, FBT002  (Channels' signature)
        *,
        text: str | None = None,
        bytes: bytes | None = None,  # noqa: A002  (the event's field)
    ) -> None:
        """Send a text or bytes; ``close`` closes afterwards, with that code where it is a number."""
        await self._transmit(
            self._send_event(text if text is not None else text_data, bytes if bytes is not None else bytes_data)
        )
        if close:
            await self.close(close)

    async def close(self, code: int | bool | None = None, reason: str | None = None) -> None:  # noqa: FBT001  (as above)
        """Close, or refuse what was not accepted; closing twice does nothing."""
        if event := self._close_event(code, reason):
            await self._transmit(event)


class WebsocketConsumer(_Dialogue, SyncConsumer):
    """A dialogue with plain handlers: ``connect``, ``receive``, ``disconnect``, in a thread of its own."""

    def connect(self) -> None:
        """Accept; override to look first."""
        self.accept()

    def receive(self, text: str | None = None, bytes: bytes | None = None) -> None:  # noqa: A002  (the event's field)
        """Handle a message; exactly one of the two is not None."""

    def disconnect(self, code: int) -> None:
        """Say goodbye; the connection is closed already."""

    def accept(self, subprotocol: str | None = None, headers: Headers | None = None) -> None:
        """Take the connection; once."""
        self._put_out(self._accept_event(subprotocol, headers), wait=self._must_know)

    def send(  # type: ignore[override]  # Channels' own signature, wider than its base's
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,
        close: bool | int = False,  # noqa: FBT001, FBT002  (Channels' signature)
        *,
        text: str | None = None,
        bytes: bytes | None = None,  # noqa: A002  (the event's field)
    ) -> None:
        """Send a text or bytes; ``close`` closes afterwards, with that code where it is a number."""
        event = self._send_event(text if text is not None else text_data, bytes if bytes is not None else bytes_data)
        self._put_out(event, wait=self._must_know)
        if close:
            self.close(close)

    def close(self, code: int | bool | None = None, reason: str | None = None) -> None:  # noqa: FBT001  (as above)
        """Close, or refuse what was not accepted; closing twice does nothing."""
        if event := self._close_event(code, reason):
            self._put_out(event, wait=self._must_know)


class AsyncJsonWebsocketConsumer(AsyncWebsocketConsumer):
    """A dialogue of JSON texts with async handlers: ``receive_json`` and ``send_json``."""

    async def receive(self, text: str | None = None, bytes: bytes | None = None) -> None:  # noqa: A002  (the event's field)
        """Decode; bytes are decoded as UTF-8."""
        await self.receive_json(await self.decode_json(text if text is not None else (bytes or b"").decode()))

    async def receive_json(self, content: Any) -> None:
        """Handle a decoded message."""

    async def send_json(self, content: Any, close: bool | int = False) -> None:  # noqa: FBT001, FBT002  (Channels' signature)
        """Encode and send."""
        await self.send(text=await self.encode_json(content), close=close)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """Decode; override for another form."""
        return json.loads(text_data)

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        """Encode; override for another form."""
        return json.dumps(content)


class JsonWebsocketConsumer(WebsocketConsumer):
    """A dialogue of JSON texts with plain handlers: ``receive_json`` and ``send_json``."""

    def receive(self, text: str | None = None, bytes: bytes | None = None) -> None:  # noqa: A002  (the event's field)
        """Decode; bytes are decoded as UTF-8."""
        self.receive_json(self.decode_json(text if text is not None else (bytes or b"").decode()))

    def receive_json(self, content: Any) -> None:
        """Handle a decoded message."""

    def send_json(self, content: Any, close: bool | int = False) -> None:  # noqa: FBT001, FBT002  (Channels' signature)
        """Encode and send."""
        self.send(text=self.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text_data: str) -> Any:
        """Decode; override for another form."""
        return json.loads(text_data)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """Encode; override for another form."""
        return json.dumps(content)
