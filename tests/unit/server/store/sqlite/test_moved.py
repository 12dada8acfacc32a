"""A SQLite file that was moved to PostgreSQL is no longer written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailwire.server.app.backup import backup, restore
from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.store.sqlite.moved import DatabaseMoved, mark_moved, mark_path
from tailwire.testing.new_database import put_new_database

DRAFT = Draft("alice_user_bob", "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)


async def test_moved_file_is_refused_until_its_mark_is_removed(tmp_path: Path):
    path = tmp_path / "tailwire.db"
    put_new_database(path)
    await (await SqliteStore.open(path, World(), serving=True)).close()
    mark_moved(path)
    for serving in (True, False):
        with pytest.raises(DatabaseMoved, match=r"`database`.*remove"):
            await SqliteStore.open(path, World(), serving=serving)
    mark_path(path).unlink()
    await (await SqliteStore.open(path, World(), serving=True)).close()


async def test_command_that_opened_the_file_before_the_move_writes_nothing_afterwards(tmp_path: Path):
    path = tmp_path / "tailwire.db"
    put_new_database(path)
    command = await SqliteStore.open(path, World())
    try:
        await command.messages.add(DRAFT)
        mark_moved(path)
        with pytest.raises(DatabaseMoved):
            await command.messages.add(DRAFT)
        assert await command.database.rows("SELECT count(*) FROM messages") == [(1,)]
    finally:
        await command.close()


async def test_backup_is_restored_over_a_moved_file_when_its_mark_was_removed(tmp_path: Path):
    path, uploads = tmp_path / "data" / "tailwire.db", tmp_path / "data" / "uploads"
    await (await SqliteStore.open(path, World(), serving=True)).close()
    backup(path, uploads, tmp_path / "backup")
    mark_moved(path)
    with pytest.raises(DatabaseMoved, match="remove"):
        restore(tmp_path / "backup", path, uploads, replace=True)
    mark_path(path).unlink()
    restore(tmp_path / "backup", path, uploads, replace=True)
    await (await SqliteStore.open(path, World(), serving=True)).close()
