"""Lists of a million rows: the first page, and the last one by cursor and by its number, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks import peers
from tailwire.server.ports.filters import GroupFilter, UserFilter
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.parameters import statement_and_values
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sqlite import SqliteStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

ROWS = int(os.environ.get("ROWS", "1000000"))
SIZE = 100
TIMES = 5
# Where the numbers n from 1 come from, a number of seven digits, and an empty body.
_SQLITE = (
    f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) ", "s", "printf('%07d', n)",
    "CAST('{}' AS blob)",
)  # fmt: skip
_POSTGRES = ("", f"generate_series(1, {ROWS}) AS s(n)", "lpad(n::text, 7, '0')", "'{}'::bytea")
_FILLS = (
    ("users", "uid, name, role, last_active_at, created_at, updated_at",
     "'user-' || {n}, 'Person ' || (n % 1000), 'default', 0, n, n"),
    ("groups", "guid, name, type, members_count, created_at, updated_at",
     "'group-' || {n}, 'Group ' || (n % 1000), 'public', 0, n, n"),
    ("deliveries", "webhook, trigger, body, attempt, due_at, queued_at, failed_at, problem",
     "'crm', 'message_sent', {body}, 3, 0, n, n / 1000, 'status 500'"),
    ("notifications", "message_id, token_hash, uid, provider, queued_at, due_at, attempt, failed_at, problem",
     "n, 'device', 'user-' || {n}, 'web', n, n, 3, n / 1000, 'status 500'"),
    ("flags", "message_id, uid, reason_id, at", "n, 'user-' || {n}, 'spam', n / 1000"),
)  # fmt: skip


def fills(dialect: tuple[str, str, str, str]) -> list[str]:
    """Return the statements that fill the tables."""
    numbers, source, padded, body = dialect
    return [
        f"INSERT INTO {table} ({columns}) {numbers}SELECT {values.format(n=padded, body=body)} FROM {source}"
        for table, columns, values in _FILLS
    ]


class QueryRecorder:
    """Records the last query for a page that a database runs, so that it can be explained.

    Attributes:
        arguments: the SQL of the query, and its values.
    """

    def __init__(self, database: Any) -> None:
        self._database = database
        self.arguments: tuple[str, Any] = ("", ())
        for name in ("rows", "long_rows", "page"):
            setattr(database, name, self._recording(getattr(database, name), name))

    def _recording(self, real: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
        async def ask(*arguments: Any) -> Any:
            self.arguments = (
                (arguments[1], arguments[3])
                if name == "page"
                else (arguments[0], arguments[1] if arguments[1:] else ())
            )
            return await real(*arguments)

        return ask


async def timed(read: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Return the median time of a read in milliseconds, and what it returned."""
    took, found = [], None
    for _ in range(TIMES):
        begin = time.perf_counter()
        found = await read()
        took.append((time.perf_counter() - begin) * 1000)
    return statistics.median(took), found


def lists(store: Any) -> list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]]:
    """Return the lists: name, read by cursor, read by the number of the page, the position before the last page."""
    last = f"{ROWS - SIZE:07}"
    behind, named = ROWS - SIZE, ROWS - 1 - 1000 * SIZE  # as many rows follow among those with the last name
    return [
        ("users, newest last", lambda at: store.users.list_after(UserFilter(sort_by="createdAt", limit=SIZE), at),
         lambda offset: store.users.find(UserFilter(sort_by="createdAt", limit=SIZE, offset=offset)),
         (behind, f"user-{last}")),
        ("users by name", lambda at: store.users.list_after(UserFilter(limit=SIZE), at),
         lambda offset: store.users.find(UserFilter(limit=SIZE, offset=offset)), ("Person 999", f"user-{named:07}")),
        ("groups by name", lambda at: store.groups.list_after(GroupFilter(limit=SIZE), at),
         lambda offset: store.groups.find(GroupFilter(limit=SIZE, offset=offset)), ("Group 999", f"group-{named:07}")),
        ("failed deliveries of a webhook",
         lambda at: store.deliveries.list_after("crm", failed=True, position=at, limit=SIZE),
         lambda offset: store.deliveries.find("crm", failed=True, limit=SIZE, offset=offset), (0, SIZE + 1)),
        ("failed notifications", lambda at: store.notifications.list_after("failed", "", at, SIZE),
         lambda offset: store.notifications.list_failed(limit=SIZE, offset=offset), (0, SIZE + 1)),
        ("reported messages", lambda at: store.annotations.reports_after(at, SIZE),
         lambda offset: store.annotations.list_reports(limit=SIZE, offset=offset), (0, SIZE + 1, f"user-{SIZE + 1:07}")),
    ]  # fmt: skip


async def measure(store: Any, database: Any, explain: Callable[[str, Any], Awaitable[str]]) -> list[list[str]]:
    """Return a row of the table for each list: times and the plan of the last page."""
    recorder, rows = QueryRecorder(database), []
    for name, by_cursor, by_number, position in lists(store):
        first, _ = await timed(lambda read=by_cursor: read(()))
        last, found = await timed(lambda read=by_cursor, at=position: read(at))
        plan = await explain(*recorder.arguments)
        begin = time.perf_counter()
        try:
            await by_number(ROWS - SIZE)
            numbered = f"{(time.perf_counter() - begin) * 1000:,.0f} ms"
        except Refused as refused:
            numbered = refused.code
        rows.append([name, f"{first:.1f} ms", f"{last:.1f} ms", str(len(found)), numbered, f"`{plan}`"])
        print(name, *rows[-1], file=sys.stderr)
    return rows


@contextlib.asynccontextmanager
async def on_sqlite() -> AsyncIterator[tuple[Any, Any, Callable[[str, Any], Awaitable[str]]]]:
    """Fill a database of SQLite; yield its store, its database, and a function that explains a query."""
    with tempfile.TemporaryDirectory(prefix="tailwire-bench-", dir=peers.HERE.parent) as folder:
        path = Path(folder) / "store.db"
        await (await SqliteStore.open(path, World())).close()
        with contextlib.closing(sqlite3.connect(path)) as c:
            for statement in fills(_SQLITE):
                c.execute(statement)
            c.commit()
        store = await SqliteStore.open(path, World())

        async def explain(sql: str, values: Any) -> str:
            found = store.database.reader.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            return "; ".join(row[3] for row in found)

        yield store, store.database, explain
        await store.close()


@contextlib.asynccontextmanager
async def on_postgres(url: str) -> AsyncIterator[tuple[Any, Any, Callable[[str, Any], Awaitable[str]]]]:
    """Fill a database of PostgreSQL; yield its store, its database, and a function that explains a query."""
    await (await PostgresStore.open(url, World())).close()
    c = await asyncpg.connect(url)
    for statement in fills(_POSTGRES):
        await c.execute(statement, timeout=900)
    await c.execute("ANALYZE", timeout=900)
    store = await PostgresStore.open(url, World())

    async def explain(sql: str, values: Any) -> str:
        text, arguments = statement_and_values(sql, values)
        found = await c.fetch(f"EXPLAIN (COSTS OFF) {text}", *arguments)
        return "; ".join(row[0].strip() for row in found)[:160]

    yield store, store.database, explain
    await store.close()
    await c.close()


async def _all(url: str) -> list[list[str]]:
    rows = []
    for name, opened in (("SQLite", on_sqlite()), ("PostgreSQL", on_postgres(url))):
        async with opened as (store, database, explain):
            rows += [[name, *row] for row in await measure(store, database, explain)]
    return rows


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    from servers.postgres import PostgresServer

    server = PostgresServer(folder=peers.HERE.parent)
    try:
        server.start()
        rows = asyncio.run(_all(server.create_database()))
    finally:
        server.close()
    return [
        f"### Lists of {ROWS:,} rows: pages of {SIZE}",
        "",
        "The median of five reads by cursor; one read of the last page by its number, which also counts all rows.",
        "",
        "| | list | first page | last page | rows on it | by its number | plan of the last page by cursor |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
