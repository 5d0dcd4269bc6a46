"""What the first boot does to a box, on a folder that stands for its root."""

import stat

import pytest
from firstboot import disk, steps
from firstboot.wanted import Account, Owner, Station, Wanted, Wifi


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("serial", "name"), [("10000000ABCD1A2B", "edge-1a2b"), ("0123456789abcdef", "edge-cdef"), ("", "edge-box")]
)
def test_a_box_that_nobody_named_has_a_name_of_its_own(serial, name):
    assert steps.default_name(serial) == name


@pytest.mark.parametrize(("chosen", "mdns"), [(True, "shack"), (False, "edge")])
def test_the_name_is_the_hosts_and_one_that_was_chosen_is_that_on_mdns(tmp_path, chosen, mdns):
    avahi = tmp_path / steps.AVAHI
    avahi.parent.mkdir(parents=True)
    avahi.write_text("[server]\n#host-name=foo\nuse-ipv4=yes\n")
    for _ in range(2):
        steps.name_host(tmp_path, "shack", chosen=chosen)
        assert (tmp_path / "etc/hostname").read_text() == "shack\n"
        assert "127.0.1.1 shack\n" in (tmp_path / "etc/hosts").read_text()
        assert avahi.read_text() == f"[server]\nhost-name={mdns}\nuse-ipv4=yes\n"


def test_the_wifi_key_is_the_standards_own():
    # IEEE 802.11-2020, J.4.2, the first test vector.
    wifi = Wifi(ssid="IEEE", password="password", country="GB")
    assert steps.wpa_key(wifi) == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"


def test_the_network_is_written_for_nobody_else_and_without_the_phrase(tmp_path):
    name = 'Tür "7"\\'
    steps.join_wifi(tmp_path, Wifi(ssid=name, password="funkwellen", country="DE", hidden=True))
    path = tmp_path / steps.WIFI
    text = path.read_text()
    assert mode(path) == 0o600
    assert "funkwellen" not in text
    assert f"ssid={name.encode().hex()}\n" in text
    assert "scan_ssid=1" in text
    assert "country=DE" in text


def test_an_open_network_and_a_key_go_as_they_are():
    assert "key_mgmt=NONE" in steps.wpa_configuration(Wifi(ssid="x", country="DE"))
    assert f"psk={'ab' * 32}" in steps.wpa_configuration(Wifi(ssid="x", country="DE", password="AB" * 32))


def test_the_account_is_made_once_and_its_password_is_no_argument():
    account = Account(name="alice", password="correct horse 73")
    new, old = (steps.account_commands(account, exists=exists) for exists in (False, True))
    assert new[0].words[0] == "useradd"
    assert old[0].words[0] == "usermod"
    assert new[1] == steps.Command(("chpasswd",), "alice:correct horse 73\n")
    assert "correct horse" not in repr(new)
    assert steps.account_commands(Account(password="$6$a$b"), exists=True)[1].words == ("chpasswd", "--encrypted")
    assert len(steps.account_commands(Account(), exists=False)) == 1


def test_keys_are_added_once_beside_those_that_are_there(tmp_path):
    for keys in (("ssh-ed25519 AAAA a",), ("ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"), ()):
        steps.allow_keys(tmp_path, keys, -1, -1)
    path = tmp_path / ".ssh/authorized_keys"
    assert path.read_text() == "ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\n"
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


@pytest.mark.parametrize(
    ("account", "answer"),
    [
        (Account(password="$6$a$b", password_login=True), "yes"),
        (Account(password="$6$a$b"), "no"),
        (Account(password_login=True), "no"),
    ],
)
def test_ssh_takes_a_password_only_where_there_is_one_and_it_was_asked_for(tmp_path, account, answer):
    steps.set_password_login(tmp_path, account)
    written = (tmp_path / "etc/ssh/sshd_config.d/50-edge-owner.conf").read_text()
    assert written == f"PasswordAuthentication {answer}\n"


def test_edge_is_asked_for_the_parts_that_were_wanted():
    assert steps.site_request(Wanted()) == {}
    request = steps.site_request(Wanted(owner=Owner(name="a"), station=Station(link="tcp://tnc:8001")))
    assert request["owner"] == {"name": "a", "password": ""}
    assert request["station"] == {"callsign": "", "link": "tcp://tnc:8001", "kind": "aprs", "name": "radio"}


def test_edge_takes_what_the_first_boot_asks_for():
    """Two programs that share no code must agree on the request."""
    import json

    from django_site.commands.provision import read_request

    request = steps.site_request(Wanted(owner=Owner(), station=Station(link="tcp://tnc:8001", callsign="QQ1EDG")))
    assert read_request(json.dumps(request)) == request


def test_secrets_are_overwritten_before_the_file_goes(tmp_path):
    path, other = tmp_path / "edge.toml", tmp_path / "same-bytes"
    path.write_text('password = "hunter2"')
    other.hardlink_to(path)
    steps.wipe(path)
    assert not path.exists()
    assert other.read_bytes() == b"\n" * 20
    steps.wipe(path)  # twice is once


def test_a_file_is_the_old_one_or_the_new_one(tmp_path):
    path = tmp_path / "a" / "b"
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".b.new").write_text("left by a loss of power")
    steps.write_whole(path, "new\n", 0o600)
    assert path.read_text() == "new\n"
    assert list(path.parent.iterdir()) == [path]


def test_the_report_says_what_was_done_and_what_was_not():
    text = steps.report("shack", ["will join Sendemast"], ["owner.password: expected more"])
    assert text.splitlines()[0] == "This box is shack."
    assert "done: will join Sendemast\r\n" in text
    assert "  owner.password: expected more\r\n" in text


@pytest.mark.parametrize(
    ("device", "place"),
    [
        ("/dev/mmcblk0p2", ("/dev/mmcblk0", 2)),
        ("/dev/nvme0n1p2", ("/dev/nvme0n1", 2)),
        ("/dev/sda2", ("/dev/sda", 2)),
        ("/dev/vda12", ("/dev/vda", 12)),
        ("/dev/mapper/root", None),
        ("/dev/sda", None),
    ],
)
def test_a_partition_is_told_from_its_disk(device, place):
    assert disk.partition_of(device) == place


def test_the_room_behind_the_root_is_what_it_may_have(tmp_path):
    for name, values in {"mmcblk0": {"size": 1000}, "mmcblk0p2": {"start": 100, "size": 300}}.items():
        (tmp_path / name).mkdir()
        for file, value in values.items():
            (tmp_path / name / file).write_text(f"{value}\n")
    assert disk.room_behind(tmp_path, "/dev/mmcblk0", 2) == 600 * 512
    assert disk.room_behind(tmp_path, "/dev/sda", 2) == 0
