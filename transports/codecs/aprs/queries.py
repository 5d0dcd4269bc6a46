"""The short ones: queries, capabilities, experiments, test data, a direction finder's raw report.

Chapters 15, 18 and 19 of the APRS reference; the Agrelo report is in chapter 5's table, and its form in the maker's
manual.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from transports.codecs.aprs.units import MAX_LATITUDE, MAX_LONGITUDE, MILE

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins, Reading

MAX_CAPABILITIES = 64

_QUERY = re.compile(r"\?([A-Za-z0-9]{1,16})\??(.*)", re.DOTALL)
_AREA = re.compile(r"\s*(-?[0-9]{1,2}\.[0-9]{1,6}),\s*(-?[0-9]{1,3}\.[0-9]{1,6}),([0-9]{1,4})\s*")
_AGRELO = re.compile(r"%([0-9]{3})/([0-9])")
_TURN, _BEST = 360, 8


def parse_query(text: str, origins: Origins) -> Reading:  # noqa: ARG001 - every reader is called with both
    """`?APRS?`, perhaps with an area behind it: degrees, degrees and miles around."""
    found = _QUERY.fullmatch(text)
    if found is None:
        return f"query: expected '?' and a name, came {text[:12]!r}"
    fields: Fields = {"query": found[1], "text": found[2].strip()}
    if area := _AREA.fullmatch(found[2]):
        latitude, longitude = float(area[1]), float(area[2])
        if abs(latitude) <= MAX_LATITUDE and abs(longitude) <= MAX_LONGITUDE:
            fields |= {"latitude": latitude, "longitude": longitude, "range": round(int(area[3]) * MILE, 1)}
    return "query", fields


def parse_capabilities(text: str, origins: Origins) -> Reading:  # noqa: ARG001
    """`<IGATE,MSG_CNT=0,LOC_CNT=0`."""
    words = (word.partition("=") for word in text[1:].split(",", MAX_CAPABILITIES) if word.strip())
    return "capabilities", {"capabilities": {name.strip(): value.strip() for name, _, value in words}}


def parse_user_defined(text: str, origins: Origins) -> Reading:  # noqa: ARG001
    """`{`, the experimenter's and the packet type's character, and data."""
    experiment = text[1:3]
    if len(experiment) < len("{{"):
        return f"user-defined: expected '{{' and two characters, came {text!r}"
    return "user-defined", {"experiment": experiment, "text": text[3:]}


def parse_test(text: str, origins: Origins) -> Reading:  # noqa: ARG001
    """`,` and anything: invalid or test data, by its sender's own word."""
    return "test", {"text": text[1:]}


def parse_agrelo(text: str, origins: Origins) -> Reading:  # noqa: ARG001
    """`%091/4`: bearing in degrees and quality, 0 to 8."""
    found = _AGRELO.match(text)
    if found is None or int(found[1]) > _TURN or int(found[2]) > _BEST:
        return f"direction finder: expected '%', three digits of degrees, '/' and a quality, came {text[:10]!r}"
    return "df", {"bearing": int(found[1]), "quality": int(found[2])}
