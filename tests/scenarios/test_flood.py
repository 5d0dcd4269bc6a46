"""Floods: a device is heard by a hundred browsers, a hundred people talk at once; nothing stops, nothing is lost."""

import asyncio

import pytest

from edge.consumers import AsyncAprsConsumer, AsyncWebsocketConsumer
from edge.fanout import FanOut, Leg
from edge.layers import InMemoryChannelLayer, channel_layers
from edge.mailbox import Mailbox

SOON = 30.0  # seconds; no test waits so long unless it fails
MEMBERS = 100


class Forward(AsyncAprsConsumer):
    async def receive(self, source):
        await self.channel_layer.group_send("live", {"type": "heard", "text": source})


class Member(AsyncWebsocketConsumer):
    groups = ("live",)

    async def heard(self, event):
        await self.send(text=event["text"])

    async def receive(self, text):
        await self.channel_layer.group_send("live", {"type": "heard", "text": text})


class Stuck(Member):
    async def heard(self, event):
        await asyncio.Event().wait()


class Room:
    """Many browsers, each a mailbox and a consumer; ``got`` is what each was sent."""

    def __init__(self):
        self.boxes, self.tasks, self.got, self.open = [], [], [], 0
        self.changed = asyncio.Event()

    def enter(self, consumer):
        texts, box = [], Mailbox()

        async def send(event):
            if event["type"] == "websocket.send":
                texts.append(event["text"])
            else:
                self.open += 1
            self.changed.set()

        box.offer({"type": "websocket.connect"})
        self.boxes.append(box)
        self.got.append(texts)
        self.tasks.append(asyncio.create_task(consumer.as_asgi()({"type": "websocket"}, box.receive, send)))

    async def until(self, condition):
        async with asyncio.timeout(SOON):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def leave(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks, timeout=SOON)


@pytest.fixture
async def room():
    old = channel_layers.backends.get("default")
    channel_layers.set("default", InMemoryChannelLayer())
    room = Room()
    yield room
    await room.leave()
    assert channel_layers["default"].groups == {}
    channel_layers.backends.pop("default")
    if old is not None:
        channel_layers.set("default", old)


@pytest.mark.parametrize("stuck", [0, 1, 5])
async def test_a_flood_from_a_device_reaches_every_member_that_reads_and_stuck_ones_cost_one_wait(room, stuck):
    events = 1500  # more than the lane of the device's leg and those of the members hold
    for number in range(MEMBERS):
        room.enter(Stuck if number < stuck else Member)
    await room.until(lambda: room.open == MEMBERS)
    device = Mailbox()
    device.offer({"type": "aprs.connect"})
    fanout = FanOut((Leg(key="live", app=Forward.as_asgi(), consumer="Forward"),))

    async def send(event):
        raise AssertionError("a page transmits nothing")

    running = asyncio.create_task(fanout({"type": "aprs", "device": "vhf", "state": {}}, device.receive, send))
    async with asyncio.timeout(SOON):
        for number in range(events):
            assert await device.put({"type": "aprs.receive", "source": str(number)})
    quick = room.got[stuck:]
    await room.until(lambda: all(len(texts) == events for texts in quick))
    assert all(texts == [str(number) for number in range(events)] for texts in quick)
    layer = channel_layers["default"]
    assert layer.dropped == stuck * (events - layer.capacity - 1)  # all but what their lanes and their handlers hold
    device.close({"type": "aprs.disconnect", "code": 1006, "reason": "the cable was pulled"})
    await asyncio.wait_for(running, SOON)


async def test_a_hundred_people_who_talk_at_once_all_hear_everything(room):
    """Each waits for the others' lanes while its own is full: taking strict turns they would end up stuck."""
    for _ in range(MEMBERS):
        room.enter(Member)
    await room.until(lambda: room.open == MEMBERS)
    for word in range(5):
        for box in room.boxes:
            assert box.offer({"type": "websocket.receive", "text": str(word)})
    await room.until(lambda: all(len(texts) == 5 * MEMBERS for texts in room.got))
    assert channel_layers["default"].dropped == 0
