"""Leases of processes, old records, and the lock of the server."""

from __future__ import annotations

import asyncio

import pytest

from postgres.writing import draft
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres import upkeep
from tailwire.server.store.postgres.store import PostgresStore


async def test_a_database_has_one_server_at_a_time_and_commands_beside_it(postgres_url, monkeypatch):
    monkeypatch.setattr(upkeep, "LOCK_TRIES", 2)
    server = await PostgresStore.open(postgres_url, World(), serving=True)
    with pytest.raises(upkeep.DatabaseInUse, match="another server uses this PostgreSQL database"):
        await PostgresStore.open(postgres_url, World(), serving=True)
    command = await PostgresStore.open(postgres_url, World())
    assert await command.users.add(UserRow("dave", "Dave", created_at=1))
    await command.close()
    assert await server.users.get("dave") is not None
    server.abandon()  # as when it is killed
    monkeypatch.setattr(upkeep, "LOCK_TRIES", 100)
    again = await PostgresStore.open(postgres_url, World(), serving=True)
    await again.close()


async def test_a_process_that_renews_its_lease_stays_and_one_that_does_not_is_removed(postgres_url, monkeypatch):
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 0.05)
    alive = await PostgresStore.open(postgres_url, World())
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)
    silent = await PostgresStore.open(postgres_url, World())
    await alive.database.run("UPDATE processes SET until = clock_timestamp() - interval '1 second'")

    async def renewed() -> None:
        sql = "SELECT 1 FROM processes WHERE id = ? AND until > clock_timestamp()"
        while not await alive.database.one(sql, (alive.lane.process,)):
            await asyncio.sleep(0)

    await asyncio.wait_for(renewed(), 20)
    before = silent.lane.process
    await alive.upkeep.clean()
    assert [row[0] for row in await alive.database.rows("SELECT id FROM processes")] == [alive.lane.process]
    assert (await silent.messages.add(draft())).new
    assert silent.lane.process != before
    await silent.close()
    await alive.close()


async def test_old_batches_and_changes_are_removed(postgres_url):
    store = await PostgresStore.open(postgres_url, World())
    await store.messages.add(draft())
    await store.users.add(UserRow("dave", "Dave", created_at=1))
    await store.database.run("UPDATE batches SET at = at - interval '6 minutes'")
    await store.database.run("UPDATE changes SET at = at - interval '59 minutes'")
    await store.messages.add(draft())
    await store.upkeep.clean()
    assert await store.database.rows("SELECT 1 FROM batches WHERE at < clock_timestamp() - interval '5 minutes'") == []
    assert len(await store.database.rows("SELECT 1 FROM batches")) >= 1  # that of the last message
    assert len(await store.database.rows("SELECT 1 FROM changes")) == 1
    await store.database.run("UPDATE changes SET at = at - interval '2 minutes'")
    await store.upkeep.clean()
    assert await store.database.rows("SELECT 1 FROM changes") == []
    await store.close()
