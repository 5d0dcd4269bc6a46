"""Messages, acknowledgements, rejects, bulletins, and the telemetry definitions that travel as messages.

Chapters 13 and 14 of the APRS reference, and replyacks.txt of version 1.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transports.codecs.aprs.packet import Fields

MAX_NAMES = 13  # five analogue channels and eight bits
MAX_COEFFICIENTS = 15  # three for each analogue channel

_ENVELOPE = re.compile(r":(.{9}):(.*)", re.DOTALL)
_ACK = re.compile(r"(ack|rej)([A-Za-z0-9]{1,5})(?:\}([A-Za-z0-9]{0,5}))?")
_ID = re.compile(r"(.*)\{([A-Za-z0-9]{1,5})(?:\}([A-Za-z0-9]{0,5}))?", re.DOTALL)
_BULLETIN = re.compile(r"BLN([0-9A-Z])(.{0,5})")
_DEFINITION = re.compile(r"(PARM|UNIT|EQNS|BITS)\.(.*)", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})")
_BITS = re.compile(r"([01]{8})(?:,(.*))?", re.DOTALL)


def parse_message(text: str) -> tuple[str, Fields] | str:
    """Read an info field that begins with ':'. Gives format and fields, or the reason why not."""
    found = _ENVELOPE.fullmatch(text)
    if found is None:
        return f"message: expected ':', an addressee of 9 characters and ':', came {text[:11]!r}"
    addressee, body = found[1].rstrip(), found[2].rstrip()
    if bulletin := _BULLETIN.fullmatch(addressee):
        return "bulletin", {"addressee": addressee, "text": body, "number": bulletin[1], "group": bulletin[2]}
    if definition := _DEFINITION.fullmatch(body):
        return _parse_definition(addressee, definition[1], definition[2])
    if ack := _ACK.fullmatch(body):
        form = "ack" if ack[1] == "ack" else "reject"
        return form, {"addressee": addressee, "id": ack[2], **_reply_ack(ack[3])}
    if numbered := _ID.fullmatch(body):
        fields = {"addressee": addressee, "text": numbered[1].rstrip(), "id": numbered[2], **_reply_ack(numbered[3])}
        return "message", fields
    return "message", {"addressee": addressee, "text": body, "id": ""}


def _reply_ack(acknowledged: str | None) -> Fields:
    """Only a reply-ack station writes the `}` after its id, with or without an id behind it."""
    return {} if acknowledged is None else {"reply_ack": acknowledged}


def _parse_definition(addressee: str, definition: str, body: str) -> tuple[str, Fields] | str:
    """Read what names (PARM, UNIT) or scales (EQNS, BITS) the telemetry of the addressee."""
    fields: Fields = {"addressee": addressee, "definition": definition}
    words = [word.strip() for word in body.split(",")]
    if definition in ("PARM", "UNIT"):
        return "telemetry-definition", {**fields, "names": words[:MAX_NAMES]}
    if definition == "EQNS":
        words = words[:MAX_COEFFICIENTS]
        wrong = [word for word in words if word and not _NUMBER.fullmatch(word)]
        if wrong:
            return f"telemetry coefficients: expected numbers, came {wrong[0][:20]!r}"
        return "telemetry-definition", {**fields, "coefficients": [float(word or 0) for word in words]}
    bits = _BITS.fullmatch(body)
    if bits is None:
        return f"telemetry bits: expected eight of 0 and 1, then a comma and a title, came {body[:20]!r}"
    return "telemetry-definition", {**fields, "bits": bits[1], "title": (bits[2] or "").strip()}
