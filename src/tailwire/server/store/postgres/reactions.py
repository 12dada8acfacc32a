"""Writes reactions to messages."""

from __future__ import annotations

from dataclasses import replace

from tailwire.server.ports import change_log
from tailwire.server.ports.records import ReactionRow, Trait
from tailwire.server.ports.standing import MessageAct
from tailwire.server.store.postgres.access import DatabaseAccess, DrawnId
from tailwire.server.store.postgres.change_log import ChangeLog, stored_number
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql.reactions import Events, ReactionRows

_TOO_MANY_REACTIONS = """(SELECT count(DISTINCT reaction) FROM reactions
WHERE message_id = :id::bigint AND reaction <> :reaction)
>= :most::bigint"""
_SEQUENCE = "reactions_id_seq"
_ADD_SQL = """INSERT INTO reactions (message_id, reaction, uid, reacted_at)
VALUES (:id::bigint, :reaction, :uid, :now::bigint) ON CONFLICT DO NOTHING"""
_ADDED_ID_SQL = f"SELECT currval('{_SEQUENCE}') AS added"
_LEFT_SQL = """UPDATE messages SET updated_at = :now::bigint, traits = CASE WHEN EXISTS (SELECT FROM reactions
WHERE message_id = :id::bigint) THEN traits ELSE traits & ~:trait::int END WHERE id = :id::bigint"""


class Reactions(ReactionRows):
    """`ReactionStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess, standings: Standings, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(access.reads)
        self._access = access
        self._standings = standings
        self._webhooks = webhooks
        self._log = log

    async def add(
        self, act: MessageAct, reaction: str, now: int, limit: int, events: Events | None = None
    ) -> ReactionRow | None:
        async def attempt() -> ReactionRow | None:
            unit = Unit()
            message = (await self._standings.read_message(unit, act)).message
            unit.end_if(_TOO_MANY_REACTIONS, id=act.message_id, reaction=reaction, most=limit)
            # Drawn in the unit, so that no reaction is committed after one with a higher id: notifications of reactions
            # go on after the highest id that was examined.
            drawn = DrawnId(10**15 + int(self._access.world.secret(6), 16), _SEQUENCE)
            row = ReactionRow(drawn.placeholder, act.message_id, reaction, act.actor, now)
            unit.run_required(_ADD_SQL, id=act.message_id, reaction=reaction, uid=act.actor, now=now)
            unit.run_returning(_ADDED_ID_SQL)
            unit.run(
                "UPDATE messages SET traits = traits | :trait::int, updated_at = :now::bigint WHERE id = :id::bigint",
                trait=int(Trait.REACTION), now=now, id=act.message_id,
            )  # fmt: skip
            change = change_log.reaction(message.conversation_id, row, act.device, added=True)
            self._log.add(unit, change, now, drawn)
            answer = await self._carry_out(unit, row, events, drawn)
            if answer is None:
                return None
            return replace(row, id=answer.results[1][0]["added"], number=stored_number(answer))

        return await self._access.decide(("message", act.message_id), attempt)

    async def remove(
        self, act: MessageAct, reaction: str, now: int, events: Events | None = None
    ) -> ReactionRow | None:
        async def attempt() -> ReactionRow | None:
            unit = Unit()
            message = (await self._standings.read_message(unit, act)).message
            known = await self._db.first_row(
                "SELECT id, reacted_at FROM reactions WHERE message_id = :id AND reaction = :reaction AND uid = :uid",
                {"id": act.message_id, "reaction": reaction, "uid": act.actor},
            )
            if known is None:
                return None
            row = ReactionRow(known[0], act.message_id, reaction, act.actor, known[1])
            unit.run_required("DELETE FROM reactions WHERE id = :number::bigint", number=row.id)
            unit.run(_LEFT_SQL, now=now, id=act.message_id, trait=int(Trait.REACTION))
            change = change_log.reaction(message.conversation_id, row, act.device, added=False)
            self._log.add(unit, change, now)
            answer = await self._carry_out(unit, row, events)
            return replace(row, number=stored_number(answer)) if answer is not None else None

        return await self._access.decide(("message", act.message_id), attempt)

    async def _carry_out(
        self, unit: Unit, row: ReactionRow, events: Events | None, drawn: DrawnId | None = None
    ) -> Answer | None:
        reported = await self._webhooks.wanted_events(events(row) if events else ())
        self._webhooks.queue(unit, reported, drawn)
        answer = await self._access.carry_out(unit)
        if answer.ended is not None:
            return None
        self._webhooks.report_queued(reported)
        return answer
