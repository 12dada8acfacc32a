"""Blocks and friendships between users."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tailwire.server.ports.records import Event
from tailwire.server.store.database import Database
from tailwire.server.store.webhooks import Webhooks


class Blocks:
    """`BlockStore` on SQLite. All pairs are cached, because every message between two users asks for theirs."""

    def __init__(self, database: Database, webhooks: Webhooks) -> None:
        self._db = database
        self._webhooks = webhooks
        self._pairs: set[tuple[str, str]] = set(database.reader.execute("SELECT uid, blocked FROM blocks").fetchall())

    def forget(self, uid: str) -> None:
        """Drop a removed user from the cache."""
        self._pairs = {pair for pair in self._pairs if uid not in pair}

    async def between(self, one: str, other: str) -> str:
        if (one, other) in self._pairs:
            return one
        return other if (other, one) in self._pairs else ""

    async def add(self, uid: str, blocked: Sequence[str], now: int, events: Sequence[Event] = ()) -> None:
        def add(c: sqlite3.Connection) -> None:
            c.executemany(
                "INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [(uid, b, now) for b in blocked]
            )
            self._webhooks.enqueue(c, events, None)
            self._db.after_commit(lambda: self._pairs.update((uid, b) for b in blocked))

        await self._db.write(add)

    async def remove(self, uid: str, blocked: Sequence[str], events: Sequence[Event] = ()) -> None:
        def remove(c: sqlite3.Connection) -> None:
            c.executemany("DELETE FROM blocks WHERE uid = ? AND blocked = ?", [(uid, b) for b in blocked])
            self._webhooks.enqueue(c, events, None)
            self._db.after_commit(lambda: self._pairs.difference_update((uid, b) for b in blocked))

        await self._db.write(remove)

    async def find(
        self, uid: str, direction: str, *, search: str = "", limit: int = 30, offset: int = 0
    ) -> tuple[list[tuple[str, int | None, int | None]], int]:
        mine = "SELECT blocked AS other, at AS mine, NULL AS theirs FROM blocks WHERE uid = :uid"
        theirs = "SELECT uid AS other, NULL AS mine, at AS theirs FROM blocks WHERE blocked = :uid"
        union = {"blockedByMe": mine, "hasBlockedMe": theirs}.get(direction, f"{mine} UNION ALL {theirs}")
        found = (
            f"SELECT other, max(mine) AS mine, max(theirs) AS theirs FROM ({union}) JOIN users u ON u.uid = other"
            " WHERE :search = '' OR substr(lower(u.name), 1, length(:search)) = :search"
            " OR substr(u.uid, 1, length(:search)) = :search GROUP BY other"
        )
        values = {"uid": uid, "search": search.lower(), "limit": limit, "offset": offset}
        sql = f"{found} ORDER BY other LIMIT :limit OFFSET :offset"
        rows, total = await self._db.page(f"SELECT count(*) FROM ({found})", sql, values, values)
        return [(row[0], row[1], row[2]) for row in rows], total

    async def with_users(self, uid: str, others: Sequence[str]) -> dict[str, tuple[int | None, int | None]]:
        if not others:
            return {}
        placeholders = ", ".join("?" for _ in others)
        found: dict[str, tuple[int | None, int | None]] = {}
        mine = f"SELECT blocked, at FROM blocks WHERE uid = ? AND blocked IN ({placeholders})"
        for blocked, at in await self._db.rows(mine, [uid, *others]):
            found[blocked] = (at, None)
        theirs = f"SELECT uid, at FROM blocks WHERE blocked = ? AND uid IN ({placeholders})"
        for by, at in await self._db.rows(theirs, [uid, *others]):
            found[by] = (found.get(by, (None, None))[0], at)
        return found

    async def everyone(self, uid: str) -> frozenset[str]:
        rows = await self._db.rows(
            "SELECT blocked FROM blocks WHERE uid = :uid UNION SELECT uid FROM blocks WHERE blocked = :uid",
            {"uid": uid},
        )
        return frozenset(row[0] for row in rows)


class Friends:
    """`FriendStore` on SQLite. A friendship is stored in both directions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, uid: str, friend: str, now: int, limit: int) -> str:
        def add(c: sqlite3.Connection) -> str:
            if c.execute("SELECT 1 FROM friends WHERE uid = ? AND friend = ?", (uid, friend)).fetchone():
                return "known"
            for who in (uid, friend):
                if c.execute("SELECT count(*) FROM friends WHERE uid = ?", (who,)).fetchone()[0] >= limit:
                    return "full"
            c.executemany("INSERT INTO friends VALUES (?, ?, ?)", [(uid, friend, now), (friend, uid, now)])
            return ""

        return await self._db.write(add)

    async def remove(self, uid: str, friend: str) -> bool:
        def remove(c: sqlite3.Connection) -> bool:
            pairs = [(uid, friend), (friend, uid)]
            return c.executemany("DELETE FROM friends WHERE uid = ? AND friend = ?", pairs).rowcount > 0

        return await self._db.write(remove)

    async def of_user(self, uid: str) -> frozenset[str]:
        return frozenset(row[0] for row in await self._db.rows("SELECT friend FROM friends WHERE uid = ?", (uid,)))

    async def exists(self, uid: str, friend: str) -> bool:
        return await self._db.one("SELECT 1 FROM friends WHERE uid = ? AND friend = ?", (uid, friend)) is not None
