"""Consumers for what a device hears: serial lines, AX.25 frames, APRS packets, topics.

``send(**fields)`` takes the fields of the scope's ``send`` event (`edge.spec`) by name; one that is not there is a
LocalProtocolError that lists those that are.
"""

from typing import Any

from edge import spec
from edge.asgi import Event
from edge.consumers.base import AsyncConsumer, Consumer
from edge.consumers.plain import SyncConsumer
from edge.errors import LocalProtocolError


class _Feed(Consumer):
    def _event(self, verb: str, fields: dict[str, Any]) -> Event:
        type_ = f"{self.scope['type']}.{verb}"
        known = spec.fields(type_) or frozenset()
        if unknown := fields.keys() - known:
            raise LocalProtocolError(
                f"{type_} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known - {'type'}))}"
            )
        self._closed = self._closed or verb == "close"
        return {"type": type_, **{name: value for name, value in fields.items() if value is not None}}


class _AsyncFeed(_Feed, AsyncConsumer):
    async def connect(self) -> None:
        """Begin: the link is up."""

    async def receive(self, message: Event) -> None:
        """Handle what was heard."""

    async def disconnect(self, code: int) -> None:
        """Say goodbye: the link is gone."""

    async def send(self, **fields: Any) -> None:  # type: ignore[override]  # by the fields of the event, not as one
        """Send, through the transmit gate where it is a radio."""
        await self._transmit(self._event("send", fields))

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Leave this connection; the device goes on for other routes."""
        await self._transmit(self._event("close", {"code": code, "reason": reason}))


class _SyncFeed(_Feed, SyncConsumer):
    def connect(self) -> None:
        """Begin: the link is up."""

    def receive(self, message: Event) -> None:
        """Handle what was heard."""

    def disconnect(self, code: int) -> None:
        """Say goodbye: the link is gone."""

    def send(self, **fields: Any) -> None:  # type: ignore[override]  # by the fields of the event, not as one
        """Send, through the transmit gate where it is a radio."""
        self._put_out(self._event("send", fields))

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Leave this connection; the device goes on for other routes."""
        self._put_out(self._event("close", {"code": code, "reason": reason}))


class AsyncSerialConsumer(_AsyncFeed):
    """A serial line (`edge.spec.serial`), with async handlers."""

    protocols = frozenset({"serial"})


class SerialConsumer(_SyncFeed):
    """A serial line (`edge.spec.serial`), with plain handlers."""

    protocols = frozenset({"serial"})


class AsyncAx25Consumer(_AsyncFeed):
    """AX.25 frames (`edge.spec.ax25`), with async handlers."""

    protocols = frozenset({"ax25"})


class Ax25Consumer(_SyncFeed):
    """AX.25 frames (`edge.spec.ax25`), with plain handlers."""

    protocols = frozenset({"ax25"})


class AsyncAprsConsumer(_AsyncFeed):
    """APRS packets (`edge.spec.aprs`), with async handlers."""

    protocols = frozenset({"aprs"})


class AprsConsumer(_SyncFeed):
    """APRS packets (`edge.spec.aprs`), with plain handlers."""

    protocols = frozenset({"aprs"})


class AsyncMqttConsumer(_AsyncFeed):
    """A broker's topics (`edge.spec.mqtt`), with async handlers; ``send`` publishes."""

    protocols = frozenset({"mqtt"})

    async def subscribe(self, topic: str, qos: int = 0) -> None:
        """Subscribe to one more filter, beside the route's own."""
        await self._transmit(self._event("subscribe", {"topic": topic, "qos": qos}))


class MqttConsumer(_SyncFeed):
    """A broker's topics (`edge.spec.mqtt`), with plain handlers; ``send`` publishes."""

    protocols = frozenset({"mqtt"})

    def subscribe(self, topic: str, qos: int = 0) -> None:
        """Subscribe to one more filter, beside the route's own."""
        self._put_out(self._event("subscribe", {"topic": topic, "qos": qos}))
