"""The broker over LISTEN and NOTIFY, with a simulated connection."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tailwire.server.broker.notify import ARRIVALS, CHECK_SECONDS, NotifyBroker
from tailwire.server.ports.broker import FramePublication
from tailwire.server.telemetry.metrics import Metrics


class PlayedConnection:
    """A connection whose calls take a while. Like a real one, it refuses a second call meanwhile."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.listeners = {}
        self._busy = False

    async def _call(self) -> None:
        if self._busy:
            raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
        self._busy = True
        await asyncio.sleep(0.3)
        self._busy = False

    async def fetchval(self, sql, timeout):
        await self._call()

    async def execute(self, sql, *arguments, timeout):
        await self._call()
        if isinstance(arguments[0], list):
            self.sent += arguments[0]

    async def add_listener(self, channel, call):
        self.listeners[channel] = call

    def add_termination_listener(self, call):
        pass

    def is_closed(self):
        return False

    def terminate(self):
        pass


class Nobody:
    def received(self, subject, publication): ...
    def recorded(self, record): ...
    def connection_changed(self): ...


@pytest.mark.virtual
async def test_publications_are_not_lost_while_the_connection_is_checked():
    connection, metrics = PlayedConnection(), Metrics()

    async def connect():
        return connection

    broker = NotifyBroker(connect, "me", lambda: 0, metrics)
    await broker.start(Nobody())
    for _ in range(20):
        await asyncio.sleep(CHECK_SECONDS / 8)
        broker.publish("user.bob", FramePublication(b"{}"))
    await asyncio.sleep(CHECK_SECONDS)
    assert (metrics.broker_connections_lost, metrics.broker_dropped) == (0, 0)
    assert len(connection.sent) == 20
    await broker.close()


@pytest.mark.virtual
async def test_publishing_continues_although_a_count_begun_before_another_process_arrived_found_none():
    connection, loop = PlayedConnection(), asyncio.get_running_loop()

    async def connect():
        return connection

    async def sent() -> int:
        before = len(connection.sent)
        broker.publish("user.bob", FramePublication(b"{}"))
        await asyncio.sleep(1)
        return len(connection.sent) - before

    broker = NotifyBroker(connect, "me", lambda: 0, Metrics())
    await broker.start(Nobody())
    began = loop.time()
    broker.record_look(alone=True, began=began)
    assert await sent() == 0
    connection.listeners[ARRIVALS](connection, 1, ARRIVALS, "me")  # its own announcement
    assert await sent() == 0
    connection.listeners[ARRIVALS](connection, 2, ARRIVALS, "another")
    assert await sent() == 1
    broker.record_look(alone=True, began=began)
    assert await sent() == 1
    broker.record_look(alone=True, began=loop.time())
    assert await sent() == 0
    await broker.close()
