"""The audit log. The entry of a change is stored in the change's transaction, that of a read or send in its own."""

from __future__ import annotations

from tailwire.server.ports.audit import BEHALF, CHANGE, USE, AuditEntry
from tailwire.server.store.postgres.access import DatabaseAccess
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.audit import AuditRows

ROWS_PER_CLEANUP = 20_000
_EXPIRED_SQL = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)"
_EXCESS_SQL = """DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE kind = ? AND id <=
(SELECT id FROM audit WHERE kind = ? ORDER BY id DESC LIMIT 1 OFFSET ?) ORDER BY id LIMIT ?)"""


class Audit(AuditRows):
    """`AuditStore` on PostgreSQL. Entries of changes are not stored here, but by `Accompaniment` with their write."""

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads, access.world)
        self._access = access
        self._counted = False  # whether this process has counted the entries yet

    def set_limits(self, *, seconds: int, entries: int) -> None:
        super().set_limits(seconds=seconds, entries=entries)
        self._access.accompaniment.keeps = seconds > 0

    async def add(self, entry: AuditEntry) -> None:
        entry.taken = True
        unit = Unit()
        self._access.accompaniment.add_last_step(unit, entry)
        await self._access.lane.submit(Entry(unit=unit))

    async def clean(self) -> None:
        """Remove expired entries, and of each kind the oldest ones beyond the limit.

        One call removes at most `ROWS_PER_CLEANUP` expired entries, and as many of each kind. Does nothing before
        `set_limits`. Because counting is slow, the limit is checked at the first call, and then only after this process
        has added one per cent of the limit.
        """
        if not self.most:  # the limits are not known yet
            return
        await self._db.run(_EXPIRED_SQL, (self._world.seconds() - self.seconds, ROWS_PER_CLEANUP))
        # The database has to count all entries for this.
        if self._counted and self._access.accompaniment.written <= self.most // 100:
            return
        self._counted, self._access.accompaniment.written = True, 0
        for kind in (CHANGE, BEHALF, USE):
            await self._db.run(_EXCESS_SQL, (kind, kind, self.most, ROWS_PER_CLEANUP))
