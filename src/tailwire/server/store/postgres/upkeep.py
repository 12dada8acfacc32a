"""Periodic work of a process: renews its lease (see `processes`), and removes old records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

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

    A cleanup has a task of its own, because it may take longer than the lease lasts, and so has what follows a renewal.
    There is one of each at a time.

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
        self._cleanup: asyncio.Task[bool] | None = None
        self._following: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Start the task that renews the lease and removes old records."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire store upkeep")

    def on_cleanup(self, call: Callable[[], Awaitable[None]]) -> None:
        """Register a function that is called at each cleanup of this process, to remove other old records."""
        self._on_cleanup.append(call)

    def on_renewed(self, call: Callable[[], Awaitable[None]]) -> None:
        """Register a function that is called after a renewal of the lease, unless its last call is still running."""
        self._on_renewed.append(call)

    async def _run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(self._pause)
            turn += 1
            if await self._is_closed_after(self._renew):
                return
            if turn % TURNS_PER_CLEANUP == 0 and self.cleans():
                self._cleanup = self._unless_running(self._cleanup, self.clean, "tailwire store cleanup")

    def _unless_running(
        self, task: asyncio.Task[bool] | None, work: Callable[[], Awaitable[None]], name: str
    ) -> asyncio.Task[bool]:
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(self._is_closed_after(work), name=name)
        return task

    async def _is_closed_after(self, work: Callable[[], Awaitable[None]]) -> bool:
        # Whether the store is closed. What fails is done again at a later turn.
        try:
            await work()
        except (*UNUSABLE, Refused) as e:
            log.debug("the store's upkeep is done later: %s", e)
        except (LaneClosed, DatabaseClosed):
            return True
        except Exception:  # noqa: BLE001 - without renewals this process would be declared dead
            log.exception("the store's upkeep failed")
        return False

    async def _renew(self) -> None:
        await self._processes.renew()
        await self._check_start()
        self._following = self._unless_running(self._following, self._follow, "tailwire store renewed")

    async def _follow(self) -> None:
        for call in self._on_renewed:
            await call()

    async def _check_start(self) -> None:
        starts = self._lane.starts
        if not (await self._database.first_row(KNOWN_START_SQL, (starts.mark, starts.highest), urgent=True))[0]:
            self._lane.recheck_start()

    async def clean(self) -> None:
        """Remove old records now, and call the functions of `on_cleanup`."""
        await self._database.run(_FORGET_BATCHES_SQL, (ROWS_PER_CLEANUP,))
        await self._database.run(_FORGET_CHANGES_SQL, (ROWS_PER_CLEANUP,))
        for call in self._on_cleanup:
            await call()

    async def close(self) -> None:
        """Cancel the tasks, and wait until they have ended."""
        tasks = [task for task in self._tasks if task is not None]
        self.stop()
        if tasks:
            await asyncio.wait(tasks)

    def stop(self) -> None:
        """Cancel the tasks, without waiting."""
        for task in self._tasks:
            if task is not None:
                task.cancel()
        self._task = self._cleanup = self._following = None

    @property
    def _tasks(self) -> tuple[asyncio.Task[Any] | None, ...]:
        return self._task, self._cleanup, self._following
