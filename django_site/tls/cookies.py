"""The cookies that sign somebody in, apart for HTTPS and for plain HTTP. An ASGI app around the whole box.

A browser keeps one jar for both: what HTTPS set, plain HTTP may not replace (RFC 6265bis, 5.7), and what plain HTTP set
it would hand to HTTPS, whoever in the network had put it there. So over HTTPS the box's cookies have names with a
prefix, by which browsers take them from HTTPS alone (section 4.1.3), and only those count there. Whoever changes from
one to the other signs in once more. Apps see the names that Django knows.
"""

from collections.abc import Iterable
from functools import partial

from django.conf import settings

from edge.asgi import App, Event, Receive, Scope, Send

Header = tuple[bytes, bytes]


def guard_cookies(app: App) -> App:
    """Let an app's cookies for signing in be ``Secure``, and have names of their own, on connections with TLS."""
    names = {name.encode(): prefix + name.encode() for name, prefix in _guarded()}

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("scheme") in ("https", "wss"):
            headers = [
                (name, incoming(value, names)) if name == b"cookie" else (name, value)
                for name, value in _headers(scope)
            ]
            await app({**scope, "headers": headers}, receive, partial(_send, send, names))
        else:
            await app(scope, receive, send)

    return guarded


def incoming(cookies: bytes, names: dict[bytes, bytes]) -> bytes:
    """Read a Cookie header: guarded cookies lose their prefix, and those that came without it are left out."""
    ours = {guarded: plain for plain, guarded in names.items()}
    kept = []
    for cookie in cookies.split(b";"):
        name, equals, value = cookie.strip().partition(b"=")
        if name not in names:
            kept.append(ours.get(name, name) + equals + value)
    return b"; ".join(kept)


def outgoing(cookie: bytes, names: dict[bytes, bytes]) -> bytes:
    """Write a Set-Cookie header: a guarded cookie gets its prefix and ``Secure``."""
    name, equals, rest = cookie.partition(b"=")
    if name not in names:
        return cookie
    attributes = [attribute.strip().lower() for attribute in rest.split(b";")[1:]]
    return names[name] + equals + rest + (b"" if b"secure" in attributes else b"; Secure")


async def _send(send: Send, names: dict[bytes, bytes], event: Event) -> None:
    if event["type"] in ("http.response.start", "websocket.accept") and event.get("headers"):
        headers = [
            (name, outgoing(value, names) if name.lower() == b"set-cookie" else value)
            for name, value in event["headers"]
        ]
        event = {**event, "headers": headers}
    await send(event)


def _headers(scope: Scope) -> Iterable[Header]:
    headers: Iterable[Header] = scope.get("headers", ())
    return headers


def _guarded() -> list[tuple[str, bytes]]:
    """Name the cookies, each with its prefix: the stricter one is for cookies of one host and all of its paths."""
    found = []
    for setting in ("SESSION_COOKIE", "CSRF_COOKIE"):
        name, domain, path = (getattr(settings, f"{setting}_{what}") for what in ("NAME", "DOMAIN", "PATH"))
        found.append((str(name), b"__Host-" if not domain and path == "/" else b"__Secure-"))
    return found
