"""Reads and single writes over the pool: deadlines, turns, lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import asyncpg
import pytest

from servers.cut_line import CutLine
from servers.postgres import PostgresServer, name_of
from tailwire.server.ports.current_caller import current_caller
from tailwire.server.ports.refusal import Refused
from tailwire.server.store import migrate
from tailwire.server.store.migrate import UnsuitableDatabase, upgrade
from tailwire.server.store.postgres import database as database_module
from tailwire.server.store.postgres import pool
from tailwire.server.store.postgres.database import MAX_CONNECTIONS, MAX_LONG_READS, Database
from tailwire.server.store.postgres.pool import Pool

ADD = "INSERT INTO roles (role, name, created_at, updated_at) VALUES (?, ?, 0, 0)"
SLEEP = "SELECT pg_sleep(:seconds)"


def of(who: str, call: Awaitable[Any]) -> asyncio.Task[Any]:
    """Run a read as a request of a user."""

    async def ask() -> Any:
        current_caller.set(who)
        return await call

    return asyncio.get_running_loop().create_task(ask())


async def until(condition) -> None:
    """Poll until a condition has become true in the database."""
    async with asyncio.timeout(20):
        while not await condition():
            pass


async def sleepers(watcher) -> int:
    return await watcher.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(%'"
    )


async def test_read_beyond_the_deadline_is_refused_with_advice_and_the_connection_is_kept(postgres_url):
    database = await Database.open(postgres_url, 0.05)
    for _ in range(MAX_CONNECTIONS + 1):
        for read in (database.first_row, database.rows, database.long_rows):
            with pytest.raises(Refused) as caught:
                await read(SLEEP, {"seconds": 5.0})
            # A query that should be short is not the cause, so clients try it again.
            assert caught.value.code == ("ERR_QUERY_TOO_BROAD" if read == database.long_rows else "ERR_UNAVAILABLE")
    with pytest.raises(Refused, match="ERR_QUERY_TOO_BROAD"):
        await database.page("SELECT count(*) FROM pg_sleep(5)", "SELECT 1", (), ())
    assert tuple(await database.first_row("SELECT 1")) == (1,)
    readers = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tailwire reader'"
    assert await database.rows(readers) == [(1,)]
    await database.close()


async def test_read_that_the_database_never_answers_is_refused_as_unavailable(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    """The line to the database holds everything, without cutting the connection: clients should try again."""
    monkeypatch.setattr(database_module, "MARGIN_SECONDS", 0.2)
    async with CutLine(path=str(postgres.folder / ".s.PGSQL.5432")) as line:
        database = await Database.open(f"postgresql://postgres@127.0.0.1:{line.port}/{name_of(postgres_url)}", 0.2)
        for read in (database.first_row, database.rows, database.long_rows):
            assert list(map(tuple, await database.rows("SELECT 1"))) == [(1,)]
            line.hold()
            with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
                await read("SELECT 1")
            line.go_on()
        line.hold()
        with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
            await database.page("SELECT count(*) FROM roles", "SELECT 1", (), ())
        line.go_on()
        await database.close()


async def test_page_and_its_count_are_of_the_same_state(postgres_url):
    database = await Database.open(postgres_url)
    other = await asyncpg.connect(postgres_url)
    await database.run(ADD, ("a", "A"))
    count = "SELECT count(*) FROM roles, pg_advisory_lock(1) AS held"  # waits until the other has added a role
    await other.execute("SELECT pg_advisory_lock(1)")
    reading = of("alice", database.page(count, "SELECT role FROM roles ORDER BY role LIMIT ?", (), (10,)))
    await until(lambda: other.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
    await other.execute("INSERT INTO roles (role, name, created_at, updated_at) VALUES ('b', 'B', 0, 0)")
    await other.execute("SELECT pg_advisory_unlock(1)")
    assert await reading == ([("a",)], 1)
    assert (await database.page("SELECT count(*) FROM roles", "SELECT role FROM roles ORDER BY role", (), ()))[1] == 2
    await other.close()
    await database.close()


async def test_run_returns_the_number_of_changed_rows(postgres_url):
    database = await Database.open(postgres_url)
    assert await database.run(ADD, ("a", "A")) == 1
    assert await database.run(f"{ADD} ON CONFLICT DO NOTHING", ("a", "other")) == 0
    await database.run_many(ADD, [("c", "C"), ("b", "B")])
    assert await database.run("UPDATE roles SET name = ?", ("x",)) == 3
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.run_many(ADD, [("d", "D"), ("a", "A")])
    assert await database.rows("SELECT role FROM roles ORDER BY role") == [("a",), ("b",), ("c",)]
    await database.close()
    with pytest.raises(RuntimeError, match="closed"):
        await database.run(ADD, ("e", "E"))
    with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
        await database.first_row("SELECT 1")


async def test_read_is_repeated_when_its_connection_is_lost(postgres_url):
    database = await Database.open(postgres_url)
    watcher = await asyncpg.connect(postgres_url)
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'tailwire reader' AND datname = current_database()"
    )
    assert await watcher.fetchval(kill) == 1  # it is idle: the next read finds it broken
    assert tuple(await database.first_row("SELECT 1")) == (1,)
    reading = of("alice", database.long_rows(SLEEP, {"seconds": 0.3}))
    await until(lambda: sleepers(watcher))
    assert await watcher.fetchval(kill) >= 1
    assert len(await reading) == 1
    await watcher.close()
    await database.close()


async def test_read_of_a_table_that_a_newer_version_changes_is_repeated_and_then_refused(postgres_url, monkeypatch):
    database = await Database.open(postgres_url)
    newer, watcher = [await asyncpg.connect(postgres_url) for _ in range(2)]
    soon = "SELECT set_config('lock_timeout', '50ms', false)"
    assert tuple(await database.first_row(soon)) == ("50ms",), "of the only connection of the pool"
    async with newer.transaction():
        await newer.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(database.rows("SELECT uid FROM users"))
        waits = "SELECT count(*) FROM pg_stat_database WHERE datname = current_database() AND xact_rollback >= 2"
        await until(lambda: watcher.fetchval(waits))
        assert not reading.done()
    assert await reading == []
    monkeypatch.setattr(database_module, "UNREACHABLE_SECONDS", 0.1)
    async with newer.transaction():
        await newer.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Refused) as refusal:
            await database.rows("SELECT uid FROM users")
    assert refusal.value.code == "ERR_UNAVAILABLE"
    await asyncio.gather(newer.close(), watcher.close())
    await database.close()


async def test_write_whose_connection_is_lost_is_refused_and_not_repeated(postgres_url):
    database = await Database.open(postgres_url)
    watcher = await asyncpg.connect(postgres_url)
    adding = of("alice", database.run("INSERT INTO roles SELECT 'b', 'B', NULL, NULL, NULL, 0, 0 FROM pg_sleep(5)", ()))
    asking = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT INTO roles SELECT%'"
    await until(lambda: watcher.fetchval(asking))
    await watcher.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'tailwire reader' AND datname = current_database()"
    )
    with pytest.raises(Refused) as caught:
        await adding
    assert caught.value.code == "ERR_UNAVAILABLE"
    assert "Look whether" in caught.value.details
    assert await watcher.fetchval(asking) == 0
    assert await database.rows("SELECT role FROM roles") == []
    await watcher.close()
    await database.close()


async def test_database_reconnects_to_a_restarted_server(postgres_url, monkeypatch):
    server = PostgresServer()
    try:
        server.start()
        url = server.create_database()
        database = await Database.open(url)
        await asyncio.to_thread(server.restart, "immediate")
        assert tuple(await database.first_row("SELECT 1")) == (1,)
        await asyncio.to_thread(server.stop, "immediate")
        monkeypatch.setattr(pool, "UNREACHABLE_SECONDS", 0.0)
        with pytest.raises(Refused) as caught:
            await database.first_row("SELECT 1")
        assert (caught.value.code, caught.value.retry_after) == ("ERR_UNAVAILABLE", 2.0)
        await asyncio.to_thread(server.start)
        assert tuple(await database.first_row("SELECT 1")) == (1,)
        await database.close()
    finally:
        server.close()


async def test_long_reads_of_one_user_leave_turns_and_connections_to_others(postgres_url):
    database = await Database.open(postgres_url)
    watcher = await asyncpg.connect(postgres_url)
    await watcher.execute("SELECT pg_advisory_lock(7)")
    held = "SELECT pg_advisory_lock_shared(7)"
    heavy = [of("greedy", database.long_rows(held)) for _ in range(6)]
    more = [of(f"u{n}", database.long_rows(held)) for n in range(MAX_LONG_READS)]
    waiting = "SELECT count(*) = 4 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    await until(lambda: watcher.fetchval(waiting))
    assert tuple(await database.first_row("SELECT 1")) == (1,)  # short reads find a connection
    await watcher.execute("SELECT pg_advisory_unlock(7)")
    assert len(await asyncio.gather(*heavy, *more)) == 6 + MAX_LONG_READS
    await watcher.close()
    await database.close()


async def test_one_user_has_one_long_read_at_a_time(postgres_url):
    database = await Database.open(postgres_url)
    watcher = await asyncpg.connect(postgres_url)
    await watcher.execute("SELECT pg_advisory_lock(7)")
    heavy = [of("greedy", database.long_rows("SELECT pg_advisory_lock_shared(7)")) for _ in range(6)]
    done = [await of(who, database.long_rows("SELECT 1")) for who in ("alice", "bob", "carol")]
    assert done == [[(1,)]] * 3
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    await until(lambda: watcher.fetchval(waiting))
    assert await watcher.fetchval(waiting) == 1
    await watcher.execute("SELECT pg_advisory_unlock(7)")
    await asyncio.gather(*heavy)
    await watcher.close()
    await database.close()


async def test_cancelled_long_read_keeps_its_connection(postgres_url):
    database = await Database.open(postgres_url)
    watcher = await asyncpg.connect(postgres_url)
    backends = (
        "SELECT array_agg(pid) FROM pg_stat_activity"
        " WHERE application_name = 'tailwire reader' AND datname = current_database()"
    )
    (pid,) = await watcher.fetchval(backends)
    reading = of("alice", database.long_rows(SLEEP, {"seconds": 0.2}))
    await until(lambda: sleepers(watcher))
    reading.cancel()
    assert [row[0] for row in await of("alice", database.long_rows("SELECT pg_backend_pid()"))] == [pid]
    await watcher.close()
    await database.close()


async def test_closing_the_database_ends_a_running_read(postgres_url):
    database = await Database.open(postgres_url)
    watcher = await asyncpg.connect(postgres_url)
    reading = of("alice", database.long_rows(SLEEP, {"seconds": 4.0}))
    await until(lambda: sleepers(watcher))
    await database.close()
    with pytest.raises((asyncio.CancelledError, Refused)):
        await reading
    await watcher.close()


async def test_requests_beyond_the_bound_of_the_pool_are_refused(postgres_url):
    connections = Pool(lambda: asyncpg.connect(postgres_url), 1, 1)
    first = await connections.take()
    second = asyncio.ensure_future(connections.take())
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
        await connections.take()
    connections.drop(first)
    again = await second
    assert again is not first
    waiting = asyncio.ensure_future(connections.take())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    connections.give_back(again)
    assert await connections.take() is again
    connections.give_back(again)
    await connections.close()


@pytest.mark.parametrize("how", ["'UTF8' BUILTIN_LOCALE 'C'", "'UTF8' BUILTIN_LOCALE 'PG_UNICODE_FAST'"])
def test_database_of_another_locale_is_refused_and_unchanged(postgres, how):
    postgres.sql(f"CREATE DATABASE other_locale TEMPLATE template0 LOCALE_PROVIDER builtin LOCALE 'C' ENCODING {how}")
    with pytest.raises(UnsuitableDatabase, match="locale") as refused:
        upgrade(postgres.url("other_locale"))
    assert postgres.sql("SELECT count(*) FROM pg_class WHERE relname = 'messages'", "other_locale") == "0"
    postgres.drop_database(postgres.url("other_locale"))
    advice = str(refused.value).partition("CREATE DATABASE … ")[2]
    postgres.sql(f"CREATE DATABASE as_advised {advice}")
    assert postgres.sql(migrate._PROPERTIES_SQL, "as_advised").partition("|")[2] == f"UTF8|t|{migrate.LOWERED}|f"
    postgres.drop_database(postgres.url("as_advised"))


def test_migrations_produce_the_schema(postgres, postgres_url):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import inspect
    from sqlalchemy.ext.asyncio import create_async_engine

    from tailwire.server.store.sql.schema import metadata

    # Those without a definition in `store.sql.schema`.
    own = {
        "words", "words_until", "processes", "batches", "changes", "leases", "presence", "presence_versions", "origin",
    }  # fmt: skip

    def include(name, kind, parents):
        return (name if kind == "table" else parents.get("table_name")) not in own

    options = {
        "compare_server_default": True,
        "include_name": include,
        "include_object": lambda one, *_: one.info.get("only", "postgresql") == "postgresql",
    }

    def differences(connection) -> list[Any]:
        keys = [
            table.name
            for table in metadata.sorted_tables
            if table.name not in own and options["include_object"](table)
            and inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
            != [column.name for column in table.primary_key]
        ]  # fmt: skip
        return [*keys, *compare_metadata(MigrationContext.configure(connection, opts=options), metadata)]

    async def compare() -> list[Any]:
        async def connect(*_: Any, **__: Any) -> Any:
            return await asyncpg.connect(postgres_url)

        engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
        async with engine.connect() as connection:
            found = await connection.run_sync(differences)
        await engine.dispose()
        return found

    upgrade(postgres_url)
    assert asyncio.run(compare()) == []


async def test_upgraded_database_has_the_functions_and_triggers_of_a_new_one(postgres_url):
    async def definitions(connection) -> dict[str, str]:
        functions = await connection.fetch(
            "SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname = 'public' AND p.prokind = 'f'"
        )
        triggers = await connection.fetch(
            "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        )
        return dict([*functions, *triggers])

    connection = await asyncpg.connect(postgres_url)
    new = await definitions(connection)
    for name in ("tailwire_receipts_1", "tailwire_not_removed_2"):  # as earlier versions of their migrations made them
        earlier = new[name].replace("BEGIN", "BEGIN\n    -- as it was once", 1)
        assert earlier != new[name]
        await connection.execute(earlier)
    await connection.execute("DROP TRIGGER not_removed ON messages")
    await connection.execute("UPDATE alembic_version SET version_num = '0022'")
    assert await definitions(connection) != new
    await asyncio.to_thread(upgrade, postgres_url)
    assert await definitions(connection) == new
    await connection.close()


async def test_upgrade_that_waits_for_a_table_holds_up_no_other_users_of_it(postgres_url, monkeypatch, caplog):
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(migrate, "LOCK_PAUSE_SECONDS", 0.05)
    holder, other, watcher = [await asyncpg.connect(postgres_url) for _ in range(3)]
    await holder.execute("UPDATE alembic_version SET version_num = '0022'")
    waits = "SELECT count(*) FROM pg_locks WHERE relation = 'messages'::regclass AND NOT granted"
    async with holder.transaction():
        await holder.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade, postgres_url))
        for _ in range(3):
            await until(lambda: watcher.fetchval(waits))
            async with asyncio.timeout(20), other.transaction():
                await other.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
        assert not upgrading.done()
    await upgrading
    assert [record.message for record in caplog.records if record.name == "tailwire.server"] == [
        "the upgrade of the database waits until others, such as a backup, release its tables"
    ]
    assert await other.fetchval("SELECT version_num FROM alembic_version") == migrate.revisions()[-1]
    await asyncio.gather(holder.close(), other.close(), watcher.close())


async def test_database_of_a_newer_version_is_refused_at_once(postgres_url):
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(migrate.NewerDatabase, match="9999"):
        await asyncio.to_thread(upgrade, postgres_url)
    await connection.close()
