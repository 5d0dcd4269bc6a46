"""Who is here: a consumer lists the members of its room, and tells who comes and goes, on every way out."""

import pytest

from edge.consumers import AsyncWebsocketConsumer
from edge.layers import InMemoryChannelLayer, channel_layers
from edge.testing import WebsocketCommunicator

SOON = 5.0  # seconds


class Roster(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.channel_layer.watch_group("room", self.channel_name)
        await self.channel_layer.group_add("room", self.channel_name)
        await self.send(text_data=f"there are {await self.channel_layer.group_count('room')}")

    async def receive(self, text_data):
        raise ValueError(text_data)

    async def group_joined(self, event):
        await self.send(text_data="joined: " + ("me" if event["channel"] == self.channel_name else "another"))

    async def group_left(self, event):
        await self.send(text_data="left: " + ("me" if event["channel"] == self.channel_name else "another"))


@pytest.fixture(autouse=True)
def layer():
    fresh = InMemoryChannelLayer()
    old = channel_layers.set("default", fresh)
    yield fresh
    del channel_layers.backends["default"]
    if old is not None:
        channel_layers.set("default", old)


async def arrive():
    visitor = WebsocketCommunicator(Roster.as_asgi(), "/")
    assert (await visitor.connect(timeout=SOON))[0]
    return visitor


async def test_consumers_tell_who_comes_and_goes_whichever_way(layer):
    first = await arrive()
    assert [await first.receive_from(SOON) for _ in range(2)] == ["there are 1", "joined: me"]
    leaves, fails = await arrive(), await arrive()
    assert [await first.receive_from(SOON) for _ in range(2)] == ["joined: another"] * 2
    assert await fails.receive_from(SOON) == "there are 3"
    await leaves.disconnect(timeout=SOON)
    assert await first.receive_from(SOON) == "left: another"
    await fails.send_to(text_data="a fault")
    with pytest.raises(ValueError, match="a fault"):
        await fails.wait(SOON)
    assert await first.receive_from(SOON) == "left: another"
    await first.disconnect(timeout=SOON)
    assert layer.groups == layer._watchers == {}
