"""APRS: the info field of a UI frame to a parsed packet, and what we send ourselves to its bytes.

`packet` says what a packet holds, `parsing` reads one (it never raises and never loses a byte), `encoding` writes
those we send, `summaries` says in one sentence what was heard, `devices` who made what sent it. The library aprslib
reads the base-91 numbers in comments, in `fence` only. docs/aprs.md is the reference.

Standard: "APRS Protocol Reference", version 1.0.1, 2000, with the 1.1 and 1.2 addenda.
"""

from transports.codecs.aprs.devices import identify
from transports.codecs.aprs.encoding import ENCODABLE, Encoded, encode
from transports.codecs.aprs.packet import FORMATS, Packet
from transports.codecs.aprs.parsing import parse
from transports.codecs.aprs.summaries import MAX_SUMMARY, summary

__all__ = ["ENCODABLE", "FORMATS", "MAX_SUMMARY", "Encoded", "Packet", "encode", "identify", "parse", "summary"]
