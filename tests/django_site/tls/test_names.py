import ipaddress
import json
import shutil
import subprocess

import pytest

from django_site.tls import names
from django_site.tls.names import Names, addresses, is_address, static_names, wanted


def test_a_box_has_its_own_name_with_and_without_local_and_this_machines(monkeypatch):
    monkeypatch.setenv("EDGE_ALLOWED_HOSTS", "edge.local, Shack.Example .example * 192.0.2.1 bad_name")
    found = wanted()
    assert {"localhost", "edge.local", "shack.example"} <= found.hosts
    assert not found.hosts & {".example", "*", "192.0.2.1", "bad_name"}
    assert {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")} <= found.addresses


def test_what_is_wanted_has_a_bound(monkeypatch):
    monkeypatch.setenv("EDGE_ALLOWED_HOSTS", " ".join(f"a{number}.example" for number in range(1000)))
    assert len(wanted().hosts) == names.MOST


@pytest.mark.parametrize(
    ("text", "found"),
    [("Shack\n", ["shack", "shack.local"]), ("shack.example\n", ["shack.example"]), ("", []), ("\xff", [])],
)
def test_the_name_in_the_file_counts_too(tmp_path, text, found):
    path = tmp_path / "hostname"
    path.write_bytes(text.encode("latin-1"))
    assert static_names(path) == found
    assert static_names(tmp_path / "none") == []


@pytest.mark.skipif(not shutil.which("ip"), reason="needs ip (iproute2)")
def test_the_kernel_says_the_same_as_the_program_ip():
    told = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
    entries = [entry for interface in told for entry in interface["addr_info"] if entry]
    lasting = {
        ipaddress.ip_address(entry["local"])
        for entry in entries
        if not (entry.get("temporary") or entry.get("deprecated") or entry.get("tentative"))
    }
    assert set(addresses()) == lasting


def test_fewer_names_are_less():
    one = Names(frozenset({"a"}), frozenset())
    assert one <= Names(frozenset({"a", "b"}), frozenset())
    assert not one <= Names(frozenset({"b"}), frozenset())


def test_an_address_is_no_name():
    assert is_address("::1")
    assert not is_address("edge.local")
