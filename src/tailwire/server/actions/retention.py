"""Removes messages and files because of their age.

This is done in small steps with pauses in between, so that other writes do not wait. The next run continues where an
interrupted one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailwire.server.ports.pruning import PruningStore
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

DAY_SECONDS = 86_400
MESSAGES_PER_STEP = 50
FILES_PER_STEP = 100
PAUSE_RATIO = 4.0
"""A pause is this many times as long as the step before, so that steps take a fifth of the time."""
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 600.0, 3600.0


async def prune(
    store: PruningStore, clock: Callable[[], float], *, messages: int | None, files: int | None,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[int, int]:  # fmt: skip
    """Remove old messages, and mark old files for removal, which `Cleanup` does. Return when that is done.

    Args:
        store: removes and marks them.
        clock: returns monotonic seconds.
        messages: remove messages that were sent at or before this time, in seconds since 1970; None to keep all.
        files: mark files that were uploaded at or before this time, in seconds since 1970; None to keep all.
        stopped: called before each step. If it returns True, no further step is begun.

    Returns:
        How many messages were removed, and how many files were marked.

    Raises:
        Refused: the store cannot write.
    """
    removed = condemned = 0
    while messages is not None and not stopped():
        begun = clock()
        step = await store.remove_messages(messages, MESSAGES_PER_STEP)
        removed += step
        if not step:
            break
        await asyncio.sleep(PAUSE_RATIO * (clock() - begun))
    if removed:
        await store.end()
    while files is not None and not stopped():
        begun = clock()
        step = await store.condemn_files(files, FILES_PER_STEP)
        condemned += step
        if step < FILES_PER_STEP:
            break
        await asyncio.sleep(PAUSE_RATIO * (clock() - begun))
    return removed, condemned


class Retention:
    """Removes old messages and files while the server runs, in runs that are 10 to 60 minutes apart.

    Args:
        messages_days, files_days: the ages in days at which messages and files are removed; 0 to keep all of them.
    """

    def __init__(self, store: Store, world: World, *, messages_days: float, files_days: float) -> None:
        self._store = store.pruning
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._messages = messages_days * DAY_SECONDS
        self._files = files_days * DAY_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Start to remove what is too old, in the background, now and at intervals. Return at once.

        Nothing is done if everything is kept.
        """
        self._timer = None
        if (self._messages or self._files) and self._task is None and not self._closed:
            self._task = self._loop.create_task(self._run(), name="tailwire retention")

    async def _run(self) -> None:
        wait = MAX_INTERVAL_SECONDS
        try:
            now = self._world.seconds()
            messages = int(now - self._messages) if self._messages else None
            files = int(now - self._files) if self._files else None
            removed, condemned = await prune(
                self._store, self._loop.time, messages=messages, files=files, stopped=lambda: self._closed
            )
            if removed or condemned:
                log.info("removed because of their age: messages=%d files=%d", removed, condemned)
            wait = await self._seconds_until_next()
        except (OSError, Refused) as e:
            log.warning("old messages and files could not be removed; trying again in an hour: %s", e)
        except Exception:  # noqa: BLE001 - it must not end with one failure
            log.exception("old messages and files could not be removed; trying again in an hour")
        finally:
            self._task = None
        if not self._closed:
            self._timer = self._loop.call_later(wait, self.start)

    async def _seconds_until_next(self) -> float:
        message, file = await self._store.oldest_times()
        due = [
            oldest + age
            for oldest, age in ((message, self._messages), (file, self._files))
            if age and oldest is not None
        ]
        wait = min(due, default=MAX_INTERVAL_SECONDS + self._world.seconds()) - self._world.seconds()
        return min(max(wait, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)

    async def close(self) -> None:
        """Wait for the current step, and begin no further one."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])
