"""Servers are restarted one after the other behind a load balancer, while clients chat: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from faults.traffic import Traffic
from harness import CONNECTED, Actor, Cast
from servers.balancer import Balancer
from servers.several import SeveralServers
from sizes import only_in_full
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.testing.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class BalancedStage(Cast):
    """Clients whose host is the load balancer."""

    def __init__(self, several: SeveralServers, balancer: Balancer) -> None:
        self.server = several.servers[0]
        self._url = balancer.url
        self.actors: list[Actor] = []

    def actor(self, **settings: Any) -> Actor:
        builder = AppSettingsBuilder().override_client_host(self._url)
        actor = Actor(ChatClient(self.server.app_id, builder.build(), session_store=MemorySessionStore()))
        self.actors.append(actor)
        return actor

    async def __aenter__(self) -> BalancedStage:
        return self

    async def __aexit__(self, *error: object) -> None:
        for actor in self.actors:
            await actor.chat.aclose()


async def ready(server: ServerProcess) -> int:
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"{server.url}/health/ready")).status_code


async def restart_politely(server: ServerProcess) -> None:
    """Ask a server to stop; check that it reports this and still serves until it ends; start it again."""
    os.kill(server.pid, signal.SIGTERM)
    async with asyncio.timeout(5):
        while await ready(server) != 503:
            await asyncio.sleep(0.01)
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{server.url}/health")).status_code == 200
    assert await server.ended() == 0
    await server.start()


async def test_servers_restarted_one_after_the_other_lose_nothing(postgres_url: str, tmp_path: Path):
    settings = {"TAILWIRE_DRAIN_SECONDS": "1", "TAILWIRE_RESTART_WINDOW": "0.5"}
    async with SeveralServers(tmp_path, postgres_url, settings=settings) as several, Balancer(several) as balancer:
        async with BalancedStage(several, balancer) as stage, Traffic(stage) as traffic:  # type: ignore[arg-type]
            carol = await stage.enter("carol")
            await traffic.until(20)
            assert len(balancer.turns) == 2, "both servers serve clients"
            for server in several.servers:
                began = time.monotonic()
                restarting = asyncio.create_task(restart_politely(server))
                await traffic.until(20)
                await restarting
                assert time.monotonic() - began > 1.0
                for actor in (traffic.alice, traffic.bob, carol):
                    await actor.ears.until(lambda actor=actor: actor.status is CONNECTED)
                await traffic.until(20)
        assert set(traffic.failures) <= {"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE"}
        assert traffic.bob.ears.all("gap") == []
    assert several.tracebacks == []


async def test_killed_server_of_two_loses_nothing(postgres_url: str, tmp_path: Path):
    async with SeveralServers(tmp_path, postgres_url) as several, Balancer(several) as balancer:
        async with BalancedStage(several, balancer) as stage, Traffic(stage) as traffic:  # type: ignore[arg-type]
            await traffic.until(20)
            for server in several.servers:
                await server.kill()
                await traffic.until(20)
                await server.start()
                await traffic.until(20)
        assert traffic.bob.ears.all("gap") == []
    assert several.tracebacks == []


@pytest.mark.thorough
@only_in_full(
    "test_several_servers.py, with a server that is paused, and test_servers.py, with a model of the database"
)
async def test_paused_server_of_two_loses_nothing(postgres_url: str, tmp_path: Path):
    """The server is paused for longer than its lease, so it is taken for dead; it goes on when it wakes."""
    async with SeveralServers(tmp_path, postgres_url) as several, Balancer(several) as balancer:
        async with BalancedStage(several, balancer) as stage, Traffic(stage) as traffic:  # type: ignore[arg-type]
            await traffic.until(20)
            paused, other = several.servers
            os.kill(paused.pid, signal.SIGSTOP)
            await other.until_logged("is taken for dead")
            os.kill(paused.pid, signal.SIGCONT)
            await paused.until_logged("it continues under a new identity")
            await traffic.until(40, 60)
        assert traffic.bob.ears.all("gap") == []
    assert several.tracebacks == []
