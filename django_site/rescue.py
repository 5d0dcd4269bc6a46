"""A damaged database: found at the start, kept aside, and rebuilt from all that can still be read.

A power cut does not damage a database in WAL mode; a dying SD card does. `look_after` runs before anything else opens
the file. What waits in the outbox stands twice in the file, in the table and in an index, on different pages
(`django_site.outbox.migrations`), so that one bad page loses nothing of it. What a person decided stands in a copy
beside the file too (`keep_copy`), and comes from there where the file itself cannot say it any more.

Knows SQLite, and of Django only the name of the outbox's table.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORRUPT, NOT_A_DATABASE = 11, 26  # SQLite's primary result codes
MAX_GAPS = 1000  # damaged places of one table that are leapt over; beyond, the rest counts as not readable
LARGEST = 2**62  # no row's number is larger
KEPT_ASIDE = 3  # damaged files that are kept; the oldest goes
OUTBOX = "outbox_entry"
SECOND_COPY = """SELECT id, device, key, event, 'waiting' AS state, '' AS reason, put_at, expires_at, NULL AS done_at
    FROM outbox_entry INDEXED BY outbox_waiting WHERE state = 'waiting' AND id >= ? ORDER BY id"""

Rows = Callable[[int], sqlite3.Cursor]  # the rows from this number on; a row begins with its number


@dataclass(slots=True)
class Found:
    """What could be read of a damaged file."""

    incomplete: list[str] = field(default_factory=list)  # tables of which not every row could be
    from_copy: int = 0  # rows that came from the copy
    orphans: int = 0  # rows that were left out, for what they belong to is gone
    waiting: int = 0  # entries of the outbox that wait
    lost: bool = False  # some that waited stood on bad pages both times


def look_after(path: Path, copy: Path) -> str:
    """Check a database; rebuild it where it is damaged, and say in plain words what happened. Empty: all is well.

    Nothing else may have the file open. Raises OSError where the disk does not let it be rebuilt.
    """
    damage = damage_of(path)
    if not damage:
        return ""
    rebuilt = path.with_name(f"{path.name}.rebuilt")
    rebuilt.unlink(missing_ok=True)
    found = _rebuild(path, copy, rebuilt)
    _sync(rebuilt)
    aside = _set_aside(path)
    rebuilt.replace(path)
    _sync(path.parent)
    return _in_words(path, aside, damage, found, copy)


def begin_anew(path: Path) -> str:
    """Check a database that may be lost; set it aside where it is damaged, and say so."""
    damage = damage_of(path)
    if not damage:
        return ""
    aside = _set_aside(path)
    path.unlink()
    return f"{path.name} was damaged ({damage}) and begins anew; the damaged file is kept as {aside.name}"


def damage_of(path: Path) -> str:
    """Say what is wrong with a database, or nothing; also where it is not there, or cannot be opened for now."""
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(path)) as connection:
            answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error) if _is_damage(error) else ""
    return "" if answer == "ok" else " ".join(answer.split())[:200]


def keep_copy(path: Path, copy: Path) -> bool:
    """Write a copy of what a person decided (all but the outbox) beside the file; tell whether it had changed."""
    with closing(_open(path)) as source, closing(sqlite3.connect(":memory:")) as target:
        source.execute("BEGIN")  # one moment of it, whoever writes meanwhile
        tables = _make_tables(source, target)
        for table in tables:
            if table != OUTBOX:
                _insert(target, table, source.execute(f'SELECT * FROM "{table}" ORDER BY rowid'))  # noqa: S608  (names from the schema)
        target.commit()
        content = target.serialize()
    if copy.exists() and copy.read_bytes() == content:
        return False
    draft = copy.with_name(f"{copy.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(copy)
    _sync(copy.parent)
    return True


def _rebuild(path: Path, copy: Path, rebuilt: Path) -> Found:
    found = Found()
    with closing(_open(rebuilt)) as target, closing(_open(path)) as bad, contextlib.ExitStack() as stack:
        target.execute("PRAGMA foreign_keys=OFF")
        old = stack.enter_context(closing(_open(copy))) if copy.exists() and not damage_of(copy) else None
        try:
            bad.execute("PRAGMA cell_size_check=ON")
            tables = _make_tables(bad, target)
        except sqlite3.DatabaseError:  # not even what tables there are: what the copy has is all there is
            found.incomplete.append("everything")
            found.lost = True
            tables = _make_tables(old, target) if old is not None else {}
        for table, columns in tables.items():
            _rescue_table(bad, target, table, found)
            if table in found.incomplete or "everything" in found.incomplete:
                found.from_copy += _fill_in(old, target, table, columns)
        _keep_numbers(bad, target)
        found.orphans = _drop_orphans(target)
        if OUTBOX in tables:
            query = f"SELECT count(*) FROM {OUTBOX} WHERE state = 'waiting'"  # noqa: S608  (our own name)
            found.waiting = int(target.execute(query).fetchone()[0])
        target.commit()
    return found


def _make_tables(source: sqlite3.Connection, target: sqlite3.Connection) -> dict[str, list[str]]:
    """Make the tables and indexes of the one in the other; return the tables with their columns."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    made = source.execute(query).fetchall()
    for kind in ("table", "index"):
        for sql in [sql for what, _, sql in made if what == kind]:
            target.execute(sql)
    names = [name for what, name, _ in made if what == "table"]
    return {name: [row[1] for row in target.execute(f'PRAGMA table_info("{name}")')] for name in names}


def _rescue_table(bad: sqlite3.Connection, target: sqlite3.Connection, table: str, found: Found) -> None:
    def rows(number: int) -> sqlite3.Cursor:
        query = f'SELECT rowid, * FROM "{table}" NOT INDEXED WHERE rowid >= ? ORDER BY rowid'  # noqa: S608  (as above)
        return bad.execute(query, [number])

    gaps: list[int] = []
    complete = _insert(target, table, (row[1:] for row in _readable(rows, gaps)))
    if table == OUTBOX and gaps:
        second: list[int] = []
        names = "id, device, key, event, state, reason, put_at, expires_at, done_at"
        _insert(target, table, _readable(lambda number: bad.execute(SECOND_COPY, [number]), second), names)
        found.lost = bool(second)
    if gaps or not complete:
        found.incomplete.append(table)


def _readable(rows: Rows, gaps: list[int]) -> Iterator[tuple[Any, ...]]:
    """Yield each row that can be read, in order; note where some could not be."""
    number = 0
    while len(gaps) < MAX_GAPS:
        try:
            for row in rows(number):
                number = row[0] + 1
                yield row
        except sqlite3.DatabaseError:
            gaps.append(number)
            if (beyond := _beyond(rows, number)) is None:
                return
            number = beyond
        else:
            return


def _beyond(rows: Rows, number: int) -> int | None:
    """Return the first number behind a damaged place from which reading works again, or None."""

    def works(start: int) -> bool:
        try:
            rows(start).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    step = 1
    while not works(number + step):
        step *= 2
        if number + step > LARGEST:
            return None
    low, high = number + step // 2, number + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def _insert(target: sqlite3.Connection, table: str, rows: Any, names: str = "") -> bool:  # Any: an iterable of rows
    """Insert rows that are not there yet; tell whether each could be."""
    fine = True
    for row in rows:
        places = ", ".join("?" * len(row))
        into = f'INSERT OR IGNORE INTO "{table}" {f"({names})" if names else ""} VALUES ({places})'  # noqa: S608  (as above)
        try:
            target.execute(into, row)
        except sqlite3.Error:  # a row of garbage
            fine = False
    return fine


def _fill_in(old: sqlite3.Connection | None, target: sqlite3.Connection, table: str, columns: list[str]) -> int:
    """Take from the copy what the damaged file could not say; return how many rows that were."""
    if old is None or table == OUTBOX:
        return 0
    there = [row[1] for row in old.execute(f'PRAGMA table_info("{table}")')]
    shared = ", ".join(f'"{name}"' for name in columns if name in there)
    if not shared:
        return 0
    before = target.total_changes
    _insert(target, table, old.execute(f'SELECT {shared} FROM "{table}"'), shared)  # noqa: S608  (as above)
    return target.total_changes - before


def _keep_numbers(bad: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Go on counting where the damaged file was: no number is given twice."""
    with contextlib.suppress(sqlite3.DatabaseError):
        for name, last in bad.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
            target.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", [last, name])
            known = target.execute("SELECT 1 FROM sqlite_sequence WHERE name = ?", [name]).fetchone()
            if known is None:
                target.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", [name, last])


def _drop_orphans(target: sqlite3.Connection) -> int:
    dropped = 0
    while orphans := target.execute("PRAGMA foreign_key_check").fetchall():
        for table, number in {(row[0], row[1]) for row in orphans}:
            target.execute(f'DELETE FROM "{table}" WHERE rowid = ?', [number])  # noqa: S608  (as above)
            dropped += 1
    return dropped


def _set_aside(path: Path) -> Path:
    """Keep a damaged file under another name; it keeps its own, too, until another takes its place."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
    aside.unlink(missing_ok=True)
    os.link(path, aside)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).replace(aside.with_name(aside.name + end))
    kept = sorted(path.parent.glob(f"{path.name}.damaged-*[0-9]"))
    for old in kept[:-KEPT_ASIDE]:
        for end in ("", "-wal", "-shm"):
            old.with_name(old.name + end).unlink(missing_ok=True)
    return aside


def _in_words(path: Path, aside: Path, damage: str, found: Found, copy: Path) -> str:
    said = [f"{path.name} was damaged ({damage}) and has been rebuilt; the damaged file is kept as {aside.name}"]
    if not found.incomplete:
        said.append("every row could be read")
    else:
        said.append(f"not all could be read of {', '.join(found.incomplete)}")
    if found.from_copy:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(copy.stat().st_mtime))
        said.append(f"{found.from_copy} rows came from the copy of {when} UTC")
    if found.orphans:
        said.append(f"{found.orphans} rows were left out, for what they belong to is gone")
    said.append(f"{found.waiting} entries wait in the outbox, {'some were lost' if found.lost else 'none was lost'}")
    return "; ".join(said)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5)
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (CORRUPT, NOT_A_DATABASE)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
