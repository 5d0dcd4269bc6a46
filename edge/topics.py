"""MQTT topic filters (MQTT 5.0, section 4.7) with named wildcards, and templates that are filled from what they caught.

``sensors/+room/temperature`` catches ``{"room": "attic"}``; the broker is asked for ``sensors/+/temperature``.
``#rest`` catches all the remaining levels. A wildcard in the first level never matches a topic that begins with ``$``.
``$share/workers/jobs/#`` shares ``jobs/#`` among the sessions that ask for it by the name workers (section 4.8.2).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from edge.errors import ConfigError

MAX_TOPIC = 65_535  # bytes of UTF-8 (MQTT 5.0, section 1.5.4)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[/+#\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """A compiled filter: what the broker is asked for, and what a topic is tried with."""

    text: str  # as it was written
    subscription: str  # without the names
    names: tuple[str, ...]
    pattern: re.Pattern[str]
    share: str = ""  # the name of the group, of a shared subscription

    @classmethod
    def parse(cls, text: str) -> "TopicFilter":
        """Compile a filter, or raise ConfigError that says which level is wrong."""
        if not _is_mqtt_text(text):
            raise ConfigError(
                f"expected a topic filter of 1 to {MAX_TOPIC} bytes of UTF-8, such as sensors/+room/temperature; "
                f"got {text[:80]!r}"
            )
        share, levels = _split(text)
        parsed = [_parse_level(level, last=index == len(levels) - 1, text=text) for index, level in enumerate(levels)]
        names = tuple(name for _, _, name in parsed if name)
        if len(set(names)) < len(names):
            raise ConfigError(f"topic filter {text!r}: each name may stand once; got {', '.join(names)}")
        dollar = r"(?!\$)" if levels[0].startswith(("+", "#")) else ""
        *front, last = (part for _, part, _ in parsed)
        if front:  # "a/#" also matches "a" (section 4.7.1.2)
            last = f"(?:/{last})?" if levels[-1].startswith("#") else f"/{last}"
        pattern = re.compile(dollar + "/".join(front) + last, re.DOTALL)
        subscription = "/".join(plain for plain, _, _ in parsed)
        return cls(text, f"$share/{share}/{subscription}" if share else subscription, names, pattern, share)

    def match(self, topic: str) -> dict[str, str] | None:
        """Return what the named wildcards caught, or None where the topic does not match."""
        found = self.pattern.fullmatch(topic)
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}

    def route(self, topic: str) -> dict[str, Any] | None:
        """Return what the wildcards caught as a URL's route does, or None: ``{"args": […], "kwargs": {…}}``.

        ``kwargs`` by the names; ``args``, where no wildcard has a name, all in their order.
        """
        found = self.pattern.fullmatch(topic)
        if found is None:
            return None
        if self.names:
            return {"args": [], "kwargs": {name: value or "" for name, value in found.groupdict().items()}}
        return {"args": [value or "" for value in found.groups()], "kwargs": {}}


def _split(text: str) -> tuple[str, list[str]]:
    """Return the name of the group, where it is a shared subscription, and the levels of the filter."""
    levels = text.split("/")
    if levels[0] != "$share":
        return "", levels
    if len(levels) < 3 or not levels[1] or "+" in levels[1] or "#" in levels[1]:  # noqa: PLR2004  (its three parts)
        raise ConfigError(f"topic filter {text!r}: expected $share/NAME/FILTER, the name without + and #")
    return levels[1], levels[2:]


def _is_mqtt_text(text: str) -> bool:
    try:
        return 1 <= len(text.encode()) <= MAX_TOPIC and "\0" not in text
    except UnicodeEncodeError:  # half a surrogate pair is text to Python, not to UTF-8
        return False


def _parse_level(level: str, *, last: bool, text: str) -> tuple[str, str, str]:
    """Return one level as the broker takes it, as a regular expression, and its name if it has one."""
    wildcard, name = level[:1], level[1:]
    if wildcard in ("+", "#"):
        if name and not _NAME.fullmatch(name):
            raise ConfigError(
                f"topic filter {text!r}: after {wildcard} expected nothing or a name such as {wildcard}room; "
                f"got {name!r}"
            )
        if wildcard == "#" and not last:
            raise ConfigError(f"topic filter {text!r}: # takes all that follows, so it must be the last level")
        group = f"?P<{name}>" if name else ""
        return wildcard, f"({group}{'[^/]*' if wildcard == '+' else '.*'})", name
    if "+" in level or "#" in level:
        raise ConfigError(f"topic filter {text!r}: + and # stand at the beginning of a level; got {level!r}")
    return level, re.escape(level), ""


def topic_problem(topic: str) -> str:
    """Say what is wrong with a topic to publish to, or nothing."""
    if not _is_mqtt_text(topic) or "+" in topic or "#" in topic:
        return f"expected a topic of 1 to {MAX_TOPIC} bytes of UTF-8 without + and #; got {topic[:80]!r}"
    return ""


def template_problem(template: str, known: frozenset[str]) -> str:
    """Say what is wrong with a topic template such as ``aprs/{source}``, or nothing."""
    try:
        fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(template) if name is not None]
    except ValueError as error:
        return f"{template!r}: {error}"
    for name, spec, how in fields:
        if name not in known:
            return f"{template!r}: {{{name}}} is not known; known are {', '.join(sorted(known))}"
        if spec or how:
            return f"{template!r}: expected {{{name}}} with nothing after the name"
    return topic_problem(template)


def fill(template: str, values: Mapping[str, object]) -> str:
    """Fill a template. What comes from a peer adds no level: ``/``, ``+``, ``#``, NUL and no UTF-8 become ``_``."""
    return template.format_map({name: _UNSAFE.sub("_", str(value)) for name, value in values.items()})
