"""Writes pins, saves, followed threads, reports and interactions. Each write checks its permission (`MessageAct`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tailwire.server.ports import change_log
from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.records import Trait
from tailwire.server.ports.standing import MessageAct
from tailwire.server.store.sql.annotations import OTHER_SAVES_SQL, AnnotationRows
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.standings import check_message_act


class Annotations(AnnotationRows):
    """`AnnotationStore` on SQLite. The uids of users who have saved a message are cached."""

    def __init__(self, database: Database, log: ChangeLog) -> None:
        super().__init__(database, log)
        self._db: Database = database
        self._log: ChangeLog = log
        # A page of history looks for the reader's saves only if they have any.
        self._savers: set[str] = {row[0] for row in database.reader.execute("SELECT DISTINCT uid FROM saves")}

    async def pin(self, act: MessageAct, now: int, limit: int, *, pinned: bool) -> int:
        def change(c: sqlite3.Connection) -> int:
            message = check_message_act(c, act).message
            if pinned:
                sql = "SELECT count(*) FROM messages WHERE conversation_id = ? AND pinned_at IS NOT NULL AND id <> ?"
                if c.execute(sql, (message.conversation_id, message.id)).fetchone()[0] >= limit:
                    return 0
            sql = "UPDATE messages SET pinned_at = ?, pinned_by = ?, updated_at = ? WHERE id = ?"
            c.execute(sql, (now if pinned else None, act.actor if pinned else None, now, message.id))
            pinning = change_log.pin(message.conversation_id, message.id, act.actor, act.device, pinned=pinned)
            return self._log.add(c, pinning, now)

        return await self._db.write(change)

    async def save(self, act: MessageAct, now: int, limit: int) -> int:
        message_id, uid = act.message_id, act.actor

        def add(c: sqlite3.Connection) -> int:
            check_message_act(c, act)
            if c.execute(OTHER_SAVES_SQL, {"uid": uid, "id": message_id, "most": limit}).fetchone()[0] >= limit:
                return 0
            c.execute("INSERT OR REPLACE INTO saves VALUES (?, ?, ?)", (uid, message_id, now))
            self._db.after_commit(lambda: self._savers.add(uid))
            return self._log.add(
                c, change_log.own_change(ChangeKind.SAVED, uid, act.device, message_id=message_id), now
            )

        return await self._db.write(add)

    async def saved_at(self, first: int, last: int, uid: str) -> dict[int, int]:
        return await super().saved_at(first, last, uid) if uid in self._savers else {}

    async def subscribe(self, act: MessageAct, *, following: bool) -> None:
        sql = "INSERT INTO subscriptions (uid, message_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
        if not following:
            sql = "DELETE FROM subscriptions WHERE uid = ? AND message_id = ?"

        def change(c: sqlite3.Connection) -> None:
            check_message_act(c, act)
            c.execute(sql, (act.actor, act.message_id))

        await self._db.write(change)

    async def add_report(self, act: MessageAct, reason_id: str, remark: str | None, now: int) -> None:
        def add(c: sqlite3.Connection) -> None:
            check_message_act(c, act)
            values = (act.message_id, act.actor, reason_id, remark, now)
            c.execute("INSERT OR REPLACE INTO flags VALUES (?, ?, ?, ?, ?)", values)

        await self._db.write(add)

    async def add_interactions(self, act: MessageAct, elements: Sequence[str], now: int) -> None:
        message_id, uid = act.message_id, act.actor

        def add(c: sqlite3.Connection) -> None:
            check_message_act(c, act)
            c.executemany(
                "INSERT INTO interactions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(message_id, uid, element, now) for element in elements],
            )
            c.execute("UPDATE messages SET traits = traits | ? WHERE id = ?", (int(Trait.INTERACTED), message_id))

        await self._db.write(add)
