"""The processes that use one database. Each has a row with a lease, an end time that it keeps moving forward.

If the lease of a process has ended, by the clock of PostgreSQL, another process declares it dead: it deletes the row,
and with it the process's `Leases` and its online users. If the process was only paused, its next batch of writes is
refused, and it registers again, with another id (see `lane`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from tailwire.server.ports.processes import ProcessRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.lane import LEASE_SECONDS, Lane
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.telemetry.logs import log

MAX_CLOCK_OFFSET_SECONDS = 1.0
MAX_ANSWER_SECONDS = 1.0
"""How long the answer to a renewal may take to be used for comparing the clocks."""
KEYS_CHECK_SECONDS = 0.25
"""The time between two checks of a starting server whether a server with other keys still runs."""
# No lease of a server lasts longer than LEASE_SECONDS. One that seems to was taken before PostgreSQL's clock went back
# (a standby took over), by a server that has not renewed it since.
MAX_LEASE_SECONDS = 2 * LEASE_SECONDS
_ENDED_CONDITION = f"""(until < clock_timestamp()
OR serving AND until > clock_timestamp() + interval '{MAX_LEASE_SECONDS} seconds')"""
# If this process has no row left, none is inserted: only the lane does that, because it knows what must be
# forgotten with the old one. The other parts of the statement do not see the new end of the lease, so they treat this
# process separately (`:mine`).
_RENEW_SQL = f"""WITH mine AS (UPDATE processes SET until = clock_timestamp() + interval '{LEASE_SECONDS} seconds'
WHERE id = :mine RETURNING id)
SELECT EXISTS (SELECT FROM mine),
(SELECT count(*) FROM processes WHERE serving AND (until > clock_timestamp() OR id = :mine)),
array(SELECT id FROM processes WHERE {_ENDED_CONDITION} AND id <> :mine), array(SELECT id FROM processes),
CAST(extract(epoch FROM clock_timestamp()) AS double precision)"""
_ALL_SQL = (
    """SELECT id, name, serving, CAST(extract(epoch FROM until) AS bigint), id = :mine FROM processes ORDER BY id"""
)
# The rows of `presence` that are deleted together with those of `processes` are still there for the other parts of the
# statement, which see the same snapshot.
_TAKE_OVER_SQL = f"""WITH gone AS (DELETE FROM processes WHERE {_ENDED_CONDITION} AND id IN
(SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(:ids::jsonb) AS t (value))
RETURNING id, name, serving, until)
SELECT g.id, g.name, g.serving, CAST(extract(epoch FROM least(g.until, clock_timestamp())) AS bigint) AS until,
(SELECT coalesce(jsonb_agg(p.uid), '[]') FROM presence p WHERE p.process = g.id AND NOT EXISTS
(SELECT FROM presence o WHERE o.uid = p.uid AND o.process NOT IN (SELECT id FROM gone))) AS offline FROM gone g"""
_PRESENCE_TURN_SQL = "SELECT pg_advisory_xact_lock(7308899)"  # the lock of the functions that store who is online
_OTHER_KEYS_SQL = """SELECT id, name, CAST(extract(epoch FROM until) AS double precision) FROM processes
WHERE serving AND until > clock_timestamp() AND id <> :mine AND keys NOT IN ('', :keys)"""


class EndedProcess(NamedTuple):
    """A process that was declared dead.

    Attributes:
        process: the id that it had in the database.
        at: when its lease ended, in seconds since 1970.
        offline: the uids of users who were online only at this process.
    """

    process: int
    at: int
    offline: list[str]


class DifferentKeys(OSError):
    """This server has other secret keys than a running server of the same database."""


class Processes:
    """The lease of this process, and what this process knows of the others.

    Args:
        world: the clock of this process. From the first renewal on it is corrected to agree with that of PostgreSQL
            within a second.

    Attributes:
        servers: how many servers ran at the last renewal, including this process; at least 1.
        alive: the ids of the processes that had not been declared dead at the last renewal; empty before the first.
        clock_offset: seconds by which this machine's clock is ahead of that of PostgreSQL; negative if it is behind.
    """

    def __init__(self, database: Database, lane: Lane, world: World) -> None:
        self._database = database
        self._lane = lane
        self._world = world
        self._follows = False
        self._reported_offset = 0.0
        self._ended: frozenset[int] = frozenset()  # as seen by the last renewal
        self._on_servers: list[Callable[[int], None]] = []
        self._on_ended: Callable[[EndedProcess], None] | None = None
        self.servers = 1
        self.alive: frozenset[int] = frozenset()
        self.clock_offset = 0.0

    def on_servers(self, call: Callable[[int], None]) -> None:
        """Register a function that is called with `servers`, now and whenever a renewal finds another number."""
        self._on_servers.append(call)
        call(self.servers)

    def on_ended(self, call: Callable[[EndedProcess], None]) -> None:
        """Set the function that is called with each process that `renew` has declared dead.

        Until it is set, `renew` declares none dead: a command, or a server that is not ready yet, could not report that
        the users of the dead process went offline.
        """
        self._on_ended = call

    async def all(self) -> list[ProcessRow]:
        """Return the processes that have not been declared dead, oldest first."""
        rows = await self._database.rows(_ALL_SQL, {"mine": self._lane.process})
        return [ProcessRow(*row) for row in rows]

    async def renew(self) -> None:
        """Renew the lease of this process, update the attributes, and declare processes dead whose leases have ended.

        A process is declared dead only if its lease was already found to have ended at the renewal before: after an
        outage of the database all leases have ended, and each process needs time to renew its own.

        Raises:
            Refused, or one of `connecting.UNUSABLE`: the database cannot be used.
        """
        process, began = self._lane.process, asyncio.get_running_loop().time()
        # Urgent: behind the reads of many users it would come after the end of the lease.
        row = await self._database.first_row(_RENEW_SQL, {"mine": process}, urgent=True)
        mine, servers, ended, alive, database_time = row
        if mine and process == self._lane.process:
            self._lane.renewed_at = began
        self.alive = frozenset(alive)
        took = asyncio.get_running_loop().time() - began
        if took <= MAX_ANSWER_SECONDS:
            self._check_clock(round((database_time + took / 2) * 1000))
        if not mine:
            await self._lane.submit(Entry(unit=Unit()))  # is refused, so that the lane takes a new identity
        if max(1, servers) != self.servers:
            self.servers = max(1, servers)
            for call in self._on_servers:
                call(self.servers)
        # Only processes whose leases had ended at the last renewal too: after an outage of the database all leases have
        # ended, and each process must have time to renew its own.
        dead, self._ended = self._ended.intersection(ended), frozenset(ended)
        if dead and self._on_ended is not None:
            await self._take_over(dead, self._on_ended)

    async def _take_over(self, dead: frozenset[int], report: Callable[[EndedProcess], None]) -> None:
        unit = Unit()
        # Otherwise, if a user comes online elsewhere at the same moment, that process might find them online already,
        # and this statement report them as offline.
        unit.run(_PRESENCE_TURN_SQL)
        unit.run_returning(_TAKE_OVER_SQL, ids=sorted(dead))
        for row in (await self._lane.submit(Entry(unit=unit))).results[-1]:
            if row["serving"]:
                log.warning("process %s is taken for dead: its lease was not renewed", row["name"])
            report(EndedProcess(row["id"], row["until"], row["offline"]))

    def _check_clock(self, there: int) -> None:
        here = self._world.milliseconds()
        if abs(here - there) > MAX_CLOCK_OFFSET_SECONDS * 1000:
            self._world.follow(there)
        elif not self._follows:
            self._world.follow(here)  # the clocks agree; from now on a jump of this machine's changes nothing
        self._follows = True
        self.clock_offset = offset = (self._world.machine_milliseconds() - there) / 1000
        if abs(offset - self._reported_offset) <= MAX_CLOCK_OFFSET_SECONDS:
            return
        self._reported_offset = offset if abs(offset) > MAX_CLOCK_OFFSET_SECONDS else 0.0
        if self._reported_offset:
            log.warning("this machine's clock is %+.1f s off that of PostgreSQL: synchronize both (NTP)", offset)
        else:
            log.info("this machine's clock agrees with that of PostgreSQL again")

    async def agree_on(self, keys: str) -> None:
        """Check that no running server has other secret keys, and store the hash of this server's keys in its row.

        If the row of another server has a different hash, wait until that server renews its lease, or until the lease
        ends: the server may have been killed.

        Args:
            keys: the hash of this server's keys.

        Raises:
            DifferentKeys: another server has different keys and has renewed its lease.
            Refused, or one of `connecting.UNUSABLE`: the database cannot be used.
        """
        first: dict[int, float] = {}  # by server: when its lease was to end, as first seen here
        values = {"mine": self._lane.process, "keys": keys}
        while others := await self._database.rows(_OTHER_KEYS_SQL, values):
            for number, name, until in others:
                if number not in first:
                    log.info("server %s had other keys: waiting until it renews its lease, or the lease ends", name)
                    first[number] = until
                elif until > first[number]:
                    raise DifferentKeys(
                        f"this server's keys differ from those of the running server {name}: copy signing.key and"
                        " webhooks.key from that server's data folder into this one's"
                    )
            await asyncio.sleep(KEYS_CHECK_SECONDS)
        self._lane.keys = keys
        await self._database.run("UPDATE processes SET keys = :keys WHERE id = :mine", values)
