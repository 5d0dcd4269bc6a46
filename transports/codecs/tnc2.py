"""TNC2 monitor text and frames: `QQ1ABC-7>APZEDG,QQ1DIG*,WIDE2-1:info`.

The form in which TNCs, APRS-IS and people write a packet down. It has no place for the control field, the PID, the C
bits and the reserved bits: a frame comes back from its text as a plain UI frame. Info is bytes here too, whatever they
are. APRS-IS' own path words (q-constructs) are no AX.25 addresses; they are the business of `transports.aprsis`.
"""

from __future__ import annotations

import re

from transports.codecs.ax25 import Address, Frame, FrameError

_Q_CONSTRUCT = re.compile(r"q[A-Z][A-Za-z]")  # http://www.aprs-is.net/q.aspx


def format(frame: Frame) -> bytes:  # noqa: A001 - `tnc2.format` is what it is called; nobody imports it bare
    """Write a frame as monitor text, without a line end.

    Only the last digipeater that has repeated carries the `*`, as TNC2 and APRS-IS have it: all before it have too.
    Never raises; an info field with a CR or LF in it is given as it is.
    """
    last = max((index for index, hop in enumerate(frame.path) if hop.top), default=-1)
    hops = (f",{hop.name}{'*' if index == last else ''}" for index, hop in enumerate(frame.path))
    head = f"{frame.source_text}>{frame.destination_text}{''.join(hops)}:"
    return head.encode("ascii") + frame.info


def parse(line: bytes) -> Frame:
    """Read monitor text, without its line end, as a UI frame.

    A `*` on any hop marks it and all before it as repeated, so both conventions are read: a star on each, and a star on
    the last. Raises `FrameError` on anything that is no AX.25 address, q-constructs among it.
    """
    head, colon, info = line.partition(b":")
    source, arrow, rest = head.partition(b">")
    if not colon or not arrow:
        raise FrameError(f"monitor text: expected SOURCE>DESTINATION,PATH:info, came {line[:40]!r}")
    destination, *hops = (_text(word) for word in rest.split(b","))
    return Frame.ui(source=_text(source), destination=destination, path=_path(hops), info=info)


def _path(hops: list[str]) -> list[Address]:
    """Read the digipeaters; those up to the last star have repeated."""
    for hop in hops:
        if _Q_CONSTRUCT.fullmatch(hop):
            raise FrameError(f"path: expected AX.25 addresses, came {hop!r}, a q-construct; it exists on APRS-IS only")
    addresses = [Address.parse(hop) for hop in hops]
    last = max((index for index, address in enumerate(addresses) if address.top), default=-1)
    return [
        Address(callsign=address.callsign, ssid=address.ssid, top=index <= last)
        for index, address in enumerate(addresses)
    ]


def _text(word: bytes) -> str:
    """Latin-1 never fails, and what is not ASCII is refused as an address, with its words."""
    return word.decode("latin-1")
