"""Detection of restored older copies: by the database and by the id file next to it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.sql.starts import TRAIL_STARTS
from tailwire.server.store.sqlite import SqliteStore, starts
from tailwire.server.store.sqlite.starts import ID_JUMP, ID_MARGIN, IdFile, IdRecord
from tailwire.testing.new_database import put_new_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    put_new_database(tmp_path / "tailwire.db")
    return tmp_path / "tailwire.db"


async def started(path: Path, sends: int = 0) -> SqliteStore:
    store = await SqliteStore.open(path, World(), serving=True)
    for _ in range(sends):
        await send(store)
    return store


async def send(store: SqliteStore) -> int:
    draft = Draft("alice_user_bob", "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)
    return (await store.messages.add(draft)).message.id


def copied(path: Path, name: str) -> Path:
    with closing(sqlite3.connect(path)) as c, closing(sqlite3.connect(path.with_name(name))) as to:
        c.backup(to)
    return path.with_name(name)


def put_back(copy: Path, path: Path) -> None:
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    shutil.copy(copy, path)


async def test_id_file_contains_each_id_when_its_write_is_acknowledged(path):
    store = await started(path)
    for n in range(1, 4):
        assert await send(store) == n
        assert IdFile(path).read() == IdRecord(store.name, n)
    await store.close()


async def test_reopened_database_keeps_its_name_and_begins_a_new_start(path):
    first = await started(path, 3)
    name, start = first.name, first.start
    await first.close()
    second = await started(path)
    assert (second.name, await send(second)) == (name, 4)
    assert second.start != start
    assert [await second.known_until(start, n) for n in (1, 3, 4, 100)] == [1, 3, 3, 3]
    assert await second.known_until(second.start, 4) == 4
    await second.close()


async def test_database_without_an_id_file_keeps_its_name(path):
    store = await SqliteStore.open(path, World())
    await send(store)
    name = store.name
    await store.close()
    assert IdFile(path).read() is None
    upgraded = await started(path)
    assert (upgraded.name, await send(upgraded)) == (name, 2)
    await upgraded.close()


async def test_older_copy_continues_above_the_ids_given_out(path):
    store = await started(path, 2)
    copy, name, start = copied(path, "copy.db"), store.name, store.start
    for _ in range(5):
        await send(store)
    await store.close()
    put_back(copy, path)
    back = await started(path)
    assert back.name != name
    assert await send(back) == 7 + ID_MARGIN + 1
    assert [await back.known_until(start, n) for n in (2, 3, 7)] == [2, 2, 2]
    await back.close()
    again = await started(path)  # from now on it is the same store
    assert (again.name, await send(again)) == (back.name, 7 + ID_MARGIN + 2)
    await again.close()


async def test_older_copy_restored_with_its_id_file_is_detected_by_the_recorded_starts(path):
    store = await started(path, 2)
    copy, ids, start = copied(path, "copy.db"), path.with_name("tailwire.db.ids").read_bytes(), store.start
    for _ in range(5):
        await send(store)
    await store.close()
    put_back(copy, path)
    path.with_name("tailwire.db.ids").write_bytes(ids)
    back = await started(path, 20)  # more messages than were lost
    assert [await back.known_until(start, n) for n in (1, 2, 3, 7)] == [1, 2, 2, 2]
    await back.close()


async def test_ids_of_a_start_made_after_the_copy_are_known_only_up_to_the_copy(path):
    store = await started(path, 2)
    copy = copied(path, "copy.db")
    await send(store)
    await store.close()
    starts = []
    for _ in range(TRAIL_STARTS + 1):
        later = await started(path, 1)
        starts.append(later.start)
        await later.close()
    put_back(copy, path)
    back = await started(path, 1)
    assert await back.known_until(starts[0], 4) == 2
    assert await back.known_until(starts[TRAIL_STARTS - 2], 100) == 2
    assert await back.known_until(starts[TRAIL_STARTS], 100) == -1  # too many starts in between
    await back.close()


async def test_missing_or_foreign_id_file_makes_a_new_store(path, tmp_path):
    store = await started(path, 2)
    name = store.name
    await store.close()
    file = path.with_name("tailwire.db.ids")
    file.unlink()
    moved = await started(path)
    assert moved.name != name
    assert await send(moved) == 2 + ID_JUMP + 1
    await moved.close()
    file.write_text("another 00000000000005000000\n")
    other = await started(path)
    assert await send(other) == 5_000_000 + ID_JUMP + 1
    await other.close()


async def test_new_database_next_to_an_old_id_file_gives_out_ids_above_those_of_the_file(path):
    store = await started(path, 2)
    await store.close()
    path.unlink()
    new = await started(path)
    assert new.created
    assert await send(new) == 2 + ID_JUMP + 1
    await new.close()


@pytest.mark.parametrize("trail", ["", "none", ".", "x-9999999999999999999999", "x-٣", "-" * 1000, "a-1." * 50])
async def test_invalid_trails_are_not_recognised(path, trail):
    store = await started(path, 2)
    assert await store.known_until(trail, 2) == -1
    await store.close()


async def test_command_that_opens_the_database_of_a_running_server_records_no_start(path):
    server = await started(path, 1)
    command = await SqliteStore.open(path, World())
    assert command.start == ""
    await command.close()
    assert await send(server) == 2
    await server.close()
    again = await started(path)
    assert again.name == server.name
    await again.close()


async def test_oldest_starts_are_forgotten(path, monkeypatch):
    monkeypatch.setattr(starts, "MAX_STARTS", 3)
    for kept in (1, 2, 3, 3, 3):
        store = await started(path, 1)
        found = await store.database.rows("SELECT number FROM starts ORDER BY number")
        assert len(found) == kept
        assert found[-1][0] - found[0][0] == kept - 1
        await store.close()


def test_id_file_is_synced_after_a_set_number_of_ids_and_when_it_is_closed(path, monkeypatch):
    file = IdFile(path)
    file.begin("name", 5 * starts.IDS_PER_SYNC)
    synced: list[int] = []
    monkeypatch.setattr(starts.os, "fsync", synced.append)
    for count in (1, starts.IDS_PER_SYNC - 1, starts.IDS_PER_SYNC, starts.IDS_PER_SYNC + 1):
        file.write(5 * starts.IDS_PER_SYNC + count)
    assert len(synced) == 1
    file.close()
    assert len(synced) == 2
