"""Maidenhead locators: `[IO91SX]`, the grid beacon of old, and what a locator means elsewhere. Chapter 9."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins, Reading

LOCATOR_MIDDLE = "guessed: the middle of the locator's square"

_BEACON = re.compile(r"\[([A-Ra-r]{2}[0-9]{2}(?:[A-Xa-x]{2})?)\](.*)", re.DOTALL)
_WHOLE = 6  # characters; a locator of four is a square of two degrees by one


def parse_locator(text: str, origins: Origins) -> Reading:
    """Read `[FN35BQ]` and a comment."""
    found = _BEACON.fullmatch(text)
    if found is None:
        return f"locator: expected '[', four or six characters and ']', came {text[:10]!r}"
    origins["latitude"] = origins["longitude"] = LOCATOR_MIDDLE
    return "grid", {**place_of(found[1]), "comment": found[2].strip()}


def place_of(locator: str) -> Fields:
    """The locator, and the middle of its square, as fields."""
    letters = locator.upper()
    longitude = (ord(letters[0]) - ord("A")) * 20 - 180 + int(letters[2]) * 2.0
    latitude = (ord(letters[1]) - ord("A")) * 10 - 90 + int(letters[3]) * 1.0
    if len(letters) == _WHOLE:
        longitude += (ord(letters[4]) - ord("A") + 0.5) / 12
        latitude += (ord(letters[5]) - ord("A") + 0.5) / 24
    else:
        longitude, latitude = longitude + 1, latitude + 0.5
    return {"latitude": round(latitude, 6), "longitude": round(longitude, 6), "locator": locator}
