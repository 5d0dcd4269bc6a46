"""The databases before an update, and the way back to them.

A snapshot is whole and consistent: SQLite makes it. It is put back only where the tables of the new version differ, for
else the old version can read what was saved since, and nothing is lost.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from .progress import sync_folder


def take(data: Path, snapshot: Path) -> None:
    """Copy every database of the data folder; an older snapshot is replaced once the new one is whole."""
    draft = snapshot.with_name(f"{snapshot.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    for path in databases(data):
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft / path.name)) as copy:
            source.backup(copy)
        _sync(draft / path.name)
    sync_folder(draft)
    shutil.rmtree(snapshot, ignore_errors=True)
    draft.replace(snapshot)
    sync_folder(snapshot.parent)


def put_back(data: Path, snapshot: Path) -> list[str]:
    """Put back each database whose tables are not those of the snapshot; return their names.

    What is replaced stays beside it, as NAME.replaced, until the next time: a person may want something out of it. The
    service must not run.
    """
    replaced = []
    for copy in databases(snapshot):
        path = data / copy.name
        if not path.exists() or migrations(path) != migrations(copy):
            _replace(path, copy)
            replaced.append(path.name)
    return replaced


def databases(folder: Path) -> list[Path]:
    """List the databases of a folder."""
    return sorted(folder.glob("*.sqlite3"))


def migrations(path: Path) -> frozenset[tuple[str, str]] | None:
    """Return the migrations that made the tables, or None for a file that SQLite cannot read."""
    try:
        with closing(sqlite3.connect(path)) as database:
            return frozenset(database.execute("SELECT app, name FROM django_migrations"))
    except sqlite3.Error:
        return None


def _replace(path: Path, copy: Path) -> None:
    owner = path.parent.stat()
    draft, kept = path.with_name(f".{path.name}.restored"), path.with_name(f"{path.name}.replaced")
    shutil.copyfile(copy, draft)
    draft.chmod(0o600)
    os.chown(draft, owner.st_uid, owner.st_gid)
    _sync(draft)
    if path.exists():
        _fold_log(path)
        kept.unlink(missing_ok=True)
        os.link(path, kept)
    draft.replace(path)
    sync_folder(path.parent)


def _fold_log(path: Path) -> None:
    """Bring the write-ahead log into its file: left there, it would be applied to the file that comes after."""
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error:
        pass  # a file that cannot be read has a log that is of no use
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
