import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_site.dashboard.lines import MAX_NAME, MAX_TEXT, clean, doubts, line, payload, readable, summary

HEARD = {
    "type": "aprs.receive",
    "source": "QQ1ABC-7",
    "destination": "APRS",
    "via": ["WIDE1-1*", "WIDE2-1"],
    "info": b">hello",
    "raw": b"...",
    "time": 1000.5,
    "format": "status",
    "packet": {"status": "hello"},
    "summary": "status hello",
}


def test_a_heard_packet_says_who_and_what():
    found = line("vhf", "heard", HEARD, now=2000.0)
    assert (found.time, found.device, found.direction) == (1000.5, "vhf", "heard")
    assert (found.source, found.destination, found.via) == ("QQ1ABC-7", "APRS", "WIDE1-1*,WIDE2-1")
    assert (found.format, found.text, found.reason) == ("status", "status hello", "")


def test_what_we_send_has_the_time_of_now_and_a_refusal_its_reason():
    found = line(
        "vhf", "refused", {"type": "ax25.send", "destination": "CQ", "info": b"hi"}, now=2000.0, reason="too fast"
    )
    assert (found.time, found.destination, found.text, found.reason) == (2000.0, "CQ", "hi", "too fast")


def test_where_a_field_comes_from_is_said_once_for_all_that_come_from_there():
    origins = {"latitude": "guessed: the middle", "longitude": "guessed: the middle", "id": "lenient: \n"}
    assert doubts({"origins": origins}) == "latitude, longitude guessed: the middle; id lenient: ·"
    assert line("vhf", "heard", {**HEARD, "origins": origins}, now=1.0).doubts.startswith("latitude, longitude guessed")
    assert doubts(HEARD) == doubts({"origins": None}) == ""
    assert len(doubts({"origins": {"x" * 300: "guessed: y"}})) <= MAX_TEXT


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"type": "ax25.receive", "info": b"CQ CQ\r"}, "CQ CQ"),
        ({"type": "ax25.receive", "info": b"", "raw": b"x"}, ""),
        ({"type": "ax25.send", "raw": b"\x00\x01"}, "2 bytes: 00 01"),
        ({"type": "mqtt.receive", "topic": "a/b", "payload": b'{"t": 21.5}'}, '{"t": 21.5}'),
        ({"type": "mqtt.send", "topic": "a/b", "payload": "on"}, "on"),
        ({"type": "serial.receive", "bytes": b"$GPGGA,1", "text": None}, "$GPGGA,1"),
        ({"type": "serial.send", "text": "AT"}, "AT"),
        ({"type": "serial.send", "bytes": None, "text": "AT"}, "AT"),
        ({"packet": {"format": "message", "addressee": "QQ1X", "text": "hi", "id": "01"}}, "message to QQ1X: hi (01)"),
        ({"type": "aprs.send", "packet": {"format": "position", "comment": "home"}}, "position home"),
        (
            {"packet": {"format": "object", "name": "TEA", "latitude": 49.5, "longitude": -72.75, "comment": "hot"}},
            "object TEA 49.5000 -72.7500 hot",
        ),
        ({"packet": {"format": "telemetry-definition", "addressee": "QQ1X", "definition": "PARM"}},
         "telemetry-definition to QQ1X: PARM"),
        ({"type": "x"}, ""),
    ],
)  # fmt: skip
def test_each_kind_of_event_has_a_short_text(event, text):
    assert summary(event) == text


def test_a_topic_stands_where_a_callsign_does():
    assert (
        line("broker", "heard", {"type": "mqtt.receive", "topic": "home/attic", "payload": b""}, now=1.0).source
        == "home/attic"
    )


def test_noise_is_shown_in_hexadecimal_with_its_size():
    assert readable(bytes(range(200, 256)) * 2).startswith("112 bytes: c8 c9 ca")
    assert readable(b"\x00" * 40).endswith("…")


def test_text_that_could_steer_a_terminal_or_a_page_is_plain():
    assert clean("a\x1b[31mb\u202ec\n", 50) == "a·[31mb·c·"


def test_long_texts_are_cut():
    assert clean("x" * 300, 200) == "x" * 199 + "…"


@given(st.dictionaries(st.sampled_from(sorted([*HEARD, "payload", "topic", "bytes", "text"])), st.one_of(
    st.none(), st.integers(min_value=0, max_value=2**40), st.text(), st.binary(), st.lists(st.text()),
    st.dictionaries(st.sampled_from(["format", "text", "id"]), st.one_of(st.text(), st.binary(), st.integers())),
)))  # fmt: skip
def test_no_event_is_too_strange(event):
    event.pop("time", None)
    found = line("vhf", "heard", event, now=1.0)
    assert len(found.text) <= MAX_TEXT
    assert found.text.isprintable()
    assert len(found.source) <= MAX_NAME
    assert found.source.isprintable()
    assert isinstance(payload(event), bytes)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ('{"device": "vhf", "summary": "position 47.8N 12.4E"}', "position 47.8N 12.4E"),
        ('{"summary": "a\\u001b[2J"}', "a·[2J"),
        ('{"summary": 5}', '{"summary": 5}'),
        ('{"on": true}', '{"on": true}'),
        ('{"summary": ', '{"summary": '.strip()),
        ("{" * 5000, "{" * 199 + "…"),
    ],
)
def test_a_json_payload_is_shown_by_its_own_summary_where_it_has_one(payload, text):
    assert summary({"type": "mqtt.send", "topic": "a", "payload": payload}) == text
