"""Typed options: a frozen dataclass describes them once; forms, checks, files and builders read the same description.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Options:
        baud: int = option(9600, label="Baud rate", help="As set on the TNC.", minimum=300, maximum=921_600, unit="Bd")

Fields are of type ``str``, ``int``, ``float`` or ``bool``. `parse_options` is the one door from plain values (a form, a
JSON column, a TOML table) to an instance; behind it everything is trusted.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_type_hints

from edge.errors import ConfigError

T = TypeVar("T")

Plain = str | int | float | bool

MAX_SHOWN = 80  # characters of a wrong value in a message
NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


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
    group: str = ""  # the heading it stands under, folded; those of none are what everybody looks at

    def problem(self, value: object) -> str:
        """Say what is wrong with an already converted value, or nothing."""
        if self.is_automatic(value):
            return ""
        if self.choices and value not in dict(self.choices):
            return f"expected one of {', '.join(dict(self.choices))}; got {self.shown(value)}"
        size = len(value) if isinstance(value, str) else value
        unit = " characters" if isinstance(value, str) else f" {self.unit}".rstrip()
        if isinstance(size, int | float) and self.minimum is not None and size < self.minimum:
            return f"expected at least {_plain(self.minimum)}{unit}; got {self.shown(size)}"
        if isinstance(size, int | float) and self.maximum is not None and size > self.maximum:
            return f"expected at most {_plain(self.maximum)}{unit}; got {self.shown(size)}"
        return ""

    def is_automatic(self, value: object) -> bool:
        """Tell whether a value is a default below the least, which stands for one that is found elsewhere."""
        number = not isinstance(value, str | bool) and isinstance(value, int | float)
        return number and value == self.default and self.minimum is not None and float(self.default) < self.minimum

    def shown(self, value: object) -> str:
        """Write a value for a message: never a secret, and not more of it than a line holds."""
        if self.secret:
            return "what is not shown here"
        try:
            text = repr(value)
        except ValueError:  # a whole number of more digits than Python writes
            return "a number beyond all bounds"
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def option(  # noqa: PLR0913  (the facets of one option; all but the default by keyword)
    default: Plain,
    *,
    label: str,
    help: str = "",  # noqa: A002  (the word that argparse and Django use)
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[tuple[str, str], ...] | Callable[[], tuple[tuple[str, str], ...]] = (),
    secret: bool = False,
    group: str = "",
) -> Any:
    """Declare one field of an options dataclass, with what a person must be told about it.

    ``choices`` that are data are given by a function, which is asked each time that the options are described. A number
    whose default is below its minimum is automatic where nothing is given: what uses it finds the value elsewhere.
    ``group`` is the heading of a fieldset that a form keeps folded until something in it was set.

    The result is Any for the same reason as that of `dataclasses.field`: it stands where the field's own type is
    declared.
    """
    facets = {
        "label": label,
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "secret": secret,
        "group": group,
    }
    return dataclasses.field(default=default, metadata={"edge": facets})


def describe(options_type: type[Any]) -> tuple[OptionField, ...]:
    """List the options of a dataclass in the order in which they were written; ConfigError for one that is none."""
    types = get_type_hints(options_type)
    return tuple(_describe_field(options_type, field, types[field.name]) for field in dataclasses.fields(options_type))


def _describe_field(options_type: type[Any], field: "dataclasses.Field[Any]", type_: type[Any]) -> OptionField:
    if type_ not in NAMES or "edge" not in field.metadata:
        raise ConfigError(
            f"{options_type.__qualname__}.{field.name}: expected a str, int, float or bool declared with option(…); "
            f"got {getattr(type_, '__name__', type_)}"
        )
    default = cast("Plain", field.default)  # option() asks for one
    facets = dict(field.metadata["edge"])
    if callable(facets["choices"]):
        facets["choices"] = facets["choices"]()
    return OptionField(name=field.name, type=type_, default=default, **facets)


def parse_options(options_type: type[T], values: Mapping[str, object], *, where: str) -> T:
    """Turn plain values into an instance; raise ConfigError that lists everything wrong with them at once."""
    known = {field.name: field for field in describe(options_type)}
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected options by name; got {str(values)[:MAX_SHOWN]!r}")
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
    converted = _typed(field.type, value)
    if converted is None:
        raise ValueError(f"expected {NAMES[field.type]}; got {field.shown(value)}")
    if problem := field.problem(converted):
        raise ValueError(problem)
    return converted


def _typed(type_: type[Any], value: object) -> Plain | None:
    if type_ is bool:
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if type_ is str:
        return value if isinstance(value, str) else None
    return _number(type_, value)


def _number(type_: type[Any], value: str | float) -> int | float | None:
    try:
        number: int | float = type_(value)
    except (ValueError, OverflowError):
        return None
    if type_ is float and not math.isfinite(number):
        return None  # "nan" is within all bounds, for no comparison with it holds
    return number if isinstance(value, str) or number == value else None


def _plain(bound: float) -> str:
    """Write a bound as a person does: 4000000, not 4e+06."""
    return str(int(bound)) if bound == int(bound) else str(bound)
