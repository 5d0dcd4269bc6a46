import stat

import pytest
from django.conf import settings
from django.db import connections
from django.http.request import validate_host

from django_site.environment import channel_layers, data_folder, flag, number, secret_key, words
from edge.security import AllowedHostsOriginValidator


def test_the_data_folder_and_the_key_are_for_their_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_DATA", str(tmp_path / "new" / "data"))
    folder = data_folder()
    secret_key(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secret-key").stat().st_mode) == 0o600


def test_the_key_is_made_once_and_leaves_no_draft(tmp_path):
    first = secret_key(tmp_path)
    assert len(first) >= 50
    assert secret_key(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_two_boxes_have_two_keys(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert secret_key(tmp_path / "one") != secret_key(tmp_path / "two")


@pytest.mark.parametrize(("text", "meant"), [("1", True), ("yes", True), ("0", False), ("", False), ("no", False)])
def test_a_flag_says_yes_only_where_it_says_so(monkeypatch, text, meant):
    monkeypatch.setenv("EDGE_TEST", text)
    assert flag("EDGE_TEST") is meant


def test_a_list_may_have_commas_or_spaces(monkeypatch):
    monkeypatch.setenv("EDGE_TEST", "one, two three")
    assert words("EDGE_TEST") == ["one", "two", "three"]


@pytest.mark.parametrize("text", ["-1", "0", "ten", "1.5", "²"])
def test_a_number_that_is_none_is_named_in_the_error(monkeypatch, text):
    monkeypatch.setenv("EDGE_TEST", text)
    with pytest.raises(ValueError, match="EDGE_TEST: expected a whole number of at least 1"):
        number("EDGE_TEST", 5)


def test_without_a_broker_for_it_the_channel_layer_is_nobodys_to_choose(monkeypatch):
    monkeypatch.delenv("EDGE_LAYER", raising=False)
    assert channel_layers("key") == {}


def test_the_processes_of_one_box_meet_at_a_broker_and_other_boxes_do_not(monkeypatch):
    monkeypatch.setenv("EDGE_LAYER", " mqtt://127.0.0.1:1883 ")
    one, again, other = (channel_layers(key)["default"]["CONFIG"] for key in ("key", "key", "another"))
    assert one == again
    assert one["url"] == "mqtt://127.0.0.1:1883"
    assert one["prefix"] != other["prefix"]
    assert "key" not in one["prefix"]


def test_the_site_is_closed_by_default():
    assert settings.DEBUG is False
    assert "*" not in settings.ALLOWED_HOSTS
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("127.0.0.1", True),
        ("192.168.1.20", True),
        ("[fe80::1]", True),
        ("localhost", True),
        ("edge.example", False),
        ("192.168.1.20.edge.example", False),
        ("any-address.invalid", False),
        ("*", False),
        ("", False),
    ],
)
def test_the_box_answers_to_its_addresses_and_names_only(host, served):
    assert validate_host(host, settings.ALLOWED_HOSTS) is served


@pytest.mark.parametrize("origin", ["http://192.168.1.20:8000", "http://[fe80::1]"])
def test_an_address_is_no_origin_that_may_speak_to_another_host(origin):
    validator = AllowedHostsOriginValidator(None)
    headers = [(b"host", b"localhost:8000"), (b"origin", origin.encode())]
    assert not validator.allows({"type": "websocket", "headers": headers})
    same = [(b"host", b"192.168.1.20:8000"), (b"origin", b"http://192.168.1.20:8000")]
    assert validator.allows({"type": "websocket", "headers": same})


@pytest.mark.django_db(databases=["default", "history"])
@pytest.mark.parametrize(("alias", "synchronous"), [("default", 2), ("history", 1)])  # FULL, NORMAL
def test_each_database_is_as_safe_as_it_must_be(alias, synchronous):
    with connections[alias].cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (5000,)
    assert connections[alias].transaction_mode == "IMMEDIATE"
