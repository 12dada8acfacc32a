"""Removes messages and files because of their age.

This is done in small steps with pauses in between, so that other writes do not wait. The next run continues where an
interrupted one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tailwire.server.ports.pruning import PruningStore
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

DAY_SECONDS = 86_400
MESSAGES_PER_STEP = 50
MESSAGES_PER_LOOK = 5_000
"""How many messages are examined at once, without a transaction, in search of old ones behind newer ones."""
LOOKS_PER_RUN = 10
"""How often a run of the server looks on behind the messages that are too new; the next run continues there."""
FILES_PER_STEP = 100
PAUSE_RATIO = 4.0
"""A pause is this many times as long as the step before, so that steps take a fifth of the time."""
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 600.0, 3600.0


@dataclass(slots=True)
class Search:
    """The search for old messages behind newer ones, which were sent while the clock was wrong.

    Attributes:
        looks: how often a run may look on; None for until the last message.
        after: the id after which the next look begins.
        begin: the id after which each run begins, besides at the first message: there is the message that becomes old
            first of those that were looked at, behind others with a time in the future.
        first: the time and the id of that message, of those looked at since the search began at the first message.
        complete: whether all messages were looked at once.
    """

    looks: int | None = None
    after: int = 0
    begin: int = 0
    first: tuple[int, int] | None = None
    complete: bool = False

    def record(self, until: int, found: tuple[int, int] | None) -> None:
        """Record a look.

        Args:
            until: the id up to which it was looked.
            found: the id and the time of the message that becomes old first of these.
        """
        self.after = until
        if found is not None:
            number, sent_at = found
            self.first = (sent_at, number) if self.first is None else min(self.first, (sent_at, number))
            if not self.complete:
                self.begin = self.first[1] - 1

    def restart(self) -> None:
        """Begin again at the first message, because all were looked at."""
        if self.first is not None:
            self.begin = self.first[1] - 1
        self.after, self.first, self.complete = 0, None, True


async def prune(
    store: PruningStore, clock: Callable[[], float], *, messages: int | None, files: int | None,
    stopped: Callable[[], bool] = lambda: False, search: Search | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Remove old messages, and mark old files for removal, which `Cleanup` does. Return when that is done.

    Args:
        store: removes and marks them.
        clock: returns monotonic seconds.
        messages: remove messages that were sent at or before this time, in seconds since 1970; None to keep all.
        files: mark files that were uploaded at or before this time, in seconds since 1970; None to keep all.
        stopped: called before each step. If it returns True, no further step is begun.
        search: how far to look behind messages that are too new, and where to begin; by default all are examined.

    Returns:
        How many messages were removed, and how many files were marked.

    Raises:
        Refused: the store cannot write.
    """
    removed = condemned = 0
    if messages is not None:
        removed = await _remove_messages(store, clock, messages, stopped, search or Search())
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


async def _remove_messages(
    store: PruningStore, clock: Callable[[], float], before: int, stopped: Callable[[], bool], search: Search
) -> int:
    removed, after, looks = 0, 0, search.looks
    places = [search.after, search.begin]  # where to go on, last one first
    while not stopped():
        begun = clock()
        step = await store.remove_messages(before, MESSAGES_PER_STEP, after)
        removed += step
        if not step and places:
            after = places.pop()
        elif not step:
            if looks == 0:
                break
            looks = looks - 1 if looks is not None else None
            until = await store.newer_until(before, MESSAGES_PER_LOOK, after)
            if until == after:
                search.restart()
                break
            search.record(until, await store.first_old(after, until))
            after = until
        await asyncio.sleep(PAUSE_RATIO * (clock() - begun))
    return removed


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
        self._search = Search(LOOKS_PER_RUN)

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
                self._store, self._loop.time, messages=messages, files=files, stopped=lambda: self._closed,
                search=self._search,
            )  # fmt: skip
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
