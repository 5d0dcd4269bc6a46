"""Telemetry: reports, the base-91 form in comments, and the definitions that travel as messages. Chapter 13."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNELS = 5
MAX_SEQUENCE = 999_999  # 999 in version 1.0.1
MAX_BASE91 = 91**2 - 1  # two characters
MAX_VALUE = 999_999_999
MAX_DECIMALS = 9
MAX_NAMES = 13  # five channels and eight bits
MAX_DEFINITION = 197  # bytes of names or units
MAX_COEFFICIENTS = 15  # three for each channel
MAX_COEFFICIENT = 10**12
COEFFICIENT_DECIMALS = 12
MAX_TITLE = 23  # bytes of a project's title
MAX_COMMENT = 43  # bytes, as behind a position; the standard has no limit here

_SEQUENCE = re.compile(r"[0-9A-Za-z]{1,6}")
_BITS = re.compile(r"[01]{8}")


def encode_telemetry(fields: Mapping[str, Any]) -> bytes:
    """Write `T#005,199,000,255,073,123,01101001`. Version 1.2 permits decimals, signs, and fewer channels."""
    telemetry = _telemetry(fields["telemetry"])
    sequence = telemetry["sequence"]
    if isinstance(sequence, str):
        shown = checks.matching(sequence, "sequence", _SEQUENCE, "1 to 6 letters or digits")
    else:
        shown = f"{checks.integer(sequence, 'sequence', 0, MAX_SEQUENCE):03d}"
    words = [_value(value) for value in _values(telemetry)]
    if not any(words):
        raise ValueError("values: expected at least one number, came none")
    bits = _bits(telemetry, words)
    comment = checks.text(fields.get("comment", ""), "comment", MAX_COMMENT, "|~")
    if comment and not bits:
        raise ValueError("comment: expected eight bits before it, came none")
    return ",".join([f"T#{shown}", *words, *bits]).encode("ascii") + comment


def comment_telemetry(telemetry: object) -> str:
    """Write `|ss1122|`: sequence, values and bits in base 91, each of them 0 to 8,280 (version 1.2)."""
    found = _telemetry(telemetry)
    numbers = [found["sequence"], *_values(found)]
    bits = _bits(found, numbers[1:])
    # The first bit has the lowest value.
    numbers += [int(text[::-1], 2) for text in bits]
    digits = [checks.base91(checks.integer(each, "telemetry in a comment", 0, MAX_BASE91), 2) for each in numbers]
    return f"|{''.join(digits)}|"


def definition_body(fields: Mapping[str, Any]) -> bytes:
    """Write `PARM.…`, `UNIT.…`, `EQNS.…` or `BITS.…`, which follows the addressee in a message."""
    definition = fields["definition"]
    if definition in ("PARM", "UNIT"):
        return _names(fields["names"], definition)
    if definition == "EQNS":
        return b"EQNS." + ",".join(map(_coefficient, _coefficients(fields["coefficients"]))).encode("ascii")
    if definition == "BITS":
        bits = checks.matching(fields["bits"], "bits", _BITS, "eight of 0 and 1")
        return f"BITS.{bits},".encode("ascii") + checks.text(fields.get("title", ""), "title", MAX_TITLE, "|~")
    raise ValueError(f"definition: expected PARM, UNIT, EQNS or BITS, came {definition!r:.40}")


def _telemetry(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"telemetry: expected its fields by name, came {value!r:.40}")  # noqa: TRY004 - the caller's kind
    return value


def _values(telemetry: Mapping[str, Any]) -> list[Any]:
    values = telemetry["values"]
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= CHANNELS:
        raise ValueError(f"values: expected one to {CHANNELS} numbers, came {values!r:.40}")
    return list(values)


def _bits(telemetry: Mapping[str, Any], values: list[Any]) -> list[str]:
    """The bits, the first of them first, or nothing; they stand behind all five channels."""
    if not telemetry.get("bits"):
        return []
    if len(values) != CHANNELS:
        raise ValueError(f"bits: expected {CHANNELS} values before them, came {len(values)}")
    return [checks.matching(telemetry["bits"], "bits", _BITS, "eight of 0 and 1")]


def _value(value: object) -> str:
    """One channel; None is a sensor that has nothing to say."""
    if value is None:
        return ""
    found = checks.number(value, "values", -MAX_VALUE, MAX_VALUE)
    return _decimal(found, MAX_DECIMALS) if isinstance(found, float) else f"{found:03d}"


def _decimal(value: float, places: int) -> str:
    """A number without an exponent, with a point even where it is whole: so it comes back as what it was."""
    shown = f"{round(Decimal(repr(value)), places):f}"
    return shown.rstrip("0").removesuffix(".") + ("" if "." in shown.rstrip("0").removesuffix(".") else ".0")


def _names(names: object, definition: str) -> bytes:
    if not isinstance(names, list | tuple) or not 1 <= len(names) <= MAX_NAMES:
        raise ValueError(f"names: expected 1 to {MAX_NAMES} texts, came {names!r:.40}")
    body = b",".join(checks.text(name, "names", MAX_DEFINITION, "|~,") for name in names)
    if len(body) > MAX_DEFINITION:
        raise ValueError(f"names: expected at most {MAX_DEFINITION} bytes together, came {len(body)}")
    return definition.encode("ascii") + b"." + body


def _coefficients(values: object) -> list[object]:
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= MAX_COEFFICIENTS:
        raise ValueError(f"coefficients: expected 1 to {MAX_COEFFICIENTS} numbers, came {values!r:.40}")
    return list(values)


def _coefficient(value: object) -> str:
    found = checks.number(value, "coefficients", 1 - MAX_COEFFICIENT, MAX_COEFFICIENT - 1)
    shown = _decimal(float(found), COEFFICIENT_DECIMALS)
    return shown.removesuffix(".0")
