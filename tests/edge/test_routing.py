"""Routers: the first match wins, inner ones see what is left over, and a stranger's URL is no error of ours."""

import django
import pytest
from django.urls import include, path, re_path

from edge.consumers import AsyncMqttConsumer
from edge.errors import ConfigError
from edge.routing import (
    NOT_FOUND,
    ChannelNameRouter,
    ProtocolTypeRouter,
    TopicRouter,
    URLRouter,
    get_default_application,
    topic,
)
from edge.testing import FeedCommunicator

django.setup()  # `edge.apps` puts ASGI_APPLICATION where get_default_application looks


def app(name):
    async def run(scope, receive, send):
        await send({"app": name, **scope.get("url_route", {}), "remaining": scope.get("path_remaining")})

    return run


async def ask(router, **scope):
    """Return what the app that was found sends, or how the connection was refused."""
    sent = []

    async def receive():
        return {"type": f"{scope['type']}.connect"}

    async def send(event):
        sent.append(event)

    await router({"type": "websocket", **scope} if "type" not in scope else scope, receive, send)
    return sent


async def where(router, to, **scope):
    scope = {"type": "websocket", "path": to, **scope}
    [answer] = await ask(router, **scope)
    return answer.get("app", answer)


async def test_the_protocol_chooses_the_app():
    router = ProtocolTypeRouter({"http": app("pages"), "websocket": app("chat")})
    assert (await ask(router, type="http"))[0]["app"] == "pages"
    assert (await ask(router, type="websocket"))[0]["app"] == "chat"
    with pytest.raises(ValueError, match="No application configured for scope type 'lifespan'"):
        await ask(router, type="lifespan")


async def test_the_first_url_that_matches_wins():
    router = URLRouter([path("chat/", app("first")), path("chat/", app("second")), re_path(r"^(\w+)/$", app("any"))])
    assert await where(router, "/chat/") == "first"
    assert await where(router, "/other/") == "any"


async def test_what_the_pattern_caught_is_in_the_scope():
    router = URLRouter(
        [
            path("room/<slug:name>/<int:page>/", app("room"), {"extra": True}),
            re_path(r"^old/(?P<year>\d{4})/$", app("old")),
            re_path(r"^plain/(\d+)/$", app("plain")),
        ]
    )
    [room] = await ask(router, type="websocket", path="/room/lobby/7/")
    assert (room["args"], room["kwargs"]) == ((), {"name": "lobby", "page": 7, "extra": True})
    [old] = await ask(router, type="websocket", path="/old/2026/")
    assert old["kwargs"] == {"year": "2026"}
    [plain] = await ask(router, type="websocket", path="/plain/7/")
    assert plain["args"] == ("7",)


async def test_a_router_below_a_router_sees_what_is_left_and_keeps_what_was_caught():
    inner = URLRouter([path("<int:page>/", app("page")), re_path(r"^(?P<word>[a-z]+)/", app("word"))])
    router = URLRouter([path("site/<slug:site>/", inner), path("", URLRouter([path("top/", app("top"))]))])
    [page] = await ask(router, type="websocket", path="/site/north/3/")
    assert (page["app"], page["kwargs"], page["remaining"]) == ("page", {"site": "north", "page": 3}, "")
    [word] = await ask(router, type="websocket", path="/site/north/abc/rest")
    assert (word["app"], word["kwargs"], word["remaining"]) == ("word", {"site": "north", "word": "abc"}, "rest")
    assert await where(router, "/top/") == "top"


async def test_where_nothing_below_an_inner_router_matches_the_outer_one_goes_on():
    router = URLRouter(
        [
            path("", URLRouter([path("chat/", app("chat"))])),
            path("", URLRouter([path("live/", app("live"))])),
            path("live/<int:page>/", app("page")),
        ]
    )
    assert await where(router, "/chat/") == "chat"
    assert await where(router, "/live/") == "live"
    assert await where(router, "/live/3/") == "page"
    assert (await where(router, "/nothing/"))["code"] == NOT_FOUND


async def test_a_middleware_between_two_routers_may_say_that_it_routes():
    class Middleware:
        _path_routing = True

        def __init__(self, inner):
            self.inner = inner

        async def __call__(self, scope, receive, send):
            await self.inner({**scope, "seen": True}, receive, send)

    router = URLRouter([path("a/", Middleware(URLRouter([path("b/", app("b"))])))])
    assert await where(router, "/a/b/") == "b"
    assert (await where(router, "/a/c/"))["code"] == NOT_FOUND


@pytest.mark.parametrize(
    ("root", "to", "expected"),
    [
        ("", "/chat/", "chat"),
        ("/box", "/box/chat/", "chat"),
        ("/box", "/chat/", "chat"),
        ("", "chat/", "chat"),
        ("/ch", "/chat/", "chat"),
    ],
)
async def test_a_root_path_is_not_part_of_the_address(root, to, expected):
    assert await where(URLRouter([path("chat/", app("chat"))]), to, root_path=root) == expected


@pytest.mark.parametrize("type_", ["websocket", "conversation"])
async def test_an_address_that_nobody_serves_is_closed(type_):
    router = URLRouter([path("chat/", app("chat"))])
    assert await ask(router, type=type_, path="/nothing/") == [
        {"type": f"{type_}.close", "code": NOT_FOUND, "reason": "no such address"}
    ]


async def test_an_http_address_that_nobody_serves_is_a_404():
    start, body = await ask(URLRouter([]), type="http", path="/nothing/")
    assert start["status"] == 404
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(body["body"])


async def test_lists_are_included_and_nested_and_routers_stand_among_them():
    deep = [re_path(r"^(?P<word>[a-z]+)/$", app("word")), path("router/", URLRouter([path("end/", app("end"))]))]
    router = URLRouter(
        [
            path("a/<int:a>/", include([path("b/", include((deep, "names")), {"extra": 1}), path("", app("a"))])),
            re_path(r"^a/", include([path("2/c/", app("c"))])),
        ]
    )
    [word] = await ask(router, type="websocket", path="/a/1/b/hello/")
    assert (word["app"], word["kwargs"]) == ("word", {"a": 1, "word": "hello", "extra": 1})
    assert await where(router, "/a/1/") == "a"
    assert await where(router, "/a/1/b/router/end/") == "end"
    assert await where(router, "/a/2/c/") == "c"
    assert (await where(router, "/a/2/d/"))["code"] == NOT_FOUND


async def test_a_router_of_channels_below_ours_lets_ours_go_on():
    from channels.routing import URLRouter as Theirs

    router = URLRouter([path("a/", Theirs([path("b/", app("b"))])), path("a/c/", app("c"))])
    assert await where(router, "/a/b/") == "b"
    assert await where(router, "/a/c/") == "c"
    assert (await where(router, "/a/d/"))["code"] == NOT_FOUND


def test_what_is_no_app_is_an_error_at_once():
    route = type("Route", (), {"callback": None, "pattern": path("a/", app("a")).pattern})()
    with pytest.raises(ConfigError, match="expected path"):
        URLRouter([route])


async def test_a_scope_without_a_path_cannot_be_routed():
    with pytest.raises(ValueError, match="No 'path' key in connection scope"):
        await ask(URLRouter([]), type="websocket")


@pytest.mark.parametrize(
    ("path_", "words"),
    [
        (None, "Cannot find ASGI_APPLICATION setting"),
        ("nodots", "Cannot find ASGI_APPLICATION setting"),
        ("no.such.module.app", "Cannot import ASGI_APPLICATION module 'no.such.module'"),
        ("edge.routing.nothing", "Cannot find 'nothing' in ASGI_APPLICATION module edge.routing"),
    ],
)
def test_a_default_application_that_is_not_there_says_why(settings, path_, words):
    settings.ASGI_APPLICATION = path_
    with pytest.raises(ConfigError, match=words):
        get_default_application()


def test_the_default_application_is_the_one_of_the_settings(settings):
    settings.ASGI_APPLICATION = "edge.routing.URLRouter"
    assert get_default_application() is URLRouter


async def test_the_channel_chooses_the_app_of_a_worker():
    router = ChannelNameRouter({"thumbnails": app("thumbnails")})
    assert (await ask(router, type="channel", channel="thumbnails"))[0]["app"] == "thumbnails"
    with pytest.raises(ValueError, match="No application configured for channel name 'other'"):
        await ask(router, type="channel", channel="other")
    with pytest.raises(ValueError, match="without a 'channel' key"):
        await ask(router, type="channel")


async def test_each_message_goes_to_every_app_whose_filter_it_matches_and_the_filters_are_subscribed_to():
    class Climate(AsyncMqttConsumer):
        async def receive(self, topic):
            await self.send(topic="seen", payload=f"{self.scope['topic_filters'][0]} {topic}")

    routes = [topic("sensors/+room/temperature", Climate.as_asgi()), topic("sensors/#", Climate.as_asgi())]
    broker = FeedCommunicator(TopicRouter(routes), "mqtt")
    await broker.connect()
    subscribed = [await broker.sent() for _ in routes]
    assert [event["topic"] for event in subscribed] == ["sensors/+/temperature", "sensors/#"]
    await broker.hear(topic="sensors/attic/temperature")
    seen = {(await broker.sent())["payload"] for _ in routes}
    assert seen == {f"{route.filter.text} sensors/attic/temperature" for route in routes}
    await broker.hear(topic="sensors/attic/humidity")
    assert (await broker.sent())["payload"] == "sensors/# sensors/attic/humidity"
    await broker.disconnect()


def test_a_topic_route_with_a_bad_filter_is_an_error_at_once():
    with pytest.raises(ConfigError):
        topic("a/#/b", app("never"))
