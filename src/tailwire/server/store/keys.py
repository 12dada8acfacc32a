"""API keys, by their hashes."""

from __future__ import annotations

import dataclasses

from tailwire.server.ports.records import KeyRow
from tailwire.server.store.database import Database
from tailwire.server.store.statements import KEY_SCOPE

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(KeyRow))


class Keys:
    """`KeyStore` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def scope(self, key_hash: str) -> str | None:
        row = await self._db.one(KEY_SCOPE, {"hash": key_hash})
        return row[0] if row else None

    async def get(self, key_hash: str) -> KeyRow | None:
        row = await self._db.one(f"SELECT {_COLUMNS} FROM api_keys WHERE key_hash = ?", (key_hash,))
        return KeyRow(*row) if row else None

    async def find(self, scope: str, search: str, *, limit: int, offset: int) -> tuple[list[KeyRow], int]:
        where = "(? = '' OR scope = ?) AND (? = '' OR instr(lower(name), ?) > 0)"
        values = (scope, scope, search, search.lower())
        count = f"SELECT count(*) FROM api_keys WHERE {where}"
        sql = f"SELECT {_COLUMNS} FROM api_keys WHERE {where} ORDER BY created_at, key_hash LIMIT ? OFFSET ?"
        rows, total = await self._db.page(count, sql, values, (*values, limit, offset))
        return [KeyRow(*row) for row in rows], total

    async def add(self, key: KeyRow) -> None:
        sql = f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"
        await self._db.run(sql, dataclasses.astuple(key))

    async def change(self, key_hash: str, name: str, scope: str) -> bool:
        sql = "UPDATE api_keys SET name = ?, scope = ? WHERE key_hash = ?"
        return await self._db.run(sql, (name, scope, key_hash)) == 1

    async def remove(self, key_hash: str) -> None:
        await self._db.run("DELETE FROM api_keys WHERE key_hash = ?", (key_hash,))
