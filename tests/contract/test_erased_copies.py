"""What is erased of deleted users in small steps, on each store."""

from __future__ import annotations

import pytest

from contract.neighbours import Clock
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft, UserRow
from tailwire.server.store.postgres import chores as postgres_chores
from tailwire.server.store.sqlite import chores as sqlite_chores

BODY = b'{"data":{"entities":{"sender":{"entityType":"user","entity":{"uid":"%b","name":"A Name"}}}}}'


@pytest.mark.parametrize("with_messages", [False, True])
async def test_copies_of_several_deleted_users_are_erased_from_all_messages(open_store, monkeypatch, with_messages):
    for chores in (postgres_chores, sqlite_chores):
        monkeypatch.setattr(chores, "ROWS_PER_STEP", 2)
    store = await open_store(Clock())
    numbers: dict[str, list[int]] = {"alice": [], "bob": [], "dave": []}
    for uid in numbers:
        await store.users.add(UserRow(uid, "A Name", created_at=1))
    for uid in [*numbers] * 3:
        place = key_of("carol", "erin", "user")
        draft = Draft(place, "carol", "erin", "user", "message", "text", BODY % uid.encode(), 1)
        numbers[uid].append((await store.messages.add(draft)).message.id)
    for uid in ("bob", "alice"):
        await store.removal.remove_user(uid, with_messages=with_messages, anonymous=True)
    while await store.chores.do_next():
        pass
    for uid, of in numbers.items():
        named = [b"A Name" in (await store.messages.get(number)).body for number in of]
        assert named == [uid == "dave"] * 3, uid
    await store.close()
