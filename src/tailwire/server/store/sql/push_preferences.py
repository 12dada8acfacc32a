"""Preferences of users for push notifications, and conversations that they have muted."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.push_records import MuteRow
from tailwire.server.store.sql.connection import Connection


class PushPreferenceRows:
    """`PushPreferenceStore` in SQL."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, uid: str) -> tuple[str, str]:
        row = await self._db.first_row("SELECT preferences, timezone FROM push_preferences WHERE uid = ?", (uid,))
        return (row[0], row[1]) if row else ("{}", "")

    async def put(self, uid: str, preferences: str) -> None:
        await self._db.run(
            "INSERT INTO push_preferences (uid, preferences) SELECT uid, CAST(? AS text) FROM users WHERE uid = ?"
            " ON CONFLICT (uid) DO UPDATE SET preferences = excluded.preferences",
            (preferences, uid),
        )

    async def put_timezone(self, uid: str, timezone: str) -> None:
        await self._db.run(
            "INSERT INTO push_preferences (uid, timezone) SELECT uid, CAST(? AS text) FROM users WHERE uid = ?"
            " ON CONFLICT (uid) DO UPDATE SET timezone = excluded.timezone",
            (timezone, uid),
        )

    async def muted_conversations(self, uid: str, now: int) -> list[MuteRow]:
        sql = "SELECT conversation_id, until FROM push_mutes WHERE uid = ? AND until > ? ORDER BY conversation_id"
        return [MuteRow(ConversationKey(row[0]), row[1]) for row in await self._db.rows(sql, (uid, now))]

    async def mute(self, uid: str, rows: Sequence[MuteRow], limit: int) -> None:
        await self._db.run_many(
            "INSERT INTO push_mutes (uid, conversation_id, until)"
            " SELECT uid, CAST(? AS text), CAST(? AS bigint) FROM users WHERE uid = ?"
            " ON CONFLICT (uid, conversation_id) DO UPDATE SET until = excluded.until",
            [(row.conversation_id, row.until, uid) for row in rows],
        )
        await self._db.run(
            "DELETE FROM push_mutes WHERE uid = ? AND conversation_id NOT IN"
            " (SELECT conversation_id FROM push_mutes WHERE uid = ? ORDER BY until DESC, conversation_id LIMIT ?)",
            (uid, uid, limit),
        )

    async def unmute(self, uid: str, conversations: Sequence[ConversationKey]) -> None:
        sql = "DELETE FROM push_mutes WHERE uid = ? AND conversation_id = ?"
        await self._db.run_many(sql, [(uid, conversation) for conversation in conversations])
