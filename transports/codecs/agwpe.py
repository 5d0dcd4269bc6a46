"""AGWPE, how packet programs share a TNC over TCP: a byte stream to frames and back.

SV2AGW's Packet Engine began it; Direwolf, soundmodem and ldsped speak it too, on port 8000. A frame is a header of 36
bytes and data. Unlike KISS there is no byte that begins a frame: who has lost step cannot find it again, so a header
that cannot be one ends the connection (`FrameError`). When to ask for what is the business of the session
(`transports.agwpe`).

Standard: George Rossopoulos SV2AGW, "AGWPE TCP/IP API tutorial", 2000; where it is silent, what Direwolf 1.6 does.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

# Port, 3 reserved; kind, reserved, PID, reserved; from, to; length of the data, 4 reserved ("user"). Little-endian.
_HEADER = struct.Struct("<B3xcxBx10s10sI4x")
HEADER_SIZE = 36  # bytes
MAX_DATA = 4096  # bytes; the longest AX.25 frame has 2,047, the list of 16 ports some 1,500
MAX_CALL = 9  # characters of a callsign with its SSID, in a field of ten with a NUL at the end
MAX_PORT = 255
LOGIN_FIELD = 255  # bytes each of user name and password
MAX_VIA = 7  # digipeaters of an unproto frame

VERSION = "R"
PORTS = "G"
REGISTER = "X"
LOGIN = "P"
RAW_MONITOR = "k"  # asks for `RAW`, or no longer: each time the other way
RAW = "K"  # an AX.25 frame as it is, both ways
OUTSTANDING = "y"  # frames of a port that wait to be transmitted
UNPROTO = "M"
UNPROTO_VIA = "V"

_NO_PORT = "INVALID CHANNEL"  # what Direwolf calls those that it has not


class FrameError(ValueError):
    """These bytes, or these values, are no AGWPE frame. The message says what was expected, what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgwpeFrame:
    """One frame. ``kind`` is one letter; its meaning may depend on who sends it. ``port`` counts from 0."""

    kind: str
    port: int = 0
    pid: int = 0
    source: str = ""
    destination: str = ""
    data: bytes = b""


class Decoder:
    """An AGWPE byte stream, in any chunks, to frames.

    Holds less than one frame between two calls: `HEADER_SIZE` and `MAX_DATA` bytes. Once it has raised, it is of no
    more use: the connection has to be opened anew.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    def receive_bytes(self, data: bytes) -> list[AgwpeFrame]:
        """Give the frames that end in this chunk, in order; raises `FrameError` for a header that cannot be one."""
        self._held += data
        frames, at = [], 0
        while len(self._held) - at >= HEADER_SIZE:
            port, kind, pid, source, destination, length = _HEADER.unpack_from(self._held, at)
            if not kind.isalpha() or length > MAX_DATA:
                head = bytes(self._held[at : at + HEADER_SIZE]).hex(" ")
                raise FrameError(
                    f"header: expected a letter at byte 4 and at most {MAX_DATA} bytes of data, came {head}"
                )
            end = at + HEADER_SIZE + length
            if len(self._held) < end:
                break
            content = bytes(self._held[at + HEADER_SIZE : end])
            frames.append(
                AgwpeFrame(
                    kind=kind.decode("ascii"),
                    port=port,
                    pid=pid,
                    source=_read_call(source),
                    destination=_read_call(destination),
                    data=content,
                )
            )
            at = end
        del self._held[:at]
        return frames


def encode(frame: AgwpeFrame) -> bytes:
    """One frame as the server reads it; raises `FrameError` on values that the header cannot carry."""
    if not (len(frame.kind) == 1 and frame.kind.isascii() and frame.kind.isalpha()):
        raise FrameError(f"kind: expected one letter, came {frame.kind!r}")
    for name, value in (("port", frame.port), ("PID", frame.pid)):
        if not 0 <= value <= MAX_PORT:
            raise FrameError(f"AGWPE {name}: expected 0 to {MAX_PORT}, came {value}")
    if len(frame.data) > MAX_DATA:
        raise FrameError(f"data: expected at most {MAX_DATA} bytes, came {len(frame.data)}")
    calls = _write_call(frame.source), _write_call(frame.destination)
    return _HEADER.pack(frame.port, frame.kind.encode("ascii"), frame.pid, *calls, len(frame.data)) + frame.data


def login(user: str, password: str) -> AgwpeFrame:
    """Build the login of a server that asks for one; raises `FrameError` on what its fields do not hold."""
    fields = user.encode(), password.encode()
    if any(len(field) >= LOGIN_FIELD for field in fields):
        raise FrameError(f"login: expected at most {LOGIN_FIELD - 1} bytes each for user name and password")
    return AgwpeFrame(kind=LOGIN, data=b"".join(field.ljust(LOGIN_FIELD, b"\0") for field in fields))


def raw(port: int, frame: bytes) -> AgwpeFrame:
    """Build the request to transmit an AX.25 frame as it is. Its data begin with the port again, as KISS has it."""
    if not 0 <= port <= MAX_PORT >> 4:
        raise FrameError(f"AGWPE port of a raw frame: expected 0 to 15, came {port}")
    return AgwpeFrame(kind=RAW, port=port, data=bytes((port << 4,)) + frame)


def unproto(  # noqa: PLR0913  (a frame's parts)
    *, port: int = 0, source: str, destination: str, via: tuple[str, ...] = (), pid: int = 0xF0, info: bytes = b""
) -> AgwpeFrame:
    """Build the request to transmit a UI frame by its parts, for servers that take no raw ones."""
    if len(via) > MAX_VIA:
        raise FrameError(f"via: expected at most {MAX_VIA} digipeaters, came {len(via)}")
    hops = bytes((len(via),)) + b"".join(_write_call(hop).ljust(10, b"\0") for hop in via) if via else b""
    return AgwpeFrame(
        kind=UNPROTO_VIA if via else UNPROTO,
        port=port,
        pid=pid,
        source=source,
        destination=destination,
        data=hops + info,
    )


def read_raw(frame: AgwpeFrame) -> bytes:
    """Return the AX.25 frame of a `RAW` one: all but the byte before it."""
    return frame.data[1:]


def read_version(frame: AgwpeFrame) -> tuple[int, int] | None:
    """Return major and minor number of the server, None where there are none."""
    return struct.unpack("<HxxHxx", frame.data) if len(frame.data) == struct.calcsize("<HxxHxx") else None


def read_ports(frame: AgwpeFrame) -> dict[int, str]:
    """Return the radio ports by number, from 0, each with what the server calls it; those that are none left out.

    ``1;Port1 first soundcard mono;``: the names begin with "Port" and a number from 1; others are numbered as listed.
    """
    _, *names = frame.data.partition(b"\0")[0].decode("latin-1").split(";")
    found: dict[int, str] = {}
    for index, name in enumerate(name for name in names if name):
        numbered = re.match(r"Port([1-9][0-9]{0,2})\b", name)
        if not name.endswith(_NO_PORT):
            found[int(numbered[1]) - 1 if numbered else index] = name
    return found


def read_outstanding(frame: AgwpeFrame) -> int | None:
    """Return how many frames wait to be transmitted, of an answer to `OUTSTANDING`; None where it does not say."""
    return int.from_bytes(frame.data, "little") if len(frame.data) == struct.calcsize("<I") else None


def _read_call(field: bytes) -> str:
    """Read a callsign: up to the first NUL, for what stands behind is whatever was in memory there."""
    return field.partition(b"\0")[0].decode("latin-1")


def _write_call(call: str) -> bytes:
    if len(call) > MAX_CALL or not call.isascii():
        raise FrameError(f"callsign: expected at most {MAX_CALL} ASCII characters, came {call!r}")
    return call.encode("ascii")
