"""The common form of an ASGI middleware, by Django Channels' name.

class Stamped(BaseMiddleware):
    async def __call__(self, scope, receive, send):
        await super().__call__({**scope, "began": time.time()}, receive, send)

What is put into the scope there is seen inside only.
"""

from edge.asgi import App, Receive, Scope, Send


class BaseMiddleware:
    """Hands each connection on to ``inner``, with a copy of its scope."""

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self.inner(dict(scope), receive, send)
