import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.connected.lines import MAX_LINE, Lines, on_the_air


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_line_is_one_however_it_was_cut(end):
    whole = b"first" + end + b"second" + end + b"begun"
    for cut in range(len(whole) + 1):
        lines = Lines()
        assert lines.receive(whole[:cut]) + lines.receive(whole[cut:]) == [b"first", b"second"]
        assert (lines.rest(), lines.rest()) == (b"begun", b"")


def test_a_line_that_never_ends_is_handed_on_in_parts():
    lines = Lines()
    found = [line for _ in range(10) for line in lines.receive(b"x" * 1000)]
    assert [len(line) for line in found] == [MAX_LINE, MAX_LINE]
    assert len(lines.rest()) == 10_000 - 2 * MAX_LINE


@pytest.mark.parametrize(
    ("text", "data"),
    [("hi", b"hi\r"), ("a\nb", b"a\rb\r"), ("a\r\nb\r\n", b"a\rb\r"), ("ö", b"\xc3\xb6\r"), ("", b"\r")],
)
def test_each_line_ends_with_cr_on_the_air(text, data):
    assert on_the_air(text) == data


@given(st.lists(st.binary(max_size=30)))
def test_no_byte_of_a_line_is_lost(chunks):
    lines = Lines()
    found = [line for chunk in chunks for line in lines.receive(chunk)]
    words = b"".join(chunks).replace(b"\r", b"\n").split(b"\n")
    assert [*found, *filter(None, [lines.rest()])] == [word for word in words if word]
