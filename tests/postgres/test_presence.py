"""The table of presence: several processes that store the same users at once agree on who is online."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from tailwire.server.ports.presence import LocalPresence, State, Transition
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.presence import _STORE_PRESENCE_SQL
from tailwire.server.store.postgres.store import PostgresStore

OFFLINE, AWAY, ONLINE = State.OFFLINE, State.AWAY, State.ONLINE
UIDS = ("alice", "bob", "carol")


async def stores(url: str, count: int) -> list[PostgresStore]:
    return [await PostgresStore.open(url, World(), serving=True) for _ in range(count)]


async def store_state(store: PostgresStore, uid: str, *, online: bool = True, away: bool = False) -> Transition:
    return (await store.presence.store_online([LocalPresence(uid, online, away)])).transitions[0]


async def test_user_is_online_if_they_are_at_any_process_and_away_only_if_away_at_all(postgres_url):
    one, other = await stores(postgres_url, 2)
    assert await store_state(one, "alice") == (OFFLINE, ONLINE)
    assert await store_state(other, "alice", away=True) == (ONLINE, ONLINE)
    assert await store_state(one, "alice", away=True) == (ONLINE, AWAY)
    assert await store_state(other, "alice") == (AWAY, ONLINE)
    assert await store_state(one, "alice", online=False) == (ONLINE, ONLINE)
    assert await store_state(other, "alice", online=False) == (ONLINE, OFFLINE)
    assert await store_state(other, "alice", online=False) == (OFFLINE, OFFLINE)
    await one.close()
    await other.close()


async def test_processes_that_store_the_same_users_at_once_agree_on_who_came_online_and_went_offline(postgres_url):
    """Each change is counted by one process alone: the answers add up to who is online in the end."""
    everyone = await stores(postgres_url, 3)
    came: Counter[str] = Counter()
    here: dict[int, set[str]] = {}

    async def work(number: int, store: PostgresStore) -> None:
        chance = random.Random(number)
        mine = here[number] = set()
        for _ in range(60):
            users = [LocalPresence(uid, chance.random() < 0.5, away=False) for uid in chance.sample(UIDS, 2)]
            stored = await store.presence.store_online(users)
            for user, (before, after) in zip(users, stored.transitions, strict=True):
                came[user.uid] += (after is not OFFLINE) - (before is not OFFLINE)
                (mine.add if user.online else mine.discard)(user.uid)

    await asyncio.gather(*(work(number, store) for number, store in enumerate(everyone)))
    online = set().union(*here.values())
    assert {uid: came[uid] for uid in UIDS} == {uid: int(uid in online) for uid in UIDS}
    rolls = [await everyone[0].presence.users_of(store.lane.process) for store in everyone]
    assert [set(one.away) for one in rolls] == [here[number] for number in range(3)]
    await asyncio.gather(*(store.close() for store in everyone))


async def test_process_that_was_declared_dead_stores_its_users_under_a_new_identity(postgres_url):
    one, other = await stores(postgres_url, 2)
    first = await one.presence.store_online([LocalPresence("alice", online=True, away=False)])
    await other.database.run("DELETE FROM processes WHERE id = ?", (first.process,))
    assert await other.presence.users_of(first.process) is None
    again = await one.presence.store_online([LocalPresence("alice", online=True, away=False)])
    assert again.process == one.lane.process != first.process
    assert again.transitions == [(OFFLINE, ONLINE)]
    assert again.version > first.version
    assert (await one.presence.store_online([])).version == again.version + 1
    await one.close()
    await other.close()


async def run_statement(store: PostgresStore, after: int, user: LocalPresence) -> None:
    """Run the statement of `store_online()` as if its process had lost the answer or given up."""
    columns = {"uids": [user.uid], "here": [user.online], "away": [user.away]}
    await store.database.first_row(_STORE_PRESENCE_SQL, {"process": store.lane.process, "after": after, **columns})


async def test_presence_statement_that_runs_after_a_later_one_changes_nothing(postgres_url):
    one, other = await stores(postgres_url, 2)
    before = await one.presence.store_online([])
    await store_state(one, "alice", online=False)
    await run_statement(one, before.version, LocalPresence("alice", online=True, away=False))
    assert (await other.presence.users_of(before.process)).away == {}
    assert (await other.presence.versions())[1][before.process] == before.version + 1
    first = await other.presence.store_online([LocalPresence("bob", online=False, away=False)])
    await run_statement(other, 0, LocalPresence("bob", online=True, away=False))  # the first statement of its process
    assert (await one.presence.users_of(first.process)).away == {}
    await one.close()
    await other.close()


async def test_version_of_presence_counts_a_statement_whose_answer_was_lost(postgres_url):
    one, other = await stores(postgres_url, 2)
    before = await one.presence.store_online([])
    await run_statement(one, before.version, LocalPresence("alice", online=True, away=False))
    stored = await one.presence.store_online([LocalPresence("bob", online=True, away=False)])
    assert stored.version == before.version + 2
    assert stored.transitions == [(OFFLINE, ONLINE)]
    assert (await other.presence.users_of(stored.process)).away == {"alice": False, "bob": False}
    await one.close()
    await other.close()


async def test_storing_a_change_takes_one_statement_even_under_a_new_identity(postgres_url, monkeypatch):
    one, other = await stores(postgres_url, 2)
    await store_state(one, "alice")
    honest, statements = one.database.first_row, []

    async def counted(sql, parameters=()):
        statements.append(sql)
        return await honest(sql, parameters)

    monkeypatch.setattr(one.database, "first_row", counted)
    await store_state(one, "bob")
    await store_state(one, "alice", online=False)
    assert statements.count(_STORE_PRESENCE_SQL) == 2
    await other.database.run("DELETE FROM processes WHERE id = ?", (one.lane.process,))
    await store_state(one, "carol")  # refused, then stored under the new identity
    await store_state(one, "bob")
    assert statements.count(_STORE_PRESENCE_SQL) == 5
    await one.close()
    await other.close()


@pytest.mark.slow
async def test_ten_thousand_users_who_come_online_at_once_are_stored_within_seconds(postgres_url):
    one, other = await stores(postgres_url, 2)
    began = asyncio.get_running_loop().time()
    for start in range(0, 10_000, 1_000):
        await one.presence.store_online(
            [LocalPresence(f"user-{start + n}", online=True, away=False) for n in range(1_000)]
        )
    assert asyncio.get_running_loop().time() - began < 30
    assert len((await other.presence.users_of(one.lane.process)).away) == 10_000
    await other.database.run("UPDATE processes SET until = '2000-01-01' WHERE id = ?", (one.lane.process,))
    ended = []
    other.processes.on_ended(ended.append)
    one.upkeep.stop()
    for _ in range(2):
        await other.processes.renew()
    assert len(ended[0].offline) == 10_000
    assert await other.database.rows("SELECT 1 FROM presence LIMIT 1") == []
    await one.close()
    await other.close()
