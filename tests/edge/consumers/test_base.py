"""What all consumers share: the loop, the ways out, the channel layer, and the colours of handlers."""

import asyncio
import functools
import gc
import inspect
import logging
import subprocess
import sys
import threading
import time

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from edge.consumers import (
    AprsConsumer,
    AsyncConsumer,
    AsyncWebsocketConsumer,
    SyncConsumer,
    WebsocketConsumer,
    base,
    dispatching,
    inbox,
    plain,
)
from edge.errors import LinkLost
from edge.exceptions import InvalidChannelLayerError, StopConsumer
from edge.layers import channel_layers
from edge.mailbox import Mailbox
from edge.threads import pool

SOON = 5.0
SERVERS = pytest.mark.parametrize("foreign", [pytest.param(False, id="our mailbox"), pytest.param(True, id="foreign")])


class Log:
    """What a pair of consumers, one of each colour, lived through."""

    def __init__(self):
        self.events = []
        self.in_handler = threading.Event()
        self.release = threading.Event()

    def consumers(self, act):
        """Return an async and a plain consumer whose receive does ``act``: "raise", "stop", "lost", "wait"."""
        log = self

        class Async(AsyncWebsocketConsumer):
            groups = ("room",)

            async def connect(self):
                log.events.append("connect")
                await self.accept()

            async def receive(self, text):
                log.in_handler.set()
                if act == "wait":
                    await asyncio.sleep(60)
                log.raise_what(act)
                await self.send(text=text)

            async def disconnect(self, code):
                log.events.append(code)

        class Plain(WebsocketConsumer):
            groups = ("room",)

            def connect(self):
                log.events.append("connect")
                self.accept()

            def receive(self, text):
                log.in_handler.set()
                if act == "wait":
                    log.release.wait(SOON)
                log.raise_what(act)
                self.send(text=text)

            def disconnect(self, code):
                log.events.append(code)

        return Async, Plain

    @staticmethod
    def raise_what(act):
        errors = {"raise": KeyError("a bug"), "stop": StopConsumer(), "lost": LinkLost("the cable was pulled")}
        if act in errors:
            raise errors[act]


@pytest.fixture(params=["async", "plain"])
def one_of_each(request):
    """A log, and how to make the consumer of one colour."""
    log = Log()
    return log, lambda act: log.consumers(act)[request.param == "plain"]


async def until(condition):
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.001)


@SERVERS
async def test_a_peer_that_leaves_is_said_goodbye_to_once(serve, layer, one_of_each, foreign):
    log, make = one_of_each
    line = serve(make("echo").as_asgi(), foreign=foreign)
    await line.answer()
    assert list(layer.groups) == ["room"]
    line.say("receive", text="last words")
    line.say("disconnect", code=1001)
    await line.ended()
    assert log.events == ["connect", 1001]
    assert line.sent[-1]["text"] == "last words"
    assert layer.groups == {}


@SERVERS
async def test_a_handler_that_raises_closes_with_1011_and_the_error_goes_on(serve, layer, one_of_each, foreign):
    log, make = one_of_each
    line = serve(make("raise").as_asgi(), foreign=foreign)
    await line.answer()
    line.say("receive", text="")
    with pytest.raises(KeyError, match="a bug"):
        await line.ended()
    assert line.sent[-1] == {"type": "websocket.close", "code": 1011, "reason": "the consumer failed"}
    assert log.events == ["connect", 1011]
    assert layer.groups == {}


@SERVERS
async def test_a_connection_that_is_cancelled_ends_with_1012(serve, layer, one_of_each, foreign):
    log, make = one_of_each
    line = serve(make("wait").as_asgi(), foreign=foreign)
    await line.answer()
    line.say("receive", text="")
    await until(log.in_handler.is_set)
    log.release.set()
    await line.cancel()
    assert log.events == ["connect", 1012]
    assert layer.groups == {}


@SERVERS
async def test_one_that_is_idle_when_it_is_cancelled_ends_with_1012_too(serve, one_of_each, foreign):
    log, make = one_of_each
    line = serve(make("echo").as_asgi(), foreign=foreign)
    await line.answer()
    await line.cancel()
    assert log.events == ["connect", 1012]


@SERVERS
@pytest.mark.parametrize(("act", "code"), [("stop", 1000), ("lost", 1006)])
async def test_one_that_stops_itself_or_loses_its_link_ends_quietly(serve, layer, one_of_each, foreign, act, code):
    log, make = one_of_each
    line = serve(make(act).as_asgi(), foreign=foreign)
    await line.answer()
    line.say("receive", text="")
    await line.ended()
    assert log.events == ["connect", code]
    assert layer.groups == {}


@SERVERS
async def test_a_failed_send_is_followed_by_the_servers_own_word_for_it(serve, one_of_each, foreign):
    log, make = one_of_each

    async def send(event):
        if event["type"] == "websocket.send":
            line.say("receive", text="not read any more")
            line.say("disconnect", code=1012)
            raise ConnectionResetError("gone")

    line = serve(make("echo").as_asgi(), foreign=foreign, send=send)
    await line.answer()
    line.say("receive", text="")
    await line.ended()
    assert log.events == ["connect", 1012]


@SERVERS
async def test_a_second_cancellation_does_not_cut_the_goodbye_off(serve, foreign):
    codes, saying = [], asyncio.Event()

    class Consumer(AsyncWebsocketConsumer):
        async def disconnect(self, code):
            saying.set()
            await asyncio.sleep(0.01)  # as one that has something to put in order
            codes.append(code)

    line = serve(Consumer.as_asgi(), foreign=foreign)
    await line.answer()
    line.task.cancel()
    await asyncio.wait_for(saying.wait(), SOON)
    await line.cancel()
    assert codes == [1012]


@SERVERS
async def test_a_send_to_a_peer_that_has_gone_is_a_lost_link(serve, one_of_each, foreign):
    log, make = one_of_each

    async def send(event):
        if event["type"] == "websocket.send":
            raise ConnectionResetError("gone")

    line = serve(make("echo").as_asgi(), foreign=foreign, send=send)
    await line.answer()
    line.say("receive", text="")
    await line.ended()
    assert log.events == ["connect", 1006]


async def test_a_foreign_server_whose_receive_fails_has_lost_the_link(serve, layer):
    codes = []

    class Consumer(AsyncWebsocketConsumer):
        async def disconnect(self, code):
            codes.append(code)

    class WithChannel(Consumer):
        groups = ("room",)

    for consumer in (Consumer, WithChannel):
        events = [{"type": "websocket.connect"}]

        async def receive(events=events):
            if events:
                return events.pop()
            raise ConnectionResetError("gone")

        async def send(event):
            pass

        await asyncio.wait_for(consumer.as_asgi()({"type": "websocket"}, receive, send), SOON)
    assert codes == [1006, 1006]
    assert layer.groups == {}


async def test_one_that_was_never_connected_is_not_disconnected(serve, no_layer):
    goodbyes = []

    class Consumer(AsyncWebsocketConsumer):
        groups = ("room",)

        async def disconnect(self, code):
            goodbyes.append(code)

    line = serve(Consumer.as_asgi(), connect=False)
    await asyncio.sleep(0)
    await line.cancel()
    with pytest.raises(InvalidChannelLayerError, match="unconfigured"):
        await serve(Consumer.as_asgi()).ended()
    assert goodbyes == []


async def test_an_error_in_disconnect_hides_neither_the_handlers_error_nor_a_cancellation(serve, caplog):
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text):
            raise KeyError(text)

        async def disconnect(self, code):
            raise ZeroDivisionError

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("receive", text="the first error")
    with pytest.raises(KeyError, match="the first error"):
        await line.ended()
    line = serve(Consumer.as_asgi())
    await line.answer()
    await line.cancel()
    assert [record.message for record in caplog.records].count(
        f"{Consumer.__qualname__}: disconnect() failed, too"
    ) == 2


async def test_an_error_in_disconnect_alone_is_raised(serve):
    class Consumer(AsyncWebsocketConsumer):
        async def disconnect(self, code):
            raise ZeroDivisionError

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("disconnect", code=1000)
    with pytest.raises(ZeroDivisionError):
        await line.ended()


async def test_a_disconnect_that_takes_too_long_is_left_behind_with_a_word(serve, one_of_each, monkeypatch, caplog):
    monkeypatch.setattr(base, "GOODBYE", 0.02)
    log, make = one_of_each
    consumer = make("echo")

    class Slow(consumer):
        if inspect.iscoroutinefunction(consumer.disconnect):

            async def disconnect(self, code):
                await asyncio.sleep(60)

        else:

            def disconnect(self, code):
                log.release.wait(SOON)

    line = serve(Slow.as_asgi())
    await line.answer()
    await line.hang_up()
    assert "disconnect() took more than 0.02 s and was left behind" in caplog.text
    log.release.set()


async def test_a_layer_that_fails_to_let_go_keeps_nobody_from_saying_goodbye(serve, layer, monkeypatch, caplog):
    async def fail(group, channel):
        raise ConnectionError("the broker is away")

    log = Log()
    monkeypatch.setattr(layer, "group_discard", fail)
    line = serve(log.consumers("echo")[0].as_asgi())
    await line.answer()
    await line.hang_up()
    assert log.events == ["connect", 1000]
    assert "could not leave its groups" in caplog.text


async def test_the_channel_is_closed_before_disconnect_and_stays_closed(serve, layer):
    """A disconnect() in Channels' form leaves its group by hand, even where connect() never came to join it."""

    class Consumer(AsyncWebsocketConsumer):
        async def disconnect(self, code):
            await self.channel_layer.group_discard("room", self.channel_name)

    for foreign in (False, True):
        line = serve(Consumer.as_asgi(), foreign=foreign)
        await line.answer()
        await line.hang_up()
        assert layer._mailboxes == {}


# Threads


async def test_a_handler_that_sleeps_delays_no_other_consumer(serve):
    log = Log()
    asleep, awake = log.consumers("wait")[1], Log().consumers("echo")[1]
    sleeping, talking = serve(asleep.as_asgi()), serve(awake.as_asgi())
    await sleeping.answer()
    await talking.answer()
    sleeping.say("receive", text="")
    await until(log.in_handler.is_set)
    for number in range(20):
        talking.say("receive", text=str(number))
        assert await talking.text() == str(number)
    assert len(sleeping.sent) == 1
    log.release.set()
    await sleeping.answer()


async def test_each_plain_consumer_stays_on_one_thread_and_two_have_two(serve):
    class Consumer(WebsocketConsumer):
        def receive(self):
            self.send(text=str(threading.get_ident()))

    lines = [serve(Consumer.as_asgi()) for _ in range(2)]
    idents = []
    for line in lines:
        await line.answer()
        for _ in range(3):
            line.say("receive", text="")
        idents.append({await line.text() for _ in range(3)})
    assert [len(of_one) for of_one in idents] == [1, 1]
    assert idents[0] != idents[1]
    assert str(threading.get_ident()) not in idents[0] | idents[1]


async def test_a_handler_that_waits_for_a_send_is_let_go_when_its_connection_is_cancelled(serve, monkeypatch):
    monkeypatch.setattr("edge.consumers.crossing.LANE", 1)
    log, never = Log(), asyncio.Event()
    errors = []

    async def send(event):
        if event["type"] == "websocket.send":
            log.in_handler.set()
            await never.wait()

    class Consumer(WebsocketConsumer):
        def receive(self, text):
            try:
                self.send(text=text)
            except LinkLost as error:
                errors.append(str(error))
                raise

        def disconnect(self, code):
            log.events.append(code)

    line = serve(Consumer.as_asgi(), send=send)
    await line.answer()
    line.say("receive", text="")
    await until(log.in_handler.is_set)
    await line.cancel()
    assert log.events == [1012]
    assert errors == ["the connection ended before this was sent"]
    await until(lambda: not any(thread.load for thread in pool._threads))


async def test_a_plain_consumers_methods_are_refused_on_the_loop(serve):
    consumer = WebsocketConsumer()
    line = serve(consumer)
    await line.answer()
    with pytest.raises(RuntimeError, match="call its methods from its handlers"):
        consumer.send(text="hello")


async def test_hooks_run_in_the_consumers_thread_around_each_handler(serve, monkeypatch):
    seen = []
    monkeypatch.setattr(plain, "around_sync_handlers", [lambda: seen.append(threading.get_ident())])

    class Consumer(WebsocketConsumer):
        def connect(self):
            seen.append("connect")
            self.accept()

    line = serve(Consumer.as_asgi())
    await line.answer()
    await line.hang_up()
    thread = seen[0]
    assert seen == [thread, "connect", thread, thread, thread]


async def test_the_layer_is_used_from_a_plain_consumer_without_a_deadlock(serve):
    class Consumer(WebsocketConsumer):
        groups = ("room",)

        def receive(self, text):
            async_to_sync(self.channel_layer.group_send)("room", {"type": "chat.message", "text": text})

        def chat_message(self, event):
            self.send(text=event["text"])

    lines = [serve(Consumer.as_asgi(), foreign=foreign) for foreign in (False, True)]
    for line in lines:
        await line.answer()
    for speaker in lines:
        for number in range(5):
            speaker.say("receive", text=str(number))
    for line in lines:
        heard = [await line.text() for _ in range(10)]
        assert sorted(heard) == sorted("01234" * 2)


async def test_a_full_room_of_its_own_does_not_block_a_plain_consumer_for_ever(serve, layer):
    layer.capacity = 2

    class Consumer(WebsocketConsumer):
        groups = ("room",)

        def receive(self, text):
            for number in range(4):
                async_to_sync(self.channel_layer.group_send)("room", {"type": "chat.message", "text": str(number)})

        def chat_message(self, event):
            self.send(text=event["text"])

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("receive", text="")
    assert [await line.text() for _ in range(2)] == ["0", "1"]
    await line.hang_up()
    assert layer.dropped == 2


# The channel layer


class Member(AsyncWebsocketConsumer):
    groups = ("room",)

    async def receive(self, text):
        await self.send(text=f"heard {text}")

    async def chat_message(self, event):
        await self.send(text=event["text"])

    async def _secret(self, event):
        await self.send(text="never")

    async def close(self, code=None, reason=None):
        """Override, as people do."""
        await super().close(code, reason)

    async def send_json(self, event):
        await self.send(text="a method that only looks like one of the framework's")


@SERVERS
async def test_messages_of_the_layer_and_of_the_peer_reach_one_consumer(serve, layer, foreign):
    line = serve(Member.as_asgi(), foreign=foreign)
    await line.answer()
    await layer.group_send("room", {"type": "chat.message", "text": "from the layer"})
    assert await line.text() == "from the layer"
    line.say("receive", text="the peer")
    assert await line.text() == "heard the peer"
    await line.hang_up()


@SERVERS
@pytest.mark.parametrize(
    "type_",
    [
        "close",
        "send",
        "accept",
        "receive",
        "connect",
        "disconnect",
        "websocket.disconnect",
        "websocket.receive",
        "websocket.close",
        "websocket.send",
        "as.asgi",
        "channel.name",
        "_secret",
        ".secret",
        "__init__",
        "_end",
        "base.send",
        "scope",
        "nobody.knows",
        "",
        None,
        7,
        ["chat.message"],
    ],
)
async def test_the_layer_reaches_a_persons_own_handlers_and_nothing_else(serve, layer, foreign, type_, caplog):
    line = serve(Member.as_asgi(), foreign=foreign)
    await line.answer()
    await layer.group_send("room", {"type": type_, "code": 1000, "text": "x", "message": "x"})
    await layer.group_send("room", {"text": "x"})
    await layer.group_send("room", {"type": "chat.message", "text": "still here"})
    assert await line.text() == "still here"
    assert len(line.sent) == 2
    await line.hang_up()


async def test_a_message_that_nobody_handles_is_logged_once_for_its_type(serve, layer, caplog):
    class Consumer(Member):
        pass

    line = serve(Consumer.as_asgi())
    await line.answer()
    for _ in range(10):
        await layer.group_send("room", {"type": "nobody.knows"})
    await layer.group_send("room", {"type": "chat.message", "text": "still here"})
    assert await line.text() == "still here"
    assert [record.levelno for record in caplog.records if "nobody.knows" in record.getMessage()] == [logging.WARNING]


async def test_unknown_types_without_end_fill_no_log(serve, layer, caplog):
    class Consumer(Member):
        pass

    line = serve(Consumer.as_asgi())
    await line.answer()
    for number in range(dispatching.MAX_REFUSED + 20):
        await layer.group_send("room", {"type": f"unknown.{number}"})
        await asyncio.sleep(0)
    await layer.group_send("room", {"type": "chat.message", "text": "still here"})
    assert await line.text() == "still here"
    assert len(caplog.records) == dispatching.MAX_REFUSED


async def test_an_event_of_the_server_without_a_handler_is_an_error(serve):
    class Consumer(AsyncConsumer):
        pass

    line = serve(Consumer.as_asgi(), "custom")
    with pytest.raises(ValueError, match=r"No handler for message type custom\.connect"):
        await line.ended()


async def test_a_consumer_of_a_protocol_of_ones_own_handles_its_events_by_name(serve):
    class Consumer(AsyncConsumer):
        async def custom_connect(self, event):
            await self.send({"type": "custom.accept"})

        async def custom_thing(self, event):
            await self.send({"type": "custom.done", "number": event["number"]})
            raise StopConsumer

    line = serve(Consumer.as_asgi(), "custom")
    assert await line.answer() == {"type": "custom.accept"}
    line.say("thing", number=1)
    assert await line.answer() == {"type": "custom.done", "number": 1}
    await line.ended()


async def test_under_our_mailbox_and_without_the_layer_there_is_one_task_per_consumer(serve):
    before = len(asyncio.all_tasks())
    lines = [serve(Member.as_asgi()), serve(AsyncWebsocketConsumer.as_asgi(), foreign=True)]
    for line in lines:
        await line.answer()
    assert len(asyncio.all_tasks()) == before + len(lines)


async def test_under_a_foreign_server_the_channel_costs_one_task_more(serve):
    before = len(asyncio.all_tasks())
    line = serve(Member.as_asgi(), foreign=True)
    await line.answer()
    assert len(asyncio.all_tasks()) == before + 2


async def test_without_a_layer_there_is_no_channel_name(serve, no_layer):
    consumer = AsyncWebsocketConsumer()
    line = serve(consumer)
    await line.answer()
    assert consumer.channel_layer is None
    with pytest.raises(AttributeError, match="no channel layer 'default' is configured"):
        _ = consumer.channel_name


async def test_a_channel_first_asked_for_outside_a_handler_works_under_our_mailbox(serve, layer):
    consumer = Member()
    consumer.groups = ()
    line = serve(consumer)
    await line.answer()
    await layer.send(consumer.channel_name, {"type": "chat.message", "text": "hello"})
    assert await line.text() == "hello"


async def test_a_channel_first_asked_for_outside_a_handler_is_refused_under_a_foreign_server(serve):
    consumer = AsyncWebsocketConsumer()
    line = serve(consumer, foreign=True)
    await line.answer()
    await until(lambda: consumer._inbox.listening)
    with pytest.raises(RuntimeError, match=r"use it in connect\(\)"):
        _ = consumer.channel_name


async def test_what_a_consumer_was_too_slow_for_is_counted(serve, layer):
    layer.capacity = 1
    started, go_on = asyncio.Event(), asyncio.Event()

    class Consumer(AsyncWebsocketConsumer):
        groups = ("room",)

        async def chat_message(self, event):
            started.set()
            await go_on.wait()

    consumer = Consumer()
    line = serve(consumer)
    await line.answer()
    assert consumer.dropped == 0
    for _ in range(3):
        await layer.group_send("room", {"type": "chat.message"})
        await asyncio.wait_for(started.wait(), SOON)
    assert consumer.dropped == 1
    go_on.set()
    await until(lambda: not len(line.box))
    assert consumer.dropped == 1


async def test_a_flood_under_a_foreign_server_waits_for_the_consumer_and_loses_nothing(serve):
    texts = []

    class Consumer(AsyncWebsocketConsumer):
        groups = ("room",)

        async def receive(self, text):
            texts.append(text)

    line = serve(Consumer.as_asgi(), foreign=True)
    await line.answer()
    for number in range(5000):
        line.say("receive", text=number)
    await line.hang_up()
    assert texts == list(range(5000))


class ThirdPartyLayer:
    """A layer in the form of Django Channels' specification, and not a line more."""

    extensions = ("groups",)

    def __init__(self):
        self.queues = {}
        self.groups = {}
        self.outages = 0
        self.subscribed = set()

    async def new_channel(self, prefix="specific"):
        name = f"{prefix}!{len(self.queues)}"
        self.subscribed.add(name)
        return name

    async def send(self, channel, message):
        self.queues.setdefault(channel, asyncio.Queue()).put_nowait(dict(message))

    async def receive(self, channel):
        if self.outages:
            self.outages -= 1
            raise ConnectionError("the broker is away")
        try:
            return await self.queues.setdefault(channel, asyncio.Queue()).get()
        except asyncio.CancelledError:
            self.subscribed.discard(channel)  # its reader has left
            raise

    async def group_add(self, group, channel):
        self.groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group, channel):
        self.groups.get(group, set()).discard(channel)

    async def group_send(self, group, message):
        for channel in self.groups.get(group, ()):
            await self.send(channel, message)


@pytest.fixture
def third_party(layer):
    theirs = ThirdPartyLayer()
    channel_layers.set("default", theirs)
    return theirs


@SERVERS
async def test_a_third_partys_layer_without_attach_works(serve, third_party, foreign):
    line = serve(Member.as_asgi(), foreign=foreign)
    await line.answer()
    for number in range(1000):
        await third_party.group_send("room", {"type": "chat.message", "text": number})
    assert [await line.text() for _ in range(1000)] == list(range(1000))
    line.say("receive", text="the peer")
    assert await line.text() == "heard the peer"
    await line.hang_up()
    assert third_party.groups == {"room": set()}


async def test_a_consumer_lives_through_an_outage_of_a_third_partys_layer(serve, third_party, monkeypatch, caplog):
    monkeypatch.setattr(inbox, "LAYER_RETRY", 0.01)
    third_party.outages = 2
    line = serve(Member.as_asgi())
    await line.answer()
    await third_party.group_send("room", {"type": "chat.message", "text": "after it"})
    assert await line.text() == "after it"
    assert caplog.text.count("the channel layer failed") == 2


async def test_a_layer_that_forgot_our_groups_in_its_outage_is_joined_again_and_the_consumer_is_told(
    serve, third_party, monkeypatch
):
    class Told(Member):
        async def layer_restored(self):
            await self.send(text="there was a gap")

    monkeypatch.setattr(inbox, "LAYER_RETRY", 0.01)
    line = serve(Told.as_asgi())
    await line.answer()
    third_party.groups.clear()
    third_party.outages = 1
    for name in list(third_party.subscribed):
        await third_party.send(name, {"type": "chat.message", "text": "the last before it"})
    assert await line.text() == "the last before it"
    assert await line.text() == "there was a gap"
    await third_party.group_send("room", {"type": "chat.message", "text": "after it"})
    assert await line.text() == "after it"


async def test_a_channel_that_was_never_used_is_given_back_to_a_third_partys_layer(serve, third_party):
    line = serve(AsyncWebsocketConsumer.as_asgi())
    await line.answer()
    assert third_party.subscribed
    await line.hang_up()
    assert not third_party.subscribed


# Classes


@pytest.mark.parametrize(
    ("base_class", "name", "is_async"),
    [
        (WebsocketConsumer, "receive", True),
        (WebsocketConsumer, "connect", True),
        (WebsocketConsumer, "websocket_receive", True),
        (AsyncWebsocketConsumer, "receive", False),
        (AsyncWebsocketConsumer, "disconnect", False),
        (AprsConsumer, "receive", True),
    ],
)
def test_a_handler_of_the_wrong_colour_is_an_error_when_the_class_is_made(base_class, name, is_async):
    async def colour(self):
        pass

    def plain(self):
        pass

    have = "an async" if is_async else "a plain"
    with pytest.raises(TypeError, match=rf"Mine\.{name}\(\) is {have} function; .* class of the same name"):
        type("Mine", (base_class,), {name: colour if is_async else plain, "__qualname__": "Mine"})


def test_a_handler_of_the_wrong_colour_is_found_in_a_mixin_too():
    class Mixin:
        async def receive(self, text):
            pass

    with pytest.raises(TypeError, match="an async function"):

        class Consumer(Mixin, WebsocketConsumer):
            pass


@pytest.mark.parametrize("colour", ["async", "plain"])
async def test_a_layer_handler_of_the_wrong_colour_is_an_error_when_it_is_first_needed(serve, layer, colour):
    class Plain(WebsocketConsumer):
        groups = ("room",)

        async def chat_message(self, event):
            pass

    class Async(AsyncWebsocketConsumer):
        groups = ("room",)

        def chat_message(self, event):
            pass

    line = serve((Plain if colour == "plain" else Async).as_asgi())
    await line.answer()
    await layer.group_send("room", {"type": "chat.message"})
    with pytest.raises(TypeError, match=r"chat_message\(\) is"):
        await line.ended()


async def test_handlers_may_be_decorated(serve, layer):
    def logged(function):
        @functools.wraps(function)
        def wrapper(self, *args, **kwargs):
            self.calls = [*getattr(self, "calls", []), function.__name__]
            return function(self, *args, **kwargs)

        return wrapper

    class Consumer(AsyncWebsocketConsumer):
        groups = ("room",)

        @logged
        async def receive(self, text_data=None, bytes_data=None):
            await self.send(text=f"{text_data} {self.calls}")

        @sync_to_async
        def chat_message(self, event):
            async_to_sync(self.send)(text=f"in a thread: {event['text']}")

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("receive", text="hello")
    assert await line.text() == "hello ['receive']"
    await layer.group_send("room", {"type": "chat.message", "text": "hello"})
    assert await line.text() == "in a thread: hello"


async def test_a_method_that_only_sounds_like_something_sent_may_take_what_it_likes(serve):
    class Consumer(AsyncWebsocketConsumer):
        async def websocket_send(self, whatever, it, takes):
            pass

        async def mqtt_subscribe(self, room):
            pass

    line = serve(Consumer.as_asgi())
    assert (await line.answer())["type"] == "websocket.accept"


async def test_options_are_what_the_route_gave_or_the_defaults():
    class Options:
        def __init__(self, size=1):
            self.size = size

    class Consumer(AsyncWebsocketConsumer):
        pass

    Consumer.Options = Options
    assert Consumer().options.size == 1
    assert Consumer(options=Options(2)).options.size == 2
    assert AsyncWebsocketConsumer().options is None


def test_the_app_says_whose_it_is():
    app = Member.as_asgi(options=None)
    assert app.consumer_class is Member
    assert app.consumer_initkwargs == {"options": None}
    assert (app.__name__, app.__doc__) == ("Member", Member.__doc__)


async def test_a_connection_that_is_over_leaves_nothing_to_the_collector(serve):
    """A cycle for each connection would let a busy site's memory grow until the collector comes."""
    made = []

    class Consumer(Member):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(id(self))

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            box = Mailbox()
            box.offer({"type": "websocket.connect"})
            box.close({"type": "websocket.disconnect", "code": 1000})
            sent = []

            async def send(event, sent=sent):
                sent.append(event)

            await Consumer.as_asgi()({"type": "websocket"}, box.receive, send)
        alive = [thing for thing in gc.get_objects() if type(thing) is Consumer]
    finally:
        gc.enable()
    assert len(made) == 3
    assert alive == []


def test_the_core_imports_neither_django_nor_a_transport():
    code = (
        "import sys, edge.consumers, edge.routing, edge.layers, edge.topics\n"
        "print([name for name in ('django', 'serial', 'aiomqtt', 'uvicorn', 'websockets', 'transports') "
        "if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout.strip() == "[]"


def test_a_sync_consumer_of_a_custom_protocol_blocks_only_its_thread():
    class Consumer(SyncConsumer):
        def custom_connect(self):
            time.sleep(0)
            self.send({"type": "custom.done", "thread": threading.current_thread().name})
            raise StopConsumer

    async def story():
        sent = []

        async def send(event):
            sent.append(event)

        box = Mailbox()
        box.offer({"type": "custom.connect"})
        await asyncio.wait_for(Consumer.as_asgi()({"type": "custom"}, box.receive, send), SOON)
        return sent

    assert asyncio.run(story())[0]["thread"].startswith("edge-consumer-")
