import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs.lines import Decoder

LINES = st.lists(st.binary(min_size=1, max_size=20).filter(lambda line: not set(line) & set(b"\r\n")), max_size=8)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@given(lines=LINES, cuts=st.lists(st.integers(0, 400), max_size=9))
def test_lines_come_back_whatever_their_end_and_the_chunks(end, lines, cuts):
    data = b"".join(line + end for line in lines)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoder = Decoder()
    chunks = [data[start:stop] for start, stop in itertools.pairwise(edges)]
    assert [line for chunk in chunks for line in decoder.receive_bytes(chunk)] == lines


def test_a_line_is_given_once_its_end_has_come():
    decoder = Decoder()
    assert decoder.receive_bytes(b"half a li") == []
    assert decoder.receive_bytes(b"ne\r") == [b"half a line"]
    assert decoder.receive_bytes(b"\n") == []


def test_empty_lines_are_not_given():
    assert Decoder().receive_bytes(b"\r\n\r\n\na\n\n") == [b"a"]


def test_a_line_over_the_bound_is_dropped_up_to_its_end_and_counted():
    decoder = Decoder(max_line=4)
    assert decoder.receive_bytes(b"1234\n12345\nab") == [b"1234"]
    assert decoder.receive_bytes(b"cdefgh") == []
    assert decoder.receive_bytes(b"ijkl\nnext\n") == [b"next"]
    assert decoder.oversized == 2


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_noise_never_raises_nor_grows(chunks):
    decoder = Decoder(max_line=8)
    for chunk in chunks:
        assert all(0 < len(line) <= 8 for line in decoder.receive_bytes(chunk))
        assert len(decoder._splitter._tail) <= 8
