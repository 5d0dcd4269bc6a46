"""Handlers take what they name: their parameters are read once, when the class is made.

``def receive(self, text, bytes=None)`` is called with the event's ``text`` and ``bytes``; ``message`` (or ``event``) is
the whole event; no parameter at all is fine. Django Channels' names are aliases. A name that no event has is a
TypeError when the class is made, which lists those that it could be.

A handler of an event that no specification knows (a layer message such as ``chat.message``) may name any field. In
Channels' own form, with exactly one positional parameter whatever its name, it takes the whole event.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from edge import spec
from edge.asgi import Event

ALIASES = {"text_data": "text", "bytes_data": "bytes", "close_code": "code"}  # Django Channels' names
WHOLE = ("message", "event")

# A compiled handler: it returns whatever the handler returns, a coroutine where that is async.
Call = Callable[[Any, Event], Any]

_MISSING = object()


def find_handler(cls: type, name: str) -> Callable[..., Any] | None:
    """Return a class's method as a function of the consumer; None where there is none.

    What a decorator made of it need not be a function (``@database_sync_to_async`` makes an object): then it is called
    through the instance. A property, a classmethod or a staticmethod is no handler.
    """
    found = inspect.getattr_static(cls, name, None)
    if inspect.isfunction(found):
        return found
    if not callable(found) or isinstance(found, type | staticmethod):
        return None

    def through_the_instance(consumer: object, *args: object, **kwargs: object) -> Any:  # as the handler
        return getattr(consumer, name)(*args, **kwargs)

    through_the_instance.__wrapped__ = found  # type: ignore[attr-defined]  # what inspect.unwrap and signature follow
    through_the_instance.__qualname__ = f"{cls.__qualname__}.{name}"
    return through_the_instance


def compile_handler(function: Callable[..., Any], event_types: Iterable[str], positional: tuple[str, ...] = ()) -> Call:
    """Return ``call(consumer, event)`` that hands ``function`` what its parameters name.

    ``event_types`` are the events that it serves; ``positional`` the fields that ``*args`` stands for.
    """
    known = _known_fields(event_types)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if not parameters:
        return lambda consumer, _event: function(consumer)
    if known is None and _is_channels_form(parameters):
        return function
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    for parameter in (*named, *keywords):
        _check_name(function, parameter.name, known)
    star = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    rest = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if len(named) == len(parameters) == 1 and named[0].name in WHOLE:
        return function
    optional = known is not None
    positions = [(p.name, _default(p, optional=optional)) for p in named]
    if star and not named:
        positions = [(name, None) for name in positional]
    return _call(function, positions, [(p.name, _default(p, optional=optional)) for p in keywords], rest=rest)


def _known_fields(event_types: Iterable[str]) -> frozenset[str] | None:
    found = [names for names in map(spec.fields, event_types) if names is not None]
    return frozenset().union(*found) if found else None


def _is_channels_form(parameters: list[inspect.Parameter]) -> bool:
    return len(parameters) == 1 and parameters[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )


def _check_name(function: Callable[..., Any], name: str, known: frozenset[str] | None) -> None:
    if known is None or name in WHOLE or ALIASES.get(name, name) in known:
        return
    could_be = sorted(known | {alias for alias, field in ALIASES.items() if field in known} | {"message"})
    raise TypeError(
        f"{function.__qualname__}() asks for {name!r}, which no such event has; it could ask for {', '.join(could_be)}"
    )


def _default(parameter: inspect.Parameter, *, optional: bool) -> object:
    """Return what stands in for a field that an event lacks; a specified field that may be absent is None."""
    if parameter.default is not inspect.Parameter.empty:
        return parameter.default
    return None if optional else _MISSING


def _call(
    function: Callable[..., Any], positions: list[tuple[str, object]], keywords: list[tuple[str, object]], *, rest: bool
) -> Call:
    fields = [(ALIASES.get(name, name), default) for name, default in positions]
    plain = not keywords and not rest and not any(name in WHOLE or default is _MISSING for name, default in fields)
    # The commonest forms, receive(text) and receive(text, bytes=None), without a list in between.
    if plain and len(fields) == 1:
        [(field, absent)] = fields
        return lambda consumer, event: function(consumer, event.get(field, absent))
    if plain and len(fields) == 2:  # noqa: PLR2004  (as it says)
        [(first, absent), (second, absent2)] = fields
        return lambda consumer, event: function(consumer, event.get(first, absent), event.get(second, absent2))

    def call(consumer: Any, event: Event) -> Any:  # as Call
        arguments = [_value(event, name, default, function) for name, default in positions]
        named = {name: _value(event, name, default, function) for name, default in keywords}
        if rest:
            taken = {ALIASES.get(name, name) for name, _ in (*positions, *keywords)}
            named |= {name: value for name, value in event.items() if name not in taken}
        return function(consumer, *arguments, **named)

    return call


def _value(event: Event, name: str, default: object, function: Callable[..., Any]) -> object:
    if name in WHOLE:
        return event
    value = event.get(ALIASES.get(name, name), default)
    if value is _MISSING:
        raise TypeError(
            f"{function.__qualname__}() asks for {name!r}; the event {event.get('type')!r} has {', '.join(event)}"
        )
    return value
