"""Writes groups."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.records import Event, GroupRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.sql.groups import CHANGEABLE, COLUMN_NAMES, COLUMNS, GroupRows
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.files import Files
from tailwire.server.store.sqlite.standings import check_group_act
from tailwire.server.store.sqlite.webhooks import Webhooks

_PLACEHOLDERS = ", ".join("?" for _ in COLUMN_NAMES)


class Groups(GroupRows):
    """`GroupStore` on SQLite."""

    def __init__(self, database: Database, files: Files, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(database)
        self._db: Database = database
        self._files = files
        self._webhooks = webhooks
        self._log = log

    async def add(self, group: GroupRow, *, owner_is_member: bool = True, events: Sequence[Event] = ()) -> bool:
        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO groups ({COLUMNS}) VALUES ({_PLACEHOLDERS}) ON CONFLICT DO NOTHING"
            if c.execute(sql, dataclasses.astuple(group)).rowcount != 1:
                return False
            if group.owner and owner_is_member:
                (last_id,) = c.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
                owner = (group.guid, group.owner, "admin", group.created_at, last_id - 1)
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
    ) -> tuple[GroupRow, int]:
        def write(c: sqlite3.Connection) -> tuple[GroupRow, int]:
            standing = check_group_act(c, act)
            columns = change(standing)
            if not columns.keys() <= CHANGEABLE:
                raise ValueError(f"these columns of a group cannot be changed: {columns.keys() - CHANGEABLE}")
            assignments = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE groups SET {assignments} WHERE guid = ?", [*columns.values(), act.guid])
            changed = dataclasses.replace(standing.group, **columns)  # type: ignore[arg-type]
            self._files.use(c, "group", act.guid, named_files(changed.icon, changed.metadata))
            self._webhooks.enqueue(c, events(changed), None)
            return changed, self._log.add_group_change(c, act.guid, act.actor, act.device)

        return await self._db.write(write)

    async def transfer_ownership(
        self, act: GroupAct, now: int, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> int:
        def change(c: sqlite3.Connection) -> int:
            standing = check_group_act(c, act)
            if standing.subject is None:
                raise Refused("ERR_NOT_A_MEMBER", {"owner": "Name a member of the group."})
            c.execute("UPDATE groups SET owner = ?, updated_at = ? WHERE guid = ?", (act.subject, now, act.guid))
            c.execute("UPDATE members SET scope = 'admin' WHERE guid = ? AND uid = ?", (act.guid, act.subject))
            self._webhooks.enqueue(c, events(standing), None)
            return self._log.add_group_change(c, act.guid, act.actor, act.device)

        return await self._db.write(change)
