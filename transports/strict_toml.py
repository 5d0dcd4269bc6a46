"""A TOML table to a frozen dataclass, strictly: what is unknown, of a wrong type or out of bounds is told, not guessed.

A field is a ``str``, ``int``, ``float`` or ``bool``, a tuple of ``str``, ``int`` or of another such dataclass, or such
a dataclass itself. `facts` declares its bounds. `read` lists everything that is wrong at once, each with its key as
TOML writes it, lists counted from 1: ``enter.steps[2].within: expected at most 10; got 60``.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

MAX_SHOWN = 60  # characters of a wrong value in a message
MAX_ITEMS = 64  # of a list
WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_MISSING = object()


def facts(
    default: Any = _MISSING,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] = (),
) -> Any:
    """Declare a field; without a default it must be there. Bounds are inclusive, for text and lists of the length.

    Any, as `dataclasses.field`: it stands where the field's own type is declared.
    """
    metadata = {"minimum": minimum, "maximum": maximum, "choices": choices}
    if default is _MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def read(type_: type[T], table: Mapping[str, object]) -> tuple[T | None, list[str]]:
    """Return the value and no complaints, or None and all of them."""
    complaints: list[str] = []
    value = _table(type_, table, "", complaints)
    return (None, complaints) if complaints else (value, [])


def _table(type_: type[T], table: object, key: str, complaints: list[str]) -> T | None:
    if not isinstance(table, Mapping):
        complaints.append(f"{key}: expected a table; got {_shown(table)}")
        return None
    prefix = f"{key}." if key else ""
    fields = {field.name: field for field in dataclasses.fields(type_)}  # type: ignore[arg-type]  # asked for dataclasses
    hints = get_type_hints(type_)
    before = len(complaints)
    known = ", ".join(fields)
    complaints += [f"{prefix}{name}: unknown key; expected one of {known}" for name in table.keys() - fields.keys()]
    values = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _value(hints[name], table[name], field.metadata, f"{prefix}{name}", complaints)
        elif field.default is dataclasses.MISSING:
            complaints.append(f"{prefix}{name}: expected {_word(hints[name])}; it is missing")
    return type_(**values) if len(complaints) == before else None


def _value(type_: Any, value: object, bounds: Mapping[str, Any], key: str, complaints: list[str]) -> object:
    if isinstance(type_, types.UnionType):  # X | None: where it is left out
        type_ = next(part for part in get_args(type_) if part is not types.NoneType)
    if get_origin(type_) is tuple:
        return _list(get_args(type_)[0], value, bounds, key, complaints)
    if dataclasses.is_dataclass(type_):
        return _table(type_, value, key, complaints)  # type: ignore[arg-type]  # a type, by the hints
    if type_ is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type_:
        complaints.append(f"{key}: expected {_word(type_)}; got {_shown(value)}")
    elif problem := _out_of_bounds(value, bounds):
        complaints.append(f"{key}: {problem}")
    return value


def _list(item_type: Any, value: object, bounds: Mapping[str, Any], key: str, complaints: list[str]) -> object:
    if not isinstance(value, list):
        complaints.append(f"{key}: expected a list; got {_shown(value)}")
        return ()
    if len(value) > MAX_ITEMS:
        complaints.append(f"{key}: expected a list of at most {MAX_ITEMS}; got {len(value)}")
        return ()
    return tuple(_value(item_type, item, bounds, f"{key}[{at}]", complaints) for at, item in enumerate(value, 1))


def _out_of_bounds(value: object, bounds: Mapping[str, Any]) -> str:
    choices, minimum, maximum = bounds.get("choices", ()), bounds.get("minimum"), bounds.get("maximum")
    if choices and value not in choices:
        return f"expected one of {', '.join(map(str, choices))}; got {_shown(value)}"
    size = len(value) if isinstance(value, str) else value
    unit = " characters" if isinstance(value, str) else ""
    # Asked this way round, nan is out of all bounds.
    if isinstance(size, int | float) and minimum is not None and not size >= minimum:
        return f"expected at least {minimum:g}{unit}; got {_shown(value)}"
    if isinstance(size, int | float) and maximum is not None and not size <= maximum:
        return f"expected at most {maximum:g}{unit}; got {_shown(value)}"
    return ""


def _word(type_: Any) -> str:
    if get_origin(type_) is tuple:
        return "a list"
    return WORDS.get(type_, "a table")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
