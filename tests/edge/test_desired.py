import pytest

from edge.desired import Desired, DeviceWish, RouteWish, device_problems, link_problem, port_of, problems, same_port
from transports.catalog import APRS, MQTT, SERIAL

LISTENER = "tests.edge.samples.Listener"


def device(name="vhf", kind="aprs", link="serial:///dev/ttyUSB0", **more):
    return DeviceWish(name=name, kind=kind, link=link, **more)


def told(*wishes):
    """Return the one problem of these wishes as where, field, message."""
    devices = tuple(wish for wish in wishes if isinstance(wish, DeviceWish))
    routes = tuple(wish for wish in wishes if isinstance(wish, RouteWish))
    found = problems(Desired(devices=devices, routes=routes))
    assert len(found) == 1, found
    return found[0].where, found[0].field, found[0].message


def test_what_can_work_has_no_problem():
    good = Desired(
        devices=(
            device(options={"callsign": "QQ1EDG-10", "baud": "9600"}, transmit=True),
            device("attic", "mqtt", "mqtt://user:secret@broker:1883"),
            device("gps", "serial", "tcp://localhost:2947"),
        ),
        routes=(
            RouteWish(device="vhf", consumer=LISTENER, match="source=QQ1*"),
            RouteWish(device="vhf", consumer="tests.edge.samples.ChatConsumer", options={"idle_minutes": 5}),
            RouteWish(device="attic", consumer="tests.edge.samples.ChatConsumer", match="chat/+peer/in"),
            RouteWish(device="vhf", consumer="tests.edge.samples.plain_app"),
            RouteWish(device="vhf", consumer="tests.edge.samples.ready_app"),
        ),
    )
    assert problems(good) == ()


def test_a_radio_is_silent_and_a_device_enabled_by_default():
    wish = device()
    assert (wish.transmit, wish.enabled) == (False, True)


@pytest.mark.parametrize("name", ["", "VHF", "2m", "a b", "a/b", "ä", "x" * 41, "vhf\n"])
def test_a_name_is_a_part_of_channels_and_topics(name):
    where, field, message = told(device(name))
    assert where == f"device {name or '(no name)'}"
    assert field == "name"
    assert message == f"expected 1 to 40 of a-z, 0-9 and -, beginning with a letter; got {name!r}"


def test_an_unknown_kind_lists_those_there_are():
    assert told(device(kind="lora")) == (
        "device vhf",
        "kind",
        "unknown kind 'lora'; installed are aprs, ax25, mqtt, serial",
    )


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("", "with serial:// or usb:// or tcp:// or agwpe:// or memory://; got ''"),
        ("/dev/ttyUSB0", "with serial:// or usb:// or tcp:// or agwpe:// or memory://; got '/dev/ttyUSB0'"),
        ("mqtt://a:b@host", "got 'mqtt://a:***@host'"),
        ("serial://dev/ttyUSB0", "with three slashes before a path that begins at the root"),
        ("serial:dev", "with three slashes"),
        ("tcp://:8001", "'tcp://:8001' names no host"),
        ("tcp://localhost", "'tcp://localhost' names no port"),
        ("agwpe://:8000", "'agwpe://:8000' names no host"),
        ("tcp://localhost:port", "of which host and port cannot be read"),
        ("tcp://localhost:99999", "of which host and port cannot be read"),
        ("tcp://[::1:8001", "of which host and port cannot be read"),
        ("memory://", "expected a name, as in memory://bench"),
    ],
)
def test_a_link_that_cannot_be_shows_one_that_can(link, words):
    message = link_problem(APRS, link)
    assert words in message
    assert message.startswith("expected a ")


@pytest.mark.parametrize("link", ["mqtt://me:pass/word@broker", "mqtt://me:p@ss@broker:x", "tcp://me:secret@broker"])
def test_a_wrong_link_never_shows_its_password(link):
    message = link_problem(MQTT, link) + link_problem(SERIAL, link)
    for part in ("pass", "word", "p@ss", "secret"):
        assert part not in message.replace("expected", "")


def test_two_devices_on_one_port_name_each_other():
    found = problems(Desired(devices=(device("a"), device("b"))))
    assert [(problem.where, problem.field) for problem in found] == [("device a", "link"), ("device b", "link")]
    assert found[1].message == "device 'a' uses /dev/ttyUSB0 already; one port serves one device"


def test_a_device_that_is_switched_off_occupies_nothing():
    assert problems(Desired(devices=(device("a", enabled=False), device("b")))) == ()


def test_one_port_by_two_names_is_one_port(tmp_path):
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    assert same_port(f"serial://{tmp_path}/ttyUSB0", f"serial://{tmp_path}/by-id")
    assert same_port("serial:///dev/ttyUSB0", "serial:///dev//ttyUSB0")
    assert same_port("memory://a", "memory://a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("serial:///dev/ttyUSB0", "serial:///dev/ttyUSB1"),
        ("tcp://localhost:8001", "tcp://localhost:8001"),
        ("mqtt://broker", "mqtt://broker"),  # a broker takes many clients
        ("tcp://[", "tcp://["),
    ],
)
def test_other_links_do_not_disturb_each_other(one, other):
    assert not same_port(one, other)


def test_a_port_is_told_without_its_password():
    assert port_of("tcp://me:secret@host:1") == "tcp://host:1"


def test_two_devices_of_one_name_are_told():
    found = device_problems(device("a", link="serial:///dev/one"), [device("a", link="serial:///dev/two")])
    assert [problem.message for problem in found] == [
        "another device is called 'a' already; give this one its own name"
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"baud": 1}, "baud: expected at least 300 Bd; got 1"),
        ({"baud": "fast"}, "baud: expected a whole number; got 'fast'"),
        ({"speed": 9600}, "unknown option 'speed'; known are callsign, profile, enter_kiss, baud"),
        ({"callsign": "qq1abc"}, "callsign: expected a callsign such as QQ1ABC"),
        ({"callsign": "N0CALL"}, "callsign: N0CALL is a placeholder"),
        (["baud"], "expected options by name; got"),
    ],
)
def test_an_option_that_is_wrong_is_named(options, words):
    where, field, message = told(device(options=options))
    assert (where, field) == ("device vhf", "options")
    assert words in message


def test_transmitting_needs_a_callsign():
    assert told(device(transmit=True))[2] == (
        "callsign: transmitting needs your own callsign; set it, or turn transmitting off"
    )
    assert problems(Desired(devices=(device(kind="serial", transmit=True),))) == ()


def route(consumer=LISTENER, **more):
    return RouteWish(**{"device": "vhf", "consumer": consumer, **more})


def test_a_route_of_a_device_that_is_not_there_lists_those_that_are():
    where, field, message = told(device(), route(device="uhf"))
    assert (where, field) == (f"route uhf → {LISTENER}", "device")
    assert message == "there is no device 'uhf'; there are vhf"
    assert told(route())[2] == "there is no device 'vhf'; there are none"


@pytest.mark.parametrize(
    ("consumer", "words"),
    [
        ("no.such.module.Consumer", "no.such.module.Consumer: cannot import no.such.module: ModuleNotFoundError"),
        ("tests.edge.samples.NoSuch", "tests.edge.samples.NoSuch: tests.edge.samples has no 'NoSuch'"),
        ("Listener", "expected a path such as package.module.Name; got 'Listener'"),
        (
            "tests.edge.samples.number",
            "expected a consumer class or an ASGI application; tests.edge.samples.number is a int",
        ),
        ("tests.edge.samples.LineListener", "LineListener speaks serial; this device offers aprs"),
    ],
)
def test_a_consumer_that_cannot_be_used_is_told(consumer, words):
    where, field, message = told(device(), route(consumer))
    assert (where, field) == (f"route vhf → {consumer}", "consumer")
    assert message.startswith(words)


def test_an_app_made_of_a_consumer_knows_what_it_speaks():
    assert "Listener speaks aprs; this device offers serial" in told(
        device("vhf", "serial"), route("tests.edge.samples.ready_app")
    )


@pytest.mark.parametrize(
    ("kind", "match", "words"),
    [
        ("aprs", "QQ1*", "expected terms such as source=QQ1*"),
        ("mqtt", "", "expected a topic filter"),
        ("mqtt", "a/+b+/c", "topic filter 'a/+b+/c'"),
    ],
)
def test_a_match_that_is_wrong_is_told_once(kind, match, words):
    link = "mqtt://broker" if kind == "mqtt" else "serial:///dev/ttyUSB0"
    _, field, message = told(device("vhf", kind, link), route("tests.edge.samples.ChatConsumer", match=match))
    assert field == "match"
    assert words in message


@pytest.mark.parametrize(
    ("consumer", "options", "words"),
    [
        (LISTENER, {"x": 1}, "route options: unknown option 'x'; known are none"),
        ("tests.edge.samples.Greeter", {"x": 1}, "unknown option 'x'; known are greeting, idle_minutes"),
        ("tests.edge.samples.Greeter", {"greeting": "x" * 11}, "greeting: expected at most 10 characters; got 11"),
        ("tests.edge.samples.ChatConsumer", {"idle_minutes": 0}, "idle_minutes: expected at least 1 min; got 0"),
        (
            "tests.edge.samples.Unsound",
            {},
            "NotDeclared.hosts: expected a str, int, float or bool declared with option",
        ),
        (LISTENER, ["x"], "route options: expected options by name"),
    ],
)
def test_a_route_option_that_is_wrong_is_named(consumer, options, words):
    _, field, message = told(device(), route(consumer, options=options))
    assert field == "options"
    assert words in message


@pytest.mark.parametrize(
    ("match", "options", "words"),
    [
        (
            "chat/+/in",
            {},
            "a conversation needs to know its peer: expected a match such as chat/+peer/in; got 'chat/+/in'",
        ),
        ("chat/+peer/in", {"reply_topic": "chat/{who}/out"}, "{who} is not known; known are peer"),
        ("chat/+peer/in", {"reply_topic": "chat/{peer}/in"}, "each answer would come back as a question"),
        ("chat/#peer", {}, "each answer would come back as a question"),
    ],
)
def test_a_conversation_over_topics_needs_a_peer_and_a_way_back(match, options, words):
    consumer = "tests.edge.samples.ChatConsumer"
    broker = device("vhf", "mqtt", "mqtt://broker")
    _, field, message = told(broker, route(consumer, match=match, options=options))
    assert field == "options"
    assert words in message


def test_the_enabled_routes_of_a_device_keep_their_order():
    first, off, second, other = (
        route(match="port=0"),
        route(match="port=1", enabled=False),
        route(match="port=2"),
        route(device="uhf"),
    )
    assert Desired(routes=(first, off, second, other)).routes_of("vhf") == (first, second)
