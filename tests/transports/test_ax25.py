import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import spec
from edge.errors import LocalProtocolError
from edge.registry import Device
from transports import ax25 as ax25_transport
from transports.ax25 import Ax25Session, build
from transports.options import Ax25Options

# By hand: QQ1CA2-9>APZSIM,WIDE1-1*:>hi; destination, source, digipeater (letters shifted left by one), UI, no layer 3.
FRAME = bytes.fromhex("82a0b4a6929ae0 a2a26286826472 ae92888a6240e3 03f0 3e6869")
KISS = b"\xc0\x00" + FRAME + b"\xc0"


@pytest.fixture
def session():
    return Ax25Session("QQ1EDG-10")


def test_a_frame_becomes_an_event_of_the_specification(session):
    (event,) = session.receive_bytes(KISS, 5.0)
    assert event == {
        "type": "ax25.receive",
        "port": 0,
        "source": "QQ1CA2-9",
        "destination": "APZSIM",
        "via": ["WIDE1-1*"],
        "control": 0x03,
        "frame": "UI",
        "command": True,
        "poll": False,
        "nr": None,
        "ns": None,
        "pid": 0xF0,
        "info": b">hi",
        "raw": FRAME,
        "time": 5.0,
    }
    assert set(event) == spec.fields("ax25.receive")


def test_frames_in_any_chunks_are_the_same(session):
    whole = session.receive_bytes(KISS * 3, 1.0)
    bytewise = [event for byte in KISS * 3 for event in Ax25Session.receive_bytes(session, bytes([byte]), 1.0)]
    assert whole == bytewise
    assert len(whole) == 3


def test_a_head_that_was_heard_before_makes_an_event_of_its_own(session):
    ax25_transport._heads.clear()
    first, second = session.receive_bytes(KISS + KISS, 1.0)
    assert second == first
    second["via"].append("changed by a consumer")
    second["source"] = "QQ1BAD"
    assert session.receive_bytes(KISS, 1.0) == [first]
    (other,) = session.receive_bytes(KISS[:-4] + b"another\xc0", 2.0)
    assert other == {**first, "info": b"another", "raw": FRAME[:-3] + b"another", "time": 2.0}


@pytest.mark.parametrize("end", ["", "03", "03cf", "13f0 78", "f0", "f003f0 78", "3f78"])
def test_a_head_that_was_heard_before_says_nothing_of_another_end(session, end):
    ended = FRAME[:-5] + bytes.fromhex(end)
    ax25_transport._heads.clear()
    afresh = session.receive_bytes(b"\xc0\x00" + ended + b"\xc0", 1.0), session.counters()
    again = Ax25Session("QQ1EDG-10")
    again.receive_bytes(KISS, 1.0)
    assert (again.receive_bytes(b"\xc0\x00" + ended + b"\xc0", 1.0), again.counters()) == afresh


# What looks like the end of a head where none is: SSID octets of 3, before whatever control octet, and digipeaters.
ODDLY = st.sampled_from(
    [bytes.fromhex(part) for part in ("82a0b4a6929ae0", "a2a262868264e0", "a2a26286826403", "03f0", "f0")]
)


@given(st.lists(st.lists(ODDLY, max_size=8).map(b"".join), max_size=12))
def test_what_was_heard_before_changes_nothing(bodies):
    ax25_transport._heads.clear()
    ours, other = Ax25Session(), Ax25Session()
    for body in bodies:
        heard = ours.receive_bytes(b"\xc0\x00" + body + b"\xc0", 1.0)
        kept = dict(ax25_transport._heads)
        ax25_transport._heads.clear()
        assert other.receive_bytes(b"\xc0\x00" + body + b"\xc0", 1.0) == heard
        ax25_transport._heads.update(kept)
    assert other.counters() == ours.counters()


def test_the_heads_that_are_kept_are_bounded(session):
    ax25_transport._heads.clear()
    for number in range(ax25_transport.HEADS_KEPT + 3):
        head = bytes.fromhex("82a0b4a6929ae0") + bytes(2 * octet for octet in b"%06d" % number) + b"\xe1"
        (event,) = session.receive_bytes(b"\xc0\x00" + head + b"\x03\xf0x\xc0", 1.0)
        assert event["source"] == f"{number:06d}"
    assert len(ax25_transport._heads) == 3  # all were let go of, and it began anew


def test_the_radio_port_is_told(session):
    assert session.receive_bytes(b"\xc0\x50" + FRAME + b"\xc0", 0)[0]["port"] == 5


def test_what_is_no_frame_is_counted_by_why(session):
    session.receive_bytes(b"noise", 0)  # before the first FEND
    session.receive_bytes(b"\xc0\x00short\xc0", 0)
    session.receive_bytes(b"\xc0\x01\x28\xc0", 0)
    session.receive_bytes(b"\xc0\x00\xdb\x00\xc0", 0)
    session.receive_bytes(b"\xc0\x00" + b"x" * 5000 + b"\xc0", 0)
    assert session.counters() == {
        "noise_bytes": 5,
        "too_long": 1,
        "bad_escape": 1,
        "bad_checksum": 0,
        "not_ax25": 1,
        "not_data": 1,
    }


def test_a_frame_is_sent_from_our_callsign(session):
    sent = session.send({"type": "ax25.send", "destination": "QQ2XYZ", "info": b"hello", "via": ["WIDE1-1"], "port": 2})
    assert sent[:2] == b"\xc0\x20"
    (event,) = Ax25Session().receive_bytes(sent, 0)
    assert (event["source"], event["destination"], event["via"]) == ("QQ1EDG-10", "QQ2XYZ", ["WIDE1-1"])
    assert (event["info"], event["port"]) == (b"hello", 2)


def test_a_frame_of_connected_mode_is_sent_by_its_parts_and_heard_by_them(session):
    parts = {"frame": "I", "poll": True, "nr": 5, "ns": 2, "info": b"hello"}
    sent = session.send({"type": "ax25.send", "destination": "QQ2XYZ", **parts})
    (event,) = Ax25Session().receive_bytes(sent, 0)
    assert {name: event[name] for name in parts} == parts
    assert (event["control"], event["command"], event["pid"]) == (0xB4, True, 0xF0)
    final = session.send({"type": "ax25.send", "destination": "QQ2XYZ", "frame": "RR", "nr": 3, "command": False})
    (event,) = Ax25Session().receive_bytes(final, 0)
    assert (event["frame"], event["command"], event["nr"], event["pid"]) == ("RR", False, 3, None)


def test_fields_that_are_none_are_their_defaults(session):
    event = {"type": "ax25.send", "destination": "QQ2XYZ", "info": None, "via": None, "port": None, "raw": None}
    assert session.send(event) == session.send({"type": "ax25.send", "destination": "QQ2XYZ"})


def test_a_whole_frame_is_sent_as_it_is(session):
    assert session.send({"type": "ax25.send", "raw": FRAME}) == KISS


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, "no destination"),
        ({"destination": "not a call"}, "address: expected"),
        ({"destination": 5}, "ax25.send"),
        ({"destination": "A1A", "via": "WIDE1-1"}, "via: expected a list of addresses; got 'WIDE1-1'"),
        ({"destination": "A1A", "via": ["A1A"] * 9}, "at most 8 hops"),
        ({"destination": "A1A", "info": 5}, "info: expected bytes; got int"),
        ({"destination": "A1A", "info": "text"}, "info: expected bytes; got str"),
        ({"destination": "A1A", "info": b"x" * 3000}, "info: expected at most"),
        ({"destination": "A1A", "port": 16}, "KISS port: expected 0 to 15"),
        ({"destination": "A1A", "port": "one"}, "ax25.send"),
        ({"destination": "A1A", "frame": "HELLO"}, "frame: expected one of I, RR, .* came 'HELLO'"),
        ({"destination": "A1A", "frame": "RR"}, "RR: expected a sequence number, came None"),
        ({"destination": "A1A", "frame": "UA", "nr": 1}, "UA: expected no sequence number, came 1"),
        ({"destination": "A1A", "frame": "I", "nr": 8, "ns": 0}, "I: expected a sequence number of 0 to 7, came 8"),
        ({"destination": "A1A", "frame": "RR", "nr": 1, "info": b"x"}, "info: expected none in RR, came 1 bytes"),
        ({"destination": "A1A", "frame": "RR", "nr": 1, "pid": 240}, "PID: expected no PID"),
        ({"raw": "text"}, "raw: expected bytes; got str"),
        ({"raw": b""}, "raw: expected a frame of 1 to 2047 bytes; got 0"),
        ({"raw": b"x" * 2048}, "raw: expected a frame of 1 to 2047 bytes; got 2048"),
    ],
)
def test_what_cannot_be_sent_is_told(session, event, words):
    with pytest.raises(LocalProtocolError, match=words):
        session.send({"type": "ax25.send", **event})


def test_without_a_callsign_there_is_no_source():
    with pytest.raises(LocalProtocolError, match="no source: set the device's callsign"):
        Ax25Session().send({"type": "ax25.send", "destination": "A1A"})


def test_the_scope_names_the_station():
    options = Ax25Options(callsign="QQ1EDG", baud=19200)
    server = build(Device(name="vhf", link="serial:///dev/vhf", options=options, state={}))
    assert (server.baud, server.make_session().scope()) == (
        19200,
        {"callsign": "QQ1EDG", "air_baud": 1200, "confirms": False},
    )


@given(st.lists(st.binary(max_size=60)))
def test_no_noise_raises_and_the_next_frame_is_read(chunks):
    session = Ax25Session()
    for chunk in chunks:
        session.receive_bytes(chunk, 0)
    session.receive_bytes(b"\xc0", 0)
    assert session.receive_bytes(KISS, 0)[-1]["info"] == b">hi"


anything = st.none() | st.integers() | st.text(max_size=10) | st.binary(max_size=10) | st.lists(st.text(max_size=7))


@given(
    st.dictionaries(
        st.sampled_from(["source", "destination", "via", "info", "port", "raw", "frame", "nr", "ns", "command", "pid"]),
        anything,
    )
)
def test_whatever_a_consumer_sends_is_bytes_or_told(event):
    try:
        assert isinstance(Ax25Session("QQ1EDG").send({"type": "ax25.send", **event}), bytes)
    except LocalProtocolError as error:
        assert str(error).startswith("ax25.send: ")
