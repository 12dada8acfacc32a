"""Reads members and bans of groups."""

from __future__ import annotations

import dataclasses
from typing import Any

from tailwire.server.ports.filters import MemberFilter, Position
from tailwire.server.ports.records import BanRow, MemberRow
from tailwire.server.store.sql.conditions import page_clause, prefix_condition
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import GROUPS_OF_USER_SQL, MEMBER_SQL

_MEMBER, _BAN = (", ".join(f"m.{f.name}" for f in dataclasses.fields(of)) for of in (MemberRow, BanRow))
_MEMBERSHIPS_SQL = "SELECT guid, joined_after_id FROM members WHERE uid = ? ORDER BY guid"
BAN_SQL = f"SELECT {_BAN} FROM bans m WHERE m.guid = ? AND m.uid = ?"


class MemberRows:
    """`MemberStore`, without its writes."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, guid: str, uid: str) -> MemberRow | None:
        row = await self._db.first_row(MEMBER_SQL, {"of": guid, "who": uid})
        return MemberRow(*row) if row else None

    async def in_groups(self, guids: list[str], uid: str) -> dict[str, MemberRow]:
        if not guids:
            return {}
        values: list[Any] = [uid]
        sql = f"SELECT {_MEMBER} FROM members m WHERE m.uid = ? AND {self._db.dialect.any_of('m.guid', guids, values)}"
        return {row[0]: MemberRow(*row) for row in await self._db.rows(sql, values)}

    async def find(self, criteria: MemberFilter) -> tuple[list[MemberRow], int]:
        values: list[Any] = []
        source, condition = self._selected(criteria, values)
        count, page = f"SELECT count(*) FROM {source} WHERE {condition}", [*values, criteria.limit, criteria.offset]
        sql = f"SELECT {_MEMBER} FROM {source} WHERE {condition} ORDER BY m.uid LIMIT ? OFFSET ?"
        rows, total = await self._db.page(count, sql, values, page)
        return [MemberRow(*row) for row in rows], total

    async def list_after(self, criteria: MemberFilter, position: Position) -> list[MemberRow]:
        values: list[Any] = []
        source, condition = self._selected(criteria, values)
        end = page_clause(condition, ("m.uid",), position, criteria.limit, values)
        return [MemberRow(*row) for row in await self._db.long_rows(f"SELECT {_MEMBER} FROM {source} {end}", values)]

    def _selected(self, criteria: MemberFilter, values: list[Any]) -> tuple[str, str]:
        # The tables and the condition.
        source = "members m JOIN users u ON u.uid = m.uid" if criteria.search else "members m"
        return source, self._condition(criteria, values)

    def _condition(self, criteria: MemberFilter, values: list[Any]) -> str:
        # The condition on members, or bans, `m` and their users `u`.
        dialect = self._db.dialect
        values.append(criteria.guid)
        where = ["m.guid = ?"]
        if criteria.search:
            where.append(prefix_condition(dialect, ("u.name", "u.uid"), criteria.search, values))
        if criteria.scopes:
            where.append(dialect.any_of("m.scope", criteria.scopes, values))
        if criteria.online is not None:
            found = dialect.any_of("m.uid", criteria.online_uids, values)
            where.append(found if criteria.online else f"NOT ({found})")
        return " AND ".join(where)

    async def groups_of(self, uid: str) -> list[str]:
        return [row[0] for row in await self._db.rows(GROUPS_OF_USER_SQL, {"who": uid})]

    async def memberships_of(self, uid: str) -> dict[str, int]:
        return dict(map(tuple, await self._db.rows(_MEMBERSHIPS_SQL, (uid,))))

    async def members_among(self, guid: str, uids: list[str]) -> list[str]:
        values: list[Any] = [guid]
        sql = f"SELECT uid FROM members WHERE guid = ? AND {self._db.dialect.any_of('uid', uids, values)}"
        return [row[0] for row in await self._db.rows(sql, values)]

    async def ban_of(self, guid: str, uid: str) -> BanRow | None:
        row = await self._db.first_row(BAN_SQL, (guid, uid))
        return BanRow(*row) if row else None

    async def banned_in(self, guids: list[str], uid: str) -> set[str]:
        if not guids:
            return set()
        values: list[Any] = [uid]
        sql = f"SELECT guid FROM bans WHERE uid = ? AND {self._db.dialect.any_of('guid', guids, values)}"
        return {row[0] for row in await self._db.rows(sql, values)}

    async def bans(self, criteria: MemberFilter) -> tuple[list[BanRow], int]:
        values: list[Any] = []
        condition = self._condition(criteria, values)
        source = f"bans m JOIN users u ON u.uid = m.uid WHERE {condition}"
        sql = f"SELECT {_BAN} FROM {source} ORDER BY m.uid LIMIT ? OFFSET ?"
        page = [*values, criteria.limit, criteria.offset]
        rows, total = await self._db.page(f"SELECT count(*) FROM {source}", sql, values, page)
        return [BanRow(*row) for row in rows], total
