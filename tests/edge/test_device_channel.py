"""The channel of a device and its outbox, under a runner whose link a test brings up and down."""

import asyncio

import pytest

from edge import device_channel
from edge.errors import LocalProtocolError
from edge.exceptions import ChannelFull
from edge.fanout import Leg
from edge.layers import InMemoryChannelLayer
from edge.outbox import Outbox
from tests.edge.outboxes import Rows, message, until
from tests.edge.test_runner import Bench, Listener, scripted  # noqa: F401  (a fixture)

STATUS = {"type": "aprs.send", "packet": {"format": "status", "text": "on"}}


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
async def outbox(rows):
    outbox = Outbox(rows)
    await outbox.open()
    yield outbox
    await outbox.close()


async def test_what_is_durable_is_kept_while_the_device_is_down_and_sent_once_it_is_up(outbox, rows):
    layer = InMemoryChannelLayer()
    async with Bench(layer=layer, outbox=outbox, frames_per_minute=600, duty_percent=100) as bench:
        await until(lambda: "device.vhf" in layer._mailboxes)
        for number in range(150):  # more than the channel holds
            await layer.send("device.vhf", {**STATUS, "durable": True, "number": number})
        await until(lambda: rows.states() == ["waiting"] * 150)
        assert bench.board.read().outbox["waiting"] == 150
        await bench.link()
        await until(lambda: rows.states() == ["sent"] * 150)
        assert [event["number"] for event in bench.server.sent] == list(range(150))
        assert all("durable" not in event for event in bench.server.sent)
        assert bench.board.sent == 150
        assert bench.board.read().outbox == {"waiting": 0, "sent": 150, "failed": 0, "expired": 0}


async def test_what_is_not_durable_waits_for_the_link_in_its_order_and_not_for_ever(outbox, monkeypatch):
    layer = InMemoryChannelLayer()
    async with Bench(layer=layer, outbox=outbox) as bench:
        await layer.send("device.vhf", {**STATUS, "number": 0})
        await until(lambda: len(bench.runner.channel._held) == 1)
        monkeypatch.setattr(device_channel, "EXPIRY", 0.0)
        await layer.send("device.vhf", {**STATUS, "number": 1})
        await until(lambda: not bench.runner.channel._held)
        monkeypatch.setattr(device_channel, "EXPIRY", 60.0)
        for number in range(2, 5):
            await layer.send("device.vhf", {**STATUS, "number": number})
        await bench.link()
        await until(lambda: [event["number"] for event in bench.server.sent] == [2, 3, 4])


async def test_a_channel_whose_device_is_down_for_long_is_full_and_its_sender_is_told(outbox):
    layer = InMemoryChannelLayer()
    async with Bench(layer=layer, outbox=outbox) as bench:

        async def flood():
            for _ in range(1000):
                await layer.send("device.vhf", dict(STATUS))

        with pytest.raises(ChannelFull):
            await asyncio.wait_for(flood(), 10)
        await bench.link()
        await until(lambda: len(bench.server.sent) == 20)  # the gate's pace


async def test_the_link_may_go_and_come_and_everything_is_kept_all_the_time(outbox, rows):
    layer = InMemoryChannelLayer()
    async with Bench(layer=layer, outbox=outbox) as bench:
        for number in range(4):
            await bench.link()
            await bench.is_up()
            await layer.send("device.vhf", {**STATUS, "durable": True, "number": 2 * number})
            await until(lambda wanted=2 * number + 1: len(rows.rows) == wanted)
            bench.server.lose()
            await until(lambda: bench.runner._send is None)
            await layer.send("device.vhf", {**STATUS, "durable": True, "number": 2 * number + 1})
            await until(lambda wanted=2 * number + 2: len(rows.rows) == wanted)
        await bench.link()
        await until(lambda: rows.states() == ["sent"] * 8)
        assert [event["number"] for event in bench.server.sent] == list(range(8))


async def test_a_consumers_durable_send_returns_once_it_is_on_disk(outbox, rows):
    done = []

    async def send_it(event, send):
        if event["type"] == "aprs.connect":
            await send({**STATUS, "durable": True})
            done.append(rows.states())

    async with Bench(Leg(key=1, app=Listener(send_it), consumer="a.B"), outbox=outbox) as bench:
        await bench.link()
        await until(lambda: done)
        assert len(done[0]) == 1
        await until(lambda: rows.states() == ["sent"])


async def test_what_the_gate_would_never_let_pass_is_refused_at_once_and_shown(outbox, rows):
    async with Bench(outbox=outbox, allowed=False) as bench:
        assert "transmitting is off" in await bench.runner.keep({**STATUS, "durable": True})
        assert bench.board.refused == 1
        assert not rows.rows


async def test_without_an_outbox_durable_is_a_mistake_with_words():
    async with Bench() as bench:
        with pytest.raises(LocalProtocolError, match="has no outbox here"):
            await bench.runner.keep({**STATUS, "durable": True})


async def test_what_cannot_be_kept_is_told_to_the_log_and_the_channel_goes_on(outbox, rows, caplog):
    layer = InMemoryChannelLayer()
    async with Bench(layer=layer, outbox=outbox):
        await layer.send("device.vhf", {"type": "aprs.send", "durable": True})
        await layer.send("device.vhf", {**STATUS, "durable": True})
        await until(lambda: rows.states() == ["waiting"])
    assert "is not kept: an aprs.send has a packet" in caplog.text


async def test_an_acknowledgement_that_is_heard_ends_the_tries_of_a_message(outbox, rows):
    async with Bench(outbox=outbox) as bench:
        await outbox.put("vhf", message())
        await bench.link()
        await until(lambda: bench.server.sent)
        number = bench.server.sent[0]["packet"]["id"]
        acknowledged = {"addressee": "QQ1EDG", "id": number}
        bench.server.events.put_nowait(
            {"type": "aprs.receive", "source": "QQ1ABC", "format": "ack", "packet": acknowledged, "time": 1.0}
        )
        await until(lambda: rows.states() == ["sent"])
