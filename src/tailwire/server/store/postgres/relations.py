"""Writes blocks and friendships between users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.change_log import ChangeKind, own_change
from tailwire.server.ports.changes import Change
from tailwire.server.ports.read_cache import ReadCache
from tailwire.server.ports.records import Event
from tailwire.server.store.postgres.access import DatabaseAccess, texts_of
from tailwire.server.store.postgres.change_log import ChangeLog, stored_number
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql.relations import BlockRows, FriendRows

MAX_CACHED_PAIRS = 100_000
_BLOCKERS_SQL = "SELECT uid FROM blocks WHERE (uid = :one AND blocked = :other) OR (uid = :other AND blocked = :one)"


class Blocks(BlockRows):
    """`BlockStore` on PostgreSQL. Who blocks whom is cached, because each message between two users needs it."""

    def __init__(self, access: DatabaseAccess, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(access.reads)
        self._access = access
        self._webhooks = webhooks
        self._log = log
        self._blockers: ReadCache[frozenset[str]] = ReadCache(access.feed, MAX_CACHED_PAIRS)
        access.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            self._blockers.clear()
            return
        for _, kind, key in changes:
            if kind in ("blocks", "user"):
                self._blockers.forget_group(key)

    async def blocker_between(self, one: str, other: str) -> str:
        async def read() -> frozenset[str]:
            return frozenset(row[0] for row in await self._db.rows(_BLOCKERS_SQL, {"one": one, "other": other}))

        both = (one, other) if one < other else (other, one)
        found = await self._blockers.get("/".join(both), read, lambda _: both)
        return one if one in found else other if other in found else ""

    async def add(
        self, uid: str, blocked: Sequence[str], now: int, events: Sequence[Event] = (), device: str = ""
    ) -> int:
        sql = (
            "INSERT INTO blocks (uid, blocked, at)"
            f" SELECT :uid, other, :now::bigint FROM {texts_of('others')} AS t (other) ON CONFLICT DO NOTHING"
        )
        return await self._change(sql, {"uid": uid, "others": list(blocked), "now": now}, events, device)

    async def remove(self, uid: str, blocked: Sequence[str], events: Sequence[Event] = (), device: str = "") -> int:
        sql = f"DELETE FROM blocks WHERE uid = :uid AND blocked IN {texts_of('others')}"
        return await self._change(sql, {"uid": uid, "others": list(blocked)}, events, device)

    async def _change(self, sql: str, values: dict[str, Any], events: Sequence[Event], device: str) -> int:
        unit = Unit()
        queued = await self._webhooks.wanted_events(events)
        self._webhooks.queue(unit, queued)  # first: a webhook reports what was asked for, also if nothing changes
        self._log.add_required(unit, sql, values, own_change(ChangeKind.BLOCKS, values["uid"], device))
        unit.invalidate("blocks", values["uid"])
        answer = await self._access.carry_out(unit)
        self._webhooks.report_queued(queued)
        return stored_number(answer)


class Friends(FriendRows):
    """`FriendStore` on PostgreSQL. A friendship is stored in both directions."""

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads)
        self._access = access

    async def add(self, uid: str, friend: str, now: int, limit: int) -> str:
        unit = Unit()
        unit.end_if("EXISTS (SELECT FROM friends WHERE uid = :uid AND friend = :friend)", uid=uid, friend=friend)
        for who in (uid, friend):
            unit.end_if("(SELECT count(*) FROM friends WHERE uid = :who) >= :most::bigint", who=who, most=limit)
        unit.run(
            "INSERT INTO friends (uid, friend, at) VALUES (:uid, :friend, :now::bigint), (:friend, :uid, :now::bigint)",
            uid=uid, friend=friend, now=now,
        )  # fmt: skip
        ended = (await self._access.carry_out(unit)).ended
        return "" if ended is None else "known" if ended == 0 else "full"

    async def remove(self, uid: str, friend: str) -> bool:
        unit = Unit()
        unit.run_required(
            "DELETE FROM friends WHERE (uid = :uid AND friend = :friend) OR (uid = :friend AND friend = :uid)",
            uid=uid, friend=friend,
        )  # fmt: skip
        return bool((await self._access.carry_out(unit)).results[0])
