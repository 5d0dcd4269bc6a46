import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate import DUTY_WINDOW, MAX_REMEMBERED, Gate, Licence, callsign_problem, is_connected_mode

PLAIN = {"type": "aprs.send", "info": b"hello"}


def gate(**facts):
    facts = {"device": "vhf", "allowed": True, "callsign": "QQ1EDG-10", "needs_callsign": True, **facts}
    return Gate(Licence(**facts))


def test_a_radio_is_silent_until_a_person_says_otherwise():
    words = gate(allowed=False).refusal(PLAIN, 0)
    assert words == "transmitting is off for vhf; a person can allow it in the device's settings"


def test_an_allowed_station_with_a_callsign_transmits():
    assert gate().refusal(PLAIN, 0) == ""


def test_without_a_callsign_nothing_is_transmitted():
    assert gate(callsign="").refusal(PLAIN, 0) == "no callsign is set"


@pytest.mark.parametrize("callsign", ["N0CALL", "NOCALL", "MYCALL-7", "TEST"])
def test_a_placeholder_is_no_callsign(callsign):
    assert gate(callsign=callsign).refusal(PLAIN, 0) == f"{callsign} is a placeholder; put in your own callsign"


@pytest.mark.parametrize(
    "callsign", ["qq1abc", "QQ1ABC-16", "QQ1ABC-0", "TOOLONG1", "ABCDEF", "123456", "Q1", "QQ1-", " "]
)
def test_what_is_no_callsign_is_told_with_an_example(callsign):
    assert callsign_problem(callsign) == (
        f"expected a callsign such as QQ1ABC or QQ1ABC-10 (capital letters and digits, SSID 1 to 15); got {callsign!r}"
    )


@pytest.mark.parametrize("callsign", ["QQ1ABC", "QQ1ABC-15", "2E0AB", "A1A"])
def test_a_callsign_is_taken(callsign):
    assert callsign_problem(callsign) == ""


def test_only_our_own_callsign_is_a_source_with_any_ssid():
    assert gate().refusal({**PLAIN, "source": "QQ1EDG-3"}, 0) == ""
    foreign = gate().refusal({**PLAIN, "source": "QQ2XYZ"}, 0)
    assert foreign == "its source QQ2XYZ is not this station's callsign QQ1EDG-10"
    assert "is not this station's callsign" in gate().refusal({**PLAIN, "source": "QQ1EDGE"}, 0)


# QQ1EDG-7>QQ1MIA, SABM with the poll bit: an AX.25 frame by its bytes (v2.2, figures 3.1 and 3.3).
SABM = bytes.fromhex("a2a2629a9282e0 a2a2628a888e6f 3f")


def test_the_source_of_a_whole_frame_is_read_from_its_bytes():
    assert gate().refusal({"type": "ax25.send", "raw": SABM}, 0) == ""
    claimed = gate().refusal({"type": "aprs.send", "raw": SABM, "source": "QQ2XYZ"}, 0)
    assert claimed == "its source QQ2XYZ is not this station's callsign QQ1EDG-10"
    other = gate(callsign="QQ2XYZ").refusal({"type": "ax25.send", "raw": SABM, "source": "QQ2XYZ"}, 0)
    assert other == "its source QQ1EDG-7 is not this station's callsign QQ2XYZ"
    assert gate().refusal({**PLAIN, "raw": None}, 0) == ""


@pytest.mark.parametrize("raw", [b"", b"\x00" * 20, SABM[:13], b"\xff" * 20, "text", 5])
@pytest.mark.parametrize("any_source", [False, True])
def test_a_whole_frame_without_a_source_is_refused(raw, any_source):
    told = gate(any_source=any_source).refusal({"type": "ax25.send", "raw": raw}, 0)
    assert told == "the source of a whole frame (raw) cannot be read; send its parts"


def test_a_station_that_answers_for_others_transmits_their_frames():
    relay = gate(callsign="QQ2XYZ", any_source=True)
    assert relay.refusal({"type": "ax25.send", "raw": SABM}, 0) == ""
    assert relay.refusal({**PLAIN, "source": "QQ1MIA"}, 0) == ""
    assert gate(callsign="", any_source=True).refusal(PLAIN, 0) == "no callsign is set"


def test_a_whole_frame_is_reckoned_by_its_own_length():
    busy = gate(duty_percent=1, air_baud=1200)  # 6 s in ten minutes
    whole = {"type": "ax25.send", "raw": SABM + bytes(800)}
    assert busy.refusal(whole, 0) == ""
    busy.passed(whole, 0)
    assert "of air time in ten minutes; the limit is 1 %" in busy.refusal(whole, 0)


def test_what_came_from_the_device_does_not_go_back_to_it():
    assert gate().refusal({**PLAIN, "origin": "vhf"}, 0) == "it came from vhf itself; sending it back would be a loop"
    assert gate().refusal({**PLAIN, "origin": "attic"}, 0) == ""


def test_the_rate_is_bounded_per_minute():
    busy = gate(frames_per_minute=3)
    for now in (0, 1, 2):
        assert busy.refusal(PLAIN, now) == ""
        busy.passed(PLAIN, now)
    assert busy.refusal(PLAIN, 59.9) == "3 frames in the last minute; the limit is 3"
    assert busy.refusal(PLAIN, 60) == ""


def test_the_air_time_is_bounded_in_ten_minutes():
    busy = gate(frames_per_minute=600, duty_percent=1, air_baud=300)
    long = {"type": "ax25.send", "info": b"x" * 200}  # more than 6 s at 300 Bd: one in ten minutes is 1 %
    busy.passed(long, 0)
    assert busy.refusal(long, 100) == "13 s of air time in ten minutes; the limit is 1 %"
    assert busy.refusal(PLAIN, DUTY_WINDOW) == ""


def test_a_long_path_and_a_message_count_as_air_time():
    short, long = gate()._air_seconds(PLAIN), gate()._air_seconds({**PLAIN, "via": ["WIDE1-1"] * 8})
    assert long > short
    assert gate()._air_seconds({"packet": {"format": "status", "text": "x" * 60}}) > short


def test_a_serial_line_has_no_callsign_but_a_switch_and_a_rate():
    line = gate(needs_callsign=False, callsign="", frames_per_minute=600, duty_percent=100, air_baud=50)
    assert line.refusal({"type": "serial.send", "bytes": b"x" * 60_000}, 0) == ""
    off = gate(needs_callsign=False, callsign="", allowed=False)
    assert "transmitting is off" in off.refusal({"type": "serial.send", "text": "x"}, 0)


def test_what_could_not_be_sent_after_all_is_taken_back():
    busy = gate(frames_per_minute=1)
    busy.passed(PLAIN, 0)
    busy.take_back()
    assert busy.refusal(PLAIN, 1) == ""


def test_what_is_remembered_is_bounded():
    busy = gate()
    for _ in range(MAX_REMEMBERED + 10):
        busy.passed(PLAIN, 0)
    assert len(busy._sent) == MAX_REMEMBERED
    busy.refusal(PLAIN, DUTY_WINDOW)
    assert not busy._sent


anything = st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5) | st.lists(st.integers(), max_size=3)


@given(
    st.dictionaries(st.sampled_from(["info", "bytes", "text", "packet", "via", "source", "origin", "raw"]), anything)
)
def test_whatever_a_consumer_sends_the_gate_answers_in_words(event):
    assert isinstance(gate().refusal({"type": "aprs.send", **event}, 0), str)
    gate().passed(event, 0)


def frame(name, info=b"", **more):
    return {"type": "ax25.send", "frame": name, "info": info, "destination": "QQ2XYZ", **more}


def test_a_connection_is_not_held_to_the_frames_of_a_minute_and_takes_none_from_others():
    busy = gate(frames_per_minute=2)
    for second in range(20):
        assert busy.refusal(frame("I", b"hello"), second) == ""
        busy.passed(frame("I", b"hello"), second)
    for _ in range(2):
        assert busy.refusal({"type": "ax25.send", "info": b"hello"}, 20) == ""
        busy.passed({"type": "ax25.send", "info": b"hello"}, 20)
    assert "2 frames in the last minute" in busy.refusal(frame("UI", b"hello"), 20)
    assert busy.refusal(frame("RR"), 20) == ""


def test_a_connection_that_used_its_air_time_may_still_acknowledge_and_say_goodbye_but_not_for_ever():
    busy = gate(duty_percent=1)
    while not (refused := busy.refusal(frame("I", b"x" * 128), 0)):
        busy.passed(frame("I", b"x" * 128), 0)
    assert "s of air time in ten minutes; the limit is 1 %" in refused
    passed = 0
    while not busy.refusal(frame("RR"), 0):
        busy.passed(frame("RR"), 0)
        passed += 1
    assert 40 < passed < 80, "five percent of ten minutes are thirty seconds"
    assert busy.refusal(frame("DISC"), 0)


def test_a_frame_of_a_connection_meets_all_other_rules():
    assert "transmitting is off" in gate(allowed=False).refusal(frame("UA"), 0)
    assert "is not this station's callsign" in gate().refusal(frame("SABM", source="QQ2XYZ"), 0)


def test_only_a_frame_of_a_connection_is_one():
    assert is_connected_mode(frame("DM"))
    others = (frame("UI"), frame("RR", raw=b"x"), {"type": "aprs.send", "frame": "RR"}, {"type": "ax25.send"})
    assert not any(map(is_connected_mode, others))
