"""Adds and revokes auth tokens of users."""

from __future__ import annotations

import dataclasses
import sqlite3

from tailwire.server.ports.key_records import TokenOwner, TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.sql.tokens import COLUMNS, KEEP_ENDED_SQL, OLDEST_CONDITION, TokenRows
from tailwire.server.store.sqlite.database import Database

MAX_CACHED_OWNERS = 50_000
_OLDEST_CONDITION = OLDEST_CONDITION.format(uid="?", most="?")


class Tokens(TokenRows):
    """`TokenStore` on SQLite. The owners of tokens are cached, because every request needs the one of its token."""

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
            if token.expires_at is not None and _is_stored(c, token):
                return []
            sql = "SELECT max(number), count(*) FROM auth_tokens WHERE uid = ?"
            last = c.execute(sql, (token.uid,)).fetchone()
            number = (last[0] or 0) + 1
            c.execute(
                f"INSERT INTO auth_tokens ({COLUMNS}, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*dataclasses.astuple(token), number),
            )
            if last[1] < limit:
                return []
            return self.end(c, _OLDEST_CONDITION, (token.uid, token.uid, limit))

        return await self._db.write(add)

    def end(self, c: sqlite3.Connection, which: str, values: tuple[str | int, ...]) -> list[str]:
        """Delete tokens, and return their hashes. For use in an operation of the writer.

        The cache is emptied after the commit.

        Args:
            c: the writer's connection.
            which: the condition on the tokens, in SQL with `?` for each of `values`.
            values: the values of the condition.
        """
        c.execute(KEEP_ENDED_SQL.format(which=which), values)
        rows = c.execute(f"DELETE FROM auth_tokens WHERE {which} RETURNING token_hash", values).fetchall()
        self._db.after_commit(self._owners.clear)
        return [row[0] for row in rows]

    async def remove(self, token_hash: str) -> None:
        await self._db.write(lambda c: self.end(c, "token_hash = ?", (token_hash,)))

    async def remove_all(self, uid: str) -> list[str]:
        return await self._db.write(lambda c: self.end(c, "uid = ?", (uid,)))


def _is_stored(c: sqlite3.Connection, token: TokenRow) -> bool:
    # Whether a JWT is stored already. Removes tokens that have ended by themselves, and refuses a JWT that was revoked.
    c.execute("DELETE FROM ended_tokens WHERE expires_at <= ?", (token.created_at,))
    c.execute("DELETE FROM auth_tokens WHERE uid = ? AND expires_at <= ?", (token.uid, token.created_at))
    if c.execute("SELECT 1 FROM ended_tokens WHERE token_hash = ?", (token.token_hash,)).fetchone():
        raise Refused("AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
    return c.execute("SELECT 1 FROM auth_tokens WHERE token_hash = ?", (token.token_hash,)).fetchone() is not None
