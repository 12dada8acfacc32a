"""A second process of a device's app, which must be refused while the first one uses the session, and then takes over.

This happens when a user starts a program twice, or a supervisor starts a bot again while the earlier process hangs. The
second process tries again until the session is free. docs/sdk.md promises that only one client at a time uses a
session, that the first one is not affected, and that the session is free after `aclose()` or the end of the process.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.testing.simulation.device_store import for_next_process
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.world import virtual_loop
from tailwire.wire.entities import TextMessage

if TYPE_CHECKING:
    from tailwire.testing.simulation.device import Device
    from tailwire.testing.simulation.simulation import Simulation

CLOSING_TURNS = 3
AGAIN_SECONDS = 5.0
NOT_READY = "COMETCHAT_INITIALIZATION_NOT_DONE"


class SecondProcess:
    """A process that starts at once and tries to claim the session of a device until it succeeds.

    Then it becomes the app of the device (`Device.take_over`). Until then it checks that its calls are refused.

    Args:
        sim: the run; broken promises are added to its `broken`.
        device: the device; the caller sets its `second` to this process, which removes itself there at its end.
        number: distinguishes the second processes of a device.
    """

    def __init__(self, sim: Simulation, device: Device, number: int) -> None:
        self._sim = sim
        self._device = device
        self._process = f"{device.name}#second {number}"
        self._store = for_next_process(device.store)
        self._context = copy_context()
        self._context.run(current_process.set, self._process)
        self._chat: ChatClient = self._context.run(device.make_client, self._store)
        self._work = virtual_loop().create_task(self._wait(), context=self._context)

    async def _wait(self) -> None:
        device = self._device
        while True:
            await device.claimed.wait()
            first_runs = device.holds_session
            try:
                await self._chat.init()
            except CometChatException as error:
                device.log("second refused", error.code)
                if error.code != "SESSION_IN_USE" or not first_runs:
                    self._say(
                        f"a second process of {device.name} is refused ({error.code}); the first runs: {first_runs}"
                    )
            else:
                if first_runs and await self._still_runs():
                    self._say(f"a second process of {device.name} has the session while the first runs")
                device.second = None
                device.take_over(self._chat, self._store, self._process, self._context)
                return
            await self._must_do_nothing()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _still_runs(self) -> bool:
        # A client that closes gives the session back in a task, shortly before `aclose()` returns.
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)
        return self._device.holds_session

    async def _must_do_nothing(self) -> None:
        # Calls of a refused client must not touch the session of the first process.
        chat, message = self._chat, TextMessage(receiver=self._device.uid, text="of a refused client")
        calls: list[Any] = [
            chat.connect, chat.logout, lambda: chat.login(self._device.uid, auth_key=self._device.server.auth_key),
            lambda: chat.send_message(message),
        ]  # fmt: skip
        if self._device.has_outbox:
            calls.append(lambda: chat.queue_message(message).result())
        for call in calls:
            try:
                await call()
            except CometChatException as error:
                if error.code == NOT_READY:
                    continue
                self._say(f"a refused client of {self._device.name} raises {error.code}")
            else:
                self._say(f"a refused client of {self._device.name} does what it is asked for")

    def _say(self, what: str) -> None:
        self._sim.broken.append(f"second: {what}")

    async def close(self) -> None:
        """End the process gracefully: stop trying, and close its client."""
        self._device.second = None
        self._work.cancel()
        await asyncio.wait([self._work])
        await virtual_loop().create_task(self._chat.aclose(), context=self._context)

    def kill(self) -> None:
        """Kill the process. Connections of the device, which belong to the first process, stay open."""
        self._device.second = None
        virtual_loop().kill(self._process, connected=False)
