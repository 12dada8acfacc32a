"""Removes the remains of deletions, and files that no message, user or group refers to.

One timer is set for the time at which something is due next, at most an hour ahead: commands such as `tailwire prune`
may add work to the database of a running server, which does not learn of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailwire.server.actions.uploads import NAME_KEPT_SECONDS
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.uploads import Uploads
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

BATCH_SIZE = 100
MIN_DELAY_SECONDS, MAX_DELAY_SECONDS = 1.0, 3600.0


class Cleanup:
    """Removes data and files once they are due.

    Args:
        call_later: the method of the event loop, or one like it.
        deleted_after: seconds after which a file is removed that has lost its last reference, for instance because the
            message was deleted.
        unused_after: seconds after its upload after which a file is removed that nothing has ever referred to; 0 keeps
            such files.

    Attributes:
        is_mine: returns whether this server sets the timer for what is due later. Of several servers that share a
            database, only one does. What is due at once is removed by the server whose request has caused it.
    """

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        world: World,
        call_later: Callable[..., asyncio.TimerHandle],
        *,
        deleted_after: float,
        unused_after: float,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._world = world
        self._call_later = call_later
        self._deleted_after = deleted_after
        self._unused_after = unused_after
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = self._closed = False
        self.is_mine: Callable[[], bool] = lambda: True

    def wake(self) -> None:
        """Start to remove what is due, and return at once. When that is done, the timer is set for the rest.

        If it is called during a pass, another pass follows. It does nothing after `close`.
        """
        self._again = True
        if self._task is None and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire cleanup")

    async def _run(self) -> None:
        try:
            while self._again and not self._closed:
                self._again = False
                while not self._closed and await self._store.chores.do_next():
                    pass
                while not self._closed and await self._remove_batch():
                    pass
            if not self._closed and self.is_mine():
                await self._set_timer()
        except (OSError, Refused) as e:
            log.warning("cleanup failed; trying again in an hour: %s", e)
            self._wake_in(MAX_DELAY_SECONDS)
        except Exception:  # noqa: BLE001 - cleanup must not end with one failure
            log.exception("cleanup failed unexpectedly; trying again in an hour")
            self._wake_in(MAX_DELAY_SECONDS)
        finally:
            self._task = None

    async def _remove_batch(self) -> bool:
        now = self._world.seconds()
        never = now - int(self._unused_after) if self._unused_after else -1
        rows = await self._store.files.condemn(
            never_used_added_until=never, last_used_until=now - int(self._deleted_after), limit=BATCH_SIZE
        )
        if rows:
            # Remove the bytes first, so that after a crash the rows still lead to them.
            await self._uploads.remove([name for row in rows for name in (row.name, row.thumbnail) if name])
            # A form that has been used stays used: it cannot bring a removed file back, as a proxy that repeats would.
            await self._store.files.remove([row.name for row in rows], now, NAME_KEPT_SECONDS)
        return len(rows) == BATCH_SIZE

    async def _set_timer(self) -> None:
        never, no_more = await self._store.files.unused_since()
        chore = await self._store.chores.next_due()
        now = self._world.seconds()
        due: list[float] = [now + MAX_DELAY_SECONDS]
        if chore is not None:
            due.append(chore)
        if never is not None and self._unused_after:
            due.append(never + self._unused_after)
        if no_more is not None:
            due.append(no_more + self._deleted_after)
        self._wake_in(min(due) - now)

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = (
            None
            if self._closed
            else self._call_later(min(max(seconds, MIN_DELAY_SECONDS), MAX_DELAY_SECONDS), self.wake)
        )

    async def remove_due(self, patience: float = 0.0) -> None:
        """Remove everything that is due now, and wait until that is done. Failures are logged, and retried later.

        Args:
            patience: also wait for, and do, what becomes due within this many seconds, such as work that was postponed
                because another process prevented it.
        """
        until = self._world.seconds() + patience
        while True:
            self.wake()
            while self._task is not None:
                await asyncio.wait([self._task])
            due = await self._store.chores.next_due()
            now = self._world.seconds()
            if due is None or due > until or now >= until:  # what fails stays due
                return
            await asyncio.sleep(max(due - now, MIN_DELAY_SECONDS))

    async def close(self) -> None:
        """Wait for the current batch, and start no further one."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])
