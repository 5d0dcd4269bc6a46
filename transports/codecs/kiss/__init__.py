"""KISS, the protocol between a host and a TNC: a byte stream to frames and back.

A frame on the wire is FEND, a type byte (port in the high nibble, command in the low one), data, FEND. What a data
frame carries is the business of `ax25`; when to send which parameter is that of the session (`transports.tnc`).

    frames      a frame and its bytes
    dialect     what one TNC does otherwise than the standard says
    checksums   SMACK, FLEXNET, XOR: sums of frames on the serial line
    decoder     a stream to frames, in any chunks
    parameters  TXDELAY and the others, in the units that people use
    hardware    what Direwolf answers when it is asked

Standard: Chepponis and Karn, "The KISS TNC: A simple Host-to-TNC communications protocol", 1987.
"""

from transports.codecs.kiss.checksums import Checksum
from transports.codecs.kiss.decoder import Decoder
from transports.codecs.kiss.dialect import PLAIN, KissDialect
from transports.codecs.kiss.frames import (
    ESCAPED_FEND,
    ESCAPED_FESC,
    FEND,
    FESC,
    LEAVE,
    MAX_FRAME,
    MAX_NIBBLE,
    RETURN_TYPE,
    TNC_PI_RESET,
    Command,
    KissFrame,
    encode,
)
from transports.codecs.kiss.hardware import TNC_QUERY, TXBUF_QUERY, Report, read_report
from transports.codecs.kiss.parameters import Parameters, parse_ports

__all__ = [
    "ESCAPED_FEND",
    "ESCAPED_FESC",
    "FEND",
    "FESC",
    "LEAVE",
    "MAX_FRAME",
    "MAX_NIBBLE",
    "PLAIN",
    "RETURN_TYPE",
    "TNC_PI_RESET",
    "TNC_QUERY",
    "TXBUF_QUERY",
    "Checksum",
    "Command",
    "Decoder",
    "KissDialect",
    "KissFrame",
    "Parameters",
    "Report",
    "encode",
    "parse_ports",
    "read_report",
]
