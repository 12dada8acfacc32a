"""Members and bans of groups. A change and the message that announces it are one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import MemberFilter
from tailwire.server.ports.records import BanRow, Draft, MemberRow, Scope, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.conditions import one_of, starts_with
from tailwire.server.store.database import Database
from tailwire.server.store.messages import Messages
from tailwire.server.store.standings import may_act
from tailwire.server.store.statements import GROUPS_OF, MEMBER

_UNFOLLOW = (
    "DELETE FROM subscriptions WHERE uid = :uid AND message_id IN (SELECT s.message_id FROM subscriptions s"
    " JOIN messages m ON m.id = s.message_id WHERE s.uid = :uid AND m.conversation_id = :conversation)"
)

Announce = Callable[[GroupStanding], Draft]
"""Makes the action message of a change from the standing before it."""


class Members:
    """`MemberStore` on SQLite."""

    def __init__(self, database: Database, messages: Messages) -> None:
        self._db = database
        self._messages = messages

    async def get(self, guid: str, uid: str) -> MemberRow | None:
        row = await self._db.one(MEMBER, {"of": guid, "who": uid})
        return MemberRow(*row) if row else None

    async def in_groups(self, guids: list[str], uid: str) -> dict[str, MemberRow]:
        if not guids:
            return {}
        values: list[Any] = [uid]
        rows = await self._db.rows(f"SELECT * FROM members WHERE uid = ? AND {one_of('guid', guids, values)}", values)
        return {row[0]: MemberRow(*row) for row in rows}

    async def find(self, wanted: MemberFilter) -> tuple[list[MemberRow], int]:
        values: list[Any] = [wanted.guid]
        where = ["m.guid = ?"]
        if wanted.search:
            where.append(starts_with(("u.name", "u.uid"), wanted.search, values))
        if wanted.scopes:
            where.append(one_of("m.scope", wanted.scopes, values))
        if wanted.online is not None:
            found = one_of("m.uid", wanted.status_of, values)
            where.append(found if wanted.online else f"NOT {found}")
        source = "members m JOIN users u ON u.uid = m.uid" if wanted.search else "members m"
        condition = " AND ".join(where)
        sql = f"SELECT m.* FROM {source} WHERE {condition} ORDER BY m.uid LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM {source} WHERE {condition}", [*values, wanted.limit, wanted.offset]
        rows, total = await self._db.page(count, sql, values, page)
        return [MemberRow(*row) for row in rows], total

    async def groups_of(self, uid: str) -> list[str]:
        return [row[0] for row in await self._db.rows(GROUPS_OF, {"who": uid})]

    async def among(self, guid: str, uids: list[str]) -> list[str]:
        values: list[Any] = [guid]
        sql = f"SELECT uid FROM members WHERE guid = ? AND {one_of('uid', uids, values)}"
        return [row[0] for row in await self._db.rows(sql, values)]

    async def add(self, act: GroupAct, scope: Scope, now: int, announce: Announce) -> Stored:
        def add(c: sqlite3.Connection) -> Stored:
            standing = may_act(c, act)
            if standing.on is not None:
                raise Refused("ERR_ALREADY_JOINED")
            if standing.on_ban is not None:
                raise Refused("ERR_BANNED_GROUPMEMBER")
            values = (act.guid, act.on, scope, now, self._db.last_id)
            c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?)", values)
            c.execute("UPDATE groups SET members_count = members_count + 1 WHERE guid = ?", (act.guid,))
            return self._messages.insert(c, announce(standing))

        return await self._db.write(add)

    async def remove(
        self, act: GroupAct, announce: Announce, *, banned_at: int | None = None
    ) -> tuple[Stored, GroupStanding]:
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
            return self._messages.insert(c, announce(standing)), standing

        return await self._db.write(remove)

    async def change_scope(self, act: GroupAct, scope: Scope, announce: Announce) -> Stored:
        def change(c: sqlite3.Connection) -> Stored:
            standing = may_act(c, act)
            if standing.on is None:
                raise Refused("ERR_NOT_A_MEMBER")
            c.execute("UPDATE members SET scope = ? WHERE guid = ? AND uid = ?", (scope, act.guid, act.on))
            return self._messages.insert(c, announce(standing))

        return await self._db.write(change)

    async def ban_of(self, guid: str, uid: str) -> BanRow | None:
        row = await self._db.one("SELECT * FROM bans WHERE guid = ? AND uid = ?", (guid, uid))
        return BanRow(*row) if row else None

    async def bans(self, wanted: MemberFilter) -> tuple[list[BanRow], int]:
        values: list[Any] = [wanted.guid]
        where = ["m.guid = ?"]
        if wanted.search:
            where.append(starts_with(("u.name", "u.uid"), wanted.search, values))
        if wanted.scopes:
            where.append(one_of("m.scope", wanted.scopes, values))
        source = f"bans m JOIN users u ON u.uid = m.uid WHERE {' AND '.join(where)}"
        sql, page = f"SELECT m.* FROM {source} ORDER BY m.uid LIMIT ? OFFSET ?", [*values, wanted.limit, wanted.offset]
        rows, total = await self._db.page(f"SELECT count(*) FROM {source}", sql, values, page)
        return [BanRow(*row) for row in rows], total

    async def unban(self, act: GroupAct, announce: Announce) -> Stored:
        def remove(c: sqlite3.Connection) -> Stored:
            standing = may_act(c, act)
            if standing.on_ban is None:
                raise Refused("ERR_NOT_A_BANNED_USER")
            c.execute("DELETE FROM bans WHERE guid = ? AND uid = ?", (act.guid, act.on))
            return self._messages.insert(c, announce(standing))

        return await self._db.write(remove)
