"""The units as systemd's own tools judge them, offline; tests/package installs them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNITS = sorted([*ROOT.glob("systemd/*.service"), *ROOT.glob("systemd/*.socket")])
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
EXPOSURE = 13  # tenths, of systemd's own scale from 0 to 100: serial ports, udev's netlink and a network need it
NEWER = re.compile(
    r".*Unknown key '(RestartSteps|RestartMaxDelaySec)'.*"
)  # systemd before 254 says that it ignores them

pytestmark = pytest.mark.needs("systemd-analyze")


def analyze(*words):
    done = subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, [line for line in (done.stdout + done.stderr).splitlines() if not NEWER.match(line)]


@pytest.fixture
def installed(tmp_path):
    """The units in a folder, with a program that is there in place of edge."""
    for unit in UNITS:
        shutil.copy(unit, tmp_path)
        path = tmp_path / unit.name
        path.write_text(path.read_text().replace("/usr/bin/edge", "/usr/bin/true"))
    return tmp_path


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_understood_without_a_word(unit, installed):
    code, said = analyze("verify", "--man=no", installed / unit.name)
    assert (code, said) == (0, [])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_may_do_no_more_than_it_must(unit, installed):
    code, said = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", installed / unit.name)
    assert code == 0, said[-1]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_waits_for_nothing_that_may_be_missing(unit):
    text = unit.read_text()
    assert not re.search(r"^(Requires|BindsTo|Requisite)=.*(network|mosquitto|time)", text, re.MULTILINE)
    assert "StartLimitIntervalSec=0" in text
    assert re.search(r"^WatchdogSec=\d+", text, re.MULTILINE)


def test_each_driver_that_a_service_may_open_ports_of_is_there_when_it_starts():
    loaded = {
        line for line in (ROOT / "systemd/modules-load.conf").read_text().splitlines() if line[:1] not in ("", "#")
    }
    for unit in SERVICES:
        text = unit.read_text()
        if "DeviceAllow=char-ttyUSB rw" in text:
            assert {"usbserial", "cdc-acm"} <= loaded
