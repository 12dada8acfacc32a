"""System sleep, with a real D-Bus daemon and a service that imitates systemd-logind."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from adapters.private_bus import LOGIND, logind, needs_a_bus, private_bus
from harness import CONNECTED, DISCONNECTED, LiveStage
from recording_clients import RecordingLoopClient, RecordingThreadClient
from tailwire import watch_sleep
from tailwire.adapters import sleep

pytestmark = [pytest.mark.gui, needs_a_bus()]
PATH = "/org/freedesktop/login1"
BACK, FRONT = ("background", "sleep"), ("foreground", "sleep")


async def until_left_alone() -> None:
    """Wait until the watches have ended."""
    async with asyncio.timeout(20):
        while any("tailwire watch" in task.get_name() for task in asyncio.all_tasks()):
            await asyncio.sleep(0.005)


def descriptors() -> int:
    return sum(os.path.exists(f"/proc/self/fd/{name}") or os.path.islink(f"/proc/self/fd/{name}")
               for name in os.listdir("/proc/self/fd"))  # fmt: skip


async def test_sleep_is_delayed_until_the_socket_is_closed(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        service, chat = logind(), RecordingLoopClient(closes=False)
        await bus.put(LOGIND, PATH, service)
        with watch_sleep(chat) as watch:
            assert await watch.settled() == {"sleep"}
            assert service.calls == [("sleep", "tailwire", "delay")]
            await asyncio.sleep(0.1)
            assert len(service.held) == 1
            service.PrepareForSleep(True)
            await chat.until(BACK)
            assert (watch.seen, len(service.held)) == ("paused", 1)
            chat.closed_event.set()
            await service.until_held(0)
            assert chat.reported == [BACK]
            service.PrepareForSleep(False)
            await chat.until(BACK, FRONT)
            await service.until_held(1)
        await service.until_held(0)
        await until_left_alone()


async def test_sleep_is_delayed_at_most_for_the_close_timeout(monkeypatch):
    monkeypatch.setattr(sleep, "CLOSE_TIMEOUT_SECONDS", 0.05)
    async with private_bus(monkeypatch) as bus:
        service, chat = logind(), RecordingLoopClient(closes=False)
        await bus.put(LOGIND, PATH, service)
        with watch_sleep(chat) as watch:
            await watch.settled()
            service.PrepareForSleep(True)
            await chat.until(BACK)
            await service.until_held(0)


async def test_aborted_sleep_ends_in_the_foreground(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        service, chat = logind(), RecordingLoopClient(closes=False)
        await bus.put(LOGIND, PATH, service)
        with watch_sleep(chat) as watch:
            await watch.settled()
            service.PrepareForSleep(True)
            await chat.until(BACK)
            service.PrepareForSleep(False)
            await asyncio.sleep(0.05)
            chat.closed_event.set()
            await chat.until(BACK, FRONT)
            await service.until_held(1)


async def test_sleep_is_reported_without_an_inhibitor(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        service, chat = logind(allows=False), RecordingLoopClient()
        await bus.put(LOGIND, PATH, service)
        with watch_sleep(chat) as watch:
            assert await watch.settled() == {"sleep"}
            service.PrepareForSleep(True)
            await chat.until(BACK)


async def test_restarted_logind_gets_a_new_inhibitor(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        first, chat = logind(), RecordingLoopClient()
        connection = await bus.put(LOGIND, PATH, first)
        with watch_sleep(chat) as watch:
            await watch.settled()
            await first.until_held(1)
            first.PrepareForSleep(True)
            await chat.until(BACK)
            connection.disconnect()
            await chat.until(BACK, FRONT)
            async with asyncio.timeout(20):
                while watch.knows:
                    await asyncio.sleep(0.005)
            second = logind()
            await bus.put(LOGIND, PATH, second)
            await second.until_held(1)
            second.PrepareForSleep(True)
            await chat.until(BACK, FRONT, BACK)
            assert watch.knows == {"sleep"}


async def test_missing_logind_or_lost_bus_leaves_the_app_in_the_foreground(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        chat = RecordingLoopClient()
        with watch_sleep(chat) as watch:
            assert await watch.settled() == frozenset()
            service = logind()
            await bus.put(LOGIND, PATH, service)
            await service.until_held(1)
            service.PrepareForSleep(True)
            await chat.until(BACK)
            bus.daemon.terminate()
            await chat.until(BACK, FRONT)
            await until_left_alone()
            await asyncio.sleep(0)
            assert watch.knows == frozenset()


async def test_watch_of_sleep_without_a_bus_reports_nothing_and_raises_nothing(monkeypatch, tmp_path):
    for address in (f"unix:path={tmp_path}/none", "nonsense:"):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        chat = RecordingLoopClient()
        with watch_sleep(chat) as watch:
            assert await watch.settled() == frozenset()
        assert chat.reported == []


async def test_connecting_to_an_unresponsive_bus_times_out(monkeypatch, tmp_path):
    from tailwire.adapters import dbus

    monkeypatch.setattr(dbus, "CONNECT_TIMEOUT_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/bus")
        silent.listen()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
        with watch_sleep(RecordingLoopClient()) as watch:
            assert await watch.settled() == frozenset()


async def test_client_with_its_own_thread_is_notified_of_sleep(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        service, chat = logind(), RecordingThreadClient()
        await bus.put(LOGIND, PATH, service)
        watch = watch_sleep(chat)
        assert await watch.settled() == {"sleep"}
        await service.until_held(1)
        service.PrepareForSleep(True)
        await service.until_held(0)
        await asyncio.to_thread(chat.until, BACK)
        service.PrepareForSleep(False)
        await service.until_held(1)
        await asyncio.to_thread(chat.until, BACK, FRONT)
        watch.close()
        await service.until_held(0)
        chat.close()


async def test_no_file_descriptor_leaks(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        service = logind()
        await bus.put(LOGIND, PATH, service)
        before = descriptors()
        for _ in range(3):
            with watch_sleep(RecordingLoopClient()) as watch:
                await watch.settled()
                await service.until_held(1)
            await service.until_held(0)
            await until_left_alone()
        async with asyncio.timeout(20):
            while service.descriptors:
                await asyncio.sleep(0.005)
        assert descriptors() == before


async def test_real_client_is_disconnected_before_sleep(live: LiveStage, monkeypatch):
    async with private_bus(monkeypatch) as bus:
        service = logind()
        await bus.put(LOGIND, PATH, service)
        alice, bob = await live.enter("alice", presence=True), await live.enter("bob")
        with watch_sleep(bob.chat) as watch:
            await watch.settled()
            await service.until_held(1)
            service.PrepareForSleep(True)
            await service.until_held(0)
            assert bob.status is DISCONNECTED
            await alice.ears.until(lambda: "bob" in alice.ears.all("offline"))
            await alice.say("bob", "while asleep")
            service.PrepareForSleep(False)
            await bob.ears.until(lambda: bob.ears.texts == ["while asleep"])
            assert bob.status is CONNECTED
