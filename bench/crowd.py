"""The servers of `fanout`, `isolation` and `memory`, each a process: ``python -m bench.crowd NAME [ARGUMENTS]``.

Each serves the same few lines as raw ASGI, as our consumers and as Channels' own, on the server that `servers` has.
"""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psutil

from bench import servers
from bench.measure import answer
from edge.asgi import App, Receive, Scope, Send
from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer
from edge.layers import channel_layers, get_channel_layer
from edge.mailbox import Mailbox
from transports import web

BLOCKS = 0.2  # seconds that the slow handler keeps its thread
SLEEPS = 1.0  # seconds of each of four sync handlers
SLOW = 0.05  # seconds that the flooded handler takes for a message
PIECE = 65_536  # bytes of a message that is not read, or too many of
PIECES = 1_600  # of them: 100 MiB
AT_ONCE = 20  # group sends under way

Publish = Callable[[str, dict[str, Any]], Awaitable[object]]


async def fanout(name: str, idle: int, address: str = "") -> None:
    """Serve the members of one group, or of rooms; publish when told."""
    layer = await _layer(name, address)
    app, publish = _members(name, layer)
    kept = [await _idle_channel(layer, name) for _ in range(int(idle))]

    async def numbered(count: int) -> None:
        for index in range(count):
            await publish("lines", {"type": "line", "text": f"{'one line of text, as monitors show':<40}{index:08d}"})

    async def rooms(count: int) -> None:
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(index: int) -> None:
            async with limit:
                room, number = index % AT_ONCE, index // AT_ONCE
                await publish(f"room{room}", {"type": "line", "text": f"{number:08d}"})

        await asyncio.gather(*map(one, range(count)))

    await _serve(app, numbered=numbered, rooms=rooms)
    del kept


async def isolation(kind: str) -> None:
    """Serve an echo on /, one that blocks its thread on /slow, one that sleeps for a second on /sleep."""
    servers.configure_django()
    side = kind.partition("-")[0]
    apps = {"/": servers.ECHOES[kind](), "/slow": _late_echo(side, BLOCKS), "/sleep": _late_echo(side, SLEEPS)}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["path"]](scope, receive, send)

    await _serve(app)


async def idle(name: str) -> None:
    """Serve connections on which nothing happens."""
    servers.configure_django()
    app = _members(name, None)[0] if name.endswith("group") else servers.ECHOES[name]()

    async def tasks(_: object) -> None:
        gc.collect()
        answer(tasks=len(asyncio.all_tasks()))

    await _serve(app, tasks=tasks)


async def alone(name: str, count: str) -> None:
    """Hold idle connections without a server, and say what one costs."""
    servers.configure_django()
    app = _members(name, None)[0] if name.endswith("group") else servers.ECHOES[name]()
    held = [asyncio.create_task(_hold(app)) for _ in range(50)]  # what only the first ones cost
    await asyncio.sleep(0.5)
    gc.collect()
    before, tasks = psutil.Process().memory_full_info().uss, len(asyncio.all_tasks())
    held += [asyncio.create_task(_hold(app)) for _ in range(int(count))]
    await asyncio.sleep(2)
    gc.collect()
    after, more = psutil.Process().memory_full_info().uss, len(asyncio.all_tasks())
    answer(kib=(after - before) / 1024 / int(count), tasks=(more - tasks) / int(count))
    for task in held:
        task.cancel()
    await asyncio.wait(held, timeout=5)


async def push(name: str) -> None:
    """Send 100 MiB to whoever says a word."""
    servers.configure_django()
    await _serve(_pusher(name))


async def sink(name: str) -> None:
    """Take messages, slowly."""
    servers.configure_django()
    await _serve(_sink(name))


def _members(name: str, layer: Any) -> tuple[App, Publish]:  # noqa: C901  (the same three times)
    """Return what connects the members of a group, and what sends to all of them."""
    side = name.partition("-")[0]
    if side == "raw":
        groups: dict[str, dict[Send, None]] = {}

        async def raw(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            members = groups.setdefault(scope["path"].strip("/") or "lines", {})
            members[send] = None
            while (await receive())["type"] != "websocket.disconnect":
                pass
            del members[send]

        async def in_turn(group: str, message: dict[str, Any]) -> None:
            for send in groups[group]:
                await send({"type": "websocket.send", "text": message["text"]})
            await asyncio.sleep(0)  # as long as it takes nobody to read, the loop has to turn for the bytes to go

        return raw, in_turn
    if side == "edge":

        class Ours(AsyncWebsocketConsumer):
            async def connect(self) -> None:
                await self.channel_layer.group_add(self.scope["path"].strip("/") or "lines", self.channel_name)
                await self.accept()

            async def line(self, message: dict[str, str]) -> None:
                await self.send(text=message["text"])

        return Ours.as_asgi(), getattr(layer, "group_send", None)
    from channels.generic.websocket import AsyncWebsocketConsumer as TheirAsync

    class Theirs(TheirAsync):
        async def connect(self) -> None:
            await self.channel_layer.group_add(self.scope["path"].strip("/") or "lines", self.channel_name)
            await self.accept()

        async def line(self, message: dict[str, str]) -> None:
            await self.send(text_data=message["text"])

    return Theirs.as_asgi(), getattr(layer, "group_send", None)


async def _layer(name: str, address: str) -> Any:
    """Return the layer of a side: ours or theirs, whichever its consumers find by themselves."""
    servers.configure_django()
    logging.getLogger("asyncio").disabled = True
    if name == "edge-mqtt":
        config = {"BACKEND": "edge.layers.mqtt.MqttChannelLayer", "CONFIG": {"url": address}}
        channel_layers.configure({"default": config})
    if name in {"raw", "edge", "edge-mqtt"}:
        return get_channel_layer()
    from channels.layers import get_channel_layer as get_theirs
    from django.conf import settings

    if address:
        backend = f"channels_redis.{'pubsub.RedisPubSubChannelLayer' if 'pubsub' in name else 'core.RedisChannelLayer'}"
        hosts = [{"address": address, "socket_timeout": None}]  # since redis-py 8 a read ends after 5 s
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}
    return get_theirs()


async def _idle_channel(layer: Any, name: str) -> object:
    """Open a channel as an idle consumer of this side has it."""
    if name == "raw":
        return None
    channel = await layer.new_channel()
    if name == "edge":
        layer.attach(channel, mailbox := Mailbox())
        return mailbox
    # What `receive` leaves behind; to call it here would walk through all channels each time, for minutes in all.
    layer.channels[channel] = asyncio.Queue(layer.get_capacity(channel))
    return None


def _late_echo(side: str, seconds: float) -> App:
    """Return an echo whose plain handler blocks first."""
    if side == "edge":

        class Ours(WebsocketConsumer):
            def receive(self, text: str) -> None:
                time.sleep(seconds)
                self.send(text=text)

        return Ours.as_asgi()
    from channels.generic.websocket import WebsocketConsumer as TheirSync

    class Theirs(TheirSync):
        def receive(self, text_data: str) -> None:
            time.sleep(seconds)
            self.send(text_data=text_data)

    return Theirs.as_asgi()


def _pusher(name: str) -> App:  # noqa: C901  (the same four times)
    async def raw(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        for _index in range(PIECES):
            await send({"type": "websocket.send", "bytes": b"x" * PIECE})

    class Ours(AsyncWebsocketConsumer):
        async def receive(self) -> None:
            for _ in range(PIECES):
                await self.send(bytes=b"x" * PIECE)

    class OursInThread(WebsocketConsumer):
        def receive(self) -> None:
            for _ in range(PIECES):
                self.send(bytes=b"x" * PIECE)

    if name == "raw":
        return raw
    if name.startswith("edge"):
        return (OursInThread if name.endswith("sync") and not name.endswith("async") else Ours).as_asgi()
    from channels.generic.websocket import AsyncWebsocketConsumer as TheirAsync

    class Theirs(TheirAsync):
        async def receive(self, **_: object) -> None:
            for _index in range(PIECES):
                await self.send(bytes_data=b"x" * PIECE)

    return Theirs.as_asgi()


def _sink(name: str) -> App:
    async def raw(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":  # noqa: ASYNC110  (that is what slow means)
            await asyncio.sleep(SLOW)

    class Ours(AsyncWebsocketConsumer):
        async def receive(self) -> None:
            await asyncio.sleep(SLOW)

    class OursInGroup(Ours):
        groups = ("lines",)

    class OursInThread(WebsocketConsumer):
        def receive(self) -> None:
            time.sleep(SLOW)

    if name == "raw":
        return raw
    if name.startswith("edge"):
        return {"edge-async": Ours, "edge-group": OursInGroup, "edge-sync": OursInThread}[name].as_asgi()
    from channels.generic.websocket import AsyncWebsocketConsumer as TheirAsync

    class Theirs(TheirAsync):
        async def receive(self, **_: object) -> None:
            await asyncio.sleep(SLOW)

    return Theirs.as_asgi()


async def _hold(app: App) -> None:
    """Connect, and never say anything."""
    connected = False

    async def receive() -> dict[str, Any]:
        nonlocal connected
        if not connected:
            connected = True
            return {"type": "websocket.connect"}
        return await asyncio.get_running_loop().create_future()

    async def send(event: dict[str, Any]) -> None:
        del event

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}
    await app(scope, receive, send)


async def _serve(app: App, **actions: Callable[[Any], Awaitable[None]]) -> None:
    server = web.WebServer(app, port=0, log_level="critical")  # what is cut off at the end is no news
    await server.start()
    answer(url=f"{server.url}/")
    await servers.obey(**actions)
    await server.stop(1)


CROWDS = {"fanout": fanout, "isolation": isolation, "idle": idle, "alone": alone, "push": push, "sink": sink}

if __name__ == "__main__":
    web.run(CROWDS[sys.argv[1]](*sys.argv[2:]))
