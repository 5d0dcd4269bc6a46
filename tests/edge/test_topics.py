"""Topic filters against MQTT 5.0, section 4.7, and against a matcher that reads it word by word."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.topics import MAX_TOPIC, TopicFilter, fill, template_problem, topic_problem

# The standard's own examples (sections 4.7.1.2, 4.7.1.3, 4.7.2), and the corners between them.
MATCHES = [
    ("sport/tennis/player1/#", "sport/tennis/player1", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
    ("sport/tennis/player1/#", "sport/tennis/player10", False),
    ("sport/#", "sport", True),
    ("#", "a/b/c", True),
    ("#", "/", True),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("sport/tennis/+", "sport/tennis/player1/ranking", False),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("+/+", "/finance", True),
    ("/+", "/finance", True),
    ("+", "/finance", False),
    ("#", "$SYS/broker", False),
    ("+/monitor/Clients", "$SYS/monitor/Clients", False),
    ("$SYS/#", "$SYS/broker/load", True),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
    ("a/+/#", "a/b", True),
    ("a/+/#", "a", False),
    ("+/#", "a", True),
    ("+/+/#", "a/b/c/d", True),
    ("a.c", "abc", False),
    ("a/b", "a/b\n", False),
]


@pytest.mark.parametrize(("text", "topic", "expected"), MATCHES)
def test_the_standards_examples_hold(text, topic, expected):
    assert (TopicFilter.parse(text).match(topic) is not None) is expected


def plainly(filter_levels, topic_levels):
    """Match as section 4.7 says, one level at a time, without a regular expression."""
    if topic_levels[0].startswith("$") and filter_levels[0] in ("+", "#"):
        return False
    for index, level in enumerate(filter_levels):
        if level == "#":
            return True
        if index >= len(topic_levels) or level not in ("+", topic_levels[index]):
            return False
    return len(filter_levels) == len(topic_levels)


words = st.sampled_from(["", "a", "b", "$SYS", "(?:", ".*", "\n"])
filters = st.builds(
    lambda levels, last: [*levels, last],
    st.lists(st.one_of(words, st.just("+")), max_size=4),
    st.one_of(words, st.sampled_from(["+", "#"])),
).filter(lambda levels: levels != [""])
topics = st.lists(words, min_size=1, max_size=5).filter(lambda levels: levels != [""])


@given(filters, topics)
@example(["a", "+", "#"], ["a", "b"])
def test_it_matches_what_the_standard_says_and_nothing_else(filter_levels, topic_levels):
    compiled = TopicFilter.parse("/".join(filter_levels))
    assert compiled.subscription == "/".join(filter_levels)
    assert (compiled.match("/".join(topic_levels)) is not None) is plainly(filter_levels, topic_levels)


@given(filters, topics)
def test_names_change_what_is_caught_and_never_what_matches(filter_levels, topic_levels):
    named = [f"{level}n{index}" if level in ("+", "#") else level for index, level in enumerate(filter_levels)]
    compiled = TopicFilter.parse("/".join(named))
    caught = compiled.match("/".join(topic_levels))
    assert compiled.subscription == "/".join(filter_levels)
    assert (caught is not None) is plainly(filter_levels, topic_levels)
    for name, value in (caught or {}).items():
        index = int(name[1:])
        is_rest = filter_levels[index] == "#"
        assert value == "/".join(topic_levels[index:] if is_rest else topic_levels[index : index + 1])


@pytest.mark.parametrize(
    ("text", "topic", "caught"),
    [
        ("sensors/+room/temperature", "sensors/attic/temperature", {"room": "attic"}),
        ("+site/#rest", "north/a/b", {"site": "north", "rest": "a/b"}),
        ("+site/#rest", "north", {"site": "north", "rest": ""}),
        ("a/+/+b", "a/x/y", {"b": "y"}),
    ],
)
def test_named_wildcards_catch(text, topic, caught):
    assert TopicFilter.parse(text).match(topic) == caught


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1 to 65535 bytes"),
        ("a\0b", "1 to 65535 bytes"),
        ("a" * (MAX_TOPIC + 1), "1 to 65535 bytes"),
        ("half/\ud800", "UTF-8"),
        ("a/#/b", "last level"),
        ("a/b#", "beginning of a level"),
        ("a/b+", "beginning of a level"),
        ("+1st/a", "a name such as"),
        ("+a b", "a name such as"),
        ("+a/+a", "each name may stand once"),
    ],
)
def test_a_filter_that_no_broker_takes_is_refused_with_words(text, words):
    with pytest.raises(ConfigError, match=words):
        TopicFilter.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_a_config_error(text):
    try:
        TopicFilter.parse(text)
    except ConfigError as error:
        assert str(error)


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "\0", "half/\ud800", "ä" * (MAX_TOPIC // 2 + 1)])
def test_a_topic_that_cannot_be_published_to_is_named(topic):
    assert "expected a topic" in topic_problem(topic)


def test_a_topic_that_can_be_published_to_has_no_problem():
    assert topic_problem("a/b c/ä") == ""


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("chat/{nobody}/out", "{nobody} is not known; known are peer, source"),
        ("chat/{}", "{} is not known"),
        ("chat/{peer.name}", "{peer.name} is not known"),
        ("chat/{peer[0]}", "{peer[0]} is not known"),
        ("chat/{peer", "expected '}'"),
        ("chat/{peer!r}", "nothing after the name"),
        ("chat/{peer:>{width}}", "nothing after the name"),
        ("chat/+/{peer}", "without + and #"),
        ("", "1 to 65535 bytes"),
    ],
)
def test_a_template_that_could_not_be_filled_is_named(template, words):
    assert words in template_problem(template, frozenset({"peer", "source"}))


@given(st.text(max_size=20))
def test_a_template_without_a_problem_is_always_filled_to_as_many_levels_as_it_has(value):
    assert template_problem("a/{peer}/b", frozenset({"peer"})) == ""
    topic = fill("a/{peer}/b", {"peer": value})
    assert len(topic.split("/")) == 3
    assert topic_problem(topic) == ""
