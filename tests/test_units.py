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


def values(unit, name):
    return re.findall(rf"^{name}=(.*)$", (ROOT / "systemd" / unit).read_text(), re.MULTILINE)


def test_the_two_services_share_user_folder_settings_and_layer():
    for name in ("User", "Group", "StateDirectory", "UMask", "EnvironmentFile", "Environment", "WorkingDirectory"):
        assert values("edge-devices.service", name) == values("edge-web.service", name) != []
    assert values("edge-web.service", "User") == values("edge.service", "User")
    assert values("edge-web.service", "StateDirectory") == values("edge.service", "StateDirectory")


def test_neither_of_the_two_services_takes_the_others_folder_away_when_it_stops():
    assert not set(values("edge-devices.service", "RuntimeDirectory")) & set(
        values("edge-web.service", "RuntimeDirectory")
    )


def test_the_pages_see_no_device_and_the_devices_have_no_door():
    assert values("edge-web.service", "PrivateDevices") == ["yes"]
    assert not values("edge-web.service", "DeviceAllow") + values("edge-web.service", "SupplementaryGroups")
    assert "AF_NETLINK" not in values("edge-web.service", "RestrictAddressFamilies")[0]
    assert not values("edge-devices.service", "Also")
    for name in ("http", "https"):
        assert values(f"edge-web-{name}.socket", "Service") == ["edge-web.service"]
        assert values(f"edge-web-{name}.socket", "FileDescriptorName") == [name]


@pytest.mark.parametrize("kind", ["service", "socket"])
def test_the_box_in_one_and_the_box_in_two_do_not_run_at_once(kind):
    pairs = {"edge-web": "edge", "edge-devices": "edge", "edge-web-http": "edge-http", "edge-web-https": "edge-https"}
    for unit, other in pairs.items():
        if (ROOT / f"systemd/{unit}.{kind}").exists():  # what conflicts is stopped, before the other is started
            assert values(f"{unit}.{kind}", "Conflicts") == [f"{other}.{kind}"]
            assert f"{other}.{kind}" in values(f"{unit}.{kind}", "After")[0].split()


def test_a_first_boot_enables_the_box_in_one_service(tmp_path):
    """By systemd itself, which presets every unit when a machine boots for the first time."""
    units, presets = tmp_path / "usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system-preset"
    for folder in (units, presets):
        folder.mkdir(parents=True)
    for file in (*(ROOT / "systemd").glob("*.service"), *(ROOT / "systemd").glob("*.socket")):
        shutil.copy(file, units)
    shutil.copy(ROOT / "systemd/edge.preset", presets / "50-edge.preset")
    subprocess.run(["systemctl", f"--root={tmp_path}", "preset-all"], check=True, capture_output=True, timeout=30)
    enabled = {path.name for path in (tmp_path / "etc/systemd/system").rglob("*.wants/*")}
    assert enabled == {"edge.service", "edge-http.socket", "edge-https.socket"}
