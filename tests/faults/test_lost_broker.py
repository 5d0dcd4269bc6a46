"""The broker is killed for five seconds: the TNCs go on, the consumers are told, and the broker is found again."""

import asyncio
import json
import time

import pytest

from edge.desired import DeviceWish, RouteWish
from tests.scenarios.running import SOON, frame
from transports.probes import broker as client
from transports.simulator.broker import PrivateBroker

pytestmark = pytest.mark.needs("mosquitto")

OUTAGE = 5.0  # seconds


@pytest.fixture
async def broker(folder):
    async with PrivateBroker(folder / "broker", kind="mosquitto") as running:
        yield running


def rows(house, broker):
    vhf = DeviceWish(name="vhf", kind="aprs", link=f"serial://{house.tnc.link}")
    attic = DeviceWish(name="attic", kind="mqtt", link=broker.url)
    routes = [
        RouteWish(device="vhf", consumer="tests.faults.consumers.Listener"),
        RouteWish(
            device="vhf",
            consumer="edge.contrib.forward.Forward",
            options={"broker": "attic", "topic": "aprs/{source}", "retain": True},
        ),
        RouteWish(device="attic", consumer="tests.faults.consumers.TopicListener", match="t/#"),
    ]
    return [vhf, attic], routes


async def publish(broker, topic, payload):
    async with asyncio.timeout(SOON), client(broker.url) as outside:
        await outside.publish(topic, payload, qos=1)


async def forwarded(broker, source):
    """Return what a stranger is told by the broker of a station: the text of its packet."""
    async with asyncio.timeout(SOON), client(broker.url) as outside:
        await outside.subscribe(f"aprs/{source}", qos=1)
        return json.loads((await anext(aiter(outside.messages))).payload)["summary"]


async def test_a_broker_that_is_killed_for_five_seconds_harms_nobody_and_is_found_again(house, broker):
    devices, routes = rows(house, broker)
    await house.run(*devices, routes=routes)
    await house.until("attic", "up")
    await house.until("vhf", "up")
    await publish(broker, "t/1", "before")
    await house.wrote("attic", "TopicListener", "receive")
    house.tnc.hear(frame(">to the broker", source="QQ1AAA"))
    assert "to the broker" in await forwarded(broker, "QQ1AAA")

    await broker.kill()
    killed = time.monotonic()
    said = await house.until("attic", "waiting")
    assert f"127.0.0.1:{broker.port}" in said.text
    assert "trying again in" in said.text
    (ended,) = await house.wrote("attic", "TopicListener", "disconnect")
    assert ended.startswith("1006 ")
    house.tnc.hear(frame(">while it is away", source="QQ1BBB"))
    await house.wrote("vhf", "Listener", "receive", count=2)
    await house.neighbour_goes_on()
    await asyncio.sleep(max(0.0, killed + OUTAGE - time.monotonic()))  # the fault itself
    assert house.status("attic").state.value in ("waiting", "starting")

    await broker.start()
    await house.until("attic", "up")
    await publish(broker, "t/2", "after")
    await house.wrote("attic", "TopicListener", "receive", count=2)
    lines = [line.split(" ")[:2] for line in house.diary.lines("attic", "TopicListener")]
    assert lines == [["connect"], ["receive", "t/1"], ["disconnect", "1006"], ["connect"], ["receive", "t/2"]]
    house.tnc.hear(frame(">heard again", source="QQ1CCC"))
    assert "heard again" in await forwarded(broker, "QQ1CCC")
    assert "while it is away" in await forwarded(broker, "QQ1BBB")  # it waited for the broker
    assert [line for line in house.diary.lines("vhf", "Listener") if "connect" in line] == ["connect"]
    assert [route.errors for route in house.status("vhf").routes] == [0, 0]
    assert house.status("vhf").text == "up"
    await house.neighbour_goes_on()


async def test_a_broker_that_never_was_there_is_waited_for_in_plain_words(house):
    await house.run(DeviceWish(name="attic", kind="mqtt", link="mqtt://127.0.0.1:1"))
    said = await house.until("attic", "waiting")
    assert "127.0.0.1:1" in said.text
    assert "refused" in said.text
    await house.neighbour_goes_on()
