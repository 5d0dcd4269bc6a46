"""A server for consumers under test: ours with its mailbox, or a foreign one with a plain ``receive``."""

import asyncio
from contextlib import suppress

import pytest

from edge.layers import InMemoryChannelLayer, channel_layers
from edge.mailbox import Mailbox

SOON = 5.0  # seconds; no test waits so long unless it fails


class Line:
    """One connection of an app: `say` is what its server tells it, `answer` the next thing that it sends."""

    def __init__(self, app, type_="websocket", *, foreign=False, send=None, connect=True, **scope):
        self.type = type_
        self.sent = []
        self.box = None if foreign else Mailbox()
        self._heard = asyncio.Queue()
        self._answers = asyncio.Queue()
        self._send = send
        if connect:
            self.say("connect")

        async def receive():
            return await self._heard.get()

        app_receive = receive if foreign else self.box.receive
        self.task = asyncio.create_task(app({"type": type_, "path": "/", **scope}, app_receive, self.take))

    async def take(self, event):
        if self._send is not None:
            await self._send(event)
        self.sent.append(event)
        self._answers.put_nowait(event)

    def say(self, verb, **fields):
        event = {"type": f"{self.type}.{verb}", **fields}
        if self.box is None:
            self._heard.put_nowait(event)
        elif verb == "disconnect":
            self.box.close(event)
        else:
            assert self.box.offer(event)

    async def answer(self):
        getting = asyncio.create_task(self._answers.get())
        await asyncio.wait((getting, self.task), timeout=SOON, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        getting.cancel()
        if self.task.done():
            self.task.result()
        raise AssertionError(f"no answer came; the app {'ended' if self.task.done() else 'waits'}")

    async def text(self):
        return (await self.answer()).get("text")

    async def ended(self):
        """Wait until the app has ended by itself, and raise what it raised."""
        await asyncio.wait((self.task,), timeout=SOON)
        assert self.task.done(), "the app did not end"
        self.task.result()

    async def hang_up(self, code=1000):
        self.say("disconnect", code=code)
        await self.ended()

    async def cancel(self):
        self.task.cancel()
        await asyncio.wait((self.task,), timeout=SOON)
        assert self.task.cancelled()


@pytest.fixture
def layer():
    """A fresh layer, in the default one's place."""
    fresh = InMemoryChannelLayer()
    old = channel_layers.backends.get("default")
    channel_layers.set("default", fresh)
    yield fresh
    channel_layers.backends.pop("default")
    if old is not None:
        channel_layers.set("default", old)


@pytest.fixture
def no_layer(layer):
    """No layer at all, as with ``CHANNEL_LAYERS = {}``."""
    configs, backends = channel_layers.configs, channel_layers.backends
    channel_layers.configure({})
    yield
    channel_layers.configs, channel_layers.backends = configs, backends


@pytest.fixture
async def serve(layer):
    """Serve an app as a server would: ``line = serve(app, "websocket", foreign=True)``."""
    lines = []

    def start(app, type_="websocket", **options):
        lines.append(Line(app, type_, **options))
        return lines[-1]

    yield start
    for line in lines:
        line.task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await asyncio.wait_for(line.task, SOON)
    others = [task for task in asyncio.all_tasks() if task.get_name().startswith("edge-consumer")]
    assert others == [], "a consumer left a task behind"
    assert layer._mailboxes == {}, "a consumer left its channel open"
    assert layer.groups == {}, "a consumer stayed in a group"
