import time

import pytest

from edge.carriers import AprsCarrier, Gone, MqttCarrier, Said
from edge.errors import ConfigError, LocalProtocolError
from edge.messaging import MAX_ID

US, PEER = "QQ1EDG-10", "QQ1MIA-7"


def aprs_carrier(state=None, **more):
    scope = {"state": {} if state is None else state, "callsign": US}
    return AprsCarrier(scope, AprsCarrier.Options(), "", **more)


def packet(text, id=""):
    fields = {"addressee": US, "text": text, "id": id}
    return {"type": "aprs.receive", "source": PEER, "format": "message", "packet": fields}


def mqtt_carrier(match="chat/+peer/in", **options):
    return MqttCarrier({}, MqttCarrier.Options(**options), match)


def payload(topic, data, **more):
    return {"type": "mqtt.receive", "topic": topic, "payload": data, "retain": False, **more}


def test_a_message_is_acknowledged_and_said():
    assert aprs_carrier().receive(packet("hi", "1"), 0) == [
        {"type": "aprs.send", "packet": {"format": "ack", "addressee": PEER, "id": "1"}},
        Said(PEER, "hi"),
    ]


def test_what_an_igate_brings_is_said_by_the_station_behind_it():
    inner = {"format": "message", "fields": {"addressee": US, "text": "hi", "id": "1"}, "reason": "", "raw": b""}
    fields = {"source": PEER, "destination": "APRS", "path": ["TCPIP"], "packet": inner, "device": {"model": "x"}}
    event = {"type": "aprs.receive", "source": "QQ1GAT", "format": "third-party", "packet": fields}
    assert aprs_carrier().receive(event, 0) == [
        {"type": "aprs.send", "packet": {"format": "ack", "addressee": PEER, "id": "1"}},
        Said(PEER, "hi"),
    ]


def test_what_is_said_is_a_message_with_an_id():
    ((event),) = aprs_carrier().send(PEER, "hi", None, 0)
    assert event["packet"].items() >= {"format": "message", "addressee": PEER, "text": "hi"}.items()


def test_ids_do_not_begin_anew_when_the_box_does():
    before = int(time.time())
    ((event),) = aprs_carrier().send(PEER, "hi", None, 0)
    expected = {str(second % MAX_ID + 1) for second in range(before, before + 10)}
    assert event["packet"]["id"] in expected


def test_a_link_that_comes_back_does_not_make_an_old_message_new():
    state = {}
    aprs_carrier(state).receive(packet("hi", "1"), 0)
    assert aprs_carrier(state).receive(packet("hi", "1"), 60)[1:] == []


def test_a_peer_that_does_not_answer_is_gone():
    carrier = aprs_carrier()
    carrier.send(PEER, "hi", None, 0)
    outcomes = [outcome for now in range(1000) for outcome in carrier.tick(now)]
    assert outcomes[-1] == Gone(PEER, "no acknowledgement after 5 tries")


def test_bytes_are_not_for_messages():
    with pytest.raises(LocalProtocolError, match="APRS messages carry text, not bytes; got 3 bytes for QQ1MIA-7"):
        aprs_carrier().send(PEER, None, b"abc", 0)


def test_a_topic_names_its_peer_and_the_answer_goes_back():
    carrier = mqtt_carrier()
    assert list(carrier.receive(payload("chat/anna/in", b"hi"), 0)) == [Said("anna", "hi")]
    assert carrier.send("anna", "hello", None, 0) == [
        {"type": "mqtt.send", "topic": "chat/anna/out", "payload": "hello", "qos": 1}
    ]
    assert carrier.send("anna", None, b"\xff", 0)[0]["payload"] == b"\xff"
    assert carrier.tick(10) == []


def test_a_payload_that_is_no_text_is_bytes():
    assert list(mqtt_carrier().receive(payload("chat/anna/in", b"\xff"), 0)) == [Said("anna", None, b"\xff")]


@pytest.mark.parametrize(
    "event",
    [
        payload("other/anna/in", b"hi"),
        payload("chat//in", b"hi"),
        payload("chat/anna/in", b"hi", retain=True),
    ],
)
def test_what_nobody_says_to_us_now_is_not_heard(event):
    assert list(mqtt_carrier().receive(event, 0)) == []


def test_several_names_are_one_peer_and_come_apart_again():
    carrier = mqtt_carrier("site/+house/+room/in")
    assert list(carrier.receive(payload("site/a/attic/in", b"hi"), 0)) == [Said("a/attic", "hi")]
    assert carrier.send("a/attic", "x", None, 0)[0]["topic"] == "site/a/attic/out"


@pytest.mark.parametrize(
    ("match", "topic"),
    [("chat/+peer/in", "chat/p/out"), ("chat/+peer", "chat/p/out"), ("+peer/say", "p/say/out")],
)
def test_answers_go_beside_the_questions_by_default(match, topic):
    assert mqtt_carrier(match).send("p", "x", None, 0)[0]["topic"] == topic


def test_a_peer_cannot_add_a_level_to_the_answers_topic():
    carrier = mqtt_carrier("chat/in/#peer", reply_topic="chat/out/{peer}")
    assert carrier.send("a/b", "x", None, 0)[0]["topic"] == "chat/out/a_b"


def test_a_match_without_a_peer_is_refused():
    with pytest.raises(ConfigError, match="needs to know its peer"):
        MqttCarrier.check(MqttCarrier.Options(), "chat/#")
    MqttCarrier.check(MqttCarrier.Options(), "chat/+peer/in")
    AprsCarrier.check(AprsCarrier.Options(), "")
