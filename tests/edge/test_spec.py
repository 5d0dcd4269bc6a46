"""The written specifications: what must hold of all of them."""

import importlib
from typing import get_args, get_type_hints

import pytest

from edge import spec

OWN = sorted(set(spec.SCOPES) - {"websocket"})
EVENTS = [(scope, type_, shape) for scope, events in spec.SCOPES.items() for type_, shape in events.items()]


@pytest.mark.parametrize(("scope", "type_", "shape"), EVENTS)
def test_each_event_is_named_after_its_scope_and_says_its_type(scope, type_, shape):
    assert type_.startswith(f"{scope}.")
    assert get_args(get_type_hints(shape)["type"]) == (type_,)
    assert spec.fields(type_) == frozenset(shape.__required_keys__ | shape.__optional_keys__)
    assert shape.__doc__


@pytest.mark.parametrize("scope", sorted(spec.SCOPES))
def test_each_scope_has_the_same_verbs(scope):
    verbs = {type_.partition(".")[2] for type_ in spec.SCOPES[scope]}
    assert {"connect", "receive", "disconnect", "send", "close"} <= verbs


@pytest.mark.parametrize("scope", OWN)
def test_each_of_our_own_scopes_says_when_it_lives_its_order_its_limits_and_how_it_ends(scope):
    text = importlib.import_module(f"edge.spec.{scope}").__doc__
    assert text.startswith(f"Scope ``{scope}``")
    for heading in ("lifetime", "order", "limits", "closing", "scope"):
        assert heading in text.lower()


@pytest.mark.parametrize("scope", OWN)
def test_each_of_our_own_scopes_ends_with_a_code_and_a_reason(scope):
    assert spec.fields(f"{scope}.disconnect") == {"type", "code", "reason"}
    assert spec.fields(f"{scope}.close") == {"type", "code", "reason"}


def test_a_type_that_no_specification_knows_has_no_fields():
    assert spec.fields("chat.message") is None
    assert "chat.message" not in spec.event_types()


def test_the_codes_are_those_of_websocket():
    assert {code.name: int(code) for code in spec.CloseCode} == {
        "NORMAL": 1000,
        "GOING_AWAY": 1001,
        "LINK_LOST": 1006,
        "HANDLER_ERROR": 1011,
        "RESTART": 1012,
    }
