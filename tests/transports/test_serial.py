import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import LocalProtocolError
from edge.registry import Device
from transports.options import SerialOptions
from transports.serial import MAX_SEND, SerialSession, build


def test_bytes_are_handed_on_as_they_come():
    session = SerialSession("bytes")
    assert session.receive_bytes(b"a\r\nb", 5.0) == [
        {"type": "serial.receive", "bytes": b"a\r\nb", "text": None, "time": 5.0}
    ]


def test_lines_come_whole_with_their_text():
    session = SerialSession("line")
    assert session.receive_bytes(b"$GPG", 1.0) == []
    events = session.receive_bytes("GA\r\nGrüße\n".encode() + b"\xff\n", 2.0)
    assert [(event["bytes"], event["text"], event["time"]) for event in events] == [
        (b"$GPGGA", "$GPGGA", 2.0),
        ("Grüße".encode(), "Grüße", 2.0),
        (b"\xff", "ÿ", 2.0),
    ]


def test_a_line_that_is_too_long_is_counted():
    session = SerialSession("line")
    assert session.receive_bytes(b"x" * 100_000 + b"\nnext\n", 0)[0]["text"] == "next"
    assert session.counters() == {"too_long": 1}


@pytest.mark.parametrize(
    ("framing", "event", "sent"),
    [
        ("bytes", {"bytes": b"\x00\xff"}, b"\x00\xff"),
        ("bytes", {"text": "é"}, "é".encode()),
        ("line", {"text": "AT"}, b"AT\r\n"),
        ("line", {"bytes": b"AT", "text": None}, b"AT\r\n"),
        ("bytes", {"text": "\ud800"}, b"?"),
    ],
)
def test_text_or_bytes_are_sent(framing, event, sent):
    assert SerialSession(framing).send({"type": "serial.send", **event}) == sent


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, "exactly one of the two"),
        ({"bytes": b"a", "text": "a"}, "exactly one of the two"),
        ({"bytes": 5}, "takes bytes, or text as str; got int"),
        ({"text": b"a"}, "takes bytes, or text as str; got NoneType"),
        ({"bytes": b"x" * (MAX_SEND + 1)}, "takes at most 65536 bytes at once; got 65537"),
    ],
)
def test_what_cannot_be_sent_is_told(event, words):
    with pytest.raises(LocalProtocolError, match=words):
        SerialSession("bytes").send({"type": "serial.send", **event})


def test_the_scope_names_the_framing():
    options = SerialOptions(framing="line", baud=4800)
    server = build(Device(name="gps", link="serial:///dev/gps", options=options, state={}))
    assert (server.baud, server.make_session().scope()) == (4800, {"framing": "line"})


@given(st.lists(st.binary(max_size=50)))
def test_no_noise_raises_and_no_line_is_too_long(chunks):
    session = SerialSession("line")
    for chunk in chunks:
        for event in session.receive_bytes(chunk, 0):
            assert 1 <= len(event["bytes"]) <= 1024
