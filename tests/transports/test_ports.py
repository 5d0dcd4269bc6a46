from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError, LinkLost
from edge.usb import UsbLink
from transports.ports import Port, changes, find, fits, link_of, names, twins

FTDI = Port(path="/dev/ttyUSB0", vendor=0x0403, product=0x6001, serial="A1", at="usb-1:1.0", plugged="1")
CLONE = Port(path="/dev/ttyUSB1", vendor=0x1A86, product=0x7523, at="usb-2:1.0", plugged="2")
TWIN = replace(CLONE, path="/dev/ttyUSB2", at="usb-3:1.0", plugged="3")
SECOND = replace(FTDI, path="/dev/ttyUSB4", interface=1, at="usb-1:1.1", plugged="1b")
OLD = Port(path="/dev/ttyAMA0", plugged="0")


def test_a_port_is_named_by_its_serial_number_wherever_it_is_plugged():
    assert link_of(FTDI, [FTDI, CLONE]) == "usb://0403:6001/A1"
    assert (
        find("usb://0403:6001/A1", [CLONE, replace(FTDI, path="/dev/ttyUSB7", at="elsewhere")]).path == "/dev/ttyUSB7"
    )


def test_one_without_a_serial_number_is_named_by_its_socket():
    assert link_of(CLONE, [FTDI, CLONE]) == "usb://1a86:7523?at=usb-2:1.0"


def test_twins_with_an_equal_serial_number_are_named_by_both_and_found_by_the_socket():
    one, other = replace(CLONE, serial="0001"), replace(TWIN, serial="0001")
    assert twins(one, [one, other, FTDI]) == [other]
    links = [link_of(port, [one, other]) for port in (one, other)]
    assert links == ["usb://1a86:7523/0001?at=usb-2:1.0", "usb://1a86:7523/0001?at=usb-3:1.0"]
    assert [find(link, [one, other]) for link in links] == [one, other]


def test_a_link_that_could_be_either_twin_takes_none_and_says_how_to_choose():
    with pytest.raises(LinkLost) as caught:
        find("usb://1a86:7523", [CLONE, TWIN])
    assert "could be /dev/ttyUSB1 at usb-2:1.0, /dev/ttyUSB2 at usb-3:1.0" in str(caught.value)
    assert "as usb://1a86:7523?at=usb-2:1.0" in str(caught.value)


def test_a_port_that_another_device_names_more_exactly_is_left_to_that_one():
    exact = "usb://1a86:7523?at=usb-2:1.0"
    assert find("usb://1a86:7523", [CLONE, TWIN], [exact, "serial:///dev/ttyS0", "usb://nonsense"]) == TWIN
    assert find(exact, [CLONE, TWIN], [exact, "usb://1a86:7523"]) == CLONE
    with pytest.raises(LinkLost, match=r"could only be /dev/ttyUSB1 at usb-2:1\.0, which another device"):
        find("usb://1a86:7523", [CLONE], [exact])


def test_a_link_as_exact_as_another_gives_nothing_up():
    assert find("usb://1a86:7523", [CLONE], ["usb://1a86:7523"]) == CLONE
    serial = "usb://0403:6001/A1"
    assert find(serial, [FTDI], ["usb://0403:6001?at=usb-1:1.0", serial]) == FTDI


def test_each_port_of_an_adapter_that_has_several_is_its_own():
    assert [link_of(port, [FTDI, SECOND]) for port in (FTDI, SECOND)] == [
        "usb://0403:6001/A1",
        "usb://0403:6001/A1?interface=1",
    ]
    assert find("usb://0403:6001/A1", [SECOND, FTDI]) == FTDI
    assert find("usb://0403:6001/A1?interface=1", [SECOND, FTDI]) == SECOND


def test_another_adapter_in_the_same_socket_is_not_the_device():
    with pytest.raises(LinkLost, match="unplugged"):
        find("usb://1a86:7523?at=usb-1:1.0", [FTDI])


def test_a_port_that_is_no_usb_is_named_by_its_node_and_has_no_twin():
    assert (link_of(OLD, [OLD]), twins(OLD, [OLD, replace(OLD, path="/dev/ttyAMA1")])) == ("serial:///dev/ttyAMA0", [])
    assert names("serial:///dev/ttyAMA0", OLD)


def test_a_link_of_another_scheme_or_none_names_nothing():
    assert not any(names(link, FTDI) for link in ("tcp://h:1", "", "usb://x", "usb://[", "serial:///dev/ttyUSB1"))
    with pytest.raises(ConfigError):
        find("usb://nonsense", [FTDI])


def test_what_went_and_came_back_between_two_looks_is_told_as_both():
    again = replace(FTDI, plugged="9")
    assert changes([FTDI, CLONE], [again, CLONE]) == ([FTDI], [again])
    assert changes([FTDI], [FTDI]) == ([], [])


MOVES = st.lists(st.tuples(st.sampled_from(["plug", "unplug", "look"]), st.integers(0, 3), st.integers(0, 2)))


@given(MOVES)
def test_however_events_and_looks_fall_no_stale_port_is_kept_and_no_live_one_is_lost(moves):
    """A world of four adapters and three node numbers; what follows it by `changes` alone ends where the world is."""
    there, seen, told, count = {}, (), {}, 0
    for what, adapter, node in [*moves, ("look", 0, 0)]:
        path = f"/dev/ttyUSB{node}"
        if what == "plug" and path not in there and adapter not in [port.number for port in there.values()]:
            count += 1
            there[path] = Port(path=path, vendor=1, product=1, number=adapter, plugged=str(count))
        elif what == "unplug":
            there.pop(path, None)
        elif what == "look":
            gone, come = changes(seen, there.values())
            seen = tuple(there.values())
            for port in gone:
                assert told.pop(port.path) == port, "what went had come"
            for port in come:
                assert port.path not in told, "whoever had the node was told gone first"
                told[port.path] = port
    assert told == there


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["", "1", "2"]), st.integers(0, 1)), max_size=6))
def test_the_link_of_a_port_finds_that_port_and_no_other(made):
    ports = [
        Port(path=f"/dev/ttyUSB{at}", vendor=1, product=product, serial=serial, interface=interface, at=f"usb-{at}")
        for at, (product, serial, interface) in enumerate(made)
    ]
    for port in ports:
        link = link_of(port, ports)
        assert find(link, ports) == port
        assert [other for other in ports if fits(UsbLink.parse(link), other)] == [port]
