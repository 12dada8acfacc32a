"""Groups: reads."""

from __future__ import annotations

import dataclasses
from typing import Any

from tailwire.server.ports.filters import GroupFilter
from tailwire.server.ports.records import GroupRow
from tailwire.server.store.sql.conditions import starts_with, tagged
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import GROUP

NAMES = tuple(f.name for f in dataclasses.fields(GroupRow))
COLUMNS = ", ".join(NAMES)
CHANGEABLE = frozenset(NAMES) - {"guid", "owner", "members_count", "created_at"}
_SORTS = {"name": "name", "guid": "guid", "createdAt": "created_at"}


class GroupRows:
    """`GroupStore`, without its writes."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, guid: str) -> GroupRow | None:
        row = await self._db.one(GROUP, {"key": guid})
        return GroupRow(*row) if row else None

    async def find(self, wanted: GroupFilter) -> tuple[list[GroupRow], int]:
        dialect = self._db.dialect
        updated = f"{dialect.greatest}(created_at, updated_at)"
        values: list[Any] = []
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
            where.append(f"{updated} {'<=' if wanted.descending else '>='} ?")
            values.append(wanted.updated)
        condition = " AND ".join(where)
        by = updated if wanted.updated else _SORTS.get(wanted.sort_by, "name")
        order = f"{by} {'DESC' if wanted.descending else 'ASC'}, guid"
        sql = f"SELECT {COLUMNS} FROM groups WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM groups WHERE {condition}", [*values, wanted.limit, wanted.offset]
        rows, total = await self._db.page(count, sql, values, page)
        return [GroupRow(*row) for row in rows], total
