import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import spec
from edge.errors import LocalProtocolError
from edge.registry import Device
from transports.aprs import AprsSession, build
from transports.codecs import aprs
from transports.options import TO_CALL, AprsOptions
from transports.simulator.kiss import encode_kiss
from transports.simulator.packets import Packet, encode_packet


def kiss(info, **more):
    packet = Packet(**{"source": "QQ1MIA-7", "destination": "APZSIM", "info": info, **more})
    return encode_kiss(encode_packet(packet))


@pytest.fixture
def session():
    return AprsSession("QQ1EDG-10", "WIDE1-1, WIDE2-1")


def heard(sent):
    """Return what another station makes of bytes that were sent."""
    (event,) = AprsSession().receive_bytes(sent, 0)
    return event


def test_a_packet_becomes_an_event_of_the_specification(session):
    (event,) = session.receive_bytes(kiss(b":QQ1EDG-10:hello{12"), 5.0)
    assert set(event) == spec.fields("aprs.receive")
    assert (event["type"], event["source"], event["format"], event["time"]) == (
        "aprs.receive",
        "QQ1MIA-7",
        "message",
        5.0,
    )
    assert event["packet"] == {"addressee": "QQ1EDG-10", "text": "hello", "id": "12"}
    assert event["reason"] == ""
    assert event["origins"] == {}
    assert 0 < len(event["summary"]) <= 200


def test_an_event_says_what_was_guessed_and_who_made_what_sent_it(session):
    (event,) = session.receive_bytes(kiss(b"!4903.5 N/07201.7 W>", destination="APDR15"), 5.0)
    assert event["origins"]["latitude"].startswith("guessed: ")
    assert event["packet"]["device"]["model"] == "APRSdroid"


def test_what_was_not_understood_is_there_with_its_bytes_and_the_reason(session):
    (event,) = session.receive_bytes(kiss(b"!garbage"), 0)
    assert (event["format"], event["info"]) == ("unparsed", b"!garbage")
    assert event["reason"]


def test_frames_that_are_no_aprs_are_counted(session):
    frame = bytearray(encode_packet(Packet(source="QQ1MIA", destination="APZSIM", info=b"x")))
    frame[14] = 0x3F  # SABM: connected mode
    assert session.receive_bytes(encode_kiss(bytes(frame)), 0) == []
    assert session.counters()["not_aprs"] == 1
    assert session.counters()["not_ax25"] == 0


@pytest.mark.parametrize(
    ("packet", "info"),
    [
        ({"format": "message", "addressee": "QQ1MIA-7", "text": "hi", "id": "5"}, b":QQ1MIA-7 :hi{5"),
        ({"format": "message", "addressee": "QQ1MIA-7", "text": "hi"}, b":QQ1MIA-7 :hi"),
        ({"format": "ack", "addressee": "QQ1MIA-7", "id": "5"}, b":QQ1MIA-7 :ack5"),
        ({"format": "reject", "addressee": "QQ1MIA-7", "id": "5"}, b":QQ1MIA-7 :rej5"),
        ({"format": "status", "text": "on the air"}, b">on the air"),
        ({"format": "position", "latitude": 49.5, "longitude": -72.75, "comment": "x"}, b"!4930.00N/07245.00W-x"),
    ],
)
def test_a_packet_is_sent_to_our_to_call_by_the_devices_path(session, packet, info):
    event = heard(session.send({"type": "aprs.send", "packet": packet}))
    assert event["info"] == info
    assert (event["source"], event["destination"], event["via"]) == ("QQ1EDG-10", TO_CALL, ["WIDE1-1", "WIDE2-1"])


def examples():
    """The packets that the specification shows, as a reader would type them."""
    return [
        ast.literal_eval(found[0].strip())
        for found in re.finditer(r"^    \{\"format\".*?\}$(?!\n     \")", spec.aprs.__doc__, re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize("packet", examples(), ids=lambda packet: packet["format"])
def test_each_packet_that_the_specification_shows_is_sent_and_heard_as_such(session, packet):
    event = heard(session.send({"type": "aprs.send", "packet": packet}))
    assert event["format"] == packet["format"]
    assert event["destination"] == (TO_CALL if packet["format"] != "mic-e" else "T9SP0P")


def test_the_specification_shows_each_format_that_can_be_sent():
    assert {packet["format"] for packet in examples()} == set(aprs.ENCODABLE)


def test_the_destination_of_mic_e_is_its_own_whatever_the_event_says(session):
    packet = {"format": "mic-e", "latitude": 33.427333, "longitude": -112.129, "mic_e_message": "M3: Returning"}
    event = heard(session.send({"type": "aprs.send", "packet": packet, "destination": "APRS"}))
    assert event["destination"] == "S32UVT"
    assert event["packet"]["latitude"] == pytest.approx(33.427333)


def test_a_packet_names_the_device_that_sent_it(session):
    (event,) = session.receive_bytes(kiss(b">hello", destination="APDR15"), 0)
    assert event["packet"]["device"] == {"vendor": "Open Source", "model": "APRSdroid", "class": "app"}
    assert event["summary"] == "status hello [Open Source APRSdroid]"
    (event,) = session.receive_bytes(kiss(b">" + b"x" * 190, destination="APDR15"), 0)
    assert "APRSdroid" not in event["summary"]
    (event,) = session.receive_bytes(kiss(b">hello"), 0)
    assert "device" not in event["packet"]


def test_a_packet_may_have_its_own_path_and_destination(session):
    event = heard(session.send({"type": "aprs.send", "info": b">hi", "via": [], "destination": "APRS"}))
    assert (event["via"], event["destination"], event["info"]) == ([], "APRS", b">hi")


def test_a_whole_frame_is_no_packet(session):
    assert heard(session.send({"type": "aprs.send", "info": b">hi", "raw": b"something else"}))["info"] == b">hi"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, "takes info, or packet with its fields by name"),
        ({"packet": "text"}, "takes info, or packet with its fields by name"),
        ({"packet": {"text": "x"}}, "format: expected one of position, object, .*, came None"),
        ({"packet": {"format": "nmea"}}, "format: expected one of position, .*, came 'nmea'"),
        ({"packet": {"format": "weather"}}, "weather: expected its fields by name, came None"),
        ({"packet": {"format": ["x"]}}, "format: expected one of"),
        ({"packet": {"format": "message", "text": "x"}}, "a packet of format message needs 'addressee'"),
        ({"packet": {"format": "message", "addressee": "A1A", "text": "x" * 68}}, "expected at most 67 bytes, came 68"),
        ({"packet": {"format": "message", "addressee": "A1A", "text": 5}}, "aprs.send: "),
        ({"packet": {"format": "status", "text": None}}, "aprs.send: "),
        ({"packet": {"format": "position", "latitude": 91, "longitude": 0}}, "latitude: expected -90 to 90"),
        ({"packet": {"format": "position", "latitude": "north", "longitude": 0}}, "aprs.send: "),
        ({"info": "text"}, "info: expected bytes; got str"),
    ],
)
def test_what_cannot_be_sent_is_told(session, event, words):
    with pytest.raises(LocalProtocolError, match=words):
        session.send({"type": "aprs.send", **event})


def test_the_scope_names_the_station_and_an_empty_path_is_none():
    options = AprsOptions(callsign="QQ1EDG", path="")
    session = build(Device(name="vhf", link="serial:///dev/vhf", options=options, state={})).make_session()
    assert session.scope() == {"callsign": "QQ1EDG", "confirms": False}
    assert session.path == []


@given(st.binary(max_size=256))
def test_whatever_is_heard_is_one_event(info):
    (event,) = AprsSession().receive_bytes(kiss(info), 0)
    assert event["info"] == info
    assert (event["format"] == "unparsed") == bool(event["reason"])


anything = st.none() | st.integers() | st.floats() | st.text(max_size=10) | st.binary(max_size=10)
packets = st.dictionaries(
    st.sampled_from(["format", "addressee", "text", "id", "latitude", "longitude", "symbol", "comment"]),
    anything | st.sampled_from(["message", "ack", "status", "position"]),
)


@given(packets | anything)
def test_whatever_a_consumer_sends_is_bytes_or_told(packet):
    try:
        assert isinstance(AprsSession("QQ1EDG").send({"type": "aprs.send", "packet": packet}), bytes)
    except LocalProtocolError as error:
        assert "aprs.send" in str(error)
