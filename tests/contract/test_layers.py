"""The contract of a channel layer, whoever wrote it: what consumers, views and devices rely on."""

import asyncio
import contextlib

import channels.generic.websocket
import channels.layers
import pytest

from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer
from edge.exceptions import ChannelFull
from edge.layers import channel_layers, sync_facade
from edge.testing import WebsocketCommunicator
from tests.contract.layers import KINDS, SERVERS, close

SOON = 10.0  # seconds; no wait for what comes is longer
NEVER = 0.3  # seconds in which what must not come would have come
HELLO = {"type": "chat.message", "text": "hello"}
WRONG = ["", "a b", "a/b", "a" * 100, None, 7]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of whatever kind, started when it is first needed."""
    started = {}

    def get(program):
        if program in SERVERS and program not in started:
            started[program] = SERVERS[program](tmp_path_factory.mktemp("server"))
            started[program].start()
        return started.get(program)

    yield get
    for running in started.values():
        running.kill()


def kinds(wanted=lambda _kind: True):
    """The kinds of layer that a test is for."""
    return [
        pytest.param(kind, id=kind.name, marks=[pytest.mark.needs(kind.program)] * bool(kind.program))
        for kind in KINDS
        if wanted(kind)
    ]


@pytest.fixture(params=kinds())
def kind(request):
    """A kind of layer; in what it is known to differ it must differ."""
    if (reason := request.param.differs.get(request.node.originalname)) is not None:
        request.node.add_marker(pytest.mark.xfail(reason=f"{request.param}: {reason}", strict=True))
    return request.param


@pytest.fixture
async def make(kind, server):
    """Make layers of the kind, closed in the end."""
    async with contextlib.AsyncExitStack() as stack:

        def one(**config):
            layer = kind.make(server(kind.program), **config)
            stack.push_async_callback(close, layer)
            return layer

        yield one


@pytest.fixture
async def layer(make):
    return make()


async def take(layer, channel, limit=SOON):
    return await asyncio.wait_for(layer.receive(channel), limit)


async def nothing_for(layer, *names):
    for name in names:
        with contextlib.suppress(TimeoutError):
            raise AssertionError(f"{name} got {await take(layer, name, NEVER)}")


@contextlib.asynccontextmanager
async def reading(layer, *names):
    """Read channels for as long as the block runs, as consumers do; yields a list of messages for each."""
    heard = {name: [] for name in names}

    async def read(name):
        while True:
            heard[name].append(await layer.receive(name))

    tasks = [asyncio.create_task(read(name)) for name in names]
    try:
        yield list(heard.values())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=SOON)


async def until(true):
    async with asyncio.timeout(SOON):
        while not true():
            await asyncio.sleep(0.005)


# Channels


async def test_it_names_its_extensions(layer):
    assert {"groups", "flush"} <= set(layer.extensions)


async def test_new_channels_are_all_different(layer):
    names = {await layer.new_channel() for _ in range(50)}
    assert len(names) == 50
    assert all(0 < len(name) < 100 for name in names)


async def test_a_channel_gives_its_messages_in_order(layer):
    name = await layer.new_channel()
    for number in range(20):
        await layer.send(name, {"type": "x", "number": number})
    assert [(await take(layer, name))["number"] for _ in range(20)] == list(range(20))


async def test_what_is_sent_waits_for_its_reader(layer):
    await layer.send("jobs", HELLO)
    assert await take(layer, "jobs", NEVER * 5) == HELLO


async def test_a_reader_waits_for_the_next_message(layer):
    name = await layer.new_channel()
    async with reading(layer, name) as [heard]:
        await layer.send(name, HELLO)
        await until(lambda: heard)
        await layer.send(name, HELLO)
        await until(lambda: len(heard) == 2)
    assert heard == [HELLO] * 2


async def test_a_message_of_plain_values_arrives_as_it_was(layer):
    message = {
        "type": "x",
        "text": "grüß ☃",
        "bytes": b"\x00\xff",
        "numbers": [0, -1, 2**40, 0.25],
        "deep": {"list": [{"none": None, "yes": True}]},
    }
    name = await layer.new_channel()
    await layer.send(name, message)
    assert await take(layer, name) == message


async def test_a_message_of_a_million_bytes_arrives(layer):
    name, message = await layer.new_channel(), {"type": "x", "bytes": b"x" * 1_000_000}
    await layer.send(name, message)
    assert await take(layer, name) == message


async def test_a_reader_that_gave_up_leaves_the_channel_to_the_next(layer):
    reader = asyncio.create_task(layer.receive("jobs"))
    await asyncio.sleep(0.05)
    reader.cancel()
    await asyncio.wait([reader], timeout=SOON)
    async with reading(layer, "jobs") as [heard]:
        await until_sent(layer, "jobs", heard)


async def until_sent(layer, channel, heard):
    """Send until the channel hears: some layers have to hear of their reader first."""
    async with asyncio.timeout(SOON):
        while not heard:
            await layer.send(channel, HELLO)
            await asyncio.sleep(0.02)


async def test_two_readers_of_one_channel_both_get_their_message(layer):
    name = await layer.new_channel()
    readers = [asyncio.create_task(layer.receive(name)) for _ in range(2)]
    await asyncio.sleep(0.05)
    for _ in readers:
        await layer.send(name, HELLO)
    done, late = await asyncio.wait(readers, timeout=NEVER * 5)
    for task in late:
        task.cancel()
        await asyncio.wait([task], timeout=SOON)
    assert [task.result() for task in done] == [HELLO] * 2


# Bounds


async def test_a_full_channel_is_an_error_for_the_sender(make):
    layer = make(capacity=3)
    for _ in range(3):
        await layer.send("jobs", HELLO)
    with pytest.raises((ChannelFull, channels.layers.ChannelFull)):
        await layer.send("jobs", HELLO)
    await take(layer, "jobs")
    await layer.send("jobs", HELLO)


async def test_patterns_give_channels_capacities_of_their_own(make):
    layer = make(capacity=3, channel_capacity={"small*": 1})
    await layer.send("small.jobs", HELLO)
    with pytest.raises((ChannelFull, channels.layers.ChannelFull)):
        await layer.send("small.jobs", HELLO)


async def test_a_message_that_nobody_fetched_in_time_is_forgotten(make):
    layer = make(expiry=1)
    name = await layer.new_channel()
    await layer.send(name, HELLO)
    await asyncio.sleep(2.1)  # the time itself; a layer may count in whole seconds
    await nothing_for(layer, name)


async def test_a_member_that_is_full_is_no_error_for_the_group(make):
    layer = make(capacity=2)
    name = await layer.new_channel()
    await layer.group_add("room", name)
    for _ in range(5):
        await layer.group_send("room", HELLO)
    assert await take(layer, name) == HELLO


async def test_six_hundred_sends_to_twenty_rooms_twenty_at_a_time_all_arrive(layer):
    names = [await layer.new_channel() for _ in range(20)]
    for number, name in enumerate(names):
        await layer.group_add(f"room{number}", name)
    sending = asyncio.Semaphore(20)

    async def send(number):
        async with sending:
            await layer.group_send(f"room{number % 20}", {"type": "x", "number": number})

    async with reading(layer, *names) as heard:
        await asyncio.wait_for(asyncio.gather(*map(send, range(600))), SOON)
        marks = [len(messages) for messages in heard]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                while sum(marks := [len(messages) for messages in heard]) < 600 and not await stands(heard, marks):
                    pass
    assert sorted(message["number"] for messages in heard for message in messages) == list(range(600))


async def stands(heard, marks):
    """Wait, and tell whether nothing came meanwhile."""
    await asyncio.sleep(NEVER * 3)
    return [len(messages) for messages in heard] == marks


# Names and messages


async def test_names_that_are_too_long_or_wrong_are_type_errors(layer):
    for name in WRONG:
        for call, arguments in (
            (layer.send, (name, HELLO)),
            (layer.group_add, ("room", name)),
            (layer.group_add, (name, "a")),
            (layer.group_send, (name, HELLO)),
        ):
            with pytest.raises(TypeError):
                await call(*arguments)


async def test_what_is_no_ascii_name_is_refused(layer):
    for name in ("a\n", "\u0661"):
        with pytest.raises(TypeError):
            await layer.send(name, HELLO)


async def test_what_is_no_dictionary_is_refused(layer):
    for message in ("text", None, [("type", "x")]):
        with pytest.raises(AssertionError):
            await layer.send("a", message)


# Groups


async def test_a_group_reaches_its_members_and_nobody_else(layer):
    names = [await layer.new_channel() for _ in range(3)]
    for name in names[:2]:
        await layer.group_add("room", name)
    await layer.group_send("room", HELLO)
    await layer.group_send("empty", HELLO)
    assert [await take(layer, name) for name in names[:2]] == [HELLO] * 2
    await nothing_for(layer, names[2])


async def test_joining_twice_is_joining_once_and_leaving_twice_is_fine(layer):
    name = await layer.new_channel()
    for _ in range(2):
        await layer.group_add("room", name)
    await layer.group_send("room", HELLO)
    assert await take(layer, name) == HELLO
    for _ in range(2):
        await layer.group_discard("room", name)
    await layer.group_discard("never", name)
    await layer.group_send("room", HELLO)
    await nothing_for(layer, name)


async def test_the_senders_message_is_not_touched_and_may_be_changed_after(layer):
    name, message = await layer.new_channel(), {"type": "x", "list": [1, [2]]}
    await layer.group_add("room", name)
    await layer.group_send("room", message)
    assert message == {"type": "x", "list": [1, [2]]}
    message["list"][1].append(3)
    assert (await take(layer, name))["list"] == [1, [2]]


async def test_a_member_may_change_its_message_and_nobody_sees_it(layer):
    names = [await layer.new_channel() for _ in range(2)]
    for name in names:
        await layer.group_add("room", name)
    await layer.group_send("room", HELLO)
    (await take(layer, names[0]))["text"] = "changed"
    assert await take(layer, names[1]) == HELLO


async def test_a_flush_leaves_no_group_behind(layer):
    name = await layer.new_channel()
    await layer.group_add("room", name)
    await layer.flush()
    await layer.group_send("room", HELLO)
    await nothing_for(layer, await layer.new_channel())


@pytest.mark.parametrize("kind", kinds(lambda kind: kind.shared), indirect=True)
async def test_what_one_process_sends_another_receives(make):
    one, other = make(prefix="shared"), make(prefix="shared")
    name = await one.new_channel()
    await one.group_add("room", name)
    async with reading(one, name) as [heard]:
        await other.send(name, HELLO)
        await other.group_send("room", HELLO)
        await until(lambda: len(heard) == 2)


# Presence, of layers that have it


@pytest.mark.parametrize("kind", kinds(lambda kind: kind.presence), indirect=True)
async def test_who_is_in_a_group_is_known_and_who_comes_and_goes_is_told(layer):
    assert "presence" in layer.extensions
    first, second, watcher = [await layer.new_channel() for _ in range(3)]
    await layer.group_add("room", first)
    await layer.watch_group("room", watcher)
    await layer.group_add("room", second)
    assert set(await layer.group_members("room")) == {first, second}
    assert await layer.group_count("room") == 2
    await layer.group_discard("room", first)
    told = [await take(layer, watcher) for _ in range(2)]
    assert told == [
        {"type": "group.joined", "group": "room", "channel": second},
        {"type": "group.left", "group": "room", "channel": first},
    ]
    await layer.unwatch_group("room", watcher)
    await layer.group_discard("room", second)
    await nothing_for(layer, watcher)


# Who uses it


async def test_a_thread_reaches_a_reader_on_the_loop_through_the_sync_facade(layer):
    name, facade = await layer.new_channel(), sync_facade(layer)
    await layer.group_add("room", name)

    def view():
        facade.send(name, HELLO)
        facade.group_send("room", HELLO)

    async with reading(layer, name) as [heard]:
        await asyncio.wait_for(asyncio.to_thread(view), SOON)
        await until(lambda: len(heard) == 2)


def test_plain_code_without_a_loop_sends_and_receives(kind, server):
    layer = kind.make(server(kind.program))
    facade = sync_facade(layer)
    name = facade.new_channel()
    facade.group_add("room", name)
    facade.group_send("room", HELLO)
    try:
        assert facade.receive(name, timeout=SOON) == HELLO
    finally:
        with contextlib.suppress(AttributeError):
            facade.call({"redis-core": "close_pools", "mqtt": "close"}.get(kind.name, "flush"))


class OursAsync(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def receive(self, text_data=None):
        await self.channel_layer.group_send("room", {"type": "chat.message", "text": text_data})

    async def chat_message(self, event):
        await self.send(text_data=event["text"])


class OursSync(WebsocketConsumer):
    groups = ("room",)

    def chat_message(self, event):
        self.send(text_data=event["text"])


class Theirs(channels.generic.websocket.AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("room", {"type": "chat.message", "text": text_data})

    async def chat_message(self, event):
        await self.send(text_data=event["text"])

    async def disconnect(self, code):
        await self.channel_layer.group_discard("room", self.channel_name)


@pytest.fixture
def everybodys(layer):
    """The layer under the name "default" for our consumers and for Channels' own."""
    managers = (channel_layers, channels.layers.channel_layers)
    before = [manager.set("default", layer) for manager in managers]
    yield layer
    for manager, old in zip(managers, before, strict=True):
        del manager.backends["default"]
        if old is not None:
            manager.set("default", old)


async def test_our_consumers_and_those_of_channels_talk_in_one_group(everybodys):
    talkers = [
        WebsocketCommunicator(OursAsync.as_asgi(), "/"),
        WebsocketCommunicator(OursSync.as_asgi(), "/"),
        WebsocketCommunicator(Theirs.as_asgi(), "/"),
    ]
    for talker in talkers:
        assert (await talker.connect(timeout=SOON))[0]
    for speaker, text in ((talkers[0], "from ours"), (talkers[2], "from theirs")):
        await speaker.send_to(text_data=text)
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == [text] * 3
    for talker in talkers:
        await talker.disconnect(timeout=SOON)
    await everybodys.group_send("room", HELLO)
