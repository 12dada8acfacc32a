"""The audit log. An entry is written in the transaction of the change that it records."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable
from typing import Any, TypeVar

from tailwire.server.ports.audit import AuditEntry, AuditFilter, AuditRow, current_entry
from tailwire.server.ports.world import World
from tailwire.server.store.database import Database
from tailwire.server.store.writer import Operation

T = TypeVar("T")
ROWS_PER_CLEANUP = 500
_COLUMNS = ", ".join(AuditRow._fields)
_INSERT = (
    f"INSERT INTO audit ({', '.join(AuditRow._fields[1:])}) VALUES"
    " (:at, :kind, :actor, coalesce((SELECT name FROM api_keys WHERE key_hash = :key_hash), ''), :on_behalf_of,"
    " :action, :target, :details, :address, :request_id)"
)
_OLDEST = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE kind = ? ORDER BY id LIMIT ?)"
_EXPIRED = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?) RETURNING kind"


class Audit:
    """`AuditStore` on SQLite.

    Each write of the database asks `accompany` whether an entry belongs to it. So no noun of the store knows the log.
    """

    def __init__(self, database: Database, world: World) -> None:
        self._db = database
        self._world = world
        self._seconds = self._most = 0
        sql = "SELECT kind, count(*) FROM audit GROUP BY kind"
        self._counts: Counter[str] = Counter(dict(database.reader.execute(sql).fetchall()))
        self._changes: Counter[str] = Counter()  # of the counts, in the current transaction
        database.on_commit(self._committed)
        database.on_rollback(lambda c: self._changes.clear())
        database.writer.accompany = self.accompany

    def set_limits(self, *, seconds: int, entries: int) -> None:
        self._seconds, self._most = seconds, entries

    def accompany(self, operation: Operation[T], future: asyncio.Future[T]) -> Operation[T]:
        """Return an operation that also writes the entry of the current request, if a write has not taken it yet.

        Args:
            future: the result of the operation. If it fails or changes nothing, the next write of the request takes
                the entry.
        """
        entry = current_entry.get()
        if entry is None or entry.taken:
            return operation
        entry.taken = True

        written = False

        def both(c: sqlite3.Connection) -> T:
            nonlocal written
            before = c.total_changes
            result = operation(c)
            written = c.total_changes != before
            if written:
                self._insert(c, entry)
            return result

        def ended(ended: asyncio.Future[T]) -> None:
            if ended.cancelled() or ended.exception() is not None or not written:
                entry.taken = False

        future.add_done_callback(ended)
        return both

    def add(self, entry: AuditEntry) -> Awaitable[None]:
        entry.taken = True
        return self._db.write(lambda c: self._insert(c, entry))

    def _insert(self, c: sqlite3.Connection, entry: AuditEntry) -> None:
        if not self._seconds:
            return
        now = self._world.seconds()
        c.execute(_INSERT, {"at": now, **{name: getattr(entry, name) for name in _FROM_ENTRY}})
        self._changes[entry.kind] += 1
        for (kind,) in c.execute(_EXPIRED, (now - self._seconds, ROWS_PER_CLEANUP)).fetchall():
            self._changes[kind] -= 1
        excess = self._counts[entry.kind] + self._changes[entry.kind] - self._most
        if excess > 0:
            gone = c.execute(_OLDEST, (entry.kind, min(excess, ROWS_PER_CLEANUP))).rowcount
            self._changes[entry.kind] -= gone

    def _committed(self, last_id: int) -> None:
        if self._changes:
            self._counts.update(self._changes)
            self._changes.clear()

    async def find(self, wanted: AuditFilter) -> list[AuditRow]:
        conditions, values = ["at >= ?"], [self._world.seconds() - self._seconds]
        found: list[tuple[str, Any]] = [
            ("id < ?", wanted.before), ("at >= ?", wanted.since), ("at <= ?", wanted.until),
            ("kind = ?", wanted.kind or None), ("actor = ?", wanted.actor or None),
            ("on_behalf_of = ?", wanted.on_behalf_of or None), ("action = ?", wanted.action or None),
            ("target = ?", wanted.target or None),
        ]  # fmt: skip
        for condition, value in found:
            if value is not None:
                conditions.append(condition)
                values.append(value)
        sql = f"SELECT {_COLUMNS} FROM audit WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
        rows = await self._db.read_long(lambda c: c.execute(sql, (*values, wanted.limit)).fetchall())
        return [AuditRow(*row) for row in rows]

    async def last(self, action: str) -> AuditRow | None:
        row = await self._db.one(f"SELECT {_COLUMNS} FROM audit WHERE action = ? ORDER BY id DESC LIMIT 1", (action,))
        return AuditRow(*row) if row else None


_FROM_ENTRY = ("kind", "actor", "key_hash", "on_behalf_of", "action", "target", "details", "address", "request_id")
