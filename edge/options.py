"""Typed options: a frozen dataclass describes them once; forms, checks, files and builders read the same description.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Options:
        baud: int = option(9600, label="Baud rate", help="As set on the TNC.", minimum=300, maximum=921_600, unit="Bd")

Fields are of type ``str``, ``int``, ``float`` or ``bool``. `parse_options` is the one door from plain values (a form, a
JSON column, a TOML table) to an instance; behind it everything is trusted.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from edge.errors import ConfigError

T = TypeVar("T")

Plain = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionField:
    """One option as a form or a check sees it."""

    name: str
    type: type[Any]  # str, int, float or bool
    label: str
    help: str
    default: Plain
    unit: str = ""
    minimum: float | None = None  # inclusive; for str, of its length
    maximum: float | None = None
    choices: tuple[tuple[str, str], ...] = ()  # value, label
    secret: bool = False  # never shown, never logged

    def problem(self, value: object) -> str:
        """Say what is wrong with an already converted value, or nothing."""
        if self.choices and value not in dict(self.choices):
            return f"expected one of {', '.join(dict(self.choices))}; got {value!r}"
        size = len(value) if isinstance(value, str) else value
        unit = " characters" if isinstance(value, str) else f" {self.unit}".rstrip()
        if isinstance(size, int | float) and self.minimum is not None and size < self.minimum:
            return f"expected at least {self.minimum:g}{unit}; got {size:g}"
        if isinstance(size, int | float) and self.maximum is not None and size > self.maximum:
            return f"expected at most {self.maximum:g}{unit}; got {size:g}"
        return ""


def option(  # noqa: PLR0913  (the facets of one option; all but the default by keyword)
    default: Plain,
    *,
    label: str,
    help: str = "",  # noqa: A002  (the word that argparse and Django use)
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[tuple[str, str], ...] = (),
    secret: bool = False,
) -> Any:
    """Declare one field of an options dataclass, with what a person must be told about it.

    The result is Any for the same reason as that of `dataclasses.field`: it stands where the field's own type is declared.
    """
    facets = {
        "label": label,
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "secret": secret,
    }
    return dataclasses.field(default=default, metadata={"edge": facets})


def describe(options_type: type[Any]) -> tuple[OptionField, ...]:
    """List the options of a dataclass in the order in which they were written."""
    types = get_type_hints(options_type)
    return tuple(
        OptionField(name=field.name, type=types[field.name], default=field.default, **field.metadata["edge"])
        for field in dataclasses.fields(options_type)
    )


def parse_options(options_type: type[T], values: Mapping[str, object], *, where: str) -> T:
    """Turn plain values into an instance; raise ConfigError that lists everything wrong with them at once."""
    known = {field.name: field for field in describe(options_type)}
    problems = [
        f"unknown option {name!r}; known are {', '.join(known) or 'none'}" for name in values if name not in known
    ]
    parsed: dict[str, object] = {}
    for name in known.keys() & values.keys():
        try:
            parsed[name] = _convert(known[name], values[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ConfigError(f"{where}: " + "; ".join(sorted(problems)))
    return options_type(**parsed)


def _convert(field: OptionField, value: object) -> Plain:
    """Convert one value, strictly: "9600" is a baud rate, but neither 9600.5 nor yes is."""
    if field.type is bool:
        converted = value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
    elif isinstance(value, bool) or not isinstance(value, str | int | float):
        converted = None
    elif field.type is str:
        converted = value if isinstance(value, str) else None
    else:
        converted = _number(field.type, value)
    if converted is None:
        names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        raise ValueError(f"expected {names[field.type]}; got {value!r}")
    if problem := field.problem(converted):
        raise ValueError(problem)
    return converted  # type: ignore[no-any-return]  # one of the four types, by the branch above


def _number(type_: type[Any], value: str | float) -> int | float | None:
    try:
        number: int | float = type_(value)
    except (ValueError, OverflowError):
        return None
    return number if isinstance(value, str) or number == value else None
