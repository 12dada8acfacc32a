"""Reactions to messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from tailwire.server.ports.records import Event, ReactionRow, Trait
from tailwire.server.ports.standing import MessageAct
from tailwire.server.store.database import Database
from tailwire.server.store.standings import may_change
from tailwire.server.store.webhooks import Webhooks

Events = Callable[[ReactionRow], Sequence[Event]]


class Reactions:
    """`ReactionStore` on SQLite."""

    def __init__(self, database: Database, webhooks: Webhooks) -> None:
        self._db = database
        self._webhooks = webhooks

    async def add(
        self, act: MessageAct, reaction: str, now: int, limit: int, events: Events | None = None
    ) -> ReactionRow | None:
        message_id, uid = act.message_id, act.by

        def add(c: sqlite3.Connection) -> ReactionRow | None:
            may_change(c, act)
            sql = "SELECT count(DISTINCT reaction) FROM reactions WHERE message_id = ? AND reaction <> ?"
            if c.execute(sql, (message_id, reaction)).fetchone()[0] >= limit:
                return None
            sql = "INSERT INTO reactions (message_id, reaction, uid, reacted_at) VALUES (?, ?, ?, ?)"
            sql += " ON CONFLICT DO NOTHING"
            added = c.execute(sql, (message_id, reaction, uid, now))
            if added.rowcount != 1:
                return None
            sql = "UPDATE messages SET traits = traits | ?, updated_at = ? WHERE id = ?"
            c.execute(sql, (int(Trait.REACTION), now, message_id))
            row = ReactionRow(int(added.lastrowid or 0), message_id, reaction, uid, now)
            self._webhooks.enqueue(c, events(row) if events else (), None)
            return row

        return await self._db.write(add)

    async def remove(
        self, act: MessageAct, reaction: str, now: int, events: Events | None = None
    ) -> ReactionRow | None:
        message_id, uid = act.message_id, act.by

        def remove(c: sqlite3.Connection) -> ReactionRow | None:
            may_change(c, act)
            sql = "DELETE FROM reactions WHERE message_id = ? AND reaction = ? AND uid = ? RETURNING id, reacted_at"
            gone = c.execute(sql, (message_id, reaction, uid)).fetchone()
            if gone is None:
                return None
            sql = (
                "UPDATE messages SET updated_at = ?, traits = CASE WHEN EXISTS (SELECT 1 FROM reactions WHERE"
                " message_id = ?) THEN traits ELSE traits & ~? END WHERE id = ?"
            )
            c.execute(sql, (now, message_id, int(Trait.REACTION), message_id))
            row = ReactionRow(gone[0], message_id, reaction, uid, gone[1])
            self._webhooks.enqueue(c, events(row) if events else (), None)
            return row

        return await self._db.write(remove)

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
        placeholders = ", ".join("?" for _ in ids)
        rows = await self._db.rows(
            "SELECT message_id, reaction, count(*), max(uid = ?), min(id) FROM reactions"
            f" WHERE message_id IN ({placeholders}) GROUP BY message_id, reaction ORDER BY message_id, min(id)",
            [reader, *ids],
        )
        found: dict[int, list[tuple[str, int, bool]]] = {}
        for number, reaction, count, mine, _ in rows:
            found.setdefault(number, []).append((reaction, count, bool(mine)))
        return found
