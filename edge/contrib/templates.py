"""A small template language for bridges: names with dots in braces, and nothing that could be run.

    Template.parse("{packet.latitude:.4f},{packet.longitude:.4f}").render(event)

* ``{name}``, ``{name.part}`` and ``{names.0}`` look keys up in dictionaries and places in lists; never an attribute.
* ``{name:.2f}`` rounds a number to 0 to 9 decimals; what is no number is written as it is.
* ``{{`` and ``}}`` are a brace.
* **What is missing**, or None, is written as nothing; `Template.missing` names it for those who would rather not send.
* Text stands as it is, true and false in small letters, bytes as the text that they are in UTF-8 or else in
  hexadecimal, lists and dictionaries as JSON. A value is cut after `MAX_VALUE` characters.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import ConfigError

MAX_VALUE = 4096  # characters of one value; the largest frame has half as many bytes, written in hexadecimal
MAX_WORD = 64  # characters that one value may bring into a topic

_PART = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<name>[^{}]*)\}|(?P<text>[^{}]+)|(?P<wrong>[{}])")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*)(?::\.([0-9])f)?")

MISSING = object()


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a template."""

    path: tuple[str, ...]
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was found right: text and names in turn."""

    text: str
    parts: tuple[str | Name, ...]

    @classmethod
    def parse(cls, text: str, known: Iterable[str] | None = None) -> "Template":
        """Compile a template; ConfigError that says what is wrong. ``known`` are the first names there are."""
        parts = tuple(_part(found, text) for found in _PART.finditer(text))
        roots = None if known is None else sorted(known)
        for part in parts:
            if isinstance(part, Name) and roots is not None and part.path[0] not in roots:
                raise ConfigError(f"{text!r}: {{{part.path[0]}}} is not known; known are {', '.join(roots)}")
        return cls(text, parts)

    @property
    def names(self) -> tuple[Name, ...]:
        """The names in it."""
        return tuple(part for part in self.parts if isinstance(part, Name))

    def render(self, values: Mapping[str, Any]) -> str:
        """Fill it; what is missing is written as nothing."""
        return "".join(part if isinstance(part, str) else written(part, values) for part in self.parts)

    def render_topic(self, values: Mapping[str, Any]) -> str:
        """Fill it as a topic: each value becomes a word that adds no level and that every broker takes."""
        return "".join(part if isinstance(part, str) else topic_word(written(part, values)) for part in self.parts)

    def missing(self, values: Mapping[str, Any]) -> str:
        """Name the first name that has no value, or return nothing."""
        return next((".".join(name.path) for name in self.names if look_up(name.path, values) in (MISSING, None)), "")


def _part(found: re.Match[str], text: str) -> str | Name:
    if found["wrong"]:
        raise ConfigError(f"{text!r}: a brace stands alone at {found.start() + 1}; write it twice for a brace as such")
    if found["brace"]:
        return found["brace"][0]
    if found["text"]:
        return found["text"]
    name = _NAME.fullmatch(found["name"])
    if name is None:
        raise ConfigError(
            f"{text!r}: expected a name such as {{source}}, {{packet.latitude}} or {{packet.speed:.1f}}; "
            f"got {{{found['name'][:40]}}}"
        )
    return Name(tuple(name[1].split(".")), None if name[2] is None else int(name[2]))


def look_up(path: Iterable[str], values: Any) -> Any:  # Any: what ASGI permits in an event, and `MISSING`
    """Follow a path through dictionaries and lists; `MISSING` where it leads nowhere."""
    found = values
    for step in path:
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list | tuple) and step.isdecimal() and int(step[:6]) < len(found):
            found = found[int(step[:6])]
        else:
            return MISSING
    return found


def written(name: Name, values: Mapping[str, Any]) -> str:
    """Write one value as text."""
    value = look_up(name.path, values)
    if value is MISSING or value is None:
        return ""
    if name.decimals is not None and is_number(value):
        return f"{value:.{name.decimals}f}"
    if isinstance(value, str):
        return value[:MAX_VALUE]
    if isinstance(value, bytes):
        return text_of(value)[:MAX_VALUE]
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))[:MAX_VALUE]


def text_of(value: bytes) -> str:
    """Read bytes as the text that they are, or else write them in hexadecimal."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def plain(value: Any) -> Any:  # what JSON can hold, of what ASGI permits
    """Make a value what JSON can hold: bytes become hexadecimal text, numbers that JSON has not become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.hex() if isinstance(value, bytes) else value


def topic_word(value: object) -> str:
    r"""Make a word of a topic of what a stranger has sent.

    ``/``, ``+``, ``#`` and what cannot be printed become ``_``: control characters are a reason for a broker to close
    the connection (MQTT 5.0, section 1.5.4). So does a ``$`` in front, which is the broker's own. Nothing is ``_`` too.
    """
    word = "".join(
        character if character.isprintable() and character not in "/+#" else "_" for character in str(value)[:MAX_WORD]
    )
    return "_" + word[1:] if not word or word[0] == "$" else word
