"""MQTT topic filters (MQTT 5.0, section 4.7) with named wildcards, and templates that are filled from what they caught.

``sensors/+room/temperature`` catches ``{"room": "attic"}``; the broker is asked for ``sensors/+/temperature``. ``#rest``
catches all the remaining levels. A wildcard in the first level never matches a topic that begins with ``$``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from edge.errors import ConfigError

MAX_TOPIC = 65_535  # bytes of UTF-8 (MQTT 5.0, section 1.5.4)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[/+#\x00]")


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """A compiled filter: what the broker is asked for, and what a topic is tried with."""

    text: str  # as it was written
    subscription: str  # without the names
    names: tuple[str, ...]
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "TopicFilter":
        """Compile a filter, or raise ConfigError that says which level is wrong."""
        if not text or len(text.encode()) > MAX_TOPIC or "\0" in text:
            raise ConfigError(
                f"expected a topic filter of 1 to {MAX_TOPIC} bytes, such as sensors/+room/temperature; got {text[:80]!r}"
            )
        levels = text.split("/")
        parsed = [_parse_level(level, last=index == len(levels) - 1, text=text) for index, level in enumerate(levels)]
        names = tuple(name for _, _, name in parsed if name)
        if len(set(names)) < len(names):
            raise ConfigError(f"topic filter {text!r}: each name may stand once; got {', '.join(names)}")
        dollar = r"(?!\$)" if levels[0][:1] in ("+", "#") else ""
        pattern = "/".join(part for _, part, _ in parsed)
        pattern = pattern.replace("/(?:", "(?:/", 1) if levels[-1].startswith("#") and len(levels) > 1 else pattern
        return cls(text, "/".join(plain for plain, _, _ in parsed), names, re.compile(dollar + pattern, re.DOTALL))

    def match(self, topic: str) -> dict[str, str] | None:
        """Return what the named wildcards caught, or None where the topic does not match."""
        found = self.pattern.fullmatch(topic)
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}


def _parse_level(level: str, *, last: bool, text: str) -> tuple[str, str, str]:
    """Return one level as the broker takes it, as a regular expression, and its name if it has one."""
    wildcard, name = level[:1], level[1:]
    if wildcard in ("+", "#"):
        if name and not _NAME.fullmatch(name):
            raise ConfigError(
                f"topic filter {text!r}: after {wildcard} expected nothing or a name such as {wildcard}room; got {name!r}"
            )
        if wildcard == "#" and not last:
            raise ConfigError(f"topic filter {text!r}: # takes all that follows, so it must be the last level")
        group = f"?P<{name}>" if name else "?:"
        return (wildcard, f"({group}[^/]*)", name) if wildcard == "+" else (wildcard, f"(?:({group}.*))?", name)
    if "+" in level or "#" in level:
        raise ConfigError(f"topic filter {text!r}: + and # stand at the beginning of a level; got {level!r}")
    return level, re.escape(level), ""


def topic_problem(topic: str) -> str:
    """Say what is wrong with a topic to publish to, or nothing."""
    if not topic or len(topic.encode()) > MAX_TOPIC or re.search(r"[+#\0]", topic):
        return f"expected a topic of 1 to {MAX_TOPIC} bytes without + and #; got {topic[:80]!r}"
    return ""


def template_problem(template: str, known: frozenset[str]) -> str:
    """Say what is wrong with a topic template such as ``aprs/{source}``, or nothing."""
    try:
        fields = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        return f"{template!r}: {error}"
    if unknown := [name for name in fields if name not in known]:
        return f"{template!r}: {{{unknown[0]}}} is not known; known are {', '.join(sorted(known))}"
    return topic_problem(template)


def fill(template: str, values: Mapping[str, object]) -> str:
    """Fill a template. What comes from the air or a peer cannot add a level: ``/``, ``+``, ``#`` and NUL become ``_``."""
    return template.format_map({name: _UNSAFE.sub("_", str(value)) for name, value in values.items()})
