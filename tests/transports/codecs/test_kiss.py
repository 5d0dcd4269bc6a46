import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs import kiss
from transports.codecs.kiss import Command, Decoder, KissFrame

TESTS = Path(__file__).parents[2]
VECTORS = json.loads((TESTS / "vectors" / "kiss.json").read_text())
CORPUS = TESTS.parent / "../shared/corpora/rf_1500_direwolf.kiss"

FRAMES = st.builds(
    KissFrame,
    port=st.integers(0, 15),
    command=st.sampled_from([*Command, 7, 8, 14]).filter(lambda command: command is not Command.RETURN),
    data=st.binary(max_size=60),
)


def in_chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def decode_in_chunks(decoder: Decoder, chunks: list[bytes]) -> list[KissFrame]:
    return [frame for chunk in chunks for frame in decoder.receive_bytes(chunk)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["meaning"])
@pytest.mark.parametrize("size", [1, 2, 10_000])
def test_a_published_frame_is_read_whatever_the_chunks(vector, size):
    data = bytes.fromhex(vector["bytes"]) + b"\x00the head of a next one"
    frames = decode_in_chunks(Decoder(), [data[at : at + size] for at in range(0, len(data), size)])
    assert [[frame.port, frame.command, frame.data.hex()] for frame in frames] == vector["frames"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["meaning"])
def test_a_published_frame_is_written_as_it_was(vector):
    [frame] = Decoder().receive_bytes(bytes.fromhex(vector["bytes"]))
    assert kiss.encode(frame).strip(b"\xc0") == bytes.fromhex(vector["bytes"]).strip(b"\xc0")


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 2000), max_size=12))
def test_frames_come_back_whatever_the_chunks(frames, cuts):
    stream = b"".join(map(kiss.encode, frames))
    decoder = Decoder()
    assert decode_in_chunks(decoder, in_chunks(stream, cuts)) == frames
    assert (decoder.noise, decoder.oversized, decoder.malformed) == (0, 0, 0)


@given(st.lists(st.lists(st.sampled_from([b"\xc0", b"\xdb", b"\xdc", b"\xdd", b"abc"]), max_size=40).map(b"".join)))
def test_noise_never_raises_nor_grows(chunks):
    decoder = Decoder(max_frame=16)
    for chunk in chunks:
        for frame in decoder.receive_bytes(chunk):
            assert len(frame.data) < 16
        assert len(decoder._tail) <= 32


@given(
    st.lists(st.sampled_from(b"\xc0\xdb\xdc\xddab"), max_size=80).map(bytes), st.lists(st.integers(0, 80), max_size=9)
)
def test_noise_gives_the_same_frames_and_counts_in_any_chunks(data, cuts):
    whole, parts = Decoder(max_frame=8), Decoder(max_frame=8)
    assert decode_in_chunks(parts, in_chunks(data, cuts)) == whole.receive_bytes(data)
    assert parts.noise == whole.noise
    assert parts.malformed == whole.malformed


def test_each_short_read_gives_the_same_frames_wherever_it_is_cut():
    start = b"\xc0\x00heard before\xc0"  # a decoder at rest takes a whole frame by a shorter way
    for length in range(1, 7):
        for octets in itertools.product(b"\xc0\xdb\xdca", repeat=length):
            data, expected = bytes(octets), Decoder(max_frame=3)
            frames = expected.receive_bytes(start + bytes(octets) + b"\xc0")
            for cut in range(length):
                decoder = Decoder(max_frame=3)
                assert decode_in_chunks(decoder, [start, data[:cut], data[cut:], b"\xc0"]) == frames, (data, cut)
                assert (decoder.oversized, decoder.malformed) == (expected.oversized, expected.malformed)


def test_leaving_kiss_is_ff_on_the_wire_whatever_the_port():
    assert kiss.encode(KissFrame(command=Command.RETURN)) == b"\xc0\xff\xc0"
    assert kiss.encode(KissFrame(port=3, command=Command.RETURN)) == b"\xc0\xff\xc0"


def test_a_plain_fifteen_goes_with_its_port_for_tncs_that_reset_on_it():
    assert kiss.encode(KissFrame(port=1, command=15, data=b"\x02")) == b"\xc0\x1f\x02\xc0"


def test_the_last_words_of_a_line_are_as_their_makers_have_them():
    assert kiss.encode(KissFrame(command=Command.RETURN)) == kiss.LEAVE
    assert kiss.encode(KissFrame(command=15, data=b"\x02")) == kiss.TNC_PI_RESET


def test_a_body_is_the_type_byte_and_the_data_of_a_frame():
    stream = b"\xc0\x20ab\xdb\xdc\xc0\xc0\xc6TNC:\xc0"
    bodies = Decoder().receive_bodies(stream)
    assert bodies == [b"\x20ab\xc0", b"\xc6TNC:"]
    assert [KissFrame.of(body) for body in bodies] == Decoder().receive_bytes(stream)


def test_bytes_before_the_first_fend_are_counted_as_noise():
    decoder = Decoder()
    assert decoder.receive_bytes(b"the end of a fra") == []
    assert decoder.receive_bytes(b"me\xc0\x00whole\xc0") == [KissFrame(data=b"whole")]
    assert decoder.noise == 18


def test_a_bad_escape_drops_its_frame_only_and_is_counted():
    decoder = Decoder()
    frames = decoder.receive_bytes(b"\xc0\x00a\xdbb\xc0\x00good\xc0\x00\xdb\xc0\x00\xdb\xdb\xdc\xc0")
    assert frames == [KissFrame(data=b"good")]
    assert decoder.malformed == 3


def test_a_frame_of_just_the_bound_is_given_and_one_more_byte_is_not():
    decoder = Decoder(max_frame=8)
    frames = decoder.receive_bytes(b"\xc0\x001234567\xc0\x0012345678\xc0\x00" + b"\xdb\xdc" * 7 + b"\xc0")
    assert frames == [KissFrame(data=b"1234567"), KissFrame(data=b"\xc0" * 7)]
    assert decoder.oversized == 1


def test_an_endless_frame_is_counted_once_and_the_next_one_is_read():
    decoder = Decoder(max_frame=8)
    assert decode_in_chunks(decoder, [b"\xc0"] + [b"x"] * 1000) == []
    assert len(decoder._tail) <= 16
    assert decoder.receive_bytes(b"\xc0\x00next\xc0") == [KissFrame(data=b"next")]
    assert decoder.oversized == 1


@pytest.mark.parametrize(("port", "command"), [(16, 0), (-1, 0), (0, 16), (0, -1)])
def test_what_fits_no_nibble_is_refused(port, command):
    with pytest.raises(ValueError, match="expected 0 to 15"):
        kiss.encode(KissFrame(port=port, command=command))


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of recorded traffic is not beside the checkout")
def test_recorded_traffic_gives_the_same_frames_in_any_chunks():
    data = CORPUS.read_bytes()
    frames = Decoder().receive_bytes(data)
    assert len(frames) == 1500
    assert decode_in_chunks(Decoder(), [data[at : at + 1] for at in range(len(data))]) == frames
    dice = random.Random(1500)
    assert decode_in_chunks(Decoder(), in_chunks(data, [dice.randrange(len(data)) for _ in range(3000)])) == frames
