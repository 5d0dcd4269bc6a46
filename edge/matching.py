"""What a route matches, in one small language.

For ``mqtt`` it is a topic filter (`edge.topics`), and it is needed: it is also what the route subscribes to.
For every other scope it is empty (everything), or terms that must all hold: ``source=QQ1* format=message``. A term
names a field of the scope's ``receive`` event; ``*`` and ``?`` stand for any text and any character, in either case of
letters.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping
from typing import Any

from edge import spec
from edge.errors import ConfigError
from edge.topics import TopicFilter

Matcher = Callable[[Mapping[str, Any]], bool]

_TEXT_FIELDS = {
    "aprs": ("source", "destination", "format", "port"),
    "ax25": ("source", "destination", "port"),
    "serial": (),
    "mqtt": (),
}


def match_problem(scope_type: str, match: str) -> str:
    """Say what is wrong with a route's match for this scope type, or nothing."""
    try:
        topic_filter(match) if scope_type == "mqtt" else matcher(scope_type, match)
    except ConfigError as error:
        return str(error)
    return ""


def topic_filter(match: str) -> TopicFilter:
    """Compile the match of a route on a broker."""
    return TopicFilter.parse(match)


def matcher(scope_type: str, match: str) -> Matcher | None:
    """Compile the match of a route on anything but a broker; None where everything matches."""
    terms = [_parse_term(scope_type, term) for term in match.split()]
    if not terms:
        return None

    def matches(event: Mapping[str, Any]) -> bool:
        if all(pattern.fullmatch(str(event.get(name, ""))) for name, pattern in terms):
            return True
        return event.get("type") in spec.UNASKED  # of what one has sent oneself

    return matches


def _parse_term(scope_type: str, term: str) -> tuple[str, re.Pattern[str]]:
    allowed = _TEXT_FIELDS.get(scope_type) or tuple(sorted(spec.fields(f"{scope_type}.receive") or ()))
    if scope_type == "serial":
        raise ConfigError(f"a route from a serial line takes everything; leave the match empty; got {term!r}")
    name, equals, pattern = term.partition("=")
    if not equals or name not in allowed or not pattern:
        raise ConfigError(f"expected terms such as source=QQ1*, of {', '.join(allowed)}; got {term!r}")
    return name, re.compile(fnmatch.translate(pattern), re.IGNORECASE)
