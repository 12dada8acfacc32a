"""Roles of users: their removal."""

from __future__ import annotations

import sqlite3

from tailwire.server.store.sql.roles import RoleRows
from tailwire.server.store.sqlite.database import Database


class Roles(RoleRows):
    """`RoleStore` on SQLite."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._db: Database = database

    async def remove(self, role: str) -> None:
        def remove(c: sqlite3.Connection) -> None:
            c.execute("UPDATE users SET role = 'default' WHERE role = ?", (role,))
            c.execute("DELETE FROM roles WHERE role = ?", (role,))
            c.execute("DELETE FROM restrictions WHERE role = ?", (role,))

        await self._db.write(remove)
