"""The outbox on disk: `edge.outbox_store.Store` by the table ``outbox_entry``, on Django's connection of one thread.

WAL with synchronous FULL, asserted when it is opened: then a power cut takes nothing that was committed.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.backends.utils import CursorWrapper

from edge.outbox_store import Batch, Entry, StoreError

logger = logging.getLogger("django_site.outbox")

DATABASE = "default"
COLUMNS = "id, device, key, event, put_at, expires_at"
INSERT = f"INSERT INTO outbox_entry ({COLUMNS}, state, reason) VALUES (%s, %s, %s, %s, %s, %s, 'waiting', '')"  # noqa: S608  (no value of a person)
# As bytes: text that the disk has damaged must not keep the rest from being read.
SELECT = """SELECT id, device, CAST(key AS BLOB), CAST(event AS BLOB), put_at, expires_at FROM outbox_entry
    WHERE state = 'waiting' ORDER BY id"""
MARK = "UPDATE outbox_entry SET state = %s, reason = %s, done_at = %s WHERE id = %s"
MOVE = "UPDATE outbox_entry SET put_at = %s, expires_at = %s WHERE id = %s"
SHIFT = "UPDATE outbox_entry SET put_at = put_at + %s, expires_at = expires_at + %s WHERE state = 'waiting'"
LAST = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox_entry'), 0), coalesce(max(id), 0))"
# Of what was sent and of what was not, each the newest are kept.
PRUNE = """DELETE FROM outbox_entry WHERE {which} AND id <=
    (SELECT id FROM outbox_entry WHERE {which} ORDER BY id DESC LIMIT 1 OFFSET %s)"""
DONE = ("state = 'sent'", "state IN ('failed', 'expired')")
SLACK = 10  # marks for each hundred that are kept, until the table is trimmed again
CORRUPT, NOT_A_DATABASE, FULL = 11, 26, 13  # SQLite's result codes

T = TypeVar("T")


def _told(method: Callable[..., T]) -> Callable[..., T]:
    """Turn what the database raises into words for a person; the next call begins with a new connection."""

    @wraps(method)
    def call(*arguments: Any) -> T:
        try:
            return method(*arguments)
        except (DatabaseError, OSError) as error:
            connections[DATABASE].close()
            raise StoreError(in_words(error)) from error

    return call


class TableStore:
    """The table. Every method is called in the outbox's own thread."""

    def __init__(self, keep: int | None = None) -> None:
        self.keep = settings.KEEP_OUTBOX if keep is None else keep
        self._marks = 0  # since the table was trimmed

    @_told
    def open(self) -> tuple[int, list[Entry]]:
        """Return the highest id that was ever used, and what waits. Raises StoreError where it would not be safe."""
        with connections[DATABASE].cursor() as cursor:
            mode = _value(cursor, "PRAGMA journal_mode"), _value(cursor, "PRAGMA synchronous")
            if mode != ("wal", 2):
                raise StoreError(f"expected journal_mode wal and synchronous 2 (FULL); the database has {mode}")
            last = int(_value(cursor, f"{LAST} FROM outbox_entry"))
        return last, self.waiting()

    @_told
    def write(self, batch: Batch) -> None:
        """Write a batch in one transaction."""
        with transaction.atomic(using=DATABASE), connections[DATABASE].cursor() as cursor:
            if batch.moved:
                cursor.executemany(MOVE, [(each.put_at, each.expires_at, each.id) for each in batch.moved])
            if batch.shift:
                cursor.execute(SHIFT, [batch.shift, batch.shift])
            if batch.puts:
                cursor.executemany(INSERT, [_row(entry) for entry in batch.puts])
            if batch.marks:
                marks = [(mark.outcome.value, mark.reason, mark.at, mark.id) for mark in batch.marks]
                cursor.executemany(MARK, marks)
                self._trim(cursor, len(marks))

    @_told
    def waiting(self) -> list[Entry]:
        """Return what waits, by id."""
        with connections[DATABASE].cursor() as cursor:
            cursor.execute(SELECT)
            return [
                Entry(
                    id=number,
                    device=device,
                    key=key.decode(errors="replace"),
                    body=event,
                    put_at=put_at,
                    expires_at=expires_at,
                )
                for number, device, key, event, put_at, expires_at in cursor.fetchall()
            ]

    def close(self) -> None:
        """Let go of the file."""
        connections[DATABASE].close()

    def _trim(self, cursor: CursorWrapper, marks: int) -> None:
        self._marks += marks
        if self._marks > max(SLACK, self.keep * SLACK // 100):
            for which in DONE:
                cursor.execute(PRUNE.format(which=which), [self.keep])
            self._marks = 0


def in_words(error: Exception) -> str:
    """Say what a database's error means for a person."""
    cause = error.__cause__ if error.__cause__ is not None else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the primary code, of extended ones
    if code == FULL:
        return f"the disk is full ({settings.DATA}); make room, and it goes on by itself"
    if code in (CORRUPT, NOT_A_DATABASE):
        return f"the database is damaged ({error}); start the box again, which repairs what can be repaired"
    return f"{type(error).__name__}: {error} ({settings.DATA})"


def _row(entry: Entry) -> tuple[Any, ...]:
    return entry.id, entry.device, entry.key, entry.body.decode(), entry.put_at, entry.expires_at


def _value(cursor: CursorWrapper, query: str) -> Any:
    cursor.execute(query)
    row = cursor.fetchone()
    return row[0] if row else None
