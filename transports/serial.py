"""A serial line without a protocol: bytes as they come, or lines of text (`edge.spec.serial`)."""

from collections.abc import Iterable, Mapping
from typing import Any

from edge.errors import LocalProtocolError
from edge.registry import Device
from transports.codecs import lines
from transports.options import SerialOptions
from transports.stream import StreamServer

LINE_END = b"\r\n"  # what terminals and NMEA devices read


def build(device: Device) -> StreamServer:
    """Build the server of a serial line."""
    options: SerialOptions = device.options
    return StreamServer(device, lambda: SerialSession(options.framing), link=device.link, baud=options.baud)


class SerialSession:
    """`transports.session.Session` of a line: there is nothing to decode but where a line ends."""

    scope_type = "serial"

    def __init__(self, framing: str) -> None:
        self.framing = framing
        self._lines = lines.Decoder()

    def scope(self) -> Mapping[str, Any]:
        """Name the framing."""
        return {"framing": self.framing}

    def receive_bytes(self, data: bytes, now: float) -> Iterable[dict[str, Any]]:
        """Return the read as one event, or one event per whole line."""
        if self.framing == "bytes":
            return [{"type": "serial.receive", "bytes": data, "text": None, "time": now}]
        found = self._lines.receive_bytes(data)
        return [{"type": "serial.receive", "bytes": line, "text": _text(line), "time": now} for line in found]

    def send(self, event: Mapping[str, Any]) -> bytes:
        """Return the bytes, or the text with its line's end."""
        text, data = event.get("text"), event.get("bytes")
        if (text is None) == (data is None):
            raise LocalProtocolError("serial.send takes bytes or text, exactly one of the two")
        if text is not None:
            return str(text).encode() + (LINE_END if self.framing == "line" else b"")
        return bytes(data or b"") + (LINE_END if self.framing == "line" else b"")

    def counters(self) -> Mapping[str, int]:
        """Return the lines that were too long."""
        return {"too_long": self._lines.oversized}


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
