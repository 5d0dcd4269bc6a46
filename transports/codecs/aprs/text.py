"""Bytes to text, always the same way."""

from __future__ import annotations


def decode_text(data: bytes) -> str:
    """UTF-8 if it is, else Latin-1, which never fails; without line ends and NULs at the end, as TNCs add them."""
    data = data.rstrip(b"\r\n\x00")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
