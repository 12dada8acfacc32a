"""Periodic work of a process: renews its lease (see `processes`), and removes old records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.connecting import UNUSABLE
from tailwire.server.store.postgres.database import Database, DatabaseClosed
from tailwire.server.store.postgres.lane import Lane, LaneClosed
from tailwire.server.store.postgres.processes import Processes
from tailwire.server.store.postgres.starts import KNOWN_START_SQL
from tailwire.server.telemetry.logs import log

RENEW_SECONDS = 2.0
TURNS_PER_CLEANUP = 15
ROWS_PER_CLEANUP = 20_000
# The last batch of a process stays for a week: a process that was paused, and did not get the answer, sends it again.
_FORGET_BATCHES_SQL = """DELETE FROM batches WHERE ctid IN
(SELECT b.ctid FROM batches b WHERE b.at < clock_timestamp() - interval '5 minutes'
AND (b.at < clock_timestamp() - interval '7 days'
OR EXISTS (SELECT FROM batches later WHERE later.process = b.process AND later.num > b.num)) LIMIT ?)"""
_FORGET_CHANGES_SQL = """DELETE FROM changes WHERE ctid IN
(SELECT ctid FROM changes WHERE at < clock_timestamp() - interval '1 hour' ORDER BY id LIMIT ?)"""


class Upkeep:
    """Renews the lease of this process in a task, and removes old records after every `TURNS_PER_CLEANUP` renewals.

    Attributes:
        cleans: returns whether this process removes old records, which only one of several servers should do; by
            default True.
    """

    def __init__(self, database: Database, processes: Processes, lane: Lane) -> None:
        self._database = database
        self._lane = lane
        self._processes = processes
        self.cleans: Callable[[], bool] = lambda: True
        self._pause = RENEW_SECONDS
        self._on_cleanup: list[Callable[[], Awaitable[None]]] = []
        self._on_renewed: list[Callable[[], Awaitable[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task that renews the lease and removes old records."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire store upkeep")

    def on_cleanup(self, call: Callable[[], Awaitable[None]]) -> None:
        """Register a function that is called at each cleanup of this process, to remove other old records."""
        self._on_cleanup.append(call)

    def on_renewed(self, call: Callable[[], Awaitable[None]]) -> None:
        """Register a function that is called after each renewal of the lease."""
        self._on_renewed.append(call)

    async def _run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(self._pause)
            turn += 1
            try:
                await self._run_once(clean=turn % TURNS_PER_CLEANUP == 0)
            except (*UNUSABLE, Refused) as e:
                log.debug("the store's upkeep is done later: %s", e)
            except (LaneClosed, DatabaseClosed):
                return
            except Exception:  # noqa: BLE001 - without renewals this process would be declared dead
                log.exception("the store's upkeep failed")

    async def _run_once(self, *, clean: bool) -> None:
        await self._processes.renew()
        await self._check_start()
        for call in self._on_renewed:
            await call()
        if clean and self.cleans():
            await self.clean()

    async def _check_start(self) -> None:
        starts = self._lane.starts
        if not (await self._database.first_row(KNOWN_START_SQL, (starts.mark, starts.highest)))[0]:
            self._lane.recheck_start()

    async def clean(self) -> None:
        """Remove old records now, and call the functions of `on_cleanup`."""
        await self._database.run(_FORGET_BATCHES_SQL, (ROWS_PER_CLEANUP,))
        await self._database.run(_FORGET_CHANGES_SQL, (ROWS_PER_CLEANUP,))
        for call in self._on_cleanup:
            await call()

    async def close(self) -> None:
        """Cancel the task, and wait until it has ended."""
        task = self._task
        self.stop()
        if task is not None:
            await asyncio.wait([task])

    def stop(self) -> None:
        """Cancel the task, without waiting."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
