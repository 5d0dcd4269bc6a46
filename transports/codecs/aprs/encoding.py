"""The info fields that we send ourselves: messages, acknowledgements, status, position.

Each raises `ValueError` on what the air cannot carry, with what was expected and what came; so that a person hears of
it at the keyboard, and not nobody on the channel.
"""

from __future__ import annotations

import re

MAX_MESSAGE = 67  # bytes of text (chapter 14)
MAX_STATUS = 62  # bytes of text, without a timestamp (chapter 16)
MAX_COMMENT = 43  # bytes behind an uncompressed position (chapter 8)
MAX_LATITUDE = 90  # degrees
MAX_LONGITUDE = 180  # degrees
ADDRESSEE_SIZE = 9  # characters, padded with blanks

_ADDRESSEE = re.compile(r"[A-Za-z0-9_-]{1,9}")
_ID = re.compile(r"[A-Za-z0-9]{1,5}")
_SYMBOL = re.compile(r"[/\\0-9A-Z][!-~]")
_READS_AS_ANSWER = re.compile(r"(?:ack|rej)[A-Za-z0-9]{1,5}(?:\}[A-Za-z0-9]{0,5})?")
_HUNDREDTHS = 6000  # of a minute, in a degree


def encode_message(addressee: str, text: str, id: str = "") -> bytes:  # noqa: A002 - the standard's word
    """Write `:ADDRESSEE:text{id`. Text is up to 67 bytes of UTF-8 without `|`, `~`, `{` and control characters.

    `id` is 1 to 5 letters and digits, or "" for a message that wants no acknowledgement; such a one may not read as an
    acknowledgement itself.
    """
    body = _encode_text(text, MAX_MESSAGE, "|~{", "message text")
    if not id and _READS_AS_ANSWER.fullmatch(text.rstrip()):
        raise ValueError(f"message text: expected one that does not read as an acknowledgement, came {text!r}")
    return _envelope(addressee) + body + (b"{" + _encode_id(id) if id else b"")


def encode_ack(addressee: str, id: str) -> bytes:  # noqa: A002 - the standard's word
    """Write `:ADDRESSEE:ackid`, the acknowledgement of the message with this id."""
    return _envelope(addressee) + b"ack" + _encode_id(id)


def encode_reject(addressee: str, id: str) -> bytes:  # noqa: A002 - the standard's word
    """Write `:ADDRESSEE:rejid`, the refusal of the message with this id."""
    return _envelope(addressee) + b"rej" + _encode_id(id)


def encode_status(text: str) -> bytes:
    """Write `>text`, up to 62 bytes of UTF-8 without `|`, `~` and control characters."""
    return b">" + _encode_text(text, MAX_STATUS, "|~", "status")


def encode_position(
    latitude: float, longitude: float, symbol: str = "/-", comment: str = "", *, messaging: bool = False
) -> bytes:
    """Write an uncompressed position without a timestamp, to a hundredth of a minute (18 m).

    Degrees, north and east positive. `symbol` is two characters, table (or overlay) and code. `comment` is up to 43
    bytes without `|`, `~` and control characters. `messaging` says that this station takes messages.
    """
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"symbol: expected a table (/, \\, 0-9, A-Z) and a code (! to ~), came {symbol!r}")
    north = _encode_angle(latitude, MAX_LATITUDE, "NS", "latitude")
    east = _encode_angle(longitude, MAX_LONGITUDE, "EW", "longitude")
    place = f"{'=' if messaging else '!'}{north}{symbol[0]}{east}{symbol[1]}"
    return place.encode("ascii") + _encode_text(comment, MAX_COMMENT, "|~", "comment")


def _envelope(addressee: str) -> bytes:
    if not _ADDRESSEE.fullmatch(addressee):
        raise ValueError(f"addressee: expected 1 to 9 letters, digits, '-' or '_', came {addressee!r}")
    return f":{addressee:<{ADDRESSEE_SIZE}}:".encode("ascii")


def _encode_id(text: str) -> bytes:
    if not _ID.fullmatch(text):
        raise ValueError(f"message id: expected 1 to 5 letters and digits, came {text!r}")
    return text.encode("ascii")


def _encode_text(text: str, limit: int, forbidden: str, name: str) -> bytes:
    """UTF-8 within a limit in bytes. Control characters would end the frame's line on APRS-IS."""
    wrong = [character for character in text if character in forbidden or not character.isprintable()]
    if wrong:
        raise ValueError(f"{name}: expected printable characters other than {forbidden}, came {wrong[0]!r}")
    data = text.encode("utf-8")
    if len(data) > limit:
        raise ValueError(f"{name}: expected at most {limit} bytes, came {len(data)}")
    return data


def _encode_angle(angle: float, limit: int, directions: str, name: str) -> str:
    """`4903.50N` or `07201.75W`. Reckoned in hundredths of a minute, so that 59.995 minutes carry into the degree."""
    if not -limit <= angle <= limit:  # refuses NaN as well
        raise ValueError(f"{name}: expected -{limit} to {limit} degrees, came {angle}")
    degrees, hundredths = divmod(round(abs(angle) * _HUNDREDTHS), _HUNDREDTHS)
    return f"{degrees:0{len(str(limit))}}{hundredths / 100:05.2f}{directions[angle < 0]}"
