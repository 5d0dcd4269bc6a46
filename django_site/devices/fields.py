"""Typed options as form fields: one `edge.options.OptionField` in, one Django field out.

The rules stay where they are (`OptionField.problem`); here they only get a label, a unit and a place on a page.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from edge.options import OptionField

PREFIX = "option_"  # of the names of option fields, so that an option may be called name or link
FORGET = "forget_"  # of the box that removes a stored secret


def form_fields(options: Iterable[OptionField], stored: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Make the fields of a form, by name, filled with the stored values. A secret is never filled in."""
    fields: dict[str, forms.Field] = {}
    for option in options:
        fields[PREFIX + option.name] = form_field(option, stored.get(option.name, option.default))
        if option.secret and stored.get(option.name):
            fields[PREFIX + option.name].help_text = "One is stored. Leave this empty to keep it."
            fields[FORGET + option.name] = forms.BooleanField(
                required=False, label=f"Remove the stored {option.label.lower()}"
            )
    return fields


def form_field(option: OptionField, value: Any) -> forms.Field:
    """Make one field. Left empty, it stands for the option's default."""
    return _field_class(option)(
        required=False,
        label=_label(option),
        help_text=help_text(option),
        initial=None if option.secret or option.is_automatic(value) else value,
        validators=[Bounds(option)],
        **_facets(option),
    )


def plain_values(
    options: Iterable[OptionField], cleaned: Mapping[str, Any], stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect what a form was given, as the plain values of a row. An empty secret keeps the stored one."""
    values: dict[str, Any] = {}
    for option in options:
        value = cleaned.get(PREFIX + option.name)
        if option.secret and not value and not cleaned.get(FORGET + option.name):
            value = stored.get(option.name)
        if value is None or (value == "" and (option.secret or option.choices or option.minimum)):
            continue  # left out, it is the option's default
        values[option.name] = value
    return values


def is_set(option: OptionField, stored: Mapping[str, Any]) -> bool:
    """Tell whether a person chose something else than the default."""
    return bool(stored.get(option.name, option.default) != option.default)


def help_text(option: OptionField) -> str:
    """Say what it is for, within which bounds, and what it is if nothing is said."""
    return " ".join(part for part in (option.help, _bounds(option), _default(option)) if part)


class Bounds:
    """A Django validator that asks the option itself."""

    def __init__(self, option: OptionField) -> None:
        self.option = option

    def __call__(self, value: Any) -> None:
        """Raise ValidationError with the option's own words."""
        if problem := self.option.problem(value):
            raise ValidationError(problem, code="option")


def _field_class(option: OptionField) -> type[forms.Field]:
    if option.choices:
        return forms.ChoiceField
    return {bool: forms.BooleanField, int: forms.IntegerField, float: forms.FloatField}.get(
        option.type, forms.CharField
    )


def _label(option: OptionField) -> str:
    named = not option.unit or option.unit in option.label  # "Most frames a minute" has said it
    return option.label if named else f"{option.label} ({option.unit})"


def _facets(option: OptionField) -> dict[str, Any]:
    if option.choices:
        return {"choices": option.choices}
    if option.secret:
        return {"widget": forms.PasswordInput(attrs={"autocomplete": "new-password"}), "strip": False}
    if option.type in (int, float):
        limits = {"min": option.minimum, "max": option.maximum, "step": "any" if option.type is float else None}
        attributes = {name: _plain(limit) for name, limit in limits.items() if limit is not None}
        message = "Expected a whole number." if option.type is int else "Expected a number."
        return {"widget": forms.NumberInput(attrs=attributes), "error_messages": {"invalid": message}}
    if option.type is str and option.maximum is not None:
        return {"widget": forms.TextInput(attrs={"maxlength": _plain(option.maximum)})}
    return {}


def _bounds(option: OptionField) -> str:
    if option.type not in (int, float) or option.choices:
        return ""
    if option.minimum is not None and option.maximum is not None:
        return f"{_grouped(option.minimum)} to {_grouped(option.maximum)}{_unit(option)}."
    if option.minimum is not None:
        return f"At least {_grouped(option.minimum)}{_unit(option)}."
    return f"At most {_grouped(option.maximum)}{_unit(option)}." if option.maximum is not None else ""


def _default(option: OptionField) -> str:
    if option.type not in (int, float) or option.choices:
        return ""
    if option.is_automatic(option.default):
        return "Empty: automatic."
    return f"Default {_grouped(float(option.default))}."


def _unit(option: OptionField) -> str:
    return f" {option.unit}" if option.unit else ""


def _grouped(value: float) -> str:
    return f"{value:,g}" if value != int(value) else f"{int(value):,}"


def _plain(value: float | str) -> str:
    return f"{int(value)}" if isinstance(value, float | int) and value == int(value) else f"{value}"
