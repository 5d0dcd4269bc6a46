"""A table to a value, or every complaint about it; never anything else."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from transports.profiles import Profile
from transports.strict_toml import MAX_ITEMS, facts, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    size: int = facts(minimum=1, maximum=5)
    name: str = facts("x", maximum=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    leaves: tuple[Leaf, ...] = ()
    one: Leaf | None = None
    ratio: float = facts(0.5, minimum=0, maximum=1)
    word: str = facts("a", choices=("a", "b"))
    numbers: tuple[int, ...] = facts((), maximum=9)


def complaints(**table):
    value, told = read(Tree, table)
    assert value is None
    return told


def test_what_is_left_out_is_the_default_and_what_is_given_is_read():
    assert read(Tree, {}) == (Tree(), [])
    value, told = read(Tree, {"leaves": [{"size": 2}], "one": {"size": 1, "name": "abc"}, "ratio": 1, "numbers": [9]})
    assert told == []
    assert value == Tree(leaves=(Leaf(size=2),), one=Leaf(size=1, name="abc"), ratio=1.0, numbers=(9,))
    assert type(value.ratio) is float


def test_each_complaint_has_its_key():
    assert complaints(leaves=[{"size": 2}, {"name": "abcd"}]) == [
        "leaves[2].size: expected a whole number; it is missing",
        "leaves[2].name: expected at most 3 characters; got 'abcd'",
    ]
    assert complaints(one=3, word="c") == ["one: expected a table; got 3", "word: expected one of a, b; got 'c'"]
    assert complaints(numbers=[1, "2"]) == ["numbers[2]: expected a whole number; got '2'"]
    assert complaints(leaf=1) == ["leaf: unknown key; expected one of leaves, one, ratio, word, numbers"]
    assert complaints(numbers=[1] * 65) == [f"numbers: expected a list of at most {MAX_ITEMS}; got 65"]
    assert complaints(word="x" * 100)[0].endswith("…")


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
keys = st.sampled_from(["label", "help", "line", "kiss", "source", "baud", "signs", "enter", "steps", "vendor", "?"])
tables = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5))


@given(st.dictionaries(keys, tables, max_size=8))
def test_whatever_a_file_holds_it_is_a_profile_or_complaints(table):
    value, told = read(Profile, table)
    assert (value is None) == bool(told)
