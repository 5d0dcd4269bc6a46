import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.desired import link_problem, same_port
from edge.errors import ConfigError
from edge.registry import kind, mask
from edge.usb import UsbLink

NUMBER = st.integers(0, 0xFFFF)
SMALL = st.none() | st.integers(0, 999)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("usb://0403:6001/A50285BI", UsbLink(vendor=0x0403, product=0x6001, serial="A50285BI")),
        ("usb://10c4:ea60", UsbLink(vendor=0x10C4, product=0xEA60)),
        ("usb://0403:6010/FT1?interface=1", UsbLink(vendor=0x0403, product=0x6010, serial="FT1", interface=1)),
        (
            "usb://1a86:7523?at=pci-0000:00:14.0-usb-0:2:1.0&port=3",
            UsbLink(vendor=0x1A86, product=0x7523, at="pci-0000:00:14.0-usb-0:2:1.0", port=3),
        ),
    ],
)
def test_a_link_says_who_the_port_is(link, wanted):
    assert UsbLink.parse(link) == wanted
    assert str(wanted) == link
    assert link_problem(kind("aprs"), link) == ""


@given(vendor=NUMBER, product=NUMBER, serial=WORDS, at=WORDS, interface=SMALL, port=SMALL)
def test_any_name_can_be_written_down_and_is_never_taken_for_a_password(**fields):
    link = UsbLink(**fields)
    assert UsbLink.parse(str(link)) == link
    assert mask(str(link)) == str(link)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("usb://", "with vendor and product as lsusb prints them"),
        ("usb:///dev/ttyUSB0", "expected a link such as usb://0403:6001/A50285BI"),
        ("usb://403:6001/A", "as lsusb prints them"),
        ("usb://0403:6001/A?as=x", "expected at, interface, port behind the ?; got 'as'"),
        ("usb://0403:6001/A?interface=one", "expected a number of up to three digits"),
        ("usb://0403:6001/" + "A" * 201, "a shorter name"),
        ("serial:///dev/ttyUSB0", "expected a link such as"),
    ],
)
def test_what_is_no_such_link_is_said(link, words):
    with pytest.raises(ConfigError, match=r".") as caught:
        UsbLink.parse(link)
    assert words in str(caught.value)
    if link.startswith("usb:"):
        assert link_problem(kind("aprs"), link) == str(caught.value)


def test_two_ways_to_write_one_link_are_one_port():
    assert same_port("usb://10C4:EA60/1", "usb://10c4:ea60/1")
    assert not same_port("usb://10c4:ea60/1", "usb://10c4:ea60/2")
    assert not same_port("usb://10c4:ea60/1", "usb://nonsense")
