"""The written specifications: what travels on the ASGI line, one module per scope type.

Each module's docstring is the specification (lifetime, order, limits, closing) and its TypedDicts are the fields.
``http``, ``websocket`` and ``lifespan`` are the ASGI standard's own.

The verbs are the same everywhere. In: ``X.connect``, ``X.receive``, ``X.disconnect``. Out: ``X.send``, ``X.close``.
``X.connect`` comes first and ``X.disconnect`` last, each exactly once, whatever happens. ``X.sent`` and ``X.report``,
which TNCs have, need no handler. Every value is one that ASGI permits (bytes, str, int, float, list, dict, bool, None),
so that an event can be tapped, stored and replayed.

`fields` reads the TypedDicts, so that a handler can take what it names (`edge.handlers`).
"""

from typing import get_type_hints

from edge.spec import aprs, ax25, conversation, mqtt, serial, websocket
from edge.spec.closing import CloseCode

__all__ = ["SCOPES", "SPEC_VERSION", "UNASKED", "CloseCode", "event_types", "fields"]

SPEC_VERSION = "1.2"  # of the five scopes below; any changed message changes it, and the changelog says how

SCOPES = {
    "serial": serial.EVENTS,
    "ax25": ax25.EVENTS,
    "aprs": aprs.EVENTS,
    "mqtt": mqtt.EVENTS,
    "conversation": conversation.EVENTS,
    "websocket": websocket.EVENTS,
}

UNASKED = frozenset({"ax25.sent", "ax25.report", "aprs.sent", "aprs.report"})  # a consumer may leave them unhandled

_FIELDS = {type_: frozenset(get_type_hints(shape)) for events in SCOPES.values() for type_, shape in events.items()}
_EVENT_TYPES = frozenset(_FIELDS)


def fields(event_type: str) -> frozenset[str] | None:
    """Name the fields that an event of this type may have, or None for a type that no specification knows."""
    return _FIELDS.get(event_type)


def event_types() -> frozenset[str]:
    """Name every event type that has a specification here."""
    return _EVENT_TYPES
