"""The full-text index on SQLite: in which steps messages come into it, and each once."""

from __future__ import annotations

from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore, search_index
from tailwire.testing.new_database import put_new_database


async def test_each_message_is_indexed_once_in_steps_of_the_set_size(tmp_path, monkeypatch):
    monkeypatch.setattr(search_index, "MESSAGES_PER_STEP", 2)
    put_new_database(tmp_path / "store.db")
    store = await SqliteStore.open(tmp_path / "store.db", World())
    index_batch, indexed = store.index._index_batch, list[int]()

    def counted(c):
        index_batch(c)
        indexed.append(store.index._indexed_id)

    monkeypatch.setattr(store.index, "_index_batch", counted)
    body = b'{"data":{"text":"apple"}}'
    message_ids = [
        (
            await store.messages.add(Draft("a_user_b", "a", "b", "user", "message", "text", body, 1, traits=16))
        ).message.id
        for _ in range(5)
    ]
    await store.index.update_all()
    assert indexed == [message_ids[1], message_ids[3], message_ids[4]]
    await store.index.update_all()
    assert len(indexed) == 3
    await store.close()


async def test_index_continues_after_a_restart_behind_the_last_indexed_message(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.db", World())

    async def say() -> int:
        body = b'{"data":{"text":"apple"}}'
        draft = Draft("a_user_b", "a", "b", "user", "message", "text", body, 1, traits=16)
        return (await store.messages.add(draft)).message.id

    numbers = [await say() for _ in range(3)]
    await store.index.update_all()
    await store.close()
    store = await SqliteStore.open(tmp_path / "store.db", World())
    assert store.index._indexed_id == numbers[-1]
    numbers.append(await say())
    await store.index.update_all()
    for place in (0, 1):
        await store.removal.remove_message(await store.messages.get(numbers[place]))
        found = await store.database.rows("SELECT rowid FROM messages_fts WHERE messages_fts MATCH 'apple'")
        assert sorted(number for (number,) in found) == numbers[place + 1 :]  # indexed twice, it would still be found
    await store.close()
