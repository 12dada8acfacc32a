"""Reads blocks and friendships between users."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.folding import fold

BETWEEN_SQL = (
    "SELECT uid FROM blocks WHERE (uid = :one AND blocked = :other) OR (uid = :other AND blocked = :one)"
    " ORDER BY CASE WHEN uid = :by THEN 0 ELSE 1 END LIMIT 1"
)
"""Selects the uid of the one of two users, `:one` and `:other`, who has blocked the other; `:by` if both have."""


class BlockRows:
    """`BlockStore`, without its writes."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def blocker_between(self, one: str, other: str) -> str:
        row = await self._db.first_row(BETWEEN_SQL, {"one": one, "other": other, "by": one})
        return row[0] if row else ""

    async def find(
        self, uid: str, direction: str, *, search: str = "", limit: int = 30, offset: int = 0
    ) -> tuple[list[tuple[str, int | None, int | None]], int]:
        mine = "SELECT blocked AS other, at AS mine, CAST(NULL AS BIGINT) AS theirs FROM blocks WHERE uid = :uid"
        theirs = "SELECT uid AS other, CAST(NULL AS BIGINT) AS mine, at AS theirs FROM blocks WHERE blocked = :uid"
        union = {"blockedByMe": mine, "hasBlockedMe": theirs}.get(direction, f"{mine} UNION ALL {theirs}")
        name = self._db.dialect.lower("u.name")
        found = (
            f"SELECT other, max(mine) AS mine, max(theirs) AS theirs FROM ({union}) AS b JOIN users u ON u.uid = other"
            f" WHERE :search = '' OR substr({name}, 1, length(:search)) = :search"
            " OR substr(u.uid, 1, length(:search)) = :search GROUP BY other"
        )
        values = {"uid": uid, "search": fold(search), "limit": limit, "offset": offset}
        sql = f"{found} ORDER BY other LIMIT :limit OFFSET :offset"
        rows, total = await self._db.page(f"SELECT count(*) FROM ({found}) AS f", sql, values, values)
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

    async def blocked_or_blocking(self, uid: str) -> frozenset[str]:
        rows = await self._db.rows(
            "SELECT blocked FROM blocks WHERE uid = :uid UNION SELECT uid FROM blocks WHERE blocked = :uid",
            {"uid": uid},
        )
        return frozenset(row[0] for row in rows)


class FriendRows:
    """`FriendStore`, without its writes. A friendship is stored in both directions."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def of_user(self, uid: str) -> frozenset[str]:
        return frozenset(row[0] for row in await self._db.rows("SELECT friend FROM friends WHERE uid = ?", (uid,)))

    async def exists(self, uid: str, friend: str) -> bool:
        return await self._db.first_row("SELECT 1 FROM friends WHERE uid = ? AND friend = ?", (uid, friend)) is not None
