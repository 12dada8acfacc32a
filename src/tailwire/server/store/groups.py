"""Groups."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.filters import GroupFilter
from tailwire.server.ports.records import Event, GroupRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.conditions import one_of, starts_with, tagged
from tailwire.server.store.database import Database
from tailwire.server.store.files import Files
from tailwire.server.store.standings import may_act
from tailwire.server.store.statements import GROUP
from tailwire.server.store.webhooks import Webhooks

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(GroupRow))
_PLACEHOLDERS = ", ".join("?" for _ in dataclasses.fields(GroupRow))
_CHANGEABLE = {f.name for f in dataclasses.fields(GroupRow)} - {"guid", "owner", "members_count", "created_at"}
_UPDATED = "max(created_at, updated_at)"
_SORTS = {"name": "name", "guid": "guid", "createdAt": "created_at"}


class Groups:
    """`GroupStore` on SQLite."""

    def __init__(self, database: Database, files: Files, webhooks: Webhooks) -> None:
        self._db = database
        self._files = files
        self._webhooks = webhooks

    async def get(self, guid: str) -> GroupRow | None:
        row = await self._db.one(GROUP, {"key": guid})
        return GroupRow(*row) if row else None

    async def find(self, wanted: GroupFilter) -> tuple[list[GroupRow], int]:
        values: list[Any] = []
        where = ["1"]
        mine = "guid IN (SELECT guid FROM members WHERE uid = ?)"
        if wanted.joined:
            where.append(mine)
            values.append(wanted.reader)
        elif wanted.reader:
            where.append(f"(type <> 'private' OR {mine})")
            values.append(wanted.reader)
        if wanted.search:
            where.append(starts_with(wanted.search_in, wanted.search, values))
        if wanted.types:
            where.append(one_of("type", wanted.types, values))
        if wanted.tags:
            where.append(tagged("tags", wanted.tags, values))
        if wanted.updated:
            where.append(f"{_UPDATED} {'<=' if wanted.descending else '>='} ?")
            values.append(wanted.updated)
        condition = " AND ".join(where)
        by = _UPDATED if wanted.updated else _SORTS.get(wanted.sort_by, "name")
        order = f"{by} {'DESC' if wanted.descending else 'ASC'}, guid"
        sql = f"SELECT {_COLUMNS} FROM groups WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM groups WHERE {condition}", [*values, wanted.limit, wanted.offset]
        rows, total = await self._db.page(count, sql, values, page)
        return [GroupRow(*row) for row in rows], total

    async def add(self, group: GroupRow, *, owner_is_member: bool = True, events: Sequence[Event] = ()) -> bool:
        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO groups ({_COLUMNS}) VALUES ({_PLACEHOLDERS}) ON CONFLICT DO NOTHING"
            if c.execute(sql, dataclasses.astuple(group)).rowcount != 1:
                return False
            if group.owner and owner_is_member:
                owner = (group.guid, group.owner, "admin", group.created_at, self._db.last_id)
                c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?)", owner)
            if names := named_files(group.icon, group.metadata):
                self._files.use(c, "group", group.guid, names)
            self._webhooks.enqueue(c, events, None)
            return True

        return await self._db.write(add)

    async def change(
        self,
        act: GroupAct,
        change: Callable[[GroupStanding], Mapping[str, object]],
        events: Callable[[GroupRow], Sequence[Event]],
    ) -> GroupRow:
        def write(c: sqlite3.Connection) -> GroupRow:
            standing = may_act(c, act)
            columns = change(standing)
            if not columns.keys() <= _CHANGEABLE:
                raise ValueError(f"these columns of a group cannot be changed: {columns.keys() - _CHANGEABLE}")
            assignments = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE groups SET {assignments} WHERE guid = ?", [*columns.values(), act.guid])
            changed = dataclasses.replace(standing.group, **columns)  # type: ignore[arg-type]
            self._files.use(c, "group", act.guid, named_files(changed.icon, changed.metadata))
            self._webhooks.enqueue(c, events(changed), None)
            return changed

        return await self._db.write(write)

    async def transfer_ownership(
        self, act: GroupAct, now: int, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> None:
        def change(c: sqlite3.Connection) -> None:
            standing = may_act(c, act)
            if standing.on is None:
                raise Refused("ERR_NOT_A_MEMBER", {"owner": "Name a member of the group."})
            c.execute("UPDATE groups SET owner = ?, updated_at = ? WHERE guid = ?", (act.on, now, act.guid))
            c.execute("UPDATE members SET scope = 'admin' WHERE guid = ? AND uid = ?", (act.guid, act.on))
            self._webhooks.enqueue(c, events(standing), None)

        await self._db.write(change)
