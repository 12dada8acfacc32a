"""A machine that goes to sleep: background before, foreground after it (Linux with systemd-logind)."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

from tailwire.adapters.dbus import INSTALL, Bus, BusRefused, NoBus, is_installed, system_bus
from tailwire.adapters.loops import Client, LoopWatch, goodbye

log = logging.getLogger("tailwire")
GOODBYE = 3.0
"""Seconds at the most; logind waits for 5, unless it is configured otherwise."""
NAME = "org.freedesktop.login1"
_MANAGER = (NAME, "/org/freedesktop/login1", "org.freedesktop.login1.Manager")


def watch_sleep(chat: Client) -> LoopWatch:
    """Watch for the machine's sleep, and report it to a client: the background before, the foreground after it.

    ```python
    with watch_sleep(chat) as watch:
        if "sleep" not in await watch.settled():
            print("the client notices a sleep when the machine is awake again")
    ```

    Asks systemd-logind, over the system bus. The machine is held back by a moment (a delay inhibitor) until the socket
    has said goodbye, so that the server knows at once that nobody is there. A locked screen is not sleep. Where there
    is no bus or no logind, nothing is known and nothing breaks: the client's clock counts the sleep, and the client
    looks at its connection when the machine is awake.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.

    Returns:
        The watch; `knows` has `sleep` as soon as logind has answered (`await watch.settled()` waits for that).

    Raises:
        TypeError: `chat` is no client.
        RuntimeError: dbus-fast is not installed (on Linux).
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    if sys.platform == "linux" and not is_installed():
        raise RuntimeError(f"watch_sleep() needs dbus-fast: {INSTALL}")
    watch = LoopWatch(chat, "sleep")
    if sys.platform == "linux":
        watch.run(_Sleep(watch, chat).attend())
    else:
        watch.settle()
    return watch


class _Sleep:
    """What logind says, and the inhibitor that it gave."""

    def __init__(self, watch: LoopWatch, chat: Client) -> None:
        self._watch = watch
        self._chat = chat
        self._asleep = False
        self._there = False
        self._inhibitor: int | None = None
        self._changed = asyncio.Event()

    async def attend(self) -> None:
        try:
            async with system_bus() as bus:
                await bus.listen(_MANAGER, "PrepareForSleep", self._prepare)
                await bus.listen_for_owner(NAME, self._owner)
                self._there = await bus.has(NAME)
                lost = asyncio.ensure_future(bus.ended())
                try:
                    await self._follow(bus, lost)
                finally:
                    lost.cancel()
        except (NoBus, BusRefused) as e:
            self._watch.why_not = str(e)
            log.info("a sleep of the machine is not known beforehand: %s", e)
        finally:
            self._release()
            self._watch.see("resumed")

    def _prepare(self, body: list[Any]) -> None:
        self._asleep = bool(body[0])
        self._changed.set()

    def _owner(self, there: bool) -> None:
        self._there, self._asleep = there, False  # a logind that is new, or gone, puts nobody to sleep
        self._release()
        self._changed.set()

    async def _follow(self, bus: Bus, lost: asyncio.Future[None]) -> None:
        while not lost.done():
            self._changed.clear()
            if self._asleep:
                self._watch.see("paused")
                await goodbye(self._chat, GOODBYE)
                self._release()
            else:
                self._watch.see("resumed")
                if self._there and self._inhibitor is None:
                    await self._hold(bus)
                if self._there:
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

    async def _hold(self, bus: Bus) -> None:
        try:
            (index,), descriptors = await bus.call(
                _MANAGER, "Inhibit", "ssss", ["sleep", "tailwire", "The chat's connection says goodbye", "delay"]
            )
            self._inhibitor = descriptors[index]
        except BusRefused as e:
            log.info("the machine's sleep cannot be delayed, the goodbye may come too late: %s", e)

    def _release(self) -> None:
        if self._inhibitor is not None:
            os.close(self._inhibitor)
            self._inhibitor = None
