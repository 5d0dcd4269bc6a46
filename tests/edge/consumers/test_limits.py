"""Limits of size and rate: what is allowed passes, what is not closes with the standard's code."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.consumers import AsyncWebsocketConsumer, Limits, WebsocketConsumer
from edge.consumers.limits import Bucket
from edge.errors import ConfigError


def test_a_bucket_lets_a_burst_through_and_then_as_many_as_its_rate():
    bucket = Bucket(Limits(messages_per_second=2, burst=3))
    assert [bucket.take(10.0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(10.0) == 0.5
    assert bucket.take(11.5) == 0
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.lists(st.floats(0, 10), max_size=50), st.floats(0.1, 100))
def test_whatever_comes_when_a_bucket_never_passes_more_than_it_may(waits, rate):
    bucket, now, passed = Bucket(Limits(messages_per_second=rate)), 0.0, 0
    for wait in waits:
        now += wait
        passed += not bucket.take(now)
    assert passed <= max(1, rate) + now * rate + 1e-6


@pytest.mark.parametrize(
    ("event", "too_big"),
    [
        ({"text": "x" * 10}, False),
        ({"text": "x" * 11}, True),
        ({"text": "ä" * 5}, False),
        ({"text": "ä" * 6}, True),
        ({"text": None, "bytes": b"x" * 11}, True),
        ({"bytes": b"x" * 10}, False),
        ({}, False),
    ],
)
def test_a_message_is_measured_in_the_bytes_it_has_on_the_wire(event, too_big):
    assert Limits(max_message_bytes=10).is_too_big(event) is too_big
    assert not Limits().is_too_big(event)


@pytest.mark.parametrize(
    "wrong", [{"max_message_bytes": 0}, {"messages_per_second": -1}, {"burst": 0}, {"over_rate": "drop"}]
)
def test_a_limit_that_makes_no_sense_is_a_config_error(wrong):
    with pytest.raises(ConfigError, match=f"^{next(iter(wrong))}: expected"):
        Limits(**wrong)


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
@pytest.mark.parametrize(
    ("limits", "code"), [(Limits(max_message_bytes=4), 1009), (Limits(messages_per_second=0.001, burst=1), 1008)]
)
async def test_who_sends_too_much_is_closed_with_the_standards_code(serve, base, limits, code):
    heard = []

    def receive(self, text):
        heard.append(text)

    async def areceive(self, text):
        heard.append(text)

    handler = receive if base is WebsocketConsumer else areceive
    line = serve(type("Mine", (base,), {"limits": limits, "receive": handler}).as_asgi())
    await line.answer()
    line.say("receive", text="1234")
    line.say("receive", text="12345")
    closing = await line.answer()
    assert (closing["type"], closing["code"]) == ("websocket.close", code)
    line.say("receive", text="more")
    await line.hang_up(code)
    assert heard == ["1234"]


async def test_a_peer_that_may_wait_is_read_no_faster(serve):
    class Consumer(AsyncWebsocketConsumer):
        limits = Limits(messages_per_second=200, burst=1, over_rate="wait")

        async def receive(self, text):
            await self.send(text=text)

    line = serve(Consumer.as_asgi())
    await line.answer()
    began = asyncio.get_running_loop().time()
    for number in range(5):
        line.say("receive", text=str(number))
    assert [await line.text() for _ in range(5)] == list("01234")
    assert asyncio.get_running_loop().time() - began >= 4 / 200 - 0.001  # the loop's clock, which the limit goes by
    await line.hang_up()
