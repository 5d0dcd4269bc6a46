"""Bridges between radios, lines and a real mosquitto, through the real supervisor and the real gate."""

import asyncio
import json

import pytest

from edge.desired import Desired, DeviceWish, RouteWish, problems
from tests.scenarios.bridging import House
from tests.scenarios.running import eventually, frame
from transports.simulator.kiss import encode_kiss

pytestmark = pytest.mark.needs("mosquitto")

SEND = ("broker", "transmit.Transmit", "aprs/+to/send", {"to": "vhf"})


@pytest.fixture
async def house(tmp_path):
    async with House(tmp_path) as running:
        yield running


def heard(info, source="QQ1ABC-7"):
    return encode_kiss(frame(info, source=source))


def result(word, reason="", to="", id_=""):
    return {"edge": "result", "result": word, "reason": reason, "device": "vhf", "to": to, "id": id_}


async def test_a_position_is_published_by_a_template_and_is_there_for_newcomers(house):
    options = {
        "topic": "aprs/{station}/{format}",
        "payload": "{packet.latitude:.4f},{packet.longitude:.4f}",
        "missing": "skip",
        "retain": True,
        "clear_after": 60,
    }
    await house.run(house.radio("vhf"), routes=[("vhf", "forward.Forward", "", options)])
    async with house.stranger("aprs/#") as other:
        await house.hears("vhf", heard(">no place, so nothing"))
        await house.hears("vhf", heard("!4930.00N/07245.00W-"))
        message = await other.next()
        assert (str(message.topic), message.payload) == ("aprs/QQ1ABC-7/position", b"49.5000,-72.7500")
        assert ("edge-origin" in dict(message.properties.UserProperty)) is True
    async with house.stranger("aprs/#") as newcomer:
        message = await newcomer.next()
        assert message.retain
        assert 3590 <= message.properties.MessageExpiryInterval <= 3600


async def test_chosen_fields_of_an_object_go_to_the_objects_own_topic(house):
    options = {"topic": "aprs/{station}", "json_fields": "by=source, lat=packet.latitude, packet.altitude"}
    await house.run(house.radio("vhf"), routes=[("vhf", "forward.Forward", "format=object", options)])
    async with house.stranger("aprs/#") as other:
        await house.hears("vhf", heard(";A/$+#   X*092345z4930.00N/07245.00W-"))
        assert await other.next_json() == ("aprs/A_$__   X", {"by": "QQ1ABC-7", "lat": 49.5, "altitude": None})


async def test_retained_topics_are_bounded_and_the_oldest_is_cleared(house):
    options = {"topic": "aprs/{source}", "retain": True, "most_topics": 2}
    await house.run(house.radio("vhf"), routes=[("vhf", "forward.Forward", "", options)])
    async with house.stranger("aprs/#") as other:
        for number in range(3):
            await house.hears("vhf", heard(">here", source=f"QQ1ABC-{number + 1}"))
        topics = [await other.next() for _ in range(4)]
        assert [(str(m.topic), bool(m.payload)) for m in topics] == [
            ("aprs/QQ1ABC-1", True),
            ("aprs/QQ1ABC-2", True),
            ("aprs/QQ1ABC-3", True),
            ("aprs/QQ1ABC-1", False),
        ]
    async with house.stranger("aprs/#") as newcomer:
        kept = {str((await newcomer.next()).topic) for _ in range(2)}
        assert kept == {"aprs/QQ1ABC-2", "aprs/QQ1ABC-3"}
        assert await newcomer.silence()


async def test_a_message_by_mqtt_is_transmitted_and_who_asked_is_told(house):
    await house.run(house.radio("vhf"), routes=[SEND])
    async with house.stranger("my/answers") as other:
        asked = {"ResponseTopic": "my/answers", "CorrelationData": b"\x00\x01"}
        await other.publish("aprs/QQ1ABC-7/send", "hello", **asked)
        await house.written("vhf", b":QQ1ABC-7 :hello\xc0")
        answer = await other.next()
        said = json.loads(answer.payload)
        assert said == result("sent", to="QQ1ABC-7", id_=said["id"])
        assert answer.properties.CorrelationData == b"\x00\x01"
        assert answer.properties.ContentType == "application/json"


@pytest.mark.parametrize(
    ("device", "route", "payload", "word", "reason"),
    [
        ({"transmit": False}, {}, b"hello", "refused", "transmitting is off for vhf"),
        ({"frames_per_minute": 1}, {}, b"hello", "refused", "1 frames in the last minute; the limit is 1"),
        ({}, {"per_minute": 1}, b"hello", "refused", "1 in the last minute; the limit of this route is 1"),
        ({}, {"addressees": "QQ2*"}, b"hello", "refused", "this route may send to QQ2*"),
        ({}, {"largest": 3}, b"hello", "refused", "expected at most 3 bytes"),
        ({}, {}, b"x" * 68, "invalid", "67"),
    ],
)
async def test_a_refusal_of_the_route_and_of_the_gate_is_published_with_its_reason(
    house, device, route, payload, word, reason
):
    route = {"to": "vhf", "result_topic": "aprs/{to}/result", **route}
    await house.run(house.radio("vhf", **device), routes=[("broker", "transmit.Transmit", "aprs/+to/send", route)])
    async with house.stranger("aprs/+/result") as other:
        for _ in range(2 if "limit" in reason else 1):
            await other.publish("aprs/QQ1ABC-7/send", payload)
        answers = [await other.next_json() for _ in range(2 if "limit" in reason else 1)]
        assert {topic for topic, _ in answers} == {"aprs/QQ1ABC-7/result"}
        answers.sort(key=lambda answer: answer[1]["result"], reverse=True)  # the gate's word may come after ours
        assert [said["result"] for _, said in answers[:-1]] == ["sent"] * (len(answers) - 1)
        said = answers[-1][1]
        assert said["result"] == word
        assert reason in said["reason"]


async def test_an_acknowledged_message_is_told_when_it_arrived(house):
    route = {"to": "vhf", "result_topic": "aprs/{to}/result", "acknowledge": True}
    await house.run(house.radio("vhf"), routes=[("broker", "transmit.Transmit", "aprs/+to/send", route)])
    async with house.stranger("aprs/+/result") as other:
        await other.publish("aprs/QQ1ABC-7/send", "hello")
        _, said = await other.next_json()
        assert said == result("sent", to="QQ1ABC-7", id_=said["id"])
        await house.written("vhf", b":hello{" + said["id"].encode() + b"\xc0")
        await house.hears("vhf", heard(f":QQ1EDG   :ack{said['id']}", source="QQ2XYZ"))  # another station's word
        await house.hears("vhf", heard(f":QQ1EDG   :ack{said['id']}"))
        assert await other.next_json() == ("aprs/QQ1ABC-7/result", result("delivered", to="QQ1ABC-7", id_=said["id"]))
        await eventually(lambda: "tap" not in house.layer.groups, "nobody listens to the tap any more")


async def test_a_message_without_an_acknowledgement_is_tried_again_and_given_up(house, monkeypatch):
    monkeypatch.setattr("edge.contrib.results.RETRY_GAPS", (0.0, 0.0))
    route = {"to": "vhf", "result_topic": "aprs/{to}/result", "acknowledge": True}
    await house.run(house.radio("vhf"), routes=[("broker", "transmit.Transmit", "aprs/+to/send", route)])
    async with house.stranger("aprs/+/result") as other:
        await other.publish("aprs/QQ1ABC-7/send", "hello")
        _, first = await other.next_json()
        _, last = await other.next_json()
        assert (first["result"], last["result"]) == ("sent", "unacknowledged")
        assert last["reason"] == "no acknowledgement after 2 tries"
    assert bytes(house.ports["vhf"].written).count(b":hello{" + first["id"].encode()) == 2


async def test_a_message_to_a_radio_that_is_unplugged_goes_when_it_is_back(house):
    await house.run(house.radio("vhf"), routes=[SEND])
    port = house.ports["vhf"]
    port.remove()
    await eventually(lambda: house.supervisor.status()[0].state.value == "waiting", house.supervisor.status)
    async with house.stranger("my/answers") as other:
        await other.publish("aprs/QQ1ABC-7/send", "hello", ResponseTopic="my/answers")
        assert await other.silence()
        port.ports["vhf"] = port
        house.supervisor.wake("vhf")
        _, said = await other.next_json()
        assert said["result"] == "sent"
    assert b":hello" in port.written


async def test_the_result_of_a_request_is_told_though_the_broker_went_in_between(house):
    await house.run(house.radio("vhf"), routes=[SEND])
    port = house.ports["vhf"]
    port.remove()
    await eventually(lambda: house.status("vhf").state.value == "waiting", house.supervisor.status)
    async with house.stranger() as other:
        await other.publish("aprs/QQ1ABC-7/send", "hello", ResponseTopic="my/answers", CorrelationData=b"7")
    await eventually(lambda: house.status("broker").heard == 1, house.supervisor.status)
    await house.broker.stop()
    await eventually(lambda: house.status("broker").state.value == "waiting", house.supervisor.status)
    await house.broker.start()
    house.supervisor.wake("broker")
    await house.until_up("broker")
    async with house.stranger("my/answers") as other:
        port.ports["vhf"] = port
        house.supervisor.wake("vhf")
        answer = await other.next()
    said = json.loads(answer.payload)
    assert said == result("sent", to="QQ1ABC-7", id_=said["id"])
    assert answer.properties.CorrelationData == b"7"
    await eventually(lambda: len(followers()) == 1, "who followed it has ended")


def followers():
    return [task for task in asyncio.all_tasks() if task.get_name().endswith("-results")]


async def test_what_was_retained_is_not_transmitted(house):
    async with house.stranger() as other:
        await other.publish("aprs/QQ1ABC-7/send", "of yesterday", retain=True)
    await house.run(house.radio("vhf"), routes=[SEND])
    async with house.stranger("my/answers") as other:
        await other.publish("aprs/QQ1ABC-7/send", "of today", ResponseTopic="my/answers")
        await other.next()
        assert b"yesterday" not in await house.written("vhf", b"of today")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_a_radio_hears_never_comes_back_to_it_by_the_broker(house, protocol):
    routes = [
        ("vhf", "forward.Forward", "", {"topic": "aprs/{source}/heard", "payload": "{packet.status}"}),
        ("broker", "transmit.Transmit", "aprs/+/heard", {"to": "vhf", "send": "status", "result_topic": "results"}),
        ("broker", "transmit.Transmit", "aprs/+/heard", {"to": "uhf", "send": "status"}),
    ]
    await house.run(house.radio("vhf"), house.radio("uhf"), routes=routes, protocol=protocol)
    async with house.stranger("results") as other:
        await house.hears("vhf", heard(">round and round"))
        _, said = await other.next_json()
        assert (said["result"], said["reason"]) == (
            "refused",
            "it came from vhf itself; sending it back would be a loop",
        )
    await house.written("uhf", b">round and round\xc0")
    assert house.ports["vhf"].written == b""


async def test_refusals_by_the_route_are_one_line_of_the_log(house, caplog):
    caplog.set_level("INFO")
    options = {"to": "vhf", "addressees": "QQ2*", "result_topic": "results"}
    await house.run(house.radio("vhf"), routes=[("broker", "transmit.Transmit", "aprs/+to/send", options)])
    async with house.stranger("results") as other:
        for number in range(20):
            await other.publish(f"aprs/QQ1ABC-{number % 10}/send", "hello")
        assert {(await other.next_json())[1]["result"] for _ in range(20)} == {"refused"}
    told = [record.getMessage() for record in caplog.records if record.name == "edge.contrib.transmit"]
    assert told == ["broker to vhf: not transmitted: this route may send to QQ2*; got 'QQ1ABC-0'"]


async def test_results_are_no_requests_whoever_sends_them_where(house):
    routes = [
        ("broker", "transmit.Transmit", "a", {"to": "vhf", "send": "status", "result_topic": "b"}),
        ("broker", "transmit.Transmit", "b", {"to": "vhf", "send": "status", "result_topic": "a"}),
    ]
    await house.run(house.radio("vhf"), routes=routes)
    async with house.stranger("a", "b", "c") as other:
        await other.publish("a", "once")
        first, second = await other.next(), await other.next()
        assert (first.payload, json.loads(second.payload)["result"]) == (b"once", "sent")
        assert await other.silence()
        await other.publish("b", "twice", ResponseTopic="b")  # the answer would be a request
        assert (await other.next()).payload == b"twice"
        assert await other.silence()
    assert bytes(house.ports["vhf"].written).count(b">once") == 1
    assert b"twice" not in house.ports["vhf"].written
    assert b"result" not in house.ports["vhf"].written


HOSTILE = [
    b"x" * 200_000,
    b"\xff\xfe\x00",
    b'{"to": {"a": [1, 2]}, "text": ["x"]}',
    b'{"a":' * 2000,
    b"\x00\x01\x1b[2J\r\n",
    b'{"to": "QQ1ABC-7", "text": "\\ud800"}',
    b'{"format": "position", "latitude": "x", "longitude": {}}',
    b'{"format": "position", "latitude": 1e400, "longitude": 1}',
    b'{"format": "message", "addressee": [], "text": 5, "id": {}}',
    b'{"format": "status", "text": null}',
    b'{"format": "status"}',
    b"",
]


@pytest.mark.parametrize("send", ["message", "status", "position", "packet", "info"])
async def test_hostile_payloads_harm_neither_the_route_nor_the_device(house, send):
    options = {"to": "vhf", "send": send, "result_topic": "results", "per_minute": 600, "largest": 2048}
    await house.run(house.radio("vhf"), routes=[("broker", "transmit.Transmit", "go/+to", options)])
    async with house.stranger("results") as other:
        for payload in HOSTILE:
            await other.publish("go/QQ1ABC-7", payload)
        words = [(await other.next_json())[1]["result"] for _ in HOSTILE]
        assert set(words) <= {"sent", "refused", "invalid"}
    statuses = {status.name: status for status in house.supervisor.status()}
    assert [route.errors for route in statuses["broker"].routes] == [0]
    assert statuses["vhf"].state.value == "up"


async def test_lines_go_both_ways_and_from_line_to_line_and_to_the_air(house):
    routes = [
        ("gps", "forward.Forward", "", {"topic": "line/{device}", "payload": "{text}"}),
        ("gps", "transmit.Transmit", "", {"to": "display", "send": "text", "text": "> {text}"}),
        ("gps", "transmit.Transmit", "", {"to": "packet", "send": "ui", "addressee": "GPS"}),
        ("broker", "transmit.Transmit", "show", {"to": "display", "send": "bytes"}),
    ]
    lines = [house.radio(name, "serial", framing="line") for name in ("gps", "display")]
    await house.run(*lines, house.radio("packet", "ax25"), routes=routes)
    async with house.stranger("line/#") as other:
        await house.hears("gps", b"$GPGGA,1\r\n")
        message = await other.next()
        assert (str(message.topic), message.payload) == ("line/gps", b"$GPGGA,1")
        await house.written("display", b"> $GPGGA,1")
        await house.written("packet", b"$GPGGA,1\xc0")
        await other.publish("show", b"\x01\xff")
        await house.written("display", b"\x01\xff")


def test_wrong_options_are_told_before_anything_runs():
    routes = [
        ("vhf", "forward.Forward", "", {"topic": "aprs/{path}"}),
        ("vhf", "forward.Forward", "", {"payload": "{"}),
        ("vhf", "forward.Forward", "", {"payload": "{sorce}"}),
        ("vhf", "transmit.Transmit", "", {"result_topic": "x"}),
    ]
    vhf = DeviceWish(name="vhf", kind="aprs", link="memory://vhf")
    wishes = [RouteWish(device=d, consumer=f"edge.contrib.{c}", match=m, options=o) for d, c, m, o in routes]
    broker = DeviceWish(name="broker", kind="mqtt", link="mqtt://localhost")
    told = [problem.message for problem in problems(Desired(devices=(vhf, broker), routes=tuple(wishes)))]
    assert [words.partition(":")[0] for words in told] == ["topic", "payload", "payload", "result_topic"]
