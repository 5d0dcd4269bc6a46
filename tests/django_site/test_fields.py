from dataclasses import dataclass

import pytest
from django import forms
from django.core.exceptions import ValidationError

from django_site.devices.fields import form_fields, plain_values
from edge.options import describe, option


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    baud: int = option(9600, label="Baud rate", help="As set.", unit="Bd", minimum=300, maximum=4_000_000)
    gain: float = option(0.5, label="Gain", minimum=0.25)
    framing: str = option("bytes", label="Framing", choices=(("bytes", "Bytes"), ("line", "Lines")))
    loud: bool = option(True, label="Loud")
    path: str = option("WIDE1-1", label="Path", maximum=8)
    key: str = option("", label="Key", secret=True)


OPTIONS = describe(Sample)


def fields(**stored):
    return form_fields(OPTIONS, stored)


def test_each_type_has_its_own_field():
    assert [type(field) for field in fields().values()] == [
        forms.IntegerField,
        forms.FloatField,
        forms.ChoiceField,
        forms.BooleanField,
        forms.CharField,
        forms.CharField,
    ]


def test_a_person_sees_label_unit_help_bounds_and_default():
    baud = fields()["option_baud"]
    assert baud.label == "Baud rate (Bd)"
    assert baud.help_text == "As set. 300 to 4,000,000 Bd. Default 9,600."
    assert baud.initial == 9600
    assert baud.widget.attrs == {"min": "300", "max": "4000000"}
    assert fields()["option_gain"].help_text == "At least 0.25. Default 0.5."


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("baud", "100", "expected at least 300 Bd; got 100"),
        ("baud", "9600.5", "whole number"),
        ("gain", "much", "a number"),
        ("path", "WIDE1-1,WIDE2-2", "expected at most 8 characters"),
        ("framing", "words", "not one of the available choices"),
    ],
)
def test_a_bad_value_is_refused_in_the_options_own_words(name, value, words):
    with pytest.raises(ValidationError, match=words):
        fields()[f"option_{name}"].clean(value)


def test_an_empty_number_stands_for_the_default_and_an_empty_text_for_itself():
    cleaned = {"option_baud": None, "option_path": "", "option_loud": False, "option_framing": ""}
    assert plain_values(OPTIONS, cleaned, {}) == {"path": "", "loud": False}


def test_a_stored_secret_is_never_filled_in_and_is_kept_unless_it_is_changed_or_removed():
    stored = {"key": "s3cret"}
    assert fields(**stored)["option_key"].initial is None
    assert fields(**stored)["option_key"].help_text == "One is stored. Leave this empty to keep it."
    assert "forget_key" not in fields()
    assert plain_values(OPTIONS, {"option_key": ""}, stored)["key"] == "s3cret"
    assert plain_values(OPTIONS, {"option_key": "new"}, stored)["key"] == "new"
    assert "key" not in plain_values(OPTIONS, {"option_key": "", "forget_key": True}, stored)
