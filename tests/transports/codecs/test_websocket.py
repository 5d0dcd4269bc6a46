"""WebSocket frames against those of RFC 6455, against the websockets library, and against any cut of a stream."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tests.fuzz.targets import together
from transports.codecs.websocket import FIN_BINARY, FIN_TEXT, Frames, encode

LIMIT = 70_000
BIG = 65_536  # bytes, the first size that takes eight octets

HELLO = bytes.fromhex("818537fa213d7f9f4d5158")  # section 5.7: a masked text
UNMASKED = bytes.fromhex("810548656c6c6f")  # section 5.7: the same by a server
FRAGMENTS = [bytes.fromhex("0183000000004865 6c".replace(" ", "")), bytes.fromhex("8082000000006c6f")]
PING = bytes.fromhex("898537fa213d7f9f4d5158")  # section 5.7, masked as a client has to


def client(opcode, data, *, fin=True):
    """A client's frame, by another hand."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def test_the_texts_of_the_standard():
    assert list(Frames(LIMIT).feed(HELLO)) == [(FIN_TEXT, b"Hello")]
    assert encode(FIN_TEXT, b"Hello") == UNMASKED


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, BIG])
def test_each_form_of_a_size_is_read_and_written(size):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    assert list(Frames(LIMIT).feed(client(Opcode.BINARY, data))) == [(FIN_BINARY, data)]
    assert encode(FIN_BINARY, data) == Frame(Opcode.BINARY, data).serialize(mask=False)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(PING, id="a ping"),
        pytest.param(client(Opcode.CLOSE, b"\x03\xe8"), id="a close"),
        pytest.param(UNMASKED, id="not masked"),
        pytest.param(bytes([HELLO[0] | 0x40]) + HELLO[1:], id="a reserved bit, as of compression"),
        pytest.param(bytes([0x83]) + HELLO[1:], id="an opcode that there is none"),
    ],
)
def test_what_is_not_common_is_passed_on_as_it_came(frame):
    assert list(Frames(LIMIT).feed(frame + HELLO)) == [(0, frame), (FIN_TEXT, b"Hello")]


def test_a_message_in_fragments_is_passed_on_and_so_is_what_breaks_into_it():
    first, last = FRAGMENTS
    frames = Frames(LIMIT)
    assert list(frames.feed(first + PING)) == [(0, first), (0, PING)]
    assert list(frames.feed(HELLO)) == [(0, HELLO)]  # a second message within the first: an error, not ours to judge
    assert list(frames.feed(last)) == [(0, last)]
    assert list(frames.feed(HELLO)) == [(FIN_TEXT, b"Hello")]


@pytest.mark.parametrize("size", [LIMIT + 1, 2**63, 2**64 - 1])
def test_a_frame_beyond_the_limit_is_passed_on_before_it_has_come_and_all_after_it(size):
    head = bytes([FIN_BINARY, 0x80 | 127]) + size.to_bytes(8) + bytes(4)
    frames = Frames(LIMIT)
    assert list(frames.feed(HELLO + head)) == [(FIN_TEXT, b"Hello"), (0, head)]
    assert list(frames.feed(HELLO)) == [(0, HELLO)]


pieces = st.one_of(
    st.builds(client, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.binary(max_size=200)),
    st.builds(lambda data: client(Opcode.TEXT, data, fin=False), st.binary(max_size=20)),
    st.builds(lambda data: client(Opcode.CONT, data), st.binary(max_size=20)),
    st.builds(lambda data: client(Opcode.PING, data), st.binary(max_size=20)),
    st.binary(max_size=20),
)


@given(data=st.lists(pieces, max_size=8).map(b"".join), cuts=st.lists(st.integers(1, 40), max_size=40))
@example(data=HELLO + HELLO[:3], cuts=[1] * 20)
@example(data=HELLO * 3, cuts=[len(HELLO) + 1])
def test_any_chunks_give_the_same_and_no_byte_is_lost(data, cuts):
    limit = 150
    frames, found, at = Frames(limit), [], 0
    for size in (*cuts, len(data)):
        found += frames.feed(data[at : at + size])
        at += size
    expected = Frames(limit).feed(data)
    assert together(found) == together(expected)


@given(st.lists(st.tuples(st.sampled_from([FIN_TEXT, FIN_BINARY]), st.binary(max_size=300)), max_size=6))
def test_what_a_client_says_is_what_is_heard(messages):
    data = b"".join(client(Opcode(first & 0x0F), payload) for first, payload in messages)
    assert list(Frames(LIMIT).feed(data)) == messages
