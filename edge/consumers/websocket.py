"""Consumers for a dialogue of texts and bytes: a browser's WebSocket, and every `edge.spec.conversation`.

The two have one shape, so one class serves both, unchanged: it answers with its own scope's events.
"""

import asyncio
import builtins
import json
import logging
from collections.abc import Iterable
from enum import Enum
from typing import Any, ClassVar

from edge.asgi import Event, Receive, Scope, Send
from edge.consumers.base import GOODBYE, AsyncConsumer, Consumer
from edge.consumers.limits import POLICY, TOO_BIG, Bucket, Limits
from edge.consumers.plain import SyncConsumer
from edge.errors import LocalProtocolError
from edge.exceptions import AcceptConnection, DecodeError, DenyConnection, StopConsumer
from edge.handlers import Call

logger = logging.getLogger("edge.consumers")

INVALID_DATA = 1007  # RFC 6455, section 7.4.1

Headers = Iterable[tuple[bytes, bytes]]


class _Phase(Enum):
    CONNECTING = "not yet accepted"
    OPEN = "open"
    CLOSED = "closed"


class _Dialogue(Consumer):
    """The events of a dialogue, and which of them are allowed when."""

    protocols = frozenset({"websocket", "conversation"})
    limits: ClassVar[Limits | None] = None  # how much the peer may send
    _phase: _Phase
    _must_know: bool  # what a send came to: a radio's gate may refuse it, a browser's server takes all

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        super()._begin(scope, receive, send)
        self._phase = _Phase.CONNECTING
        self._send_type = f"{scope['type']}.send"
        self._must_know = scope["type"] != "websocket"

        self._bucket = None if self.limits is None else Bucket(self.limits)
        self._limited = None if self.limits is None else self._admit

    @classmethod
    def _call_of(cls, verb: str) -> Call:
        """Return the handler of a verb itself, whatever `websocket_connect` and its like were overridden with."""
        return cls._calls[f"conversation.{verb}"]

    async def _admit(self, event: Event) -> bool:
        """Hold a message to the limits: let it in, now or later, or close."""
        if self.limits is None or self._bucket is None or not event["type"].endswith(".receive"):
            return True
        if self.limits.is_too_big(event):
            await self._refuse_message(TOO_BIG, f"a message may have {self.limits.max_message_bytes} bytes")
            return False
        if early := self._bucket.take(self._loop.time()):
            if self.limits.over_rate == "close":
                await self._refuse_message(POLICY, f"{self.limits.messages_per_second:g} messages a second may be sent")
                return False
            await asyncio.sleep(early)
        return True

    async def _refuse_message(self, code: int, reason: str) -> None:
        if closing := self._close_event(code, reason):
            await self._transmit(closing)

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
        if self._phase is _Phase.CONNECTING and self.scope["type"] == "websocket":
            self._phase = _Phase.CLOSED  # the server answers the error itself, with 500
        elif event := self._close_event(code, "the consumer failed"):
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

    async def websocket_connect(self, message: Event) -> None:
        """Run `connect`; to be overridden and called as in Channels. The groups are joined before."""
        try:
            await self._call_of("connect")(self, message)
        except AcceptConnection:
            await self.accept()
        except DenyConnection:
            await self.close()

    async def websocket_receive(self, message: Event) -> None:
        """Run `receive`; to be overridden and called as in Channels."""
        await self._call_of("receive")(self, message)

    async def websocket_disconnect(self, message: Event) -> None:
        """Run `disconnect`; to be overridden and called as in Channels, with StopConsumer at the end as there."""
        await self._call_of("disconnect")(self, message)
        raise StopConsumer

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

    def websocket_connect(self, message: Event) -> None:
        """Run `connect`; to be overridden and called as in Channels. The groups are joined before."""
        try:
            self._call_of("connect")(self, message)
        except AcceptConnection:
            self.accept()
        except DenyConnection:
            self.close()

    def websocket_receive(self, message: Event) -> None:
        """Run `receive`; to be overridden and called as in Channels."""
        self._call_of("receive")(self, message)

    def websocket_disconnect(self, message: Event) -> None:
        """Run `disconnect`; to be overridden and called as in Channels, with StopConsumer at the end as there."""
        self._call_of("disconnect")(self, message)
        raise StopConsumer

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


def _decoding_failed(error: ValueError | RecursionError) -> DecodeError:
    return DecodeError(f"what came is not what was expected: {type(error).__name__}: {error}")


class AsyncJsonWebsocketConsumer(AsyncWebsocketConsumer):
    """A dialogue of JSON texts with async handlers: ``receive_json`` and ``send_json``."""

    async def receive(self, text: str | None = None, bytes: bytes | None = None) -> None:  # noqa: A002  (the event's field)
        """Decode; bytes are decoded as UTF-8."""
        try:
            content = await self.decode_json(text if text is not None else (bytes or b"").decode())
        except (ValueError, RecursionError) as error:
            failure = _decoding_failed(error)
            failure.__cause__ = error
            await self.on_decode_error(failure, text if text is not None else bytes)
        else:
            await self.receive_json(content)

    async def on_decode_error(self, error: DecodeError, data: str | builtins.bytes | None) -> None:  # noqa: ARG002
        """Answer a message that could not be decoded: a stranger's mistake. By default it closes with 1007."""
        await self.close(INVALID_DATA, "expected JSON")

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
        try:
            content = self.decode_json(text if text is not None else (bytes or b"").decode())
        except (ValueError, RecursionError) as error:
            failure = _decoding_failed(error)
            failure.__cause__ = error
            self.on_decode_error(failure, text if text is not None else bytes)
        else:
            self.receive_json(content)

    def on_decode_error(self, error: DecodeError, data: str | builtins.bytes | None) -> None:  # noqa: ARG002
        """Answer a message that could not be decoded: a stranger's mistake. By default it closes with 1007."""
        self.close(INVALID_DATA, "expected JSON")

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
