"""The tables are brought up to date: after a copy, and back to it where that fails.

A copy is made only where something is about to change, and is named after the version that changes it:
``backups/edge-before-0.2.0.sqlite3`` in the data folder.
"""

import fcntl
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from edge import __version__
from edge.errors import ConfigError
from edge.files import settle

logger = logging.getLogger("django_site.tables")

KEPT = 3  # copies of each database; the oldest go first


def bring_tables_up_to_date() -> None:
    """Apply the migrations that are missing, on each database; in a thread, never on the loop.

    Where one fails, the database is again what it was before, and ConfigError says why. One process does it; another
    that comes meanwhile waits, and finds it done. So it does for the first look, too: SQLite lets only one at a time
    turn a new file to WAL, and tells the other that it is locked.
    """
    with _alone():
        _apply()


def missing() -> list[str]:
    """Name the databases whose tables are of another version."""
    return [alias for alias in connections if _plan(MigrationExecutor(connections[alias]))]


def _plan(executor: MigrationExecutor) -> list[object]:
    return list(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the data folder's lock for changing tables, which goes with the process however it ends."""
    with (Path(settings.DATA) / "tables.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _apply() -> None:
    for alias in connections:
        connection = connections[alias]
        executor = MigrationExecutor(connection)
        if not _plan(executor):
            continue
        copy = back_up(connection) if executor.loader.applied_migrations else None
        try:
            call_command("migrate", database=alias, interactive=False, verbosity=0)
        except Exception as error:
            connection.close()
            if copy is None:
                raise
            restore(copy, Path(str(connection.settings_dict["NAME"])))
            raise ConfigError(
                f"the tables of {alias} could not be brought up to version {__version__}, and are again as they were:"
                f" {type(error).__name__}: {error}"
            ) from error


def back_up(connection: BaseDatabaseWrapper) -> Path | None:
    """Copy an SQLite database as it is at this moment, and return where to; None for another kind of database.

    Raises ConfigError where there is no room, for then nothing must be changed.
    """
    if connection.vendor != "sqlite":
        return None
    source = Path(str(connection.settings_dict["NAME"]))
    folder = Path(settings.DATA) / "backups"
    copy = folder / f"{source.stem}-before-{__version__}.sqlite3"
    draft = copy.with_suffix(".new")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(draft)) as new:
            old.backup(new)
        draft.chmod(0o600)  # it holds passwords of brokers
        settle(draft, copy)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ConfigError(
            f"{source} cannot be copied to {copy} before its tables change, so they were left alone: {error}"
        ) from error
    _drop_oldest(folder, source.stem)
    logger.info("copied %s to %s", source.name, copy)
    return copy


def restore(copy: Path, target: Path) -> None:
    """Write a copy's content into a database, in one transaction: whoever has it open goes on, and a power cut is none.

    Raises DatabaseError where the disk does not take it; the copy stays.
    """
    try:
        with closing(sqlite3.connect(copy)) as old, closing(sqlite3.connect(target, timeout=30)) as new:
            old.backup(new)
    except sqlite3.Error as error:
        raise DatabaseError(f"{target} cannot be put back from {copy}: {error}") from error


def _drop_oldest(folder: Path, stem: str) -> None:
    copies = sorted(folder.glob(f"{stem}-before-*.sqlite3"), key=lambda path: path.stat().st_mtime)
    for path in copies[:-KEPT]:
        path.unlink(missing_ok=True)
