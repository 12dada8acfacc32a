"""What users attach to messages besides reactions: pins, saves, followed threads, reports and interactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tailwire.server.ports import change_log
from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.changes import Change
from tailwire.server.ports.read_cache import ReadCache
from tailwire.server.ports.records import Trait
from tailwire.server.ports.standing import MessageAct, MessageStanding
from tailwire.server.store.postgres.access import DatabaseAccess, texts_of
from tailwire.server.store.postgres.change_log import ChangeLog, stored_number
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.annotations import OTHER_SAVES_SQL, AnnotationRows

MAX_CACHED_SAVERS = 50_000
_TOO_MANY_PINS = """(SELECT count(*) FROM messages WHERE conversation_id = :conversation AND pinned_at IS NOT NULL
AND id <> :id::bigint) >= :most::bigint"""
_PIN_SQL = """UPDATE messages SET pinned_at = :at::bigint, pinned_by = :by, updated_at = :now::bigint
WHERE id = :id::bigint"""
_TOO_MANY_SAVES = f"({OTHER_SAVES_SQL}) >= :most::bigint"
_SAVE_SQL = """INSERT INTO saves (uid, message_id, saved_at) VALUES (:uid, :id::bigint, :now::bigint)
ON CONFLICT (uid, message_id) DO UPDATE SET saved_at = excluded.saved_at"""
_FLAG_SQL = """INSERT INTO flags (message_id, uid, reason_id, remark, at)
VALUES (:id::bigint, :uid, :reason, :remark, :now::bigint) ON CONFLICT (message_id, uid)
DO UPDATE SET reason_id = excluded.reason_id, remark = excluded.remark, at = excluded.at"""
_INTERACT_SQL = f"""INSERT INTO interactions (message_id, uid, element_id, at)
SELECT :id::bigint, :uid, element, :now::bigint FROM {texts_of("elements")} AS t (element) ON CONFLICT DO NOTHING"""


class Annotations(AnnotationRows):
    """`AnnotationStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess, standings: Standings, log: ChangeLog) -> None:
        super().__init__(access.reads, log)
        self._access = access
        self._standings = standings
        self._log: ChangeLog = log
        # A page of history looks for the reader's saves only if they have saved anything.
        self._savers: ReadCache[bool] = ReadCache(access.feed, MAX_CACHED_SAVERS)
        access.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            self._savers.clear()
            return
        for _, kind, key in changes:
            if kind == "saver":
                self._savers.forget(key)

    async def saved_at(self, first: int, last: int, uid: str) -> dict[int, int]:
        async def read() -> bool:
            return await self._db.first_row("SELECT 1 FROM saves WHERE uid = ? LIMIT 1", (uid,)) is not None

        return await super().saved_at(first, last, uid) if await self._savers.get(uid, read) else {}

    async def pin(self, act: MessageAct, now: int, limit: int, *, pinned: bool) -> int:
        def change(unit: Unit, standing: MessageStanding) -> None:
            message = standing.message
            if pinned:
                unit.end_if(_TOO_MANY_PINS, conversation=message.conversation_id, id=message.id, most=limit)
            at, by = (now, act.actor) if pinned else (None, None)
            unit.run(_PIN_SQL, at=at, by=by, now=now, id=message.id)
            pin = change_log.pin(message.conversation_id, message.id, act.actor, act.device, pinned=pinned)
            self._log.add(unit, pin, now)

        return await self._change(act, change)

    async def save(self, act: MessageAct, now: int, limit: int) -> int:
        def change(unit: Unit, standing: MessageStanding) -> None:
            unit.end_if(_TOO_MANY_SAVES, uid=act.actor, id=act.message_id, most=limit)
            unit.run(_SAVE_SQL, uid=act.actor, id=act.message_id, now=now)
            unit.invalidate("saver", act.actor)
            saved = change_log.own_change(ChangeKind.SAVED, act.actor, act.device, message_id=act.message_id)
            self._log.add(unit, saved, now)

        return await self._change(act, change)

    async def subscribe(self, act: MessageAct, *, following: bool) -> None:
        sql = "INSERT INTO subscriptions (uid, message_id) VALUES (:uid, :id::bigint) ON CONFLICT DO NOTHING"
        if not following:
            sql = "DELETE FROM subscriptions WHERE uid = :uid AND message_id = :id::bigint"
        await self._change(act, lambda unit, standing: unit.run(sql, uid=act.actor, id=act.message_id))

    async def add_report(self, act: MessageAct, reason_id: str, remark: str | None, now: int) -> None:
        def change(unit: Unit, standing: MessageStanding) -> None:
            unit.run(_FLAG_SQL, id=act.message_id, uid=act.actor, reason=reason_id, remark=remark, now=now)

        await self._change(act, change)

    async def add_interactions(self, act: MessageAct, elements: Sequence[str], now: int) -> None:
        def change(unit: Unit, standing: MessageStanding) -> None:
            unit.run(_INTERACT_SQL, id=act.message_id, uid=act.actor, elements=list(elements), now=now)
            unit.run(
                "UPDATE messages SET traits = traits | :trait::int WHERE id = :id::bigint",
                trait=int(Trait.INTERACTED), id=act.message_id,
            )  # fmt: skip

        await self._change(act, change)

    async def _change(self, act: MessageAct, change: Callable[[Unit, MessageStanding], None]) -> int:
        # Returns the number of the change in the log; 0 if the unit ended early, or logged none.
        async def attempt() -> int:
            unit = Unit()
            change(unit, await self._standings.read_message(unit, act))
            return stored_number(await self._access.carry_out(unit))

        return await self._access.decide(("message", act.message_id), attempt)
