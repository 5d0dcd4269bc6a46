import pytest

from transports.codecs.delimited import Splitter


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pieces_between_delimiters_are_given_whatever_the_chunks(size):
    data = b"|one||two|three|not yet"
    splitter = Splitter(b"|", 10)
    pieces = [piece for at in range(0, len(data), size) for piece in splitter.receive_bytes(data[at : at + size])]
    assert pieces == [b"one", b"two", b"three"]
    assert splitter.oversized == 0


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_an_oversized_piece_is_counted_once_whatever_the_chunks(size):
    data = b"1234|12345|123456789|12|"
    splitter = Splitter(b"|", 4)
    pieces = [piece for at in range(0, len(data), size) for piece in splitter.receive_bytes(data[at : at + size])]
    assert pieces == [b"1234", b"12"]
    assert splitter.oversized == 2


def test_a_long_piece_in_small_chunks_is_never_held_beyond_the_limit():
    splitter = Splitter(b"|", 4)
    for _ in range(100):
        assert splitter.receive_bytes(b"abc") == []
        assert len(splitter._tail) <= 4
    assert splitter.oversized == 1
