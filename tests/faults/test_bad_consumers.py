"""A consumer raises, sleeps for a minute, or cannot be imported. Nobody else notices, and status says so."""

import asyncio
import time

import pytest

from edge.desired import DeviceWish, RouteWish
from edge.mailbox import TRANSPORT_CAPACITY
from tests.scenarios.running import eventually, frame, gaps

LONGEST_END = 10.0  # seconds
FLOOD = 2 * TRANSPORT_CAPACITY  # packets; a consumer that reads none of them loses half


async def run(house, *consumers):
    vhf = DeviceWish(name="vhf", kind="aprs", link=f"serial://{house.tnc.link}")
    listed = [name if "." in name else f"tests.faults.consumers.{name}" for name in consumers]
    await house.run(vhf, routes=[RouteWish(device="vhf", consumer=path) for path in listed])
    await house.until("vhf", "up")


async def flood(house, count=FLOOD):
    async with asyncio.timeout(30):
        await house.tnc.flood(frame(f">beat {number}") for number in range(count))


@pytest.mark.parametrize("name", ["Raiser", "PlainRaiser"])
async def test_a_consumer_that_raises_is_started_again_and_misses_nothing(house, name):
    await run(house, name, "Listener")
    for text in (">one", ">boom", ">two"):
        house.tnc.hear(frame(text))
    assert await house.wrote("vhf", name, "receive", count=2) == [">one", ">two"]
    assert await house.wrote("vhf", "Listener", "receive", count=3) == [">one", ">boom", ">two"]

    lines = [line.split(" ")[:2] for line in house.diary.lines("vhf", name)]
    assert lines == [["connect"], ["receive", ">one"], ["disconnect", "1011"], ["connect"], ["receive", ">two"]]
    assert [line for line in house.diary.lines("vhf", "Listener") if "connect" in line] == ["connect"]
    route = await house.says("vhf", name, "ValueError: I cannot bear this word", "was started again")
    assert route.errors == 1
    assert house.route("vhf", "Listener").text == "running"
    assert house.status("vhf").text == "up"
    await house.neighbour_goes_on()


async def test_a_consumer_that_raises_again_and_again_is_given_time_and_status_says_when(house):
    await run(house, "Unwilling", "Listener")
    await house.says("vhf", "Unwilling", "RuntimeError: not today", "starts again in")
    await eventually(lambda: house.route("vhf", "Unwilling").errors >= 2, lambda: "it raised but once")
    house.tnc.hear(frame(">heard by the others"))
    assert await house.wrote("vhf", "Listener", "receive") == [">heard by the others"]
    await house.neighbour_goes_on()
    await house.supervisor.stop()
    whats = [line.split(" ")[0] for line in house.diary.lines("vhf", "Unwilling")]
    assert whats == ["connect", "disconnect"] * (len(whats) // 2)  # each that began was told goodbye once


@pytest.mark.parametrize("name", ["Sleeper", "PlainSleeper"])
async def test_a_consumer_that_sleeps_for_a_minute_delays_nobody(house, name):
    await run(house, name, "Listener", "PlainListener")
    await flood(house)
    for other in ("Listener", "PlainListener"):
        texts = await house.wrote("vhf", other, "receive", count=FLOOD)
        assert gaps(texts) == []
        assert len(texts) == FLOOD
    assert house.diary.lines("vhf", name, "receive") == [">beat 0"]
    route = await house.says("vhf", name, "too slow", "events wait", "dropped")
    assert route.dropped == FLOOD - 1 - TRANSPORT_CAPACITY
    await house.neighbour_goes_on()

    # The link goes while it sleeps, and comes back: the others are told, and it has a successor.
    house.tnc.unplug()
    for other in ("Listener", "PlainListener"):
        assert len(await house.wrote("vhf", other, "disconnect")) == 1
    await house.until("vhf", "waiting")
    house.tnc.replug()
    await house.until("vhf", "up")
    house.tnc.hear(frame(">after"))
    await house.wrote("vhf", name, "receive", count=2)
    for other in ("Listener", "PlainListener"):
        assert (await house.wrote("vhf", other, "receive", count=FLOOD + 1))[-1] == ">after"
    await house.neighbour_goes_on()

    # Nor do the two that sleep now hold up the end.
    began = time.monotonic()
    await house.supervisor.stop()
    assert time.monotonic() - began < LONGEST_END
    assert house.diary.lines("vhf", "Listener", "disconnect")[1:] == ["1012 the box is stopping"]
    asleep = 2 if name == "PlainSleeper" else 0  # what runs in a thread cannot be woken for its goodbye
    assert len(house.diary.lines("vhf", name, "disconnect")) == 2 - asleep


async def test_a_consumer_that_cannot_be_imported_or_used_is_named_and_the_others_run(house):
    await run(house, "no.such.module.Consumer", "TopicListener", "os.sep", "Listener")
    house.tnc.hear(frame(">all the same"))
    await house.wrote("vhf", "Listener", "receive")
    texts = {route.consumer: route.text for route in house.status("vhf").routes}
    assert "cannot import no.such.module: ModuleNotFoundError" in texts["no.such.module.Consumer"]
    assert "TopicListener speaks mqtt; this device offers aprs" in texts["tests.faults.consumers.TopicListener"]
    assert "expected a consumer class or an ASGI application" in texts["os.sep"]
    assert texts["tests.faults.consumers.Listener"] == "running"
    assert house.status("vhf").text == "up"
    await house.neighbour_goes_on()
