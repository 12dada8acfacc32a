"""The rows of processes: what a process writes about itself leaves those of the others alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from postgres.writing import draft_entry, open_lane
from tailwire.server.ports.world import World
from tailwire.server.store.postgres import lane, upkeep
from tailwire.server.store.postgres.store import PostgresStore

LEFT_SQL = (
    "SELECT id, serving, keys, CAST(extract(epoch FROM until - clock_timestamp()) AS double precision) FROM processes"
)


@pytest.fixture(autouse=True)
def no_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)


@asynccontextmanager
async def several(url: str, servers: int, commands: int = 0) -> AsyncIterator[list[PostgresStore]]:
    opened = [await PostgresStore.open(url, World(), serving=n < servers) for n in range(servers + commands)]
    try:
        yield opened
    finally:
        for store in opened:
            await store.close()


async def left_of(store: PostgresStore) -> dict[int, tuple[bool, str, float]]:
    """Return of each process whether it serves, its keys, and how many seconds its lease still lasts."""
    return {number: tuple(rest) for number, *rest in await store.database.rows(LEFT_SQL)}


async def expire(by: PostgresStore, *others: PostgresStore) -> None:
    sql = "UPDATE processes SET until = clock_timestamp() - interval '1 second' WHERE id = ?"
    await by.database.run_many(sql, [(other.lane.process,) for other in others])


async def test_process_has_a_lease_as_soon_as_it_is_registered(postgres_url):
    async with several(postgres_url, 1) as (store,):
        ((serving, _, left),) = (await left_of(store)).values()
        assert serving
        assert -5 < left <= lane.LEASE_SECONDS  # also on a busy machine


async def test_process_that_ends_leaves_the_rows_of_other_processes_unchanged(postgres_url):
    async with several(postgres_url, 2) as (one, other):
        ending = [await open_lane(postgres_url) for _ in range(2)]
        for number, process in enumerate(ending):
            await process.submit(draft_entry())
            process.grace = 500.0
            if number:  # its row is kept while its user counts as online
                await one.database.run("INSERT INTO presence (uid, process) VALUES ('alice', ?)", (process.process,))
        await one.database.run("UPDATE processes SET keys = 'k'")
        for process in ending:
            await process.close()
        rows = await left_of(one)
        assert rows.keys() == {one.lane.process, other.lane.process, ending[1].process}
        serving, keys, left = rows[ending[1].process]
        assert (serving, keys, 400 < left <= 500) == (False, "", True)
        for store in (one, other):
            serving, keys, left = rows[store.lane.process]
            assert (serving, keys, left <= lane.LEASE_SECONDS) == (True, "k", True)


async def test_renewal_renews_only_its_own_lease_and_counts_running_servers(postgres_url):
    async with several(postgres_url, 3, 1) as (one, other, _, _):
        await expire(one, other)
        longer = "UPDATE processes SET until = clock_timestamp() + interval '1 hour' WHERE id = ?"
        await one.database.run(longer, (one.lane.process,))
        await one.processes.renew()
        assert one.processes.servers == 2  # neither the command nor the one whose lease has ended
        await expire(one, one)
        await one.processes.renew()
        assert one.processes.servers == 2
        left = {number: left for number, (_, _, left) in (await left_of(one)).items()}
        assert left[one.lane.process] <= lane.LEASE_SECONDS
        assert left[other.lane.process] < 0
        assert one.processes.alive == left.keys()


async def test_process_declares_only_other_processes_dead_whose_lease_has_ended(postgres_url):
    async with several(postgres_url, 3, 1) as (one, other, dead, command):
        ended: list[int] = []
        one.processes.on_ended(lambda process: ended.append(process.process))
        await expire(one, dead, command)
        for _ in range(2):
            await expire(one, one)
            await one.processes.renew()
        assert sorted(ended) == sorted([dead.lane.process, command.lane.process])
        assert [row.id for row in await one.processes.all()] == [one.lane.process, other.lane.process]
        assert [row.answers for row in await other.processes.all()] == [False, True]


async def test_process_is_declared_dead_only_if_its_lease_had_ended_at_two_renewals(postgres_url):
    async with several(postgres_url, 3) as (one, first, second):
        ended: list[int] = []
        one.processes.on_ended(lambda process: ended.append(process.process))
        await expire(one, first)
        await one.processes.renew()
        await expire(one, second)
        assert ended == []
        await one.processes.renew()
        assert ended == [first.lane.process]
        await one.processes.renew()
        assert ended == [first.lane.process, second.lane.process]


async def test_users_of_several_dead_processes_went_offline_unless_they_are_at_a_living_one(postgres_url):
    async with several(postgres_url, 4) as (one, other, first, second):
        at = {first: ("alice", "bob", "carol"), second: ("bob", "dave"), other: ("carol", "erin")}
        for store, uids in at.items():
            rows = [(uid, store.lane.process) for uid in uids]
            await one.database.run_many("INSERT INTO presence (uid, process) VALUES (?, ?)", rows)
        ended: dict[int, list[str]] = {}
        one.processes.on_ended(lambda process: ended.update({process.process: sorted(process.offline)}))
        await expire(one, first, second)
        for _ in range(2):
            await one.processes.renew()
        assert ended == {first.lane.process: ["alice", "bob"], second.lane.process: ["bob", "dave"]}
        left = await one.database.rows("SELECT uid FROM presence ORDER BY uid")
        assert [row[0] for row in left] == ["carol", "erin"]


async def test_keys_of_ended_servers_and_of_commands_do_not_delay_a_server_with_other_keys(postgres_url, caplog):
    caplog.set_level(logging.INFO, "tailwire")
    async with several(postgres_url, 3, 1) as (one, silent, ended, command):
        await one.processes.agree_on("mine")
        stated = [("theirs", store.lane.process) for store in (ended, command)]
        await one.database.run_many("UPDATE processes SET keys = ? WHERE id = ?", stated)
        await expire(one, ended)
        await asyncio.wait_for(one.processes.agree_on("others"), 20)
        assert "other keys" not in caplog.text  # it has waited for none of them
        assert {keys for _, keys, _ in (await left_of(one)).values()} == {"others", "", "theirs"}
        assert (await left_of(one))[silent.lane.process][1] == ""
