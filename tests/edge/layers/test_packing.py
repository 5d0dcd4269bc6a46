"""`edge.layers.packing`: what is packed comes out as it was, and no bytes from a network do harm."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.layers.packing import HEAD, MAX_DEPTH, pack, unpack

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=5))
def test_a_message_comes_out_as_it_went_in(values):
    message = {**values, "type": "x"}
    assert unpack(pack(message)) == message


def test_what_is_packed_is_json_and_bytes_stand_beside_it():
    assert json.loads(pack({"type": "x", "n": [1, None]})) == {"type": "x", "n": [1, None]}
    packed = pack({"type": "x", "one": b"\x00\xff", "two": bytearray(b"B"), "three": b""})
    assert packed.endswith(b"\x00\xffB")
    assert unpack(packed) == {"type": "x", "one": b"\x00\xff", "two": b"B", "three": b""}


def test_a_message_that_looks_like_the_packing_is_none():
    marker = pack({"type": "x", "bytes": b"1"})[1:17].decode()
    message = {"type": "x", "bytes": b"2", "fake": {marker: [0, 1]}}
    assert unpack(pack(message)) == message


def test_what_is_not_plain_is_refused_with_its_place():
    deep = {"type": "x"}
    deep["again"] = deep
    for value, said in (
        ({"type": "x", "when": object()}, r"\['when'\]: a layer carries no object"),
        ({"type": "x", "deep": [{"set": {1}}]}, r"\['set'\]: a layer carries no set"),
        ({"type": "x", 1: "one"}, "expected texts as keys; got 1"),
        (deep, f"{MAX_DEPTH} levels"),
        ("text", "not a dict"),
    ):
        with pytest.raises(AssertionError, match=said):
            pack(value)


def test_numbers_that_are_none_survive():
    assert math.isnan(unpack(pack({"type": "x", "n": math.nan}))["n"])


@given(st.binary() | st.binary(max_size=40).map(lambda data: b"B" + b"0" * 16 + data))
def test_whatever_comes_is_a_message_or_a_value_error(payload):
    try:
        message = unpack(payload)
    except ValueError:
        return
    assert isinstance(message["type"], str)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"B",
        b"[]",
        b'{"type": 1}',
        b'{"text": "no type"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type": "x", "n": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_message_is_a_value_error(payload):
    with pytest.raises(ValueError, match=r".*"):
        unpack(payload)


@pytest.mark.parametrize("place", ["[0, 9]", "[-1, 1]", "[0, -1]", "[0]", '["a", "b"]', "7", "[1.5, 1]", "{}"])
def test_pieces_of_bytes_that_are_nowhere_are_a_value_error(place):
    text = f'{{"type": "x", "bytes": {{"{"0" * 16}": {place}}}}}'.encode()
    payload = b"B" + b"0" * 16 + len(text).to_bytes(4, "big") + text + b"123"
    assert len(payload) > HEAD
    with pytest.raises(ValueError, match=r".*"):
        unpack(payload)
