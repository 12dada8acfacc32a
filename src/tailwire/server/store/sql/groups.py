"""Reads groups."""

from __future__ import annotations

import dataclasses
from typing import Any

from tailwire.server.ports.filters import GroupFilter, Position
from tailwire.server.ports.records import BanRow, GroupRow, MemberRow
from tailwire.server.store.sql.conditions import reading_on, starts_with, tagged
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import GROUP_SQL

COLUMN_NAMES = tuple(f.name for f in dataclasses.fields(GroupRow))
COLUMNS = ", ".join(COLUMN_NAMES)
_PARTS = (("g", GroupRow), ("m", MemberRow), ("b", BanRow))
_MEMBER, _BAN = len(COLUMN_NAMES), len(COLUMN_NAMES) + len(dataclasses.fields(MemberRow))  # where their columns begin
_SEEN_BY_SQL = f"""SELECT {", ".join(f"{alias}.{f.name}" for alias, row in _PARTS for f in dataclasses.fields(row))}
FROM groups g LEFT JOIN members m ON m.guid = g.guid AND m.uid = :uid
LEFT JOIN bans b ON b.guid = g.guid AND b.uid = :uid WHERE g.guid = :guid"""
CHANGEABLE = frozenset(COLUMN_NAMES) - {"guid", "owner", "members_count", "created_at"}
_SORTS = {"name": "name", "guid": "guid", "createdAt": "created_at"}


class GroupRows:
    """`GroupStore`, without its writes."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, guid: str) -> GroupRow | None:
        row = await self._db.first_row(GROUP_SQL, {"key": guid})
        return GroupRow(*row) if row else None

    async def seen_by(self, guid: str, uid: str) -> tuple[GroupRow, MemberRow | None, BanRow | None] | None:
        row = await self._db.first_row(_SEEN_BY_SQL, {"guid": guid, "uid": uid})
        if row is None:
            return None
        values = tuple(row)
        group, member, ban = values[:_MEMBER], values[_MEMBER:_BAN], values[_BAN:]
        return GroupRow(*group), MemberRow(*member) if member[0] else None, BanRow(*ban) if ban[0] else None

    async def find(self, wanted: GroupFilter) -> tuple[list[GroupRow], int]:
        values: list[Any] = []
        condition = self._condition(wanted, values)
        by = self._updated if wanted.updated else _SORTS.get(wanted.sort_by, "name")
        order = f"{by} {'DESC' if wanted.descending else 'ASC'}, guid"
        sql = f"SELECT {COLUMNS} FROM groups WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM groups WHERE {condition}", [*values, wanted.limit, wanted.offset]
        rows, total = await self._db.page(count, sql, values, page)
        return [GroupRow(*row) for row in rows], total

    async def read_on(self, wanted: GroupFilter, position: Position) -> list[GroupRow]:
        values: list[Any] = []
        condition = self._condition(wanted, values)
        columns = list(dict.fromkeys((_SORTS[wanted.sort_by], "guid")))
        end = reading_on(condition, columns, position, wanted.limit, values, descending=wanted.descending)
        return [GroupRow(*row) for row in await self._db.long_rows(f"SELECT {COLUMNS} FROM groups {end}", values)]

    @property
    def _updated(self) -> str:
        return f"{self._db.dialect.greatest}(created_at, updated_at)"

    def _condition(self, wanted: GroupFilter, values: list[Any]) -> str:
        dialect = self._db.dialect
        where = ["TRUE"]
        mine = "guid IN (SELECT guid FROM members WHERE uid = ?)"
        if wanted.joined:
            where.append(mine)
            values.append(wanted.reader)
        elif wanted.reader:
            where.append(f"(type <> 'private' OR {mine})")
            values.append(wanted.reader)
        if wanted.search:
            where.append(starts_with(dialect, wanted.search_in, wanted.search, values))
        if wanted.types:
            where.append(dialect.any_of("type", wanted.types, values))
        if wanted.tags:
            where.append(tagged(dialect, "tags", wanted.tags, values))
        if wanted.updated:
            where.append(f"{self._updated} {'<=' if wanted.descending else '>='} ?")
            values.append(wanted.updated)
        return " AND ".join(where)
