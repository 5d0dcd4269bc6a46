"""Layers by alias, out of the CHANNEL_LAYERS setting."""

import pytest

from edge.exceptions import InvalidChannelLayerError
from edge.layers import ChannelLayerManager, InMemoryChannelLayer, channel_layers, get_channel_layer

MEMORY = "edge.layers.InMemoryChannelLayer"


def manager_of(**config):
    return ChannelLayerManager({"default": config})


def test_layers_are_made_once_by_alias_with_their_config():
    manager = manager_of(BACKEND=MEMORY, CONFIG={"capacity": 7})
    assert manager["default"].capacity == 7
    assert manager["default"] is manager["default"]
    assert manager.backends == {"default": manager["default"]}
    assert "default" in manager
    assert "other" not in manager


def test_a_layer_may_be_made_anew_with_its_config_or_that_for_tests():
    manager = manager_of(BACKEND=MEMORY, CONFIG={"capacity": 7}, TEST_CONFIG={"capacity": 3})
    assert manager.make_backend("default").capacity == 7
    assert manager.make_test_backend("default").capacity == 3
    assert manager.make_backend("default") is not manager.make_backend("default")
    assert manager.backends == {}


@pytest.mark.parametrize("configs", [{}, {"other": {"BACKEND": "x"}}])
def test_an_unknown_alias_is_a_key_error_that_lists_those_there_are(configs):
    manager = ChannelLayerManager(configs)
    for ask in (manager.__getitem__, manager.make_backend):
        with pytest.raises(KeyError) as error:
            ask("default")
        assert isinstance(error.value, InvalidChannelLayerError)
        assert str(error.value) == f"no channel layer 'default'; configured are {', '.join(configs) or 'none'}"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "No BACKEND specified for default"),
        (
            {"BACKEND": "edge.nothing.Layer"},
            "Cannot import BACKEND 'edge.nothing.Layer' specified for default: .*nothing",
        ),
        (
            {"BACKEND": MEMORY, "ROUTING": "x"},
            "ROUTING key found for default - this is no longer needed in Channels 2.",
        ),
    ],
)
def test_a_config_that_makes_no_layer_says_what_is_wrong_with_it(config, text):
    with pytest.raises(InvalidChannelLayerError, match=text):
        manager_of(**config)["default"]


@pytest.mark.parametrize("configs", [{}, {"default": {"BACKEND": MEMORY}}])
def test_without_a_config_for_tests_there_is_no_layer_for_tests(configs):
    with pytest.raises(InvalidChannelLayerError, match="No TEST_CONFIG specified for default"):
        ChannelLayerManager(configs).make_test_backend("default")


def test_another_configuration_lets_the_old_layers_go():
    manager = ChannelLayerManager()
    old = manager["default"]
    manager.configure({"default": {"BACKEND": MEMORY}})
    assert manager["default"] is not old


def test_a_layer_may_be_put_in_place_for_a_test():
    manager, mine = ChannelLayerManager(), InMemoryChannelLayer()
    assert manager.set("default", mine) is None
    assert manager["default"] is mine
    assert manager.set("default", InMemoryChannelLayer()) is mine


def test_the_default_layer_is_there_and_others_are_none():
    assert get_channel_layer() is channel_layers["default"]
    assert get_channel_layer("nothing of the kind") is None


def test_a_layer_that_was_put_in_place_is_found_without_a_config():
    mine = InMemoryChannelLayer()
    channel_layers.set("mine", mine)
    try:
        assert get_channel_layer("mine") is mine
    finally:
        del channel_layers.backends["mine"]


def test_a_broken_config_is_an_error_and_not_a_layer_that_is_missing(monkeypatch):
    monkeypatch.setattr(channel_layers, "configs", {"broken": {}})
    with pytest.raises(InvalidChannelLayerError, match="No BACKEND"):
        get_channel_layer("broken")
