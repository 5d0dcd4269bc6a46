"""Who may open a WebSocket: only pages of ours. Names and behaviour follow Django Channels 4.3.

A browser sends a user's cookies with a WebSocket that any page in the world opens, and no same-origin rule stops it;
but it says in ``Origin`` whose page it was (RFC 6455, section 10.2). So this check is for WebSockets what CSRF tokens
are for forms. It is no protection against programs that are not browsers: those can say anything.
"""

import logging
from collections.abc import Sequence
from urllib.parse import ParseResult, urlparse

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

from edge.asgi import App, Receive, Scope, Send
from edge.consumers import AsyncWebsocketConsumer

__all__ = ["AllowedHostsOriginValidator", "OriginValidator", "WebsocketDenier"]

logger = logging.getLogger("edge.security")

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
DEBUG_HOSTS = [".localhost", "127.0.0.1", "[::1]"]  # what Django allows with DEBUG and no ALLOWED_HOSTS
SHOWN = 200  # characters of a refused header in the log


class OriginValidator:
    """Lets WebSockets of these origins through and refuses all others before they are accepted (HTTP 403).

    An origin is written ``"https://edge.example:8000"`` (without a port: the scheme's own) or ``"edge.example"`` (any
    scheme; without a port: any); a dot in front, ``".example"``, stands for the domain and all below it;
    ``"*"`` for every origin.

    **Without an Origin header** come programs that are not browsers, such as scripts and native apps. They are refused
    unless ``"*"`` is allowed or ``allow_missing`` is set. No browser leaves the header out, so setting it opens no door
    to foreign pages; but then something else must say who such a program is.
    """

    def __init__(self, application: App, allowed_origins: Sequence[str], *, allow_missing: bool = False) -> None:
        self.application = application
        self.allow_missing = allow_missing
        self._allowed_origins = allowed_origins

    @property
    def allowed_origins(self) -> Sequence[str]:
        """The origins, looked up at each connection."""
        return self._allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection on, or refuse it; ValueError for what is no WebSocket."""
        if scope["type"] != "websocket":
            raise ValueError(f"OriginValidator is for WebSockets; got a connection of type {scope['type']!r}")
        if self.allows(scope):
            await self.application(scope, receive, send)
            return
        origin = ", ".join(_headers(scope, b"origin"))[:SHOWN]
        logger.info("refused a WebSocket for %s: Origin %r is not allowed here", scope.get("path", ""), origin)
        await WebsocketDenier()(scope, receive, send)

    def allows(self, scope: Scope) -> bool:
        """Decide by the headers. A header that cannot be read, and more than one, is a refusal whatever is allowed."""
        origins = _headers(scope, b"origin")
        if not origins:
            return self.valid_origin(None)
        parsed = _parse(origins[0]) if len(origins) == 1 else None
        return parsed is not None and self.valid_origin(parsed)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        """Decide about an origin; None where the client sent none."""
        if parsed_origin is None:
            return self.allow_missing or "*" in self.allowed_origins
        return self.validate_origin(parsed_origin)

    def validate_origin(self, parsed_origin: ParseResult) -> bool:
        """Look for an origin among those allowed."""
        return any(
            pattern == "*" or self.match_allowed_origin(parsed_origin, pattern) for pattern in self.allowed_origins
        )

    def match_allowed_origin(self, parsed_origin: ParseResult | None, pattern: str) -> bool:
        """Compare an origin with one pattern: the host, and scheme and port where the pattern has them."""
        if parsed_origin is None or parsed_origin.hostname is None:
            return False
        pattern = pattern.lower()
        wanted = _parse(pattern if "://" in pattern else f"//{pattern}")
        if wanted is None or wanted.hostname is None:  # such as ::1 without its brackets
            return bool(is_same_domain(parsed_origin.hostname, pattern))
        if wanted.scheme and wanted.scheme != parsed_origin.scheme:
            return False
        if (port := self.get_origin_port(wanted)) is not None and port != self.get_origin_port(parsed_origin):
            return False
        return bool(is_same_domain(parsed_origin.hostname, wanted.hostname))

    def get_origin_port(self, origin: ParseResult) -> int | None:
        """Return an origin's port, its scheme's own where it names none, or None for a scheme that we do not know."""
        return origin.port if origin.port is not None else DEFAULT_PORTS.get(origin.scheme)


class AllowedHostsOriginValidator(OriginValidator):
    """Lets WebSockets of the hosts in ``ALLOWED_HOSTS`` through, on any port, read anew at each connection.

    A page may always talk to where it came from: an ``Origin`` that names the ``Host`` and its port is let through if
    Django would serve that host. ``allow_missing`` is `OriginValidator`'s.
    """

    def __init__(self, application: App, *, allow_missing: bool = False) -> None:
        super().__init__(application, (), allow_missing=allow_missing)

    @property
    def allowed_origins(self) -> Sequence[str]:
        """``ALLOWED_HOSTS``; with DEBUG and none, this machine, as in Django."""
        hosts: Sequence[str] = settings.ALLOWED_HOSTS
        return DEBUG_HOSTS if settings.DEBUG and not hosts else hosts

    def allows(self, scope: Scope) -> bool:
        """Decide by the headers, the Host among them."""
        return super().allows(scope) or self._is_same_origin(scope)

    def _is_same_origin(self, scope: Scope) -> bool:
        origins, hosts = _headers(scope, b"origin"), _headers(scope, b"host")
        if len(origins) != 1 or len(hosts) != 1 or (origin := _parse(origins[0])) is None:
            return False
        own = _parse(f"{origin.scheme}://{hosts[0]}")
        if own is None or own.hostname is None or own.hostname != origin.hostname:
            return False
        domain, _port = split_domain_port(hosts[0])
        return self.get_origin_port(own) == self.get_origin_port(origin) and validate_host(domain, self.allowed_origins)


class WebsocketDenier(AsyncWebsocketConsumer):
    """Refuses every connection before it is accepted: the client sees HTTP 403."""

    async def connect(self) -> None:
        """Refuse."""
        await self.close()


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name]


def _parse(origin: str) -> ParseResult | None:
    """Read an origin, None if it is malformed. ``null``, which a sandboxed page sends, is an origin without a host."""
    try:
        parsed = urlparse(origin.strip())
        _ = parsed.port, parsed.hostname  # both are read late, and may be malformed too
    except ValueError:
        return None
    return parsed
