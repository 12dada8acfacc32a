"""Auth tokens of users, by their hashes."""

from __future__ import annotations

import dataclasses
import sqlite3

from tailwire.server.ports.records import TokenOwner, TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.database import Database
from tailwire.server.store.statements import TOKEN_OWNER

MAX_CACHED_OWNERS = 50_000
_COLUMNS = ", ".join(f.name for f in dataclasses.fields(TokenRow))


class Tokens:
    """`TokenStore` on SQLite. The owners of tokens in use are cached, because every request asks for one."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._owners: dict[str, TokenOwner] = {}

    async def owner(self, token_hash: str) -> TokenOwner | None:
        known = self._owners.get(token_hash)
        if known is not None:
            return known
        row = await self._db.one(TOKEN_OWNER, {"hash": token_hash})
        if row is None:
            return None
        if len(self._owners) >= MAX_CACHED_OWNERS:
            self._owners.clear()
        owner = self._owners[token_hash] = TokenOwner(*row)
        return owner

    async def get(self, token_hash: str) -> TokenRow | None:
        row = await self._db.one(f"SELECT {_COLUMNS} FROM auth_tokens WHERE token_hash = ?", (token_hash,))
        return TokenRow(*row) if row else None

    async def of_user(self, uid: str, *, limit: int, offset: int) -> tuple[list[TokenRow], int]:
        count = "SELECT count(*) FROM auth_tokens WHERE uid = ?"
        sql = f"SELECT {_COLUMNS} FROM auth_tokens WHERE uid = ? ORDER BY number DESC LIMIT ? OFFSET ?"
        rows, total = await self._db.page(count, sql, (uid,), (uid, limit, offset))
        return [TokenRow(*row) for row in rows], total

    async def add(self, token: TokenRow, limit: int) -> list[str]:
        def add(c: sqlite3.Connection) -> list[str]:
            sql = "SELECT 1 FROM users WHERE uid = ? AND deactivated_at IS NULL"
            if c.execute(sql, (token.uid,)).fetchone() is None:
                raise Refused("ERR_UID_NOT_FOUND", {"uid": token.uid})
            sql = "SELECT max(number), count(*) FROM auth_tokens WHERE uid = ?"
            last = c.execute(sql, (token.uid,)).fetchone()
            number = (last[0] or 0) + 1
            c.execute(
                f"INSERT INTO auth_tokens ({_COLUMNS}, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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

    async def change(self, token: TokenRow) -> None:
        sql = "UPDATE auth_tokens SET platform = ?, user_agent = ?, app_info = ? WHERE token_hash = ?"
        values = (token.platform, token.user_agent, token.app_info, token.token_hash)
        await self._db.run(sql, values)

    async def remove(self, token_hash: str) -> None:
        sql = "DELETE FROM auth_tokens WHERE token_hash = ? RETURNING token_hash"
        await self._db.write(lambda c: self.revoked(c.execute(sql, (token_hash,)).fetchall()))

    async def remove_all(self, uid: str) -> list[str]:
        sql = "DELETE FROM auth_tokens WHERE uid = ? RETURNING token_hash"
        return await self._db.write(lambda c: self.revoked(c.execute(sql, (uid,)).fetchall()))
