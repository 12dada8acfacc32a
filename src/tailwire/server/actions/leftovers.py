"""Removes what deletions leave behind, and files that nobody names: of deleted messages, or never used.

One timer, set for the time at which the first of them is due; without any there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.uploads import Uploads
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

AT_ONCE = 100
SOONEST, LATEST = 1.0, 3600.0


class Leftovers:
    """Removes in time what nobody needs.

    Args:
        call_later: of the event loop.
        deleted_after: seconds that a file stays after the last message that names it was deleted.
        unused_after: seconds that a file stays that no message, user or group has ever named; 0: for ever.
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

    def wake(self) -> None:
        """Look whether there is something to remove."""
        self._again = True
        if self._task is None and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire leftovers")

    async def _run(self) -> None:
        try:
            while self._again and not self._closed:
                self._again = False
                while not self._closed and await self._store.chores.do_next():
                    pass
                while not self._closed and await self._remove_some():
                    pass
            if not self._closed:
                await self._set_timer()
        except (OSError, Refused) as e:
            log.warning("what was deleted could not be removed, and stays for now: %s", e)
            self._wake_in(LATEST)
        except Exception:  # noqa: BLE001 - or nothing would ever be removed again
            log.exception("what was deleted could not be removed for a reason that was not foreseen; it stays for now")
            self._wake_in(LATEST)
        finally:
            self._task = None

    async def _remove_some(self) -> bool:
        now = self._world.seconds()
        never = now - int(self._unused_after) if self._unused_after else -1
        rows = await self._store.files.condemn(
            never_before=never, no_more_before=now - int(self._deleted_after), limit=AT_ONCE
        )
        if rows:
            # The bytes first: after a crash, what is known of a file leads to them.
            await self._uploads.remove([name for row in rows for name in (row.name, row.thumbnail) if name])
            await self._store.files.remove([row.name for row in rows])
        return len(rows) == AT_ONCE

    async def _set_timer(self) -> None:
        never, no_more = await self._store.files.unused_since()
        chore = await self._store.chores.next_due()
        due: list[float] = [] if chore is None else [chore]
        if never is not None and self._unused_after:
            due.append(never + self._unused_after)
        if no_more is not None:
            due.append(no_more + self._deleted_after)
        if due:
            self._wake_in(min(due) - self._world.seconds())

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._closed else self._call_later(min(max(seconds, SOONEST), LATEST), self.wake)

    async def close(self) -> None:
        """Finish what was begun; begin nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])
