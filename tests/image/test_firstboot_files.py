"""edge.toml and rpi-preseed.toml: what is taken, and what is said of what is not."""

import tomllib
from pathlib import Path

import pytest
from firstboot import edgetoml, preseed
from firstboot.wanted import Account, Owner, Station, Wanted, Wifi

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJtT alice@shack"
WHOLE = f"""
[box]
name = "shack"
[owner]
name = "alice"
password = "correct horse 73"
[ssh]
user = "alice"
keys = ["{KEY}"]
[wifi]
ssid = "Sendemast"
password = "funkwellen"
country = "DE"
[station]
callsign = "QQ1EDG-10"
link = "serial:///dev/ttyUSB0"
"""


def test_a_whole_file_is_taken_as_it_stands():
    wanted, mistakes = edgetoml.parse(WHOLE.encode())
    assert mistakes == []
    assert wanted == Wanted(
        host_name="shack",
        owner=Owner(name="alice", password="correct horse 73"),
        account=Account(name="alice", keys=(KEY,)),
        wifi=Wifi(ssid="Sendemast", password="funkwellen", country="DE"),
        station=Station(callsign="QQ1EDG-10", link="serial:///dev/ttyUSB0"),
    )


def test_what_editors_add_does_no_harm():
    assert edgetoml.parse(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())[1] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[box", "the file is not TOML"),
        ("[wlan]\n", "[wlan]: there is no such table; there are box, owner, ssh, wifi, station"),
        ("box = 1", "box: expected a table"),
        ('[box]\nnmae = "x"', "box.nmae: there is no such field; there are name"),
        ("[box]\nname = 7", "box.name: expected text in quotes; got 7"),
        ('[box]\nname = "Shack!"', "box.name: expected small letters"),
        ('[box]\nname = "-x"', "box.name"),
        ('[owner]\npassword = "short"', "owner.password: expected at least 8"),
        ("[owner]\npassword = 12345678", "owner.password: expected text in quotes; got something else"),
        ('[owner]\nname = "a b"', "owner.name"),
        ('[ssh]\nuser = "root"', "ssh.user"),
        ('[ssh]\nuser = "edge"', "ssh.user"),
        ('[ssh]\nkeys = "ssh-ed25519 AAAA"', "ssh.keys: expected a list of texts"),
        ("[ssh]\nkeys = [1]", "ssh.keys: expected a list of texts"),
        ('[ssh]\nkeys = ["-----BEGIN OPENSSH PRIVATE KEY-----"]', "the line of a .pub file"),
        ('[ssh]\nkeys = ["ssh-ed25519 AAAA\\nssh-rsa BBBB"]', "ssh.keys"),
        ('[ssh]\npassword = "two\\nlines of it"', "ssh.password"),
        ('[wifi]\nssid = "x"', "wifi.country: is missing"),
        ('[wifi]\nssid = "x"\ncountry = "de"', "wifi.country: expected two letters"),
        ('[wifi]\nssid = "x"\ncountry = "DE"\npassword = "short"', "wifi.password: expected 8 to 63"),
        ('[wifi]\nssid = "x"\ncountry = "DE"\npassword = "füüünfzehn"', "wifi.password: expected 8 to 63"),
        (f'[wifi]\nssid = "{"ü" * 17}"\ncountry = "DE"', "wifi.ssid: expected the network's name, at most 32 bytes"),
        ('[station]\ncallsign = "nocall"', "station.callsign"),
        ('[station]\nlink = "/dev/ttyUSB0"', "station.link: expected a URL"),
    ],
)
def test_each_mistake_is_named(text, words):
    wanted, mistakes = edgetoml.parse(text.encode())
    assert wanted == Wanted()
    assert len(mistakes) == 1
    assert words in mistakes[0]


def test_one_mistake_does_not_cost_the_other_tables():
    wanted, mistakes = edgetoml.parse(WHOLE.replace('"DE"', '"Germany"').encode())
    assert len(mistakes) == 1
    assert wanted.wifi is None
    assert wanted.host_name == "shack"
    assert wanted.owner is not None


def test_no_complaint_and_no_text_shows_a_password():
    secret = "hunter2hunter2"
    wanted, _ = edgetoml.parse(WHOLE.replace("correct horse 73", secret).replace("funkwellen", secret).encode())
    assert secret not in repr(wanted)
    for text in (f'[owner]\npassword = ["{secret}"]', f'[wifi]\nssid="x"\ncountry="DE"\npassword="{secret * 9}"'):
        assert secret not in str(edgetoml.parse(text.encode())[1])


def test_what_is_no_text_or_too_much_is_said():
    assert "not UTF-8 from byte 4" in edgetoml.parse(b"# a \xff")[1][0]
    assert "expected at most 65536" in edgetoml.parse(b"#" * 70_000)[1][0]


def test_the_example_on_the_boot_partition_has_every_field_and_is_taken():
    text = (Path(__file__).parents[2] / "image" / "edge.toml.example").read_text("utf-8")
    wanted, mistakes = edgetoml.parse(text.encode())
    assert mistakes == []
    assert wanted.station is not None
    shown = tomllib.loads(text.partition("\n\n")[2].replace("\n# ", "\n"))  # with what is commented out
    assert {name: set(table) for name, table in shown.items()} == {
        name: set(fields) for name, fields in edgetoml.FIELDS.items()
    }


IMAGER = f"""
config_version = 1
[system]
hostname = "shack"
[user]
name = "alice"
password = "$6$abc$def"
password_encrypted = true
[ssh]
enabled = true
password_authentication = false
authorized_keys = ["{KEY}"]
[wlan]
ssid = "Sendemast"
password = "{"0f" * 32}"
password_encrypted = true
country = "DE"
hidden = true
[locale]
keymap = "de"
timezone = "Europe/Berlin"
"""


def test_the_imagers_file_is_taken():
    wanted, mistakes = preseed.parse(IMAGER.encode())
    assert mistakes == []
    assert wanted == Wanted(
        host_name="shack",
        account=Account(name="alice", password="$6$abc$def", keys=(KEY,)),
        wifi=Wifi(ssid="Sendemast", password="0f" * 32, country="DE", hidden=True),
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            '"$6$abc$def"\npassword_encrypted = true',
            '"plain text"\npassword_encrypted = false',
            "expected an encrypted one",
        ),
        ('hostname = "shack"', 'hostname = "S H"', "box.name"),
        ("[locale]", "[bluetooth]", "bluetooth: the Imager's option is not known here"),
        ('"alice"', '"root"', "ssh.user"),
    ],
)
def test_what_the_imager_wants_and_we_cannot_is_said_and_the_rest_is_taken(old, new, words):
    wanted, mistakes = preseed.parse(IMAGER.replace(old, new).encode())
    assert len(mistakes) == 1
    assert words in mistakes[0]
    assert wanted.wifi is not None


def test_with_ssh_off_no_key_is_let_in():
    wanted, _ = preseed.parse(IMAGER.replace("enabled = true", "enabled = false").encode())
    assert wanted.account == Account(name="alice", password="$6$abc$def")


def test_of_two_files_the_first_wins_and_the_second_fills_in():
    mine, _ = edgetoml.parse(b'[box]\nname = "mine"')
    imagers, _ = preseed.parse(IMAGER.encode())
    both = mine.filled_from(imagers)
    assert both.host_name == "mine"
    assert both.wifi == imagers.wifi
