"""The same runs of several servers with the SQL of the store on PostgreSQL, which must answer as its model does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from servers.in_place import ConnectionThread
from servers.schema import prepare as migrate
from sim.both_databases import BothDatabases, prepare
from sizes import size
from tailwire.testing.simulation import servers
from tailwire.testing.simulation.servers_store import SharedStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MAX_SEEDS = 20
STATE = """SELECT md5(pg_get_functiondef('public.tailwire_batch_1'::regproc)) ||
(SELECT count(*) FROM pg_constraint WHERE contype = 'f')"""
SEEDS = int(os.environ.get("SEEDS", size(2, 20)))


@pytest.fixture(scope="module")
def real(postgres: Any) -> Iterator[tuple[ConnectionThread, Any]]:
    url = postgres.create_database(migrate)
    elsewhere = ConnectionThread()
    yield elsewhere, prepare(elsewhere, url)
    elsewhere.close()
    postgres.drop_database(url)


def maker(real: tuple[ConnectionThread, Any], made: list[BothDatabases]) -> servers.MakeDatabase:
    def make(store: SharedStore, chance: Random, now: Callable[[], float]) -> BothDatabases:
        made.append(BothDatabases(store, chance, now, *real))
        return made[-1]

    return make


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(SEEDS))
def test_several_servers_on_postgres_keep_the_promises_and_behave_as_on_the_model(real, seed):
    made: list[BothDatabases] = []
    assert servers.play(seed, database=maker(real, made)) == servers.play(seed)
    assert made[0].compared > 100


BATCH = "'public.tailwire_batch_1'::regproc"
FAULTS = {
    "a batch does not look whether its process was declared dead": (
        f"DO $$ BEGIN EXECUTE replace(pg_get_functiondef({BATCH}),"
        " 'IF NOT EXISTS (SELECT FROM processes WHERE id = p_process)', 'IF false'); END $$"
    ),
    "a batch that is sent again is carried out again": (
        f"DO $$ BEGIN EXECUTE replace(replace(pg_get_functiondef({BATCH}), 'v_known := FOUND', 'v_known := false'),"
        " 'VALUES (p_process, p_num,', 'VALUES (p_process, (random() * 1e15)::bigint,'); END $$"
    ),
    "leases outlast their process": "ALTER TABLE leases DROP CONSTRAINT leases_process_fkey",
    "who is online at a process outlasts it": "ALTER TABLE presence DROP CONSTRAINT presence_process_fkey",
}


@pytest.mark.thorough
@pytest.mark.parametrize("fault", list(FAULTS)[: size(1, None)])
def test_faults_in_the_database_are_found(postgres, fault):
    url = postgres.create_database(migrate)
    elsewhere = ConnectionThread()
    try:
        real = prepare(elsewhere, url)
        before = elsewhere.run(real.fetchval(STATE))
        elsewhere.run(real.execute(FAULTS[fault]))
        assert elsewhere.run(real.fetchval(STATE)) != before, "nothing was planted"
        found = []
        for seed in range(MAX_SEEDS):
            try:
                servers.play(seed, database=maker((elsewhere, real), []))
            except Exception as e:  # however it is found
                found.append(f"seed {seed}: {e}"[:300])
                break
        assert found, f"no seed below {MAX_SEEDS} finds it"
    finally:
        elsewhere.close()
        postgres.drop_database(url)
