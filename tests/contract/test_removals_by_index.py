"""What belongs to a removed message or conversation is found by indexes: the tables may be large, and writes wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft, EditedContent
from tailwire.server.ports.standing import MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sqlite import SqliteStore

ROWS = 100_000
"""With fewer, PostgreSQL may prefer to read a whole table for the messages that are removed in one step."""
PAIR = key_of("alice", "bob", "user")
INDEXES = {
    "saves": "saves_by_message", "subscriptions": "subscriptions_by_message",
    "participants": "participants_by_conversation",
}  # fmt: skip
FILLED = {
    "saves": "(uid, message_id, saved_at) SELECT 'u' || n, 1000 + n, 1",
    "subscriptions": "(uid, message_id) SELECT 'u' || n, 1000 + n",
    "participants": "(uid, conversation_id) SELECT 'u' || n, 'c' || n",
}


def draft(shown: bool = True) -> Draft:
    category, type_ = ("message", "text") if shown else ("action", "message")
    return Draft(PAIR, "alice", "bob", "user", category, type_, b'{"data":{}}', 1, shown=shown)


async def execute(store, sql: str) -> None:
    """Run a statement that changes the schema or the statistics."""
    if isinstance(store, SqliteStore):
        await store.database.write(lambda c: c.execute(sql))
    else:
        await store.database.rows(sql)


async def fill(store) -> None:
    """Store many rows of other messages and conversations."""
    numbers = f"generate_series(1, {ROWS}) AS s(n)"
    if isinstance(store, SqliteStore):
        numbers = f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) SELECT n FROM s)"
    for table, rows in FILLED.items():
        await store.database.run(f"INSERT INTO {table} {rows} FROM {numbers}")
        await execute(store, f"ANALYZE {table}")


def is_removal(sql: str) -> bool:
    return any(re.match(rf"DELETE FROM {table}\b", sql) for table in INDEXES)


def reads_messages(sql: str) -> bool:
    return re.search(r"\b(FROM|UPDATE) messages\b", sql) is not None


async def explain_unit(url: str, unit: Unit, wanted: Callable[[str], bool]) -> list[str]:
    """Carry out the steps of a unit, without a commit, and return the plans of those that are wanted."""
    connection, plans = await asyncpg.connect(url), []
    async with asyncio.timeout(20), contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        transaction = connection.transaction()
        await transaction.start()
        stack.push_async_callback(transaction.rollback)
        for kind, sql, values in unit._steps:
            statement = (f"SELECT {sql}" if kind in ("seen", "until") else sql).replace("$1", "$1::jsonb")
            arguments = [json.dumps({**values, "message_id": 1 << 40, "last_id": 1 << 40})] if "$1" in sql else []
            if wanted(sql):
                plans.append(
                    "; ".join(row[0].strip() for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
                )
            await connection.execute(statement, *arguments)
    return plans


@contextlib.asynccontextmanager
async def recorded_plans(store, wanted: Callable[[str], bool] = is_removal) -> AsyncIterator[list[str]]:
    """Collect the plans of the wanted statements that write within the context.

    Args:
        wanted: whether the plan of a statement is wanted. By default, those that delete from the filled tables are.
    """
    plans: list[str] = []
    if isinstance(store, SqliteStore):
        statements: list[str] = []
        await store.database.write(lambda c: c.set_trace_callback(statements.append))
        yield plans
        await store.database.write(lambda c: c.set_trace_callback(None))
        for sql in filter(wanted, statements):
            rows = await store.database.rows(f"EXPLAIN QUERY PLAN {sql}")
            plans.append("; ".join(row[3] for row in rows))
        return
    lane, submit = store.lane, store.lane.submit

    async def explained(entry: Entry) -> Any:
        if entry.unit is not None:
            plans.extend(await explain_unit(store.database.url, entry.unit, wanted))
        return await submit(entry)

    lane.submit = explained
    yield plans
    lane.submit = submit


async def delete(store, number: int) -> None:
    act = MessageAct(number, "alice", lambda standing: None)
    await store.messages.delete(act, 9, lambda row: b'{"data":{}}', lambda row: draft(shown=False))


async def edit(store, number: int) -> None:
    act = MessageAct(number, "alice", lambda standing: None)
    content = EditedContent(b'{"data":{}}', 0, ())
    await store.messages.edit(act, 9, lambda row: content, lambda row: draft(shown=False))


async def remove(store, number: int) -> None:
    await store.removal.remove_message(await store.messages.get(number))


async def remove_conversation(store, number: int) -> None:
    assert await store.removal.remove_conversation(PAIR)


async def prune(store, number: int) -> None:
    assert await store.pruning.remove_messages(5, 10) > 0


async def test_removals_find_the_rows_of_a_message_or_conversation_by_an_index(open_store):
    store = await open_store()
    await fill(store)
    for change in (delete, edit, remove, prune, remove_conversation):
        number = (await store.messages.add(draft())).message.id
        await edit(store, number)
        async with recorded_plans(store) as plans:
            await change(store, number)
        tables = set(INDEXES) if change is remove_conversation else {"saves", "subscriptions"}
        assert len(plans) >= len(tables), change
        for table in tables:
            of_table = [plan for plan in plans if re.search(rf"(Delete on|SEARCH|SCAN) {table}\b", plan)]
            assert of_table, (change, table)
            assert all(INDEXES[table] in plan for plan in of_table), (change, of_table)
    await store.close()


async def test_removal_of_a_user_searches_all_messages_only_outside_the_lock_of_writes(postgres_url):
    store = await PostgresStore.open(postgres_url, World())
    columns = "id, conversation_id, sender, receiver, receiver_type, category, type, sent_at, updated_at, body"
    values = "n, 'g/g', 'u' || n % 100, 'g', 'group', 'message', 'text', 1, 1, '{}'"
    await store.database.run(
        f"INSERT INTO messages ({columns}) SELECT {values} FROM generate_series(1, {ROWS}) AS s(n)"
    )
    await store.database.rows(f"SELECT setval('message_ids', {ROWS})")
    await store.database.rows("ANALYZE messages")
    await store.messages.add(draft())
    async with recorded_plans(store, reads_messages) as plans:
        await store.removal.remove_user("u7", with_messages=True)
        await store.removal.remove_user("alice", with_messages=True)
    assert len(plans) > 4
    assert [plan for plan in plans if "Seq Scan on messages" in plan] == []
    found = await store.database.rows(
        "SELECT count(*), count(*) FILTER (WHERE sender IN ('u7', 'alice')) FROM messages"
    )
    assert tuple(found[0]) == (ROWS - ROWS // 100, 0)
    await store.close()


async def test_database_of_the_revision_before_gets_those_indexes_that_it_lacks(open_store):
    store = await open_store()
    catalog = "SELECT name FROM sqlite_master WHERE type = 'index'"
    if not isinstance(store, SqliteStore):
        catalog = "SELECT indexname FROM pg_indexes"
    for name in ("saves_by_message", "participants_by_conversation"):  # an operator has made the third before
        await execute(store, f"DROP INDEX {name}")
    await store.database.run("UPDATE alembic_version SET version_num = '0022'")
    await store.close()
    store = await open_store()
    assert {name for (name,) in await store.database.rows(catalog)} >= set(INDEXES.values())
    await store.close()
