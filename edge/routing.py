"""Routers: ASGI apps that find the app for a scope. Names and behaviour follow Django Channels 4.3.

A path that matches nothing is refused in the protocol's own way (HTTP 404, a closed WebSocket), never with an
exception: a stranger's URL is not an error of ours. A scope type, channel or topic that has no app is a ValueError:
that is a mistake in our own configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge.asgi import App, Event, Receive, Scope, Send
from edge.errors import ConfigError
from edge.topics import TopicFilter

NOT_FOUND = 4404  # close code (RFC 6455, section 7.4.2: 4000 to 4999 are the application's)


class ProtocolTypeRouter:
    """Chooses by ``scope["type"]``."""

    def __init__(self, application_mapping: Mapping[str, App]) -> None:
        self.application_mapping = dict(application_mapping)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection to the app for its type; ValueError for a type that has none."""
        app = self.application_mapping.get(scope["type"])
        if app is None:
            raise ValueError(f"No application configured for scope type {scope['type']!r}")
        await app(scope, receive, send)


class UrlPattern(Protocol):
    """What Django's ``path()`` and ``re_path()`` return, as far as it is used here."""

    pattern: Any  # django.urls.resolvers.RoutePattern or RegexPattern
    callback: App
    default_args: dict[str, Any]


class _Unrouted(Exception):  # noqa: N818  (no error: the router above tries its next route)
    """Nothing below an inner router matches."""


class URLRouter:
    """Chooses by ``scope["path"]`` among Django's ``path()`` and ``re_path()``; the first match wins.

    Puts ``args`` and ``kwargs`` into ``scope["url_route"]``. A router below a router sees what the outer one left over;
    where nothing below it matches, the outer one tries its next route.
    """

    _path_routing = True

    def __init__(self, routes: Sequence[UrlPattern]) -> None:
        self.routes = list(routes)
        for route in self.routes:
            if getattr(route, "callback", None) is None:
                raise ConfigError(f"{route}: include() is not supported in URLRouter. Use nested URLRouters instead.")
            if getattr(route.callback, "_path_routing", False) and hasattr(route.pattern, "_is_endpoint"):
                route.pattern = type(route.pattern)(str(route.pattern), name=route.pattern.name, is_endpoint=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection to the first app whose pattern matches; refuse it where none does."""
        is_inner = "path_remaining" in scope
        path = (scope["path_remaining"] if is_inner else _path_below_root(scope)).removeprefix("/")
        for route in self.routes:
            if (match := route.pattern.match(path)) is None:
                continue
            try:
                await route.callback(_routed(scope, route, match), receive, send)
            except _Unrouted:
                continue
            return
        if is_inner:
            raise _Unrouted
        await refuse(scope, receive, send)


def _routed(scope: Scope, route: UrlPattern, match: tuple[str, tuple[Any, ...], dict[str, Any]]) -> Scope:
    remaining, args, kwargs = match
    outer = scope.get("url_route", {"args": (), "kwargs": {}})
    caught = {
        "args": (*outer["args"], *args),
        "kwargs": {**outer["kwargs"], **kwargs, **route.default_args},
    }
    return {**scope, "path_remaining": remaining, "url_route": caught}


def _path_below_root(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root and path.startswith(root) else path


class ChannelNameRouter:
    """Chooses by ``scope["channel"]``, for workers."""

    def __init__(self, application_mapping: Mapping[str, App]) -> None:
        self.application_mapping = dict(application_mapping)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the channel to its app; ValueError for one that has none."""
        if "channel" not in scope:
            raise ValueError(
                "ChannelNameRouter got a scope without a 'channel' key. "
                "Did you make sure it's only being used for 'channel' type messages?"
            )
        app = self.application_mapping.get(scope["channel"])
        if app is None:
            raise ValueError(f"No application configured for channel name {scope['channel']!r}")
        await app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class TopicRoute:
    """A topic filter and the app for what it catches."""

    filter: TopicFilter
    app: App


def topic(filter_: str, app: App) -> TopicRoute:
    """Route a topic filter, with named wildcards, to an app: ``topic("sensors/+room/in", Climate.as_asgi())``."""
    return TopicRoute(TopicFilter.parse(filter_), app)


class TopicRouter:
    """Chooses by ``scope["topic"]`` among `topic` routes; ``scope["topic_route"]`` says what the wildcards caught."""

    def __init__(self, routes: Sequence[TopicRoute]) -> None:
        self.routes = list(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection to the first app whose filter matches; ValueError where none does."""
        for route in self.routes:
            if (caught := route.filter.match(scope["topic"])) is not None:
                await route.app(
                    {**scope, "topic_route": {"filter": route.filter.text, "kwargs": caught}}, receive, send
                )
                return
        raise ValueError(f"No route found for topic {scope['topic']!r}.")


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a connection that nobody serves: 404 for HTTP, a close for a WebSocket."""
    if scope["type"] == "http":
        body = b"There is nothing at this address.\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await receive()
        event: Event = {"type": f"{scope['type']}.close", "code": NOT_FOUND, "reason": "no such address"}
        await send(event)
