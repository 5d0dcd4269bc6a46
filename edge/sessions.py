"""Django's cookies and sessions in a scope. Names and behaviour follow Django Channels 4.3.

    SessionMiddlewareStack(app)        scope["cookies"], scope["session"]

``scope["session"]`` is a `SessionStore` of ``SESSION_ENGINE`` that reads its row when something is first looked up. In
async code look things up behind `edge.auth.AuthMiddleware`, which has read it already, or use the store's own async
methods (``await scope["session"].aget("key")``).

**Saving** needs an answer that can carry a cookie: a changed session is saved when an HTTP response starts, unless its
status is 500. Over a WebSocket nothing is saved by itself: ``await database_sync_to_async(scope["session"].save)()``.
"""

import time
from collections.abc import Iterable
from datetime import datetime
from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse, parse_cookie
from django.utils.functional import LazyObject
from django.utils.http import http_date

from edge.asgi import App, Event, Receive, Scope, Send
from edge.db import database_sync_to_async

__all__ = [
    "CookieMiddleware",
    "InstanceSessionWrapper",
    "SessionLazyObject",
    "SessionMiddleware",
    "SessionMiddlewareStack",
]

LONG_AGO = "Thu, 01-Jan-1970 00:00:00 GMT"
INTERNAL_SERVER_ERROR = 500  # what a failed handler changed in the session is not kept


class CookieMiddleware:
    """Puts a dictionary ``cookies`` into the scope, as Django's ``request.COOKIES``.

    Every cookie header counts, not only the first: over HTTP/2 each cookie may have its own (RFC 9113, 8.2.3).
    """

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a copy of the scope; ValueError for a scope type that has no headers."""
        if "headers" not in scope:
            raise ValueError(
                f"CookieMiddleware needs a scope with headers, such as http or websocket; got {scope.get('type')!r}"
            )
        await self.inner({**scope, "cookies": _cookies(scope["headers"])}, receive, send)

    @classmethod
    def set_cookie(  # noqa: PLR0913, PLR0917  (a cookie has that many attributes; Channels' signature)
        cls,
        message: Event,
        key: str,
        value: str = "",
        max_age: int | None = None,
        expires: str | datetime | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = False,  # noqa: FBT001, FBT002  (Channels' signature)
        httponly: bool | None = False,  # noqa: FBT001, FBT002  (as above)
        samesite: str | None = "lax",
    ) -> None:
        """Add a cookie to an ``http.response.start`` (or ``websocket.accept``) that has not been sent yet.

        ``max_age`` is in seconds; ``expires`` a date as HTTP writes it, or a datetime (naive: UTC), of which the age is
        calculated. ValueError for a ``samesite`` that browsers do not know.
        """
        jar = HttpResponse()
        # Any: the stubs want SameSite in capitals, Django takes Channels' default too.
        flags: dict[str, Any] = {"secure": bool(secure), "httponly": bool(httponly), "samesite": samesite}
        jar.set_cookie(key, value, max_age, expires, path, domain, **flags)
        headers = [*message.get("headers", ())]
        # Spelled as Channels does, for those who look for it; servers lower it where their protocol wants that.
        headers += [(b"Set-Cookie", morsel.OutputString().encode()) for morsel in jar.cookies.values()]
        message["headers"] = headers

    @classmethod
    def delete_cookie(cls, message: Event, key: str, path: str = "/", domain: str | None = None) -> None:
        """Tell the browser to forget a cookie; path and domain must be those that it was set with."""
        cls.set_cookie(message, key, max_age=0, expires=LONG_AGO, path=path, domain=domain)


def _cookies(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    crumbs = (value.decode("latin-1").strip("; ") for name, value in headers if name.lower() == b"cookie")
    return parse_cookie("; ".join(crumbs))


class SessionLazyObject(LazyObject):  # type: ignore[type-arg]  # generic in the stubs only
    """What ``scope["session"]`` is: it stands for the session once `InstanceSessionWrapper.resolve_session` has run."""

    def _setup(self) -> None:
        raise ValueError("scope['session'] was used before SessionMiddleware had resolved it")


class InstanceSessionWrapper:
    """One connection's scope with a session, and its ``send``, which saves; subclassed to save on other events."""

    save_message_types: ClassVar[list[str]] = ["http.response.start"]  # a changed session is saved before these
    cookie_response_message_types: ClassVar[list[str]] = ["http.response.start"]  # and these can carry the cookie

    def __init__(self, scope: Scope, send: Send) -> None:
        self.cookie_name = settings.SESSION_COOKIE_NAME
        self.session_store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        self.scope: dict[str, Any] = dict(scope)
        self.real_send = send
        self.activated = "session" not in scope  # a session from further out is its owner's to save
        if not self.activated:
            return
        if "cookies" not in scope:
            raise ValueError("SessionMiddleware found no cookies in the scope: CookieMiddleware must be outside of it")
        self.scope["session"] = SessionLazyObject()

    async def resolve_session(self) -> None:
        """Make the session of the cookie; nothing is read yet."""
        if self.activated:
            self.scope["session"]._wrapped = self.session_store(self.scope["cookies"].get(self.cookie_name))  # noqa: SLF001

    async def send(self, message: Event) -> None:
        """Save the session, and set or delete its cookie, where this event is the place for it; then send."""
        if self.activated and message["type"] in self.save_message_types:
            await self._keep(message)
        await self.real_send(message)

    async def save_session(self) -> None:
        """Save. Raises SuspiciousOperation where the session was deleted meanwhile: somebody has logged out."""
        try:
            await database_sync_to_async(self.scope["session"].save)()
        except UpdateError as error:
            raise SuspiciousOperation(
                "the session was deleted before its request was answered; the user may have logged out elsewhere"
            ) from error

    async def _keep(self, message: Event) -> None:
        session = self.scope["session"]
        carries_cookies = message["type"] in self.cookie_response_message_types
        if session.is_empty():
            if carries_cookies and self.cookie_name in self.scope["cookies"]:
                CookieMiddleware.delete_cookie(
                    message,
                    self.cookie_name,
                    path=settings.SESSION_COOKIE_PATH,
                    domain=settings.SESSION_COOKIE_DOMAIN,
                )
            return
        wanted = session.modified or settings.SESSION_SAVE_EVERY_REQUEST
        if wanted and message.get("status") != INTERNAL_SERVER_ERROR:
            await self.save_session()
            if carries_cookies:
                self._set_cookie(message)

    def _set_cookie(self, message: Event) -> None:
        session = self.scope["session"]  # saved a moment ago, so it is read and asks no database here
        max_age = None if session.get_expire_at_browser_close() else session.get_expiry_age()
        CookieMiddleware.set_cookie(
            message,
            self.cookie_name,
            session.session_key,
            max_age=max_age,
            expires=None if max_age is None else http_date(time.time() + max_age),
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=settings.SESSION_COOKIE_HTTPONLY,
            samesite=settings.SESSION_COOKIE_SAMESITE or None,
        )


class SessionMiddleware:
    """Puts ``session`` into the scope; needs `CookieMiddleware` outside of it. A session that is there is kept."""

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a copy of the scope."""
        wrapper = InstanceSessionWrapper(scope, send)
        await wrapper.resolve_session()
        await self.inner(wrapper.scope, receive, wrapper.send)


def SessionMiddlewareStack(inner: App) -> App:  # noqa: N802  (Channels' name)
    """Wrap an app in `CookieMiddleware` and `SessionMiddleware`."""
    return CookieMiddleware(SessionMiddleware(inner))
