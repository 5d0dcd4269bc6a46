"""Routers: ASGI apps that find the app for a scope. Names and behaviour follow Django Channels 4.3.

A path that matches nothing is refused in the protocol's own way (HTTP 404, a closed WebSocket), never with an
exception: a stranger's URL is not an error of ours. A scope type, channel or topic that has no app is a ValueError:
that is a mistake in our own configuration.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.asgi import App, Event, Receive, Scope, Send
from edge.errors import ConfigError
from edge.fanout import FanOut
from edge.options import parse_options
from edge.topic_legs import TopicOptions, check_topic_options, topic_leg
from edge.topics import TopicFilter

NOT_FOUND = 4404  # close code (RFC 6455, section 7.4.2: 4000 to 4999 are the application's)

# Where the setting ASGI_APPLICATION is read; `edge.apps` puts Django's settings here.
application_path: Callable[[], object] | None = None


def get_default_application() -> App:
    """Return the object that ``ASGI_APPLICATION`` names; ConfigError that says what is wrong with it."""
    path = None if application_path is None else application_path()
    if not isinstance(path, str) or "." not in path:
        raise ConfigError("Cannot find ASGI_APPLICATION setting.")
    module, _, name = path.rpartition(".")
    try:
        application: App = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ConfigError(f"Cannot import ASGI_APPLICATION module {module!r}: {error}") from error
    except AttributeError as error:
        raise ConfigError(f"Cannot find {name!r} in ASGI_APPLICATION module {module}") from error
    return application


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
    """What Django's ``path()`` and ``re_path()`` return, with or without ``include()``."""

    pattern: Any  # django.urls.resolvers.RoutePattern or RegexPattern


class _Unrouted(Exception):  # noqa: N818  (no error: the router above tries its next route)
    """Nothing below an inner router matches."""


@dataclass(frozen=True, slots=True)
class _UrlRoute:
    pattern: Any  # as above
    app: App
    defaults: Mapping[str, Any]


class URLRouter:
    """Chooses by ``scope["path"]`` among Django's ``path()`` and ``re_path()``; the first match wins.

    Puts ``args`` and ``kwargs`` into ``scope["url_route"]``, and what the pattern left over into
    ``scope["path_remaining"]``. A router below a router, and a list that is ``include()``-ed, sees what the outer one
    left over; where nothing below it matches, the outer one tries its next route. ``root_path`` is no part of the
    address, whether the server says it with the path or not.
    """

    _path_routing = True

    def __init__(self, routes: Sequence[UrlPattern]) -> None:
        self.routes = list(routes)
        self._routes = [_compile(route) for route in self.routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection to the first app whose pattern matches; refuse it where none does."""
        is_inner = "path_remaining" in scope
        if not is_inner and "path" not in scope:
            raise ValueError("No 'path' key in connection scope, cannot route URLs")
        path = (scope["path_remaining"] if is_inner else _path_below_root(scope)).lstrip("/")
        for route in self._routes:
            if (match := route.pattern.match(path)) is None:
                continue
            try:
                await route.app(_routed(scope, route, match), receive, send)
            except _Unrouted:
                continue
            except Exception as error:
                # A router of Django Channels, or a middleware written for one, says it so.
                if type(error).__name__ != "Resolver404":
                    raise
                continue
            return
        if is_inner:
            raise _Unrouted
        await refuse(scope, receive, send)


def _compile(route: Any) -> _UrlRoute:
    """Make a route of what ``path()``, ``re_path()`` and ``include()`` return: Any, for Django's are not known here."""
    if hasattr(route, "url_patterns"):
        return _UrlRoute(route.pattern, URLRouter(route.url_patterns), dict(route.default_kwargs))
    app, pattern = getattr(route, "callback", None), route.pattern
    if app is None:
        raise ConfigError(f"{route}: expected path(), re_path() or include() with an ASGI app")
    if getattr(app, "_path_routing", False) and hasattr(pattern, "_is_endpoint"):
        pattern = type(pattern)(str(pattern), name=pattern.name, is_endpoint=False)
    return _UrlRoute(pattern, app, dict(route.default_args))


def _routed(scope: Scope, route: _UrlRoute, match: tuple[str, tuple[Any, ...], dict[str, Any]]) -> Scope:
    remaining, args, kwargs = match
    outer = scope.get("url_route", {})
    caught = {
        "args": (*outer.get("args", ()), *args),
        "kwargs": {**outer.get("kwargs", {}), **kwargs, **route.defaults},
    }
    return {**scope, "path_remaining": remaining, "url_route": caught}


def _path_below_root(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if path == root or path.startswith(f"{root}/") else path


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
    options: TopicOptions = field(default_factory=TopicOptions)


def topic(filter_: str, app: App, *, one_per: Sequence[str] = (), qos: int = 1, **options: Any) -> TopicRoute:
    """Route a topic filter, with named wildcards, to an app: ``topic("sensors/+room/in", Climate.as_asgi())``.

    ``one_per`` names wildcards: each value that they catch has an instance of its own (`edge.instances`). More options
    by the names of `edge.topic_legs.TopicOptions`. Raises ConfigError for a filter or options that cannot be.
    """
    chosen = {"subscribe_qos": qos, "one_per": ",".join(one_per), **options}
    parsed = parse_options(TopicOptions, chosen, where=f"topic {filter_!r}")
    route = TopicRoute(TopicFilter.parse(filter_), app, parsed)
    check_topic_options(parsed, route.filter)
    return route


class TopicRouter:
    """Serves one ``mqtt`` connection with a copy of each `topic` route's app, and each message to those that match.

    It subscribes by itself. Each app has a scope, a mailbox and a life of its own (`edge.fanout`), with its filter in
    ``scope["topic_filters"]``. What the wildcards caught is in each event's ``topic_route``, and in that of the scope
    where an instance serves one value alone: ``{"args": [], "kwargs": {"room": "attic"}}``.
    """

    protocols = frozenset({"mqtt"})

    def __init__(self, routes: Sequence[TopicRoute]) -> None:
        self.routes = list(routes)
        self.legs = tuple(
            topic_leg(index, route.filter, route.app, getattr(route.app, "__name__", "app"), route.options)
            for index, route in enumerate(self.routes)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, to its end."""
        await FanOut(self.legs)(scope, receive, send)


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
