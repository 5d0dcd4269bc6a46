import io
import json

import pytest
from django.contrib.auth.models import User

from django_site.access.links import issue_login_link, who_waits
from django_site.commands.provision import LONGEST, main, make_owner, make_station, read_request
from django_site.devices.models import Device
from edge.errors import ConfigError

PASSWORD = "correct horse 73"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected JSON"),
        ("[]", "owner and station alone"),
        ('{"wifi": {}}', "owner and station alone"),
        ('{"owner": "alice"}', "owner: expected an object with name, password alone"),
        ('{"owner": {"nmae": "alice"}}', "owner: expected an object with name, password alone"),
        ('{"owner": {"password": 7}}', "owner: expected texts"),
        (" " * (LONGEST + 1), "at most 65536"),
    ],
)
def test_a_request_that_is_none_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words):
        read_request(text)


def test_a_wrong_request_ends_with_2_and_never_shows_the_password(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"owner": {"password": PASSWORD, "nmae": "x"}})))
    assert main([]) == 2
    assert PASSWORD not in capsys.readouterr().err


@pytest.mark.django_db(databases=["default", "history"])
class TestOnTheDatabase:
    def test_a_whole_request_makes_owner_and_radio_and_twice_does_no_more(self, monkeypatch, capsys):
        request = {
            "owner": {"name": "alice", "password": PASSWORD},
            "station": {"link": "serial:///dev/ttyUSB0", "callsign": "QQ1EDG-10", "kind": "aprs", "name": "radio"},
        }
        for _ in range(2):
            monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request)))
            assert main([]) == 0
        alice = User.objects.get()
        assert alice.is_superuser
        assert alice.is_staff
        assert alice.check_password(PASSWORD)
        radio = Device.objects.get()
        assert (radio.name, radio.kind, radio.link) == ("radio", "aprs", "serial:///dev/ttyUSB0")
        assert radio.options == {"callsign": "QQ1EDG-10"}
        assert not radio.transmit
        assert "stays as it is" in capsys.readouterr().out

    def test_a_weak_password_makes_nobody_and_says_why(self):
        with pytest.raises(ConfigError, match=r"owner.password: .*too common"):
            make_owner("alice", "password")
        assert not User.objects.exists()

    def test_an_owner_without_a_password_waits_for_the_link(self):
        assert "link" in make_owner("alice")
        assert who_waits() == "alice"

    def test_a_radio_that_cannot_work_is_not_made_and_each_field_says_why(self):
        with pytest.raises(ConfigError, match=r"station\.name: .*station\.link"):
            make_station({"name": "No Name", "link": "http://x"})
        assert not Device.objects.exists()

    def test_a_link_is_offered_until_somebody_has_got_in(self):
        assert who_waits() == "operator"
        issue_login_link()
        assert who_waits() == "operator", "the link may have been missed"
        make_owner("operator", PASSWORD)
        assert not who_waits()
