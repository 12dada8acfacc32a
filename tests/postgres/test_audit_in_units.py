"""The audit log on PostgreSQL: neither a change nor its entry exists without the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from postgres.writing import draft
from tailwire.server.ports.audit import AuditEntry, current_entry
from tailwire.server.ports.key_records import KeyRow
from tailwire.server.ports.records import RoleRow, UserRow
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore

KEY = KeyRow("hash", "Key", "fullAccess", 1)


async def open_store(url: str) -> PostgresStore:
    store = await PostgresStore.open(url, World())
    store.audit.set_limits(seconds=3600, entries=200)
    return store


async def request(entry: AuditEntry, change: Callable[[], Awaitable[Any]]) -> Any:
    """Return the result of a change that a request with an entry makes."""

    async def made() -> Any:
        current_entry.set(entry)
        return await change()

    return await asyncio.create_task(made())


async def entries(store: PostgresStore) -> int:
    (count,) = await store.database.first_row("SELECT count(*) FROM audit")
    return int(count)


async def test_change_is_undone_if_its_entry_cannot_be_written(postgres_url):
    store = await open_store(postgres_url)
    await store.roles.add(RoleRow("guest", "Guest"))
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("ALTER TABLE audit ADD CHECK (target <> 'refused')")
    await connection.close()
    user = UserRow("dave", "Dave", created_at=1)
    for change in (
        lambda: store.users.add(user),
        lambda: store.keys.add(KEY),
        lambda: store.roles.restrict("guest", ["b", "a"], 1),
    ):
        entry = AuditEntry("change", "k", "PUT /x", "refused")
        with pytest.raises(asyncpg.CheckViolationError):
            await request(entry, change)
        assert not entry.taken
    assert await store.users.get("dave") is None
    assert await store.keys.get("hash") is None
    assert await store.roles.restrictions("guest") == {}
    assert await entries(store) == 0
    await store.close()


async def test_changes_of_many_rows_have_one_entry(postgres_url):
    store = await open_store(postgres_url)
    await store.roles.add(RoleRow("guest", "Guest"))
    entry = AuditEntry("change", "k", "PUT /x")
    await request(entry, lambda: store.roles.restrict("guest", ["c", "a", "b"], 7))
    assert await store.roles.restrictions("guest") == {"a": 7, "b": 7, "c": 7}
    assert (entry.taken, await entries(store)) == (True, 1)
    await store.close()


async def test_removals_that_remove_nothing_are_not_recorded(postgres_url):
    store = await open_store(postgres_url)
    entry = AuditEntry("change", "k", "DELETE /x")
    assert not await request(entry, lambda: store.webhooks.remove("none"))
    assert not await request(entry, lambda: store.friends.remove("alice", "bob"))
    assert not await request(entry, lambda: store.deliveries.send_again("none", [1]))
    assert (entry.taken, await entries(store)) == (False, 0)
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "message_sent", created_at=1))
    assert await request(entry, lambda: store.webhooks.remove("w"))
    assert (entry.taken, await entries(store)) == (True, 1)
    await store.close()


async def test_audit_entry_of_a_use_is_not_stored_together_with_a_write(postgres_url):
    store = await open_store(postgres_url)
    entry = AuditEntry("use", "k", "POST /messages")
    assert (await request(entry, lambda: store.messages.add(draft()))).new
    await request(entry, lambda: store.keys.add(KEY))
    assert await request(entry, lambda: store.users.add(UserRow("dave", "Dave", created_at=1)))
    assert (entry.taken, await entries(store)) == (False, 0)
    await store.close()


async def test_excess_audit_entries_are_removed_only_after_new_ones_were_written(postgres_url):
    store = await open_store(postgres_url)
    await store.upkeep.clean()
    await store.database.run("INSERT INTO audit SELECT n, 2000000000, 'change', '', '', '', '', '', '', '', ''"
                             " FROM generate_series(1001, 1300) AS n")  # fmt: skip
    await store.upkeep.clean()
    assert await entries(store) == 300
    for _ in range(3):  # more than one per cent of the limit
        await store.audit.add(AuditEntry("change", "k", "PUT /x", "new"))
    await store.upkeep.clean()
    assert await entries(store) == 200
    await store.close()
