"""What the parts of the encoder ask of a field, and the words in which they refuse it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYMBOL = re.compile(r"[/\\0-9A-Z][!-~]")


def number(value: object, name: str, low: float, high: float, unit: str = "") -> float:
    """Return a finite number between two bounds, both included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name}: expected {low:g} to {high:g}{unit and ' ' + unit}, came {value!r:.40}")
    return value


def steps(value: object, name: str, step: float, bounds: tuple[int, int], unit: str) -> int:
    """Return how many whole steps a quantity is, from so many to so many: knots of a speed in km/h, and the like."""
    # What is less than half a step beyond a bound is rounded to it.
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, int | float) or not low - 0.5 < value / step < high + 0.5:
        raise ValueError(f"{name}: expected {low * step:g} to {high * step:g} {unit}, came {value!r:.40}")
    return round(value / step)


def integer(value: object, name: str, low: int, high: int) -> int:
    """Return a whole number between two bounds, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}: expected a whole number from {low} to {high}, came {value!r:.40}")
    return value


def text(value: object, name: str, limit: int, forbidden: str = "") -> bytes:
    """Return UTF-8 within a limit in bytes. Control characters would end the frame's line on APRS-IS."""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text, came {value!r:.40}")  # noqa: TRY004 - one kind of error for the caller
    wrong = [character for character in value if character in forbidden or not character.isprintable()]
    if wrong:
        others = f" other than {forbidden}" if forbidden else ""
        raise ValueError(f"{name}: expected printable characters{others}, came {wrong[0]!r}")
    data = value.encode("utf-8")
    if len(data) > limit:
        raise ValueError(f"{name}: expected at most {limit} bytes, came {len(data)}")
    return data


def matching(value: object, name: str, pattern: re.Pattern[str], expected: str) -> str:
    """Return a text that fits a pattern as a whole; `expected` says in words which do."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name}: expected {expected}, came {value!r:.40}")
    return value


def flag(value: object, name: str) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected true or false, came {value!r:.40}")  # noqa: TRY004 - as above
    return value


def symbol(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return table (or overlay) and code; a house where none is named."""
    found = matching(fields.get("symbol", "/-"), "symbol", _SYMBOL, "a table (/, \\, 0-9, A-Z) and a code (! to ~)")
    return found[0], found[1]


def base91(value: int, size: int) -> str:
    """Write a whole number in so many digits of base 91, "!" for 0 (chapter 9)."""
    digits = []
    for _ in range(size):
        value, digit = divmod(value, 91)
        digits.append(chr(digit + 33))
    return "".join(reversed(digits))


def logarithm(value: float, base: float) -> int:
    """Return the whole exponent whose power is nearest to the value."""
    return round(math.log(value) / math.log(base))
