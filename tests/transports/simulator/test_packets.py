import pytest

from transports.simulator.packets import Packet, decode_packet, describe, digipeat, encode_packet

# By hand after AX.25 2.2, 3.12: each letter shifted left by one, SSID bytes 011SSSS0, command bit on the destination,
# has-been-repeated bit on the first digipeater, extension bit on the last address.
FRAME = bytes.fromhex(
    "82a0b4a692 9ae0"  # APZSIM, command
    "a2a262868264 72"  # QQ1CA2-9
    "a2a262888e92 e6"  # QQ1DGI-3, repeated
    "ae92888a6440 63"  # WIDE2-1, last
    "03f0"
    "3e6869"  # >hi
)
PACKET = Packet(source="QQ1CA2-9", destination="APZSIM", path=("QQ1DGI-3*", "WIDE2-1"), info=b">hi")


def test_a_frame_made_by_hand_is_encoded_and_decoded():
    assert encode_packet(PACKET) == FRAME
    assert decode_packet(FRAME) == PACKET
    assert str(PACKET) == describe(FRAME) == "QQ1CA2-9>APZSIM,QQ1DGI-3*,WIDE2-1:>hi"


def test_the_star_stands_on_the_last_used_hop_only():
    packet = Packet(source="QQ1A", destination="QQ1B", path=("QQ1C*", "QQ1D*", "WIDE2-1"), info=b"")
    assert str(packet) == "QQ1A>QQ1B,QQ1C,QQ1D*,WIDE2-1:"


@pytest.mark.parametrize("size", range(len(FRAME) - 3))
def test_a_cut_frame_is_no_packet(size):
    assert decode_packet(FRAME[:size]) is None


def test_a_connected_mode_frame_is_shown_as_hex():
    sabm = FRAME[:28] + b"\x3f"
    assert decode_packet(sabm) is None
    assert describe(sabm) == sabm.hex(" ")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("WIDE1-1", "WIDE2-1"), ("QQ1DGI-3*", "WIDE2-1")),
        (("WIDE2-2",), ("QQ1DGI-3*", "WIDE2-1")),
        (("QQ1AAA*", "WIDE2-1"), ("QQ1AAA*", "QQ1DGI-3*")),
        (("QQ1AAA*",), None),
        (("QQ1AAA",), None),
        (("WIDE2",), None),
        ((), None),
    ],
)
def test_a_digipeater_uses_up_one_hop(before, after):
    copy = digipeat(Packet(source="QQ1A", destination="QQ1B", path=before, info=b"x"), "QQ1DGI-3")
    assert (copy and copy.path) == after
