"""A server's counts of the deliveries that wait for a webhook, while it counts them and others are queued and sent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from postgres.writing import wait_for_giving_up
from tailwire.server.ports.records import Event
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sql.deliveries import QUEUE_FULL


@asynccontextmanager
async def opened(url):
    store = await PostgresStore.open(url, World())
    try:
        await store.webhooks.add(WebhookRow("w", "W", "http://hook", "group_created", created_at=1))
        yield store
    finally:
        await store.close()


async def queue(store, number: int) -> None:
    for _ in range(number):
        await store.webhooks.add_events([Event("group_created", b"{}")])


async def test_delivery_that_is_queued_while_the_deliveries_are_counted_is_counted(postgres_url, monkeypatch):
    async with opened(postgres_url) as store:
        await queue(store, 2)
        read, counted, go_on = store.deliveries._db.rows, asyncio.Event(), asyncio.Event()

        async def slow_rows(sql, *args):
            rows = await read(sql, *args)
            if "count(*)" in sql:
                counted.set()
                await go_on.wait()
            return rows

        monkeypatch.setattr(store.deliveries._db, "rows", slow_rows)
        counting = asyncio.create_task(store.deliveries.load())
        await counted.wait()
        await queue(store, 1)
        (first, *_) = await store.deliveries.due_deliveries("w", 2**40, 1)
        await store.deliveries.remove_delivered(first, 5)
        await queue(store, 1)
        go_on.set()
        await counting
        assert store.deliveries.waiting_counts() == {"w": 3}


async def test_deliveries_queued_while_the_oldest_are_given_up_are_kept_within_the_limit(postgres_url):
    async with opened(postgres_url) as store:
        store.deliveries.set_limits(max_waiting=3, max_failed=100, failed_seconds=1000)
        await asyncio.gather(*(queue(store, 5) for _ in range(4)))
        await wait_for_giving_up(store)
        kept = [row.id for row in await store.deliveries.due_deliveries("w", 2**40, 100)]
        failed = await store.deliveries.failed_ids("w")
        assert (len(kept), len(failed)) == (3, 17)
        assert max(failed) < min(kept)
        assert (await store.deliveries.get("w", failed[0])).problem == QUEUE_FULL
        assert store.deliveries.waiting_counts() == {"w": 3}
        assert store.deliveries.failed_counts() == {"w": 17}
