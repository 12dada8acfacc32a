"""Two servers on PostgreSQL behind a real Caddy: clients go on while each machine is killed and started again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cluster.cluster import Cluster
from cluster.people import NAMES, People
from front import program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("with_nats", [False, True], ids=["over PostgreSQL", "over NATS"])
async def test_nothing_is_lost_doubled_or_out_of_order_while_each_machine_is_killed(tmp_path: Path, with_nats: bool):
    program("caddy")
    cluster = Cluster(tmp_path, with_nats=with_nats)
    people: People | None = None
    try:
        await cluster.start()
        server = cluster.servers[0].process
        people = People(cluster.url, server.app_id, server.auth_key)
        await people.start()
        ledger = people.ledger
        for machine in cluster.machines:
            before = len(ledger.acknowledged)
            await machine.kill()
            await asyncio.sleep(0.5)  # clients notice, and try again
            await machine.start()
            async with asyncio.timeout(30):
                while len(ledger.acknowledged) < before + 10:
                    await asyncio.sleep(0.05)
        await people.stop()
        assert {name: ledger.missing(name) for name in NAMES} == {name: [] for name in NAMES}
        assert [(ledger.twice(name), ledger.out_of_order(name)) for name in NAMES] == [(0, 0)] * len(NAMES)
        assert set(people.failures) <= {"ERR_UNAVAILABLE"}
    finally:
        if people is not None:
            await people.close()
        await cluster.close()
