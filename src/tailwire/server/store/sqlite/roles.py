"""Roles of users: their changes and removal, and the features that are restricted for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from tailwire.server.ports.records import RoleRow
from tailwire.server.store.sql.roles import RoleRows
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.row_changes import change_row


class Roles(RoleRows):
    """`RoleStore` on SQLite."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._db: Database = database

    async def change(self, role: str, change: Callable[[RoleRow], RoleRow]) -> RoleRow | None:
        return await self._db.write(lambda c: change_row(c, RoleRow, "roles", ("role", role), change))

    async def restrict(self, role: str, features: Sequence[str], now: int) -> bool:
        def restrict(c: sqlite3.Connection) -> bool:
            if c.execute("SELECT 1 FROM roles WHERE role = ?", (role,)).fetchone() is None:
                return False
            sql = "INSERT INTO restrictions (role, feature, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            c.executemany(sql, [(role, feature, now) for feature in features])
            return True

        return await self._db.write(restrict)

    async def remove(self, role: str) -> None:
        def remove(c: sqlite3.Connection) -> None:
            c.execute("UPDATE users SET role = 'default' WHERE role = ?", (role,))
            c.execute("DELETE FROM roles WHERE role = ?", (role,))
            c.execute("DELETE FROM restrictions WHERE role = ?", (role,))

        await self._db.write(remove)
