import argparse

import pytest

from django_site.commands.send import event_of


def options(**given):
    fields = {"text": None, "to": None, "topic": None, "retain": False, "info": None, "status": None, "packet": None}
    return argparse.Namespace(**{**fields, **given})


@pytest.mark.parametrize(
    ("kind", "given", "event"),
    [
        (
            "aprs",
            {"to": "qq1abc-7", "text": "hi"},
            {"type": "aprs.send", "packet": {"format": "message", "addressee": "QQ1ABC-7", "text": "hi"}},
        ),
        ("aprs", {"status": "on"}, {"type": "aprs.send", "packet": {"format": "status", "text": "on"}}),
        (
            "aprs",
            {"packet": '{"format": "query", "query": "APRS"}'},
            {"type": "aprs.send", "packet": {"format": "query", "query": "APRS"}},
        ),
        ("aprs", {"info": ">x"}, {"type": "aprs.send", "info": b">x"}),
        ("ax25", {"to": "qq1abc", "text": "hi"}, {"type": "ax25.send", "destination": "QQ1ABC", "info": b"hi"}),
        ("ax25", {"to": "QQ1ABC", "info": ""}, {"type": "ax25.send", "destination": "QQ1ABC", "info": b""}),
        (
            "mqtt",
            {"topic": "a/b", "text": "", "retain": True},
            {"type": "mqtt.send", "topic": "a/b", "payload": "", "retain": True, "qos": 1},
        ),
        ("serial", {"text": "$X"}, {"type": "serial.send", "text": "$X"}),
    ],
)
def test_the_options_become_the_event_of_the_devices_kind(kind, given, event):
    assert event_of(options(**given), kind) == event


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("aprs", {"text": "hi"}, "--to"),
        ("aprs", {"packet": "{"}, "--packet: expected JSON, came '{'"),
        ("aprs", {"packet": "[]"}, "--packet: expected the packet's fields by name"),
        ("ax25", {"text": "hi"}, "--to"),
        ("ax25", {"to": "QQ1ABC"}, "text"),
        ("mqtt", {"text": "hi"}, "--topic"),
        ("serial", {}, "text"),
    ],
)
def test_what_is_missing_is_said(kind, given, words):
    problem = event_of(options(**given), kind)
    assert isinstance(problem, str)
    assert words in problem
