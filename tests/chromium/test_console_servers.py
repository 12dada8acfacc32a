"""The console of each of several servers on one PostgreSQL database."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from chromium.browser import Browser, Page
from chromium.console_stage import ConsoleStage
from servers.several import SeveralServers
from tailwire.testing.server import ServerProcess

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]


async def _rows(tab: Page) -> list[str]:
    rows: list[str] = await tab.evaluate("[...document.querySelectorAll('tbody tr')].map((row) => row.innerText)")
    return rows


async def test_each_server_shows_all_processes_and_its_own_connections(
    chromium: Browser, postgres_url: str, tmp_path: Path
):
    async with (
        SeveralServers(tmp_path, postgres_url, settings={"TAILWIRE_CONSOLE": "on"}) as several,
        AsyncExitStack() as stack,
    ):
        key = several.servers[0].api_key

        async def stage_of(server: ServerProcess) -> ConsoleStage:
            client = httpx2.AsyncClient(base_url=f"{server.url}/v3", headers={"apikey": key}, timeout=30)
            return ConsoleStage(server, await stack.enter_async_context(client), chromium)

        stages = [await stage_of(server) for server in several.servers]
        auth_key = several.servers[0].auth_key
        for stage, uid in zip(stages, ("alice", "bob"), strict=True):
            stage.server.auth_key = auth_key
            await stack.enter_async_context(stage.client(uid))
        for stage, uid, stranger in zip(stages, ("alice", "bob"), ("bob", "alice"), strict=True):
            tab = await stage.open("processes")
            rows = await _rows(tab)
            pids = [str(server.pid) for server in several.servers]
            assert len(rows) == 2
            assert all(any(f"pid {pid}" in row for row in rows) for pid in pids)
            (answers,) = [row for row in rows if "yes" in row.lower()]
            assert f"pid {stage.server.pid}" in answers
            await stage.go(tab, "connections")
            connections = "\n".join(await _rows(tab))
            assert uid in connections
            assert stranger not in connections
            await stage.go(tab, "overview")
            assert f"pid {stage.server.pid}" in await tab.evaluate("document.querySelector('main').innerText")
            assert [one for one in tab.violations if not one["source"].startswith("pptr")] == []
            assert tab.all("page error") == []
            await tab.close()


async def test_server_that_was_killed_leaves_the_list_of_processes(
    chromium: Browser, postgres_url: str, tmp_path: Path
):
    async with SeveralServers(tmp_path, postgres_url, settings={"TAILWIRE_CONSOLE": "on"}) as several:
        first, second = several.servers
        async with httpx2.AsyncClient(base_url=f"{first.url}/v3", headers={"apikey": first.api_key}) as rest:
            stage = ConsoleStage(first, rest, chromium)
            tab = await stage.open("processes")
            assert len(await _rows(tab)) == 2
            await second.kill()
            await tab.wait_for(
                "document.querySelector('main .button').click(), document.querySelectorAll('tbody tr').length === 1",
                deadline=40,
            )
            assert f"pid {first.pid}" in (await _rows(tab))[0]
            await tab.close()
