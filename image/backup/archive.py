"""The archive: a tar of the data folder, in which each database is a copy that SQLite made. Knows no service."""

import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import IO

from update import data

MARK = "edge.sqlite3"  # what every data folder has
# Made anew by a box, or a part of a database that the copy has in it already.
LEFT_OUT = ("lock", "*.lock", "control.sock", "backups", "*.sqlite3*", ".*")


class NotABackupError(ValueError):
    """The archive cannot be restored; the message says why. Nothing was changed."""


def write(folder: Path, out: IO[bytes]) -> None:
    """Write the archive of a data folder, in use or not."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        copies = Path(made) / "copies"
        data.take(folder, copies)
        others = [path for path in folder.iterdir() if not any(path.match(pattern) for pattern in LEFT_OUT)]
        with tarfile.open(fileobj=out, mode="w|") as tar:
            for path in sorted([*copies.iterdir(), *others]):
                tar.add(path, arcname=path.name)


def unpack(source: IO[bytes], folder: Path) -> None:
    """Unpack an archive into a new folder, and look whether it is a box's. Raises `NotABackupError`."""
    folder.mkdir(mode=0o700)
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            tar.extractall(folder, filter="data")
        _keep_private(folder)
        for path in [folder / MARK, *data.databases(folder)]:
            _look_at(path)
    except (tarfile.TarError, sqlite3.Error, OSError) as error:
        shutil.rmtree(folder)
        raise NotABackupError(f"this is no backup of a box: {error}") from error


def _keep_private(folder: Path) -> None:
    """Take from everybody but the owner what the archive's filter gives them: it forgets the rights of folders."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


def _look_at(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        found = database.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"{path.name}: {found}")


def give_to(folder: Path, owner: os.stat_result) -> None:
    """Give all of it to the service's user."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    folder.chmod(0o700)
