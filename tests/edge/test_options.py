from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.options import describe, option, parse_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    baud: int = option(9600, label="Baud rate", help="As set.", unit="Bd", minimum=300, maximum=4_000_000)
    gain: float = option(0.5, label="Gain", minimum=0, maximum=1.5)
    name: str = option("", label="Name", maximum=5)
    loud: bool = option(False, label="Loud")
    framing: str = option("bytes", label="Framing", choices=(("bytes", "Bytes"), ("line", "Lines")))
    password: str = option("", label="Password", minimum=4, maximum=8, secret=True)


def parse(**values):
    return parse_options(Options, values, where="device vhf")


def problem(**values):
    with pytest.raises(ConfigError) as caught:
        parse(**values)
    return str(caught.value)


def test_nothing_given_means_the_defaults():
    assert parse() == Options()


def test_the_description_keeps_the_order_and_the_facets():
    fields = describe(Options)
    assert [field.name for field in fields] == ["baud", "gain", "name", "loud", "framing", "password"]
    baud = fields[0]
    assert (baud.type, baud.label, baud.help, baud.unit) == (int, "Baud rate", "As set.", "Bd")
    assert (baud.default, baud.minimum, baud.maximum) == (9600, 300, 4_000_000)
    assert fields[-1].secret


@pytest.mark.parametrize("given", [1200, "1200", 1200.0])
def test_a_whole_number_may_come_as_text(given):
    assert parse(baud=given).baud == 1200


@pytest.mark.parametrize("given", ["9600.5", 9600.5, True, None, [9600], "fast", "", "1e3"])
def test_what_is_no_whole_number_is_refused(given):
    assert problem(baud=given) == f"device vhf: baud: expected a whole number; got {given!r}"


@pytest.mark.parametrize(("given", "meant"), [(True, True), ("true", True), ("False", False)])
def test_true_and_false_may_come_as_text(given, meant):
    assert parse(loud=given).loud is meant


@pytest.mark.parametrize("given", [1, "yes", None, ""])
def test_what_is_neither_true_nor_false_is_refused(given):
    assert "loud: expected true or false; got" in problem(loud=given)


@pytest.mark.parametrize("given", ["nan", "inf", float("nan"), float("-inf"), 10**400])
def test_a_number_is_finite(given):
    assert "gain: expected a number; got" in problem(gain=given)


def test_bounds_are_told_as_a_person_writes_them():
    assert problem(baud=299) == "device vhf: baud: expected at least 300 Bd; got 299"
    assert problem(baud=4_000_001) == "device vhf: baud: expected at most 4000000 Bd; got 4000001"
    assert problem(gain=1.6) == "device vhf: gain: expected at most 1.5; got 1.6"
    assert problem(name="sixsix") == "device vhf: name: expected at most 5 characters; got 6"


def test_a_number_beyond_all_bounds_is_told_in_one_line():
    assert problem(baud=10**400).endswith("…")
    assert problem(baud=10**5000).endswith("got a number beyond all bounds")


def test_a_choice_lists_what_there_is():
    assert problem(framing="frames") == "device vhf: framing: expected one of bytes, line; got 'frames'"


def test_a_secret_is_never_told():
    for wrong in ("abc", "much-too-long", 12345):
        assert "much" not in problem(password=wrong)
        assert str(wrong) not in problem(password=wrong)
        assert "what is not shown here" in problem(password=wrong)


def test_everything_wrong_is_told_at_once():
    told = problem(baud="x", gain="y", speed=1)
    assert "baud: expected a whole number; got 'x'" in told
    assert "gain: expected a number; got 'y'" in told
    assert "unknown option 'speed'; known are baud, gain, name" in told


@pytest.mark.parametrize("values", [["baud"], "baud=9600", None, 5])
def test_options_that_are_not_by_name_are_refused(values):
    with pytest.raises(ConfigError, match="device vhf: expected options by name; got"):
        parse_options(Options, values, where="device vhf")


def test_a_field_that_is_no_option_is_named():
    @dataclass
    class Plain:
        baud: int = 9600

    @dataclass
    class Listed:
        hosts: list[str] = field(default_factory=list)

    with pytest.raises(ConfigError, match=r"Plain.baud: expected a str, int, float or bool declared with option"):
        describe(Plain)
    with pytest.raises(ConfigError, match=r"Listed.hosts: expected a str, int"):
        parse_options(Listed, {}, where="x")


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers())


@given(st.dictionaries(st.sampled_from(["baud", "gain", "name", "loud", "framing", "password", "other"]), plain))
def test_whatever_comes_is_an_instance_or_a_config_error(values):
    try:
        parsed = parse_options(Options, values, where="x")
    except ConfigError as error:
        assert str(error).startswith("x: ")
    else:
        assert 300 <= parsed.baud <= 4_000_000
        assert 0 <= parsed.gain <= 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    speed: int = option(0, label="Speed", minimum=300, maximum=9600)
    gain: float = option(-1, label="Gain", minimum=0, maximum=1)
    kind: str = option("a", label="Kind", choices=lambda: (("a", "A"), (str(len(OFFERED)), "Many")))


OFFERED = [1, 2]


def test_a_default_below_the_least_stands_for_what_is_found_elsewhere():
    assert parse_options(Found, {"speed": 0, "gain": -1.0}, where="x") == Found()
    speed, gain, kind = describe(Found)
    assert speed.is_automatic(0)
    assert gain.is_automatic(-1)
    assert not any(speed.is_automatic(value) for value in (300, 1, False, "0"))
    assert not kind.is_automatic("a")
    assert not describe(Options)[0].is_automatic(9600)
    with pytest.raises(ConfigError, match="speed: expected at least 300; got 1"):
        parse_options(Found, {"speed": 1}, where="x")


def test_choices_that_are_data_are_asked_for_each_time():
    assert parse_options(Found, {"kind": "2"}, where="x").kind == "2"
    OFFERED.append(3)
    try:
        assert describe(Found)[2].choices == (("a", "A"), ("3", "Many"))
        with pytest.raises(ConfigError, match="kind: expected one of a, 3; got '2'"):
            parse_options(Found, {"kind": "2"}, where="x")
    finally:
        OFFERED.pop()
