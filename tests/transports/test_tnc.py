"""The KISS side of a TNC: what it is told, what it confirms, what it reports. No loop: time is set by hand."""

import pytest

from edge import spec
from edge.errors import ConfigError, LocalProtocolError
from edge.registry import Device
from transports import aprs, ax25
from transports.aprs import AprsSession
from transports.ax25 import Ax25Session
from transports.codecs.kiss import Checksum, KissDialect, KissFrame, Parameters, encode
from transports.options import AprsOptions, Ax25Options
from transports.session import ActiveSession, as_active
from transports.tnc import CONFIRM_TIMEOUT, MAX_UNCONFIRMED, Setup, setup_of

CONFIRMING = Setup(dialect=KissDialect(ackmode=True))
ASKING = Setup(ask=True)
SEND = {"type": "ax25.send", "destination": "QQ2XYZ", "info": b"hello"}


def session_of(setup=None):
    session = Ax25Session("QQ1EDG-10", 1200, setup)
    session.clock.now = 100.0
    session.opened()
    return session


def test_the_sessions_are_active_and_ready_at_once():
    for session in (Ax25Session(), AprsSession()):
        assert isinstance(session, ActiveSession)
        assert session.ready
        session.closing()
        assert session.finished


@pytest.mark.parametrize("module", [ax25, aprs], ids=["ax25", "aprs"])
def test_with_default_options_nothing_is_ever_said(module):
    options = Ax25Options() if module is ax25 else AprsOptions()
    session = module.build(Device(name="vhf", link="memory://vhf", options=options, state={})).make_session()
    assert as_active(session) is None
    session.opened()
    session.receive_bytes(b"\xc0\x06TXBUF:9\xc0\xc0\x0c\x00\x01\xc0\xc0\x00noise\xc0", 0)
    assert session.deadline() is None
    session.clock.now += 1e6
    assert list(session.tick()) == []
    session.closing()
    assert session.data_to_send() == b""


@pytest.mark.parametrize("module", [ax25, aprs], ids=["ax25", "aprs"])
def test_what_is_set_is_told_at_each_link_up_to_each_radio_port(module):
    options = (Ax25Options if module is ax25 else AprsOptions)(
        txdelay=300, persistence=63, slottime=100, txtail=20, full_duplex="off", hardware="06 23; 28", kiss_ports="0,2"
    )
    server = module.build(Device(name="vhf", link="memory://vhf", options=options, state={}))
    for _ in range(2):
        session = server.make_session()
        session.opened()
        told = "c0 01 1e c0 c0 02 3f c0 c0 03 0a c0 c0 04 02 c0 c0 05 00 c0 c0 06 06 23 c0 c0 06 28 c0"
        second = "c0 21 1e c0 c0 22 3f c0 c0 23 0a c0 c0 24 02 c0 c0 25 00 c0 c0 26 06 23 c0 c0 26 28 c0"
        assert session.data_to_send() == bytes.fromhex(told + second)
        assert session.data_to_send() == b""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kiss_ports": "16"}, "radio ports: expected some of 0 to 15"),
        ({"hardware": "hello"}, "non-hexadecimal"),
    ],
)
def test_what_the_tnc_cannot_be_told_is_a_persons_mistake(options, words):
    with pytest.raises(ConfigError, match=words):
        setup_of(Ax25Options(**options))


def test_options_go_over_the_dialect_of_a_profile():
    tncx = KissDialect(checksum=Checksum.TNCX, escape_c=True, ackmode=True)
    assert setup_of(Ax25Options()).dialect == KissDialect()
    assert setup_of(Ax25Options(), tncx).dialect == tncx
    assert setup_of(Ax25Options(checksum="none"), tncx).dialect == KissDialect(escape_c=True, ackmode=True)
    assert setup_of(Ax25Options(checksum="smack", ackmode=True)).dialect == KissDialect(
        checksum=Checksum.SMACK, ackmode=True
    )


def test_a_frame_that_asks_for_it_is_confirmed_with_its_id():
    session = session_of(CONFIRMING)
    assert session.scope()["confirms"]
    sent = session.send({**SEND, "id": "mine", "port": 2})
    assert sent[:4] == b"\xc0\x2c\x01\x00"
    session.clock.now += 1.5
    (event,) = session.receive_bytes(b"\xc0\x2c\x01\x00\xc0", 0)
    assert event == {"type": "ax25.sent", "port": 2, "id": "mine", "confirmed": True, "seconds": 1.5}
    assert set(event) == spec.fields("ax25.sent")
    assert session.receive_bytes(b"\xc0\x2c\x01\x00\xc0", 0) == []  # said twice
    assert session.counters()["not_data"] == 1
    assert session.deadline() is None


@pytest.mark.parametrize("setup", [CONFIRMING, ASKING, Setup(parameters=Parameters(txdelay=0))])
def test_whoever_has_something_to_say_is_active(setup):
    for session in (Ax25Session(setup=setup), AprsSession(setup=setup)):
        assert as_active(session) is session


def test_frames_that_do_not_ask_go_as_ever():
    session = session_of(CONFIRMING)
    assert session.send(SEND)[:2] == b"\xc0\x00"
    assert session_of().send({**SEND, "id": "mine"}) == session_of().send(SEND)
    assert session.deadline() is None


def test_a_frame_that_is_not_confirmed_in_time_is_told_of():
    session = session_of(CONFIRMING)
    session.send({**SEND, "id": "a"})
    session.clock.now += 1
    session.send({**SEND, "id": "b"})
    assert session.deadline() == 100 + CONFIRM_TIMEOUT
    session.clock.now = session.deadline()
    assert [(event["id"], event["confirmed"]) for event in session.tick()] == [("a", False)]
    assert session.deadline() == 101 + CONFIRM_TIMEOUT


def test_no_more_than_so_many_frames_wait_for_their_confirmation():
    session = session_of(CONFIRMING)
    for number in range(MAX_UNCONFIRMED + 3):
        session.send({**SEND, "id": f"{number}"})
    assert session.deadline() == session.clock.now
    assert [event["id"] for event in session.tick()] == ["0", "1", "2"]
    assert session.deadline() == 100 + CONFIRM_TIMEOUT


@pytest.mark.parametrize("bad", ["", "x" * 65, 5, b"bytes"])
def test_an_id_that_is_none_is_the_consumers_mistake(bad):
    with pytest.raises(LocalProtocolError, match="id: expected text of 1 to 64 characters"):
        session_of(CONFIRMING).send({**SEND, "id": bad})


def test_numbers_begin_anew_without_using_zero():
    session = session_of(CONFIRMING)
    session.tnc._number = 0xFFFE
    assert session.send({**SEND, "id": "a"})[2:4] == b"\xff\xff"
    assert session.send({**SEND, "id": "b"})[2:4] == b"\x01\x00"


def test_the_tnc_is_asked_what_it_is_and_after_each_transmission_how_much_waits():
    session = session_of(ASKING)
    assert session.data_to_send() == b"\xc0\x06TNC:\xc0"
    (event,) = session.receive_bytes(b"\xc0\x06DIREWOLF 1.6\xc0", 0)
    assert event == {
        "type": "ax25.report",
        "port": 0,
        "name": "tnc",
        "text": "DIREWOLF 1.6",
        "number": None,
        "raw": b"DIREWOLF 1.6",
    }
    assert set(event) == spec.fields("ax25.report")
    for _ in range(1000):
        session.send(SEND)
    assert session.data_to_send() == b"\xc0\x06TXBUF:\xc0"
    (event,) = session.receive_bytes(b"\xc0\x06TXBUF:360\xc0", 0)
    assert (event["name"], event["number"]) == ("txbuf", 360)
    assert session.deadline() == session.clock.now + 1
    session.clock.now += 1
    assert session.tick() == []
    assert session.data_to_send() == b"\xc0\x06TXBUF:\xc0"
    session.receive_bytes(b"\xc0\x06TXBUF:0\xc0", 0)
    assert session.deadline() is None


def test_a_feed_of_aprs_calls_them_by_its_own_name():
    session = AprsSession("QQ1EDG-10", setup=Setup(dialect=KissDialect(ackmode=True), ask=True))
    session.opened()
    assert session.data_to_send() == b"\xc0\x06TNC:\xc0"
    session.send({"type": "aprs.send", "info": b">hello", "id": "mine"})
    events = session.receive_bytes(b"\xc0\x06TNC:me\xc0\xc0\x0c\x01\x00\xc0", 0)
    assert [event["type"] for event in events] == ["aprs.report", "aprs.sent"]
    session.send({"type": "aprs.send", "info": b">hello", "id": "mine"})
    session.clock.now += CONFIRM_TIMEOUT
    assert session.deadline() <= session.clock.now
    (event,) = session.tick()
    assert event["type"] == "aprs.sent"
    assert set(event) == spec.fields("aprs.sent")


def test_frames_are_read_and_written_in_the_dialect_and_a_bad_sum_is_counted():
    smack = KissDialect(checksum=Checksum.SMACK)
    session = session_of(Setup(dialect=smack, parameters=Parameters(txdelay=10)))
    assert session.data_to_send() == b"\xc0\x01\x01\xc0"
    sent = session.send(SEND)
    assert sent[1] == 0x80
    (event,) = session.receive_bytes(sent, 0)
    assert (event["info"], event["port"]) == (b"hello", 0)
    assert session.receive_bytes(encode(KissFrame(data=b"x"), smack)[:-2] + b"\x00\xc0", 0) == []
    assert session.counters()["bad_checksum"] == 1


def test_auto_answers_in_kind():
    session = session_of(Setup(dialect=KissDialect(checksum=Checksum.AUTO)))
    assert session.send(SEND)[1] == 0x00
    session.receive_bytes(encode(KissFrame(data=b"x"), KissDialect(checksum=Checksum.SMACK)), 0)
    assert session.send(SEND)[1] == 0x80
