import pytest

from django_site.devices.models import Device
from django_site.devices.spares import choose

Spare = Device.Spare


def row(name="vhf", link="usb://0403:6001/A1", spare=Spare.SAME, **options):
    return Device(name=name, kind="aprs", link=link, spare=spare, transmit=True, options=options)


def port(link="usb://0403:6001/B2", vendor=0x0403, product=0x6001, device="", problem="", fits=()):
    return {
        "link": link,
        "vendor": vendor,
        "product": product,
        "device": device,
        "problem": problem,
        "fits": [{"profile": name} for name in fits],
    }


def chosen(rows, ports):
    return [(device.name, found["link"]) for device, found in choose(rows, ports)]


def test_a_spare_of_the_same_make_takes_the_place_of_one_that_is_missing():
    assert chosen([row()], [port()]) == [("vhf", "usb://0403:6001/B2")]


def test_a_spare_that_fits_the_profile_does_too():
    fitting = port("usb://1d50:6018/T4", 0x1D50, 0x6018, fits=["mobilinkd"])
    assert chosen([row(spare=Spare.PROFILE, profile="mobilinkd")], [fitting, port()]) == [("vhf", "usb://1d50:6018/T4")]
    assert chosen([row(spare=Spare.PROFILE)], [fitting]) == []


@pytest.mark.parametrize(
    ("rows", "ports"),
    [
        ([row()], [port(device="vhf")]),  # it is there
        ([row()], [port(device="hf")]),  # another's
        ([row()], [port(problem="in use by direwolf (process 7)")]),
        ([row()], [port(), port("usb://0403:6001/C3")]),  # which one?
        ([row(), row("hf", "usb://0403:6001/A2")], [port()]),  # whose?
        ([row(spare=Spare.NEVER)], [port()]),
        ([row()], [port(product=0x6015)]),
        ([row(link="serial:///dev/ttyUSB0")], [port()]),
        ([row()], [port(vendor=None, product=None)]),
    ],
)
def test_where_there_is_a_doubt_nothing_is_taken(rows, ports):
    assert chosen(rows, ports) == []
