"""What stands behind a place: a data extension, then the comment with whatever is hidden in it.

Chapters 6 and 7 of the APRS reference; the `!DAO!` extension and base-91 telemetry of version 1.2; and the frequency
specification (`freqspec.txt`). What is understood is taken out of the comment, except a frequency, which people read.
"""

from __future__ import annotations

import re
from math import copysign
from typing import TYPE_CHECKING

from transports.codecs.aprs.extensions import read_extension
from transports.codecs.aprs.fence import read_base91
from transports.codecs.aprs.units import FOOT, MILE

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins

CHANNELS = 5
HEAD = 10  # characters, in which a frequency belongs
ELSEWHERE = "lenient: not at the head of the comment"

_ALTITUDE = re.compile(r"/A=(-[0-9]{5}|[0-9]{6})")
_TELEMETRY = re.compile(r"\|((?:[!-{]{2}){2,7})\|")
_DAO = re.compile(r"!(?:([A-Z])([0-9])([0-9])|([a-z])([!-{])([!-{])|([!-{])  )!")
_FREQUENCY = re.compile(r"([0-9]{2,3}|(?<![A-Z])[A-O][0-9]{2})(\.[0-9]{2,3}) ?MHz", re.IGNORECASE)
# Before the tone some write the offset's sign alone, and the tone to a tenth.
_TONE = re.compile(r"(?:[+-] )? ?([TtCc][0-9]{2,3}(?:\.[0-9])?|[Dd][0-9]{3}|[Tt]off|[1l]750)(?![0-9A-Za-z])")
_OFFSET = re.compile(r" ?([+-][0-9]{3})(?![0-9])")
# Above 1 GHz a letter stands for the first digits of the megahertz.
_BANDS = dict(zip("ABCDEFGHIJKLMNO", (12, 23, 24, 34, 56, 57, 58, 101, 102, 103, 104, 105, 240, 241, 242), strict=True))
_RANGE = re.compile(r" ?R([0-9]{2})([mkMK])(?![0-9A-Za-z])")


def read_comment(text: str, at: int, fields: Fields, origins: Origins) -> None:
    """Read what stands behind a place, from this index, into the fields."""
    at = read_extension(text, at, fields, origins)
    rest = text[at:]
    if "/A=" in rest:
        rest = read_altitude(rest, fields)
    fields["comment"] = read_hidden(rest, fields, origins, separator=True)


def read_altitude(text: str, fields: Fields) -> str:
    """Read `/A=001234`, feet above the sea, wherever it stands; give the text without it."""
    found = _ALTITUDE.search(text)
    if found is None:
        return text
    fields["altitude"] = round(int(found[1]) * FOOT, 1)
    return text[: found.start()] + text[found.end() :]


def read_hidden(text: str, fields: Fields, origins: Origins, *, separator: bool = False) -> str:
    """Read telemetry, `!DAO!` and a frequency in a comment; give the comment without the first two.

    A '/' or blank in front of all stands between extension and comment, and is no part of it.
    """
    if "|" in text:
        text = _read_telemetry(text, fields)
    if "!" in text:
        text = _read_dao(text, fields)
    if separator and text[:1] == "/":
        text = text[1:]
    text = text.strip()
    if "Hz" in text or "hz" in text or "HZ" in text:
        _read_frequency(text, fields, origins)
    return text


def _read_telemetry(text: str, fields: Fields) -> str:
    """`|ss1122334455bb|`: a sequence number, one to five channels, and the bits where all five are there."""
    found = None
    for found in _TELEMETRY.finditer(text):  # noqa: B007 - the last one counts
        pass
    if found is None:
        return text
    sequence, *values = (read_base91(found[1][index : index + 2]) for index in range(0, len(found[1]), 2))
    bits = f"{values.pop() & 0xFF:08b}"[::-1] if len(values) > CHANNELS else ""
    fields["telemetry"] = {"sequence": sequence, "values": values, "bits": bits}
    return text[: found.start()] + text[found.end() :]


def _read_dao(text: str, fields: Fields) -> str:
    """`!W12!` a third decimal of the minutes, `!w12!` two more in base 91, `!W  !` the datum alone."""
    found = None
    for found in _DAO.finditer(text):  # noqa: B007 - the last one counts
        pass
    if found is None:
        return text
    capital, north, east, small, north91, east91, alone = found.groups()
    if capital:
        _refine(fields, int(north) * 0.001, int(east) * 0.001)
    elif small:
        _refine(fields, read_base91(north91) / 9100, read_base91(east91) / 9100)
    fields["datum"] = (capital or small or alone).upper()
    return text[: found.start()] + text[found.end() :]


def _refine(fields: Fields, north: float, east: float) -> None:
    """Add minutes to the place, away from the equator and from Greenwich. A place left open stays so."""
    if fields.get("ambiguity"):
        return
    latitude, longitude = fields["latitude"], fields["longitude"]
    fields["latitude"] = round(latitude + copysign(north, latitude) / 60, 6)
    fields["longitude"] = round(longitude + copysign(east, longitude) / 60, 6)


def _read_frequency(text: str, fields: Fields, origins: Origins) -> None:
    """`146.520MHz T107 -060 R25m`: the voice channel on which the sender is to be found."""
    found = _FREQUENCY.search(text)
    if found is None:
        return
    digits = found[1] if found[1].isdecimal() else f"{_BANDS[found[1][0].upper()]}{found[1][1:]}"
    fields["frequency"] = float(digits + found[2])
    if found.start():
        origins["frequency"] = ELSEWHERE
    at = found.end()
    if tone := _TONE.match(text, at):
        fields["tone"], at = tone[1], tone.end()
    if offset := _OFFSET.match(text, at):
        fields["offset"], at = int(offset[1]) / 100, offset.end()
    if reach := _RANGE.match(text, at):
        fields["range"] = round(int(reach[1]) * (MILE if reach[2] in "mM" else 1), 1)
