"""Groups and who is in them. A change of membership and the message that tells of it are one transaction."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.filters import GroupFilter, MemberFilter
from tailwire.server.ports.records import BanRow, Draft, Event, GroupRow, MemberRow, Stored
from tailwire.server.store.messages import Messages
from tailwire.server.store.statements import GROUP, GROUPS_OF, MEMBER
from tailwire.server.store.users import begins, one_of, tagged

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(GroupRow))
_MARKS = ", ".join("?" for _ in dataclasses.fields(GroupRow))
_SORTS = {"name": "name", "guid": "guid", "createdAt": "created_at"}


class Groups(Messages):
    """Groups, members, bans."""

    async def group(self, guid: str) -> GroupRow | None:
        """A group, or None."""
        row = self._one(GROUP, {"key": guid})
        return GroupRow(*row) if row else None

    async def groups(self, wanted: GroupFilter) -> tuple[list[GroupRow], int]:
        """Groups as a filter wants them and the reader may see: public ones, those with a password, and her own."""
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
            where.append(begins(wanted.search_in, wanted.search, values))
        if wanted.types:
            where.append(one_of("type", wanted.types, values))
        if wanted.tags:
            where.append(tagged("tags", wanted.tags, values))
        if wanted.updated_after:
            where.append("updated_at >= ?")
            values.append(wanted.updated_after)
        condition = " AND ".join(where)
        (total,) = self._one(f"SELECT count(*) FROM groups WHERE {condition}", values)
        order = f"{_SORTS.get(wanted.sort_by, 'name')} {'DESC' if wanted.descending else 'ASC'}, guid"
        sql = f"SELECT {_COLUMNS} FROM groups WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        return [GroupRow(*row) for row in self._all(sql, [*values, wanted.limit, wanted.offset])], total

    async def add_group(self, group: GroupRow, *, owner_is_member: bool = True, events: Sequence[Event] = ()) -> bool:
        """Keep a new group, with its owner as its first member. False when the guid is taken."""

        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO groups ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"
            if c.execute(sql, dataclasses.astuple(group)).rowcount != 1:
                return False
            if group.owner and owner_is_member:
                owner = (group.guid, group.owner, "admin", group.created_at, self._last_id)
                c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?)", owner)
            if names := named_files(group.icon, group.metadata):
                self._use_files(c, "group", group.guid, names)
            self._enqueue_all(c, events, None)
            return True

        return await self._writer.submit(add)

    async def change_group(self, group: GroupRow, events: tuple[Event, ...] = ()) -> None:
        """Keep what has changed of a group."""

        def change(c: sqlite3.Connection) -> None:
            fixed = ("guid", "members_count", "created_at")
            columns = [f.name for f in dataclasses.fields(GroupRow) if f.name not in fixed]
            marks = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE groups SET {marks} WHERE guid = ?", [*(getattr(group, n) for n in columns), group.guid])
            self._use_files(c, "group", group.guid, named_files(group.icon, group.metadata))
            self._enqueue_all(c, events, None)

        await self._freeing(change)

    # Members.

    async def member(self, guid: str, uid: str) -> MemberRow | None:
        """A membership, or None."""
        row = self._one(MEMBER, {"of": guid, "who": uid})
        return MemberRow(*row) if row else None

    async def memberships(self, guids: list[str], uid: str) -> dict[str, MemberRow]:
        """A user's memberships in some groups, by guid."""
        if not guids:
            return {}
        values: list[Any] = [uid]
        rows = self._all(f"SELECT * FROM members WHERE uid = ? AND {one_of('guid', guids, values)}", values)
        return {row[0]: MemberRow(*row) for row in rows}

    async def members(self, wanted: MemberFilter) -> tuple[list[MemberRow], int]:
        """Members of a group as a filter wants them, by uid, and how many there are."""
        values: list[Any] = [wanted.guid]
        where = ["m.guid = ?"]
        if wanted.search:
            where.append(begins(("u.name", "u.uid"), wanted.search, values))
        if wanted.scopes:
            where.append(one_of("m.scope", wanted.scopes, values))
        if wanted.online is not None:
            found = one_of("m.uid", wanted.status_of, values)
            where.append(found if wanted.online else f"NOT {found}")
        source = "members m JOIN users u ON u.uid = m.uid" if wanted.search else "members m"
        condition = " AND ".join(where)
        (total,) = self._one(f"SELECT count(*) FROM {source} WHERE {condition}", values)
        sql = f"SELECT m.* FROM {source} WHERE {condition} ORDER BY m.uid LIMIT ? OFFSET ?"
        return [MemberRow(*row) for row in self._all(sql, [*values, wanted.limit, wanted.offset])], total

    async def groups_of(self, uid: str) -> list[str]:
        """The groups that a user is a member of."""
        return [row[0] for row in self._all(GROUPS_OF, {"who": uid})]

    async def members_among(self, guid: str, uids: list[str]) -> list[str]:
        """Who of some users is a member of a group."""
        return [uid for uid in uids if self._one(MEMBER, {"of": guid, "who": uid}) is not None]

    async def add_member(self, member: MemberRow, action: Draft) -> Stored | None:
        """Add a member and store the action message that says so. None when she is one already."""

        def add(c: sqlite3.Connection) -> Stored | None:
            values = (member.guid, member.uid, member.scope, member.joined_at, self._last_id)
            if c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values).rowcount != 1:
                return None
            c.execute("UPDATE groups SET members_count = members_count + 1 WHERE guid = ?", (member.guid,))
            return self._insert(c, action)

        return await self._writer.submit(add)

    async def remove_member(self, guid: str, uid: str, action: Draft, ban: BanRow | None = None) -> Stored | None:
        """Remove a member, perhaps for good, and store the action message that says so. None when she is none."""

        def remove(c: sqlite3.Connection) -> Stored | None:
            gone = c.execute("DELETE FROM members WHERE guid = ? AND uid = ?", (guid, uid)).rowcount == 1
            if not gone and ban is None:
                return None
            if gone:
                c.execute("UPDATE groups SET members_count = members_count - 1 WHERE guid = ?", (guid,))
            if ban is not None:
                sql = "INSERT INTO bans VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
                if c.execute(sql, dataclasses.astuple(ban)).rowcount != 1:
                    return None
            return self._insert(c, action)

        return await self._writer.submit(remove)

    async def change_scope(self, guid: str, uid: str, scope: str, action: Draft) -> Stored | None:
        """Change what a member may do, and store the action message that says so. None when she is none."""

        def change(c: sqlite3.Connection) -> Stored | None:
            sql = "UPDATE members SET scope = ? WHERE guid = ? AND uid = ?"
            return self._insert(c, action) if c.execute(sql, (scope, guid, uid)).rowcount == 1 else None

        return await self._writer.submit(change)

    async def transfer_ownership(self, guid: str, uid: str, now: int, events: tuple[Event, ...] = ()) -> None:
        """Give a group to a member, who becomes its admin."""

        def change(c: sqlite3.Connection) -> None:
            c.execute("UPDATE groups SET owner = ?, updated_at = ? WHERE guid = ?", (uid, now, guid))
            c.execute("UPDATE members SET scope = 'admin' WHERE guid = ? AND uid = ?", (guid, uid))
            self._enqueue_all(c, events, None)

        await self._writer.submit(change)

    # Bans.

    async def ban_of(self, guid: str, uid: str) -> BanRow | None:
        """A ban, or None."""
        row = self._one("SELECT * FROM bans WHERE guid = ? AND uid = ?", (guid, uid))
        return BanRow(*row) if row else None

    async def bans(self, wanted: MemberFilter) -> tuple[list[BanRow], int]:
        """Bans of a group, by uid, and how many there are."""
        values: list[Any] = [wanted.guid]
        where = ["m.guid = ?"]
        if wanted.search:
            where.append(begins(("u.name", "u.uid"), wanted.search, values))
        if wanted.scopes:
            where.append(one_of("m.scope", wanted.scopes, values))
        source = f"bans m JOIN users u ON u.uid = m.uid WHERE {' AND '.join(where)}"
        (total,) = self._one(f"SELECT count(*) FROM {source}", values)
        rows = self._all(
            f"SELECT m.* FROM {source} ORDER BY m.uid LIMIT ? OFFSET ?", [*values, wanted.limit, wanted.offset]
        )
        return [BanRow(*row) for row in rows], total

    async def unban(self, guid: str, uid: str, action: Draft) -> Stored | None:
        """Lift a ban, and store the action message that says so. None when there is none."""

        def remove(c: sqlite3.Connection) -> Stored | None:
            sql = "DELETE FROM bans WHERE guid = ? AND uid = ?"
            return self._insert(c, action) if c.execute(sql, (guid, uid)).rowcount == 1 else None

        return await self._writer.submit(remove)
