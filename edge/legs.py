"""From a route's consumer to the app that is called: which scopes it speaks, what it is told, what stands in between.

A consumer that speaks ``conversation`` is put behind `edge.conversations` where the device's scope is one that carries
conversations; that is how one class serves a browser, a radio and a broker. Any other ASGI app is called as it is.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edge.asgi import App
from edge.carriers import CARRIERS
from edge.conversations import Conversations
from edge.errors import ConfigError
from edge.options import parse_options
from edge.registry import import_string
from edge.topic_legs import TopicOptions, check_topic_options
from edge.topics import TopicFilter


def speaks(consumer: object, scope_type: str) -> str:
    """Say why this consumer cannot serve this scope type, or nothing where it can."""
    protocols = _protocols(consumer)
    if not protocols or scope_type in protocols or _is_adapted(consumer, scope_type):
        return ""
    name = getattr(consumer, "__name__", str(consumer))
    return f"{name} speaks {', '.join(sorted(protocols))}; this device offers {scope_type}"


def options_types(consumer: object, scope_type: str) -> tuple[type[Any], ...]:
    """List the dataclasses of what a route to this consumer may set: its own, the topics', and the carrier's."""
    own = getattr(consumer, "Options", None)
    topics = TopicOptions if scope_type == "mqtt" else None
    carrier = CARRIERS[scope_type].Options if _is_adapted(consumer, scope_type) else None
    return tuple(type_ for type_ in (own, topics, carrier) if type_ is not None)


def parse_route_options(consumer: object, scope_type: str, values: Mapping[str, object], match: str) -> tuple[Any, ...]:
    """Turn a route's plain options into one instance per options type.

    Raises ConfigError for what is wrong with them, each by itself or together with the match.
    """
    types = options_types(consumer, scope_type)
    if not isinstance(values, Mapping):
        raise ConfigError(f"route options: expected options by name; got {str(values)[:80]!r}")
    known = {field.name: type_ for type_ in types for field in fields(type_)}
    if unknown := [name for name in values if name not in known]:
        raise ConfigError(f"route options: unknown option {unknown[0]!r}; known are {', '.join(known) or 'none'}")
    parsed = tuple(_parse_own(type_, values) for type_ in types)
    if _is_adapted(consumer, scope_type):
        CARRIERS[scope_type].check(parsed[-1], match)
    elif (check := getattr(consumer, "check_options", None)) is not None:  # what no single option shows
        check(parsed[0], scope_type)
    for options in parsed:
        if isinstance(options, TopicOptions):
            check_topic_options(options, TopicFilter.parse(match))
    return parsed


def topic_options(path: str, values: Mapping[str, object], match: str) -> TopicOptions:
    """Return what a route on a broker sets for its subscription. Raises ConfigError as `parse_route_options` does."""
    parsed = parse_route_options(import_string(path), "mqtt", values, match)
    return next(options for options in parsed if isinstance(options, TopicOptions))


def _parse_own(options_type: type[Any], values: Mapping[str, object]) -> object:
    own = {field.name for field in fields(options_type)}
    chosen = {name: value for name, value in values.items() if name in own}
    return parse_options(options_type, chosen, where="route options")


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
        conversations = Conversations(app, lambda scope: carrier(scope, options, match, route=f"{path} {match}"))
        conversations.callsign = getattr(options, "callsign", None)
        return conversations
    return app


def _is_adapted(consumer: object, scope_type: str) -> bool:
    protocols = _protocols(consumer)
    return scope_type not in protocols and "conversation" in protocols and scope_type in CARRIERS


def _protocols(consumer: object) -> frozenset[str]:
    """Return the scope types of a consumer class, or of the app that ``as_asgi`` made of one; none if it says none."""
    found: frozenset[str] = getattr(getattr(consumer, "consumer_class", consumer), "protocols", frozenset())
    return found
