"""Leases, clocks and keys of processes, and the removal of old records."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from postgres.writing import draft
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres import change_log, processes, starting, upkeep
from tailwire.server.store.postgres.store import PostgresStore

EXPIRE_ALL = "UPDATE processes SET until = clock_timestamp() - interval '1 second'"
ALIVE = "SELECT id FROM processes ORDER BY id"


class Machine(World):
    """A machine whose clock is `off` seconds ahead."""

    off = 0

    def machine_milliseconds(self) -> int:
        return super().machine_milliseconds() + self.off * 1000


async def silent_store(url: str, monkeypatch: pytest.MonkeyPatch, *, serving: bool = True) -> PostgresStore:
    """Open a store that renews its lease only when the test says so."""
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)
    return await PostgresStore.open(url, World(), serving=serving)


async def ids(store: PostgresStore) -> list[int]:
    return [row[0] for row in await store.database.rows(ALIVE)]


async def test_commands_are_not_among_the_counted_servers_of_a_database(postgres_url, monkeypatch):
    first, second = [await silent_store(postgres_url, monkeypatch) for _ in range(2)]
    command = await silent_store(postgres_url, monkeypatch, serving=False)
    assert await command.users.add(UserRow("dave", "Dave", created_at=1))
    assert await first.users.get("dave") is not None
    assert await second.users.get("dave") is not None
    heard = []
    first.processes.on_servers(heard.append)
    await first.processes.renew()
    assert (first.processes.servers, heard) == (2, [1, 2])  # commands are not counted
    await second.close()
    await first.processes.renew()
    assert (first.processes.servers, heard) == (1, [1, 2, 1])
    await command.close()
    await first.close()


async def test_process_that_renews_its_lease_stays_and_one_that_does_not_is_removed(postgres_url, monkeypatch):
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 0.05)
    alive = await PostgresStore.open(postgres_url, World())
    silent = await silent_store(postgres_url, monkeypatch)
    alive.processes.on_ended(lambda ended: None)
    await alive.database.run(EXPIRE_ALL)

    async def removed() -> None:
        while await ids(alive) != [alive.lane.process]:
            await asyncio.sleep(0)

    await asyncio.wait_for(removed(), 20)
    before = silent.lane.process
    forgotten = []
    silent.lane.on_new_identity(lambda: forgotten.append(silent.lane.process))
    assert (await silent.messages.add(draft())).new
    assert silent.lane.process != before
    assert forgotten == [silent.lane.process]
    await silent.close()
    await alive.close()


async def test_idle_process_that_was_declared_dead_continues_under_a_new_identity(postgres_url, monkeypatch):
    paused, other = [await silent_store(postgres_url, monkeypatch) for _ in range(2)]
    before = paused.lane.process
    await other.database.run("DELETE FROM processes WHERE id = ?", (before,))
    await paused.processes.renew()
    assert paused.lane.process not in (before, 0)
    assert await ids(other) == [other.lane.process, paused.lane.process]
    assert (await other.database.first_row("SELECT serving FROM processes WHERE id = ?", (paused.lane.process,)))[0]
    await paused.close()
    await other.close()


async def test_processes_that_renew_after_an_outage_of_the_database_are_not_declared_dead(postgres_url, monkeypatch):
    """All leases have ended meanwhile; the first process that renews must leave the others the time to do so too."""
    one, other = [await silent_store(postgres_url, monkeypatch) for _ in range(2)]
    both = await ids(one)
    one.processes.on_ended(lambda ended: None)
    await one.database.run(EXPIRE_ALL)
    await one.processes.renew()
    await other.processes.renew()
    await one.processes.renew()
    assert await ids(one) == both
    await one.database.run(EXPIRE_ALL)
    await one.processes.renew()
    await one.processes.renew()
    assert await ids(one) == [one.lane.process]
    await one.close()
    await other.close()


async def test_server_that_died_before_the_clock_of_postgresql_went_back_is_declared_dead(postgres_url, monkeypatch):
    dead, stopped, one = [await silent_store(postgres_url, monkeypatch) for _ in range(3)]
    later = "UPDATE processes SET until = clock_timestamp() + interval '1 hour', serving = ? WHERE id = ?"
    await one.database.run_many(later, [(True, dead.lane.process), (False, stopped.lane.process)])
    ended = []
    one.processes.on_ended(ended.append)
    for _ in range(2):
        await one.processes.renew()
    assert [(process.process, process.at <= time.time() + 5) for process in ended] == [(dead.lane.process, True)]
    assert await ids(one) == [stopped.lane.process, one.lane.process]  # its users count as online for the grace period
    await asyncio.gather(dead.close(), stopped.close(), one.close())


async def test_command_declares_no_process_dead(postgres_url, monkeypatch):
    server, command = [await silent_store(postgres_url, monkeypatch, serving=serving) for serving in (True, False)]
    await command.database.run(EXPIRE_ALL)
    for _ in range(3):
        await command.processes.renew()
    assert server.lane.process in await ids(command)
    await command.close()
    await server.close()


async def test_only_one_of_two_processes_reports_the_users_of_a_dead_one_as_offline(postgres_url, monkeypatch):
    dead, one, other = [await silent_store(postgres_url, monkeypatch) for _ in range(3)]
    here = "INSERT INTO presence (uid, process) VALUES (?, ?)"
    await one.database.run_many(here, [(uid, dead.lane.process) for uid in ("alice", "bob")])
    await one.database.run(here, ("bob", other.lane.process))
    await one.database.run("UPDATE processes SET until = '2000-01-01' WHERE id = ?", (dead.lane.process,))
    offline = []
    for store in (one, other):
        store.processes.on_ended(lambda ended: offline.append(ended.offline))
        await store.processes.renew()
    await asyncio.gather(one.processes.renew(), other.processes.renew())
    assert offline == [["alice"]]  # bob is online at another process
    left = await one.database.rows("SELECT uid, process FROM presence")
    assert list(map(tuple, left)) == [("bob", other.lane.process)]
    await asyncio.gather(dead.close(), one.close(), other.close())


async def test_takeover_of_a_dead_process_waits_while_another_stores_who_is_online(postgres_url, monkeypatch):
    dead, one = [await silent_store(postgres_url, monkeypatch) for _ in range(2)]
    await one.database.run("UPDATE processes SET until = '2000-01-01' WHERE id = ?", (dead.lane.process,))
    one.processes.on_ended(lambda ended: None)
    await one.processes.renew()
    other = await asyncpg.connect(postgres_url)
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7308899 AND NOT granted"
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(7308899)")  # as that other one does
        renewing = asyncio.create_task(one.processes.renew())
        async with asyncio.timeout(20):
            while not await other.fetchval(waits):
                assert not renewing.done()
        assert dead.lane.process in [row.id for row in await one.processes.all()]
    await renewing
    assert dead.lane.process not in [row.id for row in await one.processes.all()]
    await asyncio.gather(dead.close(), one.close(), other.close())


async def test_clock_that_differs_from_that_of_postgresql_is_logged_once(postgres_url, monkeypatch, caplog):
    machine = Machine()
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)
    store = await PostgresStore.open(postgres_url, machine, serving=True)
    caplog.set_level(logging.INFO, "tailwire")
    await store.processes.renew()
    assert abs(store.processes.clock_offset) < 1
    machine.off = -90
    for _ in range(2):
        await store.processes.renew()
    assert -91 < store.processes.clock_offset < -89
    machine.off = 0
    await store.processes.renew()
    logged = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    logged[0] = re.sub(r"-(89|90)\.\d ", "-90 ", logged[0])  # an answer that comes late is measured with less precision
    assert logged == [
        "this machine's clock is -90 s off that of PostgreSQL: synchronize both (NTP)",
        "this machine's clock agrees with that of PostgreSQL again",
    ]
    await store.close()


async def test_times_are_those_of_postgresql_while_the_clock_of_this_machine_is_off(postgres_url, monkeypatch):
    machine = Machine()
    machine.off = -3600
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)
    store = await PostgresStore.open(postgres_url, machine, serving=True)
    assert abs(machine.seconds() - time.time()) > 3000
    for machine.off in (-3600, 7200, 0):
        await store.processes.renew()
        assert abs(machine.seconds() - time.time()) < 3
        assert abs(machine.milliseconds() / 1000 - time.time()) < 3
        assert abs(store.processes.clock_offset - machine.off) < 3
    await store.close()


@pytest.mark.parametrize("off", [0, 3600])
async def test_jump_of_the_clock_does_not_shift_times_even_before_it_is_noticed(postgres_url, monkeypatch, off):
    machine = Machine()
    machine.off = off
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)
    store = await PostgresStore.open(postgres_url, machine, serving=True)
    await store.processes.renew()
    before = machine.milliseconds()
    machine.off += 86_400
    assert 0 <= machine.milliseconds() - before < 1000
    await store.close()


async def test_time_of_a_process_follows_the_clock_of_postgresql_after_that_jumped_back(postgres_url, monkeypatch):
    machine = Machine()
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)
    store = await PostgresStore.open(postgres_url, machine, serving=True)
    await store.processes.renew()
    machine.follow(machine.milliseconds() + 5000)  # as if PostgreSQL had been ahead then
    await store.processes.renew()
    assert abs(machine.milliseconds() / 1000 - time.time()) < 1
    await store.close()


async def test_server_whose_keys_differ_from_those_of_running_ones_is_refused(postgres_url, monkeypatch):
    one, other = [await silent_store(postgres_url, monkeypatch) for _ in range(2)]
    await one.processes.agree_on("a")
    agreeing = asyncio.create_task(other.processes.agree_on("b"))
    while not agreeing.done():  # the running server renews its lease
        await one.processes.renew()
    with pytest.raises(processes.DifferentKeys, match=r"copy signing\.key and webhooks\.key from that server's"):
        await agreeing
    await other.processes.agree_on("a")
    await one.close()
    late = await silent_store(postgres_url, monkeypatch)
    agreeing = asyncio.create_task(late.processes.agree_on("b"))
    while not agreeing.done():
        await other.processes.renew()
    with pytest.raises(processes.DifferentKeys):
        await agreeing
    await other.close()
    await late.processes.agree_on("b")  # no other server runs
    await late.close()


async def test_server_waits_until_the_lease_of_a_killed_one_with_other_keys_has_ended(postgres_url, monkeypatch):
    killed, late = [await silent_store(postgres_url, monkeypatch) for _ in range(2)]
    await killed.processes.agree_on("a")
    agreeing = asyncio.create_task(late.processes.agree_on("b"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(agreeing), 3 * processes.KEYS_CHECK_SECONDS)
    await late.database.run(f"{EXPIRE_ALL} WHERE id = ?", (killed.lane.process,))
    await asyncio.wait_for(agreeing, 20)
    await late.close()
    await killed.close()


async def test_servers_start_one_after_the_other(postgres_url, monkeypatch):
    order = []

    async def start(name: str) -> None:
        async with starting.starting_alone(postgres_url):
            order.append(name)
            await asyncio.sleep(0.05)
            order.append(name)

    await asyncio.gather(*(start(name) for name in "abc"))
    assert order[::2] == order[1::2]
    monkeypatch.setattr(starting, "WAIT_SECONDS", 1.0)
    async with starting.starting_alone(postgres_url):
        with pytest.raises(starting.StartedElsewhere, match="another server has been starting"):
            async with starting.starting_alone(postgres_url):
                pass


async def test_old_batches_and_changes_are_removed(postgres_url):
    store = await PostgresStore.open(postgres_url, World())
    await store.messages.add(draft())
    await store.users.add(UserRow("dave", "Dave", created_at=1))
    await store.database.run("UPDATE batches SET at = at - interval '6 minutes'")
    await store.database.run("UPDATE changes SET at = at - interval '59 minutes'")
    await store.messages.add(draft())
    await store.upkeep.clean()
    assert await store.database.rows("SELECT 1 FROM batches WHERE at < clock_timestamp() - interval '5 minutes'") == []
    batches = await store.database.rows("SELECT 1 FROM batches")
    assert len(batches) >= 1  # that of the last message
    for _ in range(2):
        await store.messages.add(draft())
    await store.upkeep.clean()
    assert len(await store.database.rows("SELECT 1 FROM batches")) == len(batches) + 2  # the new ones stay
    assert len(await store.database.rows("SELECT 1 FROM changes")) == 1
    await store.database.run("UPDATE changes SET at = at - interval '2 minutes'")
    await store.upkeep.clean()
    assert await store.database.rows("SELECT 1 FROM changes") == []
    await store.close()


async def test_lease_is_renewed_while_a_cleanup_takes_long_and_there_is_one_cleanup_at_a_time(
    postgres_url, monkeypatch
):
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "TURNS_PER_CLEANUP", 1)
    begun, renewed = [0], [0]
    cleaned = asyncio.Event()

    async def clean() -> None:
        begun[0] += 1
        await cleaned.wait()

    async def count() -> None:
        renewed[0] += 1

    async def reach(counter: list[int], number: int) -> None:
        async with asyncio.timeout(20):
            while counter[0] < number:
                await asyncio.sleep(0)

    store = await PostgresStore.open(postgres_url, World())
    store.upkeep.on_cleanup(clean)
    store.upkeep.on_renewed(count)
    await reach(begun, 1)
    await reach(renewed, renewed[0] + 5)
    assert begun == [1]
    cleaned.set()
    await reach(begun, 2)
    cleaned.clear()
    await reach(begun, begun[0] + 1)
    await store.close()  # during a cleanup
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("tailwire store")]


async def test_lease_is_renewed_while_what_follows_a_renewal_takes_long_and_reads_wait(postgres_url, monkeypatch):
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 0.01)
    begun, may_end = [0], asyncio.Event()

    async def follow() -> None:
        begun[0] += 1
        await may_end.wait()

    async def until_renewed(times: int) -> None:
        async with asyncio.timeout(20):
            for _ in range(times):
                before = store.lane.renewed_at
                while store.lane.renewed_at == before:
                    await asyncio.sleep(0.001)

    store = await PostgresStore.open(postgres_url, World())
    store.upkeep.on_renewed(follow)
    await until_renewed(3)
    assert begun == [1], "one at a time"
    slow = [asyncio.create_task(store.database.rows("SELECT pg_sleep(0.05)")) for _ in range(2000)]
    await until_renewed(3)
    assert not slow[-1].done()
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    may_end.set()
    async with asyncio.timeout(20):
        while begun[0] < 2:
            await asyncio.sleep(0)
    await store.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("tailwire store")]


async def test_old_entries_of_the_change_log_are_removed_in_a_bounded_number_of_steps(postgres_url, monkeypatch):
    monkeypatch.setattr(change_log, "STEPS_PER_CLEANUP", 2)
    store = await PostgresStore.open(postgres_url, World())
    await store.database.run(
        "INSERT INTO change_log (subject, key, after_id, kind, uid, device, to_uid, message_id, detail, since_id, at)"
        " SELECT 'u/a/b', CAST(i AS text), 0, 'pinned', 'a', '', '', 0, '', 0, 1 FROM generate_series(1, 4500) AS i"
    )
    left = []
    for _ in range(3):
        await store.upkeep.clean()
        left += await store.database.rows("SELECT count(*) FROM change_log")
    assert [count for (count,) in left] == [2500, 500, 0]
    await store.close()


async def test_batch_whose_answer_was_lost_is_not_stored_again_after_a_long_pause(postgres_url, monkeypatch):
    """The process is paused before it has the answer, for longer than batches are kept, and taken for dead meanwhile."""
    paused, other = await silent_store(postgres_url, monkeypatch), await silent_store(postgres_url, monkeypatch)
    await other.messages.add(draft(text="earlier"))
    lane = paused.lane
    connect, real = lane._connect, await lane._checked_connection()

    class LosesTheAnswer:
        async def fetchrow(self, *arguments, **more):
            await real.fetchrow(*arguments, **more)
            raise ConnectionResetError("as planned")

        def is_closed(self):
            return False

        def terminate(self):
            real.terminate()

    async def connect_after_the_pause():
        await other.database.run("UPDATE batches SET at = at - interval '6 minutes'")
        await other.database.run("UPDATE processes SET until = clock_timestamp() - interval '1 second' WHERE id = ?",
                                 (lane.process,))  # fmt: skip
        await other.processes.renew()
        await other.upkeep.clean()
        lane._connect = connect
        return await connect()

    lane._connection, lane._connect = LosesTheAnswer(), connect_after_the_pause
    stored = await paused.messages.add(draft(text="once"))
    assert stored.new
    found = await other.database.rows("SELECT id FROM messages WHERE body LIKE '%once%'::bytea")
    assert found == [(stored.message.id,)]
    await paused.close()
    await other.close()


class PooledSession:
    """A session behind a pooler that lends a connection for each transaction: the one that was given back last."""

    def __init__(self, idle: list[Any]) -> None:
        self._idle = idle
        self._lent: Any = None

    @asynccontextmanager
    async def transaction(self, *, readonly: bool) -> AsyncIterator[None]:
        self._lent = self._idle.pop()
        try:
            async with self._lent.transaction(readonly=readonly):
                yield
        finally:
            self._idle.append(self._lent)

    async def fetchval(self, sql: str) -> Any:
        return await self._lent.fetchval(sql)

    def terminate(self) -> None:
        pass


async def test_server_does_not_start_behind_a_pooler_that_gives_each_transaction_another_connection(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    idle = [await asyncpg.connect(postgres_url) for _ in range(2)]

    async def pooled(url: str, deadline: float) -> Any:
        return PooledSession(idle)

    monkeypatch.setattr(starting, "connect_reader", pooled)
    with pytest.raises(starting.PooledTransactions, match="pool_mode = session"):
        async with starting.starting_alone(postgres_url):
            pass
    for connection in idle:
        await connection.close()
