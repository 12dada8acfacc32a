"""API keys and auth tokens, by their hashes."""

from __future__ import annotations

import dataclasses
import sqlite3

from tailwire.server.ports.records import KeyRow, TokenOwner, TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.access import Access
from tailwire.server.store.statements import KEY_SCOPE, TOKEN_OWNER

MAX_OWNERS = 50_000
_KEY = ", ".join(f.name for f in dataclasses.fields(KeyRow))
_TOKEN = ", ".join(f.name for f in dataclasses.fields(TokenRow))


class Keys(Access):
    """API keys, auth tokens."""

    _owners: dict[str, TokenOwner]

    async def key_scope(self, key_hash: str) -> str | None:
        """The scope of an API key, or None."""
        row = self._one(KEY_SCOPE, {"hash": key_hash})
        return row[0] if row else None

    async def key(self, key_hash: str) -> KeyRow | None:
        """An API key, or None."""
        row = self._one(f"SELECT {_KEY} FROM api_keys WHERE key_hash = ?", (key_hash,))
        return KeyRow(*row) if row else None

    async def keys(self, scope: str, search: str, *, limit: int, offset: int) -> tuple[list[KeyRow], int]:
        """API keys, oldest first, and how many there are."""
        where = "(? = '' OR scope = ?) AND (? = '' OR instr(lower(name), ?) > 0)"
        values = (scope, scope, search, search.lower())
        count = f"SELECT count(*) FROM api_keys WHERE {where}"
        sql = f"SELECT {_KEY} FROM api_keys WHERE {where} ORDER BY created_at, key_hash LIMIT ? OFFSET ?"
        rows, total = await self._page(count, sql, values, (*values, limit, offset))
        return [KeyRow(*row) for row in rows], total

    async def add_key(self, key: KeyRow) -> None:
        """Keep a new API key."""
        sql = f"INSERT INTO api_keys ({_KEY}) VALUES (?, ?, ?, ?, ?)"
        await self._writer.submit(lambda c: c.execute(sql, dataclasses.astuple(key)).rowcount)

    async def change_key(self, key_hash: str, name: str, scope: str) -> bool:
        """Change the name and scope of an API key. False when there is none (any more)."""
        sql = "UPDATE api_keys SET name = ?, scope = ? WHERE key_hash = ?"
        return await self._writer.submit(lambda c: c.execute(sql, (name, scope, key_hash)).rowcount == 1)

    async def remove_key(self, key_hash: str) -> None:
        """Forget an API key."""
        sql = "DELETE FROM api_keys WHERE key_hash = ?"
        await self._writer.submit(lambda c: c.execute(sql, (key_hash,)).rowcount)

    async def token_owner(self, token_hash: str) -> TokenOwner | None:
        """Whose an auth token is, or None.

        Asked at every request: those that were found are known by heart, until any is taken back.
        """
        known = self._owners.get(token_hash)
        if known is not None:
            return known
        row = self._one(TOKEN_OWNER, {"hash": token_hash})
        if row is None:
            return None
        if len(self._owners) >= MAX_OWNERS:
            self._owners.clear()
        owner = self._owners[token_hash] = TokenOwner(*row)
        return owner

    async def token(self, token_hash: str) -> TokenRow | None:
        """An auth token, or None."""
        row = self._one(f"SELECT {_TOKEN} FROM auth_tokens WHERE token_hash = ?", (token_hash,))
        return TokenRow(*row) if row else None

    async def tokens(self, uid: str, *, limit: int, offset: int) -> tuple[list[TokenRow], int]:
        """A user's auth tokens, newest first, and how many there are."""
        count = "SELECT count(*) FROM auth_tokens WHERE uid = ?"
        sql = f"SELECT {_TOKEN} FROM auth_tokens WHERE uid = ? ORDER BY number DESC LIMIT ? OFFSET ?"
        rows, total = await self._page(count, sql, (uid,), (uid, limit, offset))
        return [TokenRow(*row) for row in rows], total

    async def add_token(self, token: TokenRow, most: int) -> list[str]:
        """Keep an auth token of a user who may log in; of more than `most` the oldest go.

        Returns:
            The hashes of those that went.

        Raises:
            Refused: ERR_UID_NOT_FOUND, when there is no such user, or they are deactivated.
        """

        def add(c: sqlite3.Connection) -> list[str]:
            sql = "SELECT 1 FROM users WHERE uid = ? AND deactivated_at IS NULL"
            if c.execute(sql, (token.uid,)).fetchone() is None:
                raise Refused("ERR_UID_NOT_FOUND", {"uid": token.uid})
            sql = "SELECT max(number), count(*) FROM auth_tokens WHERE uid = ?"
            last = c.execute(sql, (token.uid,)).fetchone()
            number = (last[0] or 0) + 1
            c.execute(
                f"INSERT INTO auth_tokens ({_TOKEN}, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*dataclasses.astuple(token), number),
            )
            if last[1] < most:
                return []
            sql = "DELETE FROM auth_tokens WHERE uid = ? AND number <= ? RETURNING token_hash"
            return self._gone(c.execute(sql, (token.uid, number - most)).fetchall())

        return await self._writer.submit(add)

    def _gone(self, rows: list[tuple[str]]) -> list[str]:
        # Tokens that were taken back, within the transaction: none is known by heart once it is committed.
        self._writer.after_commit(self._owners.clear)
        return [row[0] for row in rows]

    async def change_token(self, token: TokenRow) -> None:
        """Keep what is known of the device of an auth token."""
        sql = "UPDATE auth_tokens SET platform = ?, user_agent = ?, app_info = ? WHERE token_hash = ?"
        values = (token.platform, token.user_agent, token.app_info, token.token_hash)
        await self._writer.submit(lambda c: c.execute(sql, values).rowcount)

    async def remove_token(self, token_hash: str) -> None:
        """Take an auth token back."""
        sql = "DELETE FROM auth_tokens WHERE token_hash = ? RETURNING token_hash"
        await self._writer.submit(lambda c: self._gone(c.execute(sql, (token_hash,)).fetchall()))

    async def remove_tokens(self, uid: str) -> list[str]:
        """Take all auth tokens of a user back; answers their hashes."""
        sql = "DELETE FROM auth_tokens WHERE uid = ? RETURNING token_hash"
        return await self._writer.submit(lambda c: self._gone(c.execute(sql, (uid,)).fetchall()))
