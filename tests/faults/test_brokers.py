"""Two servers on one database, while their connection breaks: each socket receives each message once, in order."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from faults import size
from faults.machine import Machine
from servers.cut_line import CutLine
from servers.nats import NatsServer
from servers.plain_sockets import PlainSocket
from servers.postgres import PostgresServer
from servers.several import SeveralServers
from sizes import only_in_full
from tailwire.testing.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SENDERS, SEND_INTERVAL_SECONDS = 6, 0.02


@pytest.fixture
def nats() -> Iterator[NatsServer]:
    """A NATS server that the test may kill."""
    server = NatsServer()
    server.start()
    yield server
    server.kill()


class Load:
    """Backends that send to bob and to a group without pause, at all servers, and sockets that listen.

    Attributes:
        acknowledged: ids of acknowledged messages.
        sockets: one of bob and one of carol at each server. Bob receives everything, carol the group's messages.
    """

    def __init__(self, servers: list[ServerProcess]) -> None:
        self.servers = servers
        self.acknowledged: dict[int, str] = {}
        self.failures = 0
        self.sockets: list[PlainSocket] = []
        self._stack = AsyncExitStack()
        self._ended = False
        self._changed = asyncio.Event()
        self._names = itertools.count()

    async def __aenter__(self) -> Load:
        first = self.servers[0]
        for server in self.servers:
            server.auth_key, server.api_key = first.auth_key, first.api_key
            for uid in ("bob", "carol"):
                self.sockets.append(await self._stack.enter_async_context(PlainSocket(server, uid)))
        async with self._client(first) as http:
            made = [
                await http.post("/groups", json={"guid": "g", "name": "G", "type": "public"}),
                await http.post("/groups/g/members", json={"participants": ["bob", "carol"]}),
            ]
            assert [answer.status_code for answer in made] == [200, 200]
        self._tasks = [asyncio.create_task(self._send(self.servers[n % len(self.servers)], n)) for n in range(SENDERS)]
        return self

    def _client(self, server: ServerProcess) -> httpx2.AsyncClient:
        headers = {"appid": server.app_id, "apikey": server.api_key, "onBehalfOf": "alice"}
        return httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers, timeout=30)

    async def _send(self, server: ServerProcess, sender: int) -> None:
        async with self._client(server) as http:
            for count in itertools.count():
                if self._ended:
                    return
                receiver, kind = (("bob", "user"), ("g", "group"))[count % 2]
                body: dict[str, Any] = {
                    "receiver": receiver, "receiverType": kind, "category": "message", "type": "text",
                    "data": {"text": f"{sender}-{count}"},
                }  # fmt: skip
                try:
                    answer = await http.post("/messages", json=body)
                except httpx2.TransportError:
                    self.failures += 1
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    self.acknowledged[int(answer.json()["data"]["id"])] = receiver
                else:
                    assert answer.status_code in (429, 503), answer.text
                    self.failures += 1
                self._changed.set()
                self._changed = asyncio.Event()
                await asyncio.sleep(SEND_INTERVAL_SECONDS)

    async def until(self, more: int, seconds: float = 60) -> None:
        """Wait until `more` further messages are acknowledged."""
        goal = len(self.acknowledged) + more
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < goal:
                await self._changed.wait()

    async def __aexit__(self, *error: object) -> None:
        self._ended = True
        try:
            if error[0] is None:
                await asyncio.gather(*self._tasks)
                await self.check()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._stack.aclose()

    async def check(self) -> None:
        """Check that every socket is open and has received every acknowledged message once, in the order of the ids."""
        for socket in self.sockets:
            wanted = {n for n, to in self.acknowledged.items() if to == "g" or socket.uid == "bob"}
            try:
                await socket.until(lambda: wanted <= set(socket.ids))  # noqa: B023 - awaited at once
            except TimeoutError:
                raise AssertionError(f"{socket.uid} misses {sorted(wanted - set(socket.ids))[:9]}") from None
            assert socket.ids == sorted(set(socket.ids)), "once, and in order"
            assert not socket.closed


async def test_nothing_is_lost_or_duplicated_while_nats_is_killed_and_started_repeatedly(
    postgres_url: str, tmp_path: Path, nats: NatsServer
):
    chance = random.Random(1)
    async with SeveralServers(tmp_path, postgres_url, settings={"TAILWIRE_BROKER": nats.url}) as several:
        async with Load(several.servers) as load:
            for _ in range(size.full_or_short(40, 4)):
                await load.until(40)
                await asyncio.to_thread(nats.kill)
                await load.until(chance.randrange(40))
                await asyncio.to_thread(nats.start)
                await load.until(chance.randrange(60))
        assert load.failures == 0
    assert several.tracebacks == []


@pytest.mark.thorough
@only_in_full("test_servers.py, with a broker that loses, delays and breaks, and test_nats_connection.py")
async def test_nothing_is_lost_or_duplicated_while_nats_is_paused(postgres_url: str, tmp_path: Path, nats: NatsServer):
    """The connections to NATS stay open without responses: the servers close them, and read the database instead."""
    async with SeveralServers(tmp_path, postgres_url, settings={"TAILWIRE_BROKER": nats.url}) as several:
        async with Load(several.servers) as load:
            await load.until(40)
            nats.pause()
            await load.until(20)  # nobody has noticed yet
            for server in several.servers:
                await server.until_logged("the connection to NATS was lost", 60)
            await load.until(40)
            nats.go_on()
            for server in several.servers:
                await server.until_logged("connected to NATS again", 60)
            await load.until(40)
        assert load.failures == 0
    assert several.tracebacks == []


@pytest.mark.thorough
@only_in_full("test_servers.py, with clocks that differ by up to an hour")
async def test_clocks_an_hour_apart_affect_neither_order_nor_leases(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path, nats: NatsServer
):
    """Order and leases do not depend on the machines' clocks, and messages have the time of the database."""
    name = postgres_url.rpartition("?")[0].rpartition("/")[2]
    several = SeveralServers(tmp_path, postgres_url, count=1, settings={"TAILWIRE_BROKER": nats.url})
    async with several:
        affected = SimpleNamespace(server=SimpleNamespace(_settings=several._settings, data=tmp_path / "data"))
        machine = Machine(affected, tmp_path)  # type: ignore[arg-type]  # it uses only the server of a stage
        machine.set_clock(3600)
        ahead = await several.add()
        await ahead.until_logged("this machine's clock is +3600")

        async def ask(sql: str) -> str:
            return await asyncio.to_thread(postgres.sql, sql, name)

        agree = "SELECT max(sent_at) - min(sent_at) < 300 FROM messages WHERE id > "
        async with Load(several.servers) as load:
            await load.until(100)
            assert await ask(agree + "0") == "t"
            machine.set_clock(-3600)
            await load.until(200)
            await ahead.until_logged("this machine's clock is -3", 60)
            await load.until(100)
            assert await ask(agree + "0") == "t"
        assert load.failures == 0
        assert await ask("SELECT count(*) FROM processes WHERE until > clock_timestamp()") == "2"
    assert several.tracebacks == []


async def test_nothing_is_lost_or_duplicated_while_connections_for_listen_are_ended(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
):
    end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tailwire listener'"
    ended = 0
    async with SeveralServers(tmp_path, postgres_url) as several:
        async with Load(several.servers) as load:
            for _ in range(size.full_or_short(60, 6)):
                await load.until(30)
                ended += int(await asyncio.to_thread(postgres.sql, end))
        assert load.failures == 0
    assert ended >= 6
    assert several.tracebacks == []


@pytest.mark.thorough
@only_in_full("NATS is killed, and test_servers.py, with a broker that loses, delays and breaks")
async def test_clients_do_not_notice_a_held_or_cut_line_to_nats(postgres_url: str, tmp_path: Path, nats: NatsServer):
    """One server is cut off from NATS: it reads the database instead, and its clients notice nothing."""
    async with CutLine(nats.port) as line:
        several = SeveralServers(tmp_path, postgres_url, count=1, settings={"TAILWIRE_BROKER": nats.url})
        async with several:
            several._settings["TAILWIRE_BROKER"] = f"nats://127.0.0.1:{line.port}"
            await several.add()
            async with Load(several.servers) as load:
                for n in range(size.full_or_short(20, 3)):
                    line.hold()
                    await load.until(60)
                    if n % 2:
                        line.cut()
                    line.go_on()
                    await load.until(60)
                line.hold()  # for so long that the server gives the connection up
                await several.servers[1].until_logged("the connection to NATS was lost", 30)
                await load.until(60)
                line.cut()
                line.go_on()
                await several.servers[1].until_logged("connected to NATS again", 30)
                await load.until(60)
            assert load.failures == 0
        assert several.tracebacks == []


NATS_IN_FULL = [pytest.mark.thorough, only_in_full("the same with the database as broker")]


@pytest.mark.parametrize("broker", ["database", pytest.param("nats", marks=NATS_IN_FULL)])
async def test_message_of_a_server_killed_between_commit_and_publication_is_delivered(
    broker: str, postgres: PostgresServer, postgres_url: str, tmp_path: Path, nats: NatsServer
):
    """The answer to its batch is held back until it is killed; the other server delivers the message nevertheless."""
    name = postgres_url.rpartition("?")[0].rpartition("/")[2]
    settings = {"TAILWIRE_BROKER": nats.url} if broker == "nats" else {}
    async with CutLine(path=str(postgres.folder / ".s.PGSQL.5432")) as line:
        several = SeveralServers(tmp_path, postgres_url, count=1, settings=settings)
        async with several, AsyncExitStack() as stack:
            (other,) = several.servers
            several._settings["TAILWIRE_DATABASE"] = f"postgresql://postgres@127.0.0.1:{line.port}/{name}"
            doomed = await several.add()
            doomed.api_key = other.api_key
            socket = await stack.enter_async_context(PlainSocket(other, "bob"))
            headers = {"appid": other.app_id, "apikey": other.api_key, "onBehalfOf": "alice"}
            http = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"{doomed.url}/v3", headers=headers))
            body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "text"}
            await http.post("/messages", json={**body, "data": {"text": "first"}})
            await socket.until(lambda: socket.texts == ["first"])
            line.hold_answers(b"tailwire writer")  # reads may come before the commit: their answers pass
            request = asyncio.create_task(http.post("/messages", json={**body, "data": {"text": "second"}}))
            count = "SELECT count(*) FROM messages"
            async with asyncio.timeout(20):
                while await asyncio.to_thread(postgres.sql, count, name) != "2":
                    assert not request.done()
            os.kill(doomed.pid, signal.SIGKILL)
            await socket.until(lambda: socket.texts == ["first", "second"])
            with pytest.raises(httpx2.TransportError):
                await request
        assert several.tracebacks == []


@pytest.mark.thorough
@only_in_full("test_servers.py, with a database that does not answer for a while, and test_lane.py")
async def test_slow_database_delays_messages_and_loses_none(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
):
    """Each commit takes 0.3 s longer, then 6 s, which is more than an answer may take: sends are refused then."""
    name = postgres_url.rpartition("?")[0].rpartition("/")[2]
    make = """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END'; CREATE TRIGGER slow AFTER INSERT ON messages EXECUTE FUNCTION slow()"""

    async def run(sql: str) -> None:
        await asyncio.to_thread(postgres.sql, sql, name)

    async with SeveralServers(tmp_path, postgres_url) as several, Load(several.servers) as load:
        await load.until(100)
        await run(make.format(seconds=0.3))
        await load.until(100)
        assert load.failures == 0
        await run("DROP FUNCTION slow CASCADE")
        await run(make.format(seconds=6))
        async with asyncio.timeout(60):
            while load.failures < 10:
                await asyncio.sleep(0.1)
        await run("DROP FUNCTION slow CASCADE")
        await load.until(200)
    assert several.tracebacks == []


async def test_server_whose_line_to_the_database_holds_everything_is_not_ready(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
):
    """Sends are refused with 503, so clients repeat them, and load balancers send them to the other server meanwhile."""
    name = postgres_url.rpartition("?")[0].rpartition("/")[2]
    async with CutLine(path=str(postgres.folder / ".s.PGSQL.5432")) as line:
        several = SeveralServers(tmp_path, postgres_url, count=1)
        async with several, AsyncExitStack() as stack:
            several._settings["TAILWIRE_DATABASE"] = f"postgresql://postgres@127.0.0.1:{line.port}/{name}"
            cut = await several.add()
            (other, _), urls = several.servers, [server.url for server in several.servers]
            headers = {"appid": other.app_id, "apikey": other.api_key, "onBehalfOf": "alice"}
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=30))
            body = {"receiver": "bob", "receiverType": "user", "data": {"text": "x"}, "muid": "once"}

            async def ready() -> list[int]:
                return [(await http.get(f"{url}/health/ready")).status_code for url in urls]

            assert await ready() == [200, 200]
            line.hold()
            assert (await http.post(f"{cut.url}/v3/messages", json=body)).status_code == 503
            async with asyncio.timeout(30):
                while await ready() != [200, 503]:
                    await asyncio.sleep(0.1)
            line.go_on()
            async with asyncio.timeout(30):
                while await ready() != [200, 200]:
                    await asyncio.sleep(0.1)
            answers = [await http.post(f"{url}/v3/messages", json=body) for url in urls]
            assert len({answer.json()["data"]["id"] for answer in answers}) == 1
            assert await asyncio.to_thread(postgres.sql, "SELECT count(*) FROM messages", name) == "1"
        assert several.tracebacks == []


async def test_sockets_stay_open_and_lose_nothing_while_the_database_is_restarted(tmp_path: Path, nats: NatsServer):
    server = PostgresServer()
    try:
        server.start()
        settings = {"TAILWIRE_BROKER": nats.url}
        async with (
            SeveralServers(tmp_path, server.create_database(), settings=settings) as several,
            Load(several.servers) as load,
        ):
            for mode in ("fast", "immediate"):
                await load.until(60)
                await asyncio.to_thread(server.restart, mode)
            await load.until(60)
        assert several.tracebacks == []
    finally:
        server.close()
