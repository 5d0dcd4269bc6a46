"""Server-sent events (WHATWG HTML, section 9.2): a one-way stream that browsers read with ``EventSource``.

    class Prices(AsyncSseConsumer):
        groups = ["prices"]

        async def price_changed(self, event):
            await self.send_event(event["price"], id=event["number"])

A browser whose connection breaks comes back by itself, and says in ``Last-Event-ID`` what it has seen: then `connect`
sends what it missed. The groups are joined before, so nothing falls between; what came meanwhile follows.
"""

import json
import re
from typing import Any, ClassVar

from edge.consumers.http import AsyncHttpConsumer, Headers, Phase

HEARTBEAT = 15.0  # seconds; what the standard advises, and half of what impatient proxies allow
LINE_END = re.compile(r"\r\n|\r|\n")  # these and no other, unlike str.splitlines


class AsyncSseConsumer(AsyncHttpConsumer):
    """A stream of events to one browser, for as long as it stays.

    ``heartbeat`` is how often a comment is sent, in seconds, which keeps proxies from cutting the stream; None for
    never. ``retry`` is how long the browser waits before it comes back, in milliseconds as in the standard; None leaves
    that to the browser. ``headers`` are sent beside the stream's own.
    """

    heartbeat: ClassVar[float | None] = HEARTBEAT
    retry: ClassVar[int | None] = None
    headers: ClassVar[Headers] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._compile("connect", [])

    async def connect(self) -> None:
        """Look first: refuse with `send_response`, or send what was missed since `last_event_id`.

        A status of 204 tells a browser not to come back; after any other end of a stream it does.
        """

    @property
    def last_event_id(self) -> str:
        """The id of the last event that the browser has seen; empty for one that has seen none."""
        found = [value for name, value in self.scope.get("headers", ()) if name.lower() == b"last-event-id"]
        return found[0].decode(errors="replace") if found else ""

    async def send_event(
        self,
        data: Any = "",  # anything that JSON can say
        *,
        event: str | None = None,
        id: str | int | None = None,  # noqa: A002  (the field's name)
        retry: int | None = None,
    ) -> None:
        """Send an event: text as it is, anything else as JSON. ``event`` is its name, "message" where there is none."""
        text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
        fields = [("event", event), ("id", id), ("retry", retry)]
        lines = [f"{name}: {_one_line(name, value)}" for name, value in fields if value is not None]
        lines += [f"data: {line}" for line in LINE_END.split(text)]
        await self._send_lines(lines)

    async def send_comment(self, text: str = "") -> None:
        """Send what browsers ignore."""
        await self._send_lines([f": {line}".rstrip() for line in LINE_END.split(text)])

    async def close(self) -> None:
        """End the stream; the browser comes back after `retry`."""
        await self.open()
        await self.send_body(b"")

    async def open(self) -> None:
        """Begin the stream, if it has not begun; the first event does so by itself."""
        if self._phase is not Phase.SILENT:
            return
        own = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),  # nginx would hold events back until it has a page of them
        ]
        more = self.headers.items() if hasattr(self.headers, "items") else self.headers
        await self.send_headers(headers=[*own, *more])
        first = ":\n\n" if self.retry is None else f"retry: {self.retry}\n\n"
        await self.send_body(first.encode(), more_body=True)

    async def handle(self, body: bytes) -> None:  # noqa: ARG002  (self.body has it, for connect() too)
        """Hold the stream open; override `connect`, not this."""
        await self.connect()
        if self._phase is Phase.SILENT:
            await self.open()
        while not await self.wait(self.heartbeat):
            await self.send_comment()

    async def _send_lines(self, lines: list[str]) -> None:
        await self.open()
        await self.send_body(("\n".join(lines) + "\n\n").encode(), more_body=True)


def _one_line(name: str, value: object) -> str:
    text = str(value)
    if LINE_END.search(text) or "\0" in text:
        raise ValueError(f"expected the {name} of an event in one line and without NUL; got {text!r}")
    return text
