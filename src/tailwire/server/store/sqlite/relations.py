"""Writes blocks and friendships between users, and keeps a cache of the blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tailwire.server.ports.change_log import ChangeKind, own_change
from tailwire.server.ports.records import Event
from tailwire.server.ports.world import World
from tailwire.server.store.sql.relations import BlockRows, FriendRows
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.webhooks import Webhooks


class Blocks(BlockRows):
    """`BlockStore` on SQLite. All blocks are cached, because each message between two users needs them."""

    def __init__(self, database: Database, webhooks: Webhooks, log: ChangeLog, world: World) -> None:
        super().__init__(database)
        self._db: Database = database
        self._webhooks = webhooks
        self._log = log
        self._world = world
        self._pairs: set[tuple[str, str]] = set(database.reader.execute("SELECT uid, blocked FROM blocks").fetchall())

    def forget(self, uid: str) -> None:
        """Remove all blocks of and by a user from the cache, after the user was removed."""
        self._pairs = {pair for pair in self._pairs if uid not in pair}

    async def blocker_between(self, one: str, other: str) -> str:
        if (one, other) in self._pairs:
            return one
        return other if (other, one) in self._pairs else ""

    async def add(
        self, uid: str, blocked: Sequence[str], now: int, events: Sequence[Event] = (), device: str = ""
    ) -> int:
        def add(c: sqlite3.Connection) -> int:
            added = c.executemany(
                "INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [(uid, b, now) for b in blocked]
            )
            self._webhooks.enqueue(c, events, None)
            self._db.after_commit(lambda: self._pairs.update((uid, b) for b in blocked))
            return self._log_change(c, added, uid, device)

        return await self._db.write(add)

    async def remove(self, uid: str, blocked: Sequence[str], events: Sequence[Event] = (), device: str = "") -> int:
        def remove(c: sqlite3.Connection) -> int:
            removed = c.executemany("DELETE FROM blocks WHERE uid = ? AND blocked = ?", [(uid, b) for b in blocked])
            self._webhooks.enqueue(c, events, None)
            self._db.after_commit(lambda: self._pairs.difference_update((uid, b) for b in blocked))
            return self._log_change(c, removed, uid, device)

        return await self._db.write(remove)

    def _log_change(self, c: sqlite3.Connection, done: sqlite3.Cursor, uid: str, device: str) -> int:
        change = own_change(ChangeKind.BLOCKS, uid, device)
        return self._log.add(c, change, self._world.seconds()) if done.rowcount > 0 else 0


class Friends(FriendRows):
    """`FriendStore` on SQLite. A friendship is stored in both directions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._db: Database = database

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
