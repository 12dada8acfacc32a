"""Signals that other processes send directly to the client's bus connection are ignored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.private_bus import LOGIND, PrivateBus, logind, needs_a_bus, private_bus
from recording_clients import RecordingLoopClient
from tailwire import watch_sleep
from tailwire.adapters.dbus import BusRefused, system_bus

pytestmark = [pytest.mark.gui, needs_a_bus()]
PATH = "/org/freedesktop/login1"
BACK, FRONT = ("background", "sleep"), ("foreground", "sleep")
DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


async def told_by_another(bus: PrivateBus, path: str, interface: str, member: str, signature: str, body: list[Any]):
    """Send a signal to each connection on the bus, from one that owns no name."""
    from dbus_fast import Message, MessageType
    from dbus_fast.aio import MessageBus

    other = await MessageBus(bus_address=bus.address).connect()
    destination, daemon_path, daemon = DAEMON
    answer = await other.call(Message(destination, daemon_path, daemon, "ListNames"))
    for name in answer.body[0]:
        if name.startswith(":") and name != other.unique_name:
            await other.send(
                Message(
                    destination=name, message_type=MessageType.SIGNAL, path=path, interface=interface, member=member,
                    signature=signature, body=body,
                )
            )  # fmt: skip
    await other.call(Message(destination, daemon_path, daemon, "GetId"))  # flushes what was sent before
    other.disconnect()


async def test_signals_of_other_senders_are_ignored(monkeypatch):
    async with private_bus(monkeypatch) as bus:
        service, chat = logind(), RecordingLoopClient(closes=True)
        first = await bus.put(LOGIND, PATH, service)
        with watch_sleep(chat) as watch:
            await watch.settled()
            manager = "org.freedesktop.login1.Manager"
            await told_by_another(bus, PATH, manager, "PrepareForSleep", "b", [True])
            owner = [LOGIND, ":1.1", ""]
            await told_by_another(bus, DAEMON[1], DAEMON[2], "NameOwnerChanged", "sss", owner)
            first.disconnect()
            again = logind()
            await bus.put(LOGIND, PATH, again)  # a new owner of the same name is accepted
            await again.until_held(1)
            assert chat.reported == []
            again.PrepareForSleep(True)
            await chat.until(BACK)
            again.PrepareForSleep(False)
            await chat.until(BACK, FRONT)


async def test_response_of_the_wrong_type_is_refused(monkeypatch):
    from dbus_fast.service import ServiceInterface, dbus_method

    class Odd(ServiceInterface):
        def __init__(self) -> None:
            super().__init__("org.freedesktop.login1.Manager")

        @dbus_method()
        def Inhibit(self, what: s, who: s, why: s, mode: s) -> s:  # noqa: F821
            return "odd"

    async with private_bus(monkeypatch) as bus:
        await bus.put(LOGIND, PATH, Odd())
        async with system_bus() as here:
            arguments = ["sleep", "tailwire", "", "delay"]
            with pytest.raises(BusRefused, match="wrong signature"):
                await here.call((LOGIND, PATH, "org.freedesktop.login1.Manager"), "Inhibit", "ssss", arguments)
        with watch_sleep(RecordingLoopClient(closes=True)) as watch:
            assert await watch.settled() == {"sleep"}


async def test_signals_still_arrive_after_a_callback_has_raised(monkeypatch):
    async with private_bus(monkeypatch) as bus, asyncio.timeout(20):
        service = logind()
        await bus.put(LOGIND, PATH, service)
        reported: asyncio.Queue[bool] = asyncio.Queue()

        def take(body: list[Any]) -> None:
            if reported.empty():
                reported.put_nowait(body[0])
            raise ValueError("the callback fails")

        async with system_bus() as here:
            await here.listen((LOGIND, PATH, "org.freedesktop.login1.Manager"), "PrepareForSleep", take)
            service.PrepareForSleep(True)
            assert await reported.get() is True
            service.PrepareForSleep(False)
            assert await reported.get() is False
