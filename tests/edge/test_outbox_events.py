import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.outbox_events import MAX_BODY, OutboxRefused, aged, lifetime, messages, prepare, read
from tests.edge.outboxes import message, publish

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text().filter(lambda name: name not in ("type", "packet", "durable", "expires")), plain))
def test_any_event_is_read_as_it_was_written(fields):
    event = {"type": "aprs.send", "packet": {"format": "status", "text": "on"}, **fields}
    event.pop("info", None)
    assert read(prepare(event)[1]) == event


def test_a_publish_is_kept_by_topic_with_qos_1_at_least_and_an_id_of_its_own():
    key, body = prepare(publish("a/b", b"\xff", durable=True, expires=5, properties={"user_property": [("k", "v")]}))
    event = read(body)
    assert key == "a/b"
    assert event["payload"] == b"\xff"
    assert event["qos"] == 1
    assert event.keys().isdisjoint({"durable", "expires"})
    own, (name, first) = event["properties"]["user_property"]
    assert own == ["k", "v"]
    assert name == "edge-id"
    second = read(prepare(publish("a/b", qos=2))[1])
    assert second["qos"] == 2
    assert second["properties"]["user_property"][0][1] != first


def test_a_message_is_kept_by_peer_and_any_other_packet_by_the_device():
    assert prepare(message("qq1abc-7"))[0] == "QQ1ABC-7"
    assert prepare({"type": "aprs.send", "info": b">on"})[0] == ""


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "serial.send", "text": "x"}, "durable is for mqtt.send and aprs.send; got 'serial.send'"),
        (publish("a/+"), "topic: "),
        (publish(7), "topic: expected text; got 7"),
        (publish("t", 7), "payload: expected bytes or text; got int"),
        (publish("t", "x" * MAX_BODY), "the outbox takes 524288"),
        (publish("t", "x", properties={"content_type": object()}), "cannot be written down: .* got object"),
        (publish("t", b"x", properties={1: 2}), "the names in an event are text"),
        ({"type": "aprs.send"}, "neither"),
        (message(text=" "), "not empty"),
        (message(peer=7), "addressee"),
        ({**message(), "packet": {**message(text="x" * 90)["packet"], "id": "1"}}, "one piece"),
    ],
)
def test_what_could_never_be_sent_is_refused_with_the_reason(event, words):
    with pytest.raises(OutboxRefused, match=words):
        prepare(event)


def test_the_lifetime_is_the_senders_or_the_messages_or_the_kinds():
    assert lifetime(publish(expires=60), 5) == 5
    assert lifetime(publish(expires=60, properties={"message_expiry_interval": 9})) == 60
    assert lifetime(publish(properties={"message_expiry_interval": 9})) == 9
    assert lifetime(publish()) == 7 * 86_400
    assert lifetime(message()) == 86_400
    for wrong in (0, -1, True, "soon", 10**9):
        with pytest.raises(OutboxRefused, match="expires: expected seconds"):
            lifetime(publish(expires=wrong))


def test_a_message_for_the_broker_has_lived_for_as_long_as_it_waited():
    event = publish(properties={"message_expiry_interval": 100})
    assert aged(event, 30)["properties"] == {"message_expiry_interval": 70}
    assert aged(event, 300)["properties"] == {"message_expiry_interval": 1}
    assert aged(publish(), 30) == publish()


def test_the_pieces_of_a_message_have_ids_that_are_the_same_each_time():
    first = messages(37, message(text="word " * 30))
    assert [packet["id"] for packet in first] == ["Q0110", "Q0111", "Q0112"]
    assert first == messages(37, message(text="word " * 30))
    assert messages(36**3 + 37, message())[0]["id"] == "Q0110"
    own = message()
    own["packet"]["id"] = "A1"
    assert messages(1, own) == [own["packet"]]


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"type": "x"}', b'{"type": "mqtt.send", "payload": {"$bytes": 1}}']
)
def test_what_was_damaged_is_a_value_error(body):
    with pytest.raises((ValueError, TypeError)):
        read(body)
