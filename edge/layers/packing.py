"""A layer's message as bytes and back: JSON, which every language reads, with the bytes of a message beside it.

    {"type": "chat.message", "text": "hello"}          a message without bytes is its JSON, in UTF-8
    B <marker: 16 hex digits> <length: 4 bytes> <JSON> <bytes>

In the second form ``{"<marker>": [offset, length]}`` in the JSON stands for a piece of the bytes behind it; the marker
is drawn anew for each message, so no text in a message can be taken for one. Pure: knows no broker.

JSON and no MessagePack, for it needs no dependency, is decoded in C as fast, and can be read by a person at the broker.
"""

import json
import secrets
from typing import Any

from edge.layers.base import InvalidMessageError, Message, require_message

MAX_DEPTH = 32  # levels of a message; a cycle has more
MARKED = b"B"
MARKER = 16  # hex digits
LENGTH = 4  # bytes, big endian
HEAD = len(MARKED) + MARKER + LENGTH
BYTES = (bytes, bytearray, memoryview)
PLAIN = (str, int, float, type(None), *BYTES)


def pack(message: Message) -> bytes:
    """Return a message as bytes; InvalidMessageError for one that is no dictionary of plain values.

    Plain are texts, bytes, integers, floats, booleans, None, and lists and dictionaries of them; keys are texts. A
    tuple arrives as a list.
    """
    require_plain(message)
    pieces: list[bytes] = []
    marker, offset = "", 0

    def put_aside(value: Any) -> Any:  # what json hands us is one of BYTES: all else is plain to it
        nonlocal marker, offset
        marker = marker or secrets.token_hex(MARKER // 2)
        piece = bytes(value)
        pieces.append(piece)
        begin, offset = offset, offset + len(piece)
        return {marker: [begin, len(piece)]}

    text = json.dumps(message, separators=(",", ":"), default=put_aside).encode()
    if not marker:
        return text
    return b"".join((MARKED, marker.encode(), len(text).to_bytes(LENGTH, "big"), text, *pieces))


def unpack(payload: bytes) -> Message:
    """Return the message of some bytes; ValueError for whatever is none."""
    try:
        message = _unpack_marked(payload) if payload[:1] == MARKED else json.loads(payload)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("expected a dictionary with a type")  # noqa: TRY004  (one error for whatever is none)
    return message


def require_plain(message: object) -> None:
    """Raise InvalidMessageError for what is no dictionary of plain values, saying where."""
    require_message(message)
    _require_plain(message, "message", MAX_DEPTH)


def _require_plain(value: object, where: str, depth: int) -> None:
    if isinstance(value, PLAIN):
        return
    if not depth:
        raise InvalidMessageError(f"{where[:80]}…: a message has {MAX_DEPTH} levels at most")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidMessageError(f"{where}: expected texts as keys; got {key!r:.40}")
            if not isinstance(item, PLAIN):
                _require_plain(item, f"{where}[{key!r:.40}]", depth - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            if not isinstance(item, PLAIN):
                _require_plain(item, f"{where}[…]", depth - 1)
    else:
        raise InvalidMessageError(f"{where}: a layer carries no {type(value).__name__}; make plain values of it")


def _unpack_marked(payload: bytes) -> Any:  # whatever the JSON holds
    marker = payload[len(MARKED) : len(MARKED) + MARKER].decode("ascii")
    begin = HEAD + int.from_bytes(payload[HEAD - LENGTH : HEAD], "big")
    pieces = payload[begin:]

    def put_back(value: dict[str, Any]) -> Any:
        if len(value) != 1 or marker not in value:
            return value
        offset, length = value[marker]
        if not isinstance(offset, int) or not isinstance(length, int) or not 0 <= offset <= offset + length:
            raise ValueError("bytes that are nowhere")
        if offset + length > len(pieces):
            raise ValueError("bytes beyond the end")
        return pieces[offset : offset + length]

    try:
        return json.loads(payload[HEAD:begin], object_hook=put_back)
    except TypeError as error:
        raise ValueError(f"no piece of bytes: {error}") from None
