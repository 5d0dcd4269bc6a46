"""The cable is pulled in the middle of a frame, and the TNC comes back under another name; or it never was there."""

import pytest

from edge.desired import DeviceWish, RouteWish
from tests.scenarios.running import frame
from transports.simulator.kiss import encode_kiss

CONSUMERS = ("Listener", "PlainListener")


def vhf(house):
    return DeviceWish(name="vhf", kind="aprs", link=f"serial://{house.tnc.link}")


def routes():
    return [RouteWish(device="vhf", consumer=f"tests.faults.consumers.{name}") for name in CONSUMERS]


async def test_a_port_that_dies_in_mid_frame_comes_back_under_another_name(house):
    await house.run(vhf(house), routes=routes())
    await house.until("vhf", "up")
    house.tnc.hear(frame(">before"))
    for name in CONSUMERS:
        await house.wrote("vhf", name, "receive")
    first = house.tnc.device

    half = encode_kiss(frame(">this one is never whole"))
    await house.tnc.unplug_after(half[: len(half) // 2])
    lost = await house.until("vhf", "waiting")
    assert f"{house.tnc.link}" in lost.text
    assert "unplugged?" in lost.text
    assert "trying again in" in lost.text
    for name in CONSUMERS:
        (said,) = await house.wrote("vhf", name, "disconnect")
        assert said.startswith("1006 ")
        assert "the port is gone (unplugged?)" in said
    await house.neighbour_goes_on()

    assert house.tnc.replug() != first
    await house.until("vhf", "up")
    house.tnc.hear(frame(">after"))
    for name in CONSUMERS:
        await house.wrote("vhf", name, "receive", count=2)
        lines = [line.split(" ")[:2] for line in house.diary.lines("vhf", name)]
        told = [["connect"], ["receive", ">before"], ["disconnect", "1006"], ["connect"], ["receive", ">after"]]
        assert lines == told
    await house.neighbour_goes_on()
    assert house.heard["vhf"] == [">before", ">after"]


async def test_a_port_that_is_pulled_again_and_again_gives_each_connection_one_connect_and_one_disconnect(house):
    await house.run(vhf(house), routes=routes())
    for number in range(4):
        await house.until("vhf", "up")
        house.tnc.hear(frame(f">visit {number}"))
        for name in CONSUMERS:
            await house.wrote("vhf", name, "receive", count=number + 1)
        house.tnc.unplug()
        for name in CONSUMERS:
            await house.wrote("vhf", name, "disconnect", count=number + 1)
        await house.until("vhf", "waiting")
        house.tnc.replug()
        house.supervisor.wake("vhf")  # as a hot-plug event does
    await house.until("vhf", "up")
    for name in CONSUMERS:
        await house.wrote("vhf", name, "connect", count=5)  # the link is up a moment before its consumers are told
        whats = [line.split(" ")[0] for line in house.diary.lines("vhf", name)]
        assert whats == ["connect", "receive", "disconnect"] * 4 + ["connect"]
    await house.neighbour_goes_on()


async def test_a_device_that_does_not_exist_waits_for_its_cable_and_says_so(house):
    missing = DeviceWish(name="hf", kind="aprs", link=f"serial://{house.folder}/not-there")
    await house.run(missing, vhf(house), routes=routes())
    said = await house.until("hf", "waiting")
    assert f"{house.folder}/not-there is not there (unplugged?); trying again in" in said.text
    await house.until("vhf", "up")
    house.tnc.hear(frame(">heard all the same"))
    await house.wrote("vhf", "Listener", "receive")
    await house.neighbour_goes_on()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("no port"), "is not a serial port; expected something such as /dev/ttyUSB0"),
        (lambda path: path.mkdir(), "is a folder; expected a serial port such as /dev/ttyUSB0"),
    ],
)
async def test_what_is_no_port_fails_and_says_what_a_person_must_do(house, make, words):
    make(house.folder / "thing")
    await house.run(DeviceWish(name="hf", kind="aprs", link=f"serial://{house.folder}/thing"))
    failed = await house.until("hf", "failed")
    assert f"{house.folder}/thing {words}" in failed.text
    await house.neighbour_goes_on()


async def test_a_port_that_another_device_holds_is_refused_in_words_and_the_first_keeps_it(house):
    await house.run(vhf(house), DeviceWish(name="twin", kind="ax25", link=f"serial://{house.tnc.link}"))
    failed = await house.until("twin", "failed")
    assert f"device 'vhf' uses {house.tnc.link} already; one port serves one device" in failed.text
    await house.until("vhf", "up")
    await house.neighbour_goes_on()


async def test_a_tcp_tnc_that_is_not_there_waits_and_says_what_to_look_at(house):
    await house.run(DeviceWish(name="soft", kind="aprs", link="tcp://127.0.0.1:1"))
    said = await house.until("soft", "waiting")
    assert "127.0.0.1:1 refused the connection; does the program behind it run?" in said.text
    await house.neighbour_goes_on()
