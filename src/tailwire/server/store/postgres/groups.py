"""Writes groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.records import Event, GroupRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.postgres.access import DatabaseAccess, as_row, insert, update, use_files
from tailwire.server.store.postgres.change_log import ChangeLog, stored_number
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql.groups import CHANGEABLE, COLUMN_NAMES, GroupRows

_OWNER_SQL = """INSERT INTO members (guid, uid, scope, joined_at, joined_after_id)
SELECT :guid, :owner, 'admin', :at::bigint, coalesce(max(id), 0) - 1 FROM messages"""


class Groups(GroupRows):
    """`GroupStore` on PostgreSQL."""

    def __init__(
        self, access: DatabaseAccess, standings: Standings, chores: Chores, webhooks: Webhooks, log: ChangeLog
    ) -> None:
        super().__init__(access.reads)
        self._access = access
        self._standings = standings
        self._chores = chores
        self._webhooks = webhooks
        self._log = log

    async def add(self, group: GroupRow, *, owner_is_member: bool = True, events: Sequence[Event] = ()) -> bool:
        unit = Unit()
        unit.run_required(
            f"{insert('groups', COLUMN_NAMES)} ON CONFLICT DO NOTHING", row=as_row(dataclasses.asdict(group))
        )
        if group.owner and owner_is_member:
            unit.run(_OWNER_SQL, guid=group.guid, owner=group.owner, at=group.created_at)
            unit.invalidate("member", f"{group.guid}/{group.owner}")
        if names := named_files(group.icon, group.metadata):
            use_files(unit, "group", group.guid, names, self._access.world.seconds())
        queued = await self._webhooks.wanted_events(events)
        self._webhooks.queue(unit, queued)
        unit.invalidate("group", group.guid)
        if (await self._access.carry_out(unit)).ended is not None:
            return False
        self._webhooks.report_queued(queued)
        return True

    async def change(
        self,
        act: GroupAct,
        change: Callable[[GroupStanding], Mapping[str, object]],
        events: Callable[[GroupRow], Sequence[Event]],
    ) -> tuple[GroupRow, int]:
        async def attempt() -> tuple[GroupRow, int]:
            unit = Unit()
            standing = await self._standings.read_group(unit, act)
            columns: dict[str, Any] = dict(change(standing))
            if not columns.keys() <= CHANGEABLE:
                raise ValueError(f"these columns of a group cannot be changed: {columns.keys() - CHANGEABLE}")
            changed = dataclasses.replace(standing.group, **columns)
            if columns:
                unit.run(update("groups", columns, "guid = :guid"), row=as_row(columns), guid=act.guid)
            names = named_files(changed.icon, changed.metadata)
            use_files(unit, "group", act.guid, names, self._access.world.seconds())
            reported = await self._webhooks.wanted_events(events(changed))
            self._webhooks.queue(unit, reported)
            self._log.add_group_change(unit, act.guid, act.actor, act.device)
            unit.invalidate("group", act.guid)
            answer = await self._access.carry_out(unit)
            self._webhooks.report_queued(reported)
            self._chores.report_added()
            return changed, stored_number(answer)

        return await self._access.decide(("group", act.guid), attempt)

    async def transfer_ownership(
        self, act: GroupAct, now: int, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> int:
        async def attempt() -> int:
            unit = Unit()
            standing = await self._standings.read_group(unit, act)
            if standing.subject is None:
                raise Refused("ERR_NOT_A_MEMBER", {"owner": "Name a member of the group."})
            values = {"guid": act.guid, "owner": act.subject}
            unit.run(
                "UPDATE groups SET owner = :owner, updated_at = :now::bigint WHERE guid = :guid", now=now, **values
            )
            unit.run("UPDATE members SET scope = 'admin' WHERE guid = :guid AND uid = :owner", **values)
            reported = await self._webhooks.wanted_events(events(standing))
            self._webhooks.queue(unit, reported)
            self._log.add_group_change(unit, act.guid, act.actor, act.device)
            unit.invalidate("group", act.guid)
            answer = await self._access.carry_out(unit)
            self._webhooks.report_queued(reported)
            return stored_number(answer)

        return await self._access.decide(("group", act.guid), attempt)
