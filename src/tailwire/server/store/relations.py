"""Who has blocked whom, and who are friends."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Event
from tailwire.server.store.webhooks import Webhooks


class Relations(Webhooks):
    """Blocks and friendships. Who has blocked whom is known by heart: it is asked with every message."""

    _pairs: set[tuple[str, str]]

    @staticmethod
    def _read_pairs(c: sqlite3.Connection) -> set[tuple[str, str]]:
        return set(c.execute("SELECT uid, blocked FROM blocks").fetchall())

    def _forget_pairs(self, uid: str) -> None:
        self._pairs = {pair for pair in self._pairs if uid not in pair}

    async def blocked_between(self, one: str, other: str) -> str:
        """Who of two has blocked the other: `one`, if they have; "" when neither has."""
        if (one, other) in self._pairs:
            return one
        return other if (other, one) in self._pairs else ""

    async def block(self, uid: str, blocked: Sequence[str], now: int, events: Sequence[Event] = ()) -> None:
        """Keep that a user blocks others."""

        def add(c: sqlite3.Connection) -> None:
            c.executemany(
                "INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [(uid, b, now) for b in blocked]
            )
            self._enqueue_all(c, events, None)
            self._writer.after_commit(lambda: self._pairs.update((uid, b) for b in blocked))

        await self._writer.submit(add)

    async def unblock(self, uid: str, blocked: Sequence[str], events: Sequence[Event] = ()) -> None:
        """Forget that a user blocks others."""

        def remove(c: sqlite3.Connection) -> None:
            c.executemany("DELETE FROM blocks WHERE uid = ? AND blocked = ?", [(uid, b) for b in blocked])
            self._enqueue_all(c, events, None)
            self._writer.after_commit(lambda: self._pairs.difference_update((uid, b) for b in blocked))

        await self._writer.submit(remove)

    async def blocks(
        self, uid: str, direction: str, *, search: str = "", limit: int = 30, offset: int = 0
    ) -> tuple[list[tuple[str, int | None, int | None]], int]:
        """Whom a user has blocked, and who has blocked them: uid, since when each; and how many.

        Args:
            direction: `blockedByMe`, `hasBlockedMe` or `both`.
        """
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
        rows, total = await self._page(f"SELECT count(*) FROM ({found})", sql, values, values)
        return [(row[0], row[1], row[2]) for row in rows], total

    async def blocked_with(self, uid: str, others: Sequence[str]) -> dict[str, tuple[int | None, int | None]]:
        """Of some users those with whom there is a block: since when the caller's, since when the other's."""
        if not others:
            return {}
        marks = ", ".join("?" for _ in others)
        found: dict[str, tuple[int | None, int | None]] = {}
        mine = f"SELECT blocked, at FROM blocks WHERE uid = ? AND blocked IN ({marks})"
        for blocked, at in await self._rows(mine, [uid, *others]):
            found[blocked] = (at, None)
        theirs = f"SELECT uid, at FROM blocks WHERE blocked = ? AND uid IN ({marks})"
        for by, at in await self._rows(theirs, [uid, *others]):
            found[by] = (found.get(by, (None, None))[0], at)
        return found

    async def everyone_blocked(self, uid: str) -> frozenset[str]:
        """Everybody whom a user has blocked, and everybody who has blocked them."""
        rows = await self._rows(
            "SELECT blocked FROM blocks WHERE uid = :uid UNION SELECT uid FROM blocks WHERE blocked = :uid",
            {"uid": uid},
        )
        return frozenset(row[0] for row in rows)

    # Friends.

    async def befriend(self, uid: str, friend: str, now: int, most: int) -> str:
        """Make two users friends: "" when done, `known` when they were, `full` when one has too many."""

        def add(c: sqlite3.Connection) -> str:
            if c.execute("SELECT 1 FROM friends WHERE uid = ? AND friend = ?", (uid, friend)).fetchone():
                return "known"
            for who in (uid, friend):
                if c.execute("SELECT count(*) FROM friends WHERE uid = ?", (who,)).fetchone()[0] >= most:
                    return "full"
            c.executemany("INSERT INTO friends VALUES (?, ?, ?)", [(uid, friend, now), (friend, uid, now)])
            return ""

        return await self._writer.submit(add)

    async def unfriend(self, uid: str, friend: str) -> bool:
        """End a friendship. False when there is none."""

        def remove(c: sqlite3.Connection) -> bool:
            pairs = [(uid, friend), (friend, uid)]
            return c.executemany("DELETE FROM friends WHERE uid = ? AND friend = ?", pairs).rowcount > 0

        return await self._writer.submit(remove)

    async def friends_of(self, uid: str) -> frozenset[str]:
        """The friends of a user."""
        return frozenset(row[0] for row in await self._rows("SELECT friend FROM friends WHERE uid = ?", (uid,)))

    async def are_friends(self, uid: str, friend: str) -> bool:
        """Whether two users are friends."""
        return self._one("SELECT 1 FROM friends WHERE uid = ? AND friend = ?", (uid, friend)) is not None

    async def start_conversation(self, one: str, other: str, now: int) -> None:
        """Make an empty conversation of two users, if there is none."""
        conversation = key_of(one, other, "user")

        def add(c: sqlite3.Connection) -> None:
            sql = (
                "INSERT INTO conversations (conversation_id, last_message_id, shown_message_id, created_at, updated_at)"
                " VALUES (?, 0, 0, ?, ?) ON CONFLICT DO NOTHING"
            )
            c.execute(sql, (conversation, now, now))
            pairs = [(one, conversation), (other, conversation)]
            c.executemany("INSERT INTO participants VALUES (?, ?) ON CONFLICT DO NOTHING", pairs)

        await self._writer.submit(add)
