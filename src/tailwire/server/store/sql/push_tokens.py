"""Devices that receive push notifications, as long as the auth token that registered them is valid."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.filters import Position
from tailwire.server.ports.push_records import PushTokenRow
from tailwire.server.store.sql.conditions import page_clause
from tailwire.server.store.sql.connection import Connection

_COLUMNS = ", ".join(PushTokenRow._fields)
_CHANGED = ", ".join(f"{name} = excluded.{name}" for name in PushTokenRow._fields[1:])
# While no device is registered, no messages are examined. So the first device begins with those sent after its
# registration.
_BEGIN_SQL = """UPDATE push_progress SET message_id = (SELECT coalesce(max(id), 0) FROM messages), after_uid = '',
reaction_id = (SELECT coalesce(max(id), 0) FROM reactions) WHERE NOT EXISTS (SELECT 1 FROM push_tokens)"""


class PushTokenRows:
    """`PushTokenStore` in SQL."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def any_registered(self) -> bool:
        return await self._db.first_row("SELECT 1 FROM push_tokens LIMIT 1") is not None

    async def put(self, token: PushTokenRow, limit: int) -> None:
        await self._db.run(_BEGIN_SQL)
        # Only for an auth token that still exists: a device whose user logs out at the same time is not registered.
        await self._db.run(
            f"INSERT INTO push_tokens ({_COLUMNS}) SELECT CAST(? AS text), a.uid, a.token_hash, CAST(? AS text),"
            " CAST(? AS text), CAST(? AS text), CAST(? AS text), CAST(? AS bigint), CAST(? AS bigint)"
            " FROM auth_tokens a WHERE a.token_hash = ? AND a.uid = ?"
            f" ON CONFLICT (token_hash) DO UPDATE SET {_CHANGED}",
            (
                token.token_hash, token.platform, token.provider, token.provider_id, token.token, token.created_at,
                token.updated_at, token.auth_token, token.uid,
            ),
        )  # fmt: skip
        await self._db.run(
            "DELETE FROM push_tokens WHERE uid = ? AND token_hash NOT IN"
            " (SELECT token_hash FROM push_tokens WHERE uid = ? ORDER BY updated_at DESC, token_hash LIMIT ?)",
            (token.uid, token.uid, limit),
        )

    async def of_auth_token(self, auth_token: str) -> list[PushTokenRow]:
        return await self._find("auth_token = ?", auth_token)

    async def of_user(self, uid: str) -> list[PushTokenRow]:
        return await self._find(
            "uid = ? AND EXISTS (SELECT 1 FROM auth_tokens a WHERE a.token_hash = push_tokens.auth_token)", uid
        )

    async def _find(self, condition: str, value: str) -> list[PushTokenRow]:
        sql = f"SELECT {_COLUMNS} FROM push_tokens WHERE {condition} ORDER BY updated_at, token_hash"
        return [PushTokenRow._make(row) for row in await self._db.rows(sql, (value,))]

    async def list_after(self, uid: str, position: Position, limit: int) -> list[PushTokenRow]:
        condition, values = ("uid = ?", list[Any]([uid])) if uid else ("TRUE", [])
        end = page_clause(condition, ("updated_at", "token_hash"), position, limit, values, descending=True)
        rows = await self._db.long_rows(f"SELECT {_COLUMNS} FROM push_tokens {end}", values)
        return [PushTokenRow._make(row) for row in rows]

    async def remove_of(self, auth_token: str, token_hash: str = "") -> int:
        if token_hash:
            sql = "DELETE FROM push_tokens WHERE auth_token = ? AND token_hash = ?"
            return await self._db.run(sql, (auth_token, token_hash))
        return await self._db.run("DELETE FROM push_tokens WHERE auth_token = ?", (auth_token,))

    async def remove(self, token_hash: str, token: str) -> None:
        await self._db.run("DELETE FROM push_tokens WHERE token_hash = ? AND token = ?", (token_hash, token))

    async def remove_ended(self, now: int) -> None:
        await self._db.run(
            "DELETE FROM push_tokens WHERE NOT EXISTS (SELECT 1 FROM auth_tokens a"
            " WHERE a.token_hash = push_tokens.auth_token AND (a.expires_at IS NULL OR a.expires_at > ?))",
            (now,),
        )
