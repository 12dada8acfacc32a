"""Detects that the database was reverted to an older copy.

That may happen at any time, even under a running server: by restoring a dump, by a standby that takes over and lacks
the last commits, or by a recovery to a point in time. Then ids that clients know would be given out again.

A start is a part of the store's history: it has a random mark and the id after which it began. A new one begins when a
server starts while no other process runs, and when `starts_1.sql` finds that the database is an older copy. In the
second case ids are skipped too, so that none is given out twice. See `store.sql.starts` for what clients do with it.
"""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.ports.world import World
from tailwire.server.store.postgres.connecting import CONNECT_SECONDS, Connection
from tailwire.server.store.sql.starts import KnownStarts
from tailwire.server.telemetry.logs import log

KNOWN_START_SQL = "SELECT tailwire_known_1(?, ?)"
_BEGIN_START_SQL = "SELECT mark, last, before, why FROM tailwire_start_1($1, $2, $3, $4, $5)"
_STARTS_SQL = "SELECT mark, after_id FROM starts ORDER BY number"
_STORE_NAME_SQL = "SELECT store_name FROM app"
_REASONS = {
    "copied": "the database was restored from a dump or moved",
    "promoted": "another PostgreSQL server has taken over, or the database was recovered to a point in time",
    "older": "an older copy of the database was restored",
}


class Starts:
    """The starts of the store, as this process last read them.

    Attributes:
        begins: whether the first `check` begins a new start if no other process is alive: True for a server, False for
            a command.
        name: the store's name; "" while the database has no app yet.
        mark: the mark of the current start; "" before the first `check`.
        highest: the highest id that this process knows to be given out, by itself or others.
        known: all starts in the database.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._on_new: list[Callable[[], None]] = []
        self.begins = False
        self.name = self.mark = ""
        self.highest = 0
        self.known = KnownStarts()

    def on_new(self, call: Callable[[], None]) -> None:
        """Register a function that is called whenever a new start has begun while this process runs.

        In most cases the reason is that the database was reverted to an older copy.
        """
        self._on_new.append(call)

    def record_given_out(self, number: int) -> None:
        """Record that ids up to `number` are given out. A database that has given out fewer is an older copy."""
        self.highest = max(self.highest, number)

    async def check(self, connection: Connection) -> None:
        """Read the current start from the database, which first begins a new one if necessary.

        If it is another one than at the last call, the functions of `on_new` are called.

        Raises:
            One of `connecting.UNUSABLE`: the database cannot be used or written.
        """
        world = self._world
        values = (world.secret(6), world.secret(8), world.seconds(), self.highest, self.begins and not self.mark)
        found = await connection.fetchrow(_BEGIN_START_SQL, *values, timeout=CONNECT_SECONDS)
        if found is None:
            raise RuntimeError("tailwire_start_1 returned nothing")
        mark, last, before, why = found
        if mark != self.mark:
            starts = await connection.fetch(_STARTS_SQL, timeout=CONNECT_SECONDS)
            self.name = await connection.fetchval(_STORE_NAME_SQL, timeout=CONNECT_SECONDS) or ""
            self.known = KnownStarts([(row[0], row[1]) for row in starts])
        if why in _REASONS:
            log.warning(
                "%s: it ends with id %d, and continues after id %d; clients connect again and are notified of what is"
                " missing",
                _REASONS[why], before, last,
            )  # fmt: skip
        first, changed = not self.mark, mark != self.mark
        self.mark = mark
        self.record_given_out(last)
        if changed and not first:
            self.announce_new()

    def announce_new(self) -> None:
        """Call the functions that were passed to `on_new`."""
        for call in self._on_new:
            call()
