"""Groups and who is in them."""

from __future__ import annotations

import dataclasses
import sqlite3
from typing import Any

from tailwire.server.ports.records import Draft, GroupRow, MemberRow, Stored
from tailwire.server.store.messages import Messages
from tailwire.server.store.statements import GROUP, GROUPS_OF, MEMBER

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(GroupRow))
_MARKS = ", ".join("?" for _ in dataclasses.fields(GroupRow))


class Groups(Messages):
    """Groups; a change of membership and the message that tells of it are one transaction."""

    async def group(self, guid: str) -> GroupRow | None:
        """A group, or None."""
        row = self._one(GROUP, {"key": guid})
        return GroupRow(*row) if row else None

    async def groups(
        self, reader: str, *, joined: bool = False, search: str = "", limit: int = 30, offset: int = 0
    ) -> tuple[list[GroupRow], int]:
        """Groups that the reader may see: public ones, those with a password, and her own; and how many there are."""
        mine = "guid IN (SELECT guid FROM members WHERE uid = ?)"
        where, values = (mine, [reader]) if joined else (f"(type <> 'private' OR {mine})", [reader])
        rest: list[Any] = list(values)
        if search:
            where += " AND (substr(lower(name), 1, ?) = ? OR substr(guid, 1, ?) = ?)"
            rest += [len(search), search.lower(), len(search), search.lower()]
        total = self._one(f"SELECT count(*) FROM groups WHERE {where}", rest)[0]
        rows = self._all(
            f"SELECT {_COLUMNS} FROM groups WHERE {where} ORDER BY name, guid LIMIT ? OFFSET ?", [*rest, limit, offset]
        )
        return [GroupRow(*row) for row in rows], total

    async def add_group(self, group: GroupRow) -> bool:
        """Keep a new group, with its owner as its first member. False when the guid is taken."""

        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO groups ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"
            if c.execute(sql, dataclasses.astuple(group)).rowcount != 1:
                return False
            if group.owner:
                owner = (group.guid, group.owner, "admin", group.created_at, self._last_id)
                c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?)", owner)
            return True

        return await self._writer.submit(add)

    async def member(self, guid: str, uid: str) -> MemberRow | None:
        """A membership, or None."""
        row = self._one(MEMBER, {"of": guid, "who": uid})
        return MemberRow(*row) if row else None

    async def members(self, guid: str, *, limit: int = 30, offset: int = 0) -> tuple[list[MemberRow], int]:
        """The members of a group by uid, and how many there are."""
        total = self._one("SELECT count(*) FROM members WHERE guid = ?", (guid,))[0]
        rows = self._all("SELECT * FROM members WHERE guid = ? ORDER BY uid LIMIT ? OFFSET ?", (guid, limit, offset))
        return [MemberRow(*row) for row in rows], total

    async def groups_of(self, uid: str) -> list[str]:
        """The groups that a user is a member of."""
        return [row[0] for row in self._all(GROUPS_OF, {"who": uid})]

    async def add_member(self, member: MemberRow, action: Draft) -> Stored | None:
        """Add a member and store the action message that says so. None when she is one already."""

        def add(c: sqlite3.Connection) -> Stored | None:
            values = (member.guid, member.uid, member.scope, member.joined_at, self._last_id)
            if c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values).rowcount != 1:
                return None
            c.execute("UPDATE groups SET members_count = members_count + 1 WHERE guid = ?", (member.guid,))
            return self._insert(c, action)

        return await self._writer.submit(add)

    async def remove_member(self, guid: str, uid: str, action: Draft) -> Stored | None:
        """Remove a member and store the action message that says so. None when she is none."""

        def remove(c: sqlite3.Connection) -> Stored | None:
            if c.execute("DELETE FROM members WHERE guid = ? AND uid = ?", (guid, uid)).rowcount != 1:
                return None
            c.execute("UPDATE groups SET members_count = members_count - 1 WHERE guid = ?", (guid,))
            return self._insert(c, action)

        return await self._writer.submit(remove)
