"""`ChannelsLiveServerTestCase`: pages, static files, sockets and streams, beside a test's own thread."""

import subprocess
import sys
import threading
import types
import urllib.request

import django
import pytest
from django.test import override_settings
from websockets.sync.client import connect

django.setup()

from django.contrib.auth.models import User  # noqa: E402  (models wait until Django is set up)
from django.http import HttpResponse  # noqa: E402  (as above)
from django.urls import path, re_path  # noqa: E402  (as above)

from edge.consumers import AsyncSseConsumer, WebsocketConsumer  # noqa: E402  (as above)
from edge.http import AsgiHandler  # noqa: E402  (as above)
from edge.layers import get_channel_layer  # noqa: E402  (as above)
from edge.lifespan import Lifespan  # noqa: E402  (as above)
from edge.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (as above)
from edge.testing import ChannelsLiveServerTestCase  # noqa: E402  (as above)

SOON = 5.0  # seconds; no test waits so long unless it fails


class CountUsers(WebsocketConsumer):
    def receive(self, text):
        self.send(text=f"{text}: {User.objects.count()}")


class News(AsyncSseConsumer):
    groups = ("news",)

    async def news(self, event):
        await self.send_event(event["text"])


def names(request):
    return HttpResponse(f"{sorted(User.objects.values_list('username', flat=True))} {request.scope.get('state')}")


async def keep(state):
    state["kept"] = 7


def make_application():
    pages = URLRouter([path("news/", News.as_asgi()), re_path("", AsgiHandler())])
    routers = ProtocolTypeRouter({"http": pages, "websocket": CountUsers.as_asgi()})
    return Lifespan(routers, on_start=[keep])


# What the settings below name by their paths: this file is no module that could be imported.
apps = sys.modules["live_server_apps"] = types.ModuleType("live_server_apps")
with override_settings(MIDDLEWARE=[]):  # Django reads them when the handler is made
    apps.application = make_application()
apps.urlpatterns = [path("names/", names)]


# Without the site's middleware, which serves static files itself.
APPLICATION = override_settings(
    ASGI_APPLICATION="live_server_apps.application", ROOT_URLCONF="live_server_apps", MIDDLEWARE=[]
)


def get(url):
    with urllib.request.urlopen(url, timeout=SOON) as response:
        return response.read().decode()


@APPLICATION
class LiveServerTests(ChannelsLiveServerTestCase):
    def test_a_page_shows_what_the_test_has_saved(self):
        User.objects.create_user("ann")
        assert get(self.live_server_url + "/names/") == "['ann'] {}"

    def test_each_test_begins_with_an_empty_database(self):
        assert get(self.live_server_url + "/names/") == "[] {}"

    def test_static_files_are_served(self):
        assert "font-family" in get(self.live_server_url + "/static/admin/css/base.css")

    def test_a_websocket_reaches_its_consumer_and_the_consumer_the_database(self):
        User.objects.create_user("ann")
        with connect(self.live_server_ws_url + "/", open_timeout=SOON) as browser:
            browser.send("users")
            assert browser.recv(timeout=SOON) == "users: 1"

    def test_a_test_sends_through_the_servers_own_layer(self):
        layer = get_channel_layer()
        with urllib.request.urlopen(self.live_server_url + "/news/", timeout=SOON) as stream:
            assert stream.readline() == b":\n"
            self.in_server(layer.group_send("news", {"type": "news", "text": "it rains"}))
            assert [stream.readline(), stream.readline()] == [b"\n", b"data: it rains\n"]

    def test_the_host_is_allowed(self):
        assert self.live_server_url.startswith("http://localhost:")
        assert self.live_server_ws_url.startswith("ws://localhost:")


@APPLICATION
class LiveServerWithLifespanTests(ChannelsLiveServerTestCase):
    serve_static = False
    serve_lifespan = True

    def test_the_application_was_started(self):
        assert get(self.live_server_url + "/names/") == "[] {'kept': 7}"

    def test_static_files_are_left_to_the_application(self):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(self.live_server_url + "/static/admin/css/base.css")


def test_nothing_of_a_server_is_left_after_its_tests(django_db_blocker, monkeypatch, settings):
    settings.ASGI_APPLICATION = "live_server_apps.application"

    class Short(ChannelsLiveServerTestCase):
        pass

    with django_db_blocker.unblock():
        Short.setUpClass()
        url = Short().live_server_url
        Short.tearDownClass()
        Short.doClassCleanups()
    assert Short.tearDown_exceptions == []
    with pytest.raises(urllib.error.URLError):
        get(url + "/")
    assert [thread for thread in threading.enumerate() if thread.name == "live server"] == []
    with pytest.raises(RuntimeError, match="the live server does not run"):
        Short.in_server(get_channel_layer().new_channel())


def test_a_server_that_cannot_start_tells_the_test_why(settings, monkeypatch):
    settings.ASGI_APPLICATION = "live_server_apps.application"

    class Elsewhere(ChannelsLiveServerTestCase):
        host = "192.0.2.1"  # of nobody's machine (RFC 5737)

    try:
        with pytest.raises(ValueError, match="no address of this machine"):
            Elsewhere.setUpClass()
    finally:
        Elsewhere.doClassCleanups()


def test_importing_the_communicators_imports_no_django():
    code = "import sys, edge.testing; print('django' in sys.modules); edge.testing.Nothing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "False\n"
    assert "module 'edge.testing' has no attribute 'Nothing'" in done.stderr
