import pytest
from django.core.checks import run_checks

from django_site.devices.models import Device, Route

pytestmark = pytest.mark.django_db(databases=["default", "history"])

ECHO = "edge.consumers.AsyncAprsConsumer"


def found(**options):
    return run_checks(tags=["edge"], databases=["default"], **options)


@pytest.fixture
def vhf():
    return Device.objects.create(name="vhf", kind="aprs", link="serial:///dev/ttyUSB7")


def test_what_can_work_is_not_mentioned(vhf):
    Route.objects.create(device=vhf, consumer=ECHO, match="source=QQ1*")
    assert found() == []


def test_rows_are_not_read_where_no_database_is_named(vhf, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert run_checks(tags=["edge"]) == []


@pytest.mark.parametrize(
    ("change", "number", "words"),
    [
        ({"kind": "lora"}, "edge.E002", "unknown kind 'lora'; installed are aprs, ax25, mqtt, serial"),
        ({"link": "ttyUSB0"}, "edge.E003", "expected a URL such as serial:///dev/ttyUSB0"),
        ({"options": {"callsign": "nocall!"}}, "edge.E004", "expected a callsign such as QQ1ABC"),
        ({"options": {"baud": 3}}, "edge.E004", "baud: expected at least 300 Bd; got 3"),
        ({"options": {"bauds": 3}}, "edge.E004", "unknown option 'bauds'"),
        ({"transmit": True}, "edge.E004", "transmitting needs your own callsign"),
        ({"name": "No Name"}, "edge.E001", "expected 1 to 40 of a-z"),
    ],
)
def test_a_bad_device_is_an_error_that_says_what_to_do(vhf, change, number, words):
    Device.objects.update(**change)
    (message,) = found()
    assert message.id == number
    assert words in message.msg
    assert message.is_serious()
    assert "in the admin" in message.hint


def test_two_devices_on_one_port_are_told_of_each_other(vhf):
    Device.objects.create(name="hf", kind="ax25", link="serial:///dev/ttyUSB7")
    messages = found()
    assert {message.id for message in messages} == {"edge.E003"}
    assert "device 'vhf' uses /dev/ttyUSB7 already" in messages[0].msg
    assert "device 'hf' uses /dev/ttyUSB7 already" in messages[1].msg


@pytest.mark.parametrize(
    ("change", "number", "words"),
    [
        ({"consumer": "no.such.Consumer"}, "edge.E007", "cannot import no.such"),
        ({"consumer": "edge.consumers.NoSuch"}, "edge.E007", "edge.consumers has no 'NoSuch'"),
        ({"match": "colour=red"}, "edge.E006", "expected terms such as source=QQ1*"),
        ({"options": {"x": 1}}, "edge.E008", "x"),
    ],
)
def test_a_bad_route_is_an_error(vhf, change, number, words):
    Route.objects.create(device=vhf, **{"consumer": ECHO, **change})
    (message,) = found()
    assert message.id == number
    assert words in message.msg


def test_a_bad_topic_filter_is_an_error():
    broker = Device.objects.create(name="broker", kind="mqtt", link="mqtt://localhost")
    Route.objects.create(device=broker, consumer="edge.consumers.AsyncMqttConsumer", match="home/#/attic")
    (message,) = found()
    assert message.id == "edge.E006"
    assert "# takes all that follows" in message.msg


def test_what_is_turned_off_only_warns(vhf):
    Device.objects.update(link="nowhere", enabled=False)
    (message,) = found()
    assert message.id == "edge.W003"
    assert not message.is_serious()


def test_no_message_shows_the_password_of_a_broker():
    Device.objects.create(name="broker", kind="mqtt", link="mqt://ann:s3cret@localhost", options={"password": 5})
    assert found()
    assert "s3cret" not in str(found())


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A data folder with a profile of a person's own that is wrong."""
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    path = tmp_path / "tnc" / "mine" / "profile.toml"
    path.parent.mkdir(parents=True)
    path.write_text('label = "Mine"\nhelp = "It is."\nline = { source = "seen", baud = 30 }\n')
    return path


def test_a_profile_that_is_wrong_is_an_error_once(own):
    (message,) = found()
    assert (message.id, message.is_serious()) == ("edge.E009", True)
    assert message.msg.startswith(
        f"{own}: kiss: expected a table; it is missing; line.baud: expected at least 300; got 30"
    )
    assert "docs/profiles.md" in message.hint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "gone"}, "profile: expected one of kiss, arduino"),
        ({"profile": "ninotnc", "enter_kiss": True}, "enter_kiss: NinoTNC is in KISS mode always"),
        ({"hardware": "6 zz"}, "what the TNC is told: "),
    ],
)
def test_what_does_not_go_with_a_profile_is_an_error(vhf, options, words):
    Device.objects.update(options=options)
    (message,) = found()
    assert message.id == "edge.E004"
    assert words in message.msg
