"""What a program TNC answers when it is asked: Direwolf's and fldigi's SETHW, in ASCII.

``TNC:`` asks what it is, ``TXBUF:`` how many bytes wait. The answers are SETHW frames with the same words in front.
**``TXBUF:0`` does not say that a frame has left**: Direwolf takes the bytes off its count when it hands the audio to
the sound card, seconds before the end of a transmission (measured: 0 after 1 s of 5).

Direwolf's User Guide, chapter on KISS; fldigi's "KISS interface".
"""

from __future__ import annotations

from dataclasses import dataclass

TNC_QUERY = b"TNC:"
TXBUF_QUERY = b"TXBUF:"
MAX_TEXT = 200  # characters of an answer that are kept; a TNC's name has twenty


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One answer. `name` is ``tnc``, ``txbuf``, or ``hardware`` for all that is not known here."""

    name: str
    text: str  # behind the colon; for ``hardware`` all of it, where it is printable ASCII
    number: int | None = None  # of ``txbuf``: bytes that wait to be modulated


def read_report(data: bytes) -> Report:
    """Read what came in a SETHW frame. Never raises."""
    text = data.decode("ascii", "replace").strip("\r\n\0 ")[:MAX_TEXT]
    text = text if text.isprintable() and data.isascii() else ""
    word, colon, said = text.partition(":")
    said = said.strip()
    if colon and word.upper() == "TNC":
        return Report(name="tnc", text=said)
    if colon and word.upper() == "TXBUF" and said.isdecimal():
        return Report(name="txbuf", text=said, number=int(said))
    if text.upper().startswith("DIREWOLF"):  # 1.6 answers TNC: with its name alone, whatever its documentation says
        return Report(name="tnc", text=text)
    return Report(name="hardware", text=text)
