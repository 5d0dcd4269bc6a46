"""What a person would look at when a box is not well, looked at for them: ``edge doctor``.

Each check returns findings: what it looked at, how that is, and where it is not well, what to do. Nothing is sent by a
radio or to a broker, no port is opened, nothing is changed; it works whether a box runs or not.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

logger = logging.getLogger("django_site.doctor")


class Level(Enum):
    """How bad it is: something to know, something that will go wrong, something that is wrong."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    about: str
    level: Level = Level.OK
    text: str
    do: str = ""  # what to do about it; empty where all is well


Check = Callable[[Path], Iterator[Finding]]  # given the data folder


def examine(data: Path, checks: "dict[str, Check]") -> list[Finding]:
    """Make all checks; one that fails itself is a finding, and keeps no other from being made."""
    found: list[Finding] = []
    for about, check in checks.items():
        try:
            found += check(data)
        except Exception as error:  # a fence: a doctor that dies of what it finds is of no use
            logger.debug("the check of %s failed", about, exc_info=True)
            text = f"could not be looked at: {type(error).__name__}: {error}"
            found.append(Finding(about=about, level=Level.WARNING, text=text, do="see what the other lines say first"))
    return found
