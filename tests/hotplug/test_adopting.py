"""What is plugged in and nobody's: listed, listened to, adopted by the command line, and replaced by its spare."""

import json

import pytest

from tests.scenarios.running import frame, make_rows
from transports.simulator.kiss import encode_kiss

pytestmark = pytest.mark.needs("umockdev-wrapper")

TNC4 = {"vendor": "1d50", "product": "6018", "serial": "T4", "maker": "Mobilinkd", "model": "Mobilinkd TNC4"}
TWIN = {"vendor": "1a86", "product": "7523", "maker": "QinHeng", "model": "USB Serial"}


def listed(box):
    done = box.edge("devices", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["by"] == "udev"
    return {port["path"]: port for port in answer["ports"] if port["path"] != "/dev/ttyS0"}


def test_a_tnc_is_found_recognised_adopted_and_heard(box, sockets):
    sockets.plug("ttyACM0", socket=1, **TNC4)
    port = listed(box)["/dev/ttyACM0"]
    assert (port["link"], port["device"], port["title"]) == ("usb://1d50:6018/T4", "", "Mobilinkd Mobilinkd TNC4")
    assert port["fits"][0]["profile"] == "mobilinkd"
    assert "product name 'Mobilinkd TNC4'" in port["fits"][0]["why"]
    shown = box.edge("devices").stdout
    assert "/dev/ttyACM0  Mobilinkd Mobilinkd TNC4: nobody's" in shown
    assert "may be Mobilinkd TNC3, TNC4 (mobilinkd)" in shown

    adopted = box.edge("devices", "adopt", "1d50:6018/T4", "--kind", "aprs", "--name", "vhf", "--callsign", "QQ1VHF")
    assert (adopted.returncode, adopted.stderr) == (0, "")
    assert "vhf is aprs at usb://1d50:6018/T4 now. Transmitting is off" in adopted.stdout
    box.turns("vhf", "up")
    sockets.hear("ttyACM0", ">hello")
    assert listed(box)["/dev/ttyACM0"]["device"] == "vhf"
    refused = box.edge("send", "vhf", "--status", "not allowed")
    assert (refused.returncode, "transmitting is off for vhf" in refused.stderr) == (4, True)

    again = box.edge("devices", "adopt", "/dev/ttyACM0", "--name", "other")
    assert (again.returncode, "/dev/ttyACM0 is device vhf already" in again.stderr) == (1, True)


MISTAKES = [
    (("adopt",), 2, "needs a port"),
    (("adopt", "/dev/ttyUSB9"), 1, "'/dev/ttyUSB9' is not plugged in; there are"),
    (("adopt", "/dev/ttyUSB0", "--kind", "lora"), 1, "unknown kind 'lora'"),
    (("adopt", "/dev/ttyUSB0", "--name", "No Name"), 1, "name: expected 1 to 40 of a-z"),
    (("adopt", "/dev/ttyUSB0", "--profile", "none"), 1, "profile"),
    (("adopt", "usb://1a86:7523"), 1, "is several ports"),
    (("listen", "/dev/ttyUSB0", "--seconds", "0"), 2, "--seconds: expected more than 0"),
    (("burn", "/dev/ttyUSB0"), 2, "invalid choice"),
]


def test_what_cannot_be_done_is_said_with_its_exit_code_and_twins_with_what_tells_them_apart(box, sockets):
    sockets.plug("ttyUSB0", socket=1, **TWIN)
    sockets.plug("ttyUSB1", socket=2, **TWIN)
    for words, code, said in MISTAKES:
        done = box.edge("devices", *words)
        assert (done.returncode, said in done.stderr) == (code, True), (words, done.stderr)
    assert box.status()["devices"] == {}
    ports = listed(box)
    assert ports["/dev/ttyUSB0"]["twins"] == ["/dev/ttyUSB1"]
    assert ports["/dev/ttyUSB0"]["link"] == "usb://1a86:7523?at=pci-0000:00:14.0-usb-0:1:1.0"
    assert "a twin of /dev/ttyUSB1: told apart by where it is plugged" in box.edge("devices").stdout


def test_a_port_is_listened_to_and_sent_nothing(box, sockets):
    sockets.plug("ttyUSB0", serial="A1")
    sockets.feed("ttyUSB0", encode_kiss(frame(">before")))  # a pty keeps it until somebody listens; a port would not
    done = box.edge("devices", "listen", "0403:6001/A1", "--seconds", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["what"] in ("KISS frames", "nothing")
    assert sockets.read("ttyUSB0") == b""
    make_rows(box.data, {"name": "gps", "kind": "serial", "link": "usb://0403:6001/A1"})
    box.turns("gps", "up")
    refused = box.edge("devices", "listen", "/dev/ttyUSB0")
    assert (refused.returncode, "edge tap gps shows what it hears" in refused.stderr) == (1, True)


def test_a_spare_takes_the_place_of_what_is_missing_with_all_its_settings(box, sockets):
    vhf = {"name": "vhf", "kind": "aprs", "link": "usb://0403:6001/A1", "transmit": True, "spare": "same"}
    make_rows(box.data, {**vhf, "options": {"callsign": "QQ1VHF"}})
    sockets.plug("ttyUSB0", serial="A1")
    box.turns("vhf", "up")
    sockets.unplug("ttyUSB0")
    sockets.plug("ttyUSB1", serial="SPARE")
    box.turns("vhf", "up", limit=30)
    assert box.device("vhf")["link"] == "usb://0403:6001/SPARE"
    assert box.edge("send", "vhf", "--status", "by the spare").returncode == 0
    assert b">by the spare" in sockets.read("ttyUSB1")
    assert "usb://0403:6001/SPARE takes the place of usb://0403:6001/A1, which is missing" in box.complained
