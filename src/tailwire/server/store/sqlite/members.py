"""Writes members and bans of groups. A change and the message that announces it are one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft, Scope, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.sql.change_log import ENDED_BEFORE
from tailwire.server.store.sql.members import MemberRows
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.messages import Messages
from tailwire.server.store.sqlite.read_state import record_all_without
from tailwire.server.store.sqlite.standings import check_group_act

_UNFOLLOW_SQL = (
    "DELETE FROM subscriptions WHERE uid = :uid AND message_id IN (SELECT s.message_id FROM subscriptions s"
    " JOIN messages m ON m.id = s.message_id WHERE s.uid = :uid AND m.conversation_id = :conversation)"
)

_ENDED_SQL = f"SELECT {ENDED_BEFORE.format(uid=':uid', guid=':guid', before=':id')}"

Announce = Callable[[GroupStanding], Draft]
"""Returns the message that announces a change of a membership. It is given the group and the two users as they were
before the change."""


class Members(MemberRows):
    """`MemberStore` on SQLite."""

    def __init__(self, database: Database, messages: Messages, log: ChangeLog) -> None:
        super().__init__(database)
        self._db: Database = database
        self._log = log
        self._messages = messages

    async def add(self, act: GroupAct, scope: Scope, now: int, announce: Announce) -> Stored:
        def add(c: sqlite3.Connection) -> Stored:
            standing = check_group_act(c, act)
            if standing.subject is not None:
                raise Refused("ERR_ALREADY_JOINED")
            if standing.subject_ban is not None:
                raise Refused("ERR_BANNED_GROUPMEMBER")
            values = (act.guid, act.subject, scope, now, self._db.last_id)
            c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?)", values)
            c.execute("UPDATE groups SET members_count = members_count + 1 WHERE guid = ?", (act.guid,))
            stored = self._messages.insert(c, announce(standing))
            ended = c.execute(_ENDED_SQL, {"uid": act.subject, "guid": act.guid, "id": stored.message.id}).fetchone()
            return stored._replace(membership_end=ended[0])

        return await self._db.write(add)

    async def remove(
        self, act: GroupAct, announce: Announce, *, banned_at: int | None = None, receipt_members: int = 0
    ) -> tuple[Stored, GroupStanding]:
        def remove(c: sqlite3.Connection) -> tuple[Stored, GroupStanding]:
            standing = check_group_act(c, act)
            if standing.subject is None and (banned_at is None or standing.subject_ban is not None):
                raise Refused("ERR_NOT_A_MEMBER" if banned_at is None else "ERR_ALREADY_BANNED")
            if standing.subject is not None:
                c.execute("DELETE FROM members WHERE guid = ? AND uid = ?", (act.guid, act.subject))
                c.execute("UPDATE groups SET members_count = members_count - 1 WHERE guid = ?", (act.guid,))
                c.execute(_UNFOLLOW_SQL, {"uid": act.subject, "conversation": key_of("", act.guid, "group")})
            if banned_at is not None:
                scope = standing.subject.scope if standing.subject is not None else "participant"
                ban = (act.guid, act.subject, scope, banned_at, act.actor)
                c.execute("INSERT INTO bans VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", ban)
            stored = self._messages.insert(c, announce(standing))
            until = stored.message.id
            since = standing.subject.joined_after_id if standing.subject is not None else until - 1
            self._log.add_membership_end(c, act.guid, act.subject, since, until)
            if standing.subject is not None and standing.group.members_count <= receipt_members:
                by_all = record_all_without(c, self._log, act.guid, standing.subject, stored.message.sent_at)
                stored = stored._replace(by_all=by_all)
            return stored, standing

        return await self._db.write(remove)

    async def change_scope(self, act: GroupAct, scope: Scope, announce: Announce) -> Stored:
        def change(c: sqlite3.Connection) -> Stored:
            standing = check_group_act(c, act)
            if standing.subject is None:
                raise Refused("ERR_NOT_A_MEMBER")
            c.execute("UPDATE members SET scope = ? WHERE guid = ? AND uid = ?", (scope, act.guid, act.subject))
            return self._messages.insert(c, announce(standing))

        return await self._db.write(change)

    async def unban(self, act: GroupAct, announce: Announce) -> Stored:
        def remove(c: sqlite3.Connection) -> Stored:
            standing = check_group_act(c, act)
            if standing.subject_ban is None:
                raise Refused("ERR_NOT_A_BANNED_USER")
            c.execute("DELETE FROM bans WHERE guid = ? AND uid = ?", (act.guid, act.subject))
            return self._messages.insert(c, announce(standing))

        return await self._db.write(remove)
