"""API keys. Their scopes are cached, because every request of a backend needs that of its key."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.ports.changes import Change
from tailwire.server.ports.read_cache import ReadCache
from tailwire.server.store.postgres.access import DatabaseAccess
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.keys import KeyRows

MAX_CACHED_SCOPES = 1_000
ALL_KEYS = "*"
"""What a `Change` of the kind `key` has as its key if it concerns all API keys, in place of the hash of one."""


class Keys(KeyRows):
    """`KeyStore` on PostgreSQL. Only keys that exist are cached, so other processes are not notified of a new one."""

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads)
        self._access = access
        self._scopes: ReadCache[tuple[str, int | None] | None] = ReadCache(access.feed, MAX_CACHED_SCOPES)
        access.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            self._scopes.clear()
            return
        for _, kind, key in changes:
            if (kind, key) == ("key", ALL_KEYS):
                self._scopes.clear()
            elif kind == "key":
                self._scopes.forget(key)

    async def _scope_until(self, key_hash: str) -> tuple[str, int | None] | None:
        read = super()._scope_until
        return await self._scopes.get(key_hash, lambda: read(key_hash))

    async def end_others(self, kept: Sequence[str], at: int, now: int) -> int:
        unit = Unit()
        unit.run(
            "UPDATE api_keys SET expires_at = :at::bigint WHERE NOT key_hash = ANY (string_to_array(:kept, ' '))"
            " AND (expires_at IS NULL OR expires_at > :at::bigint)",
            at=at, kept=" ".join(kept),
        )  # fmt: skip
        unit.run("DELETE FROM api_keys WHERE expires_at <= :now::bigint", now=now)
        unit.invalidate("key", ALL_KEYS)
        return int((await self._access.carry_out(unit)).results[0])

    async def end(self, key_hash: str, at: int) -> None:
        unit = Unit()
        unit.run(
            "UPDATE api_keys SET expires_at = :at::bigint WHERE key_hash = :key"
            " AND (expires_at IS NULL OR expires_at > :at::bigint)",
            at=at, key=key_hash,
        )  # fmt: skip
        unit.invalidate("key", key_hash)
        await self._access.carry_out(unit)

    async def change(self, key_hash: str, name: str, scope: str) -> bool:
        unit = Unit()
        unit.run_required(
            "UPDATE api_keys SET name = :name, scope = :scope WHERE key_hash = :key",
            name=name, scope=scope, key=key_hash,
        )  # fmt: skip
        unit.invalidate("key", key_hash)
        return (await self._access.carry_out(unit)).ended is None

    async def remove(self, key_hash: str) -> None:
        unit = Unit()
        unit.run("DELETE FROM api_keys WHERE key_hash = :key", key=key_hash)
        unit.invalidate("key", key_hash)
        await self._access.carry_out(unit)
