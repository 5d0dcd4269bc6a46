"""Packets against bytes written by hand from MQTT 5.0 and 3.1.1, section 3, and against any cut of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs import mqtt as codec
from transports.codecs.mqtt import HEAD, MalformedError, Packet, Packets, Publish

LIMIT = 100_000

# Bytes, what they say. The lengths and flags are those of the figures in section 3.3.
MESSAGES = [
    (b"\x30\x05\x00\x01ax!", False, Publish("a", b"x!", 0, False, False, 0, {})),
    (b"\x31\x04\x00\x01a\x00", True, Publish("a", b"", 0, True, False, 0, {})),
    (b"\x3b\x07\x00\x01a\x00\x07\x00x", True, Publish("a", b"x", 1, True, True, 7, {})),
    (b"\x34\x0c\x00\x01a\x12\x34\x05\x02\x00\x00\x00\x3cx", True,
     Publish("a", b"x", 2, False, False, 0x1234, {"message_expiry_interval": 60})),
    (b"\x30\x0d\x00\x01a\x09\x26\x00\x01k\x00\x03val", True,
     Publish("a", b"", 0, False, False, 0, {"user_property": [["k", "val"]]})),
]  # fmt: skip
NOT_MQTT = [
    b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
    b"\x32\x05\x00\x01a\x00\x00",  # identifier 0
    b"\x30\x07\x00\x00\x03\x23\x00\x01x",  # a topic alias, of which we allow none
    b"\x30\x03\x00\x09a",  # a topic longer than its packet
    b"\x30\x05\x00\x01a\x01\x7f",  # a property that there is none
    b"\x30\x06\x00\x01a\x02\x02\x00",  # properties that end in the middle
]


@pytest.mark.parametrize(("data", "v5", "message"), MESSAGES)
def test_a_message_is_read_and_written_as_the_standard_has_it(data, v5, message):
    (found,) = Packets(LIMIT).feed(data)
    assert codec.read_publish(found, v5=v5) == message
    assert codec.publish(message, v5=v5) == data


@pytest.mark.parametrize("data", NOT_MQTT)
def test_what_is_no_message_is_malformed(data):
    (found,) = Packets(LIMIT).feed(data)
    with pytest.raises(MalformedError):
        codec.read_publish(found, v5=True)


texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
properties = st.fixed_dictionaries(
    {},
    optional={
        "payload_format_indicator": st.integers(0, 1),
        "message_expiry_interval": st.integers(0, 2**32 - 1),
        "content_type": texts,
        "response_topic": texts,
        "correlation_data": st.binary(max_size=20),
        "user_property": st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=3),
    },
)
messages = st.builds(
    lambda topic, payload, qos, retain, dup, identifier, said: Publish(
        topic, payload, qos, retain, dup, identifier if qos else 0, said
    ),
    texts.filter(bool),
    st.binary(max_size=300),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.integers(1, 65535),
    properties,
)


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_any_cut_of_a_stream_gives_the_same_messages(sent, cuts):
    data = b"".join(codec.publish(message, v5=True) for message in sent)
    packets, found, index = Packets(LIMIT), [], 0
    while data:
        size = cuts[index % len(cuts)]
        found += packets.feed(data[:size])
        data, index = data[size:], index + 1
    assert [codec.read_publish(packet, v5=True) for packet in found] == sent


@given(st.binary(max_size=200), st.booleans())
def test_noise_is_malformed_or_packets_and_nothing_else(data, v5):
    try:
        for found in Packets(LIMIT).feed(data):
            codec.read_publish(found, v5=v5)
            codec.read_answer(found, v5=v5)
            codec.read_connack(found.body, v5=v5)
    except ValueError:
        return  # MalformedError, and text that is no UTF-8


@pytest.mark.parametrize("size", [1, 7, 65_536, 10**6])
def test_of_a_message_that_is_too_large_its_head_is_handed_on_and_the_next_is_whole(size):
    large = codec.publish(Publish("a", bytes(300_000), 1, False, False, 7, {}), v5=True)
    small = codec.publish(Publish("b", b"x", 0, False, False, 0, {}), v5=True)
    data, packets, found = large + small, Packets(LIMIT), []
    for begin in range(0, len(data), size):
        found += packets.feed(data[begin : begin + size])
        if size == 1 and begin == 70_000:
            break  # a byte at a time shows it; the rest in one piece
    else:
        begin = len(data)
    found += packets.feed(data[begin + 1 :]) if size == 1 else []
    first, second = found
    message = codec.read_publish(first, v5=True)
    assert (message.topic, message.identifier, len(first.body)) == ("a", 7, HEAD)
    assert first.missing + HEAD == len(large) - 4
    assert codec.read_publish(second, v5=True).payload == b"x"


def test_an_answer_that_is_too_large_is_malformed():
    with pytest.raises(MalformedError, match="that is no message"):
        Packets(10).feed(b"\x90\x20" + bytes(32))


@pytest.mark.parametrize(
    ("body", "v5", "reason"),
    [(b"\x01\x00", False, 0), (b"\x00\x05", False, 0x87), (b"\x00\x01", True, 0x84), (b"\x00\x87\x00", True, 0x87)],
)
def test_the_brokers_answer_is_read_by_the_codes_of_both_versions(body, v5, reason):
    assert codec.read_connack(body, v5=v5).reason == reason


def test_identifiers_and_reasons_of_answers_are_read():
    assert codec.read_answer(Packet(0x40, b"\x00\x07"), v5=True) == (7, (0,))
    assert codec.read_answer(Packet(0x50, b"\x00\x07\x87"), v5=True) == (7, (0x87,))
    assert codec.read_answer(Packet(0x90, b"\x00\x07\x00\x01"), v5=True) == (7, (1,))
    assert codec.read_answer(Packet(0x90, b"\x00\x07\x80"), v5=False) == (7, (0x80,))
