"""The audit log. The entry of a change is stored in the change's transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable
from typing import TypeVar

from tailwire.server.ports.audit import AuditEntry, current_entry
from tailwire.server.ports.world import World
from tailwire.server.store.sql.audit import ROWS_PER_CLEANUP, AuditRows, entry_values, insert
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.writer import Operation

T = TypeVar("T")
_INSERT_SQL = insert(":at")
_OLDEST_SQL = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE kind = ? ORDER BY id LIMIT ?)"
_EXPIRED_SQL = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?) RETURNING kind"


class Audit(AuditRows):
    """`AuditStore` on SQLite.

    The writer passes each operation to `accompany`, which adds the entry of a request to the request's first operation.
    So the store's other classes need no code for the audit log.
    """

    def __init__(self, database: Database, world: World) -> None:
        super().__init__(database, world)
        self._database = database
        sql = "SELECT kind, count(*) FROM audit GROUP BY kind"
        self._counts: Counter[str] = Counter(dict(database.reader.execute(sql).fetchall()))
        self._changes: Counter[str] = Counter()  # of the counts, in the current transaction
        database.on_commit(self._keep_counts)
        database.on_rollback(lambda c: self._changes.clear())
        database.writer.accompaniments.append(self.accompany)

    def accompany(self, operation: Operation[T], future: asyncio.Future[T]) -> Operation[T]:
        """Extend an operation so that it also stores the audit log entry of the current request if it changes anything.

        If it fails or changes nothing, the entry is left to the next write of the request.

        Args:
            operation: an operation that was submitted to the writer.
            future: its future result.

        Returns:
            The extended operation; `operation` itself if there is nothing to store: the request has no entry or has
            failed, or another write has taken the entry.
        """
        entry = current_entry.get()
        if entry is None or entry.taken or entry.over:
            return operation
        entry.taken = True

        written = False

        def run_both(c: sqlite3.Connection) -> T:
            nonlocal written
            before = c.total_changes
            result = operation(c)
            written = c.total_changes != before
            if written:
                self._insert(c, entry)
            return result

        def on_ended(ended: asyncio.Future[T]) -> None:
            if ended.cancelled() or ended.exception() is not None or not written:
                entry.taken = False

        future.add_done_callback(on_ended)
        return run_both

    def add(self, entry: AuditEntry) -> Awaitable[None]:
        entry.taken = True
        return self._database.write(lambda c: self._insert(c, entry))

    def _insert(self, c: sqlite3.Connection, entry: AuditEntry) -> None:
        if not self.seconds:
            return
        now = self._world.seconds()
        c.execute(_INSERT_SQL, entry_values(entry, now))
        self._changes[entry.kind] += 1
        for (kind,) in c.execute(_EXPIRED_SQL, (now - self.seconds, ROWS_PER_CLEANUP)).fetchall():
            self._changes[kind] -= 1
        excess = self._counts[entry.kind] + self._changes[entry.kind] - self.most
        if excess > 0:
            gone = c.execute(_OLDEST_SQL, (entry.kind, min(excess, ROWS_PER_CLEANUP))).rowcount
            self._changes[entry.kind] -= gone

    def _keep_counts(self, last_id: int) -> None:
        if self._changes:
            self._counts.update(self._changes)
            self._changes.clear()
