"""Adapter that reports the network on Linux, as netlink sees it, and NetworkManager if it is running."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from typing import Any

from tailwire.adapters import netlink
from tailwire.adapters.dbus import Bus, BusRefused, BusUnavailable, is_installed, system_bus
from tailwire.adapters.loops import LoopClient, LoopWatch
from tailwire.adapters.watching import Network

log = logging.getLogger("tailwire")
SETTLE_SECONDS = 0.25
"""How long to wait after a change of addresses or routes, because such changes come in bursts."""
SERVICE_NAME = "org.freedesktop.NetworkManager"
_PATH = "/org/freedesktop/NetworkManager"
_PROPERTIES = (SERVICE_NAME, _PATH, "org.freedesktop.DBus.Properties")
_NONE, _FULL = 1, 4


def watch_network(chat: LoopClient) -> LoopWatch:
    """Report to a client when the network of this computer appears, disappears or changes.

    ```python
    with watch_network(chat):
        ...
    ```

    The reports are hints: they make the client check its connection earlier. The network is `offline` only if no
    interface except the loopback has an address and a default route. Every other change of addresses or default routes
    is reported as `online`: the client then tries its socket at once, because a socket of the old address may be dead.

    On Linux the kernel reports changes over netlink, which needs no package and no privileges. If NetworkManager is
    running and dbus-fast is installed, it also reports when the internet becomes reachable, such as after a captive
    portal's login; if netlink is not permitted, it is the only source. On other systems nothing is reported;
    `watch_qt`, `watch_flet` and `watch_browser` report the network there.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.

    Returns:
        The watch. It determines in the background whether it can detect changes; `await watch.settled()` waits for
        this. Its `knows` then contains `network` if it can.

    Raises:
        TypeError: `chat` is not a client.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    watch = LoopWatch(chat, "network")
    if sys.platform == "linux":
        watch.run(_NetworkReporter(watch).attend())
    else:
        watch.settle()
    return watch


def _number_of(variant: Any) -> int | None:
    # The response may be of the wrong type; then the state is unknown.
    try:
        return int(variant.value)
    except (AttributeError, TypeError, ValueError):
        return None


class _NetworkReporter:
    """Combines what the kernel and NetworkManager report, and reports it to the client."""

    def __init__(self, watch: LoopWatch) -> None:
        self._watch = watch
        self._reachability: netlink.Reachability | None = None
        self._connectivity: int | None = None
        self._reported: Network = "unknown"
        self._begun = asyncio.Event()  # NetworkManager has responded, or is not available

    async def attend(self) -> None:
        manager = asyncio.ensure_future(self._ask_manager())
        try:
            await self._ask_kernel()
            await manager
        finally:
            manager.cancel()

    def _report(self, network: Network) -> None:
        self._reported = network
        self._watch.report_network(network)

    def _settle(self) -> None:
        if self._reachability is None and self._connectivity is None:
            self._watch.settle()
        else:
            self._watch.settle("network")

    # The kernel.

    async def _ask_kernel(self) -> None:
        try:
            listening = netlink.open_change_socket()
        except OSError as e:
            self._watch.why_not = str(e)
            log.info("this system does not report changes of the network: %s", e)
            await self._begun.wait()
            self._settle()
            return
        changed, loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            loop.add_reader(listening, changed.set)
            self._reachability = netlink.reachability()
            if not self._reachability.any:
                self._report("offline")
            await self._begun.wait()
            self._settle()
            while True:
                await changed.wait()
                loop.remove_reader(listening)
                await asyncio.sleep(SETTLE_SECONDS)  # one change causes many messages
                netlink.drain(listening)
                changed.clear()
                loop.add_reader(listening, changed.set)
                self._compare(netlink.reachability())
        except (OSError, NotImplementedError) as e:  # NotImplementedError: the event loop does not support readers
            log.info("this system does not report changes of the network any longer: %r", e)
            self._reachability, self._watch.why_not = None, str(e) or "the event loop cannot watch a socket"
            self._withdraw_report()
            await self._begun.wait()
            self._settle()
        finally:
            with suppress(NotImplementedError):
                loop.remove_reader(listening)
            listening.close()

    def _compare(self, ways: netlink.Reachability) -> None:
        before, self._reachability = self._reachability, ways
        if ways != before:
            self._report("online" if ways.any else "offline")

    # NetworkManager.

    async def _ask_manager(self) -> None:
        if not is_installed():
            self._begun.set()
            return
        try:
            async with system_bus() as bus:
                await bus.listen(_PROPERTIES, "PropertiesChanged", self._properties_changed)
                owner: asyncio.Queue[bool] = asyncio.Queue()
                await bus.listen_for_owner(SERVICE_NAME, owner.put_nowait)
                owner.put_nowait(await bus.has(SERVICE_NAME))
                lost = asyncio.ensure_future(bus.wait_ended())
                try:
                    await self._follow_manager(bus, owner, lost)
                finally:
                    lost.cancel()
        except (BusUnavailable, BusRefused) as e:
            log.debug("NetworkManager is not available: %s", e)
        finally:
            self._set_connectivity(None)
            self._begun.set()

    async def _follow_manager(self, bus: Bus, owner: asyncio.Queue[bool], lost: asyncio.Future[None]) -> None:
        while not lost.done():
            coming: asyncio.Future[bool] = asyncio.ensure_future(owner.get())
            waiting_for: list[asyncio.Future[Any]] = [coming, lost]
            try:
                await asyncio.wait(waiting_for, return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()
            if coming.done() and not coming.cancelled():
                self._set_connectivity(await self._connectivity_of(bus) if coming.result() else None)
            self._begun.set()

    async def _connectivity_of(self, bus: Bus) -> int | None:
        try:
            (answer,), _ = await bus.call(_PROPERTIES, "Get", "ss", [SERVICE_NAME, "Connectivity"])
        except BusRefused as e:
            log.debug("NetworkManager does not report its connectivity: %s", e)
            return None
        return _number_of(answer)

    def _properties_changed(self, body: list[Any]) -> None:
        if body[0] == SERVICE_NAME and "Connectivity" in body[1]:
            self._set_connectivity(_number_of(body[1]["Connectivity"]))

    def _set_connectivity(self, connectivity: int | None) -> None:
        before, self._connectivity = self._connectivity, connectivity
        if connectivity == before:
            return
        if self._begun.is_set():
            self._settle()
        if self._reachability is not None:  # NetworkManager does not know unmanaged interfaces, the kernel does
            if connectivity == _FULL and before is not None and self._reachability.any:
                self._report("online")
        elif connectivity == _NONE:
            self._report("offline")
        elif connectivity == _FULL:
            self._report("online")
        else:
            self._withdraw_report()

    def _withdraw_report(self) -> None:
        if self._reported == "offline":
            self._report("unknown")
