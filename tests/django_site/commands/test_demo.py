import pytest

from django_site.commands.demo import CALLSIGN, make_rows, split_credentials
from django_site.devices.models import Device, Route
from django_site.devices.wishes import desired
from edge.desired import problems
from edge.gate import callsign_problem


def test_credentials_leave_the_link_and_become_options():
    assert split_credentials("mqtt://mia:s3cret@broker.lan:1884") == (
        "mqtt://broker.lan:1884",
        {"username": "mia", "password": "s3cret"},
    )
    assert split_credentials("mqtt://127.0.0.1:1883") == ("mqtt://127.0.0.1:1883", {})


def test_the_callsign_of_the_demo_passes_the_gate():
    assert callsign_problem(CALLSIGN) == ""


@pytest.mark.django_db(databases=["default"])
def test_the_rows_of_the_demo_can_work():
    make_rows("serial:///tmp/tnc", "mqtt://127.0.0.1:1883")
    assert problems(desired()) == ()


@pytest.mark.django_db(databases=["default"])
def test_a_second_start_mends_the_links_and_leaves_what_a_person_changed():
    make_rows("serial:///tmp/tnc", "mqtt://127.0.0.1:1883")
    Route.objects.filter(match="chat/+peer/in").delete()
    Device.objects.filter(name="vhf").update(transmit=False)
    make_rows("serial:///tmp/other", "mqtt://127.0.0.1:1999")
    assert set(Device.objects.values_list("name", "link", "transmit")) == {
        ("vhf", "serial:///tmp/other", False),
        ("broker", "mqtt://127.0.0.1:1999", False),
    }
    assert not Route.objects.filter(match="chat/+peer/in").exists()
