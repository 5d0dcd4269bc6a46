"""The box's own certificate, as openssl and Python's TLS judge it; the clock and the names are given."""

import ipaddress
import stat
import time

import pytest

from django_site.tls import box_pair, openssl
from django_site.tls.box_pair import AUTHORITY_LIFE, BACKDATED, DAY, LIFE, RENEW, BoxPair
from django_site.tls.names import Names
from edge.errors import ConfigError
from tests import certificates

NOW = time.time()


class Circumstances:
    """What a box finds itself in: a clock, whether it was set, its names."""

    def __init__(self, folder):
        self.now, self.trusted = NOW, True
        self.hosts, self.addresses = {"localhost", "shack", "shack.local"}, {"127.0.0.1", "192.168.7.9", "fd00::7"}
        self.folder = folder / "tls"
        self.pair = self.again()

    def again(self):
        return BoxPair(self.folder, now=lambda: self.now, trusted=lambda: self.trusted, wanted=self.names)

    def names(self):
        return Names(frozenset(self.hosts), frozenset(map(ipaddress.ip_address, self.addresses)))

    def look(self):
        return openssl.describe(self.pair.look())


@pytest.fixture
def box(tmp_path):
    return Circumstances(tmp_path)


def test_a_certificate_for_all_names_is_made_once_and_its_files_are_the_owners_alone(box):
    first = box.look()
    assert first.names == box.names()
    assert first.ends - first.begins == LIFE
    assert first.begins == pytest.approx(NOW - BACKDATED, abs=1)
    assert box.look() == first
    assert openssl.describe(box.again().look()) == first
    assert sorted(path.name for path in box.folder.iterdir()) == ["ca.crt", "ca.key", "lock", "server.pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in box.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(box.folder.stat().st_mode) == 0o700


def test_openssl_verifies_it_strictly_for_each_name_and_for_no_other(box):
    box.look()
    verify = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", box.folder / "ca.crt"]
    for name in box.hosts:
        certificates.openssl(*verify, "-verify_hostname", name, box.folder / "server.pem")
    for address in box.addresses:
        certificates.openssl(*verify, "-verify_ip", address, box.folder / "server.pem")
    with pytest.raises(AssertionError, match="hostname mismatch"):
        certificates.openssl(*verify, "-verify_hostname", "bank.example", box.folder / "server.pem")


@pytest.mark.parametrize("name", ["DNS:bank.example", "IP:192.0.2.1", "DNS:notshack"])
def test_who_steals_the_authority_can_vouch_for_no_bank_with_it(box, tmp_path, name):
    box.look()
    certificate, key = certificates.make_pair(tmp_path, "thief")
    del certificate
    extensions = tmp_path / "extensions"
    extensions.write_text(f"subjectAltName={name}\n")
    certificates.openssl("req", "-new", "-key", key, "-subj", "/O=Thief", "-out", tmp_path / "request")
    authority = ["-CA", box.folder / "ca.crt", "-CAkey", box.folder / "ca.key", "-CAcreateserial"]
    made = ["x509", "-req", "-in", tmp_path / "request", *authority, "-days", "30", "-extfile", extensions]
    certificates.openssl(*made, "-out", tmp_path / "forged")
    with pytest.raises(AssertionError, match="permitted subtree violation"):
        certificates.openssl("verify", "-CAfile", box.folder / "ca.crt", tmp_path / "forged")


def test_it_is_renewed_before_it_ends_and_the_authority_stays(box):
    first, authority = box.look(), (box.folder / "ca.crt").read_bytes()
    box.now = first.ends - RENEW - 1
    assert box.look() == first
    box.now += 2
    second = box.look()
    assert second.ends > first.ends
    assert (box.folder / "ca.crt").read_bytes() == authority
    assert openssl.vouches(box.folder / "ca.crt", (box.folder / "server.pem").read_bytes())


def test_a_new_name_or_address_is_taken_up_and_one_that_went_is_no_reason(box):
    first = box.look()
    box.hosts.discard("shack.local")
    assert box.look() == first
    box.hosts.add("other.local")
    box.addresses.add("192.168.7.10")
    second = box.look()
    assert second.names == box.names()


def test_a_name_that_the_authority_may_not_vouch_for_is_left_out(box):
    box.look()
    box.hosts |= {"tower", "tower.local", "hut.shack"}
    assert box.look().names.hosts == box.hosts - {"tower"}


def test_a_clock_that_nobody_set_judges_nothing(box):
    first = box.look()
    box.trusted = False
    for box.now in (0.0, first.begins - DAY, first.ends + DAY, first.ends + 30 * 365 * DAY):
        assert box.look() == first


def test_what_must_be_made_before_the_clock_is_set_is_made_for_the_latest_time_there_is_evidence_of(box):
    first = box.look()
    box.trusted, box.now = False, 0.0
    box.hosts.add("tower.local")
    assert box.look().begins == first.begins
    box.now = NOW + 5 * DAY
    box.hosts.add("hut.local")
    assert box.look().begins == pytest.approx(first.begins + 5 * DAY, abs=1)


def test_a_box_that_begins_in_1970_has_a_certificate_that_is_good_on_the_day_that_edge_was_made(box):
    box.trusted, box.now = False, 0.0
    found = box.look()
    assert found.begins == pytest.approx(box_pair.made() - BACKDATED, abs=1)
    authority = openssl.describe((box.folder / "ca.crt").read_bytes())
    assert authority.begins < found.begins
    assert authority.ends == pytest.approx(box_pair.made() + AUTHORITY_LIFE, abs=1)


@pytest.mark.parametrize("wrong", [-2000 * DAY, 20_000 * DAY], ids=["behind", "ahead"])
def test_once_the_clock_is_set_right_so_is_the_certificate_and_the_authority_stays(box, wrong):
    box.now, box.trusted = NOW + wrong, None  # nobody says whether it was set
    box.look()
    authority = (box.folder / "ca.crt").read_bytes()
    box.now, box.trusted = NOW, True
    found = box.look()
    assert found.begins <= NOW <= found.ends - RENEW
    known = openssl.describe(authority)
    assert (box.folder / "ca.crt").read_bytes() == authority
    assert known.begins <= NOW <= known.ends


def test_a_server_certificate_that_is_damaged_or_of_another_authority_is_made_anew(box, tmp_path):
    box.look()
    (box.folder / "server.pem").write_bytes(b"\0" * 700)
    assert box.look().names == box.names()
    other = Circumstances(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (box.folder / "server.pem").write_bytes(other.pair.look())
    box.look()
    assert openssl.vouches(box.folder / "ca.crt", (box.folder / "server.pem").read_bytes())


def test_an_authority_that_is_damaged_is_set_aside_and_said(box, caplog):
    box.look()
    (box.folder / "ca.crt").write_bytes(b"garbage")
    box.pair = box.again()
    box.look()
    assert openssl.vouches(box.folder / "ca.crt", (box.folder / "server.pem").read_bytes())
    assert (box.folder / "ca.crt.unusable").read_bytes() == b"garbage"
    assert "browsers have to trust a new one" in caplog.text


def test_without_the_program_nothing_is_thrown_away(box, monkeypatch):
    box.look()
    before = {path.name: path.read_bytes() for path in box.folder.iterdir()}
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="sudo apt install openssl"):
        box.again().look()
    assert {path.name: path.read_bytes() for path in box.folder.iterdir()} == before


def test_what_a_power_cut_left_of_a_making_goes(box):
    box.folder.mkdir()
    (box.folder / ".making-old").mkdir()
    (box.folder / ".making-old/key").touch()
    box.look()
    assert not list(box.folder.glob(".making-*"))


def test_an_authority_that_ends_within_the_year_is_a_problem_unless_the_clock_is_a_guess(box):
    box.look()
    assert box.pair.problems() == []
    box.now += AUTHORITY_LIFE - 100 * DAY
    (problem,) = box.pair.problems()
    assert "trust the new one" in problem
    box.trusted = False
    assert box.pair.problems() == []
