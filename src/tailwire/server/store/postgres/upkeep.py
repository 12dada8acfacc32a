"""What a process does all the time: it renews its lease, removes dead processes and old records, and holds its lock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.connecting import CONNECT_SECONDS, UNUSABLE, Connection, connect_reader
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.lane import Lane, LaneClosed
from tailwire.server.store.postgres.starts import KNOWN
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.telemetry.logs import log

RENEW_SECONDS = 2.0
TURNS_PER_CLEANUP = 15
ROWS_PER_CLEANUP = 20_000
LOCK_TRIES = 30
LOCK_RETRY_SECONDS = 0.1  # PostgreSQL needs a moment to notice that a killed server is gone
SERVER_LOCK = 7308898
"""Held while a server uses the database."""
_RENEW = "UPDATE processes SET until = clock_timestamp() + interval '10 seconds' WHERE id = ?"
_FORGET_BATCHES = """DELETE FROM batches WHERE ctid IN
(SELECT ctid FROM batches WHERE at < clock_timestamp() - interval '5 minutes' LIMIT ?)"""
_FORGET_CHANGES = """DELETE FROM changes WHERE ctid IN
(SELECT ctid FROM changes WHERE at < clock_timestamp() - interval '1 hour' ORDER BY id LIMIT ?)"""


class DatabaseInUse(OSError):
    """Another server uses the database."""


class Upkeep:
    """Runs until it is stopped.

    Args:
        serving: whether this process is a server, and needs the database for itself.
    """

    def __init__(self, database: Database, lane: Lane, *, serving: bool) -> None:
        self._database = database
        self._lane = lane
        self._serving = serving
        self._pause = RENEW_SECONDS
        self._lock: Connection | None = None
        self._also: list[Callable[[], Awaitable[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the lock of the server, and begin.

        Raises:
            DatabaseInUse: another server has it.
            One of `connecting.UNUSABLE`: the database cannot be used.
        """
        if self._serving:
            tries = 0
            while not await self._locked():
                tries += 1
                if tries == LOCK_TRIES:
                    raise DatabaseInUse(
                        "another server uses this PostgreSQL database: stop it, or use another database"
                    )
                await asyncio.sleep(LOCK_RETRY_SECONDS)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire store upkeep")

    def on_cleanup(self, call: Callable[[], Awaitable[None]]) -> None:
        """Call a function at each cleanup, to remove what else is old."""
        self._also.append(call)

    async def _locked(self) -> bool:
        # The lock lasts as long as its connection.
        if self._lock is not None and not self._lock.is_closed():
            return True
        connection = await connect_reader(self._database.url, CONNECT_SECONDS)
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", SERVER_LOCK, timeout=CONNECT_SECONDS):
            self._lock = connection
            return True
        connection.terminate()
        return False

    async def _run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(self._pause)
            turn += 1
            try:
                await self._once(clean=turn % TURNS_PER_CLEANUP == 0)
            except (*UNUSABLE, Refused) as e:
                log.debug("the store's upkeep is done later: %s", e)
            except LaneClosed:
                return

    async def _once(self, *, clean: bool) -> None:
        await self._database.run(_RENEW, (self._lane.process,))
        starts = self._lane.starts
        if not (await self._database.one(KNOWN, (starts.mark, starts.highest)))[0]:
            self._lane.distrust()
        if self._serving and not await self._locked():
            log.error("another server uses this PostgreSQL database too: stop one of them")
        if clean:
            await self.clean()

    async def clean(self) -> None:
        """Remove processes whose lease has ended, and records that nobody asks for any more."""
        unit = Unit()
        unit.do("DELETE FROM processes WHERE until < clock_timestamp()")
        await self._lane.submit(Entry(unit=unit))
        await self._database.run(_FORGET_BATCHES, (ROWS_PER_CLEANUP,))
        await self._database.run(_FORGET_CHANGES, (ROWS_PER_CLEANUP,))
        for call in self._also:
            await call()

    async def close(self) -> None:
        """End, and return when nothing is in progress any more."""
        task = self._task
        self.stop()
        if task is not None:
            await asyncio.wait([task])

    def stop(self) -> None:
        """End, and release the lock."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._lock is not None:
            self._lock.terminate()
            self._lock = None
