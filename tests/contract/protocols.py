"""What the suite has to know of each protocol: bytes that are an event, half of one, and an event that is bytes."""

import struct
from dataclasses import dataclass, field

from transports import aprs, ax25, serial
from transports.agwpe import AgwpeSession
from transports.codecs.kiss import Checksum, Decoder, KissDialect, KissFrame, encode
from transports.options import AprsOptions, Ax25Options, SerialOptions
from transports.simulator.kiss import encode_kiss
from transports.simulator.packets import Packet, encode_packet
from transports.stream import StreamServer


@dataclass(frozen=True, kw_only=True)
class Protocol:
    name: str  # its scope type
    dialect: str = ""
    build: object
    options: object
    make: object  # a text -> the bytes of an event
    read: object  # an event -> the text
    send: dict = field(default_factory=dict)  # the fields of a send event
    sent: bytes = b""  # what the far side reads of it
    opening: bytes = b""  # what it says first, by itself
    greeting: bytes = b""  # and what the far side answers before it counts as up


def whole(text):
    return encode_packet(Packet(source="QQ1MIA-7", destination="APZSIM", info=b">" + text.encode()))


def frame(text):
    return encode_kiss(whole(text))


def agwpe_frame(kind, data=b""):
    """Make an AGWPE frame as its tutorial draws it: port, kind, PID, from, to, length, user."""
    return struct.pack("<B3xcxBx10s10sI4x", 0, kind, 0, b"", b"", len(data)) + data


def agwpe_raw(text):
    return agwpe_frame(b"K", b"\x00" + whole(text))


def build_agwpe(device):
    return StreamServer(device, lambda: AgwpeSession(ax25.Ax25Session(device.options.callsign)), baud=9600)


def text_of_info(event):
    return event["info"][1:].decode()


def in_dialect(checksum):
    dialect = KissDialect(checksum=checksum)

    def make(text):
        (plain,) = Decoder().receive_bytes(frame(text))
        return encode(plain, dialect)

    header = bytes.fromhex("a2a2629a9282e0 a2a2628a888e75 03f0")  # to QQ1MIA, from QQ1EDG-10
    return Protocol(
        name="ax25",
        dialect=checksum.value,
        build=ax25.build,
        options=Ax25Options(callsign="QQ1EDG-10", checksum=checksum.value),
        make=make,
        read=text_of_info,
        send={"destination": "QQ1MIA", "info": b"hello"},
        sent=encode(KissFrame(data=header + b"hello"), dialect),
    )


PROTOCOLS = (
    Protocol(
        name="serial",
        build=serial.build,
        options=SerialOptions(framing="line"),
        make=lambda text: f"{text}\r\n".encode(),
        read=lambda event: event["text"],
        send={"text": "hello"},
        sent=b"hello\r\n",
    ),
    Protocol(
        name="ax25",
        build=ax25.build,
        options=Ax25Options(callsign="QQ1EDG-10"),
        make=frame,
        read=text_of_info,
        send={"destination": "QQ1MIA", "info": b"hello"},
        sent=b"\x03\xf0hello\xc0",
    ),
    Protocol(
        name="aprs",
        build=aprs.build,
        options=AprsOptions(callsign="QQ1EDG-10"),
        make=frame,
        read=text_of_info,
        send={"packet": {"format": "status", "text": "hello"}},
        sent=b"\x03\xf0>hello\xc0",
    ),
    *map(in_dialect, (Checksum.SMACK, Checksum.TNCX)),
    Protocol(
        name="ax25",
        dialect="agwpe",
        build=build_agwpe,
        options=Ax25Options(callsign="QQ1EDG-10"),
        make=agwpe_raw,
        read=text_of_info,
        send={"destination": "QQ1MIA", "info": b"hello"},
        sent=b"\x03\xf0hello",
        opening=agwpe_frame(b"R") + agwpe_frame(b"G") + agwpe_frame(b"k"),
        greeting=agwpe_frame(b"R", b"\xd5\x07\x00\x00\x7f\x00\x00\x00"),
    ),
)
