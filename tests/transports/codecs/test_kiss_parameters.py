import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs.kiss import Parameters, Report, encode, parse_ports, read_report


def wire(**values):
    return b"".join(encode(frame) for frame in Parameters(**values).frames()).replace(b"\xc0\xc0", b"\xc0").hex(" ")


def test_nothing_is_said_unless_something_is_set():
    assert Parameters().frames() == ()
    assert Parameters(ports=(0, 1, 2)).frames() == ()


def test_each_parameter_has_its_command_and_the_units_of_the_wire():
    assert wire(txdelay=300) == "c0 01 1e c0"
    assert wire(persistence=63) == "c0 02 3f c0"
    assert wire(slottime=100) == "c0 03 0a c0"
    assert wire(txtail=54) == "c0 04 05 c0"
    assert wire(full_duplex=False) == "c0 05 00 c0"
    assert wire(full_duplex=True) == "c0 05 01 c0"
    assert wire(hardware=(b"\x00", b"\x23")) == "c0 06 00 c0 06 23 c0"
    assert wire(txdelay=2550) == "c0 01 ff c0"
    assert wire(txdelay=0) == "c0 01 00 c0"


def test_they_go_to_each_radio_port_in_the_order_of_the_standard():
    assert wire(slottime=100, txdelay=300, ports=(0, 2)) == "c0 01 1e c0 03 0a c0 21 1e c0 23 0a c0"


@pytest.mark.parametrize(
    "values", [{"txdelay": 2551}, {"slottime": -1}, {"persistence": 256}, {"ports": (16,)}, {"ports": (-1,)}]
)
def test_what_the_wire_cannot_carry_is_refused(values):
    with pytest.raises(ValueError, match="expected 0 to"):
        Parameters(**values)


@pytest.mark.parametrize(
    ("text", "ports"), [("0", (0,)), ("0,2", (0, 2)), ("0-3", (0, 1, 2, 3)), ("1, 0-1", (1, 0)), ("15", (15,))]
)
def test_ports_are_read_as_people_write_them(text, ports):
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["", "16", "3-1", "a", "0-", "-1", "0;1", "0-99", "٣"])
def test_what_are_no_ports_is_told(text):
    with pytest.raises(ValueError, match="radio ports: expected some of 0 to 15"):
        parse_ports(text)


@pytest.mark.parametrize(
    ("data", "report"),
    [
        (b"DIREWOLF 1.6", Report(name="tnc", text="DIREWOLF 1.6")),  # as Direwolf 1.6 says it
        (b"TNC:DIREWOLF 1.7", Report(name="tnc", text="DIREWOLF 1.7")),  # as its documentation says it
        (b"TXBUF:360", Report(name="txbuf", text="360", number=360)),
        (b"TXBUF:many", Report(name="hardware", text="TXBUF:many")),
        (b"\x28v2\xff", Report(name="hardware", text="")),
        (b"", Report(name="hardware", text="")),
        (b"HELLO:1\r\n", Report(name="hardware", text="HELLO:1")),
    ],
)
def test_what_a_program_tnc_answers_is_read(data, report):
    assert read_report(data) == report


@given(st.binary(max_size=300))
def test_no_answer_raises_and_none_is_long(data):
    assert len(read_report(data).text) <= 200
