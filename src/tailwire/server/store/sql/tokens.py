"""Auth tokens, by hash or by user: what the stores share (see `store.sql`)."""

from __future__ import annotations

import dataclasses

from tailwire.server.ports.key_records import TokenOwner, TokenRow
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import TOKEN_OWNER_SQL

COLUMNS = ", ".join(f.name for f in dataclasses.fields(TokenRow))
KEEP_ENDED_SQL = (
    "INSERT INTO ended_tokens SELECT token_hash, expires_at FROM auth_tokens WHERE ({which}) AND expires_at IS NOT NULL"
    " ON CONFLICT DO NOTHING"
)
"""A template with the condition `which`. Run this before these tokens are deleted: it keeps the hashes of those that
expire by themselves (JWTs), which would otherwise be accepted again."""
OLDEST_CONDITION = """uid = {uid}
AND number <= (SELECT t.number FROM auth_tokens t WHERE t.uid = {uid} ORDER BY t.number DESC LIMIT 1 OFFSET {most})"""
"""A template that selects all tokens of the user `uid` except the `most` newest."""


class TokenRows:
    """`TokenStore`, without adding and revoking."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def owner(self, token_hash: str) -> TokenOwner | None:
        row = await self._db.first_row(TOKEN_OWNER_SQL, {"hash": token_hash})
        return TokenOwner(*row) if row else None

    async def get(self, token_hash: str) -> TokenRow | None:
        row = await self._db.first_row(f"SELECT {COLUMNS} FROM auth_tokens WHERE token_hash = ?", (token_hash,))
        return TokenRow(*row) if row else None

    async def of_user(self, uid: str, *, limit: int, offset: int) -> tuple[list[TokenRow], int]:
        count = "SELECT count(*) FROM auth_tokens WHERE uid = ?"
        sql = f"SELECT {COLUMNS} FROM auth_tokens WHERE uid = ? ORDER BY number DESC LIMIT ? OFFSET ?"
        rows, total = await self._db.page(count, sql, (uid,), (uid, limit, offset))
        return [TokenRow(*row) for row in rows], total

    async def has_ended(self, token_hash: str) -> bool:
        sql = "SELECT 1 FROM ended_tokens WHERE token_hash = ?"
        return await self._db.first_row(sql, (token_hash,)) is not None

    async def change_device(self, token: TokenRow) -> None:
        sql = "UPDATE auth_tokens SET platform = ?, user_agent = ?, app_info = ? WHERE token_hash = ?"
        values = (token.platform, token.user_agent, token.app_info, token.token_hash)
        await self._db.run(sql, values)
