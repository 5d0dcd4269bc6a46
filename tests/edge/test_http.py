"""`edge.http`: Django's views behind our routers, beside consumers."""

import sys
import types

import django
import pytest
from django.test import override_settings

django.setup()

from django.http import HttpResponse  # noqa: E402  (views wait until Django is set up)
from django.urls import path, re_path  # noqa: E402  (as above)

from edge.consumers import AsyncHttpConsumer  # noqa: E402  (as above)
from edge.http import AsgiHandler  # noqa: E402  (as above)
from edge.middleware import BaseMiddleware  # noqa: E402  (as above)
from edge.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (as above)
from edge.testing import HttpCommunicator, WebsocketCommunicator  # noqa: E402  (as above)


class Beside(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, b"a consumer")


def view(request, name):
    return HttpResponse(f"{request.method} {request.path} {name} {request.scope.get('stamp')} {request.body.decode()}")


async def async_view(request):
    return HttpResponse("async")


# What ROOT_URLCONF names: this file is no module that could be imported.
urls = sys.modules["http_test_urls"] = types.ModuleType("http_test_urls")
urls.urlpatterns = [path("deep/er/<name>/", view), path("async/", async_view)]

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture
def site():
    with override_settings(ROOT_URLCONF="http_test_urls", MIDDLEWARE=[], ALLOWED_HOSTS=["*"]):
        yield


async def ask(app, path, method="GET", body=b""):
    asked = HttpCommunicator(app, method, path, body, [(b"host", b"localhost")])
    response = await asked.get_response()
    await asked.wait()
    return response["status"], response["body"].decode()


def application():
    return ProtocolTypeRouter(
        {"http": URLRouter([path("beside/", Beside.as_asgi()), re_path("", AsgiHandler())]), "websocket": AsgiHandler()}
    )


async def test_views_and_consumers_stand_side_by_side():
    app = application()
    assert await ask(app, "/beside/") == (200, "a consumer")
    assert await ask(app, "/async/") == (200, "async")
    assert await ask(app, "/deep/er/ann/", "POST", b"hello") == (200, "POST /deep/er/ann/ ann None hello")
    assert (await ask(app, "/nowhere/"))[0] == 404


async def test_a_view_sees_the_whole_path_whatever_routers_are_in_front():
    inner = URLRouter([path("er/", URLRouter([re_path("", AsgiHandler())]))])
    assert await ask(URLRouter([path("deep/", inner)]), "/deep/er/ann/") == (200, "GET /deep/er/ann/ ann None ")


async def test_what_a_middleware_put_into_the_scope_is_at_the_request_and_not_outside():
    class Stamped(BaseMiddleware):
        async def __call__(self, scope, receive, send):
            await super().__call__({**scope, "stamp": 7}, receive, send)

    class Changing(BaseMiddleware):
        async def __call__(self, scope, receive, send):
            async def inner(scope, receive, send):
                scope["stamp"] = 8
                await self.inner(scope, receive, send)

            await BaseMiddleware(inner)(scope, receive, send)

    assert (await ask(Stamped(AsgiHandler()), "/deep/er/ann/"))[1] == "GET /deep/er/ann/ ann 7 "
    asked = HttpCommunicator(Changing(Beside.as_asgi()), "GET", "/")
    await asked.get_response()
    assert "stamp" not in asked.scope


async def test_django_serves_nothing_but_http():
    with pytest.raises(ValueError, match="Django can only handle ASGI/HTTP connections, not websocket"):
        await WebsocketCommunicator(application(), "/").connect()
