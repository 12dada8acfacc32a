"""API keys and auth tokens, by their hashes."""

from __future__ import annotations

import sqlite3

from tailwire.server.store.access import Access
from tailwire.server.store.statements import KEY_SCOPE, TOKEN_OWNER


class Keys(Access):
    """API keys and auth tokens."""

    async def key_scope(self, key_hash: str) -> str | None:
        """The scope of an API key, or None."""
        row = self._one(KEY_SCOPE, {"hash": key_hash})
        return row[0] if row else None

    async def add_key(self, key_hash: str, name: str, scope: str, now: int) -> None:
        """Keep an API key."""

        def add(c: sqlite3.Connection) -> None:
            c.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?)", (key_hash, name, scope, now))

        await self._writer.submit(add)

    async def token_owner(self, token_hash: str) -> str | None:
        """The uid that an auth token belongs to, or None."""
        row = self._one(TOKEN_OWNER, {"hash": token_hash})
        return row[0] if row else None

    async def add_token(self, token_hash: str, uid: str, now: int, most: int) -> None:
        """Keep an auth token; of more than `most` of a user the oldest go."""

        def add(c: sqlite3.Connection) -> None:
            last = c.execute("SELECT max(number), count(*) FROM auth_tokens WHERE uid = ?", (uid,)).fetchone()
            c.execute("INSERT INTO auth_tokens VALUES (?, ?, ?, ?)", (token_hash, uid, now, (last[0] or 0) + 1))
            if last[1] >= most:
                c.execute("DELETE FROM auth_tokens WHERE uid = ? AND number <= ?", (uid, (last[0] or 0) + 1 - most))

        await self._writer.submit(add)

    async def remove_token(self, token_hash: str) -> None:
        """Take an auth token back."""

        def remove(c: sqlite3.Connection) -> None:
            c.execute("DELETE FROM auth_tokens WHERE token_hash = ?", (token_hash,))

        await self._writer.submit(remove)
