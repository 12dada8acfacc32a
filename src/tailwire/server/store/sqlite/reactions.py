"""Writes reactions to messages."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from tailwire.server.ports import change_log
from tailwire.server.ports.records import ReactionRow, Trait
from tailwire.server.ports.standing import MessageAct
from tailwire.server.store.sql.reactions import Events, ReactionRows
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.standings import check_message_act
from tailwire.server.store.sqlite.webhooks import Webhooks


class Reactions(ReactionRows):
    """`ReactionStore` on SQLite."""

    def __init__(self, database: Database, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(database)
        self._db: Database = database
        self._log = log
        self._webhooks = webhooks

    async def add(
        self, act: MessageAct, reaction: str, now: int, limit: int, events: Events | None = None
    ) -> ReactionRow | None:
        message_id, uid = act.message_id, act.actor

        def add(c: sqlite3.Connection) -> ReactionRow | None:
            message = check_message_act(c, act).message
            sql = "SELECT count(DISTINCT reaction) FROM reactions WHERE message_id = ? AND reaction <> ?"
            if c.execute(sql, (message_id, reaction)).fetchone()[0] >= limit:
                return None
            sql = "INSERT INTO reactions (message_id, reaction, uid, reacted_at) VALUES (?, ?, ?, ?)"
            sql += " ON CONFLICT DO NOTHING RETURNING id"
            added = c.execute(sql, (message_id, reaction, uid, now)).fetchone()
            if added is None:
                return None
            sql = "UPDATE messages SET traits = traits | ?, updated_at = ? WHERE id = ?"
            c.execute(sql, (int(Trait.REACTION), now, message_id))
            row = ReactionRow(added[0], message_id, reaction, uid, now)
            change = change_log.reaction(message.conversation_id, row, act.device, added=True)
            after = message._replace(traits=message.traits | Trait.REACTION, updated_at=now)
            row = replace(row, number=self._log.add(c, change, now), message=after)
            self._webhooks.enqueue(c, events(row) if events else (), None)
            return row

        return await self._db.write(add)

    async def remove(
        self, act: MessageAct, reaction: str, now: int, events: Events | None = None
    ) -> ReactionRow | None:
        message_id, uid = act.message_id, act.actor

        def remove(c: sqlite3.Connection) -> ReactionRow | None:
            message = check_message_act(c, act).message
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
            change = change_log.reaction(message.conversation_id, row, act.device, added=False)
            row = replace(row, number=self._log.add(c, change, now))
            self._webhooks.enqueue(c, events(row) if events else (), None)
            return row

        return await self._db.write(remove)
