"""AX.25 frames: the bytes of a KISS data frame to a value and back, byte-true.

Addresses, control, PID and info; no FCS (the TNC has checked and removed it) and no connected-mode state: that is
`edge.connected`'s, and `Control` is how its frames are named. Every bit of an accepted frame is kept:
`encode(decode(data)) == data`, so that a digipeater or an IGate alters only what it means to.

Standard: "AX.25 Link Access Protocol for Amateur Packet Radio", version 2.2, 1998; sections are given where used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS_SIZE = 7  # octets: six of callsign, one with the SSID (3.12.2)
CALLSIGN_SIZE = 6  # characters; shorter ones are padded with blanks
MAX_SSID = 15
MAX_PATH = 8  # digipeaters; version 2.2 asks for two, APRS and all that is on the air use up to eight
MAX_INFO = 256  # octets; N1 unless it was negotiated (6.7.2.3)
HEADERS_KEPT = 2048  # decoded headers, about 1 kB each; one more, and all are let go of
ADDRESSES_KEPT = 4096  # the same for single addresses, about 200 bytes each; the least recently heard goes first

UI = 0x03  # control: unnumbered information (4.3.3.6)
NO_LAYER_3 = 0xF0  # PID: what APRS uses (3.4)

_BOTH_RESERVED = 0b11  # the reserved bits R R are one where they are not used (3.12.2)
_POLL_FINAL = 0x10
_TOP_BIT = 0x80
_MIN_HEADER = 2 * ADDRESS_SIZE
_MAX_HEADER = (2 + MAX_PATH) * ADDRESS_SIZE
_BYTE = 0xFF

# Callsign characters travel shifted left by one (3.12.2), with the freed bit clear. Set, it would end the address
# field: so an odd octet becomes NUL, which no callsign has.
_SHIFTED = bytes(octet << 1 & _BYTE for octet in range(256))
_UNSHIFTED = bytes(0 if octet & 1 else octet >> 1 for octet in range(256))

# Unnumbered frames (4.3.3), with the P/F bit clear.
_UNNUMBERED = {
    "SABM": 0x2F,
    "SABME": 0x6F,
    "DISC": 0x43,
    "DM": 0x0F,
    "UA": 0x63,
    "FRMR": 0x87,
    "UI": UI,
    "XID": 0xAF,
    "TEST": 0xE3,
}
_SUPERVISORY = {"RR": 0x01, "RNR": 0x05, "REJ": 0x09, "SREJ": 0x0D}  # 4.3.2, with N(R) and P/F zero
_NAMES = {octet: name for table in (_UNNUMBERED, _SUPERVISORY) for name, octet in table.items()}
_RESPONSES = frozenset(("UA", "DM", "FRMR"))  # these are never commands (4.3.3)
_MAX_SEQUENCE = 7  # N(S) and N(R) count modulo 8 (4.2.2.2)

_CALLSIGN = re.compile(r"[A-Z0-9]{1,6}")
_ADDRESS_TEXT = re.compile(r"([A-Z0-9]{1,6})(?:-([0-9]|1[0-5]))?(\*?)")


class FrameError(ValueError):
    """These bytes, or this text, are no AX.25 frame. The message says what was expected, what came, and where."""


def is_callsign(text: str) -> bool:
    """Whether this is a callsign as AX.25 can carry it: 1 to 6 of A-Z and 0-9, optionally -0 to -15. No `*`."""
    found = _ADDRESS_TEXT.fullmatch(text)
    return found is not None and not found[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a control octet says (4.2), counted modulo 8.

    ``name`` is that of the standard: I; RR, RNR, REJ, SREJ; SABM, SABME, DISC, DM, UA, FRMR, UI, XID, TEST; or
    "unknown" for an octet that the standard gives no meaning. ``poll`` is the P/F bit. ``nr`` is there in I and
    supervisory frames, ``ns`` in I frames.
    """

    name: str
    poll: bool = False
    nr: int | None = None
    ns: int | None = None

    @property
    def octet(self) -> int:
        """The octet; raises `FrameError` for a name or a number that it cannot carry."""
        for number, wanted in ((self.nr, self.name in ("I", *_SUPERVISORY)), (self.ns, self.name == "I")):
            if (number is not None) != wanted:
                raise FrameError(f"{self.name}: expected {'a' if wanted else 'no'} sequence number, came {number}")
            if number is not None and not 0 <= number <= _MAX_SEQUENCE:
                raise FrameError(f"{self.name}: expected a sequence number of 0 to 7, came {number}")
        base = 0 if self.name == "I" else {**_UNNUMBERED, **_SUPERVISORY}.get(self.name)
        if base is None:
            known = ", ".join(("I", *_SUPERVISORY, *_UNNUMBERED))
            raise FrameError(f"frame: expected one of {known}, came {self.name!r:.40}")
        return base | (_POLL_FINAL if self.poll else 0) | (self.nr or 0) << 5 | (self.ns or 0) << 1


def _read_control(octet: int) -> Control:
    poll = bool(octet & _POLL_FINAL)
    if not octet & 1:
        return Control(name="I", poll=poll, nr=octet >> 5, ns=octet >> 1 & _MAX_SEQUENCE)
    if octet & 0b11 == 1:
        return Control(name=_NAMES[octet & 0x0F], poll=poll, nr=octet >> 5)
    return Control(name=_NAMES.get(octet & ~_POLL_FINAL, "unknown"), poll=poll)


# What each control octet means, modulo 8 (4.2).
CONTROLS = tuple(_read_control(octet) for octet in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of a frame (3.12). Raises `FrameError` on values that the wire cannot carry.

    `top` is the highest bit of the SSID octet: has-been-repeated in a path, the command/response bit in a destination
    or source. `reserved` is the two bits R R as a number, 3 when unused.
    """

    callsign: str
    ssid: int = 0
    top: bool = False
    reserved: int = _BOTH_RESERVED

    def __post_init__(self) -> None:
        if not _CALLSIGN.fullmatch(self.callsign):
            raise FrameError(f"callsign: expected 1 to 6 of A-Z and 0-9, came {self.callsign!r}")
        if not 0 <= self.ssid <= MAX_SSID:
            raise FrameError(f"SSID of {self.callsign}: expected 0 to 15, came {self.ssid}")
        if not 0 <= self.reserved <= _BOTH_RESERVED:
            raise FrameError(f"reserved bits of {self.callsign}: expected 0 to 3, came {self.reserved}")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `QQ1ABC`, `QQ1ABC-7` or, repeated, `QQ1ABC-7*`; raises `FrameError`."""
        found = _ADDRESS_TEXT.fullmatch(text)
        if found is None:
            raise FrameError(f"address: expected A-Z0-9 (1 to 6), optionally -0 to -15 and '*', came {text!r}")
        return cls(callsign=found[1], ssid=int(found[2] or 0), top=bool(found[3]))

    @property
    def name(self) -> str:
        """`QQ1ABC-7`, and `QQ1ABC` for SSID 0: what a person calls the station."""
        return f"{self.callsign}-{self.ssid}" if self.ssid else self.callsign

    def __str__(self) -> str:
        """The name, with a `*` if the top bit is set; right for a digipeater, `name` is right for the others."""
        return f"{self.name}*" if self.top else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The address field, with its texts and bytes made ready once; raises `FrameError` on more than 8 digipeaters.

    `path_texts` is in the order of travel, each digipeater that has repeated the frame with a `*`. `command` is what
    the C bits say (6.1.2): True for a command, False for a response, None where both are alike, as before version 2.
    """

    destination: Address
    source: Address
    path: tuple[Address, ...] = ()
    source_text: str = field(init=False, repr=False, compare=False)
    destination_text: str = field(init=False, repr=False, compare=False)
    path_texts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    encoded: bytes = field(init=False, repr=False, compare=False)
    command: bool | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.path) > MAX_PATH:
            raise FrameError(f"path of {self.source.name}: expected at most {MAX_PATH} hops, came {len(self.path)}")
        put = object.__setattr__  # the one way to fill a derived field of a frozen value
        put(self, "source_text", self.source.name)
        put(self, "destination_text", self.destination.name)
        put(self, "path_texts", tuple(str(hop) for hop in self.path))
        put(self, "encoded", _encode_addresses((self.destination, self.source, *self.path)))
        put(self, "command", None if self.destination.top == self.source.top else self.destination.top)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame. `pid` is None where the control field says that there is none (3.4).

    Control is read as one octet, modulo 8. A modulo 128 frame cannot be told from its bytes alone: its second control
    octet is then found in `pid` (I) or at the head of `info` (S). No byte is lost.
    """

    header: Header
    control: int = UI
    pid: int | None = NO_LAYER_3
    info: bytes = b""

    @classmethod
    def ui(
        cls,
        *,
        source: str | Address,
        destination: str | Address,
        path: Iterable[str | Address] = (),
        info: bytes = b"",
    ) -> Frame:
        """Build a UI frame with PID F0, as a version 2 command (6.1.2): C bit set in the destination only.

        Addresses given as text are read by `Address.parse`, those given as values are used bit by bit. Raises
        `FrameError` on a bad address, on more than 8 hops, and on an info field over 256 bytes.
        """
        control = Control(name="UI")
        return cls.build(control, source=source, destination=destination, path=path, info=info)

    @classmethod
    def build(  # noqa: PLR0913  (the parts of a frame)
        cls,
        control: Control,
        *,
        source: str | Address,
        destination: str | Address,
        path: Iterable[str | Address] = (),
        command: bool | None = None,
        pid: int | None = None,
        info: bytes = b"",
    ) -> Frame:
        """Build a frame of version 2, as `ui` does; ``command`` goes into the C bits (6.1.2).

        Where it is None, UA, DM and FRMR are responses and all others commands. I and UI frames have the PID F0 where
        none is given, and only I, UI, FRMR, XID and TEST frames may carry info. Raises `FrameError` as `ui` does.
        """
        if len(info) > MAX_INFO:
            raise FrameError(f"info: expected at most {MAX_INFO} bytes, came {len(info)}")
        if info and control.name not in ("I", "UI", "FRMR", "XID", "TEST"):
            raise FrameError(f"info: expected none in {control.name}, came {len(info)} bytes")
        octet = control.octet
        is_command = control.name not in _RESPONSES if command is None else command
        header = Header(
            destination=_end_address(destination, command=is_command),
            source=_end_address(source, command=not is_command),
            path=tuple(hop if isinstance(hop, Address) else Address.parse(hop) for hop in path),
        )
        if pid is None and carries_pid(octet):
            pid = NO_LAYER_3
        return cls(header=header, control=octet, pid=pid, info=info)

    @property
    def destination(self) -> Address:
        """Where to; in APRS, what the sender's software is, or half a Mic-E position."""
        return self.header.destination

    @property
    def source(self) -> Address:
        """Who sent it first."""
        return self.header.source

    @property
    def path(self) -> tuple[Address, ...]:
        """The digipeaters, in the order of travel."""
        return self.header.path

    @property
    def source_text(self) -> str:
        """`QQ1ABC-7`, made once per header."""
        return self.header.source_text

    @property
    def destination_text(self) -> str:
        """`APZEDG`, made once per header."""
        return self.header.destination_text

    @property
    def path_texts(self) -> tuple[str, ...]:
        """`("QQ1DIG*", "WIDE2-1")`, made once per header."""
        return self.header.path_texts


def decode(data: bytes) -> Frame:
    """Read one frame, from the destination address to the last info octet; raises `FrameError`."""
    header, control, pid, info = split(data)
    return Frame(header=header, control=control, pid=pid, info=info)


def split(data: bytes) -> tuple[Header, int, int | None, bytes]:
    """Read one frame as `decode` does, and return its header, control octet, PID and info.

    For whoever needs the parts and no value of them: making a value costs as much as all the reading.
    """
    end, size = _MIN_HEADER, len(data)
    while end < size and not data[end - 1] & 1:
        end += ADDRESS_SIZE
    if end >= size or end > _MAX_HEADER:
        raise _header_error(data)
    header, control = _headers[data[:end]], data[end]
    if control != UI and not carries_pid(control):
        return header, control, None, data[end + 1 :]
    if end + 1 >= size:
        raise FrameError(f"PID: expected at byte {end + 1} for control {control:#04x}, came the end of the frame")
    return header, control, data[end + 1], data[end + 2 :]


def encode(frame: Frame) -> bytes:
    """The bytes of a frame, ready for a KISS data frame.

    Raises `FrameError` if control or PID do not fit an octet, or if the PID is missing or unasked for (3.4).
    """
    pid = b"" if frame.pid is None else _octet(frame.pid, "PID")
    if carries_pid(frame.control) != bool(pid):
        wanted = "a PID" if carries_pid(frame.control) else "no PID"
        raise FrameError(f"PID: expected {wanted} for control {frame.control:#04x}, came {frame.pid}")
    return frame.header.encoded + _octet(frame.control, "control") + pid + frame.info


def carries_pid(control: int) -> bool:
    """Whether a frame with this control octet has a PID: only I and UI frames do (3.4)."""
    return not control & 1 or control & ~_POLL_FINAL == UI


def _header_error(data: bytes) -> FrameError:
    """Say what is wrong with a frame that has no control field where one is looked for."""
    end = _header_end(data)
    _decode_header(data[:end])
    return FrameError(f"control field: expected at byte {end}, came the end of the frame")


def _header_end(data: bytes) -> int:
    """Where the address field ends: after the first SSID octet with its lowest bit set (3.12.1)."""
    end = _MIN_HEADER
    size = len(data)
    while end <= size:
        if data[end - 1] & 1:
            return end
        end += ADDRESS_SIZE
        if end > _MAX_HEADER:
            raise FrameError(f"address field: expected its end within {_MAX_HEADER} bytes (8 digipeaters), came none")
    raise FrameError(
        f"address field: expected its end by byte {end}, came a frame of {size} bytes: {data[:16].hex(' ')}"
    )


class _Headers(dict[bytes, Header]):
    """Headers by their octets. Stations repeat themselves: a header found here costs a twentieth of a header read.

    No lru_cache: that remembers who came last, and what it touches for it is most of a lookup in a processor's cold
    cache, which is what a radio's next frame finds. Errors are not kept; they are rare.
    """

    def __missing__(self, octets: bytes) -> Header:
        header = _decode_header(octets)
        if len(self) >= HEADERS_KEPT:
            self.clear()
        self[octets] = header
        return header


_headers = _Headers()


def _decode_header(data: bytes) -> Header:
    if data[ADDRESS_SIZE - 1] & 1:
        raise FrameError(f"address field: expected a source, came its end after the destination: {data.hex(' ')}")
    octets = (data[at : at + ADDRESS_SIZE] for at in range(0, len(data), ADDRESS_SIZE))
    destination, source, *path = (_decode_address(address) for address in octets)
    return Header(destination=destination, source=source, path=tuple(path))


# A header may be new and its addresses known: a moving Mic-E station has a new destination with each position.
@lru_cache(maxsize=ADDRESSES_KEPT)
def _decode_address(octets: bytes) -> Address:
    """Read an address (3.12.2): six callsign characters shifted left by one, then the SSID octet."""
    callsign = octets[:CALLSIGN_SIZE].translate(_UNSHIFTED).decode("ascii").rstrip(" ")
    if not _CALLSIGN.fullmatch(callsign):
        raise FrameError(f"callsign: expected A-Z and 0-9 shifted left by one bit, came {octets.hex(' ')}")
    ssid = octets[CALLSIGN_SIZE]
    return Address(callsign=callsign, ssid=ssid >> 1 & 0x0F, top=bool(ssid & _TOP_BIT), reserved=ssid >> 5 & 0b11)


def _encode_addresses(addresses: tuple[Address, ...]) -> bytes:
    """Write the address field; the last octet has its lowest bit set."""
    octets = bytearray().join(_encode_address(address) for address in addresses)
    octets[-1] |= 1
    return bytes(octets)


def _encode_address(address: Address) -> bytes:
    shifted = address.callsign.ljust(CALLSIGN_SIZE).encode("ascii").translate(_SHIFTED)
    return shifted + bytes((address.top << 7 | address.reserved << 5 | address.ssid << 1,))


def _end_address(given: str | Address, *, command: bool) -> Address:
    """Destination or source: a text becomes an address with this C bit; it may not carry a digipeater's `*`."""
    if isinstance(given, Address):
        return given
    address = Address.parse(given)
    if address.top:
        raise FrameError(f"address: expected no '*' but on a digipeater, came {given!r}")
    return replace(address, top=command)


def _octet(value: int, name: str) -> bytes:
    if not 0 <= value <= _BYTE:
        raise FrameError(f"{name}: expected 0 to 255, came {value}")
    return bytes((value,))
