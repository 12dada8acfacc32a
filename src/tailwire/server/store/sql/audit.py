"""The audit log: its limits and its reads."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.audit import AuditEntry, AuditFilter, AuditRow
from tailwire.server.ports.world import World
from tailwire.server.store.sql.connection import Connection

ROWS_PER_CLEANUP = 500
ENTRY_COLUMNS = (
    "kind", "actor", "key_hash", "on_behalf_of", "action", "target", "details", "address", "request_id",
)  # fmt: skip
_COLUMNS = ", ".join(AuditRow._fields)


def insert(at: str) -> str:
    """Return the statement that stores an entry. Its values are those of `entry_values`.

    Args:
        at: how the statement writes the time: `:at`, or with a cast `:at::bigint`.
    """
    return (
        f"INSERT INTO audit ({', '.join(AuditRow._fields[1:])}) SELECT"
        f" {at}, :kind, :actor, coalesce((SELECT name FROM api_keys WHERE key_hash = :key_hash), ''), :on_behalf_of,"
        " :action, :target, :details, :address, :request_id"
    )


def entry_values(entry: AuditEntry, at: int) -> dict[str, Any]:
    """Return the values of the statement of `insert` for an entry.

    Args:
        at: the time of the entry, in seconds since 1970.
    """
    return {"at": at, **{name: getattr(entry, name) for name in ENTRY_COLUMNS}}


class AuditRows:
    """`AuditStore`, without `add`.

    Attributes:
        seconds: how many seconds entries are kept; 0 if none are stored, or before `set_limits`.
        most: how many entries of each kind are kept; 0 before `set_limits`.
    """

    def __init__(self, connection: Connection, world: World) -> None:
        self._db = connection
        self._world = world
        self.seconds = self.most = 0

    def set_limits(self, *, seconds: int, entries: int) -> None:
        self.seconds, self.most = seconds, entries

    async def find(self, criteria: AuditFilter) -> list[AuditRow]:
        conditions, values = ["at >= ?"], [self._world.seconds() - self.seconds]
        found: list[tuple[Any, ...]] = [
            ("id < ?", criteria.before), ("at >= ?", criteria.since), ("at <= ?", criteria.until),
            ("kind = ?", criteria.kind or None), ("actor = ?", criteria.actor or None),
            ("on_behalf_of = ?", criteria.on_behalf_of or None), ("action = ?", criteria.action or None),
            ("target IN (?, ?)", criteria.target or None, criteria.target.lower()),
        ]  # fmt: skip
        for condition, *wanted in found:
            if wanted[0] is not None:
                conditions.append(condition)
                values += wanted
        sql = f"SELECT {_COLUMNS} FROM audit WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
        return [AuditRow(*row) for row in await self._db.long_rows(sql, (*values, criteria.limit))]

    async def last_entry(self, action: str) -> AuditRow | None:
        row = await self._db.first_row(
            f"SELECT {_COLUMNS} FROM audit WHERE action = ? ORDER BY id DESC LIMIT 1", (action,)
        )
        return AuditRow(*row) if row else None
