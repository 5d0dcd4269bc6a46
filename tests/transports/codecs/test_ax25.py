import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs import ax25, kiss
from transports.codecs.ax25 import Address, Frame, FrameError, Header

TESTS = Path(__file__).parents[2]
VECTORS = json.loads((TESTS / "vectors" / "ax25.json").read_text())
CORPUS = TESTS.parent / "../shared/corpora/rf_1500_direwolf.kiss"

GOOD = bytes.fromhex("96709a9a9e40e0ae8468948c92613ef0")
ADDRESSES = st.builds(
    Address,
    callsign=st.text("ABCXYZ0189", min_size=1, max_size=6),
    ssid=st.integers(0, 15),
    top=st.booleans(),
    reserved=st.integers(0, 3),
)
HEADERS = st.builds(Header, destination=ADDRESSES, source=ADDRESSES, path=st.lists(ADDRESSES, max_size=8).map(tuple))


def decode_or_reason(data: bytes) -> Frame | str:
    try:
        return ax25.decode(data)
    except FrameError as error:
        return str(error)


@st.composite
def frames(draw):
    control = draw(st.integers(0, 255))
    pid = draw(st.integers(0, 255)) if ax25.carries_pid(control) else None
    return Frame(header=draw(HEADERS), control=control, pid=pid, info=draw(st.binary(max_size=40)))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["meaning"])
def test_a_published_frame_is_read_and_written_byte_for_byte(vector):
    data = bytes.fromhex(vector["bytes"])
    frame = ax25.decode(data)
    assert frame.source_text == vector["source"]
    assert frame.destination_text == vector["destination"]
    assert list(frame.path_texts) == vector["path"]
    assert (frame.control, frame.pid, frame.info.hex()) == (vector["control"], vector["pid"], vector["info"])
    assert ax25.encode(frame) == data


@given(frames())
def test_a_frame_comes_back_from_its_bytes(frame):
    assert ax25.decode(ax25.encode(frame)) == frame


@given(
    st.binary(max_size=100)
    | st.builds(lambda head, tail: GOOD[:head] + tail, st.integers(0, 16), st.binary(max_size=80))
)
def test_any_bytes_are_a_frame_byte_for_byte_or_a_frame_error(data):
    read = decode_or_reason(data)
    if isinstance(read, str):
        assert "expected" in read
        assert "came" in read
    else:
        assert ax25.encode(read) == data


def test_an_address_field_that_ends_after_the_destination_is_refused():
    header = ax25.Frame.ui(source="QQ1ABC", destination="APZEDG").header.encoded
    data = header[:6] + bytes((header[6] | 1,)) + header[7:] + b"\x03\xf0hello"
    with pytest.raises(ax25.FrameError, match="expected a source, came its end after the destination"):
        ax25.decode(data)


@given(HEADERS, st.integers(0, 69), st.integers(0, 7))
def test_one_flipped_bit_of_a_header_is_seen_or_kept(header, at, bit):
    data = bytearray(header.encoded + b"\x03\xf0hello")
    data[at % len(header.encoded)] ^= 1 << bit
    read = decode_or_reason(bytes(data))
    assert isinstance(read, str) or ax25.encode(read) == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "end by byte 14"),
        (GOOD[:13], "end by byte 14"),
        (GOOD[:14], "control field: expected at byte 14"),
        (GOOD[:15], "PID: expected at byte 15"),
        (GOOD[:7] * 12, "within 70 bytes"),
        (b"\x97" + GOOD[1:], "shifted left"),
        (b"\xc2" + GOOD[1:], "shifted left"),
        (b"\x40" * 6 + GOOD[6:], "shifted left"),
    ],
)
def test_a_bad_frame_says_what_was_expected_and_where(data, words):
    with pytest.raises(FrameError, match=words):
        ax25.decode(data)


def test_a_ui_frame_is_built_from_text_as_a_command():
    frame = Frame.ui(source="QQ1ABC-7", destination="APZEDG", path=["QQ1DIG*", "WIDE2-1"], info=b">hi")
    assert (frame.source_text, frame.destination_text) == ("QQ1ABC-7", "APZEDG")
    assert frame.path_texts == ("QQ1DIG*", "WIDE2-1")
    assert (frame.control, frame.pid, frame.info) == (0x03, 0xF0, b">hi")
    assert frame.destination.top
    assert not frame.source.top
    # A P Z E D G, SSID 0 with C; Q Q 1 A B C, SSID 7 without; Q Q 1 D I G, repeated; W I D E 2, SSID 1, the last.
    addresses = bytes.fromhex("82a0b48a888ee0 a2a2628284866e a2a26288928ee0 ae92888a644063")
    assert ax25.encode(frame) == addresses + b"\x03\xf0>hi"


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "QQ1ABC*"},
        {"source": "QQ1ABC-16"},
        {"source": "qq1abc"},
        {"source": ""},
        {"destination": "TOOLONG"},
        {"path": ["QQ1DIG"] * 9},
        {"path": ["qAR"]},
        {"info": bytes(257)},
    ],
    ids=str,
)
def test_a_ui_frame_that_cannot_be_sent_is_refused(changed):
    with pytest.raises(FrameError, match="expected"):
        Frame.ui(**{"source": "QQ1ABC", "destination": "APZEDG", **changed})


def test_addresses_given_as_values_keep_their_bits():
    source = Address(callsign="QQ1ABC", ssid=7, top=True, reserved=1)
    assert Frame.ui(source=source, destination="APZEDG").source is source


@given(ADDRESSES)
def test_an_address_comes_back_from_its_text(address):
    read = Address.parse(str(address))
    assert (read.callsign, read.ssid, read.top) == (address.callsign, address.ssid, address.top)


@pytest.mark.parametrize("text", ["QQ1ABC", "QQ1ABC-0", "QQ1ABC-15", "A", "1", "APZEDG-9"])
def test_these_are_callsigns(text):
    assert ax25.is_callsign(text)


@pytest.mark.parametrize(
    "text", ["", "QQ1ABCD", "QQ1ABC-16", "QQ1ABC-", "QQ1ABC-01", "QQ1ABC*", "qq1abc", "QQ1 BC", "Ä1", "A\n", "A-٣"]
)
def test_these_are_no_callsigns(text):
    assert not ax25.is_callsign(text)


@pytest.mark.parametrize(
    "values", [{"callsign": ""}, {"callsign": "A", "ssid": 16}, {"callsign": "A", "reserved": 4}], ids=str
)
def test_an_address_that_the_wire_cannot_carry_is_refused(values):
    with pytest.raises(FrameError, match="expected"):
        Address(**values)


@pytest.mark.parametrize(
    "values",
    [{"control": 0x3F}, {"pid": None}, {"control": 256}, {"pid": 256}],
    ids=str,
)
def test_a_frame_against_its_control_field_is_not_written(values):
    header = Header(destination=Address(callsign="B"), source=Address(callsign="A"))
    with pytest.raises(FrameError, match="expected"):
        ax25.encode(Frame(header=header, **values))


def test_the_caches_of_headers_and_addresses_are_bounded():
    ax25._headers.clear()  # of what other tests decoded
    for number in range(ax25.HEADERS_KEPT + 10):
        source = f"B{number}"
        sent = ax25.encode(Frame.ui(source=source, destination="A", info=b"x"))
        assert ax25.decode(sent).source_text == source
        assert ax25.decode(sent).header is ax25.decode(sent).header
        assert len(ax25._headers) <= ax25.HEADERS_KEPT
    assert len(ax25._headers) == 10  # all were let go of, and it began anew
    assert ax25._decode_address.cache_info().maxsize == ax25.ADDRESSES_KEPT


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of recorded traffic is not beside the checkout")
def test_recorded_traffic_is_read_and_written_byte_for_byte():
    datas = [frame.data for frame in kiss.Decoder().receive_bytes(CORPUS.read_bytes())]
    assert len(datas) == 1500
    assert [ax25.encode(ax25.decode(data)) for data in datas] == datas


# AX.25 v2.2, figures 4.1 to 4.4, by hand: control octet, name, P/F, N(R), N(S).
CONTROLS = [
    (0x00, "I", False, 0, 0),
    (0x3C, "I", True, 1, 6),
    (0xEE, "I", False, 7, 7),
    (0x01, "RR", False, 0, None),
    (0xB1, "RR", True, 5, None),
    (0x45, "RNR", False, 2, None),
    (0x79, "REJ", True, 3, None),
    (0x8D, "SREJ", False, 4, None),
    (0x3F, "SABM", True, None, None),
    (0x6F, "SABME", False, None, None),
    (0x53, "DISC", True, None, None),
    (0x1F, "DM", True, None, None),
    (0x63, "UA", False, None, None),
    (0x97, "FRMR", True, None, None),
    (0x03, "UI", False, None, None),
    (0xBF, "XID", True, None, None),
    (0xE3, "TEST", False, None, None),
]


@pytest.mark.parametrize(("octet", "name", "poll", "nr", "ns"), CONTROLS)
def test_a_control_octet_says_what_the_standard_says_and_comes_back(octet, name, poll, nr, ns):
    control = ax25.CONTROLS[octet]
    assert (control.name, control.poll, control.nr, control.ns) == (name, poll, nr, ns)
    assert control.octet == octet


def test_every_octet_has_a_meaning_and_all_that_are_known_come_back():
    known = [octet for octet in range(256) if ax25.CONTROLS[octet].name != "unknown"]
    assert all(ax25.CONTROLS[octet].octet == octet for octet in known)
    assert len(known) == 128 + 64 + 2 * 9
    with pytest.raises(FrameError, match="expected one of I, RR"):
        _ = ax25.CONTROLS[0xFF].octet


# The C bits by section 6.1.2: destination, source.
@pytest.mark.parametrize(
    ("name", "command", "bits"),
    [
        ("SABM", None, (True, False)),
        ("UA", None, (False, True)),
        ("DM", None, (False, True)),
        ("RR", True, (True, False)),
        ("RR", False, (False, True)),
    ],
)
def test_a_frame_is_built_as_a_command_or_a_response(name, command, bits):
    control = ax25.Control(name=name, nr=1 if name == "RR" else None)
    frame = ax25.decode(ax25.encode(Frame.build(control, source="QQ1ABC", destination="QQ2XYZ", command=command)))
    assert (frame.destination.top, frame.source.top) == bits
    assert frame.header.command is bits[0]


def test_a_frame_from_before_version_2_says_neither():
    both = [Address(callsign="QQ1ABC", top=top) for top in (False, True)]
    assert [Header(destination=address, source=address).command for address in both] == [None, None]
