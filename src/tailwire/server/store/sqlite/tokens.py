"""Auth tokens of users: adding, revoking, and a cache of their owners."""

from __future__ import annotations

import dataclasses
import sqlite3

from tailwire.server.ports.records import TokenOwner, TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.sql.tokens import COLUMNS, TokenRows
from tailwire.server.store.sqlite.database import Database

MAX_CACHED_OWNERS = 50_000


class Tokens(TokenRows):
    """`TokenStore` on SQLite. The owners of tokens in use are cached, because every request asks for one."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._db: Database = database
        self._owners: dict[str, TokenOwner] = {}

    async def owner(self, token_hash: str) -> TokenOwner | None:
        known = self._owners.get(token_hash)
        if known is not None:
            return known
        owner = await super().owner(token_hash)
        if owner is None:
            return None
        if len(self._owners) >= MAX_CACHED_OWNERS:
            self._owners.clear()
        self._owners[token_hash] = owner
        return owner

    async def add(self, token: TokenRow, limit: int) -> list[str]:
        def add(c: sqlite3.Connection) -> list[str]:
            sql = "SELECT 1 FROM users WHERE uid = ? AND deactivated_at IS NULL"
            if c.execute(sql, (token.uid,)).fetchone() is None:
                raise Refused("ERR_UID_NOT_FOUND", {"uid": token.uid})
            sql = "SELECT max(number), count(*) FROM auth_tokens WHERE uid = ?"
            last = c.execute(sql, (token.uid,)).fetchone()
            number = (last[0] or 0) + 1
            c.execute(
                f"INSERT INTO auth_tokens ({COLUMNS}, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*dataclasses.astuple(token), number),
            )
            if last[1] < limit:
                return []
            sql = "DELETE FROM auth_tokens WHERE uid = ? AND number <= ? RETURNING token_hash"
            return self.revoked(c.execute(sql, (token.uid, number - limit)).fetchall())

        return await self._db.write(add)

    def revoked(self, rows: list[tuple[str]]) -> list[str]:
        """Within an operation that deleted tokens: return their hashes, and empty the cache after the commit."""
        self._db.after_commit(self._owners.clear)
        return [row[0] for row in rows]

    async def remove(self, token_hash: str) -> None:
        sql = "DELETE FROM auth_tokens WHERE token_hash = ? RETURNING token_hash"
        await self._db.write(lambda c: self.revoked(c.execute(sql, (token_hash,)).fetchall()))

    async def remove_all(self, uid: str) -> list[str]:
        sql = "DELETE FROM auth_tokens WHERE uid = ? RETURNING token_hash"
        return await self._db.write(lambda c: self.revoked(c.execute(sql, (uid,)).fetchall()))
