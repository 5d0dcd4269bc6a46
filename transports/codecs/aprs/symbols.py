"""The symbol that a destination address such as `GPSMV` or `SPCC31` stands for. Chapter 20 of the APRS reference.

A packet without a symbol of its own, a raw GPS sentence, is addressed so.
"""

from __future__ import annotations

import re
import string

DEFAULT = "//"  # a dot

_ADDRESS = re.compile(r"(?:GPS|SPC)([A-Z0-9]{2,3})(?:-[0-9A-Z]{1,2})?")
_BY_NUMBER = re.compile(r"([CE])([0-9]{2})")
_NUMBERS = range(1, 95)

# The two characters of each symbol code, in both tables; runs of codes have runs of characters.
_RUNS = (
    ("!", "BBCDEFGHIJKLMNOP", "OBCDEFGHIJKLMNOP"),
    ("0", "P0123456789", "A0123456789"),
    (":", "MRSTUVWX", "NRSTUVWX"),
    ("A", "P" + string.ascii_uppercase, "A" + string.ascii_uppercase),
    ("[", "HSTUVWX", "DSTUVWX"),
    ("a", "L" + string.ascii_uppercase, "S" + string.ascii_uppercase),
    ("{", "J1234", "Q1234"),
)
_SYMBOLS = {
    run[0] + second: table + chr(ord(first) + step)
    for first, *runs in _RUNS
    for table, run in zip("/\\", runs, strict=True)
    for step, second in enumerate(run[1:])
}


def symbol_of(destination: str) -> str | None:
    """Table (or overlay) and code, or None for an address that names no symbol."""
    found = _ADDRESS.fullmatch(destination)
    if found is None:
        return None
    letters = found[1]
    if numbered := _BY_NUMBER.fullmatch(letters):
        number = int(numbered[2])
        return ("/" if numbered[1] == "C" else "\\") + chr(number + 32) if number in _NUMBERS else None
    symbol = _SYMBOLS.get(letters[:2])
    if symbol is None or len(letters) == len("MV"):
        return symbol
    return letters[2] + symbol[1] if symbol[0] == "\\" else None
