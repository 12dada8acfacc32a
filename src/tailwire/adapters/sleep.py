"""Adapter for system sleep (Linux with systemd-logind): an app is in the background while the computer sleeps."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

from tailwire.adapters.dbus import INSTALL, Bus, BusRefused, BusUnavailable, is_installed, system_bus
from tailwire.adapters.loops import LoopClient, LoopWatch, wait_closed

log = logging.getLogger("tailwire")
CLOSE_TIMEOUT_SECONDS = 3.0
"""How long the sleep is delayed at most for closing the socket. logind allows 5 seconds by default."""
SERVICE_NAME = "org.freedesktop.login1"
_MANAGER = (SERVICE_NAME, "/org/freedesktop/login1", "org.freedesktop.login1.Manager")


def watch_sleep(chat: LoopClient) -> LoopWatch:
    """Report the background to a client before the computer goes to sleep, and the foreground when it is awake again.

    ```python
    with watch_sleep(chat) as watch:
        if "sleep" not in await watch.settled():
            print("the client notices a sleep when the computer is awake again")
    ```

    It listens to systemd-logind on the system bus. A delay inhibitor of logind delays the sleep until the socket is
    closed, for at most 3 seconds, so that the server knows immediately that the user is offline. A locked screen does
    not count. Without a bus or logind nothing is reported; the client detects the sleep afterwards by its clock, and
    checks its connection.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.

    Returns:
        The watch. It contacts logind in the background; `await watch.settled()` waits for this. Its `knows` then
        contains `sleep` if logind is available.

    Raises:
        TypeError: `chat` is not a client.
        RuntimeError: dbus-fast is not installed (on Linux).
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    if sys.platform == "linux" and not is_installed():
        raise RuntimeError(f"watch_sleep() needs dbus-fast: {INSTALL}")
    watch = LoopWatch(chat, "sleep")
    if sys.platform == "linux":
        watch.run(_SleepReporter(watch, chat).attend())
    else:
        watch.settle()
    return watch


class _SleepReporter:
    """Listens to logind, and delays a sleep by its inhibitor until the socket is closed."""

    def __init__(self, watch: LoopWatch, chat: LoopClient) -> None:
        self._watch = watch
        self._chat = chat
        self._asleep = False
        self._logind_runs = False
        self._inhibitor: int | None = None
        self._changed = asyncio.Event()

    async def attend(self) -> None:
        try:
            async with system_bus() as bus:
                await bus.listen(_MANAGER, "PrepareForSleep", self._sleep_announced)
                await bus.listen_for_owner(SERVICE_NAME, self._owner_changed)
                self._logind_runs = await bus.has(SERVICE_NAME)
                lost = asyncio.ensure_future(bus.wait_ended())
                try:
                    await self._follow_logind(bus, lost)
                finally:
                    lost.cancel()
        except (BusUnavailable, BusRefused) as e:
            self._watch.why_not = str(e)
            log.info("system sleep is not reported in advance: %s", e)
        finally:
            self._release_inhibitor()
            self._watch.report("resumed")

    def _sleep_announced(self, body: list[Any]) -> None:
        self._asleep = bool(body[0])
        self._changed.set()

    def _owner_changed(self, there: bool) -> None:
        self._logind_runs, self._asleep = there, False  # a restarted logind sends no signal about the end of a sleep
        self._release_inhibitor()
        self._changed.set()

    async def _follow_logind(self, bus: Bus, lost: asyncio.Future[None]) -> None:
        while not lost.done():
            self._changed.clear()
            if self._asleep:
                self._watch.report("paused")
                await wait_closed(self._chat, CLOSE_TIMEOUT_SECONDS)
                self._release_inhibitor()
            else:
                self._watch.report("resumed")
                if self._logind_runs and self._inhibitor is None:
                    await self._hold_inhibitor(bus)
                if self._logind_runs:
                    self._watch.settle("sleep")
                else:
                    self._watch.why_not = "systemd-logind is not on the system bus"
                    self._watch.settle()
            change = asyncio.ensure_future(self._changed.wait())
            waiting_for: list[asyncio.Future[Any]] = [change, lost]
            try:
                await asyncio.wait(waiting_for, return_when=asyncio.FIRST_COMPLETED)
            finally:
                change.cancel()

    async def _hold_inhibitor(self, bus: Bus) -> None:
        try:
            (index,), descriptors = await bus.call(
                _MANAGER, "Inhibit", "ssss", ["sleep", "tailwire", "Closing the chat connection", "delay"]
            )
            self._inhibitor = descriptors[index]
        except BusRefused as e:
            log.info("system sleep cannot be delayed, so the socket may not be closed in time: %s", e)

    def _release_inhibitor(self) -> None:
        if self._inhibitor is not None:
            os.close(self._inhibitor)
            self._inhibitor = None
