"""From a route's consumer to the app that is called: which scopes it speaks, what it may be told, what stands in between.

A consumer that speaks ``conversation`` is put behind `edge.conversations` where the device's scope is one that carries
conversations; that is how one class serves a browser, a radio and a broker. Any other ASGI app is called as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from edge.asgi import App
from edge.conversations import CARRIERS, Conversations
from edge.options import parse_options
from edge.registry import import_string


def speaks(consumer: object, scope_type: str) -> str:
    """Say why this consumer cannot serve this scope type, or nothing where it can."""
    protocols: frozenset[str] = getattr(consumer, "protocols", frozenset())
    if not protocols or scope_type in protocols or _is_adapted(consumer, scope_type):
        return ""
    name = getattr(consumer, "__name__", str(consumer))
    return f"{name} speaks {', '.join(sorted(protocols))}; this device offers {scope_type}"


def options_types(consumer: object, scope_type: str) -> tuple[type[Any], ...]:
    """List the dataclasses of what a route to this consumer may set: the consumer's own, and the carrier's."""
    own = getattr(consumer, "Options", None)
    carrier = CARRIERS[scope_type].Options if _is_adapted(consumer, scope_type) else None
    return tuple(type_ for type_ in (own, carrier) if type_ is not None)


def parse_route_options(consumer: object, scope_type: str, values: Mapping[str, object], match: str) -> tuple[Any, ...]:
    """Turn a route's plain options into one instance per options type; raise ConfigError for what is wrong with them."""
    types = options_types(consumer, scope_type)
    if not types:
        parse_options(_NoOptions, values, where="route options")
        return ()
    known = {field.name for type_ in types for field in fields(type_)}
    unknown = {name: value for name, value in values.items() if name not in known}
    parsed = []
    for index, type_ in enumerate(types):
        own = {field.name for field in fields(type_)}
        chosen = {name: value for name, value in values.items() if name in own}
        parsed.append(parse_options(type_, {**chosen, **(unknown if index == 0 else {})}, where="route options"))
    if _is_adapted(consumer, scope_type):
        CARRIERS[scope_type].check(parsed[-1], match)
    return tuple(parsed)


def build_app(path: str, scope_type: str, values: Mapping[str, object], match: str) -> App:
    """Import a route's consumer and return the app to call. Raises ConfigError; `edge.desired` has said so before."""
    consumer = import_string(path)
    parsed = parse_route_options(consumer, scope_type, values, match)
    app: App = consumer
    if hasattr(consumer, "as_asgi"):
        has_own = getattr(consumer, "Options", None) is not None
        app = consumer.as_asgi(**({"options": parsed[0]} if has_own else {}))
    if _is_adapted(consumer, scope_type):
        carrier, options = CARRIERS[scope_type], parsed[-1]
        return Conversations(app, lambda scope: carrier(scope, options, match))
    return app


def _is_adapted(consumer: object, scope_type: str) -> bool:
    protocols: frozenset[str] = getattr(consumer, "protocols", frozenset())
    return scope_type not in protocols and "conversation" in protocols and scope_type in CARRIERS


@dataclass(frozen=True, slots=True)
class _NoOptions:
    """For a consumer that takes no options: whatever is given is unknown."""
