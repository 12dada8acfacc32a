"""PostgreSQL and several writing processes under faults: nothing acknowledged is lost, duplicated or out of order."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections.abc import Iterator

import pytest

from faults import size
from faults.crowd import Crowd
from faults.traffic import Traffic
from harness import CONNECTED, LiveStage
from postgres.writers import LogReader, WriterProcess, check_stored
from servers.postgres import PostgresServer, name_of
from servers.schema import prepare
from servers.small_disk import SmallDisk
from sizes import only_in_full

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
WRITERS = 4


@pytest.fixture
def own_postgres() -> Iterator[tuple[PostgresServer, str]]:
    """A server that the test may break, and the URL of a database."""
    server = PostgresServer()
    try:
        server.start()
        yield server, server.create_database(prepare)
    finally:
        server.close()


async def test_killed_and_paused_writers_lose_and_duplicate_nothing(postgres_url: str):
    """Four writers, killed with -9 and paused in the middle of batches, and two readers of the log."""
    url = postgres_url
    chance, rounds = random.Random(5), size.full_or_short(200, 6)
    readers = [LogReader(url) for _ in range(2)]
    reading = [asyncio.create_task(reader.run()) for reader in readers]
    names = iter(range(1_000_000))
    writers = [await WriterProcess(url, f"w{next(names)}").start() for _ in range(WRITERS)]
    everyone = list(writers)
    await asyncio.gather(*(writer.until(5) for writer in writers))
    for n in range(rounds):
        place = chance.randrange(WRITERS)
        writer = writers[place]
        if n % 3 == 2:
            await writer.kill()
            writers[place] = await WriterProcess(url, f"w{next(names)}").start()
            everyone.append(writers[place])
            await writers[place].until(5)
        else:
            writer.signal(signal.SIGSTOP)
            other = writers[(place + 1) % WRITERS]
            await other.until(chance.randint(1, 60))  # others go on
            await asyncio.sleep(chance.random() * 0.1)
            writer.signal(signal.SIGCONT)
        await writers[chance.randrange(WRITERS)].until(chance.randint(1, 30))
    await asyncio.gather(*(writer.kill() for writer in writers))
    for reader in readers:
        reader.end()
    await asyncio.gather(*reading)
    count = await check_stored(url, everyone, readers)
    acknowledged = sum(len(writer.acknowledged) for writer in everyone)
    size.report("postgres writers", stored=count, acknowledged=acknowledged, polls=sum(r.polls for r in readers))


WITHOUT_IN_FULL = [pytest.mark.thorough, only_in_full("the same with muids")]


@pytest.mark.parametrize(
    "muids", [pytest.param(False, id="without muids", marks=WITHOUT_IN_FULL), pytest.param(True, id="with muids")]
)
async def test_postgres_that_stops_and_loses_connections_only_delays_writers(
    own_postgres: tuple[PostgresServer, str], muids: bool
):
    """PostgreSQL is stopped (`immediate`, `fast`), killed, and its backends are ended: writers only notice a delay."""
    server, url = own_postgres
    chance = random.Random(6)
    faults = ["terminate", "immediate", "terminate", "kill", "terminate", "fast"] * size.full_or_short(8, 1)
    reader = LogReader(url)
    reading = asyncio.create_task(reader.run())
    writers = [await WriterProcess(url, f"w{n}", muids=muids).start() for n in range(3)]
    await asyncio.gather(*(writer.until(20) for writer in writers))
    for fault in faults:
        if fault == "terminate":
            sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tailwire writer'"
            assert int(await asyncio.to_thread(server.sql, sql)) >= 1
        elif fault == "kill":
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        else:
            await asyncio.to_thread(server.restart, fault)
        await asyncio.gather(*(writer.until(chance.randint(5, 40)) for writer in writers))
    assert not any(writer.ended for writer in writers)
    await asyncio.gather(*(writer.kill() for writer in writers))
    reader.end()
    await reading
    count = await check_stored(url, writers, [reader])
    acknowledged = sum(len(writer.acknowledged) for writer in writers)
    slowest = max(max(writer.slowest) for writer in writers)
    size.report("postgres restarts", faults=len(faults), stored=count, acknowledged=acknowledged, slowest_ms=slowest)


async def test_stopped_writer_does_not_delay_the_sends_of_another_process(postgres_url: str):
    """While a process is stopped amid its batches, the slowest send of another one takes far less than the stop."""
    url = postgres_url
    stopped, other = [await WriterProcess(url, name, senders=8).start() for name in ("stopped", "other")]
    await asyncio.gather(stopped.until(50), other.until(50))
    chance = random.Random(7)
    worst = calm = 0
    for _ in range(size.full_or_short(40, 2)):
        seen = len(other.slowest)
        await asyncio.sleep(1.0)  # as long as the stop, to compare with
        await other.until(1)
        calm = max([calm, *other.slowest[seen:]])
        await stopped.until(chance.randint(1, 40))
        stopped.signal(signal.SIGSTOP)
        seen = len(other.slowest)
        await asyncio.sleep(1.0)  # the time of the stop, which a held lock would add to others' sends
        stopped.signal(signal.SIGCONT)
        await other.until(1)
        worst = max([worst, *other.slowest[seen:]])
    assert worst < 700
    size.report("postgres stops", slowest_ms=worst, slowest_without_ms=calm)
    await asyncio.gather(stopped.kill(), other.kill())
    await check_stored(url, [stopped, other], [])


@pytest.fixture
def on_own_postgres(live: LiveStage, own_postgres: tuple[PostgresServer, str]) -> PostgresServer:
    """Put the database of the stage's server on a PostgreSQL that the test may break."""
    server, url = own_postgres
    live.server._settings["TAILWIRE_DATABASE"] = url
    return server


async def test_postgres_restarted_under_a_server_loses_nothing_acknowledged(
    live: LiveStage, on_own_postgres: PostgresServer
):
    """Sends wait or are refused, sockets stay, and nothing acknowledged is lost or duplicated."""
    async with Traffic(live) as traffic:
        await traffic.until(20)
        for mode in ("immediate", "kill", "fast"):
            if mode == "kill":
                await asyncio.to_thread(on_own_postgres.kill)
                await asyncio.to_thread(on_own_postgres.start)
            else:
                await asyncio.to_thread(on_own_postgres.restart, mode)
            await traffic.until(15)
        assert traffic.bob.ears.statuses.count(CONNECTED) == 1, "a socket was closed"
    assert set(traffic.failures) <= {"ERR_UNAVAILABLE"}
    assert not [line for line in live.server.log if "Traceback" in line]


async def test_writes_are_refused_while_postgres_is_unavailable_and_succeed_afterwards(
    live: LiveStage, on_own_postgres: PostgresServer
):
    """Writes are refused with 503 while PostgreSQL is unavailable; the server logs it, and recovers by itself."""
    async with Traffic(live) as traffic, Crowd(live.server) as crowd:
        await traffic.until(10)
        await asyncio.to_thread(on_own_postgres.stop, "immediate")
        await live.server.until_logged("the database does not answer")
        await traffic.until_failure()
        assert set(traffic.failures) == {"ERR_UNAVAILABLE"}
        assert (await crowd.http.get("/health")).status_code == 503
        await asyncio.to_thread(on_own_postgres.start)
        await traffic.until(10)
        await live.server.until_logged("the database answers again")
        assert (await crowd.http.get("/health")).status_code == 200
        assert traffic.bob.ears.statuses.count(CONNECTED) == 1, "a socket was closed"
    assert not [line for line in live.server.log if "Traceback" in line]


async def check_whole(server: PostgresServer, url: str) -> None:
    """Check that no batch was stored in part: each message is in its conversation, and its muid once."""
    wrong = """SELECT (SELECT count(*) - count(DISTINCT (sender, muid)) FROM messages WHERE muid IS NOT NULL),
        (SELECT count(*) FROM conversations c WHERE c.last_message_id IS DISTINCT FROM
            (SELECT max(id) FROM messages m WHERE m.conversation_id = c.conversation_id)),
        (SELECT count(*) FROM messages m WHERE NOT EXISTS
            (SELECT FROM conversations c WHERE c.conversation_id = m.conversation_id))"""
    assert await asyncio.to_thread(server.sql, wrong, name_of(url)) == "0|0|0"


async def writes_are_refused_and_reads_go_on(traffic: Traffic, crowd: Crowd) -> None:
    """Check what users see while the database cannot be written."""
    await traffic.until_failure()
    assert set(traffic.failures) == {"ERR_UNAVAILABLE"}
    assert (await crowd.http.get("/health")).status_code == 503
    shown = [m async for m in traffic.bob.chat.messages(uid="alice", page_size=30)]
    assert len(shown) >= 20
    assert (await traffic.bob.chat.get_user("alice")).uid == "alice"


@pytest.fixture
def small_disk(live: LiveStage, own_postgres: tuple[PostgresServer, str]) -> Iterator[tuple[SmallDisk, str]]:
    """Put the database of the stage's server on a small file system of its own."""
    server, url = own_postgres
    disk = SmallDisk(server.folder / "small", 48)
    try:
        place = disk.folder / "tablespace"
        place.mkdir()
        if server.user:
            shutil.chown(place, server.user)
        server.sql(f"CREATE TABLESPACE small LOCATION '{place}'")
        server.sql(f"CREATE DATABASE small TEMPLATE {name_of(url)} TABLESPACE small")
        url = server.url("small")
        live.server._settings["TAILWIRE_DATABASE"] = url
        yield disk, url
    finally:
        server.close()
        disk.close()


async def test_full_disk_of_the_database_refuses_writes_until_there_is_room(
    live: LiveStage, own_postgres: tuple[PostgresServer, str], small_disk: tuple[SmallDisk, str]
):
    """Writes are refused while there is no room, and succeed again when there is; reads always succeed."""
    disk, url = small_disk
    async with Traffic(live) as traffic, Crowd(live.server) as crowd:
        await traffic.until(30)
        await asyncio.to_thread(disk.fill)
        await writes_are_refused_and_reads_go_on(traffic, crowd)
        await check_whole(own_postgres[0], url)
        await asyncio.to_thread(disk.free)
        await traffic.until(30)
        assert (await crowd.http.get("/health")).status_code == 200
        assert traffic.bob.ears.statuses.count(CONNECTED) == 1, "a socket was closed"
    await check_whole(own_postgres[0], url)
    assert not [line for line in live.server.log if "Traceback" in line]


async def test_sockets_stay_open_while_a_read_only_database_refuses_writes(
    live: LiveStage, own_postgres: tuple[PostgresServer, str], on_own_postgres: PostgresServer
):
    url = own_postgres[1]
    end = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name_of(url)}'"

    async def change(how: str) -> None:
        await asyncio.to_thread(on_own_postgres.sql, f"ALTER DATABASE {name_of(url)} {how}")
        await asyncio.to_thread(on_own_postgres.sql, end)

    async with Traffic(live) as traffic, Crowd(live.server) as crowd:
        await traffic.until(30)
        await change("SET default_transaction_read_only = on")
        await writes_are_refused_and_reads_go_on(traffic, crowd)
        await check_whole(on_own_postgres, url)
        await change("RESET default_transaction_read_only")
        await traffic.until(30)
        assert (await crowd.http.get("/health")).status_code == 200
        assert traffic.bob.ears.statuses.count(CONNECTED) == 1, "a socket was closed"
    await check_whole(on_own_postgres, url)
    assert not [line for line in live.server.log if "Traceback" in line]
