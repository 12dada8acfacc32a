"""What is stored of a deleted user a moment later is removed with the conversations that it makes, and nothing else.

Messages are refused since then, but not if a server of a version before `removed_names` has deleted the user.
"""

from __future__ import annotations

from contract.neighbours import KEYS, Clock, Neighbours
from tailwire.server.ports.records import Draft, UserRow
from tailwire.server.store.postgres.chores import LATE_SECONDS
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sqlite.chores import LATE_REMOVED_USER, LOG, REMOVED_WORDS


async def without_bob(url: str) -> Neighbours:
    """Return a store with everything in it, from which an older server has just deleted bob with his messages."""
    clock = Clock()
    n = Neighbours(await PostgresStore.open(url, clock), clock)
    await n.fill()
    await n.store.removal.remove_user("bob", with_messages=True)
    await n.store.database.run("DELETE FROM removed_names")
    return n


async def say(n: Neighbours, place: str, sender: str, at: int = 41) -> None:
    key, _, receiver, kind = {
        "ab": (KEYS["ab"], "", "alice" if sender == "bob" else "bob", "user"),
        "ac": (KEYS["ac"], "", "carol", "user"),
        "team": (KEYS["team"], "", "team", "group"),
    }[place]
    draft = Draft(key, sender, receiver, kind, "message", "text", b'{"data":{}}', at)
    n.ids[f"{place} of {sender} at {at}"] = (await n.store.messages.add(draft)).message.id


async def do_chores(n: Neighbours) -> None:
    while await n.store.chores.do_next():
        pass


async def test_late_messages_of_a_deleted_user_and_to_them_are_removed_with_their_conversation(postgres_url):
    n = await without_bob(postgres_url)
    assert await n.store.chores.next_due() == 0
    await do_chores(n)
    for place, sender in (("ab", "bob"), ("ab", "alice"), ("team", "alice"), ("team", "bob"), ("ac", "alice")):
        await say(n, place, sender)
    await n.store.read_state.clear(KEYS["ab"], "alice", 1)
    before = await n.rows()
    n.clock.now += LATE_SECONDS - 1
    await do_chores(n)
    assert await n.changed(before) == {}
    assert await n.store.chores.next_due() == n.clock.now + 1
    n.clock.now += 1
    await do_chores(n)
    assert await n.changed(before) == {
        "messages": {"ab of bob at 41", "ab of alice at 41", "team of bob at 41"}, "marks": {"ab alice"},
        "conversations": {"ab", "team"}, "participants": {"alice ab", "bob ab"},
    }  # fmt: skip
    assert await n.store.chores.next_due() is None
    await n.store.close()


async def test_user_who_has_the_uid_again_keeps_their_conversations_and_messages(postgres_url):
    n = await without_bob(postgres_url)
    await do_chores(n)
    await n.store.users.add(UserRow("bob", "Another Bob", created_at=45))
    for place, sender, at in (("ab", "bob", 44), ("ab", "bob", 45), ("team", "bob", 44), ("ab", "alice", 46)):
        await say(n, place, sender, at)
    await n.store.read_state.clear(KEYS["ab"], "alice", 1)
    before = await n.rows()
    n.clock.now += LATE_SECONDS
    await do_chores(n)
    assert await n.changed(before) == {
        "messages": {"ab of bob at 44", "team of bob at 44"}, "conversations": {"team"},
    }  # fmt: skip
    await n.store.close()


async def test_chores_of_a_moved_database_are_done_or_wake_nobody(postgres_url):
    n = await without_bob(postgres_url)
    await do_chores(n)
    await n.store.database.run("DELETE FROM chores")
    for kind in (LATE_REMOVED_USER, REMOVED_WORDS, LOG):
        await n.store.database.run(
            "INSERT INTO chores (kind, key, done_id, up_to, due_at) VALUES (?, '', 0, 0, 50)", (kind,)
        )
    assert await n.store.chores.next_due() == 50
    n.clock.now = 50
    await do_chores(n)
    assert await n.store.chores.next_due() is None
    await n.store.close()
