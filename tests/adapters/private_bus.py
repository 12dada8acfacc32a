"""A private D-Bus daemon, with services that imitate systemd-logind and NetworkManager."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

import pytest

LOGIND, MANAGER = "org.freedesktop.login1", "org.freedesktop.NetworkManager"


def needs_a_bus() -> pytest.MarkDecorator:
    """Skip where there is no dbus-daemon or no dbus-fast."""
    lacks = [name for name, there in (("dbus-daemon", shutil.which("dbus-daemon")), ("dbus-fast", find_spec("dbus_fast")))
             if not there]  # fmt: skip
    return pytest.mark.skipif(bool(lacks), reason=f"{' and '.join(lacks)} not installed")


class PrivateBus:
    """A bus and its services."""

    def __init__(self, address: str, daemon: asyncio.subprocess.Process) -> None:
        self.address = address
        self.daemon = daemon
        self._connections: list[Any] = []

    async def put(self, name: str, path: str, service: Any) -> Any:
        """Add a service to the bus. Return its connection; `disconnect()` removes it."""
        from dbus_fast.aio import MessageBus

        connection = await MessageBus(bus_address=self.address, negotiate_unix_fd=True).connect()
        connection.export(path, service)
        await connection.request_name(name)
        self._connections.append(connection)
        return connection

    async def end(self) -> None:
        for connection in self._connections:
            connection.disconnect()
            with suppress(EOFError, OSError):
                await connection.wait_for_disconnect()
        self._connections.clear()
        if self.daemon.returncode is None:
            self.daemon.terminate()
        await self.daemon.communicate()


@asynccontextmanager
async def private_bus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PrivateBus]:
    """A bus that this process uses as system bus."""
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon", "--session", "--nofork", "--print-address",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    address = (await asyncio.wait_for(daemon.stdout.readline(), 20)).decode().strip()
    bus = PrivateBus(address, daemon)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    try:
        yield bus
    finally:
        await bus.end()


def logind(*, allows: bool = True) -> Any:
    """Imitates systemd-logind: it issues inhibitors, and knows which of them are still held."""
    from dbus_fast import DBusError
    from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

    class Logind(ServiceInterface):
        def __init__(self) -> None:
            super().__init__("org.freedesktop.login1.Manager")
            self.calls: list[tuple[str, ...]] = []
            self.held: list[int] = []
            self.descriptors: list[int] = []
            self.released = asyncio.Event()

        @dbus_method()
        def Inhibit(self, what: "s", who: "s", why: "s", mode: "s") -> "h":  # noqa: F821
            self.calls.append((what, who, mode))
            if not allows:
                raise DBusError("org.freedesktop.DBus.Error.AccessDenied", "Permission denied")
            ours, theirs = os.pipe()
            self.held.append(ours)
            self.descriptors.append(theirs)
            os.set_blocking(ours, False)
            asyncio.get_running_loop().add_reader(ours, self._let_go, ours)
            asyncio.get_running_loop().call_later(0.05, self._sent, theirs)
            return theirs

        def _sent(self, theirs: int) -> None:
            self.descriptors.remove(theirs)
            os.close(theirs)  # a duplicate was sent over the bus

        def _let_go(self, ours: int) -> None:
            asyncio.get_running_loop().remove_reader(ours)
            os.close(ours)
            self.held.remove(ours)
            self.released.set()

        @dbus_signal()
        def PrepareForSleep(self, start: bool) -> "b":  # noqa: F821
            return start

        async def until_held(self, number: int) -> None:
            async with asyncio.timeout(20):
                while len(self.held) != number:
                    await asyncio.sleep(0.005)

    return Logind()


def manager(connectivity: int) -> Any:
    """Imitates NetworkManager, with its property `Connectivity`."""
    from dbus_fast.constants import PropertyAccess
    from dbus_fast.service import ServiceInterface, dbus_property

    class Manager(ServiceInterface):
        def __init__(self) -> None:
            super().__init__(MANAGER)
            self._connectivity = connectivity

        @dbus_property(access=PropertyAccess.READ)
        def Connectivity(self) -> "u":  # noqa: F821
            return self._connectivity

        def becomes(self, value: int) -> None:
            self._connectivity = value
            self.emit_properties_changed({"Connectivity": value})

    return Manager()
