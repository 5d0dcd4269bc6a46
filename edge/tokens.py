"""Users by token, for programs and for browsers without a session: phones, scripts, other sites.

    async def lookup(token):
        return await Device.objects.filter(token_hash=hashed(token)).afirst()

    AuthMiddlewareStack(TokenAuthMiddleware(URLRouter([…]), lookup))

A token is looked for in this order:

1. ``Authorization: Bearer <token>``, for everything that can set a header
2. among a WebSocket's subprotocols, for browsers, which cannot: ``new WebSocket(url, ["bearer", token])``. Names of the
   app's own may follow. The token must be of the characters that RFC 9110 (5.6.2) allows there: base64url is.
3. only where ``query`` names it, in the query: addresses are written into logs and histories, so this is the last
   resort, for tokens that do not live long

No token is ever logged or said back, and the app behind does not find it in ``subprotocols`` and ``query_string``.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from edge.asgi import App, Event, Receive, Scope, Send
from edge.middleware import BaseMiddleware

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

__all__ = ["TokenAuthMiddleware"]

UNAUTHORIZED = 401
CLOSED_UNAUTHORIZED = 4401  # close code (RFC 6455, section 7.4.2: 4000 to 4999 are the application's)
CHALLENGE = b'Bearer error="invalid_token"'  # RFC 6750, section 3.1

Lookup = Callable[[str], Awaitable[Any]]  # Any: a user of whatever model; None for a token that is nobody's


class TokenAuthMiddleware(BaseMiddleware):
    """Puts the user of a token into ``scope["user"]``, for ``http`` and ``websocket``; others pass as they are.

    **Without a token** the scope's user stays, so put sessions outside of this; where there is none, it is anonymous.
    **A token that `lookup` does not know**, or that cannot be read, is refused (HTTP 401, a closed WebSocket), or with
    ``refuse=False`` anonymous, whoever the session says it is. What ``lookup`` raises goes on to the server.

    ``subprotocol`` is the marker in front of the token, and what is agreed on where the app chooses nothing; None looks
    for none.
    """

    def __init__(
        self,
        inner: App,
        lookup: Lookup,
        *,
        subprotocol: str | None = "bearer",
        query: str | None = None,
        refuse: bool = True,
    ) -> None:
        super().__init__(inner)
        self.lookup = lookup
        self.subprotocol = subprotocol
        self.query = query
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a copy of the scope with the user, or refuse the connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.inner(scope, receive, send)
            return
        scope = dict(scope)
        by_header, by_subprotocol, by_query = _bearer(scope), self._take_subprotocol(scope), self._take_query(scope)
        token = next((found for found in (by_header, by_subprotocol, by_query) if found is not None), None)
        if token is not None:
            scope["user"] = await self.lookup(token) if token else None
        if token is not None and scope["user"] is None and self.refuse:
            await _refuse(scope, receive, send)
            return
        if scope.get("user") is None:
            scope["user"] = _anonymous()
        await self.inner(scope, receive, send if by_subprotocol is None else self._agreeing(send))

    def _take_subprotocol(self, scope: Scope) -> str | None:
        """Return the token behind the marker, and leave the app the rest."""
        offered = list(scope.get("subprotocols") or ())
        if scope["type"] != "websocket" or self.subprotocol is None or self.subprotocol not in offered:
            return None
        at = offered.index(self.subprotocol)
        scope["subprotocols"] = offered[:at] + offered[at + 2 :]
        return offered[at + 1] if at + 1 < len(offered) else ""

    def _take_query(self, scope: Scope) -> str | None:
        """Return the query's token, and leave the app the rest."""
        if self.query is None:
            return None
        parts = scope.get("query_string", b"").split(b"&")
        found = [value for name, _, value in (part.partition(b"=") for part in parts) if name == self.query.encode()]
        if not found:
            return None
        scope["query_string"] = b"&".join(part for part in parts if part.partition(b"=")[0] != self.query.encode())
        return unquote_plus(found[0].decode("latin-1")) if len(found) == 1 else ""

    def _agreeing(self, send: Send) -> Send:
        """Agree on the marker where the app chooses no subprotocol: browsers give up where none was agreed on."""

        async def agree(event: Event) -> None:
            if event["type"] == "websocket.accept" and event.get("subprotocol") is None:
                event = {**event, "subprotocol": self.subprotocol}
            await send(event)

        return agree


def _bearer(scope: Scope) -> str | None:
    """Return the header's token, an empty one where it cannot be read, None for another scheme and for no header."""
    found = [value for name, value in scope.get("headers", ()) if name.lower() == b"authorization"]
    fields = [value.decode("latin-1").split() for value in found]
    bearers = [words for words in fields if words and words[0].lower() == "bearer"]
    if not bearers:
        return None
    return bearers[0][1] if len(fields) == 1 and len(bearers[0]) == 2 else ""  # noqa: PLR2004  (scheme and token)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    body = b"This token is not valid.\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"www-authenticate", CHALLENGE),
    ]
    prefix = ""
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": CLOSED_UNAUTHORIZED, "reason": "this token is not valid"})
            return
        prefix = "websocket."
    await send({"type": f"{prefix}http.response.start", "status": UNAUTHORIZED, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": body})


def _anonymous() -> "AnonymousUser":
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415  (models wait until Django is set up)

    return AnonymousUser()
