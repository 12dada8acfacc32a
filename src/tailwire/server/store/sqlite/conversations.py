"""Creates conversations that have no message yet."""

from __future__ import annotations

import sqlite3

from tailwire.server.ports.conversations import key_of
from tailwire.server.store.sql.conversations import ConversationRows
from tailwire.server.store.sqlite.database import Database


class Conversations(ConversationRows):
    """`ConversationStore` on SQLite."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._db: Database = database

    async def start(self, one: str, other: str, now: int) -> None:
        conversation = key_of(one, other, "user")

        def add(c: sqlite3.Connection) -> None:
            sql = (
                "INSERT INTO conversations (conversation_id, last_message_id, shown_message_id, created_at, updated_at)"
                " VALUES (?, 0, 0, ?, ?) ON CONFLICT DO NOTHING"
            )
            c.execute(sql, (conversation, now, now))
            rows = [(one, conversation), (other, conversation)]
            c.executemany("INSERT INTO participants VALUES (?, ?) ON CONFLICT DO NOTHING", rows)

        await self._db.write(add)
