"""Leases for work that only one server may do at a time, such as sending for a webhook.

Each has a name, and belongs to a process until that process releases it or is declared dead (see `processes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.lane import LEASE_SECONDS, Lane

# Takes nothing if this process has been declared dead: then it has no row in `processes`.
_TAKE_LEASES_SQL = """WITH taken AS (INSERT INTO leases (name, process) SELECT w.name, p.id
FROM unnest(CAST(:names AS text[])) AS w (name), processes p WHERE p.id = CAST(:mine AS bigint) ORDER BY w.name
ON CONFLICT (name) DO NOTHING RETURNING name)
SELECT name FROM taken UNION ALL SELECT name FROM leases WHERE process = CAST(:mine AS bigint)"""
_GIVE_UP_LEASES_SQL = "DELETE FROM leases WHERE process = :mine AND name = ANY(CAST(:names AS text[]))"


class Leases:
    """The leases of this process.

    A lease counts as held for only half of `LEASE_SECONDS` after the process has renewed its own lease, so that this
    process stops before another one can take over.
    """

    def __init__(self, database: Database, lane: Lane) -> None:
        self._database = database
        self._lane = lane
        self._held: frozenset[str] = frozenset()
        self._held_until = 0.0
        self._take_lock = asyncio.Lock()
        self._on_taken: list[Callable[[frozenset[str]], None]] = []
        lane.on_new_identity(self._forget_leases)

    def on_taken(self, call: Callable[[frozenset[str]], None]) -> None:
        """Register a function that is called with the names of leases whenever `take` has acquired some.

        Leases that had stopped counting as held, because this process was too slow to renew, count as acquired again.
        """
        self._on_taken.append(call)

    def holds(self, name: str) -> bool:
        """Return whether this process holds the lease of a name; False if that is not certain."""
        return name in self._held and asyncio.get_running_loop().time() < self._held_until

    async def take(self, names: Collection[str]) -> None:
        """Acquire those of the given leases that no other process holds, and release all other leases of this process.

        Call this after each renewal of this process's own lease: that extends the time for which leases count as held.

        Args:
            names: all leases that this process wants, including those that it holds.

        Raises:
            Refused, or one of `connecting.UNUSABLE`: the database cannot be used.
        """
        async with self._take_lock:  # of two at once, one would not see what the other has taken
            await self._take(names)

    async def _take(self, names: Collection[str]) -> None:
        # The time counts from when the renewal was requested. While the answer was on its way, or this process was
        # stopped, the lease went on, and it may have ended by now.
        until, process = self._lane.renewed_at + LEASE_SECONDS / 2, self._lane.process
        rows = await self._database.rows(_TAKE_LEASES_SQL, {"names": list(names), "mine": process})
        found = frozenset(row[0] for row in rows)
        if process != self._lane.process:
            return
        unwanted = found.difference(names)
        if unwanted:
            await self._database.run(_GIVE_UP_LEASES_SQL, {"names": sorted(unwanted), "mine": process})
        held = found - unwanted
        new = held if asyncio.get_running_loop().time() >= self._held_until else held - self._held
        self._held, self._held_until = held, until
        if new:
            for call in self._on_taken:
                call(new)

    def _forget_leases(self) -> None:
        self._held = frozenset()
