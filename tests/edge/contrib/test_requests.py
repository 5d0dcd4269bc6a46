import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contrib.requests import MAX_PAYLOAD, MAX_WAITING, Denied, Maker, Request, TransmitOptions, check_options
from edge.errors import ConfigError


def came(payload, topic="aprs/send", **caught):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return {"topic": topic, "payload": data, "topic_route": {"args": [], "kwargs": caught}}


def made(payload, caught=(), **options):
    return Maker(TransmitOptions(**options)).make(Request.read(came(payload, **dict(caught))))


def message(addressee, text):
    return {"type": "aprs.send", "packet": {"format": "message", "addressee": addressee, "text": text, "id": ""}}


def test_a_message_of_json():
    assert made({"to": "qq1abc-7", "text": "hello"}) == message("QQ1ABC-7", "hello")


def test_a_message_of_a_topic_and_a_plain_text():
    assert made(b"hello", {"to": "QQ1ABC"}) == message("QQ1ABC", "hello")


def test_what_the_topic_says_goes_before_what_the_payload_says():
    assert made({"to": "QQ2BAD", "text": "hello"}, {"to": "QQ1ABC"}) == message("QQ1ABC", "hello")


def test_templates_pick_what_they_name():
    text = "{room.name}: {room.temperature:.1f}"
    event = made({"room": {"name": "attic", "temperature": 21.449}}, addressee="QQ1ABC", text=text)
    assert event == message("QQ1ABC", "attic: 21.4")


@pytest.mark.parametrize(
    ("options", "payload", "event"),
    [
        (
            {"send": "status"},
            b"on the air",
            {"type": "aprs.send", "packet": {"format": "status", "text": "on the air"}},
        ),
        (
            {"send": "position"},
            {"latitude": 49.5, "longitude": -72.75, "format": "message"},
            {"type": "aprs.send", "packet": {"latitude": 49.5, "longitude": -72.75, "format": "position"}},
        ),
        ({"send": "info"}, b">\xff raw", {"type": "aprs.send", "info": b">\xff raw"}),
        (
            {"send": "ui"},
            {"to": "beacon", "text": "hi"},
            {"type": "ax25.send", "destination": "BEACON", "info": b"hi"},
        ),
        ({"send": "text"}, b"$GPGGA", {"type": "serial.send", "text": "$GPGGA"}),
        ({"send": "bytes"}, b"\x00\xff{", {"type": "serial.send", "bytes": b"\x00\xff{"}),
    ],
)
def test_each_way_to_send(options, payload, event):
    assert made(payload, **options) == event


@pytest.mark.parametrize(
    ("options", "payload", "words"),
    [
        ({}, b"hello", "expected an addressee by {to}; got none"),
        ({}, {"to": "QQ1ABC"}, None),  # the JSON itself is the text
        ({"text": "{words}"}, {"to": "QQ1ABC"}, "expected a text by {words}; got none"),
        (
            {"addressees": "QQ1*, QQ2ABC-7"},
            {"to": "QQ2ABC-8", "text": "x"},
            "may send to QQ1*, QQ2ABC-7; got 'QQ2ABC-8'",
        ),
        ({"addressees": "qq1*"}, {"to": "QQ1X", "text": "x"}, None),
        (
            {"send": "packet"},
            {"format": "object", "name": "X"},
            "may transmit message, position, status; got format 'object'",
        ),
        ({"send": "packet", "formats": "third-party"}, {"format": "third-party"}, "got format 'third-party'"),
        ({"send": "packet", "addressees": "QQ1*"}, {"format": "message", "addressee": "QQ2", "text": ""}, "got 'QQ2'"),
        ({"send": "position"}, b"[1]", "expected a JSON object"),
        ({"largest": 4}, {"to": "QQ1ABC", "text": "hello"}, "expected at most 4 bytes; got 5"),
        ({"send": "info"}, b"", "nothing in it"),
        ({"send": "status"}, b"one\rtwo", "control characters"),
        ({"send": "text"}, b"one\r\ntwo", "control characters"),
        ({"send": "status"}, b"x" * (MAX_PAYLOAD + 1), "expected at most 16,384 bytes"),
        ({"send": "status"}, b'{"a":' * 30 + b"1" + b"}" * 30, "at most 8 levels"),
    ],
)
def test_what_is_beyond_the_rights_of_the_route_is_refused_in_words(options, payload, words):
    if words is None:
        made(payload, **options)
        return
    with pytest.raises(Denied) as refused:
        made(payload, **options)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "text", [b"[" * 10_000, b'{"a":' * 3000, b'{"a": NaN}', b'{"a": ' + b"9" * 5000 + b"}", b"\xff{"]
)
def test_what_is_no_json_object_is_a_text(text):
    assert Request.read(came(text)).body is None


def test_a_minute_has_room_for_so_many_and_no_more_wait_than_the_bound():
    maker = Maker(TransmitOptions(per_minute=2))
    maker.count(0.0, waiting=0)
    maker.count(1.0, waiting=1)
    with pytest.raises(Denied, match="2 in the last minute; the limit of this route is 2"):
        maker.count(59.0, waiting=2)
    maker.count(60.5, waiting=2)
    with pytest.raises(Denied, match="100 wait"):
        maker.count(200.0, waiting=MAX_WAITING)


def test_a_wrong_template_is_told_with_its_option():
    with pytest.raises(ConfigError, match=r"^addressee: "):
        check_options(TransmitOptions(addressee="{"))


@given(st.binary(max_size=300) | st.builds(lambda text: b'{"to": "QQ1ABC", "text": ' + text, st.binary(max_size=60)))
def test_any_bytes_are_a_request_or_refused(data):
    for send in ("message", "status", "position", "packet", "info", "ui", "text", "bytes"):
        try:
            made(data, send=send)
        except Denied:
            continue


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        ),
    )
)
def test_any_json_is_a_request_or_refused(body):
    for send in ("message", "position", "packet"):
        try:
            made(body, send=send, text="{to}{text}{x.y}")
        except Denied:
            continue
