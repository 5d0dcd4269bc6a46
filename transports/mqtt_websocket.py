"""MQTT over WebSocket (MQTT 5.0, section 6): binary frames of any cut, subprotocol ``mqtt``.

A `WebSocketPipe` stands between a TCP or TLS transport and a protocol: to the one it is a protocol, to the other a
transport. The framing is websockets' own, without I/O.
"""

import asyncio
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import WebSocketURI

from edge.errors import LinkLost
from transports.mqtt_dial import Broker

DATA = (Opcode.BINARY, Opcode.CONT)
MAX_FRAME = 2**24  # bytes of one frame; brokers send one packet a frame, or less


class WebSocketPipe(asyncio.Protocol, asyncio.Transport):
    """``opened`` is done once the broker has accepted the upgrade; LinkLost where it has not."""

    def __init__(self, inner: asyncio.Protocol, broker: Broker) -> None:
        super().__init__()
        path, _, query = broker.path.partition("?")
        uri = WebSocketURI(broker.tls, broker.host, broker.port, path, query)
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._where = broker.where
        self._inner = inner
        self._frames = ClientProtocol(uri, subprotocols=["mqtt"], max_size=MAX_FRAME)  # type: ignore[list-item]  # a NewType
        self._transport: asyncio.Transport | None = None

    # To the transport below it is a protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport  # type: ignore[assignment]  # asyncio's own: it is a Transport for a stream
        self._frames.send_request(self._frames.connect())
        self._pass_out()

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if isinstance(event, Response):
                self._begin()
            elif isinstance(event, Frame) and event.opcode in DATA:
                self._inner.data_received(bytes(event.data))
        self._pass_out()
        if self._frames.close_expected() and self._transport is not None:
            self._transport.close()

    def _begin(self) -> None:
        problem = self._frames.handshake_exc
        if problem is None and self._frames.subprotocol != "mqtt":
            problem = WebSocketException("it does not offer the subprotocol mqtt")
        if problem is None:
            self._inner.connection_made(self)
            self.opened.set_result(None)
        elif not self.opened.done():
            hint = "is it a listener for WebSockets, and its path right?"
            self.opened.set_exception(LinkLost(f"{self._where} took no WebSocket ({problem}); {hint}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits or speaks."""
        if not self.opened.done():
            hint = "is it a listener for WebSockets?"
            self.opened.set_exception(LinkLost(f"{self._where} closed the connection; {hint}"))
        elif not self.opened.cancelled() and self.opened.exception() is None:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()

    def _pass_out(self) -> None:
        for data in self._frames.data_to_send():
            if data and self._transport is not None and not self._transport.is_closing():
                self._transport.write(data)

    # To the protocol above it is a transport.

    def write(self, data: Any) -> None:  # Any: asyncio's own signature takes whatever is like bytes
        """Send a binary frame."""
        if not self.is_closing():
            self._frames.send_binary(bytes(data))
            self._pass_out()

    def close(self) -> None:
        """Say goodbye, and close once that is written."""
        if not self.is_closing():
            self._frames.send_close(1000)
            self._pass_out()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def is_closing(self) -> bool:
        """Tell whether nothing more is written."""
        return self._transport is None or self._transport.is_closing()

    def pause_reading(self) -> None:
        """Hand on."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Hand on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # Any: asyncio's own signature
        """Hand on."""
        return default if self._transport is None else self._transport.get_extra_info(name, default)
