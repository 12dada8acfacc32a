"""Groups and who is in them. A change of membership and the message that tells of it are one transaction."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.filters import GroupFilter, MemberFilter
from tailwire.server.ports.records import BanRow, Draft, Event, GroupRow, MemberRow, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.messages import Messages
from tailwire.server.store.standing import may_act
from tailwire.server.store.statements import GROUP, GROUPS_OF, MEMBER
from tailwire.server.store.users import begins, one_of, tagged

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(GroupRow))
_MARKS = ", ".join("?" for _ in dataclasses.fields(GroupRow))
_CHANGEABLE = {f.name for f in dataclasses.fields(GroupRow)} - {"guid", "owner", "members_count", "created_at"}
_UNFOLLOW = (
    "DELETE FROM subscriptions WHERE uid = :uid AND message_id IN (SELECT s.message_id FROM subscriptions s"
    " JOIN messages m ON m.id = s.message_id WHERE s.uid = :uid AND m.conversation_id = :conversation)"
)
_UPDATED = "max(created_at, updated_at)"
_SORTS = {"name": "name", "guid": "guid", "createdAt": "created_at"}

Told = Callable[[GroupStanding], Draft]  # the action message of a change, from how things stood before it


class Groups(Messages):
    """Groups, members, bans."""

    async def group(self, guid: str) -> GroupRow | None:
        """A group, or None."""
        row = self._one(GROUP, {"key": guid})
        return GroupRow(*row) if row else None

    async def groups(self, wanted: GroupFilter) -> tuple[list[GroupRow], int]:
        """Groups as a filter wants them and the reader may see: public ones, those with a password, and their own."""
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
        if wanted.updated:
            where.append(f"{_UPDATED} {'<=' if wanted.descending else '>='} ?")
            values.append(wanted.updated)
        condition = " AND ".join(where)
        by = _UPDATED if wanted.updated else _SORTS.get(wanted.sort_by, "name")
        order = f"{by} {'DESC' if wanted.descending else 'ASC'}, guid"
        sql = f"SELECT {_COLUMNS} FROM groups WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM groups WHERE {condition}", [*values, wanted.limit, wanted.offset]
        rows, total = await self._page(count, sql, values, page)
        return [GroupRow(*row) for row in rows], total

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

    async def change_group(
        self,
        act: GroupAct,
        change: Callable[[GroupStanding], Mapping[str, object]],
        told: Callable[[GroupRow], Sequence[Event]],
    ) -> GroupRow:
        """Change columns of a group, and no others.

        Args:
            change: gives the columns and their new values, from how things stand; raises `Refused` where it cannot.
            told: what webhooks are told of the changed group.

        Returns:
            The group as it is now.

        Raises:
            Refused: when the act may not be done.
        """

        def write(c: sqlite3.Connection) -> GroupRow:
            standing = may_act(c, act)
            columns = change(standing)
            if not columns.keys() <= _CHANGEABLE:
                raise ValueError(f"columns of a group that are not changed like this: {columns.keys() - _CHANGEABLE}")
            marks = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE groups SET {marks} WHERE guid = ?", [*columns.values(), act.guid])
            changed = dataclasses.replace(standing.group, **columns)  # type: ignore[arg-type]
            self._use_files(c, "group", act.guid, named_files(changed.icon, changed.metadata))
            self._enqueue_all(c, told(changed), None)
            return changed

        return await self._writer.submit(write)

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
        rows = await self._rows(f"SELECT * FROM members WHERE uid = ? AND {one_of('guid', guids, values)}", values)
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
        sql = f"SELECT m.* FROM {source} WHERE {condition} ORDER BY m.uid LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM {source} WHERE {condition}", [*values, wanted.limit, wanted.offset]
        rows, total = await self._page(count, sql, values, page)
        return [MemberRow(*row) for row in rows], total

    async def groups_of(self, uid: str) -> list[str]:
        """The groups that a user is a member of."""
        return [row[0] for row in await self._rows(GROUPS_OF, {"who": uid})]

    async def members_among(self, guid: str, uids: list[str]) -> list[str]:
        """Who of some users is a member of a group."""
        values: list[Any] = [guid]
        sql = f"SELECT uid FROM members WHERE guid = ? AND {one_of('uid', uids, values)}"
        return [row[0] for row in await self._rows(sql, values)]

    async def add_member(self, act: GroupAct, scope: str, now: int, told: Told) -> Stored:
        """Add who is acted on, and store the action message that says so.

        Raises:
            Refused: when the act may not be done; ERR_ALREADY_JOINED; ERR_BANNED_GROUPMEMBER: whoever lets them in
                again lifts the ban first.
        """

        def add(c: sqlite3.Connection) -> Stored:
            standing = may_act(c, act)
            if standing.on is not None:
                raise Refused("ERR_ALREADY_JOINED")
            if standing.on_ban is not None:
                raise Refused("ERR_BANNED_GROUPMEMBER")
            values = (act.guid, act.on, scope, now, self._last_id)
            c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?)", values)
            c.execute("UPDATE groups SET members_count = members_count + 1 WHERE guid = ?", (act.guid,))
            return self._insert(c, told(standing))

        return await self._writer.submit(add)

    async def remove_member(
        self, act: GroupAct, told: Told, *, banned_at: int | None = None
    ) -> tuple[Stored, GroupStanding]:
        """Remove who is acted on, perhaps for good, and store the action message that says so.

        Args:
            banned_at: the time of the ban; None: they may come back.

        Returns:
            The action message, and how things stood before: whether they were a member.

        Raises:
            Refused: when the act may not be done; ERR_NOT_A_MEMBER; ERR_ALREADY_BANNED, of somebody who is no member.
        """

        def remove(c: sqlite3.Connection) -> tuple[Stored, GroupStanding]:
            standing = may_act(c, act)
            if standing.on is None and (banned_at is None or standing.on_ban is not None):
                raise Refused("ERR_NOT_A_MEMBER" if banned_at is None else "ERR_ALREADY_BANNED")
            if standing.on is not None:
                c.execute("DELETE FROM members WHERE guid = ? AND uid = ?", (act.guid, act.on))
                c.execute("UPDATE groups SET members_count = members_count - 1 WHERE guid = ?", (act.guid,))
                c.execute(_UNFOLLOW, {"uid": act.on, "conversation": key_of("", act.guid, "group")})
            if banned_at is not None:
                scope = standing.on.scope if standing.on is not None else "participant"
                ban = (act.guid, act.on, scope, banned_at, act.by)
                c.execute("INSERT INTO bans VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", ban)
            return self._insert(c, told(standing)), standing

        return await self._writer.submit(remove)

    async def change_scope(self, act: GroupAct, scope: str, told: Told) -> Stored:
        """Change what a member may do, and store the action message that says so.

        Raises:
            Refused: when the act may not be done; ERR_NOT_A_MEMBER.
        """

        def change(c: sqlite3.Connection) -> Stored:
            standing = may_act(c, act)
            if standing.on is None:
                raise Refused("ERR_NOT_A_MEMBER")
            c.execute("UPDATE members SET scope = ? WHERE guid = ? AND uid = ?", (scope, act.guid, act.on))
            return self._insert(c, told(standing))

        return await self._writer.submit(change)

    async def transfer_ownership(
        self, act: GroupAct, now: int, told: Callable[[GroupStanding], Sequence[Event]]
    ) -> None:
        """Give a group to a member, who becomes its admin.

        Raises:
            Refused: when the act may not be done; ERR_NOT_A_MEMBER.
        """

        def change(c: sqlite3.Connection) -> None:
            standing = may_act(c, act)
            if standing.on is None:
                raise Refused("ERR_NOT_A_MEMBER", {"owner": "Name a member of the group."})
            c.execute("UPDATE groups SET owner = ?, updated_at = ? WHERE guid = ?", (act.on, now, act.guid))
            c.execute("UPDATE members SET scope = 'admin' WHERE guid = ? AND uid = ?", (act.guid, act.on))
            self._enqueue_all(c, told(standing), None)

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
        sql, page = f"SELECT m.* FROM {source} ORDER BY m.uid LIMIT ? OFFSET ?", [*values, wanted.limit, wanted.offset]
        rows, total = await self._page(f"SELECT count(*) FROM {source}", sql, values, page)
        return [BanRow(*row) for row in rows], total

    async def unban(self, act: GroupAct, told: Told) -> Stored:
        """Lift a ban, and store the action message that says so.

        Raises:
            Refused: when the act may not be done; ERR_NOT_A_BANNED_USER.
        """

        def remove(c: sqlite3.Connection) -> Stored:
            standing = may_act(c, act)
            if standing.on_ban is None:
                raise Refused("ERR_NOT_A_BANNED_USER")
            c.execute("DELETE FROM bans WHERE guid = ? AND uid = ?", (act.guid, act.on))
            return self._insert(c, told(standing))

        return await self._writer.submit(remove)
