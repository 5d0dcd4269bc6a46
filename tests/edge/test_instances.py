from edge.consumers import AsyncMqttConsumer
from edge.instances import Instances
from edge.routing import TopicRouter, topic
from edge.testing import FeedCommunicator


class Room(AsyncMqttConsumer):
    async def connect(self):
        self.name = self.scope["topic_route"]["kwargs"]["room"]
        self.count = 0
        await self.send(topic="begins", payload=self.name)

    async def receive(self, payload):
        if payload == b"bad":
            raise ValueError
        self.count += 1
        await self.send(topic="heard", payload=f"{self.name} {self.count}")

    async def disconnect(self, code):
        await self.send(topic="ends", payload=f"{self.name} {code}")


class Rooms:
    def __init__(self, **options):
        self.broker = FeedCommunicator(
            TopicRouter([topic("s/+room/t", Room.as_asgi(), one_per=["room"], **options)]), "mqtt"
        )

    async def begin(self):
        await self.broker.connect()
        assert (await self.broker.sent())["topic"] == "s/+/t"

    async def hear(self, room, payload="1"):
        await self.broker.hear(topic=f"s/{room}/t", payload=payload)

    async def said(self, count):
        events = [await self.broker.sent(5) for _ in range(count)]
        return [f"{event['topic']} {event['payload']}" for event in events]


async def test_each_captured_value_has_an_instance_of_its_own():
    rooms = Rooms()
    await rooms.begin()
    await rooms.hear("attic")
    assert await rooms.said(2) == ["begins attic", "heard attic 1"]
    await rooms.hear("cellar")
    assert await rooms.said(2) == ["begins cellar", "heard cellar 1"]
    await rooms.hear("attic")
    assert await rooms.said(1) == ["heard attic 2"]
    await rooms.broker.disconnect(timeout=5)


async def test_beyond_the_bound_the_one_that_was_silent_longest_ends():
    rooms = Rooms(most_instances=2)
    await rooms.begin()
    for room in ("a", "b", "a"):
        await rooms.hear(room)
    await rooms.said(5)
    await rooms.hear("c")
    assert set(await rooms.said(3)) == {"ends b 1001", "begins c", "heard c 1"}
    await rooms.broker.disconnect(timeout=5)


async def test_status_says_how_many_there_are():
    instances = Instances(Room.as_asgi(), ["room"], most=2, idle=60.0)
    broker = FeedCommunicator(instances, "mqtt")
    await broker.connect()
    assert instances.status_text() == "running; 0 of 2 instances"
    for room in ("attic", "cellar"):
        await broker.hear(topic=f"s/{room}/t", payload="1", topic_route={"args": [], "kwargs": {"room": room}})
        assert [(await broker.sent(5))["topic"] for _ in range(2)] == ["begins", "heard"]
    assert instances.status_text() == "running; 2 of 2 instances"
    await broker.disconnect(timeout=5)
    assert instances.status_text() == "running; 0 of 2 instances"


async def test_one_that_raises_harms_no_other():
    rooms = Rooms()
    await rooms.begin()
    await rooms.hear("a")
    await rooms.hear("b")
    await rooms.said(4)
    await rooms.hear("a", "bad")
    await rooms.hear("b")
    assert "heard b 2" in await rooms.said(3)
    await rooms.broker.disconnect(timeout=5)
