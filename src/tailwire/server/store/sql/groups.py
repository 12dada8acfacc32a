"""Reads groups."""

from __future__ import annotations

import dataclasses
from typing import Any

from tailwire.server.ports.filters import GroupFilter, Position
from tailwire.server.ports.records import BanRow, GroupRow, MemberRow
from tailwire.server.store.sql.conditions import any_tag_condition, page_clause, prefix_condition
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

    async def get_for(self, guid: str, uid: str) -> tuple[GroupRow, MemberRow | None, BanRow | None] | None:
        row = await self._db.first_row(_SEEN_BY_SQL, {"guid": guid, "uid": uid})
        if row is None:
            return None
        values = tuple(row)
        group, member, ban = values[:_MEMBER], values[_MEMBER:_BAN], values[_BAN:]
        return GroupRow(*group), MemberRow(*member) if member[0] else None, BanRow(*ban) if ban[0] else None

    async def find(self, criteria: GroupFilter) -> tuple[list[GroupRow], int]:
        values: list[Any] = []
        condition = self._condition(criteria, values)
        by = self._updated if criteria.updated_from else _SORTS[criteria.sort_by]
        order = f"{by} {'DESC' if criteria.descending else 'ASC'}, guid"
        sql = f"SELECT {COLUMNS} FROM groups WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM groups WHERE {condition}", [*values, criteria.limit, criteria.offset]
        rows, total = await self._db.page(count, sql, values, page)
        return [GroupRow(*row) for row in rows], total

    async def list_after(self, criteria: GroupFilter, position: Position) -> list[GroupRow]:
        values: list[Any] = []
        condition = self._condition(criteria, values)
        columns = list(dict.fromkeys((_SORTS[criteria.sort_by], "guid")))
        end = page_clause(condition, columns, position, criteria.limit, values, descending=criteria.descending)
        return [GroupRow(*row) for row in await self._db.long_rows(f"SELECT {COLUMNS} FROM groups {end}", values)]

    @property
    def _updated(self) -> str:
        return f"{self._db.dialect.greatest}(created_at, updated_at)"

    def _condition(self, criteria: GroupFilter, values: list[Any]) -> str:
        dialect = self._db.dialect
        where = ["TRUE"]
        mine = "guid IN (SELECT guid FROM members WHERE uid = ?)"
        if criteria.joined:
            where.append(mine)
            values.append(criteria.reader)
        elif criteria.reader:
            where.append(f"(type <> 'private' OR {mine})")
            values.append(criteria.reader)
        if criteria.search:
            where.append(prefix_condition(dialect, criteria.search_in, criteria.search, values))
        if criteria.types:
            where.append(dialect.any_of("type", criteria.types, values))
        if criteria.tags:
            where.append(any_tag_condition(dialect, "tags", criteria.tags, values))
        if criteria.updated_from:
            where.append(f"{self._updated} {'<=' if criteria.descending else '>='} ?")
            values.append(criteria.updated_from)
        return " AND ".join(where)
