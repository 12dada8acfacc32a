"""Writes members and bans of groups. A change and the message that announces it are one transaction."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.postgres.access import DatabaseAccess, stored_result
from tailwire.server.store.postgres.change_log import ChangeLog
from tailwire.server.store.postgres.read_state import record_all_without, recorded_without
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql.change_log import ENDED_BEFORE
from tailwire.server.store.sql.members import MemberRows

Announce = Callable[[GroupStanding], Draft]
"""Returns the message that announces a change of a membership. It is given the group and the two users as they were
before the change."""

ATTEMPTS_WITH_SAME_COUNT = 10
"""How often a change of a membership is decided again because the number of members has changed."""
_JOIN_SQL = """INSERT INTO members (guid, uid, scope, joined_at, joined_after_id)
VALUES (:guid, :uid, :scope, :now::bigint, :message_id::bigint - 1)"""
_COUNT_SQL = "UPDATE groups SET members_count = members_count + :more::int WHERE guid = :guid"
_LEAVE_SQL = "DELETE FROM members WHERE guid = :guid AND uid = :uid"
_UNFOLLOW_SQL = (
    "DELETE FROM subscriptions s WHERE s.uid = :uid AND EXISTS"
    " (SELECT FROM messages m WHERE m.id = s.message_id AND m.conversation_id = :conversation)"
)
_BAN_SQL = (
    "INSERT INTO bans (guid, uid, scope, banned_at, banned_by) VALUES (:guid, :uid, :scope, :at::bigint, :by)"
    " ON CONFLICT DO NOTHING"
)
_ENDED_SQL = f"SELECT {ENDED_BEFORE.format(uid=':uid', guid=':guid', before=':message_id::bigint')} AS ended"


class Members(MemberRows):
    """`MemberStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess, standings: Standings, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(access.reads)
        self._access = access
        self._standings = standings
        self._webhooks = webhooks
        self._log = log

    async def add(self, act: GroupAct, scope: str, now: int, announce: Announce) -> Stored:
        def change(unit: Unit, standing: GroupStanding) -> None:
            if standing.subject is not None:
                raise Refused("ERR_ALREADY_JOINED")
            if standing.subject_ban is not None:
                raise Refused("ERR_BANNED_GROUPMEMBER")
            unit.run_returning(_ENDED_SQL, guid=act.guid, uid=act.subject)
            unit.run(_JOIN_SQL, guid=act.guid, uid=act.subject, scope=scope, now=now)
            unit.run(_COUNT_SQL, guid=act.guid, more=1)

        stored, _, answer = await self._change_and_announce(act, change, announce, moves=True)
        return stored._replace(membership_end=answer.results[0][0]["ended"])

    async def remove(
        self, act: GroupAct, announce: Announce, *, banned_at: int | None = None, receipt_members: int = 0
    ) -> tuple[Stored, GroupStanding]:
        def has_receipts(standing: GroupStanding) -> bool:
            return standing.subject is not None and standing.group.members_count <= receipt_members

        def change(unit: Unit, standing: GroupStanding) -> None:
            if standing.subject is None and (banned_at is None or standing.subject_ban is not None):
                raise Refused("ERR_NOT_A_MEMBER" if banned_at is None else "ERR_ALREADY_BANNED")
            if standing.subject is not None and has_receipts(standing):
                record_all_without(unit, act.guid, standing.subject, self._access.world.seconds())
            if standing.subject is not None:
                unit.run(_LEAVE_SQL, guid=act.guid, uid=act.subject)
                unit.run(_COUNT_SQL, guid=act.guid, more=-1)
                unit.run(_UNFOLLOW_SQL, uid=act.subject, conversation=key_of("", act.guid, "group"))
            if banned_at is not None:
                scope = standing.subject.scope if standing.subject is not None else "participant"
                unit.run(_BAN_SQL, guid=act.guid, uid=act.subject, scope=scope, at=banned_at, by=act.actor)
            since = standing.subject.joined_after_id if standing.subject is not None else None
            self._log.add_membership_end(unit, act.guid, act.subject, since)

        stored, standing, answer = await self._change_and_announce(act, change, announce, moves=True)
        return stored._replace(by_all=recorded_without(answer) if has_receipts(standing) else ()), standing

    async def change_scope(self, act: GroupAct, scope: str, announce: Announce) -> Stored:
        def change(unit: Unit, standing: GroupStanding) -> None:
            if standing.subject is None:
                raise Refused("ERR_NOT_A_MEMBER")
            unit.run("UPDATE members SET scope = :scope WHERE guid = :guid AND uid = :uid",
                    scope=scope, guid=act.guid, uid=act.subject)  # fmt: skip

        return (await self._change_and_announce(act, change, announce))[0]

    async def unban(self, act: GroupAct, announce: Announce) -> Stored:
        def change(unit: Unit, standing: GroupStanding) -> None:
            if standing.subject_ban is None:
                raise Refused("ERR_NOT_A_BANNED_USER")
            unit.run("DELETE FROM bans WHERE guid = :guid AND uid = :uid", guid=act.guid, uid=act.subject)

        return (await self._change_and_announce(act, change, announce))[0]

    async def _change_and_announce(
        self,
        act: GroupAct,
        change: Callable[[Unit, GroupStanding], None],
        announce: Announce,
        *,
        moves: bool = False,  # whether the user joins or leaves, so that their sockets do so with the message
    ) -> tuple[Stored, GroupStanding, Answer]:
        attempts = itertools.count()

        async def attempt() -> tuple[Stored, GroupStanding, Answer]:
            unit = Unit()
            # The announcement says how many members there are then. While many join, that cannot be had exactly.
            same_count = next(attempts) < ATTEMPTS_WITH_SAME_COUNT
            standing = await self._standings.read_group(unit, act, same_count=same_count)
            change(unit, standing)
            draft = announce(standing)
            unit.invalidate("member", f"{act.guid}/{act.subject}", with_message=moves)
            events = await self._webhooks.wanted_events(draft.events)
            answer = await self._access.carry_out(unit, draft, events)
            self._webhooks.report_queued(events)
            return stored_result(draft, answer), standing, answer

        return await self._access.decide(("group", act.guid), attempt)
