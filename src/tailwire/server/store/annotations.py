"""What users attach to messages beside reactions: pins, saves, followed threads, reports and interactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tailwire.server.ports.records import Trait
from tailwire.server.ports.standing import MessageAct
from tailwire.server.store.database import Database
from tailwire.server.store.standings import may_change

_FOLLOWED = (
    "FROM subscriptions s JOIN messages m ON m.id = s.message_id WHERE s.uid = :uid AND CASE m.receiver_type"
    " WHEN 'user' THEN :uid IN (m.sender, m.receiver)"
    " ELSE EXISTS (SELECT 1 FROM members g WHERE g.guid = m.receiver AND g.uid = :uid) END"
)


class Annotations:
    """`AnnotationStore` on SQLite. Users who have saved anything are cached."""

    def __init__(self, database: Database) -> None:
        self._db = database
        # A page of history looks for the reader's saves only if they have any.
        self._savers: set[str] = {row[0] for row in database.reader.execute("SELECT DISTINCT uid FROM saves")}

    async def pin(self, act: MessageAct, now: int, limit: int, *, pinned: bool) -> bool:
        def change(c: sqlite3.Connection) -> bool:
            message = may_change(c, act).message
            if pinned:
                sql = "SELECT count(*) FROM messages WHERE conversation_id = ? AND pinned_at IS NOT NULL AND id <> ?"
                if c.execute(sql, (message.conversation_id, message.id)).fetchone()[0] >= limit:
                    return False
            sql = "UPDATE messages SET pinned_at = ?, pinned_by = ?, updated_at = ? WHERE id = ?"
            c.execute(sql, (now if pinned else None, act.by if pinned else None, now, message.id))
            return True

        return await self._db.write(change)

    async def save(self, act: MessageAct, now: int, limit: int) -> bool:
        message_id, uid = act.message_id, act.by

        def add(c: sqlite3.Connection) -> bool:
            may_change(c, act)
            sql = "SELECT count(*) FROM saves WHERE uid = ? AND message_id <> ?"
            if c.execute(sql, (uid, message_id)).fetchone()[0] >= limit:
                return False
            c.execute("INSERT OR REPLACE INTO saves VALUES (?, ?, ?)", (uid, message_id, now))
            self._db.after_commit(lambda: self._savers.add(uid))
            return True

        return await self._db.write(add)

    async def unsave(self, message_id: int, uid: str) -> None:
        sql = "DELETE FROM saves WHERE uid = ? AND message_id = ?"
        await self._db.run(sql, (uid, message_id))

    async def saved_at(self, first: int, last: int, uid: str) -> dict[int, int]:
        if uid not in self._savers:
            return {}
        sql = "SELECT message_id, saved_at FROM saves WHERE uid = ? AND message_id BETWEEN ? AND ?"
        return dict(await self._db.rows(sql, (uid, first, last)))

    async def subscribe(self, act: MessageAct, *, wanted: bool) -> None:
        sql = "INSERT INTO subscriptions (uid, message_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
        if not wanted:
            sql = "DELETE FROM subscriptions WHERE uid = ? AND message_id = ?"

        def change(c: sqlite3.Connection) -> None:
            may_change(c, act)
            c.execute(sql, (act.by, act.message_id))

        await self._db.write(change)

    async def subscribed(self, first: int, last: int, uid: str) -> set[int]:
        sql = "SELECT message_id FROM subscriptions WHERE uid = ? AND message_id BETWEEN ? AND ?"
        return {row[0] for row in await self._db.rows(sql, (uid, first, last))}

    async def followed_threads(self, uid: str, *, limit: int, offset: int) -> tuple[list[int], int]:
        values = {"uid": uid, "limit": limit, "offset": offset}
        sql = f"SELECT s.message_id {_FOLLOWED} ORDER BY s.message_id DESC LIMIT :limit OFFSET :offset"
        rows, total = await self._db.page(f"SELECT count(*) {_FOLLOWED}", sql, values, values)
        return [row[0] for row in rows], total

    async def flag(self, act: MessageAct, reason_id: str, remark: str | None, now: int) -> None:
        def add(c: sqlite3.Connection) -> None:
            may_change(c, act)
            values = (act.message_id, act.by, reason_id, remark, now)
            c.execute("INSERT OR REPLACE INTO flags VALUES (?, ?, ?, ?, ?)", values)

        await self._db.write(add)

    async def flags(self, *, limit: int, offset: int) -> tuple[list[tuple[int, str, str, str | None, int]], int]:
        sql = "SELECT * FROM flags ORDER BY at DESC, message_id DESC LIMIT ? OFFSET ?"
        return await self._db.page("SELECT count(*) FROM flags", sql, (), (limit, offset))

    async def interact(self, act: MessageAct, elements: Sequence[str], now: int) -> None:
        message_id, uid = act.message_id, act.by

        def add(c: sqlite3.Connection) -> None:
            may_change(c, act)
            c.executemany(
                "INSERT INTO interactions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(message_id, uid, element, now) for element in elements],
            )
            c.execute("UPDATE messages SET traits = traits | ? WHERE id = ?", (int(Trait.INTERACTED), message_id))

        await self._db.write(add)

    async def interactions(self, ids: Sequence[int], uid: str) -> dict[int, list[tuple[str, int]]]:
        placeholders = ", ".join("?" for _ in ids)
        sql = f"SELECT message_id, element_id, at FROM interactions WHERE uid = ? AND message_id IN ({placeholders})"
        found: dict[int, list[tuple[str, int]]] = {}
        for number, element, at in await self._db.rows(f"{sql} ORDER BY at", [uid, *ids]):
            found.setdefault(number, []).append((element, at))
        return found
