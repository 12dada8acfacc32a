"""Reads reactions to messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tailwire.server.ports.records import Event, ReactionRow
from tailwire.server.store.sql.connection import Connection

Events = Callable[[ReactionRow], Sequence[Event]]


class ReactionRows:
    """`ReactionStore`, without its writes."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def find(
        self, message_id: int, reaction: str = "", *, newer: bool = True, cursor: int | None = None, limit: int = 100
    ) -> list[ReactionRow]:
        where = "message_id = ?"
        values: list[int | str] = [message_id]
        if reaction:
            where += " AND reaction = ?"
            values.append(reaction)
        if cursor:
            where += " AND id > ?" if newer else " AND id < ?"
            values.append(cursor)
        sql = f"SELECT id, message_id, reaction, uid, reacted_at FROM reactions WHERE {where} ORDER BY id"
        rows = await self._db.rows(f"{sql} {'' if newer else 'DESC'} LIMIT ?", [*values, limit])
        found = [ReactionRow(*row) for row in rows]
        return found if newer else found[::-1]

    async def counts(self, ids: Sequence[int], reader: str) -> dict[int, list[tuple[str, int, bool]]]:
        if not ids:
            return {}
        placeholders = ", ".join("?" for _ in ids)
        rows = await self._db.rows(
            "SELECT message_id, reaction, count(*), max(CASE WHEN uid = ? THEN 1 ELSE 0 END) FROM reactions"
            f" WHERE message_id IN ({placeholders}) GROUP BY message_id, reaction ORDER BY message_id, min(id)",
            [reader, *ids],
        )
        found: dict[int, list[tuple[str, int, bool]]] = {}
        for number, reaction, count, mine in rows:
            found.setdefault(number, []).append((reaction, count, bool(mine)))
        return found
