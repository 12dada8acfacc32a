"""A move to PostgreSQL that fails keeps nothing, or reports what is unknown."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from servers.postgres import PostgresServer, name_of
from tailwire.server.app import moving
from tailwire.server.app.move_target import MoveRefused, filled_target
from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.starting import starting_alone
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.store.sqlite.moved import mark_moved, mark_path

END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tailwire migrate'"
DRAFT = Draft("alice_user_bob", "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the database file of a server that has stopped."""
    path = tmp_path / "tailwire.db"

    async def serve() -> None:
        store = await SqliteStore.open(path, World(), serving=True)
        await store.messages.add(DRAFT)
        await store.close()

    asyncio.run(serve())
    return path


def rows(url: str) -> int:
    """Return the number of messages in a database."""

    async def count() -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM messages"))
        finally:
            await connection.close()

    return asyncio.run(count())


@pytest.mark.parametrize("way", ["move", "follow"])
def test_connection_lost_at_the_commit_leaves_the_file_marked_as_moved(
    file: Path, way: str, postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    def mark(database: Path) -> None:
        mark_moved(database)
        postgres.sql(END, name_of(postgres_url))

    monkeypatch.setattr(moving, "mark_moved", mark)
    arguments = (file, postgres_url, lambda table, number: None)
    with pytest.raises(OSError, match=f"unknown whether.*remove {mark_path(file)}"):
        moving.move(*arguments) if way == "move" else moving.follow(*arguments, lambda done: None)
    assert mark_path(file).exists()
    assert rows(postgres_url) == 0
    mark_path(file).unlink()
    monkeypatch.undo()
    assert moving.move(*arguments) == 1
    assert rows(postgres_url) == 1


def test_connection_lost_before_the_commit_leaves_the_file_not_marked_as_moved(
    file: Path, postgres: PostgresServer, postgres_url: str
):
    def report(table: str, number: int) -> None:
        if table == "messages":
            postgres.sql(END, name_of(postgres_url))

    with pytest.raises(OSError, match="cannot be written"):
        moving.follow(file, postgres_url, report, lambda done: None)
    assert not mark_path(file).exists()
    assert rows(postgres_url) == 0


def test_numbers_of_changes_continue_after_those_that_were_removed_before_the_move(file: Path, postgres_url: str):
    with closing(sqlite3.connect(file)) as source, source:
        source.execute("UPDATE forgotten_changes SET highest = 500")
        assert source.execute("SELECT count(*) FROM change_log").fetchone() == (0,)
    moving.move(file, postgres_url, lambda name, rows: None)

    async def next_number() -> int:
        connection = await asyncpg.connect(postgres_url)
        try:
            return int(await connection.fetchval("SELECT nextval(pg_get_serial_sequence('change_log', 'number'))"))
        finally:
            await connection.close()

    assert asyncio.run(next_number()) == 501


def test_move_is_refused_while_a_server_is_starting(file: Path, postgres_url: str):
    async def beside_a_start() -> None:
        async with starting_alone(postgres_url):
            with pytest.raises(MoveRefused, match="starting"):
                async with filled_target(postgres_url):
                    pass

    asyncio.run(beside_a_start())


def test_file_of_another_version_is_refused_and_stays_as_it_is(
    file: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    before = file.read_bytes()
    monkeypatch.setattr(moving, "revisions", lambda: ["9999"])
    with pytest.raises(MoveRefused, match="9999"):
        moving.follow(file, postgres_url, lambda table, number: None, lambda done: None)
    assert file.read_bytes() == before
