"""API keys, by their hashes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.filters import Position
from tailwire.server.ports.records import KeyRow
from tailwire.server.store.sql.conditions import behind
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.folding import fold
from tailwire.server.store.sql.statements import KEY_SCOPE

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(KeyRow))


class KeyRows:
    """`KeyStore` in SQL."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def scope(self, key_hash: str, now: int) -> str | None:
        known = await self._scope_until(key_hash)
        return known[0] if known is not None and (known[1] is None or known[1] > now) else None

    async def _scope_until(self, key_hash: str) -> tuple[str, int | None] | None:
        # The scope of a key, and when the key ends.
        row = await self._db.one(KEY_SCOPE, {"hash": key_hash})
        return (row[0], row[1]) if row else None

    async def used(self, key_hash: str, now: int) -> None:
        await self._db.run("UPDATE api_keys SET used_at = ? WHERE key_hash = ?", (now, key_hash))

    async def end_others(self, kept: Sequence[str], at: int, now: int) -> int:
        others = f"key_hash NOT IN ({', '.join('?' for _ in kept)}) AND (expires_at IS NULL OR expires_at > ?)"
        ended = await self._db.run(f"UPDATE api_keys SET expires_at = ? WHERE {others}", (at, *kept, at))
        await self._db.run("DELETE FROM api_keys WHERE expires_at <= ?", (now,))
        return ended

    async def get(self, key_hash: str) -> KeyRow | None:
        row = await self._db.one(f"SELECT {_COLUMNS} FROM api_keys WHERE key_hash = ?", (key_hash,))
        return KeyRow(*row) if row else None

    async def find(self, scope: str, search: str, *, limit: int, offset: int) -> tuple[list[KeyRow], int]:
        dialect = self._db.dialect
        named = dialect.contains(dialect.lower("name"), ":search")
        where = f"(:scope = '' OR scope = :scope) AND (:search = '' OR {named})"
        values = {"scope": scope, "search": fold(search), "limit": limit, "offset": offset}
        count = f"SELECT count(*) FROM api_keys WHERE {where}"
        sql = f"SELECT {_COLUMNS} FROM api_keys WHERE {where} ORDER BY created_at, key_hash LIMIT :limit OFFSET :offset"
        rows, total = await self._db.page(count, sql, values, values)
        return [KeyRow(*row) for row in rows], total

    async def read_on(self, scope: str, search: str, position: Position, limit: int) -> list[KeyRow]:
        dialect, values = self._db.dialect, list[Any]()
        where = ["TRUE"]
        if scope:
            where.append("scope = ?")
            values.append(scope)
        if search:
            where.append(dialect.contains(dialect.lower("name"), "?"))
            values.append(fold(search))
        if position:
            where.append(behind(("created_at", "key_hash"), position, False, values))
        condition = " AND ".join(where)
        sql = f"SELECT {_COLUMNS} FROM api_keys WHERE {condition} ORDER BY created_at, key_hash LIMIT ?"
        return [KeyRow(*row) for row in await self._db.long_rows(sql, [*values, limit])]

    async def named(self, key_id: str) -> list[KeyRow]:
        sql = f"SELECT {_COLUMNS} FROM api_keys WHERE substr(key_hash, 1, length(?)) = ?"
        return [KeyRow(*row) for row in await self._db.rows(sql, (key_id, key_id))]

    async def end(self, key_hash: str, at: int) -> None:
        sql = "UPDATE api_keys SET expires_at = ? WHERE key_hash = ? AND (expires_at IS NULL OR expires_at > ?)"
        await self._db.run(sql, (at, key_hash, at))

    async def add(self, key: KeyRow) -> None:
        sql = f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._db.run(sql, dataclasses.astuple(key))

    async def change(self, key_hash: str, name: str, scope: str) -> bool:
        sql = "UPDATE api_keys SET name = ?, scope = ? WHERE key_hash = ?"
        return await self._db.run(sql, (name, scope, key_hash)) == 1

    async def remove(self, key_hash: str) -> None:
        await self._db.run("DELETE FROM api_keys WHERE key_hash = ?", (key_hash,))
