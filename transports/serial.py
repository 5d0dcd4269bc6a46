"""A serial line without a protocol: bytes as they come, or lines of text (`edge.spec.serial`)."""

from collections.abc import Iterable, Mapping
from typing import Any

from edge.errors import LocalProtocolError
from edge.registry import Device
from transports.codecs import lines
from transports.stream import StreamServer

LINE_END = b"\r\n"  # what terminals and NMEA devices read
MAX_SEND = 65_536  # bytes of one serial.send, as many as one serial.receive has; who sends more waits in between


def build(device: Device) -> StreamServer:
    """Build the server of a serial line."""
    options = device.options  # `transports.options.SerialOptions`, as the catalog says
    return StreamServer(device, lambda: SerialSession(options.framing), baud=options.baud)


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
        given = text.encode(errors="replace") if isinstance(text, str) else data
        if not isinstance(given, bytes | bytearray | memoryview):
            raise LocalProtocolError(f"serial.send takes bytes, or text as str; got {type(given).__name__}")
        if len(given) > MAX_SEND:
            raise LocalProtocolError(f"serial.send takes at most {MAX_SEND} bytes at once; got {len(given)}")
        return bytes(given) + (LINE_END if self.framing == "line" else b"")

    def counters(self) -> Mapping[str, int]:
        """Return the lines that were too long."""
        return {"too_long": self._lines.oversized}


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
