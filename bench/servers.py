"""The servers that are measured, each a process of its own: ``python -m bench.servers NAME [ARGUMENTS]``.

All of them listen by `transports.web.WebServer` on `uvloop`: uvicorn with httptools, websockets-sansio, no
compression. So a peer runs on exactly our settings, and what differs is what stands between the bytes and the
browser.
"""

import asyncio
import importlib
import json
import logging
import os
import sys
import threading
import time
import tty
from collections.abc import Awaitable, Callable
from typing import Any

from bench.measure import answer, percentile
from edge.asgi import App, Receive, Scope, Send
from edge.consumers import AsyncAx25Consumer, AsyncWebsocketConsumer, WebsocketConsumer
from edge.desired import Desired, DeviceWish, RouteWish
from edge.status import State
from edge.supervisor import Supervisor
from transports import web

BAUD = 115200  # a pty has no speed
STAMP = 20  # digits; bench.writer

waits: list[int] = []  # nanoseconds between the writing of a frame and its handler


class Lines(AsyncAx25Consumer):
    """Shows each frame to whoever watches, as a monitor does."""

    async def receive(self, source: str, destination: str, via: list[str], info: bytes) -> None:
        text = f"{source}>{','.join((destination, *via))}:{info.decode('latin-1')}"
        await self.channel_layer.group_send("lines", {"type": "line", "text": text})


class Screen(AsyncWebsocketConsumer):
    """One who watches."""

    groups = ("lines",)

    async def line(self, message: dict[str, str]) -> None:
        await self.send(text=message["text"])


class Watch(AsyncAx25Consumer):
    """Takes the time of each frame."""

    async def receive(self, info: bytes) -> None:
        waits.append(time.monotonic_ns() - int(info[-STAMP:]))


class AsyncEcho(AsyncWebsocketConsumer):
    async def receive(self, text: str) -> None:
        await self.send(text=text)


class SyncEcho(WebsocketConsumer):
    def receive(self, text: str) -> None:
        self.send(text=text)


async def raw_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Echo without any library: what ASGI and the server cost by themselves."""
    del scope
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


def configure_django(*, layer: bool = True) -> None:
    """Give Django's settings to Channels, and to our own consumers what they take of them (`edge.apps`)."""
    import django
    from django.conf import settings

    ours = {"default": {"BACKEND": "edge.layers.InMemoryChannelLayer"}}
    theirs = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.configure(INSTALLED_APPS=["edge"], CHANNEL_LAYERS=ours if layer else {}, DATABASES={})
    django.setup()
    settings.CHANNEL_LAYERS = theirs if layer else {}


def channels_echo(*, sync: bool) -> App:
    """Return the same echo as a consumer of Django Channels."""
    from channels.generic.websocket import AsyncWebsocketConsumer as TheirAsync
    from channels.generic.websocket import WebsocketConsumer as TheirSync

    class Echo(TheirAsync):
        async def receive(self, text_data: str) -> None:
            await self.send(text_data=text_data)

    class EchoInThread(TheirSync):
        def receive(self, text_data: str) -> None:
            self.send(text_data=text_data)

    return (EchoInThread if sync else Echo).as_asgi()


ECHOES: dict[str, Callable[[], App]] = {
    "raw": lambda: raw_echo,
    "edge-async": AsyncEcho.as_asgi,
    "edge-sync": SyncEcho.as_asgi,
    "channels-async": lambda: channels_echo(sync=False),
    "channels-sync": lambda: channels_echo(sync=True),
}


async def whole_edge(port: str) -> None:
    """Run Edge as ``edge serve`` does, without the site: supervisor, serial link, AX.25, route, layer, web server."""
    supervisor = Supervisor(layer=_layer())
    await supervisor.apply(_desired(port, "bench.servers.Lines"))
    server = web.WebServer(Screen.as_asgi(), port=0)
    await server.start()
    await _until_up(supervisor)
    answer(url=f"{server.url}/")
    await obey()
    await supervisor.stop()
    await server.stop(1)


async def whole_channels(port: str) -> None:
    """Run kiss3 as its documentation uses it, and Channels with its in-memory layer, in one process."""
    configure_django()
    logging.getLogger("asyncio").disabled = True  # a traceback for each message that finds a channel full
    import kiss
    from channels.generic.websocket import AsyncWebsocketConsumer as TheirAsync
    from channels.layers import get_channel_layer

    class TheirScreen(TheirAsync):
        groups = ("lines",)

        async def line(self, message: dict[str, str]) -> None:
            await self.send(text_data=message["text"])

    async def read() -> None:
        layer = get_channel_layer()
        _, protocol = await kiss.create_serial_connection(port=port, baudrate=BAUD)
        async for frame in protocol.read():
            await layer.group_send("lines", {"type": "line", "text": str(frame)})

    server = web.WebServer(TheirScreen.as_asgi(), port=0)
    await server.start()
    reading = asyncio.create_task(read())
    await asyncio.sleep(0.3)
    answer(url=f"{server.url}/")
    await obey()
    reading.cancel()
    await server.stop(1)


async def latency_edge(port: str) -> None:
    """Take the time from a write on the pty to our consumer's handler."""
    supervisor = Supervisor(layer=_layer())
    await supervisor.apply(_desired(port, "bench.servers.Watch"))
    # The route's class is of another module than this, which `python -m` runs as __main__.
    watched = importlib.import_module("bench.servers").waits

    await _until_up(supervisor)
    answer(up=True)
    await obey(watched)
    await supervisor.stop()


async def latency_raw(port: str) -> None:
    """Take the time from a write on the pty to a callback that does nothing else: what the kernel and the loop cost."""
    loop = asyncio.get_running_loop()
    line = os.open(port, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    tty.setraw(line)

    def readable() -> None:
        frames = filter(None, os.read(line, 4096).split(b"\xc0"))
        waits.extend(time.monotonic_ns() - int(frame[-STAMP:]) for frame in frames)

    loop.add_reader(line, readable)
    answer(up=True)
    await obey(waits)
    loop.remove_reader(line)
    os.close(line)


async def latency_blocking(port: str) -> None:
    """Take it in a thread that waits in ``os.read`` and does nothing else."""
    line = os.open(port, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)

    def read() -> None:
        while True:
            frames = filter(None, os.read(line, 4096).split(b"\xc0"))
            waits.extend(time.monotonic_ns() - int(frame[-STAMP:]) for frame in frames)

    threading.Thread(target=read, daemon=True).start()
    answer(up=True)
    await obey(waits)


async def echo(name: str) -> None:
    """Serve one echo on a WebSocket."""
    configure_django()
    server = web.WebServer(ECHOES[name](), port=0)
    await server.start()
    answer(url=f"{server.url}/")
    await obey()
    await server.stop(1)


def _layer() -> object:
    from edge.layers import get_channel_layer

    return get_channel_layer()


def _desired(port: str, consumer: str) -> Desired:
    device = DeviceWish(name="tnc", kind="ax25", link=f"serial://{port}")
    return Desired(devices=(device,), routes=(RouteWish(device="tnc", consumer=consumer),))


async def _until_up(supervisor: Supervisor) -> None:
    async with asyncio.timeout(10):
        while supervisor.status()[0].state is not State.UP:  # noqa: ASYNC110  (status is asked, not told)
            await asyncio.sleep(0.02)


async def obey(measured: list[int] | None = None, **actions: Callable[[Any], Awaitable[None]]) -> None:
    """Answer questions, and run the actions that are asked for by name, until standard input ends."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    running: set[asyncio.Task[None]] = set()

    def readable() -> None:
        for line in (data := os.read(0, 4096)).splitlines():
            command = json.loads(line)
            for name in command.keys() & actions.keys():
                running.add(asyncio.ensure_future(actions[name](command[name])))
            if "report" in command and measured is not None:
                kept, measured[:] = list(measured), []
                answer(count=len(kept), p50=percentile(kept, 0.5) / 1e3, p99=percentile(kept, 0.99) / 1e3)
        if not data and not ended.done():
            ended.set_result(None)

    loop.add_reader(0, readable)
    await ended
    loop.remove_reader(0)
    for task in running:
        task.cancel()


SERVERS = {
    "whole-edge": whole_edge,
    "whole-channels": whole_channels,
    "latency-edge": latency_edge,
    "latency-raw": latency_raw,
    "latency-blocking": latency_blocking,
    "echo": echo,
}

if __name__ == "__main__":
    web.run(SERVERS[sys.argv[1]](*sys.argv[2:]))
