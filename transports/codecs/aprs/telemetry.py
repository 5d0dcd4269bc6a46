"""Telemetry reports: `T#005,199,000,255,073,123,01101001`. Chapter 13 of the APRS reference.

Values are as sent: what they mean is in the definitions of the same station (see `messages`), which come when they
come.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Origins, Reading

CHANNELS = 5
LOOSE = "lenient: not three digits for each of five channels and eight bits"

_STRICT = re.compile(r"T#(?:[0-9]{3}|MIC),?(?:[0-9]{3},){5}[01]{8}")
_REPORT = re.compile(r"T#([0-9A-Za-z]{1,6}?),?((?<=[,C]).*)", re.DOTALL)
_INTEGER = re.compile(r"[0-9]{1,6}")
# Version 1.2 permits decimals and signs, and any number of digits within reason.
_VALUE = re.compile(r" *(?:(-?[0-9]{1,9}(?:\.[0-9]{0,9})?|-?\.[0-9]{1,9}))? *")
_BITS = re.compile(r"([01]{1,8})(.*)", re.DOTALL)


def parse_telemetry(text: str, origins: Origins) -> Reading:
    """Read an info field that begins with `T#`.

    Fewer than five channels are as good as five; an empty channel is None. The first word that is no value ends the
    report, and is the comment.
    """
    found = _REPORT.fullmatch(text)
    if found is None:
        return f"telemetry: expected 'T#', a sequence number and ',', came {text[:12]!r}"
    sequence, words = found[1], found[2].split(",", CHANNELS)
    values = _leading_values(words[:CHANNELS])
    if not any(value is not None for value in values):
        return f"telemetry: expected at least one value after the sequence number, came {found[2][:20]!r}"
    rest = ",".join(words[len(values) :])
    bits = _BITS.fullmatch(rest) if len(values) == CHANNELS else None
    if not _STRICT.match(text):
        origins["telemetry"] = LOOSE
    telemetry = {
        "sequence": int(sequence) if _INTEGER.fullmatch(sequence) else sequence,
        "values": values,
        "bits": bits[1] if bits else "",
    }
    return "telemetry", {"telemetry": telemetry, "comment": (bits[2] if bits else rest).strip()}


def _leading_values(words: list[str]) -> list[int | float | None]:
    values: list[int | float | None] = []
    for word in words:
        found = _VALUE.fullmatch(word)
        if found is None:
            break
        values.append(_number(found[1]))
    return values


def _number(text: str | None) -> int | float | None:
    if not text:
        return None
    return float(text) if "." in text else int(text)
