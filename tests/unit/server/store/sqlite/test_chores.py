"""Chores on SQLite: which is due first, and that a step of one leaves the others alone."""

from __future__ import annotations

from pathlib import Path

from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore, chores
from tailwire.testing.new_database import put_new_database


async def opened(tmp_path: Path, world: World | None = None) -> SqliteStore:
    put_new_database(tmp_path / "store.db")
    return await SqliteStore.open(tmp_path / "store.db", world or World())


async def rows(store: SqliteStore) -> list[tuple[str, int, int]]:
    found = await store.database.rows("SELECT key, done_id, due_at FROM chores WHERE kind = 'user' ORDER BY key")
    return [tuple(row) for row in found]


async def add(store: SqliteStore, key: str, up_to: int, due_at: int) -> None:
    await store.database.write(lambda c: chores.add_chore(c, chores.REMOVED_USER, key, up_to, due_at))


async def test_chore_that_is_added_again_keeps_the_earlier_of_its_two_times(tmp_path):
    store = await opened(tmp_path)
    assert await store.chores.next_due() is None
    await add(store, "x", 0, 70)
    await add(store, "y", 0, 50)
    assert await store.chores.next_due() == 50
    await add(store, "y", 0, 90)
    assert await rows(store) == [("x", 0, 70), ("y", 0, 50)]
    await add(store, "y", 0, 10)
    assert await store.chores.next_due() == 10
    await store.close()


class Clock(World):
    """A clock that stands still."""

    def seconds(self) -> int:
        return 100


async def test_chore_is_done_from_the_second_on_in_which_it_is_due_and_not_before(tmp_path):
    store = await opened(tmp_path, Clock())
    await add(store, "early", 0, 101)
    assert not await store.chores.do_next()
    await add(store, "due", 0, 100)
    assert await store.chores.do_next()
    assert await rows(store) == [("early", 0, 101)]
    await store.close()


async def test_truncation_of_the_log_is_done_before_other_due_chores_and_removes_none_of_them(tmp_path):
    store = await opened(tmp_path, Clock())
    await store.database.write(lambda c: chores.add_chore(c, chores.LOG, "", 0, 100))
    await add(store, "x", 0, 100)
    assert await store.chores.do_next()
    found = await store.database.rows("SELECT kind, key FROM chores")
    assert [tuple(row) for row in found] == [(chores.REMOVED_USER, "x")]
    await store.close()


async def test_step_of_a_chore_leaves_the_others_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(chores, "ROWS_PER_STEP", 1)
    store = await opened(tmp_path)
    message_ids = [
        (await store.messages.add(Draft("a_user_b", "a", "b", "user", "message", "text", b"{}", 1))).message.id
        for _ in range(3)
    ]
    await add(store, "x", message_ids[1], 0)
    await add(store, "y", message_ids[1], 1)
    steps = []
    while (await rows(store))[0][0] == "x":
        assert await store.chores.do_next()
        steps.append([row[:2] for row in await rows(store)])
    assert steps == [
        [("x", message_ids[0]), ("y", 0)], [("x", message_ids[1]), ("y", 0)], [("y", 0)],
    ]  # fmt: skip
    await store.close()
