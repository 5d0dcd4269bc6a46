import pytest

from edge.errors import ConfigError
from edge.matching import match_problem, matcher, topic_filter

PACKET = {"type": "aprs.receive", "source": "QQ1ABC-7", "destination": "APZEDG", "format": "message", "port": 0}


def test_an_empty_match_takes_everything():
    assert matcher("aprs", "") is None
    assert matcher("serial", "   ") is None


@pytest.mark.parametrize(
    ("match", "takes"),
    [
        ("source=QQ1ABC-7", True),
        ("source=qq1*", True),
        ("source=QQ1ABC", False),
        ("source=QQ?ABC-7", True),
        ("source=QQ1* format=message", True),
        ("source=QQ1* format=position", False),
        ("port=0", True),
        ("port=1", False),
        ("destination=APZ*", True),
    ],
)
def test_terms_must_all_hold(match, takes):
    assert matcher("aprs", match)(PACKET) is takes


def test_a_field_that_the_event_lacks_is_empty_text():
    assert matcher("aprs", "format=*")({"source": "QQ1ABC"})
    assert not matcher("aprs", "format=?*")({"source": "QQ1ABC"})


@pytest.mark.parametrize(
    ("scope_type", "match", "words"),
    [
        ("aprs", "QQ1*", "expected terms such as source=QQ1*, of source, destination, format, port; got 'QQ1*'"),
        ("aprs", "colour=red", "got 'colour=red'"),
        ("aprs", "source=", "got 'source='"),
        ("ax25", "format=message", "of source, destination, port; got 'format=message'"),
        ("serial", "text=$GP*", "takes everything; leave the match empty; got 'text=$GP*'"),
        ("mqtt", "", "expected a topic filter"),
        ("mqtt", "a/#/b", "# takes all that follows"),
    ],
)
def test_a_match_that_cannot_be_says_what_was_expected_and_what_came(scope_type, match, words):
    assert words in match_problem(scope_type, match)


@pytest.mark.parametrize(("scope_type", "match"), [("aprs", "source=QQ1*"), ("mqtt", "a/+room/#"), ("serial", "")])
def test_a_good_match_has_no_problem(scope_type, match):
    assert match_problem(scope_type, match) == ""


def test_a_scope_type_of_a_third_party_may_name_any_field_that_its_specification_has():
    with pytest.raises(ConfigError, match="expected terms"):
        matcher("lora", "spreading=7")


def test_what_a_tnc_confirms_and_reports_passes_every_match():
    matches = matcher("aprs", "source=QQ1*")
    assert matches({"type": "aprs.sent", "id": "mine"})
    assert matches({"type": "aprs.report"})
    assert not matches({"type": "aprs.receive", "source": "QQ2XYZ"})


def test_a_topic_filter_is_compiled():
    assert topic_filter("a/+room").match("a/attic") == {"room": "attic"}
