"""The smallest consumers: what comes in goes out. For trying a line, and for measuring."""

from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer


class Echo(WebsocketConsumer):
    """Sends back each message, with plain handlers."""

    def receive(self, text: str | None = None, bytes: bytes | None = None) -> None:  # noqa: A002  (the event's field)
        """Send it back."""
        self.send(text=text, bytes=bytes)


class AsyncEcho(AsyncWebsocketConsumer):
    """Sends back each message, with async handlers."""

    async def receive(self, text: str | None = None, bytes: bytes | None = None) -> None:  # noqa: A002  (the event's field)
        """Send it back."""
        await self.send(text=text, bytes=bytes)
