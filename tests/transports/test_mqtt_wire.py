"""`transports.mqtt_wire`: the limits that a broker sets, its silence, its refusals, and what a session is asked for."""

import asyncio
import contextlib
import signal

import pytest

from edge.errors import ConfigError, LinkLost, LocalProtocolError
from tests.mosquitto import SOON, Mosquitto
from tests.transports.mqtt_line import ACCEPTED, App, attempt, link, make, serving, stand_in

pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub")


@pytest.fixture
def broker(tmp_path):
    running = Mosquitto(tmp_path).start()
    yield running
    running.kill()


@contextlib.contextmanager
def mosquitto(folder, *settings):
    running = Mosquitto(folder, settings).start()
    try:
        yield running
    finally:
        running.kill()


def accepted(*properties):
    """Give a CONNACK of MQTT 5 with these properties, as bytes."""
    said = b"".join(properties)
    return b"\x20" + bytes((3 + len(said), 0, 0, len(said))) + said


@pytest.mark.parametrize(
    ("setting", "event", "words"),
    [
        ("retain_available false", {"retain": True}, "the broker keeps no retained messages"),
        ("max_qos 1", {"qos": 2}, "the broker takes QoS 0 to 1; this has 2"),
        ("max_packet_size 200", {"payload": bytes(300)}, "the broker takes packets of 200 bytes; this one has 30"),
    ],
)
async def test_what_a_broker_does_not_take_is_refused_here_and_the_session_lives(tmp_path, setting, event, words):
    with mosquitto(tmp_path, setting) as broker:
        app = App()
        async with serving(make(link(broker)), app):
            await app.subscribe("a", qos=2)
            with pytest.raises(LocalProtocolError, match=words):
                await app.publish("a", **{"payload": "x", **event})
            await app.publish("a", "y", qos=1)
            assert (await app.next())["payload"] == b"y"


async def test_a_will_that_the_broker_cannot_keep_is_for_a_person_and_a_birth_message_is_left_out(tmp_path, caplog):
    with mosquitto(tmp_path, "retain_available false") as broker:
        with pytest.raises(ConfigError, match="keeps no retained messages; take the retain option of the will off"):
            await attempt(make(link(broker), will_topic="box"))
        options = {"will_topic": "box", "will_retain": False, "birth_topic": "box"}
        async with serving(make(link(broker), **options), App()):
            assert "does not take the birth message on box: the broker keeps no retained messages" in caplog.text


@pytest.mark.parametrize(
    ("property_", "topic", "words"),
    [
        (b"\x28\x00", "sensors/#", "the broker refused 'sensors/#': Wildcard subscriptions not supported"),
        (b"\x2a\x00", "$share/us/a", "the broker refused '.share/us/a': Shared subscriptions not supported"),
    ],
)
async def test_a_filter_that_the_broker_does_not_take_is_not_sent(property_, topic, words):
    async with stand_in(accepted(property_)) as (port, streams):
        app = App()
        async with serving(make(f"mqtt://127.0.0.1:{port}"), app):
            with pytest.raises(LocalProtocolError, match=words):
                await app.subscribe(topic)
            await app.publish("after", "1")
            data = await asyncio.wait_for(streams[0].readuntil(b"after"), SOON)
            assert topic.encode() not in data


async def test_no_more_publications_wait_than_the_broker_may_receive():
    async with stand_in(accepted(b"\x21\x00\x02")) as (port, streams):
        app = App()

        async def identifier():
            await asyncio.wait_for(streams[0].readuntil(b"\x00\x03abc"), SOON)
            return await asyncio.wait_for(streams[0].readexactly(2), SOON)

        async with serving(make(f"mqtt://127.0.0.1:{port}"), app):
            event = {"type": "mqtt.send", "topic": "abc", "payload": b"", "qos": 1}
            sending = [asyncio.create_task(app.send(event)) for _ in range(5)]
            waiting = [await identifier(), await identifier()]
            await app.publish("end", "")  # QoS 0 is not counted, and says that nothing else was written before it
            assert b"abc" not in await asyncio.wait_for(streams[0].readuntil(b"end"), SOON)
            for _ in range(3):
                streams[1].write(b"\x40\x02" + waiting.pop(0))
                waiting.append(await identifier())
            for number in waiting:
                streams[1].write(b"\x40\x02" + number)
            await asyncio.wait_for(asyncio.gather(*sending), SOON)


async def test_a_topic_alias_that_we_did_not_allow_ends_the_session_in_words():
    async with stand_in(ACCEPTED) as (port, streams), serving(make(f"mqtt://127.0.0.1:{port}"), App()) as served:
        streams[1].write(b"\x30\x07\x00\x00\x03\x23\x00\x01x")
        with pytest.raises(LinkLost, match="sent what is not MQTT"):
            await asyncio.wait_for(served, SOON)


async def test_the_broker_sets_the_keepalive_and_the_client_id():
    assigned = b"\x12\x00\x05named"
    async with stand_in(accepted(b"\x13\x00\x01", assigned)) as (port, streams):
        app = App()
        async with serving(make(f"mqtt://127.0.0.1:{port}", keepalive=3600), app):
            assert app.scope["client_id"] == "named"
            assert (await asyncio.wait_for(streams[0].readuntil(b"\xc0\x00"), SOON)).endswith(b"\xc0\x00")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_that_hangs_is_a_lost_link(broker, protocol):
    app = App()
    async with serving(make(link(broker), protocol=protocol, keepalive=1), app) as served:
        broker.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(LinkLost, match="has answered no ping for 1 s"):
                await asyncio.wait_for(served, SOON)
            assert (await app.next())["code"] == 1006
        finally:
            broker.process.send_signal(signal.SIGCONT)


async def heard_until_end(app, topic="end"):
    """Publish one more message, and return what came before it."""
    await app.publish(topic, "end", qos=1)
    heard = [await app.next()]
    while heard[-1]["payload"] != b"end":
        heard.append(await app.next())
    return heard[:-1]


async def test_no_local_leaves_out_our_own_and_hears_others(broker):
    app = App()
    async with serving(make(link(broker)), app):
        await app.send({"type": "mqtt.subscribe", "topic": "a", "qos": 1, "no_local": True})
        await app.subscribe("end", qos=1)
        await app.publish("a", "ours", qos=1)
        await asyncio.to_thread(broker.publish, "a", "theirs", "-q", 1)
        assert [event["payload"] for event in await heard_until_end(app)] == [b"theirs"]


@pytest.mark.parametrize("as_published", [False, True])
async def test_the_retain_flag_is_as_published_where_that_is_asked_for(broker, as_published):
    app = App()
    async with serving(make(link(broker)), app):
        await app.send({"type": "mqtt.subscribe", "topic": "a", "qos": 1, "retain_as_published": as_published})
        await app.publish("a", "1", qos=1, retain=True)
        assert (await app.next())["retain"] is as_published


@pytest.mark.parametrize(("retained", "first", "second"), [("begin", 1, 1), ("new", 1, 0), ("never", 0, 0)])
async def test_retained_messages_come_when_the_subscription_asks_for_them(broker, retained, first, second):
    await asyncio.to_thread(broker.publish, "state", "kept", "-r", "-q", 1)
    for expected in (first, second):
        app = App()
        async with serving(make(link(broker), session_expiry=60), app):
            await app.subscribe("end", qos=1)
            await app.send({"type": "mqtt.subscribe", "topic": "state", "qos": 1, "retained": retained})
            assert len(await heard_until_end(app)) == expected


@pytest.mark.parametrize(("expiry", "kept"), [(60, [b"while away"]), (0, [])])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_session_that_is_kept_has_what_came_while_we_were_away_and_a_clean_one_has_not(
    broker, protocol, expiry, kept
):
    for expected in ([], kept):
        app = App()
        async with serving(make(link(broker), protocol=protocol, session_expiry=expiry), app):
            await app.subscribe("end", qos=1)
            assert [event["payload"] for event in await heard_until_end(app)] == expected
            await app.subscribe("a", qos=1)
        await asyncio.to_thread(broker.publish, "a", "while away", "-q", 1)
