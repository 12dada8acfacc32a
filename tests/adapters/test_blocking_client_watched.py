"""The blocking client with watches that work on its event loop: real client, server and bus."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from adapters.private_bus import LOGIND, logind, needs_a_bus, private_bus
from harness import LiveStage
from tailwire import AppSettingsBuilder, MemorySessionStore, watch, watch_terminal

pytestmark = [pytest.mark.gui, needs_a_bus()]


async def test_sleep_and_ctrl_z_disconnect_a_blocking_client_until_they_end(live: LiveStage, monkeypatch):
    from tailwire.sync import Client

    async with private_bus(monkeypatch) as bus:
        service, stopped = logind(), []
        await bus.put(LOGIND, "/org/freedesktop/login1", service)
        alice = await live.enter("alice", presence=True)
        settings = AppSettingsBuilder().override_client_host(live.server.url).build()

        def bob() -> Client:
            chat = Client(live.server.app_id, settings, session_store=MemorySessionStore())
            chat.login("bob", auth_key=live.server.auth_key)
            chat.wait_connected(timeout=20)
            return chat

        chat = await asyncio.to_thread(bob)
        try:
            found = await asyncio.to_thread(watch, chat)
            assert await found.settled() >= {"sleep"}
            await service.until_held(1)
            service.PrepareForSleep(True)
            await service.until_held(0)
            await alice.ears.until(lambda: alice.ears.all("offline").count("bob") == 1)
            service.PrepareForSleep(False)
            await asyncio.to_thread(chat.wait_connected, 20)
            with watch_terminal(chat, stop=lambda: stopped.append(str(chat.get_connection_status()))):
                os.kill(os.getpid(), signal.SIGTSTP)
                assert stopped == ["disconnected"]
                os.kill(os.getpid(), signal.SIGCONT)
                await asyncio.to_thread(chat.wait_connected, 20)
        finally:
            await asyncio.to_thread(chat.close)
        found.close()  # after its client, so there is nothing to withdraw
        assert found.knows == frozenset()
