"""Status reports: `>092345zNet Control Center`, perhaps with a locator in front and a beam behind.

Chapter 16 of the APRS reference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.locators import LOCATOR_MIDDLE, place_of

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins, Reading

_TIME = re.compile(r"[0-9]{6}z")
# Two letters behind four characters are the rest of a longer locator, which lacks its symbol, and no symbol.
_LOCATOR = re.compile(r"([A-R]{2}[0-9]{2}(?:[A-Xa-x]{2}|(?![A-X]{2})))([/\\A-Z0-9])([!-~])(?: |$)")
_BEAM = re.compile(r" ?\^([0-9A-Z])([0-9:;<=>?@A-K])$")
_HEADINGS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # tens of degrees


def parse_status(text: str, origins: Origins) -> Reading:
    """Read an info field that begins with '>'. The time is day, hour and minute, always UTC."""
    fields: Fields = {}
    at = 1
    if timed := _TIME.match(text, at):
        fields["timestamp"], at = timed[0], timed.end()
    elif located := _LOCATOR.match(text, at):
        fields |= place_of(located[1])
        fields["symbol"], at = located[2] + located[3], located.end()
        origins["latitude"] = origins["longitude"] = LOCATOR_MIDDLE
    status = text[at:].strip()
    if "^" in status[-3:] and (beam := _BEAM.search(status)):
        fields["heading"] = _HEADINGS.index(beam[1]) * 10
        fields["erp"] = (ord(beam[2]) - ord("0")) ** 2 * 10
        status = status[: beam.start()]
    fields["status"] = status
    return "status", fields
