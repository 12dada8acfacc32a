"""A PostgreSQL database is restored under connected and returning clients: each new message arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from faults.traffic import Traffic
from harness import Actor, LiveStage
from servers.postgres import PostgresServer
from servers.schema import prepare
from servers.several import SeveralServers
from tailwire import (
    AppSettingsBuilder,
    ChatClient,
    FileSessionStore,
    HistoryGap,
    MemorySessionStore,
    TextMessage,
)
from tailwire.server.store.migrate import UnsuitableDatabase, upgrade

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def on_postgres(live: LiveStage, postgres: PostgresServer, postgres_url: str) -> str:
    """Put the database of the stage's server on PostgreSQL, and return its URL."""
    live.server._settings["TAILWIRE_DATABASE"] = postgres_url
    return postgres_url


@pytest.mark.parametrize("running", [True, False], ids=["under a running server", "while no server runs"])
async def test_clients_receive_each_new_message_after_a_dump_was_restored(
    live: LiveStage, on_postgres: str, postgres: PostgresServer, tmp_path, running: bool
):
    sessions = FileSessionStore(tmp_path / "sessions")
    alice, bob = await live.enter("alice"), await live.enter("bob")
    away = await live.enter("carol", store=sessions)
    for n in range(5):
        await alice.say("bob", f"before {n}")
    await alice.say("carol", "before")
    dump = await asyncio.to_thread(postgres.dump, on_postgres)
    lost = [await alice.say("bob", f"lost {n}") for n in range(20)]
    lost.append(await alice.say("carol", "lost"))
    await bob.ears.until(lambda: len(bob.ears.texts) == 25)
    await away.ears.until(lambda: away.ears.texts == ["before", "lost"])
    await away.chat.aclose()
    if not running:
        await live.server.stop()
    await asyncio.to_thread(postgres.put_back, dump, on_postgres)
    if not running:
        await live.server.start()
    shared = lost[0].id - 1  # the highest id in the dump
    new = []
    for n in range(40):
        text = f"after {n}"
        message = TextMessage(receiver="bob", text=text, muid=text)
        new.append(await alice.chat.send_message(message))
        if n == 20:
            await alice.say("carol", "after")
    await bob.ears.until(lambda: len(bob.ears.texts) >= 65, timeout=90)
    assert bob.ears.texts[25:] == [f"after {n}" for n in range(40)]
    assert bob.ears.all("gap") == [HistoryGap(shared, lost[19].id)]
    ids = [message.id for message in (*lost, *new)]
    assert len(set(ids)) == len(ids)
    again = live.actor(store=sessions)
    again.listen()
    await again.chat.init()
    await again.ears.until(lambda: again.ears.texts == ["after"], timeout=60)
    assert again.ears.all("gap") == [HistoryGap(shared, lost[20].id)]
    await alice.say("carol", "live")
    await again.ears.until(lambda: again.ears.texts == ["after", "live"])
    assert not [line for line in live.server.log if "Traceback" in line]


async def test_two_servers_detect_that_a_dump_was_restored(postgres: PostgresServer, postgres_url: str, tmp_path):
    """Alice is at one server and bob at the other: bob receives each new message once, and one gap."""
    async with SeveralServers(tmp_path, postgres_url) as several:
        one, _ = several.servers
        actors = []
        for server, uid in zip(several.servers, ("alice", "bob"), strict=True):
            settings = AppSettingsBuilder().override_client_host(server.url).build()
            actor = Actor(ChatClient(one.app_id, settings, session_store=MemorySessionStore()))
            await actor.chat.init()
            actor.listen()
            await actor.chat.login(uid, auth_key=one.auth_key)
            await actor.wait_connected()
            actors.append(actor)
        alice, bob = actors
        for n in range(5):
            await alice.say("bob", f"before {n}")
        dump = await asyncio.to_thread(postgres.dump, postgres_url)
        lost = [await alice.say("bob", f"lost {n}") for n in range(20)]
        await bob.ears.until(lambda: len(bob.ears.texts) == 25)
        await asyncio.to_thread(postgres.put_back, dump, postgres_url)
        new = []
        for n in range(40):
            new.append(await alice.chat.send_message(TextMessage(receiver="bob", text=f"after {n}", muid=f"m{n}")))
        await bob.ears.until(lambda: len(bob.ears.texts) >= 65, timeout=90)
        assert bob.ears.texts[25:] == [f"after {n}" for n in range(40)]
        assert bob.ears.all("gap") == [HistoryGap(lost[0].id - 1, lost[19].id)]
        ids = [message.id for message in (*lost, *new)]
        assert len(set(ids)) == len(ids)
        for server in several.servers:
            await server.until_logged("closed connections reason='new start'")
        for actor in actors:
            await actor.chat.aclose()
    assert several.tracebacks == []


@pytest.fixture
def pair(live: LiveStage) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Put the database of the stage's server on a primary with a standby."""
    primary = PostgresServer()
    standby = None
    try:
        primary.start()
        name = primary.create_database(prepare).rpartition("?")[0].rpartition("/")[2]
        standby = primary.make_standby()
        standby.start()
        live.server._settings["TAILWIRE_DATABASE"] = (
            f"postgresql://postgres@/{name}?host={standby.folder},{primary.folder}&port=5432,5432"
        )
        yield primary, standby
    finally:
        primary.close()
        if standby is not None:
            standby.close()


async def fail_over_under_traffic(live: LiveStage, primary: PostgresServer, standby: PostgresServer) -> Traffic:
    """Kill the primary amid sends, promote the standby, and return the traffic once it flows again.

    The URL names the standby first: a server that used whichever answers would read from it.
    """
    async with Traffic(live) as traffic:
        await traffic.until(50)
        await asyncio.to_thread(primary.kill)
        await traffic.until_failure()
        await asyncio.to_thread(standby.promote)
        await traffic.until(50)
        assert max(traffic.acknowledged) > 2**20
    assert set(traffic.failures) <= {"ERR_UNAVAILABLE"}
    assert not [line for line in live.server.log if "Traceback" in line]
    return traffic


async def test_standby_takes_over_under_traffic(live: LiveStage, pair: tuple[PostgresServer, PostgresServer]):
    """No id is given out twice, and what the standby did not have is in a reported gap."""
    with pytest.raises(UnsuitableDatabase, match="standby"):
        await asyncio.to_thread(upgrade, pair[1].url("postgres"))
    await fail_over_under_traffic(live, *pair)


async def test_synchronous_standby_that_takes_over_has_all_that_was_acknowledged(
    live: LiveStage, pair: tuple[PostgresServer, PostgresServer]
):
    """With `synchronous_standby_names`, nothing acknowledged is lost, so no gap is reported."""
    primary, _ = pair
    await asyncio.to_thread(primary.sql, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    await asyncio.to_thread(primary.sql, "SELECT pg_reload_conf()")
    async with asyncio.timeout(30):
        while await asyncio.to_thread(primary.sql, "SELECT sync_state FROM pg_stat_replication") != "sync":
            await asyncio.sleep(0.05)
    traffic = await fail_over_under_traffic(live, *pair)
    assert traffic.bob.ears.all("gap") == []
