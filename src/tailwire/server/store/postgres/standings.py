"""Reads the facts on which a permission is decided (`ports.standing`), and makes the write depend on them.

With the facts, a fingerprint of them is read. The write compares it, and is not made if the facts have changed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding, MessageAct, MessageStanding
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.connection import Connection


def _columns(alias: str, row: Any) -> list[str]:
    names = row._fields if hasattr(row, "_fields") else [f.name for f in dataclasses.fields(row)]
    return [f"{alias}.{name}" for name in names]


def _versions(*aliases: str) -> str:
    # xmin changes with each change of a row, and is NULL for a row that is missing.
    return ", ".join(f"coalesce(CAST({alias}.xmin AS text), '-')" for alias in aliases)


_GROUP_FROM_CLAUSE = """FROM groups g
LEFT JOIN members b ON b.guid = g.guid AND b.uid = :by LEFT JOIN bans bb ON bb.guid = g.guid AND bb.uid = :by
LEFT JOIN members o ON o.guid = g.guid AND o.uid = :subject LEFT JOIN bans ob ON ob.guid = g.guid AND ob.uid = :subject
WHERE g.guid = :guid"""
# Not the version of the group's row: each change of a membership changes its number of members, and if many users join,
# each would have to be decided again and again.
_GROUP_STATE = f"md5(CAST(ROW({', '.join(c for c in _columns('g', GroupRow) if c != 'g.members_count')}) AS text))"
_ROOMS = (64, 16, 4, 1, 0)
"""By how many members a group may grow between a decision and its write: the first of these with which the act would be
allowed as well."""
_MEMBERSHIP_COUNT = "(SELECT count(*) FROM members n WHERE n.uid = :subject)"
_GROUP_SEEN = f"concat_ws(' ', {_GROUP_STATE}, {_versions('b', 'bb', 'o', 'ob')}, {_MEMBERSHIP_COUNT})"
_COUNT_CONDITION = """(SELECT g.members_count BETWEEN CAST(:least AS bigint) AND CAST(:most AS bigint)
FROM groups g WHERE g.guid = :guid)"""
_GROUP_PARTS = (("g", GroupRow), ("b", MemberRow), ("bb", BanRow), ("o", MemberRow), ("ob", BanRow))
_GROUP_COLUMNS = ", ".join(name for alias, row in _GROUP_PARTS for name in _columns(alias, row))
_GROUP_STANDING_SQL = f"SELECT {_GROUP_SEEN}, {_MEMBERSHIP_COUNT}, {_GROUP_COLUMNS} {_GROUP_FROM_CLAUSE}"

_MESSAGE_FROM_CLAUSE = """FROM messages m
LEFT JOIN members b ON m.receiver_type = 'group' AND b.guid = m.receiver AND b.uid = :by
LEFT JOIN groups g ON m.receiver_type = 'group' AND g.guid = m.receiver
WHERE m.id = CAST(:id AS bigint)"""
_BLOCKER = """CASE WHEN m.receiver_type = 'user' THEN coalesce((SELECT k.uid FROM blocks k
WHERE (k.uid = m.sender AND k.blocked = m.receiver) OR (k.uid = m.receiver AND k.blocked = m.sender)
ORDER BY CASE WHEN k.uid = :by THEN 0 ELSE 1 END LIMIT 1), '') ELSE '' END"""
# Not the whole row: replies and receipts change it all the time, and no decision depends on them.
_CONTENT_SEEN = "md5(m.body), m.traits, coalesce(m.edited_at, 0), coalesce(m.deleted_at, 0), coalesce(m.pinned_at, 0)"
_MESSAGE_SEEN = f"concat_ws(' ', {_CONTENT_SEEN}, {_versions('b')}, coalesce(g.owner, '-'), {_BLOCKER})"
_MESSAGE_COLUMNS = ", ".join([*_columns("m", MessageRow), *_columns("b", MemberRow)])
_MESSAGE_STANDING_SQL = f"SELECT {_MESSAGE_SEEN}, g.owner, {_BLOCKER}, {_MESSAGE_COLUMNS} {_MESSAGE_FROM_CLAUSE}"


class Standings:
    """`ports.store.Standings` on PostgreSQL."""

    def __init__(self, reads: Connection) -> None:
        self._reads = reads

    async def group(self, act: GroupAct) -> GroupStanding:
        return await self.read_group(Unit(), act)

    async def message(self, act: MessageAct) -> MessageStanding:
        return await self.read_message(Unit(), act)

    async def read_group(self, unit: Unit, act: GroupAct, *, same_count: bool = False) -> GroupStanding:
        """Check an act in a group, and return the standing on which it was allowed.

        Adds to the unit the condition that the standing is unchanged when the unit is carried out. The number of the
        group's members may have changed, but not to one with which the act would be refused.

        Args:
            same_count: requires that the number of members is unchanged too.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, there is no such group; or raised by `act.allowed`.
        """
        values: dict[str, Any] = {"guid": act.guid, "by": act.actor, "subject": act.subject}
        row = await self._reads.first_row(_GROUP_STANDING_SQL, values)
        if row is None:
            raise Refused("ERR_GUID_NOT_FOUND")
        found: list[Any] = []
        start = 2
        for _, kind in _GROUP_PARTS:
            end = start + len(dataclasses.fields(kind))
            found.append(kind(*row[start:end]) if row[start] is not None else None)
            start = end
        group, member, ban, other, other_ban = found
        standing = GroupStanding(group, member, ban, other, other_ban, row[1])
        act.allowed(standing)
        unit.require_unchanged(f"(SELECT {_GROUP_SEEN} {_GROUP_FROM_CLAUSE}) = :seen", seen=row[0], **values)
        count = group.members_count
        bounds = {"least": count, "most": count} if same_count else {"least": 0, "most": count + _room(act, standing)}
        unit.require_unchanged(_COUNT_CONDITION, guid=act.guid, **bounds)
        return standing

    async def read_message(self, unit: Unit, act: MessageAct) -> MessageStanding:
        """Check an act on a message, and return the standing on which it was allowed.

        Adds to the unit the condition that the standing is unchanged when the unit is carried out.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, there is no such message; or raised by `act.allowed`.
        """
        values: dict[str, Any] = {"id": act.message_id, "by": act.actor}
        row = await self._reads.first_row(_MESSAGE_STANDING_SQL, values)
        if row is None:
            raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": str(act.message_id)})
        end = 3 + len(MessageRow._fields)
        message = MessageRow(*row[3:end])
        if message.receiver_type == "user":
            standing = MessageStanding(message, blocked_by=row[2])
        else:
            standing = MessageStanding(message, MemberRow(*row[end:]) if row[end] is not None else None, row[1])
        act.allowed(standing)
        unit.require_unchanged(f"(SELECT {_MESSAGE_SEEN} {_MESSAGE_FROM_CLAUSE}) = :seen", seen=row[0], **values)
        return standing


def _room(act: GroupAct, standing: GroupStanding) -> int:
    for room in _ROOMS:
        group = dataclasses.replace(standing.group, members_count=standing.group.members_count + room)
        try:
            act.allowed(dataclasses.replace(standing, group=group))
        except Refused:
            continue
        return room
    return 0
