"""Our rules, as a real systemd-udevd reads them: with a /dev and a /run of its own; the machine's are not touched."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "systemd/70-edge-serial.rules"
SCRIPT = Path(__file__).with_name("udevd.sh")

pytestmark = pytest.mark.needs("udevadm", "unshare")


def outside():
    ours = str(Path("/proc/self/ns/mnt").readlink())
    return {**os.environ, "OUTSIDE": ours, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.fixture(scope="module")
def told():
    """What udevd made of three ttys (an FTDI adapter, a mobile modem, and what is no adapter), the links, the log."""
    if os.geteuid() != 0 or not Path("/sys/class/tty/tty1").exists():
        pytest.skip("needs root, and a kernel with virtual terminals to play the adapters")
    words = ["unshare", "-m", "-n", "-p", "-f", "--mount-proc", "--kill-child", "bash", SCRIPT, RULES]
    done = subprocess.run(words, env=outside(), capture_output=True, text=True, timeout=90, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip(f"this machine makes no namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    parts = re.split(r"^== (\w+)\n", done.stdout, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_an_adapter_is_kept_from_modemmanager_by_the_time_it_looks(told):
    assert "ID_MM_PORT_IGNORE=1" in told["tty1"]
    assert "ID_MM_DEVICE_IGNORE=1" in told["tty1"]
    assert "SEEN_BY_MODEMMANAGER=ignored" in told["tty1"]


def test_a_mobile_modem_stays_modemmanagers(told):
    assert "ID_MM" not in told["tty2"]


def test_each_has_a_name_by_the_socket_it_is_plugged_into(told):
    assert "/dev/edge/by-port/platform-usb-0_1_2_1_0-tty1" in told["tty1"]
    assert "platform-usb-0_1_2_1_0-tty1 -> ../../tty1" in told["links"]
    assert "platform-usb-0_1_2_1_0-tty2 -> ../../tty2" in told["links"]


def test_what_is_no_adapter_is_left_alone(told):
    assert "edge" not in told["tty3"]
    assert "ID_MM" not in told["tty3"]


def test_udevd_understands_every_line(told):
    assert "70-edge" not in told["log"]


def test_it_refuses_to_run_where_the_machines_own_dev_is():
    done = subprocess.run(
        ["bash", SCRIPT, RULES], env=outside(), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "refusing" in done.stderr


def test_the_name_sorts_after_what_it_reads_and_before_what_reads_it():
    assert "60-serial.rules" < RULES.name < "77-mm-usb-serial-adapters-greylist.rules"
