import asyncio
import json

import pytest

from edge.contrib.forward import Forward, ForwardOptions, Kept
from edge.desired import DeviceWish, RouteWish, route_problems
from edge.errors import ConfigError
from edge.layers import InMemoryChannelLayer, channel_layers
from edge.testing import FeedCommunicator

LIMIT = 5  # seconds


@pytest.fixture
def layer():
    layer = InMemoryChannelLayer(capacity=3)
    old = channel_layers.set("default", layer)
    yield layer
    channel_layers.backends.pop("default", None)
    if old is not None:
        channel_layers.set("default", old)


def forward(topic, **more):
    return Forward.as_asgi(options=ForwardOptions(topic=topic, **more))


async def sent(layer, device="broker"):
    return await asyncio.wait_for(layer.receive(f"device.{device}"), LIMIT)


async def test_each_packet_is_published_as_json_with_every_field_and_its_bytes(layer):
    feed = FeedCommunicator(forward("aprs/{source}/{format}"), "aprs", device="vhf")
    await feed.connect()
    await feed.hear(source="QQ1ABC-7", format="status", info=b">\xff", summary="status: hm", packet={"status": "hm"})
    event = await sent(layer)
    assert (event["type"], event["topic"], event["origin"]) == ("mqtt.send", "aprs/QQ1ABC-7/status", "vhf")
    payload = json.loads(event["payload"])
    assert payload["info"] == "3eff"
    assert payload["packet"] == {"status": "hm"}
    assert next(iter(payload)) == "device"
    await feed.disconnect()


async def test_a_source_from_the_air_cannot_add_a_level_to_the_topic(layer):
    feed = FeedCommunicator(forward("aprs/{source}"), "aprs", device="vhf")
    await feed.connect()
    await feed.hear(source="A/#/+")
    assert (await sent(layer))["topic"] == "aprs/A____"
    await feed.disconnect()


async def test_a_field_that_the_feed_does_not_have_is_told_at_connect(layer):
    feed = FeedCommunicator(forward("line/{source}"), "serial", device="gps")
    await feed.connect()
    with pytest.raises(ConfigError, match=r"\{source\} is not known; known are device"):
        await feed.sent(timeout=LIMIT)


async def test_what_the_broker_cannot_take_is_dropped_and_told_once(layer, caplog):
    feed = FeedCommunicator(forward("t", broker="away"), "serial", device="gps")
    await feed.connect()
    for _ in range(6):
        await feed.hear(bytes=b"x")
    await feed.disconnect()
    assert caplog.text.count("away takes no more") == 1


def test_retained_topics_are_remembered_the_one_that_was_silent_longest_first():
    kept = Kept()
    for number, topic in enumerate(("a", "b", "a", "c")):
        assert kept.note(topic, float(number), most=2) == (["b"] if topic == "c" else [])
    assert kept.silent(2.0) == ["a"]
    assert kept.silent(2.0) == []
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"payload": "{paket.latitude}"}, r"payload: .*\{paket\} is not known; known are control"),
        ({"json_fields": "a=b c"}, "json_fields: .*expected a name"),
        ({"json_fields": "nothing"}, "json_fields: .*is not known"),
        ({"payload": "x", "json_fields": "source"}, "give a payload or the fields of the JSON, not both"),
        ({"topic": "a/#"}, "topic: expected a topic"),
    ],
)
def test_wrong_options_are_told(options, words):
    with pytest.raises(ConfigError, match=words):
        Forward.check_options(ForwardOptions(**options), "aprs")


async def test_what_is_to_be_kept_says_so(layer):
    feed = FeedCommunicator(forward("t", durable=True, qos=1), "serial", device="gps")
    await feed.connect()
    await feed.hear(bytes=b"x")
    event = await sent(layer)
    assert (event["durable"], event["qos"]) == (True, 1)
    await feed.disconnect()


async def test_text_that_is_not_utf8_is_published_all_the_same(layer):
    feed = FeedCommunicator(forward("t", payload="{summary}"), "aprs", device="vhf")
    await feed.connect()
    await feed.hear(source="QQ1ABC-7", summary="half \ud800 pair")
    assert (await sent(layer))["payload"] == b"half ? pair"
    await feed.disconnect()


@pytest.mark.parametrize(
    ("consumer", "device", "options", "words"),
    [
        ("forward.Forward", "vhf", {"broker": "attic"}, None),
        ("forward.Forward", "vhf", {}, "broker: expected a device that offers mqtt (attic); no 'broker' is there"),
        ("forward.Forward", "vhf", {"broker": "gps"}, "no 'gps' offers mqtt"),
        ("homeassistant.HomeAssistantStations", "vhf", {}, "no 'broker' is there"),
        ("transmit.Transmit", "attic", {}, None),
        (
            "transmit.Transmit",
            "attic",
            {"send": "text"},
            "to: expected a device that offers serial (gps); no 'vhf' offers",
        ),
        ("transmit.Transmit", "attic", {"send": "text", "to": "gps"}, None),
        ("transmit.Transmit", "attic", {"send": "ui", "to": "x"}, "to: expected a device that offers ax25 (none)"),
    ],
)
def test_a_device_that_is_not_there_or_of_another_sort_is_told_when_the_route_is_saved(
    consumer, device, options, words
):
    devices = [
        DeviceWish(name="vhf", kind="aprs", link="memory://vhf"),
        DeviceWish(name="gps", kind="serial", link="memory://gps"),
        DeviceWish(name="attic", kind="mqtt", link="mqtt://localhost"),
    ]
    match = "a/+to" if device == "attic" else ""
    wish = RouteWish(device=device, consumer=f"edge.contrib.{consumer}", match=match, options=options)
    told = [(problem.field, problem.message) for problem in route_problems(wish, devices)]
    if words is None:
        assert told == []
    else:
        ((field, message),) = told
        assert field == "options"
        assert words in message
