"""What an object or item draws: areas and signposts, each with a symbol of its own. Chapter 11."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

MILE = 1.609344  # km
AREA, SIGNPOST = "\\l", "\\m"  # symbols
SCALE = 1500  # an offset is the square of its two digits, by this, in degrees (areaobjects.txt of version 1.1)
MAX_DIGITS = 99
LINES = (1, 6)  # shapes; the second runs to the west, and these alone have a width
MAX_WIDTH = 999  # miles
BRIGHT = 10  # colours, written behind a slash; the dim ones have two digits
_SIGN = re.compile(r"[ -z|~]{1,3}")


def area_extension(fields: Mapping[str, Any], symbol: str) -> str:
    """Write `Tyy/Cxx`, and a line's corridor as `{100}`. Offsets have a resolution of their own, finer when small."""
    area = fields.get("area")
    if area is None:
        return ""
    if not isinstance(area, dict) or symbol != AREA:
        raise ValueError(f"area: expected its fields by name, and the symbol {AREA}, came {area!r:.40} with {symbol}")
    shape = checks.integer(area["shape"], "area shape", 0, 9)
    color = checks.integer(area["color"], "area color", 0, 15)
    north, east = _digits(area, "latitude_offset"), _digits(area, "longitude_offset")
    shown = f"/{color}" if color < BRIGHT else str(color)
    return f"{shape}{north:02d}{shown}{east:02d}" + _width(area, shape)


def _digits(area: Mapping[str, Any], name: str) -> int:
    """Return the root of an offset; where it points is the shape's, not the sign's."""
    limit = MAX_DIGITS**2 / SCALE
    offset = checks.number(area[name], f"area {name}", -limit, limit, "degrees")
    return round(math.sqrt(abs(offset) * SCALE))


def _width(area: Mapping[str, Any], shape: int) -> str:
    if area.get("width") is None:
        return ""
    if shape not in LINES:
        raise ValueError(f"area width: expected for the lines, shapes 1 and 6, came with shape {shape}")
    return f"{{{checks.steps(area['width'], 'area width', MILE, (0, MAX_WIDTH), 'km')}}}"


def signpost(fields: Mapping[str, Any], symbol: str) -> str:
    """Write `{55}`, what stands on the sign."""
    if not fields.get("signpost"):
        return ""
    if symbol != SIGNPOST:
        raise ValueError(f"signpost: expected the symbol {SIGNPOST}, came {symbol}")
    return f"{{{checks.matching(fields['signpost'], 'signpost', _SIGN, '1 to 3 characters without braces')}}}"
