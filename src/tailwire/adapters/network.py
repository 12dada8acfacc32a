"""The network comes, goes and changes: told to a client as a hint (Linux: netlink, and NetworkManager where it is)."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from typing import Any

from tailwire.adapters import netlink
from tailwire.adapters.dbus import Bus, BusRefused, NoBus, is_installed, system_bus
from tailwire.adapters.loops import Client, LoopWatch
from tailwire.adapters.watching import Network

log = logging.getLogger("tailwire")
SETTLES_WITHIN = 0.25
"""Seconds in which addresses and routes come together."""
NAME = "org.freedesktop.NetworkManager"
_PATH = "/org/freedesktop/NetworkManager"
_PROPERTIES = (NAME, _PATH, "org.freedesktop.DBus.Properties")
_NONE, _FULL = 1, 4


def watch_network(chat: Client) -> LoopWatch:
    """Watch the network of this machine, and tell a client when it comes, goes or changes.

    ```python
    with watch_network(chat):
        ...
    ```

    A hint: it hastens what the client would find out by itself, and proves nothing. The network is `offline` only when
    no interface but the loopback has an address and a default route. Each other change of them is told as `online`: the
    client tries its socket at once, because one of the old address may be dead. On Linux the kernel says so (netlink;
    no package, no rights). NetworkManager, where it runs and dbus-fast is installed, adds when the internet can be
    reached in full, such as after the sign-in page of a hotel; it alone is asked where netlink is not allowed.
    Elsewhere nothing is known and nothing breaks.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.

    Returns:
        The watch; `knows` has `network` as soon as it is sure (`await watch.settled()` waits for that).

    Raises:
        TypeError: `chat` is no client.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    watch = LoopWatch(chat, "network")
    if sys.platform == "linux":
        watch.run(_Network(watch).attend())
    else:
        watch.settle()
    return watch


def _number_of(variant: Any) -> int | None:
    # What strangers answer need not be what is asked for: then it is not known.
    try:
        return int(variant.value)
    except (AttributeError, TypeError, ValueError):
        return None


class _Network:
    """What the kernel and NetworkManager say."""

    def __init__(self, watch: LoopWatch) -> None:
        self._watch = watch
        self._ways: netlink.Ways | None = None
        self._connectivity: int | None = None
        self._said: Network = "unknown"
        self._begun = asyncio.Event()  # NetworkManager has answered, or cannot

    async def attend(self) -> None:
        manager = asyncio.ensure_future(self._ask_manager())
        try:
            await self._ask_kernel()
            await manager
        finally:
            manager.cancel()

    def _say(self, network: Network) -> None:
        self._said = network
        self._watch.see_network(network)

    def _settle(self) -> None:
        if self._ways is None and self._connectivity is None:
            self._watch.settle()
        else:
            self._watch.settle("network")

    # The kernel.

    async def _ask_kernel(self) -> None:
        try:
            listening = netlink.changes()
        except OSError as e:
            self._watch.why_not = str(e)
            log.info("changes of the network are not told by this system: %s", e)
            await self._begun.wait()
            self._settle()
            return
        changed, loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            loop.add_reader(listening, changed.set)
            self._ways = netlink.ways()
            if not self._ways.any:
                self._say("offline")
            await self._begun.wait()
            self._settle()
            while True:
                await changed.wait()
                loop.remove_reader(listening)
                await asyncio.sleep(SETTLES_WITHIN)  # a change comes as many messages: it is looked at once
                netlink.drained(listening)
                changed.clear()
                loop.add_reader(listening, changed.set)
                self._compare(netlink.ways())
        except (OSError, NotImplementedError) as e:  # an event loop may have no readers
            log.info("changes of the network are not told any longer by this system: %r", e)
            self._ways, self._watch.why_not = None, str(e) or "the event loop cannot watch a socket"
            self._take_back()
            await self._begun.wait()
            self._settle()
        finally:
            with suppress(NotImplementedError):
                loop.remove_reader(listening)
            listening.close()

    def _compare(self, ways: netlink.Ways) -> None:
        before, self._ways = self._ways, ways
        if ways != before:
            self._say("online" if ways.any else "offline")

    # NetworkManager.

    async def _ask_manager(self) -> None:
        if not is_installed():
            self._begun.set()
            return
        try:
            async with system_bus() as bus:
                await bus.listen(_PROPERTIES, "PropertiesChanged", self._properties)
                owner: asyncio.Queue[bool] = asyncio.Queue()
                await bus.listen_for_owner(NAME, owner.put_nowait)
                owner.put_nowait(await bus.has(NAME))
                lost = asyncio.ensure_future(bus.ended())
                try:
                    await self._follow(bus, owner, lost)
                finally:
                    lost.cancel()
        except (NoBus, BusRefused) as e:
            log.debug("NetworkManager is not asked: %s", e)
        finally:
            self._connect(None)
            self._begun.set()

    async def _follow(self, bus: Bus, owner: asyncio.Queue[bool], lost: asyncio.Future[None]) -> None:
        while not lost.done():
            coming: asyncio.Future[bool] = asyncio.ensure_future(owner.get())
            waiting_for: list[asyncio.Future[Any]] = [coming, lost]
            try:
                await asyncio.wait(waiting_for, return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()
            if coming.done() and not coming.cancelled():
                self._connect(await self._connectivity_of(bus) if coming.result() else None)
            self._begun.set()

    async def _connectivity_of(self, bus: Bus) -> int | None:
        try:
            (answer,), _ = await bus.call(_PROPERTIES, "Get", "ss", [NAME, "Connectivity"])
        except BusRefused as e:
            log.debug("NetworkManager does not say how the network is: %s", e)
            return None
        return _number_of(answer)

    def _properties(self, body: list[Any]) -> None:
        if body[0] == NAME and "Connectivity" in body[1]:
            self._connect(_number_of(body[1]["Connectivity"]))

    def _connect(self, connectivity: int | None) -> None:
        before, self._connectivity = self._connectivity, connectivity
        if connectivity == before:
            return
        if self._begun.is_set():
            self._settle()
        if self._ways is not None:  # it does not know the interfaces that others manage; the kernel does
            if connectivity == _FULL and before is not None and self._ways.any:
                self._say("online")
        elif connectivity == _NONE:
            self._say("offline")
        elif connectivity == _FULL:
            self._say("online")
        else:
            self._take_back()

    def _take_back(self) -> None:
        if self._said == "offline":
            self._say("unknown")
