"""What TNCs do otherwise: checksums, the Kenwood letter, ACKMODE; bytes from SMACK's paper, aprx, and BPQ's source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs.kiss import Checksum, Command, Decoder, KissDialect, KissFrame, encode
from transports.codecs.kiss.checksums import crc16, crc_flexnet
from transports.codecs.kiss.decoder import PLAIN_AGAIN

SUMMED = [Checksum.SMACK, Checksum.XOR, Checksum.TNCX, Checksum.FLEXNET]
DIALECTS = [
    KissDialect(checksum=checksum, escape_c=escape_c)
    for checksum in (Checksum.NONE, *SUMMED)
    for escape_c in (False, True)
]
FRAMES = st.lists(st.builds(KissFrame, port=st.integers(0, 1), data=st.binary(min_size=1, max_size=60)), max_size=6)


def decode(data, checksum, **more):
    return Decoder(KissDialect(checksum=checksum, **more)).receive_bytes(data)


def test_crcs_give_the_check_values_of_their_catalogue():
    assert crc16(b"123456789") == 0xBB3D  # CRC-16/ARC
    assert crc16(b"") == 0


def test_a_smack_probe_of_aprx_is_read_and_written():
    probe = bytes.fromhex("c0800061dbdcc0")  # captured from aprx 2.9.1; the CRC is 61 C0
    assert decode(probe, Checksum.SMACK) == [KissFrame(data=b"\0")]
    assert encode(KissFrame(data=b"\0"), KissDialect(checksum=Checksum.SMACK)) == probe


def test_xor_is_one_byte_over_type_and_data():
    data = b"\xc0\x10\x01\x02\x04\x17\xc0"
    assert encode(KissFrame(port=1, data=b"\x01\x02\x04"), KissDialect(checksum=Checksum.XOR)) == data
    assert decode(data, Checksum.XOR) == [KissFrame(port=1, data=b"\x01\x02\x04")]


def test_a_sum_of_fend_is_escaped_but_by_a_tncx_which_sends_another():
    frame = KissFrame(data=b"\xc1\x01")
    assert encode(frame, KissDialect(checksum=Checksum.XOR)) == b"\xc0\x00\xc1\x01\xdb\xdc\xc0"
    assert encode(frame, KissDialect(checksum=Checksum.TNCX)) == b"\xc0\x00\xc1\x01\xc1\xc0"
    for data in (b"\xc0\x00\xc1\x01\xc1\xc0", b"\xc0\x00\xc1\x01\xdb\xdc\xc0"):
        assert decode(data, Checksum.TNCX) == [frame]
    assert decode(b"\xc0\x00\xc1\x01\xc1\xc0", Checksum.XOR) == []
    assert decode(b"\xc0\x00\x01\x02\x02\xc0", Checksum.TNCX) == []  # off by one, and not for that reason


def test_flexnet_marks_its_frames_and_leaves_a_residue_of_its_own():
    sent = encode(KissFrame(data=b"hello"), KissDialect(checksum=Checksum.FLEXNET))
    assert sent[1] == 0x20
    assert crc_flexnet(sent[1:-1]) == 0x7070
    assert decode(sent, Checksum.FLEXNET) == [KissFrame(data=b"hello")]


@given(FRAMES, st.sampled_from(DIALECTS), st.integers(1, 9))
def test_frames_come_back_in_every_dialect_whatever_the_chunks(frames, dialect, size):
    stream = b"".join(encode(frame, dialect) for frame in frames)
    decoder = Decoder(dialect)
    found = [f for at in range(0, len(stream), size) for f in decoder.receive_bytes(stream[at : at + size])]
    assert found == frames
    assert (decoder.bad_sums, decoder.malformed, decoder.noise) == (0, 0, 0)


@given(st.binary(min_size=1, max_size=40), st.sampled_from(SUMMED), st.integers(0, 300), st.integers(1, 255))
def test_a_byte_that_was_changed_on_the_cable_is_found(data, checksum, at, change):
    body = bytearray(encode(KissFrame(data=data), KissDialect(checksum=checksum))[1:-1])
    body = body.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
    at = 1 + at % (len(body) - 1)  # not the mark itself: without it, a frame is a plain one
    body[at] ^= change
    if checksum is Checksum.TNCX and change == 1 and body[-1] == 0xC1:
        return  # what the quirk costs
    stuffed = bytes(body).replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    decoder = Decoder(KissDialect(checksum=checksum))
    assert decoder.receive_bytes(b"\xc0" + stuffed + b"\xc0") == []
    assert decoder.bad_sums == 1


@given(
    st.lists(
        st.lists(st.sampled_from([b"\xc0", b"\xdb", b"C", b"\x80", b"\x20", b"\x00", b"ab"]), max_size=30).map(b"".join)
    ),
    st.sampled_from(Checksum),
)
def test_noise_raises_in_no_dialect_nor_grows(chunks, checksum):
    decoder = Decoder(KissDialect(checksum=checksum, escape_c=True), max_frame=16)
    for chunk in chunks:
        for body in decoder.receive_bodies(chunk):
            assert 0 < len(body) <= 16
        assert len(decoder._tail) <= 32


def test_plain_frames_are_taken_where_sums_are_marked():
    for checksum in (Checksum.SMACK, Checksum.FLEXNET, Checksum.AUTO):
        assert decode(b"\xc0\x00hello\xc0", checksum) == [KissFrame(data=b"hello")]


def test_parameters_and_other_commands_have_no_sum():
    frame = KissFrame(command=Command.TXDELAY, data=b"\x1e")
    for checksum in SUMMED:
        sent = encode(frame, KissDialect(checksum=checksum))
        assert sent == b"\xc0\x01\x1e\xc0"
        assert decode(sent, checksum) == [frame]
        assert encode(KissFrame(command=Command.RETURN), KissDialect(checksum=checksum)) == b"\xc0\xff\xc0"


def test_auto_answers_smack_in_kind_and_goes_on_with_it():
    auto = KissDialect(checksum=Checksum.AUTO)
    decoder = Decoder(auto)
    assert decoder.checksum is Checksum.NONE
    smack = encode(KissFrame(data=b"a"), KissDialect(checksum=Checksum.SMACK))
    decoder.receive_bytes(smack)
    assert decoder.checksum is Checksum.SMACK
    assert encode(KissFrame(data=b"a"), auto, decoder.checksum) == smack
    decoder.receive_bytes(b"\xc0\x06TNC:me\xc0")  # a command says nothing of sums
    assert decoder.checksum is Checksum.SMACK
    decoder.receive_bytes(smack[:-2] + bytes((smack[-2] ^ 1,)) + b"\xc0")
    assert (decoder.checksum, decoder.bad_sums) == (Checksum.SMACK, 1)
    assert decoder.receive_bytes(b"\xc0\x00a\xc0") == [KissFrame(data=b"a")]  # the peer waits for ours, or was reset
    assert decoder.checksum is Checksum.SMACK


def test_auto_falls_back_after_many_plain_frames_in_a_row():
    auto = KissDialect(checksum=Checksum.AUTO)
    decoder = Decoder(auto)
    smack = encode(KissFrame(data=b"a"), KissDialect(checksum=Checksum.SMACK))
    decoder.receive_bytes(smack + b"\xc0\x00a\xc0" * (PLAIN_AGAIN - 1) + smack + b"\xc0\x00a\xc0" * (PLAIN_AGAIN - 1))
    assert decoder.checksum is Checksum.SMACK
    decoder.receive_bytes(b"\xc0\x00a\xc0")
    assert decoder.checksum is Checksum.NONE
    decoder.receive_bytes(smack)
    assert decoder.checksum is Checksum.SMACK


def test_auto_knows_flexnet_from_a_plain_frame_of_port_two():
    decoder = Decoder(KissDialect(checksum=Checksum.AUTO))
    assert decoder.receive_bytes(b"\xc0\x20hello\xc0") == [KissFrame(port=2, data=b"hello")]
    assert decoder.checksum is Checksum.NONE
    sent = encode(KissFrame(data=b"hello"), KissDialect(checksum=Checksum.FLEXNET))
    assert decoder.receive_bytes(sent) == [KissFrame(data=b"hello")]
    assert decoder.checksum is Checksum.FLEXNET
    decoder.receive_bytes(b"\xc0\x20hello\xc0")
    assert decoder.bad_sums == 1


def test_without_a_sum_a_marked_frame_is_one_of_a_high_port():
    assert decode(b"\xc0\x80hello\xc0", Checksum.NONE) == [KissFrame(port=8, data=b"hello")]


@pytest.mark.parametrize(("checksum", "port"), [(Checksum.SMACK, 8), (Checksum.FLEXNET, 2)])
def test_a_port_beside_which_the_mark_has_no_room_is_refused(checksum, port):
    with pytest.raises(ValueError, match=f"KISS port with {checksum.value}"):
        encode(KissFrame(port=port), KissDialect(checksum=checksum))


def test_the_letter_c_is_escaped_for_a_kenwood():
    kenwood = KissDialect(escape_c=True)
    assert encode(KissFrame(data=b"TC 0\r"), kenwood) == b"\xc0\x00T\xdbC 0\r\xc0"
    assert Decoder(kenwood).receive_bytes(b"\xc0\x00T\xdbC 0\r\xc0\xc0\x00TC\xc0") == [
        KissFrame(data=b"TC 0\r"),
        KissFrame(data=b"TC"),
    ]
    plain = Decoder()
    assert plain.receive_bytes(b"\xc0\x00T\xdbC 0\r\xc0") == []
    assert plain.malformed == 1


def test_an_id_of_ackmode_is_summed_by_a_tncx_only():
    frame = KissFrame(command=Command.ACKMODE, data=b"\x01\x02" + b"\x10")
    assert encode(frame) == b"\xc0\x0c\x01\x02\x10\xc0"
    assert encode(frame, KissDialect(checksum=Checksum.XOR)) == b"\xc0\x0c\x01\x02\x10\x1c\xc0"
    assert encode(frame, KissDialect(checksum=Checksum.TNCX)) == b"\xc0\x0c\x01\x02\x10\x1f\xc0"
    assert encode(frame, KissDialect(checksum=Checksum.SMACK)) == b"\xc0\x0c\x01\x02\x10\xc0"
