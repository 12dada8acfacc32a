"""Roles of users, and the features that a role may not use."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence

from tailwire.server.ports.records import RoleRow
from tailwire.server.store.database import Database

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(RoleRow))
_PLACEHOLDERS = ", ".join("?" for _ in dataclasses.fields(RoleRow))


class Roles:
    """`RoleStore` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def get(self, role: str) -> RoleRow | None:
        row = await self._db.one(f"SELECT {_COLUMNS} FROM roles WHERE role = ?", (role,))
        return RoleRow(*row) if row else None

    async def find(self, *, limit: int, offset: int) -> tuple[list[RoleRow], int]:
        sql = f"SELECT {_COLUMNS} FROM roles ORDER BY role LIMIT ? OFFSET ?"
        rows, total = await self._db.page("SELECT count(*) FROM roles", sql, (), (limit, offset))
        return [RoleRow(*row) for row in rows], total

    async def put(self, role: RoleRow, *, new: bool) -> bool:
        verb, conflict = ("INSERT INTO", " ON CONFLICT DO NOTHING") if new else ("INSERT OR REPLACE INTO", "")
        sql = f"{verb} roles ({_COLUMNS}) VALUES ({_PLACEHOLDERS}){conflict}"
        return await self._db.run(sql, dataclasses.astuple(role)) == 1

    async def remove(self, role: str) -> None:
        def remove(c: sqlite3.Connection) -> None:
            c.execute("UPDATE users SET role = 'default' WHERE role = ?", (role,))
            c.execute("DELETE FROM roles WHERE role = ?", (role,))
            c.execute("DELETE FROM restrictions WHERE role = ?", (role,))

        await self._db.write(remove)

    async def restrict(self, role: str, features: Sequence[str], now: int) -> None:
        sql = "INSERT INTO restrictions VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        await self._db.run_many(sql, [(role, feature, now) for feature in features])

    async def allow(self, role: str, features: Sequence[str]) -> None:
        sql = "DELETE FROM restrictions WHERE role = ? AND feature = ?"
        await self._db.run_many(sql, [(role, feature) for feature in features])

    async def restrictions(self, role: str) -> dict[str, int]:
        sql = "SELECT feature, created_at FROM restrictions WHERE role = ? ORDER BY feature"
        return dict(await self._db.rows(sql, (role,)))
