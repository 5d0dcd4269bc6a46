"""Checksums of frames on the serial line, which KISS itself has not: SMACK, FLEXNET, and one byte of XOR.

They guard the cable between host and TNC, not the air. Each is over the type byte and the data, before the escapes, and
its bytes are escaped as any other. Only data frames carry one: parameters go as they are, so that a TNC that does not
know the sum is set all the same.

Standards: "The SMACK Protocol", Schiefer and Deyke, 1992; FLEXNET's as the Linux driver mkiss has it, and XOR as BPQ's
KISS with CHECKSUM has it, for which there is no other paper.
"""

from __future__ import annotations

from enum import Enum
from functools import reduce
from operator import xor

SMACK_FLAG = 0x80  # in the type byte; so SMACK has the ports 0 to 7
FLEXNET_FLAG = 0x20  # in the type byte; the port is what is left
CRC_SIZE = 2  # bytes
_FLEXNET_GOOD = 0x7070  # what the CRC over a good frame with its CRC is
_TNCX_INSTEAD = 0xC1  # sent by a TNC-X where the sum is FEND, for it has no way to escape a sum


class Checksum(Enum):
    """Which sum the frames of a line have. `AUTO` takes what comes and answers in kind; see `Decoder`."""

    NONE = "none"
    SMACK = "smack"  # CRC-16, marked by 0x80 in the type byte
    XOR = "xor"  # one byte, unmarked: both sides must be set to it
    TNCX = "tncx"  # XOR as a TNC-X does it: FEND is sent as C1, and the id of ACKMODE is summed as well
    FLEXNET = "flexnet"  # a CRC of its own, marked by 0x20 in the type byte
    AUTO = "auto"


def crc16(data: bytes) -> int:
    """SMACK's CRC-16: x16 + x15 + x2 + 1 reflected, preset to 0. Over a frame with its CRC, low byte first, it is 0."""
    crc = 0
    for octet in data:
        crc = crc >> 8 ^ _CRC16[(crc ^ octet) & 0xFF]
    return crc


def crc_flexnet(data: bytes) -> int:
    """FLEXNET's CRC: CCITT's table, shifted the other way, preset to ones."""
    crc = 0xFFFF
    for octet in data:
        crc = (crc << 8 & 0xFF00) ^ _FLEXNET[crc >> 8 ^ octet]
    return crc


def xor_sum(data: bytes) -> int:
    """XOR of all bytes; over a frame with its sum it is 0."""
    return reduce(xor, data, 0)


def seal(body: bytes, checksum: Checksum, *, unsummed: int = 0) -> bytes:
    """Add the sum to the body of a data frame (type byte and data, not yet escaped).

    The first ``unsummed`` bytes behind the type byte are left out of an XOR: the id of ACKMODE, for all but a TNC-X.
    """
    if checksum is Checksum.SMACK:
        marked = bytes((body[0] | SMACK_FLAG,)) + body[1:]
        return marked + crc16(marked).to_bytes(CRC_SIZE, "little")
    if checksum is Checksum.FLEXNET:
        marked = bytes((body[0] | FLEXNET_FLAG,)) + body[1:]
        return marked + _flexnet_tail(marked)
    if checksum is Checksum.XOR:
        return body + bytes((xor_sum(body[:1] + body[1 + unsummed :]),))
    if checksum is Checksum.TNCX:
        total = xor_sum(body)
        return body + bytes((_TNCX_INSTEAD if total == 0xC0 else total,))  # noqa: PLR2004  (FEND)
    return body


def open_smack(body: bytes) -> bytes | None:
    """Take mark and sum off a frame marked as SMACK; None where the sum is wrong."""
    if len(body) <= CRC_SIZE or crc16(body):
        return None
    return bytes((body[0] & ~SMACK_FLAG,)) + body[1:-CRC_SIZE]


def open_flexnet(body: bytes) -> bytes | None:
    """Take mark and sum off a frame marked as FLEXNET; None where the sum is wrong."""
    if len(body) <= CRC_SIZE or crc_flexnet(body) != _FLEXNET_GOOD:
        return None
    return bytes((body[0] & ~FLEXNET_FLAG,)) + body[1:-CRC_SIZE]


def open_xor(body: bytes, *, tncx: bool) -> bytes | None:
    """Take the sum off a data frame; None where it is wrong."""
    residue = xor_sum(body)
    if len(body) > 1 and (residue == 0 or (tncx and residue == 1 and body[-1] == _TNCX_INSTEAD)):
        return body[:-1]
    return None


def _table(polynomial: int, mask: int) -> tuple[int, ...]:
    found = []
    for octet in range(256):
        value = octet
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        found.append(value ^ mask)
    return tuple(found)


_CRC16 = _table(0xA001, 0)
_FLEXNET = _table(0x8408, 0x0F87)


def _flexnet_tail(body: bytes) -> bytes:
    """Find the two bytes that make the CRC over all of it the good one: each is the only one that can."""
    crc = crc_flexnet(body)
    high, low = _FLEXNET_GOOD >> 8, _FLEXNET_GOOD & 0xFF
    # After both, low byte first: low = T(second) low; high = T(first) low ^ T(second) high.
    second = next(index for index in range(256) if _FLEXNET[index] & 0xFF == low)
    first = next(index for index in range(256) if _FLEXNET[index] & 0xFF == high ^ _FLEXNET[second] >> 8)
    before = (crc << 8 & 0xFF00) ^ _FLEXNET[first]
    return bytes((crc >> 8 ^ first, before >> 8 ^ second))
