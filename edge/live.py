"""Tests over a real server: the whole application on a port of this machine, for a browser or any other client.

    class Chat(ChannelsLiveServerTestCase):
        def test_somebody_says_hello(self):
            with sync_playwright() as play:
                page = play.chromium.launch().new_page()
                page.goto(self.live_server_url + "/chat/")

The name is Django Channels'; so is what tests use of it. Instead of a process of its own the server has a thread: it
sees what the test sees, its settings, its objects, its in-memory database and its in-memory channel layer. That layer
and all else that belongs to the server's loop is reached with `in_server`:

    self.in_server(get_channel_layer().group_send("chat", {"type": "say", "text": "hello"}))
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.db import connections
from django.test import TransactionTestCase, modify_settings

from edge.asgi import App
from edge.lifespan import running
from edge.registry import import_string

__all__ = ["ChannelsLiveServerTestCase"]

START_TIMEOUT = 30.0  # seconds; importing a large application on a busy machine takes its time
STOP_TIMEOUT = 2.0  # seconds for what is still connected
SOON = 10.0  # seconds for one call into the server

T = TypeVar("T")


class ChannelsLiveServerTestCase(TransactionTestCase):
    """Serves ``ASGI_APPLICATION``, and its static files, for all tests of the class.

    ``serve_lifespan`` starts and stops the application by its lifespan, too; in a box that is what runs the devices.
    """

    host: ClassVar[str] = "localhost"
    static_wrapper: ClassVar[Callable[[Any], Any] | None] = ASGIStaticFilesHandler  # Any: Django types it for itself
    serve_static: ClassVar[bool] = True
    serve_lifespan: ClassVar[bool] = False

    _server: ClassVar["_Server"]

    @property
    def live_server_url(self) -> str:
        """Where a browser finds the pages, without a slash at the end."""
        return f"http://{self.host}:{self._server.port}"

    @property
    def live_server_ws_url(self) -> str:
        """The same for WebSockets."""
        return f"ws://{self.host}:{self._server.port}"

    @classmethod
    def setUpClass(cls) -> None:
        """Start the server."""
        super().setUpClass()
        hosts: Any = modify_settings(ALLOWED_HOSTS={"append": cls.host})  # Any: the stubs know it as a decorator only
        hosts.enable()
        cls.addClassCleanup(hosts.disable)
        cls._server = _Server(cls._application(), cls.host, lifespan=cls.serve_lifespan)
        cls.addClassCleanup(cls._server.stop)
        cls._server.start()

    @classmethod
    def in_server(cls, coroutine: Coroutine[Any, Any, T], timeout: float = SOON) -> T:
        """Run a coroutine on the server's loop and return its result; TimeoutError after ``timeout`` seconds."""
        return cls._server.call(coroutine).result(timeout)

    @classmethod
    def _application(cls) -> App:
        application: App = import_string(settings.ASGI_APPLICATION)
        if cls.serve_static and cls.static_wrapper is not None:
            application = cls.static_wrapper(application)
        return application


class _Server:
    """A web server with a thread and a loop of its own."""

    def __init__(self, application: App, host: str, *, lifespan: bool) -> None:
        self.port = 0
        self._application, self._host, self._lifespan = application, host, lifespan
        self._started: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="live server", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.port = self._started.result(START_TIMEOUT)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("the live server does not run")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leaving.set)
            self._thread.join(START_TIMEOUT)
            self._loop = None

    def _run(self) -> None:
        try:
            import_string("transports.web:run")(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)  # for the test's thread, which waits for it

    async def _serve(self) -> None:
        # Any: the server is a transport, which this module reaches by its path only.
        server: Any = import_string("transports.web:WebServer")(self._application, host=self._host, port=0)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(sync_to_async(connections.close_all))
            if self._lifespan:
                await stack.enter_async_context(running(self._application))
            await server.start()
            stack.push_async_callback(server.stop, STOP_TIMEOUT)
            self._loop = asyncio.get_running_loop()
            self._started.set_result(int(server.url.rpartition(":")[2]))
            await self._leaving.wait()
