"""Backups are consistent while a server writes, and overwrite nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tailwire.server.app.backup import BackupRefused, backup, make_aside, restore
from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.store.sqlite.lock import DatabaseInUse
from tailwire.testing.new_database import put_new_database


async def open_store(data: Path) -> SqliteStore:
    put_new_database(data / "tailwire.db")
    return await SqliteStore.open(data / "tailwire.db", World(), serving=True)


async def send(store: SqliteStore) -> int:
    draft = Draft("alice_user_bob", "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)
    return (await store.messages.add(draft)).message.id


def messages(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "tailwire.db")) as c:
        return [row[0] for row in c.execute("SELECT id FROM messages ORDER BY id")]


async def test_backup_of_a_running_server_is_consistent(tmp_path):
    data, target = tmp_path / "data", tmp_path / "backup"
    store = await open_store(data)
    for secret in ("signing.key", "keys.json"):
        (data / secret).write_bytes(b"secret")
    (data / "uploads").mkdir()
    (data / "uploads" / "photo").write_bytes(b"x" * 1000)
    (data / "uploads" / ".1-2.part").write_bytes(b"half")
    before = [await send(store) for _ in range(50)]
    copying = asyncio.get_running_loop().run_in_executor(None, backup, data / "tailwire.db", data / "uploads", target)
    during = []
    while not copying.done():
        during.append(await send(store))
    size, files = await copying
    await store.close()
    assert (size > 0, files) == (True, 1)
    ids = messages(target)
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) >= len(before)
    assert during  # messages were sent meanwhile
    assert {f.name for f in target.iterdir()} == {"tailwire.db", "uploads"}  # no key that allows acting as a user
    assert [f.name for f in (target / "uploads").iterdir()] == ["photo"]
    assert (target.stat().st_mode & 0o777, (target / "tailwire.db").stat().st_mode & 0o777) == (0o700, 0o600)


async def test_backup_to_an_existing_folder_or_of_no_database_is_refused(tmp_path):
    (tmp_path / "there").mkdir()
    store = await open_store(tmp_path / "data")
    await store.close()
    with pytest.raises(BackupRefused, match="there already"):
        backup(tmp_path / "data" / "tailwire.db", tmp_path / "data" / "uploads", tmp_path / "there")
    with pytest.raises(BackupRefused, match="no database"):
        backup(tmp_path / "nowhere" / "tailwire.db", tmp_path / "data" / "uploads", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "nowhere").exists()


async def backed_up(folder: Path) -> tuple[Path, Path, Path]:
    """Make a backup of a database with a message. Return its folder, and the paths of the database and the uploads."""
    database, uploads, target = folder / "data" / "tailwire.db", folder / "data" / "uploads", folder / "backup"
    store = await open_store(folder / "data")
    await send(store)
    await store.close()
    backup(database, uploads, target)
    return target, database, uploads


async def test_restored_store_does_not_reuse_ids(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    store = await open_store(tmp_path / "data")
    name, last = store.name, [await send(store) for _ in range(5)][-1]
    await store.close()
    restore(target, database, uploads, replace=True)
    again = await open_store(tmp_path / "data")
    assert again.name != name
    assert await send(again) > last
    await again.close()


async def test_restore_replaces_an_existing_database_only_if_told_to_and_keeps_a_copy(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    store = await open_store(tmp_path / "data")
    await send(store)
    await store.close()
    with pytest.raises(BackupRefused, match="--replace"):
        restore(target, database, uploads, replace=False)
    aside = restore(target, database, uploads, replace=True)
    assert messages(aside) == [1, 2]
    assert messages(tmp_path / "data") == [1]


async def test_restore_is_refused_while_a_server_uses_the_database(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    store = await open_store(tmp_path / "data")
    last = await send(store)
    with pytest.raises(DatabaseInUse, match="pid"):
        restore(target, database, uploads, replace=True)
    assert list(tmp_path.rglob("before-restore-*")) == []
    await store.close()
    assert messages(tmp_path / "data")[-1] == last


async def test_damaged_backup_is_not_restored(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    whole = (target / "tailwire.db").read_bytes()
    (target / "tailwire.db").write_bytes(whole[: len(whole) // 2])
    before = database.read_bytes()
    with pytest.raises(OSError, match="damaged"):
        restore(target, database, uploads, replace=True)
    assert database.read_bytes() == before


def test_folder_without_a_backup_is_not_restored(tmp_path):
    with pytest.raises(BackupRefused, match="is not a backup"):
        restore(tmp_path, tmp_path / "data" / "tailwire.db", tmp_path / "data" / "uploads", replace=True)
    assert list(tmp_path.iterdir()) == []


def test_restores_within_a_second_each_set_the_existing_files_aside(tmp_path):
    made = [make_aside(tmp_path) for _ in range(3)]
    assert len(set(made)) == 3
    assert all(path.is_dir() and path.name.startswith("before-restore-") for path in made)
