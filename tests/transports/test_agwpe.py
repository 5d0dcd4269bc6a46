"""The AGWPE client as a session: no loop, and a server that is bytes; the frames are the simulator's."""

import json
import struct
from pathlib import Path

import pytest

from edge.errors import LocalProtocolError, RemoteProtocolError
from tests.transports.test_session import Modem
from transports.agwpe import ANSWER, ASK_AGAIN, AgwpeSession
from transports.aprs import AprsSession
from transports.ax25 import Ax25Session
from transports.codecs import kiss
from transports.session import ActiveSession, Clock
from transports.simulator.packets import Packet, encode_packet

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "agwpe.json").read_text())
VERSION, _, _, HEARD = (bytes.fromhex(vector["bytes"]) for vector in VECTORS[:4])  # all of Direwolf 1.6
PORTS = b"1;Port1 first soundcard mono;Port2 INVALID CHANNEL;\x00"


def agw(kind, data=b"", port=0):
    """Make a frame as the tutorial draws it, apart from our own codec."""
    return struct.pack("<B3xcxBx10s10sI4x", port, kind, 0, b"", b"", len(data)) + data


def own(text, source="QQ1EDG-1"):
    return encode_packet(Packet(source=source, destination="APZTST", info=text.encode()))


def opened(inner=None, **more):
    session = AgwpeSession(inner or Ax25Session("QQ1EDG-1"), **more)
    session.opened()
    return session


def test_it_is_an_active_session():
    assert isinstance(opened(), ActiveSession)


def test_it_asks_who_is_there_and_for_raw_frames_and_is_ready_once_it_is_answered():
    session = opened()
    assert session.data_to_send() == agw(b"R") + agw(b"G") + agw(b"k")
    assert session.data_to_send() == b""
    assert not session.ready
    assert session.receive_bytes(VERSION[:20], 0.0) == []
    assert not session.ready
    assert session.receive_bytes(VERSION[20:] + agw(b"G", PORTS), 0.0) == []
    assert session.ready
    assert session.ports == {0: "Port1 first soundcard mono"}
    assert session.deadline() is None


def test_a_login_goes_first():
    said = opened(login=("ada", "secret")).data_to_send()
    login = agw(b"P", b"ada".ljust(255, b"\x00") + b"secret".ljust(255, b"\x00"))
    assert said == login + agw(b"R") + agw(b"G") + agw(b"k")


def test_who_does_not_answer_is_no_agwpe_server():
    session = opened()
    assert session.deadline() == ANSWER
    session.clock.now = ANSWER - 1
    assert list(session.tick()) == []
    session.clock.now = ANSWER
    with pytest.raises(RemoteProtocolError, match="is it a port for KISS"):
        session.tick()


def test_who_answers_something_else_is_none_either():
    with pytest.raises(RemoteProtocolError, match="no AGWPE server, or it has lost step"):
        opened().receive_bytes(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 0.0)


def test_what_direwolf_heard_is_an_event_however_it_is_cut():
    session = opened()
    events = [event for byte in VERSION + HEARD for event in session.receive_bytes(bytes((byte,)), 5.0)]
    (event,) = events
    told = {name: event[name] for name in ("type", "port", "source", "destination", "via", "info", "time")}
    assert told == {
        "type": "ax25.receive",
        "port": 0,
        "source": "QQ1MIA-7",
        "destination": "APZTST",
        "via": ["QQ1DIG*", "WIDE2-1"],
        "info": b">hello\n",
        "time": 5.0,
    }


def test_an_aprs_session_is_wrapped_as_well():
    session = opened(AprsSession("QQ1EDG-1", "WIDE1-1"))
    assert session.scope_type == "aprs"
    assert session.scope() == AprsSession("QQ1EDG-1").scope()
    (event,) = session.receive_bytes(HEARD, 0.0)
    assert (event["type"], event["format"]) == ("aprs.receive", "status")
    sent = session.send({"type": "aprs.send", "info": b">hi"})
    assert sent[4:5] == b"K"
    assert sent.endswith(b"\x03\xf0>hi")


def test_radio_ports_go_through_both_ways():
    session = opened()
    (event,) = session.receive_bytes(agw(b"K", b"\x20" + own("hi"), port=2), 0.0)
    assert event["port"] == 2
    assert session.send({"type": "ax25.send", "port": 2, "raw": own("hi")}) == agw(b"K", b"\x20" + own("hi"), port=2)


def test_bytes_that_kiss_would_stuff_go_through_as_they_are():
    session = opened()
    raw = own("\xc0\xdb\xdc").replace("\xc0\xdb\xdc".encode(), b"\xc0\xdb\xdc\xdd")
    assert session.send({"type": "ax25.send", "raw": raw}) == agw(b"K", b"\x00" + raw)
    (event,) = session.receive_bytes(agw(b"K", b"\x00" + raw), 0.0)
    assert event["raw"] == raw


def test_a_port_that_the_server_has_not_is_our_own_mistake_and_told_with_those_it_has():
    session = opened()
    session.send({"type": "ax25.send", "port": 1, "raw": own("not known yet")})
    session.receive_bytes(agw(b"G", PORTS), 0.0)
    with pytest.raises(LocalProtocolError, match=r"no port 1; it has 0 \(Port1 first soundcard mono\)"):
        session.send({"type": "ax25.send", "port": 1, "raw": own("hi")})


def test_other_frames_and_noise_in_raw_ones_are_counted():
    session = opened()
    assert session.receive_bytes(agw(b"H", b"heard list") + agw(b"y", b"\x00" * 4) + agw(b"K", b"\x00xx"), 0.0) == []
    assert session.receive_bytes(agw(b"K") + agw(b"U", b"1:Fm QQ1MIA"), 0.0) == []
    counters = session.counters()
    assert (counters["not_data"], counters["not_ax25"]) == (2, 2)


class Tnc(Modem):
    """A session that speaks KISS by itself: parameters, frames that are to be confirmed, a goodbye."""

    def __init__(self):
        super().__init__()
        self.is_ready = True

    def send(self, event):
        return kiss.encode(kiss.KissFrame(port=event["port"], command=kiss.Command.ACKMODE, data=event["bytes"]))

    def receive_bytes(self, data, now):
        return [{"heard": data, "at": now}]


def test_kiss_parameters_and_the_goodbye_to_a_tnc_stay_here():
    tnc = Tnc()
    session = AgwpeSession(tnc)
    assert session.clock is tnc.clock
    session.opened()
    session.data_to_send()
    tnc.out = b"\xc0\x01\x32\xc0" + b"\xc0\xff\xc0" + b"\xc0\x00" + own("hi") + b"\xc0"
    assert session.data_to_send() == agw(b"K", b"\x00" + own("hi"))
    session.closing()
    assert tnc.calls[-1][0] == "closing"
    assert session.data_to_send() == b""


def test_what_is_to_be_confirmed_is_once_no_frame_waits_at_the_server():
    session = opened(Tnc())
    session.receive_bytes(VERSION, 0.0)
    session.data_to_send()
    session.clock.now = 100.0
    for number in (b"\x07\x00", b"\x08\x00"):
        said = session.send({"type": "serial.send", "port": 0, "bytes": number + own("hi")})
        assert said == agw(b"K", b"\x00" + own("hi")) + agw(b"y")
    assert session.deadline() == 100.0 + ASK_AGAIN
    assert session.receive_bytes(agw(b"y", b"\x02\x00\x00\x00"), 101.0) == []
    session.clock.now = 100.0 + ASK_AGAIN
    session.tick()
    assert session.data_to_send() == agw(b"y")
    events = session.receive_bytes(agw(b"y", b"\x00\x00\x00\x00"), 102.0)
    assert [event["heard"] for event in events] == [b"\xc0\x0c\x07\x00\xc0", b"\xc0\x0c\x08\x00\xc0"]
    assert session.deadline() is None
    assert session.receive_bytes(agw(b"y", b"\x00\x00\x00\x00"), 103.0) == []


def test_a_clock_is_there_around_a_session_that_has_none():
    class Plain:
        scope_type = "serial"

    assert isinstance(AgwpeSession(Plain()).clock, Clock)
