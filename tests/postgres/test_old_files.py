"""Files that become a picture of a user while they are removed because of their age."""

from __future__ import annotations

import pytest

from contract.neighbours import Clock, file_name
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.records import UserRow
from tailwire.server.store.postgres.store import PostgresStore


async def test_file_that_became_a_picture_since_it_was_found_old_is_kept(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    store = await PostgresStore.open(postgres_url, Clock())
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    for letter in "12":
        await store.files.add(FileRow(file_name(letter), "alice", "f", "image/png", 7, 5))
    reads = store.pruning._access.reads
    read = reads.rows

    async def read_and_use(sql: str, values: object = ()) -> object:
        found = await read(sql, values)
        if "created_at" in sql:
            monkeypatch.undo()
            await store.users.change("alice", {"avatar": f"tailwire:/files/{file_name('1')}"})
        return found

    monkeypatch.setattr(reads, "rows", read_and_use)
    assert await store.pruning.condemn_files(10, 9) == 1
    left = [await store.files.get(file_name(letter)) is not None for letter in "12"]
    assert left == [True, False]
    assert await store.database.rows("SELECT place, key, name FROM file_uses") == [("user", "alice", file_name("1"))]
    await store.close()
