"""Leases, which decide which server does the work that only one may do."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.ports.world import World
from tailwire.server.store.postgres import lane, leases, processes, upkeep
from tailwire.server.store.postgres.store import PostgresStore


@pytest.fixture(autouse=True)
def no_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 1000)
    # On a busy machine a test may take longer than a lease, both on its clock and on that of the database.
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1000)
    for module, name in ((lane, "LEASE_SQL"), (processes, "_RENEW_SQL")):
        statement = getattr(module, name)
        longer = statement.replace(f"interval '{lane.LEASE_SECONDS} seconds'", "interval '1000 seconds'")
        assert longer != statement
        monkeypatch.setattr(module, name, longer)


async def two(url: str) -> list[PostgresStore]:
    return [await PostgresStore.open(url, World(), serving=True) for _ in range(2)]


async def test_lease_has_one_holder_until_it_gives_it_up_or_ends(postgres_url):
    one, other = await two(postgres_url)
    taken: list[frozenset[str]] = []
    other.leases.on_taken(taken.append)
    await one.leases.take(["a", "b"])
    await other.leases.take(["a", "b", "c"])
    assert [name for name in "abc" if one.leases.holds(name)] == ["a", "b"]
    assert [name for name in "abc" if other.leases.holds(name)] == ["c"]
    await one.leases.take(["a"])
    await other.leases.take(["a", "b", "c"])
    assert not one.leases.holds("b")
    assert other.leases.holds("b")
    await one.close()
    await other.leases.take(["a", "b", "c"])
    assert taken == [{"c"}, {"b"}, {"a"}]
    await other.close()


async def test_each_lease_has_one_holder_when_many_processes_take_it_at_once(postgres_url):
    both = await two(postgres_url)
    names = [f"lease{n}" for n in range(50)]
    await asyncio.gather(*(store.leases.take(chosen) for store in both for chosen in (names, names)))
    holders = [[store for store in both if store.leases.holds(name)] for name in names]
    assert [len(found) for found in holders] == [1] * 50
    for store in both:
        await store.close()


async def test_process_that_was_declared_dead_holds_nothing_and_takes_nothing(postgres_url):
    one, other = await two(postgres_url)
    await one.leases.take(["a"])
    await other.database.run("DELETE FROM processes WHERE id = ?", (one.lane.process,))
    await other.leases.take(["a"])
    assert other.leases.holds("a")
    await one.leases.take(["a", "b"])
    assert not one.leases.holds("a")
    assert not one.leases.holds("b")
    await one.processes.renew()  # takes a new identity
    await one.leases.take(["a", "b"])
    assert [name for name in "ab" if one.leases.holds(name)] == ["b"]
    await one.close()
    await other.close()


async def test_process_that_has_not_renewed_a_lease_in_time_does_not_hold_it(postgres_url, monkeypatch):
    one, other = await two(postgres_url)
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0)  # so that a lease ends as soon as it was taken
    await one.leases.take(["a"])
    assert not one.leases.holds("a")
    await other.leases.take(["a"])
    assert not other.leases.holds("a"), "the row is still that of the other process"
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1000)
    taken: list[frozenset[str]] = []
    one.leases.on_taken(taken.append)
    await one.leases.take(["a"])
    assert one.leases.holds("a")
    assert taken == [{"a"}]
    await one.close()
    await other.close()


async def test_lease_taken_long_after_a_renewal_of_its_process_is_held_only_after_the_next_renewal(
    postgres_url, monkeypatch
):
    one, other = await two(postgres_url)
    # One that was stopped before it took them: its lease goes on without it, and may be taken over before it renews it.
    monkeypatch.setattr(one.lane, "renewed_at", one.lane.renewed_at - 501)
    await one.leases.take(["a"])
    assert not one.leases.holds("a")
    await one.processes.renew()
    await one.leases.take(["a"])
    assert one.leases.holds("a")
    await one.close()
    await other.close()
