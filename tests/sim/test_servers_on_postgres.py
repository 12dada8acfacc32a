"""The same runs of several servers with the SQL of the store on PostgreSQL, which must answer as its model does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from servers.in_place import Elsewhere
from servers.schema import prepare as migrate
from sim.both_databases import BothDatabases, prepare
from sizes import size
from tailwire.testing.simulation import servers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SEEDS = int(os.environ.get("SEEDS", size(3, 20)))


@pytest.fixture(scope="module")
def real(postgres: Any) -> Iterator[tuple[Elsewhere, Any]]:
    url = postgres.create_database(migrate)
    elsewhere = Elsewhere()
    yield elsewhere, prepare(elsewhere, url)
    elsewhere.close()
    postgres.drop_database(url)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_several_servers_on_postgres_keep_the_promises_and_do_what_they_do_on_the_model(real, seed):
    made: list[BothDatabases] = []

    def make(store, chance, now):
        made.append(BothDatabases(store, chance, now, *real))
        return made[0]

    assert servers.play(seed, database=make) == servers.play(seed)
    assert made[0].compared > 500
