"""AX.25 UI frames, as a radio has them, and the one-line form that people read.

Standard: AX.25 2.2, 3.12 (addresses) and 4.3.3.6 (UI). Frames carry no flags and no checksum: the TNC adds and removes
those. Anything but UI is not ours to understand, and gives None.
"""

from dataclasses import dataclass

UI_NO_LAYER_3 = b"\x03\xf0"
ADDRESS_SIZE = 7  # bytes; six of the callsign, one of the SSID
ENDS = 2  # addresses before the path: destination and source
MAX_HOPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A UI frame. ``path`` is in order of travel; a hop that has been used ends in ``*``, as in ``QQ1DGI-3*``."""

    source: str
    destination: str
    path: tuple[str, ...] = ()
    info: bytes

    def __str__(self) -> str:
        """The monitor form: ``SOURCE>DESTINATION,PATH*:info``, with the star on the last used hop only."""
        used = max((index for index, hop in enumerate(self.path) if hop.endswith("*")), default=-1)
        hops = [hop.rstrip("*") + ("*" if index == used else "") for index, hop in enumerate(self.path)]
        return f"{self.source}>{','.join((self.destination, *hops))}:{self.info.decode('latin-1')}"


def encode_packet(packet: Packet) -> bytes:
    """Give the frame without checksum. The destination carries the command bit, as version 2 wants."""
    addresses = bytearray(_encode_address(packet.destination, flag=True) + _encode_address(packet.source, flag=False))
    for hop in packet.path:
        addresses += _encode_address(hop.rstrip("*"), flag=hop.endswith("*"))
    addresses[-1] |= 1  # the extension bit: no address follows
    return bytes(addresses) + UI_NO_LAYER_3 + packet.info


def decode_packet(frame: bytes) -> Packet | None:
    """Read a frame from the host; None if it is no UI frame, or damaged."""
    end = next((index for index, byte in enumerate(frame) if byte & 1), -1) + 1
    count = end // ADDRESS_SIZE
    if end % ADDRESS_SIZE or not ENDS <= count <= ENDS + MAX_HOPS or frame[end : end + 2] != UI_NO_LAYER_3:
        return None
    fields = [frame[at : at + ADDRESS_SIZE] for at in range(0, end, ADDRESS_SIZE)]
    destination, source, *hops = (_decode_address(field) for field in fields)
    stars = ("*" if field[6] & 0x80 else "" for field in fields[2:])
    path = tuple(hop + star for hop, star in zip(hops, stars, strict=True))
    return Packet(source=source, destination=destination, path=path, info=frame[end + 2 :])


def describe(frame: bytes) -> str:
    """One line about a frame for a log; what is no UI frame appears as hex."""
    packet = decode_packet(frame)
    return str(packet) if packet else frame.hex(" ")


def digipeat(packet: Packet, call: str) -> Packet | None:
    """What the digipeater ``call`` makes of a packet, or None if its next hop is not WIDEn-N with N of 1 to 7."""
    used = [hop for hop in packet.path if hop.endswith("*")]
    wanted = packet.path[len(used) :]
    if not wanted or not wanted[0].startswith("WIDE") or len(packet.path) >= MAX_HOPS:
        return None
    alias, _, left = wanted[0].partition("-")
    if left not in tuple("1234567"):
        return None
    rest = () if left == "1" else (f"{alias}-{int(left) - 1}",)
    path = (*used, f"{call}*", *rest, *wanted[1:])
    return Packet(source=packet.source, destination=packet.destination, path=path, info=packet.info)


def _encode_address(address: str, *, flag: bool) -> bytes:
    call, _, ssid = address.partition("-")
    shifted = bytes(ord(letter) << 1 for letter in call.ljust(6))
    return shifted + bytes([0x60 | int(ssid or 0) << 1 | (0x80 if flag else 0)])


def _decode_address(field: bytes) -> str:
    call = "".join(chr(byte >> 1) for byte in field[:6]).rstrip()
    ssid = field[6] >> 1 & 0x0F
    return f"{call}-{ssid}" if ssid else call
