"""The network, from the real kernel in a network namespace, and from a bus with an imitated NetworkManager."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from adapters.conftest import needs_a_namespace
from adapters.private_bus import MANAGER, manager, needs_a_bus, private_bus
from recording_clients import RecordingLoopClient, RecordingThreadClient
from tailwire import watch_network
from tailwire.adapters import netlink

ROOT = Path(__file__).parents[2]
PATH = "/org/freedesktop/NetworkManager"
pytestmark = pytest.mark.gui


class Namespace:
    """The program in its namespace."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.reported: list[str] = []

    async def line(self) -> dict:
        async with asyncio.timeout(30):
            line = await self._process.stdout.readline()
        assert line, "the program has ended"
        report = json.loads(line)
        if "reported" in report:
            self.reported.append(report["reported"])
        return report

    async def until(self, key: str) -> dict:
        while key not in (report := await self.line()):
            pass
        return report

    async def ip(self, *commands: str) -> None:
        for command in commands:
            self._process.stdin.write(f"{command}\n".encode())
            assert (await self.until("did"))["error"] == "", command

    async def until_reported(self, *reports: str) -> None:
        while self.reported != list(reports):
            await self.line()
            assert self.reported == list(reports[: len(self.reported)])


@needs_a_namespace()
async def test_offline_means_no_address_with_a_default_route():
    process = await asyncio.create_subprocess_exec(
        "unshare", "-rn", sys.executable, str(Path(__file__).with_name("in_a_namespace.py")),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"},
    )  # fmt: skip
    try:
        space = Namespace(process)
        assert (await space.until("knows"))["knows"] == ["network"]
        await space.until_reported("offline")
        await space.ip("link add a0 type veth peer name a1", "link set lo up", "link set a1 up", "link set a0 up")
        await space.ip("addr add 198.51.100.2/24 dev a0")
        await space.ip("route add default via 198.51.100.1")
        await space.until_reported("offline", "online")
        await space.ip("addr add 203.0.113.7/24 dev a0")  # a second address of the same interface
        await space.until_reported("offline", "online", "online")
        await space.ip("link add b0 type veth peer name b1", "link set b0 up", "addr add 203.0.113.9/24 dev b0")
        await space.ip("link set a0 down")
        await space.until_reported(
            "offline", "online", "online", "offline"
        )  # an unreachable interface was not reported
        await space.ip("link set a0 up", "-6 addr add 2001:db8::2/64 dev a0 nodad", "-6 route add default dev a0")
        await space.until_reported("offline", "online", "online", "offline", "online")
        process.stdin.close()
        await space.until("closed")
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def kernel(monkeypatch):
    """The kernel's responses, set by the test; None if netlink is not permitted."""
    report = {"ways": netlink.Reachability(frozenset({(2, "192.0.2.2")}), frozenset({(2, 2)}))}

    def changes():
        if report["ways"] is None:
            raise PermissionError("not allowed")
        return real()

    real = netlink.open_change_socket
    monkeypatch.setattr(netlink, "open_change_socket", changes)
    monkeypatch.setattr(netlink, "reachability", lambda: report["ways"])
    return report


@needs_a_bus()
async def test_network_manager_alone_reports_offline_and_online(monkeypatch, kernel):
    kernel["ways"] = None
    async with private_bus(monkeypatch) as bus:
        service, chat = manager(1), RecordingLoopClient()
        connection = await bus.put(MANAGER, PATH, service)
        with watch_network(chat) as watch:
            assert await watch.settled() == {"network"}
            await chat.until("offline")
            service.becomes(4)
            await chat.until("offline", "online")
            service.becomes(2)  # a captive portal: not reported
            service.becomes(1)
            await chat.until("offline", "online", "offline")
            service.becomes(3)
            await chat.until("offline", "online", "offline", "unknown")
            service.becomes(1)
            await chat.until("offline", "online", "offline", "unknown", "offline")
            connection.disconnect()
            await chat.until("offline", "online", "offline", "unknown", "offline", "unknown")
            assert watch.knows == frozenset()
            await bus.put(MANAGER, PATH, manager(4))
            await chat.until("offline", "online", "offline", "unknown", "offline", "unknown", "online")
            assert watch.knows == {"network"}


@needs_a_bus()
async def test_network_manager_does_not_overrule_the_kernel(monkeypatch, kernel):
    async with private_bus(monkeypatch) as bus:
        service, chat = manager(2), RecordingLoopClient()
        await bus.put(MANAGER, PATH, service)
        with watch_network(chat) as watch:
            await watch.settled()
            service.becomes(1)
            service.becomes(4)
            await chat.until("online")


@needs_a_bus()
async def test_network_is_known_on_a_bus_without_network_manager(monkeypatch, kernel):
    async with private_bus(monkeypatch):
        with watch_network(RecordingLoopClient()) as watch:
            assert await watch.settled() == {"network"}


async def test_client_with_its_own_thread_is_notified_of_the_network(monkeypatch, kernel):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    kernel["ways"] = netlink.Reachability(frozenset(), frozenset())
    chat = RecordingThreadClient()
    watch = watch_network(chat)
    assert await watch.settled() == {"network"}
    await asyncio.to_thread(chat.until, "offline")
    watch.close()
    await asyncio.to_thread(chat.until, "offline", "unknown")
    chat.close()
    watch.close()
