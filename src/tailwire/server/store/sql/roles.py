"""Roles of users, and the features that a role may not use: what the stores share (see `store.sql`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tailwire.server.ports.records import RoleRow
from tailwire.server.store.sql.connection import Connection

COLUMN_NAMES = tuple(f.name for f in dataclasses.fields(RoleRow))
COLUMNS, PLACEHOLDERS = ", ".join(COLUMN_NAMES), ", ".join("?" for _ in COLUMN_NAMES)


class RoleRows:
    """`RoleStore`, without its writes of several statements."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, role: str) -> RoleRow | None:
        row = await self._db.first_row(f"SELECT {COLUMNS} FROM roles WHERE role = ?", (role,))
        return RoleRow(*row) if row else None

    async def find(self, *, limit: int, offset: int) -> tuple[list[RoleRow], int]:
        sql = f"SELECT {COLUMNS} FROM roles ORDER BY role LIMIT ? OFFSET ?"
        rows, total = await self._db.page("SELECT count(*) FROM roles", sql, (), (limit, offset))
        return [RoleRow(*row) for row in rows], total

    async def add(self, role: RoleRow) -> bool:
        sql = f"INSERT INTO roles ({COLUMNS}) VALUES ({PLACEHOLDERS}) ON CONFLICT (role) DO NOTHING"
        return await self._db.run(sql, dataclasses.astuple(role)) == 1

    async def allow(self, role: str, features: Sequence[str]) -> None:
        sql = "DELETE FROM restrictions WHERE role = ? AND feature = ?"
        await self._db.run_many(sql, [(role, feature) for feature in features])

    async def restrictions(self, role: str) -> dict[str, int]:
        sql = "SELECT feature, created_at FROM restrictions WHERE role = ? ORDER BY feature"
        return dict(await self._db.rows(sql, (role,)))
