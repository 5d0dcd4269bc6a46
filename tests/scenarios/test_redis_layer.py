"""A third party's layer under Edge: channels_redis on a Redis of its own, by the CHANNEL_LAYERS setting alone."""

import asyncio
import contextlib
import logging
import sys
import textwrap
import time

import channels.generic.websocket
import channels.layers
import django
import pytest
from django.test import override_settings
from redis.exceptions import ConnectionError as RedisConnectionError

from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer
from edge.layers import get_channel_layer, sync_facade
from edge.testing import WebsocketCommunicator
from tests.contract.layers import CORE, PUBSUB, PrivateRedis, close
from tests.scenarios.running import Process, environment

django.setup()  # edge.apps is what hands the setting on

pytestmark = pytest.mark.needs("redis-server")

SOON = 15.0  # seconds
LOOK = 0.02  # seconds between two looks


@pytest.fixture(autouse=True)
def no_old_connections(monkeypatch):
    """Channels' consumers look for no connections that earlier tests have left, as in tests of its own."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)


@pytest.fixture(params=[CORE, PUBSUB], ids=["core", "pubsub"])
def backend(request):
    return request.param


@pytest.fixture
def redis(request, tmp_path):
    running = PrivateRedis(tmp_path, keep=getattr(request, "param", False))
    running.start()
    yield running
    running.kill()


@pytest.fixture
async def layer(backend, redis):
    """Edge's layer, and Channels' own, which is as if in another process: both made of the one setting."""
    with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": backend, "CONFIG": {"hosts": [redis.host]}}}):
        yield get_channel_layer()
        for made in (get_channel_layer(), channels.layers.get_channel_layer()):
            with contextlib.suppress(RedisConnectionError):
                await close(made)


async def until(look, limit=SOON):
    """Wait until an async look gives something true."""
    deadline = time.monotonic() + limit
    while not (found := await look()):
        assert time.monotonic() < deadline, f"not within {limit:g} s"
        await asyncio.sleep(LOOK)
    return found


class Ours(AsyncWebsocketConsumer):
    groups = ("room",)
    names = []  # noqa: RUF012  (of the instances, in the order of their connecting)
    ended = []  # noqa: RUF012

    async def connect(self):
        self.names.append(self.channel_name)
        await self.accept()

    async def receive(self, text_data):
        await self.channel_layer.group_send("room", {"type": "chat.message", "text": text_data})

    async def chat_message(self, event):
        await self.send(text_data=event["text"])

    async def disconnect(self, code):
        self.ended.append(code)


class OursSync(WebsocketConsumer):
    groups = ("room",)

    def receive(self, text_data):
        sync_facade(self.channel_layer).group_send("room", {"type": "chat.message", "text": text_data})

    def chat_message(self, event):
        self.send(text_data=event["text"])


class Theirs(channels.generic.websocket.AsyncWebsocketConsumer):
    groups = ("room",)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("room", {"type": "chat.message", "text": text_data})

    async def chat_message(self, event):
        await self.send(text_data=event["text"])


@contextlib.asynccontextmanager
async def connected(*consumers):
    Ours.names.clear()
    Ours.ended.clear()
    talkers = [WebsocketCommunicator(consumer.as_asgi(), "/") for consumer in consumers]
    for talker in talkers:
        assert (await talker.connect(timeout=SOON))[0]
    yield talkers
    for talker in talkers:
        await talker.disconnect(timeout=SOON)


async def test_the_setting_alone_puts_ours_and_channels_own_consumers_into_one_group(layer, backend):
    assert f"{type(layer).__module__}.{type(layer).__name__}" == backend
    assert channels.layers.get_channel_layer() is not layer
    async with connected(Ours, OursSync, Theirs) as talkers:
        for number, speaker in enumerate(talkers):
            await speaker.send_to(text_data=f"said by {number}")
            assert [await talker.receive_from(timeout=SOON) for talker in talkers] == [f"said by {number}"] * 3
        await asyncio.to_thread(sync_facade(layer).group_send, "room", {"type": "chat.message", "text": "from a view"})
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == ["from a view"] * 3


async def test_who_left_is_out_of_the_group(layer):
    async with connected(Ours, Ours) as [_, stays]:
        async with connected(OursSync, Theirs):
            pass
        await stays.send_to(text_data="still here")
        assert await stays.receive_from(timeout=SOON) == "still here"


async def hears(layer, talkers, send, text):
    """Send until each has heard this text: a layer that comes back takes its time, and may lose what is sent."""
    heard = set()

    async def look():
        with contextlib.suppress(RedisConnectionError):
            await send({"type": "chat.message", "text": text})
        for talker in talkers:
            if (
                talker not in heard
                and not await talker.receive_nothing(timeout=LOOK)
                and text in await talker.receive_from()
            ):
                heard.add(talker)
        return len(heard) == len(talkers)

    await until(look)


@pytest.mark.parametrize("redis", [True], indirect=True, ids=["kept"])
async def test_a_redis_that_is_killed_is_an_error_for_the_sender_and_a_line_in_the_log_and_no_consumers_end(
    layer, redis, caplog
):
    with caplog.at_level(logging.ERROR):
        async with connected(Ours, Ours) as talkers:
            await hears(layer, talkers, lambda message: layer.group_send("room", message), "before")
            redis.kill()
            with pytest.raises(RedisConnectionError):
                await asyncio.wait_for(layer.group_send("room", {"type": "chat.message", "text": "lost"}), SOON)
            with pytest.raises(RedisConnectionError):
                await asyncio.to_thread(
                    sync_facade(layer).send, Ours.names[0], {"type": "chat.message", "text": "lost"}
                )

            async def told():
                return any("channel layer failed" in text or "receive task" in text for text in caplog.messages)

            await until(told)
            assert Ours.ended == []
            redis.start()
            await hears(layer, talkers, lambda message: layer.group_send("room", message), "after")
            for talker, name in zip(talkers, Ours.names, strict=True):
                await hears(layer, [talker], lambda message, name=name: layer.send(name, message), f"to {name}")
            assert Ours.ended == []


APPLICATION = """
    from edge.consumers import AsyncConsumer, SyncConsumer
    from edge.layers import get_channel_layer, sync_facade
    from edge.routing import ChannelNameRouter, ProtocolTypeRouter

    class Doubles(AsyncConsumer):
        async def double(self, event):
            if event["number"] < 0:
                raise ValueError("a job that fails")
            await self.channel_layer.send(event["answer"], {"type": "done", "number": 2 * event["number"]})

    class Trebles(SyncConsumer):
        def treble(self, event):
            sync_facade(self.channel_layer).send(event["answer"], {"type": "done", "number": 3 * event["number"]})

    application = ProtocolTypeRouter({"channel": ChannelNameRouter({
        "doubles": Doubles.as_asgi(), "trebles": Trebles.as_asgi()})})
"""


@pytest.fixture
def worker(tmp_path, redis, backend):
    """``edge worker`` in a process of its own, with a site's own settings."""
    (tmp_path / "their_jobs.py").write_text(textwrap.dedent(APPLICATION))
    (tmp_path / "their_settings.py").write_text(
        "from django_site.settings import *\n"
        'ASGI_APPLICATION = "their_jobs.application"\n'
        f'CHANNEL_LAYERS = {{"default": {{"BACKEND": {backend!r}, "CONFIG": {{"hosts": [{redis.host!r}]}}}}}}\n'
    )
    given = environment(DJANGO_SETTINGS_MODULE="their_settings", EDGE_DATA=str(tmp_path / "data"))
    given["PYTHONPATH"] += f":{tmp_path}"
    command = (sys.executable, "-m", "edge.cli", "worker", "doubles", "trebles")
    process = Process(*command, folder=tmp_path, env=given, name="worker")
    yield process
    process.process.kill()
    process.process.wait(SOON)


async def test_a_worker_over_redis_does_jobs_of_both_kinds_and_goes_on_after_one_that_fails(layer, worker):
    answers, heard = await layer.new_channel(), asyncio.Queue()

    async def listen():
        while True:
            heard.put_nowait((await layer.receive(answers))["number"])

    async def answers_with(channel, type_, number, answer):
        async def ask():  # until there is an answer: who publishes before the worker has subscribed is not heard
            assert worker.process.poll() is None, worker.words()
            await layer.send(channel, {"type": type_, "number": number, "answer": answers})
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(heard.get(), 1.0) == answer

        await until(ask)

    listening = asyncio.create_task(listen())
    try:
        await asyncio.to_thread(worker.says, "working on doubles, trebles")
        await answers_with("doubles", "double", 4, 8)
        await answers_with("trebles", "treble", 5, 15)
        await layer.send("doubles", {"type": "double", "number": -1})
        await answers_with("doubles", "double", 6, 12)
    finally:
        listening.cancel()
        await asyncio.wait([listening], timeout=SOON)
    code, _ = await asyncio.to_thread(worker.stop)
    assert code == 0, worker.words()
    assert "a job that fails" in worker.complained
    assert "stopped; 1 jobs failed, 0 messages were refused" in worker.complained
