"""A consumer for one HTTP request, whose answer may take its time: long polling, streams.

    class Poll(AsyncHttpConsumer):
        groups = ["news"]

        async def handle(self, body):
            if not await self.wait(25):
                await self.send_response(204, b"")

        async def news(self, event):
            await self.send_response(200, event["text"].encode())

The names are Django Channels'. `edge.consumers.sse` makes event streams of it.

**The response decides how long the consumer lives**: until its last body (``more_body=False``), or until the client
leaves, whichever comes first. In between the channel layer's messages reach their handlers: while `handle` is in
`wait`, and after it has returned with the response begun and not yet complete.

**A client that leaves is seen at once**: whatever handler is running then is cancelled where it awaits (as Django does
with its async views), unless the response is complete already. What must not be cut in the middle goes into
``asyncio.shield``. ``disconnect`` follows, exactly once, as on every other way out.
"""

import asyncio
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar

from edge.asgi import Event, Receive, Scope, Send
from edge.consumers.base import AsyncConsumer
from edge.errors import LocalProtocolError
from edge.exceptions import InvalidChannelLayerError, StopConsumer
from edge.handlers import Call
from edge.mailbox import LAYER, Mailbox
from edge.spec import CloseCode

MAX_BODY = 2_621_440  # bytes of a request's body; Django's own DATA_UPLOAD_MAX_MEMORY_SIZE
CONTENT_TOO_LARGE = 413
BODIES = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")  # ASGI's, and its extensions'

Headers = Iterable[tuple[bytes | str, bytes | str]] | Mapping[bytes | str, bytes | str]


class Phase(Enum):
    """How far the response is."""

    SILENT = "not yet begun"
    BEGUN = "begun"
    COMPLETE = "complete"


class AsyncHttpConsumer(AsyncConsumer):
    """One HTTP request: override `handle`.

    ``groups`` are joined before `handle`. ``max_body`` bounds the body in bytes, which is gathered in memory: a larger
    one is answered with 413 and never handled; None lets everything through.
    """

    max_body: ClassVar[int | None] = MAX_BODY

    body: list[bytes]  # the parts that have come
    _mailbox: Mailbox
    _phase: Phase
    _presence: asyncio.Timeout | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("handle", "disconnect"):
            cls._compile(name, [])  # which complains of a plain function

    async def handle(self, body: bytes) -> None:
        """Answer the request. LocalProtocolError where this returns and no response was begun."""
        raise NotImplementedError("Subclasses of AsyncHttpConsumer must provide a handle() method.")

    async def disconnect(self) -> None:
        """Clean up: the client has left or has its answer. Nothing can be sent any more."""

    async def send_headers(self, *, status: int = 200, headers: Headers | None = None) -> None:
        """Begin the response; servers send this on with the first part of the body."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        encoded = [(_encoded(name), _encoded(value)) for name, value in pairs]
        await self.send({"type": "http.response.start", "status": status, "headers": encoded})

    async def send_body(self, body: bytes, *, more_body: bool = False) -> None:
        """Send a part of the body, the last one unless ``more_body``; waits while the client does not read."""
        assert isinstance(body, bytes), "Body is not bytes"
        await self.send({"type": "http.response.body", "body": body, "more_body": more_body})

    async def send_response(self, status: int, body: bytes, *, headers: Headers | None = None) -> None:
        """Send a whole response."""
        assert isinstance(body, bytes), "Body is not bytes"
        await self.send_headers(status=status, headers=headers)
        await self.send_body(body)

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109  (the answer says if it was too short)
        """Let the channel layer's messages in until one of their handlers has completed the response: True.

        False after ``timeout`` seconds without that; None waits until the client leaves. A handler that is running is
        not cut off by it.
        """
        end = None if timeout is None else self._loop.time() + timeout
        while self._phase is not Phase.COMPLETE:
            if end is not None and self._loop.time() >= end:
                return False
            if (found := self._mailbox.take()) is None:
                await self._wait_for_mail(end)
                continue
            lane, event = found
            if lane is LAYER:
                if (call := self._layer_call(event)) is not None:
                    await call(self, event)
            elif event["type"] == "http.disconnect":
                raise StopConsumer
        return True

    async def send(self, message: Event) -> None:
        """Send one ASGI event; LocalProtocolError where it does not fit what was sent before."""
        type_ = message["type"]
        if type_ == "http.response.start":
            self._require(Phase.SILENT, type_)
            self._phase = Phase.BEGUN
        elif type_ in BODIES:
            self._require(Phase.BEGUN, type_)
            if not message.get("more_body"):
                self._phase = Phase.COMPLETE
        await super().send(message)

    async def http_request(self, message: Event) -> None:
        """Gather the body; once it is whole, `handle` it."""
        part = message.get("body", b"")
        self._received += len(part)
        self.body.append(part)
        if self.max_body is not None and self._received > self.max_body:
            self.body.clear()
            await self._refuse_body()
        elif not message.get("more_body"):
            await self._join_groups()
            await self.handle(b"".join(self.body))
            if self._phase is Phase.SILENT:
                raise LocalProtocolError(
                    f"{type(self).__qualname__}.handle() returned before it began a response; "
                    "to answer from a handler of the channel layer, await self.wait()"
                )

    async def http_disconnect(self, _message: Event) -> None:
        """Say goodbye, whoever ended it."""
        await self.disconnect()

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        super()._begin(scope, receive, send)
        self.body = []
        self._received = 0  # bytes
        self._phase = Phase.SILENT
        self._presence = None
        self._mailbox = self._inbox.buffer()

    async def _serve(self) -> Event:
        if self.max_body is not None and _content_length(self.scope) > self.max_body:
            await self._refuse_body()
            raise StopConsumer
        self._inbox.start(self._watch(), "edge-consumer-http")
        try:
            async with asyncio.timeout(None) as self._presence:
                return await super()._serve()
        except TimeoutError:
            if self._presence is None or not self._presence.expired():
                raise  # a handler's own
            return self._ending(CloseCode.LINK_LOST, "the client left")
        finally:
            self._presence = None

    async def _watch(self) -> None:
        """Read the request on, and when the client leaves interrupt what is being done for it."""
        await self._inbox.pump()
        # Servers report the end of every response as a disconnect, too; what is done after it need not hurry.
        if self._presence is not None and self._phase is not Phase.COMPLETE:
            self._presence.reschedule(self._loop.time())

    async def _handle(self, call: Call, event: Event) -> None:
        await call(self, event)
        if self._phase is Phase.COMPLETE:
            raise StopConsumer

    async def _wait_for_mail(self, end: float | None) -> None:
        try:
            async with asyncio.timeout_at(end):
                await self._mailbox.wait()
        except TimeoutError:
            return

    async def _join_groups(self) -> None:
        for group in self.groups:
            if self.channel_layer is None:
                raise InvalidChannelLayerError("BACKEND is unconfigured or doesn't support groups")
            self._joined.append(group)
            await self.channel_layer.group_add(group, self.channel_name)

    async def _refuse_body(self) -> None:
        """Answer 413, and close a connection on which the rest of the body may still come (RFC 9110, 15.5.14)."""
        text = b"The body of a request to this address may have %d bytes.\n" % (self.max_body or 0)
        headers: list[tuple[bytes | str, bytes | str]] = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
        ]
        if self.scope.get("http_version", "1.1").startswith("1"):
            headers.append((b"connection", b"close"))
        await self.send_response(CONTENT_TOO_LARGE, text, headers=headers)

    def _require(self, phase: Phase, type_: str) -> None:
        if self._phase is not phase:
            raise LocalProtocolError(f"{type_} was sent when the response was {self._phase.value}")


def _encoded(text: bytes | str) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def _content_length(scope: Scope) -> int:
    """Return what the client announced; 0 where it announced nothing that is a number."""
    for name, value in scope.get("headers", ()):
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return 0
