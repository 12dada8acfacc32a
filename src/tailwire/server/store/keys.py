"""API keys and auth tokens, by their hashes."""

from __future__ import annotations

import dataclasses
import sqlite3

from tailwire.server.ports.records import KeyRow, TokenOwner, TokenRow
from tailwire.server.store.access import Access
from tailwire.server.store.statements import KEY_SCOPE, TOKEN_OWNER

MOST_OWNERS = 50_000
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
        (total,) = self._one(f"SELECT count(*) FROM api_keys WHERE {where}", values)
        sql = f"SELECT {_KEY} FROM api_keys WHERE {where} ORDER BY created_at, key_hash LIMIT ? OFFSET ?"
        return [KeyRow(*row) for row in self._all(sql, (*values, limit, offset))], total

    async def add_key(self, key: KeyRow) -> None:
        """Keep an API key, new or changed."""
        sql = f"INSERT OR REPLACE INTO api_keys ({_KEY}) VALUES (?, ?, ?, ?, ?)"
        await self._writer.submit(lambda c: c.execute(sql, dataclasses.astuple(key)).rowcount)

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
        if len(self._owners) >= MOST_OWNERS:
            self._owners.clear()
        owner = self._owners[token_hash] = TokenOwner(*row)
        return owner

    async def token(self, token_hash: str) -> TokenRow | None:
        """An auth token, or None."""
        row = self._one(f"SELECT {_TOKEN} FROM auth_tokens WHERE token_hash = ?", (token_hash,))
        return TokenRow(*row) if row else None

    async def tokens(self, uid: str, *, limit: int, offset: int) -> tuple[list[TokenRow], int]:
        """A user's auth tokens, newest first, and how many there are."""
        (total,) = self._one("SELECT count(*) FROM auth_tokens WHERE uid = ?", (uid,))
        sql = f"SELECT {_TOKEN} FROM auth_tokens WHERE uid = ? ORDER BY number DESC LIMIT ? OFFSET ?"
        return [TokenRow(*row) for row in self._all(sql, (uid, limit, offset))], total

    async def add_token(self, token: TokenRow, most: int) -> None:
        """Keep an auth token; of more than `most` of a user the oldest go."""

        def add(c: sqlite3.Connection) -> None:
            sql = "SELECT max(number), count(*) FROM auth_tokens WHERE uid = ?"
            last = c.execute(sql, (token.uid,)).fetchone()
            number = (last[0] or 0) + 1
            c.execute(
                f"INSERT INTO auth_tokens ({_TOKEN}, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*dataclasses.astuple(token), number),
            )
            if last[1] >= most:
                c.execute("DELETE FROM auth_tokens WHERE uid = ? AND number <= ?", (token.uid, number - most))
                self._owners.clear()

        await self._writer.submit(add)

    async def change_token(self, token: TokenRow) -> None:
        """Keep what is known of the device of an auth token."""
        sql = "UPDATE auth_tokens SET platform = ?, user_agent = ?, app_info = ? WHERE token_hash = ?"
        values = (token.platform, token.user_agent, token.app_info, token.token_hash)
        await self._writer.submit(lambda c: c.execute(sql, values).rowcount)

    async def remove_token(self, token_hash: str) -> None:
        """Take an auth token back."""
        sql = "DELETE FROM auth_tokens WHERE token_hash = ?"
        await self._writer.submit(lambda c: c.execute(sql, (token_hash,)).rowcount)
        self._owners.clear()

    async def remove_tokens(self, uid: str) -> list[str]:
        """Take all auth tokens of a user back; answers their hashes."""
        sql = "DELETE FROM auth_tokens WHERE uid = ? RETURNING token_hash"
        gone = await self._writer.submit(lambda c: [row[0] for row in c.execute(sql, (uid,)).fetchall()])
        self._owners.clear()
        return gone
