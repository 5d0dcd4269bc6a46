"""Who made what sends a packet: vendor, model and class, by the to-call or by the type bytes of Mic-E.

Mic-E has its position where others have a to-call, so the status text tells: new devices begin it with "`" or "'" and
end it in two characters of their own, Kenwood's older ones begin it with ">" or "]" (APRS 1.2, Mic-E type codes).
The table is `device_table`. What nobody registered is nobody's: the answer is None.
"""

from __future__ import annotations

from functools import lru_cache

from transports.codecs.aprs.device_table import MIC_E, MIC_E_OLD, TO_CALLS

REMEMBERED = 512  # to-calls, and as many marks of Mic-E; beyond, what was asked for longest ago is looked up anew
MIC_E_HEAD = 9  # bytes of a Mic-E info field before its status text (chapter 10)
MIC_E_TYPES = frozenset((b"`", b"'", b"\x1c", b"\x1d"))

Device = dict[str, str]


def identify(destination: str, info: bytes) -> Device | None:
    """Name the device behind a packet: `{"vendor", "model", "class"}`, each of them only where it is known.

    `destination` is the packet's, with or without its SSID. A class is one of those of the database: "ht", "rig",
    "tracker", "app", "software", "daemon", "igate", "digi", "wx" and some more. Never raises; takes about a microsecond
    for what was asked for before, so that the hot path can afford it.
    """
    if info[:1] in MIC_E_TYPES:
        text = info[MIC_E_HEAD:].rstrip(b"\r\n")
        device = _by_mic_e(text[:1], text[1:][-2:])
    else:
        device = _by_to_call(destination)
    return device and device.copy()


@lru_cache(REMEMBERED)
def _by_mic_e(first: bytes, last: bytes) -> Device | None:
    """By the first byte of the status text and the last two of the others."""
    head, tail = first.decode("latin-1"), last.decode("latin-1")
    if head in ("`", "'"):
        return _device(MIC_E.get(tail))
    return _device(MIC_E_OLD.get(head + tail[-1:]) or MIC_E_OLD.get(head)) if head else None


def _device(made_by: tuple[str, str, str] | None) -> Device | None:
    if made_by is None:
        return None
    return {name: value for name, value in zip(("vendor", "model", "class"), made_by, strict=True) if value}


@lru_cache(REMEMBERED)
def _by_to_call(destination: str) -> Device | None:
    """Find the to-call itself, else the pattern that leaves the least open."""
    call = destination.partition("-")[0].upper()
    if found := TO_CALLS.get(call):
        return _device(found)
    fitting = (pattern for pattern in _PATTERNS if _fits(pattern, call))
    best = max(fitting, key=_exactness, default=None)
    return None if best is None else _device(TO_CALLS[best])


def _exactness(pattern: str) -> tuple[int, int]:
    """Characters that are given, then digits that are asked for."""
    return sum(character not in "?n*" for character in pattern), pattern.count("n")


def _fits(pattern: str, call: str) -> bool:
    if pattern.endswith("*"):
        pattern, call = pattern[:-1], call[: len(pattern) - 1]
    if len(pattern) != len(call):
        return False
    return all(
        wanted in ("?", came) or (wanted == "n" and came.isdecimal())
        for wanted, came in zip(pattern, call, strict=True)
    )


_PATTERNS = [pattern for pattern in TO_CALLS if pattern.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")]
