"""API keys, by their hashes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.filters import Position
from tailwire.server.ports.key_records import KeyRow
from tailwire.server.store.sql.conditions import page_clause
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.folding import fold
from tailwire.server.store.sql.statements import KEY_SCOPE_SQL

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
        row = await self._db.first_row(KEY_SCOPE_SQL, {"hash": key_hash})
        return (row[0], row[1]) if row else None

    async def record_use(self, key_hash: str, now: int) -> None:
        await self._db.run("UPDATE api_keys SET used_at = ? WHERE key_hash = ?", (now, key_hash))

    async def end_others(self, kept: Sequence[str], at: int, now: int) -> int:
        others = f"key_hash NOT IN ({', '.join('?' for _ in kept)}) AND (expires_at IS NULL OR expires_at > ?)"
        ended = await self._db.run(f"UPDATE api_keys SET expires_at = ? WHERE {others}", (at, *kept, at))
        await self._db.run("DELETE FROM api_keys WHERE expires_at <= ?", (now,))
        return ended

    async def get(self, key_hash: str) -> KeyRow | None:
        row = await self._db.first_row(f"SELECT {_COLUMNS} FROM api_keys WHERE key_hash = ?", (key_hash,))
        return KeyRow(*row) if row else None

    async def find(self, scope: str, search: str, *, limit: int, offset: int) -> tuple[list[KeyRow], int]:
        values: list[Any] = []
        condition = self._condition(scope, search, values)
        count = f"SELECT count(*) FROM api_keys WHERE {condition}"
        sql = f"SELECT {_COLUMNS} FROM api_keys WHERE {condition} ORDER BY created_at, key_hash LIMIT ? OFFSET ?"
        rows, total = await self._db.page(count, sql, values, [*values, limit, offset])
        return [KeyRow(*row) for row in rows], total

    async def list_after(self, scope: str, search: str, position: Position, limit: int) -> list[KeyRow]:
        values: list[Any] = []
        condition = self._condition(scope, search, values)
        end = page_clause(condition, ("created_at", "key_hash"), position, limit, values)
        return [KeyRow(*row) for row in await self._db.long_rows(f"SELECT {_COLUMNS} FROM api_keys {end}", values)]

    def _condition(self, scope: str, search: str, values: list[Any]) -> str:
        dialect, where = self._db.dialect, ["TRUE"]
        if scope:
            where.append("scope = ?")
            values.append(scope)
        if search:
            where.append(dialect.contains(dialect.lower("name"), "?"))
            values.append(fold(search))
        return " AND ".join(where)

    async def keys_with_id(self, key_id: str) -> list[KeyRow]:
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
