"""Messages, acknowledgements, rejects, bulletins, and the telemetry definitions that travel as messages.

Chapters 13 to 15 of the APRS reference, and replyacks.txt of version 1.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields, Origins, Reading

MAX_NAMES = 13  # five analogue channels and eight bits
MAX_COEFFICIENTS = 15  # three for each analogue channel
NUMBERED = "lenient: a bulletin has no number of its own"
SHORT_TITLE = "lenient: without title or without all bits"

_ENVELOPE = re.compile(r":(.{9}):(.*)", re.DOTALL)
_ACK = re.compile(r"(ack|rej)([A-Za-z0-9]{1,5})(?:\}([A-Za-z0-9]{0,5}))?\s*")
_ID = re.compile(r"\{([A-Za-z0-9]{1,5})(?:\}([A-Za-z0-9]{0,5}))?\s*\Z")
_ID_SIZE = len("{12345}12345")  # and blanks behind it
_BULLETIN = re.compile(r"BLN([0-9A-Z])(.{0,5})", re.IGNORECASE)
_NWS = re.compile(r"(?:NWS|SKY|CWA|BOM)[-_](.{1,5})")
_DEFINITION = re.compile(r"(PARM|UNIT|EQNS|BITS)\.(.*)", re.DOTALL)
_QUERY = re.compile(r"\?([A-Z0-9]{3,9})(?![a-z0-9])")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:[Ee][-+]?[0-9]{1,2})?")
_BITS = re.compile(r"([01]{1,8})(?:,(.*))?", re.DOTALL)


def parse_message(text: str, origins: Origins) -> Reading:
    """Read an info field that begins with ':'."""
    found = _ENVELOPE.fullmatch(text)
    if found is None:
        return f"message: expected ':', an addressee of 9 characters and ':', came {text[:11]!r}"
    addressee, body = found[1].rstrip(), found[2]
    if addressee[:3] in ("BLN", "NWS", "SKY", "CWA", "BOM") and (bulletin := _bulletin(addressee)):
        return "bulletin", bulletin | _numbered(body, origins)
    if body[4:5] == "." and (definition := _DEFINITION.match(body)):
        fields = _definition(definition[1], definition[2].rstrip(), origins)
        if fields is not None:
            return "telemetry-definition", {"addressee": addressee, "text": body, **fields}
    if body[:3] in ("ack", "rej") and (ack := _ACK.fullmatch(body)):
        form = "ack" if ack[1] == "ack" else "reject"
        return form, {"addressee": addressee, "id": ack[2], **_reply_ack(ack[3])}
    return "message", {"addressee": addressee, **_message(body)}


def _message(body: str) -> Fields:
    fields: Fields = {"text": body, "id": ""}
    if "{" in body and (numbered := _ID.search(body, _tail(body))):
        fields = {"text": body[: numbered.start()], "id": numbered[1], **_reply_ack(numbered[2])}
    if body[:1] == "?" and (query := _QUERY.match(body)):
        fields["query"] = query[1]
    return fields


def _tail(body: str) -> int:
    """Where an id may begin at the earliest."""
    return max(0, len(body.rstrip()) - _ID_SIZE)


def _numbered(body: str, origins: Origins) -> Fields:
    """A bulletin's text, and the id that some give it against the standard."""
    numbered = _ID.search(body, _tail(body)) if "{" in body else None
    if numbered is None:
        return {"text": body}
    origins["id"] = NUMBERED
    return {"text": body[: numbered.start()], "id": numbered[1]}


def _bulletin(addressee: str) -> Fields | None:
    if found := _BULLETIN.fullmatch(addressee):
        number, group = found[1], found[2]
        kind = "group" if number.isdecimal() and group else "bulletin" if number.isdecimal() else "announcement"
        return {"addressee": addressee, "number": number, "group": group, "kind": kind}
    if found := _NWS.fullmatch(addressee):
        return {"addressee": addressee, "number": "", "group": found[1], "kind": "nws"}
    return None


def _reply_ack(acknowledged: str | None) -> Fields:
    """Only a reply-ack station writes the `}` after its id, with or without an id behind it."""
    return {} if acknowledged is None else {"reply_ack": acknowledged}


def _definition(definition: str, body: str, origins: Origins) -> Fields | None:
    """What names (PARM, UNIT) or scales (EQNS, BITS) the telemetry of the addressee; None where it cannot be read."""
    fields: Fields = {"definition": definition}
    words = [word.strip() for word in body.split(",", MAX_COEFFICIENTS)]
    if definition in ("PARM", "UNIT"):
        return {**fields, "names": words[:MAX_NAMES]}
    if definition == "EQNS":
        words = words[:MAX_COEFFICIENTS]
        if not all(_NUMBER.fullmatch(word) for word in words if word):
            return None
        return {**fields, "coefficients": [float(word or 0) for word in words]}
    bits = _BITS.fullmatch(body)
    if bits is None:
        return None
    if bits[2] is None or len(bits[1]) < MAX_NAMES - 5:
        origins["bits"] = SHORT_TITLE
    return {**fields, "bits": bits[1], "title": (bits[2] or "").strip()}
