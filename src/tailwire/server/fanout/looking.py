"""Polls the state of the log in the store, so that messages and changes that the broker has lost are noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailwire.server.ports.log import LogReader, Look
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

LOOK_SECONDS = 1.0
OFTEN_LOOK_SECONDS = 0.05
RECONNECTING_SECONDS = 2.0
"""For how long after this process has reconnected to the broker it assumes that other processes have not yet."""


class LogPoller:
    """Reads the state of the log (`Look`) once a second; twenty times a second while processes may lack the broker.

    Args:
        reader: reads it from the store.
        connected: returns whether this process is connected to the broker.
        on_look: called with each state that was read, and the event loop time at which reading it began.
    """

    def __init__(
        self,
        reader: LogReader,
        connected: Callable[[], bool],
        on_look: Callable[[Look, float], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._reader = reader
        self._connected = connected
        self._on_look = on_look
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._now = asyncio.Event()
        self._often_until = 0.0

    @property
    def polls_often(self) -> bool:
        """Whether to poll twenty times a second, because this process or others may not be connected to the broker."""
        return not self._connected() or self._loop.time() < self._often_until

    def connection_changed(self) -> None:
        """Poll now, and then often for `RECONNECTING_SECONDS`. To be called when the broker was lost or reached again.

        Other processes may reach the broker later than this one, and cannot announce what they commit until then.
        """
        self._often_until = self._loop.time() + RECONNECTING_SECONDS
        self._now.set()

    def start(self) -> None:
        """Start polling."""
        self._task = self._loop.create_task(self._run(), name="tailwire log look")

    def look_within(self, seconds: float) -> None:
        """Schedule a poll after a number of seconds, unless `look_within` has scheduled one before that time."""
        due = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._now.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(OFTEN_LOOK_SECONDS if self.polls_often else LOOK_SECONDS):
                    await self._now.wait()
            except TimeoutError:
                pass  # it is time
            self._now.clear()
            began = self._loop.time()
            try:
                look = await self._reader.look()
            except Refused as e:
                log.debug("the state of the log could not be read; trying again later: %s", e)
                continue
            except Exception:  # noqa: BLE001 - logged; without looks, lost messages would not be noticed
                log.exception("the state of the log cannot be read")
                continue
            self._on_look(look, began)

    async def close(self) -> None:
        """Stop polling."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
