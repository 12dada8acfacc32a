"""Writes roles of users, and the features that a role may not use, which all processes cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from tailwire.server.ports.records import RoleRow
from tailwire.server.store.postgres.access import DatabaseAccess, as_row, insert, texts_of
from tailwire.server.store.postgres.row_changes import change_row
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.roles import COLUMN_NAMES, RoleRows


class Roles(RoleRows):
    """`RoleStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads)
        self._access = access

    async def add(self, role: RoleRow) -> bool:
        unit = Unit()
        sql = f"{insert('roles', COLUMN_NAMES)} ON CONFLICT (role) DO NOTHING"
        unit.run_required(sql, row=as_row(dataclasses.asdict(role)))
        return await self._carry_out(unit, role.role)

    async def change(self, role: str, change: Callable[[RoleRow], RoleRow]) -> RoleRow | None:
        return await change_row(self._access, RoleRow, "roles", ("role", role), "role", change)

    async def restrict(self, role: str, features: Sequence[str], now: int) -> bool:
        unit = Unit()
        unit.end_if("NOT EXISTS (SELECT FROM roles WHERE role = :role)", role=role)
        unit.run(
            "INSERT INTO restrictions (role, feature, created_at)"
            f" SELECT :role, feature, :now::bigint FROM {texts_of('features')} AS t (feature) ON CONFLICT DO NOTHING",
            role=role, features=list(features), now=now,
        )  # fmt: skip
        return await self._carry_out(unit, role)

    async def allow(self, role: str, features: Sequence[str]) -> None:
        unit = Unit()
        sql = f"DELETE FROM restrictions WHERE role = :role AND feature IN {texts_of('features')}"
        unit.run(sql, role=role, features=list(features))
        await self._carry_out(unit, role)

    async def remove(self, role: str) -> None:
        unit = Unit()
        unit.run("UPDATE users SET role = 'default' WHERE role = :role", role=role)
        unit.run("DELETE FROM roles WHERE role = :role", role=role)
        unit.run("DELETE FROM restrictions WHERE role = :role", role=role)
        await self._carry_out(unit, role)

    async def _carry_out(self, unit: Unit, role: str) -> bool:
        # Returns whether the unit was carried out to its end.
        unit.invalidate("role", role)
        return (await self._access.carry_out(unit)).ended is None
