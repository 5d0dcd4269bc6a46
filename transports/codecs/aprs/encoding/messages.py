"""Messages, acknowledgements, rejects, bulletins and telemetry definitions. Chapter 14; reply-acks of version 1.1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transports.codecs.aprs.encoding import checks
from transports.codecs.aprs.encoding.telemetry import definition_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    _Fields = Mapping[str, Any]  # Any: a consumer's own values, looked at in `checks`

MAX_MESSAGE = 67  # bytes of text
MAX_GROUP = 5  # characters of a bulletin group
ADDRESSEE_SIZE = 9  # characters, padded with blanks

_ADDRESSEE = re.compile(r"[A-Za-z0-9_-]{1,9}")
_ID = re.compile(r"[A-Za-z0-9]{1,5}")
_REPLY_ID = re.compile(r"[A-Za-z0-9]{1,2}")
_BULLETIN = re.compile(r"BLN[0-9A-Z][A-Za-z0-9_-]{0,5}")
_NUMBER = re.compile(r"[0-9A-Z]")
_GROUP = re.compile(r"[A-Za-z0-9_-]{0,5}")
_READS_AS_ANSWER = re.compile(r"(?:ack|rej)[A-Za-z0-9]{1,5}(?:\}[A-Za-z0-9]{0,5})?")


def encode_message(fields: _Fields) -> bytes:
    """Write `:ADDRESSEE:text{id`, or with a `reply_ack` `:ADDRESSEE:text{MM}AA`; "" there is a reply-ack to come.

    Text is up to 67 bytes of UTF-8 without `|`, `~`, `{` and control characters. One without an id wants no
    acknowledgement, and may not read as one itself.
    """
    body = checks.text(fields["text"], "message text", MAX_MESSAGE, "|~{")
    if not fields.get("id"):
        if _READS_AS_ANSWER.fullmatch(fields["text"].rstrip()):
            raise ValueError(
                f"message text: expected one that does not read as an acknowledgement, came {fields['text']!r}"
            )
        return _envelope(fields) + body
    return _envelope(fields) + body + b"{" + _numbered(fields)


def encode_ack(fields: _Fields) -> bytes:
    """Write `:ADDRESSEE:ackid`; to a reply-ack station what stood behind its message, `ackMM}AA`."""
    return _envelope(fields) + b"ack" + _numbered(fields)


def encode_reject(fields: _Fields) -> bytes:
    """Write `:ADDRESSEE:rejid`, the refusal of the message with this id."""
    return _envelope(fields) + b"rej" + _numbered(fields)


def encode_bulletin(fields: _Fields) -> bytes:
    """Write `:BLN4WX   :text`: bulletin 0 to 9 or announcement A to Z, of a group or of none; or to an `addressee`."""
    if fields.get("number"):
        number = checks.matching(fields["number"], "number", _NUMBER, "a digit or a capital letter")
        group = checks.matching(fields.get("group", ""), "group", _GROUP, f"up to {MAX_GROUP} letters or digits")
        fields = {**fields, "addressee": f"BLN{number}{group}"}
    elif not str(fields["addressee"]).startswith("NWS"):
        checks.matching(fields["addressee"], "addressee", _BULLETIN, "BLN, a digit or capital letter, and a group")
    body = checks.text(fields["text"], "bulletin text", MAX_MESSAGE, "|~")
    # Nobody acknowledges one; the weather service numbers its own all the same.
    return _envelope(fields) + body + (b"{" + _numbered(fields) if fields.get("id") else b"")


def encode_definition(fields: _Fields) -> bytes:
    """Write the names, units, coefficients or bits of the addressee's telemetry, which is nearly always ourselves."""
    return _envelope(fields) + definition_body(fields)


def _envelope(fields: _Fields) -> bytes:
    addressee = checks.matching(fields["addressee"], "addressee", _ADDRESSEE, "1 to 9 letters, digits, '-' or '_'")
    return f":{addressee:<{ADDRESSEE_SIZE}}:".encode("ascii")


def _numbered(fields: _Fields) -> bytes:
    """`003`, or `MM}AA` where there is a `reply_ack`."""
    id_ = checks.matching(fields["id"], "message id", _ID, "1 to 5 letters and digits")
    if fields.get("reply_ack") is None:
        return id_.encode("ascii")
    checks.matching(id_, "message id", _REPLY_ID, "1 or 2 letters and digits beside a reply_ack")
    if not (acknowledged := fields["reply_ack"]):
        return f"{id_}}}".encode("ascii")
    return f"{id_}}}{checks.matching(acknowledged, 'reply_ack', _REPLY_ID, '1 or 2 letters and digits')}".encode(
        "ascii"
    )
