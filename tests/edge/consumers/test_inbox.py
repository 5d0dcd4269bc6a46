"""`edge.consumers.inbox`: one task for both of a consumer's sources, where the server allows it."""

import asyncio
import sys
import types

import pytest

from edge.consumers import AsyncMqttConsumer, AsyncWebsocketConsumer
from edge.fanout import FanOut, Leg
from edge.mailbox import Mailbox
from edge.receipts import Acknowledged, Receipt

SOON = 5.0


class Member(AsyncWebsocketConsumer):
    groups = ("room",)

    async def receive(self, text):
        await self.send(text=f"peer {text}")

    async def chat_message(self, event):
        await self.send(text=f"room {event['text']}")


def stepped_server():
    """A connection as uvicorn's protocol classes have it: ``receive`` is a method, and waits for a queue."""
    module = types.ModuleType("uvicorn.protocols.of_this_test")
    source = """
import asyncio
class Protocol:
    def __init__(self):
        self.queue, self.asked, self.failure = asyncio.Queue(), 0, None
    async def receive(self):
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(0)
        return await self.queue.get()
"""
    exec(source, vars(module))  # so that the class is of that module, as the real ones are
    sys.modules.pop(module.__name__, None)
    return module.Protocol()


class Served:
    def __init__(self, consumer):
        self.server = stepped_server()
        self.sent = asyncio.Queue()
        self.say("connect")
        app = consumer({"type": "websocket", "path": "/"}, self.server.receive, self.sent.put)
        self.task = asyncio.create_task(app)

    def say(self, verb, **fields):
        self.server.queue.put_nowait({"type": f"websocket.{verb}", **fields})

    async def text(self):
        return (await asyncio.wait_for(self.sent.get(), SOON)).get("text")

    async def ended(self):
        await asyncio.wait_for(self.task, SOON)


@pytest.fixture
async def served(layer):
    lines = []

    async def start(consumer):
        lines.append(line := Served(consumer))
        assert (await asyncio.wait_for(line.sent.get(), SOON))["type"] == "websocket.accept"
        return line

    yield start
    for line in lines:
        line.task.cancel()
        await asyncio.wait((line.task,), timeout=SOON)
    assert layer._mailboxes == {}
    assert layer.groups == {}


async def test_a_member_of_a_group_under_uvicorn_is_one_task(served):
    before = len(asyncio.all_tasks())
    await served(Member())
    await served(Member())
    assert len(asyncio.all_tasks()) == before + 2


async def test_the_peer_and_the_layer_are_both_heard_in_their_orders(served, layer):
    line = await served(Member())
    for number in range(40):
        line.say("receive", text=str(number))
        await layer.group_send("room", {"type": "chat.message", "text": str(number)})
    texts = [await line.text() for _ in range(80)]
    assert [text for text in texts if text.startswith("peer")] == [f"peer {number}" for number in range(40)]
    assert [text for text in texts if text.startswith("room")] == [f"room {number}" for number in range(40)]


async def test_the_server_is_read_one_event_ahead_and_no_further(served):
    go_on = asyncio.Event()

    class Slow(Member):
        async def receive(self, text):
            await go_on.wait()
            await self.send(text=text)

    line = await served(Slow())
    for number in range(20):
        line.say("receive", text=str(number))
    for _ in range(50):
        await asyncio.sleep(0)
    assert line.server.queue.qsize() >= 18
    go_on.set()
    assert [await line.text() for _ in range(20)] == [str(number) for number in range(20)]


async def test_a_handler_may_wait_while_the_servers_receive_is_in_mid_way(served, layer):
    class Waiting(Member):
        async def chat_message(self, event):
            async with asyncio.timeout(SOON):
                await asyncio.sleep(0.01)
            await self.send(text=event["text"])

    line = await served(Waiting())
    await layer.group_send("room", {"type": "chat.message", "text": "one"})
    line.say("receive", text="two")
    assert {await line.text(), await line.text()} == {"one", "peer two"}


async def test_a_peer_that_leaves_ends_it_and_a_busy_layer_does_not_hide_that(served, layer):
    codes = []

    class Leaving(Member):
        async def disconnect(self, code):
            codes.append(code)

    line = await served(Leaving())
    for number in range(90):
        await layer.group_send("room", {"type": "chat.message", "text": str(number)})
    line.say("disconnect", code=1001)
    await line.ended()
    assert codes == [1001]


async def test_a_cancelled_one_lets_go_of_the_servers_receive(served):
    line = await served(Member())
    line.task.cancel()
    await asyncio.wait((line.task,), timeout=SOON)
    assert line.task.cancelled()
    assert not [getter for getter in line.server.queue._getters if not getter.done()]


@pytest.mark.parametrize(("failure", "word"), [(OSError("reset"), "the peer is gone"), (KeyError("x"), "KeyError")])
async def test_a_receive_that_fails_is_a_lost_link(served, failure, word):
    reasons = []

    class Leaving(Member):
        async def disconnect(self, message):
            reasons.append((message["code"], message["reason"]))

    line = await served(Leaving())
    line.server.failure = failure
    line.say("receive", text="the last word")  # the receive in mid-way ends, the next one fails
    await line.ended()
    assert [code for code, _ in reasons] == [1006]
    assert word in reasons[0][1]


@pytest.mark.parametrize("copies", [False, True])
async def test_behind_a_middleware_nothing_is_read_ahead_that_its_sender_waits_to_hear_about(copies):
    """To ask for the next one is to say that this one was handled; so what a consumer raises on comes again."""
    heard, acknowledged, early = [], [], []

    class Fragile(AsyncMqttConsumer):
        groups = ("room",)

        async def receive(self, payload):
            heard.append(payload)
            early.extend({*acknowledged} - {*range(payload)})
            if heard == [0]:
                raise ValueError(payload)

    def middleware(app):
        async def run(scope, receive, send):
            async def read():
                event = await receive()
                return dict(event) if copies else event

            await app(scope, read, send)

        return run

    leg = Leg(key="a", app=middleware(Fragile.as_asgi()), consumer="a")
    mailbox = Mailbox()
    serving = asyncio.create_task(FanOut((leg,))({"type": "mqtt", "device": "attic"}, mailbox.receive, None))
    try:
        for number in range(3):
            receipt = Receipt(lambda number=number: acknowledged.append(number))
            mailbox.push(Acknowledged({"type": "mqtt.receive", "payload": number, "qos": 1, "dup": False}, receipt))
        async with asyncio.timeout(SOON):
            while len(acknowledged) < 3:
                await asyncio.sleep(0.002)
        assert heard == [0, 0, 1, 2]
        assert early == []
    finally:
        mailbox.close({"type": "mqtt.disconnect", "code": 1006})
        await asyncio.wait_for(serving, SOON)
