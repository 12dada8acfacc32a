"""Which users are online at which server process: an unlogged table, which is empty after a crash of the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from tailwire.server.ports.presence import LocalPresence, ProcessUsers, State, StoredPresence, Transition
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.connecting import UNUSABLE
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.unit import Unit

_STORE_PRESENCE_SQL = """SELECT befores, afters, version FROM tailwire_presence_2(CAST(:process AS bigint),
CAST(:after AS bigint), CAST(:uids AS text[]), CAST(:here AS boolean[]), CAST(:away AS boolean[]))"""
_VERSIONS_SQL = "SELECT process, version FROM presence_versions"
_USERS_OF_PROCESS_SQL = """SELECT v.version, coalesce(array_agg(p.uid), '{}'), coalesce(array_agg(p.away), '{}')
FROM presence_versions v LEFT JOIN presence p ON p.process = v.process WHERE v.process = :process GROUP BY v.version"""


class PresenceRows:
    """`ports.presence.PresenceTable` on PostgreSQL."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._database = database
        self._lane = lane
        self._last = (0, 0)  # the process and the version of the last change that is known to be stored

    async def store_online(self, users: Sequence[LocalPresence]) -> StoredPresence:
        with _unavailable_on_error():
            try:
                process, row = await self._store_users(users)
            except asyncpg.ForeignKeyViolationError:
                # Others have declared this process dead: an empty unit is refused, so that it takes a new identity.
                await self._lane.submit(Entry(unit=Unit()))
                process, row = await self._store_users(users)
        befores, afters, version = row
        pairs = zip(befores, afters, strict=True)
        return StoredPresence(process, version, [Transition(State(before), State(after)) for before, after in pairs])

    async def _store_users(self, users: Sequence[LocalPresence]) -> tuple[int, Any]:
        # An earlier call that was given up may still be carried out. If that happens before this call, the version that
        # is named here is not the stored one, and this call is repeated. If it happens afterwards, the earlier call
        # names an old version, and changes nothing.
        process = self._lane.process
        after = self._last[1] if self._last[0] == process else 0
        columns = {"uids": [u.uid for u in users], "here": [u.online for u in users], "away": [u.away for u in users]}
        while True:
            row = await self._database.first_row(_STORE_PRESENCE_SQL, {"process": process, "after": after, **columns})
            befores, _, after = row
            self._last = (process, after)
            if befores is not None:
                return process, row

    async def versions(self) -> tuple[int, dict[int, int]]:
        with _unavailable_on_error():
            return self._lane.process, dict(await self._database.rows(_VERSIONS_SQL))

    async def users_of(self, process: int) -> ProcessUsers | None:
        with _unavailable_on_error():
            found = await self._database.long_rows(_USERS_OF_PROCESS_SQL, {"process": process})
        if not found:
            return None
        version, uids, away = found[0]
        return ProcessUsers(version, {uid: is_away for uid, is_away in zip(uids, away, strict=True) if uid is not None})


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except UNUSABLE as e:
        raise Refused("ERR_UNAVAILABLE", f"The database cannot be used: {e}.", retry_after=1.0) from e
