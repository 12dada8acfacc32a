"""Each of several servers reports on its own process by name, and knows the other processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from servers.several import SeveralServers
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.testing.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def get_data(server: ServerProcess, path: str) -> Any:
    async with httpx2.AsyncClient(base_url=f"{server.url}/v3", headers={"apikey": server.api_key}) as client:
        return (await client.get(path)).json()["data"]


async def test_each_server_lists_all_processes_and_its_own_connections(postgres_url: str, tmp_path: Path):
    async with SeveralServers(tmp_path, postgres_url) as several:
        one, other = several.servers
        settings = AppSettingsBuilder().override_client_host(one.url).build()
        async with ChatClient(one.app_id, settings, session_store=MemorySessionStore()) as alice:
            await alice.login("alice", auth_key=one.auth_key)
            await alice.wait_connected(timeout=20)
            assert [c["uid"] for c in await get_data(one, "/connections")] == ["alice"]
            assert await get_data(other, "/connections") == []
        names = set()
        for server in (one, other):
            processes = await get_data(server, "/processes")
            serving = [process for process in processes if process["serving"]]
            assert len(serving) == 2
            assert all(process["until"] for process in processes)
            (mine,) = [process for process in processes if process["answers"]]
            assert str(server.pid) in mine["name"]
            async with asyncio.timeout(30):  # each server counts the others when it renews its lease
                while (stats := (await get_data(server, "/stats"))["process"])["servers"] != 2:
                    await asyncio.sleep(0.1)
            assert str(server.pid) in stats["name"]
            names.add(stats["name"])
        assert len(names) == 2
