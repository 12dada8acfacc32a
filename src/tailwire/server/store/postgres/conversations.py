"""Creates conversations that have no message yet."""

from __future__ import annotations

from tailwire.server.ports.conversations import key_of
from tailwire.server.store.postgres.access import DatabaseAccess
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.conversations import ConversationRows


class Conversations(ConversationRows):
    """`ConversationStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads)
        self._access = access

    async def start(self, one: str, other: str, now: int) -> None:
        key = key_of(one, other, "user")
        unit = Unit()
        unit.run(
            "INSERT INTO conversations (conversation_id, last_message_id, shown_message_id, created_at, updated_at)"
            " VALUES (:key, 0, 0, :now::bigint, :now::bigint) ON CONFLICT DO NOTHING",
            key=key, now=now,
        )  # fmt: skip
        unit.run(
            "INSERT INTO participants (uid, conversation_id) VALUES (:one, :key), (:other, :key)"
            " ON CONFLICT DO NOTHING",
            one=one, other=other, key=key,
        )  # fmt: skip
        await self._access.carry_out(unit)
