"""Who is online at which process: an unlogged table, which is empty after a crash of the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import asyncpg

from tailwire.server.ports.presence import Here, Noted, Roll, State, Transition
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.connecting import UNUSABLE
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.unit import Unit

_NOTE = """SELECT befores, afters, version FROM tailwire_presence_1(CAST(:process AS bigint), CAST(:uids AS text[]),
CAST(:here AS boolean[]), CAST(:away AS boolean[]))"""
_VERSIONS = "SELECT process, version FROM presence_versions"
_ROLL = """SELECT v.version, coalesce(array_agg(p.uid), '{}'), coalesce(array_agg(p.away), '{}')
FROM presence_versions v LEFT JOIN presence p ON p.process = v.process WHERE v.process = :process GROUP BY v.version"""


class PresenceRows:
    """`ports.presence.PresenceTable`."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._database = database
        self._lane = lane

    async def note(self, users: Sequence[Here]) -> Noted:
        columns = {"uids": [u.uid for u in users], "here": [u.online for u in users], "away": [u.away for u in users]}
        process = self._lane.process
        with _unavailable_on_error():
            try:
                row = await self._database.one(_NOTE, {"process": process, **columns})
            except asyncpg.ForeignKeyViolationError:
                # Others have declared this process dead: an empty unit is refused, so that it takes a new identity.
                await self._lane.submit(Entry(unit=Unit()))
                process = self._lane.process
                row = await self._database.one(_NOTE, {"process": process, **columns})
        befores, afters, version = row
        pairs = zip(befores, afters, strict=True)
        return Noted(process, version, [Transition(State(before), State(after)) for before, after in pairs])

    async def versions(self) -> tuple[int, dict[int, int]]:
        with _unavailable_on_error():
            return self._lane.process, dict(await self._database.rows(_VERSIONS))

    async def roll(self, process: int) -> Roll | None:
        with _unavailable_on_error():
            found = await self._database.long_rows(_ROLL, {"process": process})
        if not found:
            return None
        version, uids, away = found[0]
        return Roll(version, {uid: is_away for uid, is_away in zip(uids, away, strict=True) if uid is not None})


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except UNUSABLE as e:
        raise Refused("ERR_UNAVAILABLE", f"The database cannot be used: {e}.", retry_after=1.0) from e
