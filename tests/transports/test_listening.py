import os
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import LinkLost
from tests.scenarios.running import frame
from transports import listening
from transports.listening import What, judge, listen
from transports.simulator.kiss import encode_kiss

GPS = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"  # the sentence of every GPS primer


@pytest.mark.parametrize(
    ("data", "what", "words"),
    [
        (b"", What.SILENCE, ""),
        (b"\x80", What.NOISE, "1 bytes"),
        (encode_kiss(frame(">hello", source="QQ1ABC-9")), What.KISS, "KISS frames, of QQ1ABC-9"),
        (b"\xfa\x00" + encode_kiss(frame(">x", source="QQ1ABC")), What.KISS, "QQ1ABC"),
        (GPS[9:] + GPS + GPS[:20], What.NMEA, "a GPS or the like: GPGGA,123519"),
        (GPS.replace(b"*47", b"*48"), What.TEXT, "text, so not in KISS mode: $GPGGA"),
        (b"\r\ncmd:\r\n*** CONNECTED to QQ1ABC\r\n", What.TEXT, "*** CONNECTED to QQ1ABC"),
        (bytes(range(128, 255)), What.NOISE, "127 bytes that mean nothing"),
        (b"\xc0\x00nonsense\xc0", What.NOISE, ""),
    ],
)
def test_bytes_are_judged_by_what_they_hold(data, what, words):
    assert judge(data)[0] is what
    assert words in judge(data)[1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_whatever_comes_is_judged_without_an_error_and_in_printable_words(data):
    assert judge(data)[1].isprintable()


@pytest.fixture(autouse=True)
def held(pty):
    """Hold the port's own end open too, so that what was sent could still be read."""
    slave = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    yield
    os.close(slave)


@pytest.fixture
def speaker(pty):
    """Say something again and again on a port, from a thread, until the test is over."""
    stop, threads = threading.Event(), []

    def speak(data):
        def run():
            while not stop.wait(0.05):
                pty.feed(data)

        threads.append(threading.Thread(target=run))
        threads[0].start()

    yield speak
    stop.set()
    for thread in threads:
        thread.join(5)


@pytest.mark.parametrize(
    ("said", "what"), [(encode_kiss(frame(">here", source="QQ1ABC")), What.KISS), (GPS, What.NMEA)]
)
def test_a_port_that_speaks_is_understood_and_is_sent_nothing(pty, speaker, said, what):
    speaker(said)
    heard = listen(f"serial://{pty.path}", seconds=10, first=[4800])
    assert (heard.what, heard.baud) == (what, 4800)
    assert pty.read() == b""


def test_each_speed_is_tried_and_the_surest_is_kept(pty, speaker, monkeypatch):
    monkeypatch.setattr(listening, "DWELL", 0.1)
    monkeypatch.setattr(listening, "FINISH", 0.0)
    speaker(bytes(range(128, 255)))
    heard = listen(f"serial://{pty.path}", seconds=1)
    assert heard.what is What.NOISE
    assert heard.baud in listening.BAUDS
    assert pty.read() == b""


def test_a_silent_port_is_told_as_what_it_is_within_the_time_given(pty):
    began = time.monotonic()
    heard = listen(f"serial://{pty.path}", seconds=0.3)
    assert heard.words == "nothing was said in 0.3 s; a TNC says nothing until it hears a packet"
    assert time.monotonic() - began < 10
    assert pty.read() == b""


def test_a_port_that_is_not_there_is_said(tmp_path):
    with pytest.raises(LinkLost, match="is not there"):
        listen(f"serial://{tmp_path}/none", seconds=1)
