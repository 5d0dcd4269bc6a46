"""Status, queries, capabilities, user-defined data, and packets of another network. Chapters 15 to 18."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

    _Fields = Mapping[str, Any]  # Any: a consumer's own values, looked at in `checks`

MAX_STATUS = 62  # bytes of text (chapter 16)
MAX_TEXT = 200  # bytes of queries, capabilities and user-defined data, so that a frame of 256 holds them
MAX_HOPS = 8
MAX_INFO = 256  # bytes (chapter 3)
MILE = 1.609344  # km
MAX_REACH = 9999  # miles, of a query's area
_HEADINGS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # tens of degrees
_POWERS: dict[float, str] = {
    10 * code * code: chr(code + 48) for code in range(28)
}  # W: 0 to 9, then the characters behind them to K

_STATUS_TIME = re.compile(r"(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])[0-5][0-9]z")
_LOCATOR = re.compile(r"[A-R]{2}[0-9]{2}(?:[A-Xa-x]{2})?")
_QUERY = re.compile(r"[A-Za-z0-9]{1,16}")
_CAPABILITY = re.compile(r"[!-+\--;>-z]{1,32}")  # printable, without "," and "=" and "<"
_EXPERIMENT = re.compile(r"[!-{}][!-{}]")
_ADDRESS = re.compile(r"[A-Za-z0-9]{1,6}(?:-[A-Za-z0-9]{1,2})?")
_HOP = re.compile(r"[A-Za-z0-9]{1,6}(?:-[A-Za-z0-9]{1,2})?\*?")


def encode_status(fields: _Fields) -> bytes:
    """Write `>text`; with a time `>092345zText`, with a locator `>IO91SX/- text`, with a beam `text^B7` (chapter 16).

    The text is `status`, as the parser names it, or `text`: up to 62 bytes with time, locator and beam, of UTF-8
    without `|`, `~` and control characters.
    """
    text = fields["status"] if "status" in fields else fields["text"]
    head, beam = _status_head(fields), _beam(fields)
    separator = " " if fields.get("locator") and text else ""
    body = checks.text(text, "status", MAX_STATUS, "|~")
    whole = head.encode("ascii") + separator.encode("ascii") + body + beam.encode("ascii")
    if len(whole) > MAX_STATUS:
        raise ValueError(f"status: expected at most {MAX_STATUS} bytes with time, locator and beam, came {len(whole)}")
    return b">" + whole


def _status_head(fields: _Fields) -> str:
    if fields.get("timestamp"):
        if fields.get("locator"):
            raise ValueError("status: expected a timestamp or a locator, came both")
        return checks.matching(fields["timestamp"], "timestamp", _STATUS_TIME, "day, hour, minute and z")
    if not fields.get("locator"):
        return ""
    found = checks.matching(fields["locator"], "locator", _LOCATOR, "a Maidenhead locator of 4 or 6 characters")
    return found + "".join(checks.symbol(fields))


def _beam(fields: _Fields) -> str:
    """`^B7`: where the beam points, in tens of degrees, and its effective radiated power, a square times ten watts."""
    if fields.get("heading") is None:
        return ""
    heading = round(checks.number(fields["heading"], "heading", 0, 360, "degrees") / 10) % 36
    power = _POWERS.get(checks.number(fields.get("erp", 0), "erp", 0, max(_POWERS), "W"))
    if power is None:
        raise ValueError(f"erp: expected ten times a square, 0 to {max(_POWERS)} W, came {fields.get('erp')!r:.40}")
    return f"^{_HEADINGS[heading]}{power}"


def encode_query(fields: _Fields) -> bytes:
    """Write `?APRS?`; with a place and a range `?APRS? 34.02,-117.15,0200` (chapter 15).

    A query to one station is a message whose text is `?APRSD` and the like.
    """
    query = checks.matching(fields["query"], "query", _QUERY, "1 to 16 letters and digits")
    return f"?{query}?{_area(fields)}".encode("ascii") + (
        b"" if "latitude" in fields else checks.text(fields.get("text", ""), "text", MAX_TEXT)
    )


def _area(fields: _Fields) -> str:
    """Degrees to a hundredth, a blank or minus in front; and miles."""
    if "latitude" not in fields:
        return ""
    north = checks.number(fields["latitude"], "latitude", -90, 90, "degrees")
    east = checks.number(fields["longitude"], "longitude", -180, 180, "degrees")
    miles = checks.steps(fields["range"], "range", MILE, (0, MAX_REACH), "km")
    return f"{north: .2f},{east:.2f},{miles:04d}"


def encode_capabilities(fields: _Fields) -> bytes:
    """Write `<IGATE,MSG_CNT=43`: the answer to `?IGATE?`."""
    capabilities = fields["capabilities"]
    if not isinstance(capabilities, dict) or not capabilities:
        raise ValueError(f"capabilities: expected values by name, came {capabilities!r:.40}")
    words = [
        checks.matching(name, "capabilities", _CAPABILITY, "a name without ',' and '='")
        + (f"={checks.matching(value, 'capabilities', _CAPABILITY, 'text without , and =')}" if value else "")
        for name, value in capabilities.items()
    ]
    return b"<" + checks.text(",".join(words), "capabilities", MAX_TEXT)


def encode_user_defined(fields: _Fields) -> bytes:
    """Write `{Q1…`: whose experiment, which kind, and its data (chapter 18)."""
    experiment = checks.matching(fields["experiment"], "experiment", _EXPERIMENT, "two printable characters")
    return f"{{{experiment}".encode("ascii") + checks.text(fields.get("text", ""), "text", MAX_TEXT)


def third_party(fields: _Fields, info: bytes, destination: str) -> bytes:
    """Write `}SOURCE>DESTINATION,PATH:info`, the packet of another network, whose bytes stay as they are."""
    expected = "a callsign, perhaps with an SSID"
    source = checks.matching(fields["source"], "source", _ADDRESS, expected)
    path = fields.get("path", [])
    if not isinstance(path, list | tuple) or len(path) > MAX_HOPS:
        raise ValueError(f"path: expected up to {MAX_HOPS} addresses, came {path!r:.40}")
    hops = [checks.matching(hop, "path", _HOP, "callsigns, perhaps with an SSID and a *") for hop in path]
    to = checks.matching(destination, "destination", _ADDRESS, expected)
    whole = f"}}{source}>{','.join([to, *hops])}:".encode("ascii") + info
    if len(whole) > MAX_INFO:
        raise ValueError(f"third-party: expected at most {MAX_INFO} bytes in all, came {len(whole)}")
    return whole
