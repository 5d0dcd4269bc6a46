"""What layers of third parties inherit: capacities and names, with Channels' names, error types and texts."""

import re

import pytest
from channels.layers import BaseChannelLayer as Theirs
from hypothesis import given
from hypothesis import strategies as st

from edge.layers import BaseChannelLayer

BAD = ["", "a b", "a/b", "a" * 100, None, 7, b"bytes"]
MENDED = ["a\n", "\u0661", "a!\u00e4", "a!\u0661"]  # a newline at the end, and letters and digits of other scripts


@pytest.fixture
def layer():
    return BaseChannelLayer()


def refusal(call, *arguments):
    try:
        assert call(*arguments) is True
    except (TypeError, AssertionError) as error:
        return type(error), str(error)
    return None


@pytest.mark.parametrize("name", [*BAD, "a", "A-1_b.c", "a" * 99, "a!b", "a!", "a!b!c", "!a"])
@pytest.mark.parametrize("check", ["require_valid_channel_name", "require_valid_group_name"])
def test_names_are_judged_in_the_words_of_channels(layer, check, name):
    ours, theirs = (refusal(getattr(base, check), name) for base in (layer, Theirs()))
    if theirs is None:
        assert ours is None
    else:
        assert ours == (TypeError, f"{theirs[1]} It is {name!r}")


@pytest.mark.parametrize("name", MENDED)
def test_what_channels_lets_through_against_its_own_words_is_refused(layer, name):
    assert refusal(Theirs().require_valid_channel_name, name) is None
    with pytest.raises(TypeError, match="only ASCII"):
        layer.require_valid_channel_name(name)
    with pytest.raises(TypeError, match="only ASCII"):
        layer.require_valid_group_name(name)


@given(st.text(max_size=120))
def test_no_name_is_valid_here_and_not_there(name):
    layer = BaseChannelLayer()
    for check in ("require_valid_channel_name", "require_valid_group_name"):
        if refusal(getattr(layer, check), name) is None:
            assert refusal(getattr(Theirs(), check), name) is None


def test_what_is_received_from_ends_at_its_mark(layer):
    assert layer.require_valid_channel_name("a!", receive=True)
    with pytest.raises(TypeError, match=r"Specific channel names in receive\(\) must end at the !"):
        layer.require_valid_channel_name("a!b", receive=True)


def test_names_may_be_judged_together(layer):
    assert layer.valid_channel_names(["a", "b!c"])
    for names, error in (([], AssertionError), ("ab", AssertionError), (["a", "b c"], TypeError)):
        with pytest.raises(error):
            layer.valid_channel_names(names)
    with pytest.raises(TypeError, match="must end at the !"):
        layer.valid_channel_names(["a", "b!c"], receive=True)


def test_the_part_that_processes_share_ends_with_the_mark(layer):
    assert [layer.non_local_name(name) for name in ("a", "a!b", "a!")] == ["a", "a!", "a!"]
    assert layer.match_type_and_length("a" * 99)
    assert not layer.match_type_and_length(b"a")


def test_the_old_names_of_the_checks_say_that_they_are_old_and_heed_receive(layer):
    with pytest.warns(DeprecationWarning, match="valid_channel_name is deprecated"):
        assert layer.valid_channel_name("a")
    with pytest.warns(DeprecationWarning, match="is deprecated"), pytest.raises(TypeError, match="must end at the !"):
        layer.valid_channel_name("a!b", receive=True)
    with pytest.warns(DeprecationWarning, match="valid_group_name is deprecated"):
        assert layer.valid_group_name("a")


def test_capacities_are_by_globs_and_by_expressions_and_the_first_that_matches_counts():
    layer = BaseChannelLayer(
        capacity=10, channel_capacity={"http.*": 1, re.compile(r"[a-c]\d"): 2, "http.slow": 3, "exact": 4}
    )
    asked = ["http.slow", "b7", "exact", "exactly", "other"]
    assert [layer.get_capacity(name) for name in asked] == [1, 2, 4, 10, 10]
    assert BaseChannelLayer().get_capacity("any") == 100
    assert BaseChannelLayer().expiry == 60


def test_a_subclass_may_compile_its_capacities_as_channels_layers_do():
    class Layer(BaseChannelLayer):
        def __init__(self, capacity, channel_capacity=None):
            super().__init__(capacity=capacity)
            self.channel_capacity = self.compile_capacities(channel_capacity or {})

    assert Layer(5, {"a*": 1}).get_capacity("ab") == 1


async def test_what_a_layer_does_not_implement_is_said(layer):
    calls = {
        layer.send: ("a", {}),
        layer.receive: ("a",),
        layer.new_channel: (),
        layer.flush: (),
        layer.group_add: ("a", "b"),
        layer.group_discard: ("a", "b"),
        layer.group_send: ("a", {}),
    }
    for call, arguments in calls.items():
        with pytest.raises(NotImplementedError, match=call.__name__):
            await call(*arguments)
    await layer.close()
