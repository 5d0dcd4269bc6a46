import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contrib.templates import MAX_VALUE, Template, topic_word
from edge.errors import ConfigError
from edge.topics import topic_problem

EVENT = {
    "source": "QQ1ABC-7",
    "port": 0,
    "info": b">\xff",
    "via": ["WIDE1-1", "QQ1DIG*"],
    "packet": {"latitude": 49.5, "longitude": -72.756789, "alive": True, "comment": None, "weather": {"gust": 2}},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{packet.latitude},{packet.longitude}", "49.5,-72.756789"),
        ("{packet.longitude:.4f}", "-72.7568"),
        ("{source:.4f}", "QQ1ABC-7"),
        ("{via.1}", "QQ1DIG*"),
        ("{via.2}{via.x}{via.99999999999}", ""),
        ("{via}", '["WIDE1-1","QQ1DIG*"]'),
        ("{info}", "3eff"),
        ("{packet.alive}", "true"),
        ("{packet.weather}", '{"gust":2}'),
        ("{{{port}}}", "{0}"),
        ("[{packet.nothing}{packet.comment}{none.at.all}]", "[]"),
        ("no names", "no names"),
    ],
)
def test_names_are_filled_and_what_is_missing_is_nothing(template, text):
    assert Template.parse(template).render(EVENT) == text


@pytest.mark.parametrize(
    "wrong",
    ["{", "}", "{}", "{a b}", "{source.__class__!r}", "{source:>10000}", "{port:.99f}", "{a..b}", "{0}", "{{a}"],
)
def test_what_is_no_template_is_told(wrong):
    with pytest.raises(ConfigError, match=r"expected a name|a brace stands alone"):
        Template.parse(wrong)


def test_no_attribute_can_be_reached():
    template = Template.parse("{source.__class__}{packet.items}{via.append}{info.decode}")
    assert template.render(EVENT) == ""


def test_a_first_name_that_is_not_known_is_told():
    with pytest.raises(ConfigError, match=r"\{path\} is not known; known are source"):
        Template.parse("{path}", ["source"])


def test_the_first_missing_name_is_told():
    assert Template.parse("{source}{packet.comment}{packet.x}").missing(EVENT) == "packet.comment"
    assert Template.parse("{source}").missing(EVENT) == ""


def test_a_value_is_cut():
    assert len(Template.parse("{text}").render({"text": "x" * 100_000})) == MAX_VALUE


@given(st.text())
def test_whatever_a_stranger_is_called_becomes_one_level_that_a_broker_takes(name):
    word = topic_word(name)
    assert topic_problem(word) == ""
    assert "/" not in word
    assert word.isprintable()
    assert not word.startswith("$")


@given(
    st.text(alphabet="{}ab.:0f", max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abf"), inner),
    ),
)
def test_any_text_is_a_template_or_a_config_error_and_any_value_is_written(text, value):
    try:
        template = Template.parse(text)
    except ConfigError:
        return
    json.dumps(template.render({"a": value, "b": value}))
