"""Roles of users: their removal."""

from __future__ import annotations

from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.work import Work
from tailwire.server.store.sql.roles import RoleRows


class Roles(RoleRows):
    """`RoleStore` on PostgreSQL."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.reads)
        self._work = work

    async def remove(self, role: str) -> None:
        unit = Unit()
        unit.do("UPDATE users SET role = 'default' WHERE role = :role", role=role)
        unit.do("DELETE FROM roles WHERE role = :role", role=role)
        unit.do("DELETE FROM restrictions WHERE role = :role", role=role)
        unit.tell("role", role)
        await self._work.carry_out(unit)
