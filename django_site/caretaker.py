"""The files of a data folder that several processes have open: who repairs them, who copies them.

A damaged database is replaced by a rebuilt one, which must happen while nobody has it open: who still had the old file
would write into what is set aside. So each process holds ``files.lock`` for as long as it runs, shared with the others;
only whoever gets it alone, as the first of all, looks after the files. Roles may start in either order.
"""

import fcntl
import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from django_site import rescue

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import TextIOWrapper

logger = logging.getLogger("django_site.caretaker")

IN_USE = (
    "{name} is damaged ({damage}), and another process has it open, so it is not repaired now; stop all that runs on"
    " {folder}, and start it again"
)


def take_files(data: Path) -> "tuple[TextIOWrapper, list[str]]":
    """Look after both databases, or wait until another process has; return what to hold, and what a person should know.

    In a thread. Who closes the first lets go of the files.
    """
    lock = (data / "files.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = _look_after_files()
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)
        return lock, _look_at_files()
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock, found


def keep_copy() -> None:
    """Write a copy of what a person decided beside the database; in a thread."""
    path = Path(settings.DATABASES["default"]["NAME"])
    try:
        if path.exists():  # it may not be a file, in settings of one's own
            rescue.keep_copy(path, _copy_of(path))
    except (OSError, sqlite3.Error) as error:
        logger.warning("no copy of the settings could be written: %s", error)


def _look_after_files() -> list[str]:
    """Check both databases, and rebuild what is damaged."""
    ways: tuple[Callable[[Path], str], ...] = (_rebuild_settings, rescue.begin_anew)
    found: list[str] = []
    for path, rebuild in zip(_databases(), ways, strict=True):
        try:
            said = rebuild(path)
        except (OSError, sqlite3.Error) as error:  # the page must come up to say so
            said = f"{path.name} is damaged and could not be rebuilt: {error}"
        if said:
            logger.error("%s", said)
            found.append(said)
    return found


def _look_at_files() -> list[str]:
    """Check both databases, and leave them alone."""
    found: list[str] = []
    for path in _databases():
        if damage := rescue.damage_of(path):
            found.append(IN_USE.format(name=path.name, damage=damage, folder=path.parent))
            logger.error("%s", found[-1])
    return found


def _databases() -> list[Path]:
    return [Path(settings.DATABASES[name]["NAME"]) for name in ("default", "history")]


def _rebuild_settings(path: Path) -> str:
    return rescue.look_after(path, _copy_of(path))


def _copy_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.copy")
