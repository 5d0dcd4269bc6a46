"""The whole path from a plug to a packet: a real ``edge serve`` at sockets of umockdev, a pty behind each port."""

import re

import pytest

from tests.hotplug.conftest import HotBox
from tests.scenarios.running import frame, make_rows, until
from transports.simulator.kiss import encode_kiss

pytestmark = pytest.mark.needs("umockdev-wrapper")

VHF = {
    "name": "vhf",
    "kind": "aprs",
    "link": "usb://0403:6001/A1",
    "transmit": True,
    "options": {"callsign": "QQ1VHF"},
}


def heard(box, count, name="vhf"):
    until(lambda: box.device(name)["heard"] == count, lambda: f"{count} heard; {box.device(name)}")


def waits(device):
    found = re.search(r"trying again in (\d+) s", device["text"])
    return int(found[1]) if found else 0


def test_an_adapter_that_is_pulled_in_mid_frame_and_comes_back_under_another_number_is_the_same_device(box, sockets):
    make_rows(box.data, VHF)
    assert "usb://0403:6001/A1 is not there (unplugged?); trying again in" in box.turns("vhf", "waiting")["text"]
    sockets.plug("ttyUSB0", serial="A1")
    box.turns("vhf", "up")
    sockets.hear("ttyUSB0", ">before")
    heard(box, 1)

    half = encode_kiss(frame(">never whole"))
    sockets.feed("ttyUSB0", half[: len(half) // 2])
    sockets.unplug("ttyUSB0")
    box.turns("vhf", "waiting", "(unplugged?)")
    sockets.plug("ttyUSB1", serial="B2", socket=1)  # another adapter is where it was
    sockets.plug("ttyUSB3", serial="A1", socket=3)
    box.turns("vhf", "up")
    sockets.hear("ttyUSB1", ">of the other one")
    sockets.hear("ttyUSB3", ">after")
    heard(box, 2)
    assert sockets.read("ttyUSB1") == b""
    assert box.edge("send", "vhf", "--status", "on again").returncode == 0
    assert until(lambda: sockets.read("ttyUSB3"), "the frame").count(b">on again") == 1


def test_a_plug_is_not_left_to_the_next_try(box, sockets):
    make_rows(box.data, VHF)
    until(lambda: waits(box.device("vhf")) >= 6, lambda: box.device("vhf"), limit=30)
    sockets.plug("ttyACM0", serial="A1")
    box.turns("vhf", "up", limit=4)


def test_a_port_that_goes_without_a_word_is_noticed_while_it_is_idle_and_never_written_to(box, sockets):
    make_rows(box.data, VHF)
    sockets.plug("ttyUSB0", serial="A1")
    box.turns("vhf", "up")
    sockets.unplug("ttyUSB0", silent=True)  # the driver does not hang up
    box.turns("vhf", "waiting", "(unplugged?)")
    refused = box.edge("send", "vhf", "--status", "into the void")
    assert (refused.returncode, "vhf is not up" in refused.stderr) == (1, True)


def test_twins_are_told_apart_by_where_they_are_plugged(box, sockets):
    twin = {"vendor": "1a86", "product": "7523", "maker": "QinHeng", "model": "USB Serial"}
    sockets.plug("ttyUSB0", socket=1, **twin)
    sockets.plug("ttyUSB1", socket=2, **twin)
    link = "usb://1a86:7523?at=pci-0000:00:14.0-usb-0:{}:1.0"
    make_rows(box.data, {"name": "either", "kind": "aprs", "link": "usb://1a86:7523"})
    assert "say in the link which one, as " + link.format(1) in box.turns("either", "waiting")["text"]
    make_rows(
        box.data,
        {"name": "left", "kind": "aprs", "link": link.format(1)},
        {"name": "right", "kind": "aprs", "link": link.format(2)},
    )
    box.turns("left", "up")
    box.turns("right", "up")
    box.turns("either", "waiting", "which another device of this box names more exactly")
    sockets.hear("ttyUSB1", ">right")
    heard(box, 1, "right")
    sockets.unplug("ttyUSB0")
    sockets.unplug("ttyUSB1")
    sockets.plug("ttyUSB2", socket=2, **twin)  # in another order
    sockets.plug("ttyUSB3", socket=1, **twin)
    box.turns("left", "up")
    box.turns("right", "up")
    sockets.hear("ttyUSB2", ">right again")
    heard(box, 2, "right")
    assert box.device("left")["heard"] == 0
    assert box.device("either")["state"] == "waiting"
    sockets.plug("ttyUSB4", socket=3, **twin)  # nobody else's
    box.turns("either", "up")


def test_a_box_without_udev_looks_by_itself_and_says_so(folder, sockets):
    with HotBox(folder / "data", sockets, way="kernel") as box:
        assert box.status()["box"]["ports"] == "looked at every 1 s, for udev does not run here (a container?)"
        assert "serial ports are looked at every 1 s" in box.edge("status").stdout
        make_rows(box.data, VHF)
        sockets.plug("ttyUSB0", serial="A1")
        box.turns("vhf", "up")
        sockets.unplug("ttyUSB0", silent=True)
        box.turns("vhf", "waiting", "(unplugged?)")
        sockets.plug("ttyUSB5", serial="A1", socket=4)
        box.turns("vhf", "up")


def test_a_box_with_udev_says_so(box):
    assert box.status()["box"]["ports"] == "watched by udev's events"


def test_what_was_kept_for_a_device_that_is_pulled_out_goes_when_it_is_back_or_expires(box, sockets):
    make_rows(box.data, VHF)
    box.turns("vhf", "waiting", "is not there")
    kept = [("kept", 3600), ("too late", 0.1)]
    for text, seconds in kept:
        done = box.edge("send", "vhf", "--to", "QQ1MIA", text, "--durable", "--expires", seconds)
        assert done.returncode == 0, done.stderr
    sockets.plug("ttyUSB0", serial="A1")
    box.turns("vhf", "up")
    on_the_air = bytearray()
    until(lambda: on_the_air.extend(sockets.read("ttyUSB0")) or b":kept{" in on_the_air, "the message that was kept")
    assert b"too late" not in on_the_air


def test_after_a_burst_of_plugs_the_box_is_where_the_last_one_left_it(box, sockets):
    make_rows(box.data, VHF)
    for number in range(6):  # so quick that what was gone in between may never be seen
        sockets.plug(f"ttyUSB{number}", serial="A1", socket=number + 1)
        if number < 5:
            sockets.unplug(f"ttyUSB{number}")
    box.turns("vhf", "up")
    sockets.hear("ttyUSB5", ">still the same")
    heard(box, 1)
    sockets.unplug("ttyUSB5")
    box.turns("vhf", "waiting", "(unplugged?)")


def test_a_line_at_the_wrong_speed_is_said_to_be_noise(box, sockets):
    sockets.plug("ttyUSB0", serial="A1")
    make_rows(box.data, VHF)
    box.turns("vhf", "up")
    sockets.feed("ttyUSB0", bytes(range(1, 190)))
    box.turns("vhf", "up", "only noise is heard")
    sockets.hear("ttyUSB0", ">right again")
    heard(box, 1)
    assert box.device("vhf")["text"] == "up"
