"""Changes of conversations in a user's own list: whether they are in it is decided in the transaction of the change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import Draft, GroupRow
from tailwire.server.ports.standing import GroupAct

CHAT, TEAM = key_of("alice", "bob", "user"), key_of("", "g", "group")
MOST = 9


def draft(sender: str, receiver: str, kind: str) -> Draft:
    place = key_of(sender, receiver, kind)
    return Draft(place, sender, receiver, kind, "message", "text", b'{"data":{}}', 1, None)


async def say(store: Any, sender: str, receiver: str, kind: str = "user") -> int:
    return (await store.messages.add(draft(sender, receiver, kind))).message.id


async def content(store: Any) -> list[Any]:
    tables = ("marks", "change_log")
    return [sorted(map(tuple, await store.database.rows(f"SELECT * FROM {table}"))) for table in tables]


async def _deleted(store: Any) -> ConversationKey:
    message_id = await say(store, "alice", "bob")
    assert await store.read_state.pin(CHAT, "bob", 5, MOST)
    assert await store.read_state.tag(CHAT, "bob", '["x"]')
    assert await store.read_state.clear(CHAT, "bob", message_id)
    assert await store.read_state.tag(CHAT, "alice", '["x"]')  # alice still has it
    return CHAT


async def _of_others(store: Any) -> ConversationKey:
    await say(store, "alice", "carol")
    return key_of("alice", "carol", "user")


async def _of_other_members(store: Any) -> ConversationKey:
    for guid, owner in (("g", "alice"), ("h", "bob")):
        await store.groups.add(GroupRow(guid, guid, "public", owner=owner, members_count=1))
    await say(store, "alice", "g", "group")
    return TEAM


async def _left(store: Any) -> ConversationKey:
    await store.groups.add(GroupRow("g", "G", "public", owner="bob", members_count=1))
    await say(store, "bob", "g", "group")
    assert await store.read_state.pin(TEAM, "bob", 5, MOST)
    assert await store.read_state.tag(TEAM, "bob", '["x"]')
    await store.members.remove(GroupAct("g", "bob", "bob", lambda _: None), lambda _: draft("bob", "g", "group"))
    return TEAM


async def _without_messages(store: Any) -> ConversationKey:
    return CHAT


NOT_IN_LIST = (_deleted, _of_others, _of_other_members, _left, _without_messages)


@pytest.mark.parametrize("make", NOT_IN_LIST)
async def test_conversation_that_is_not_in_a_users_list_is_neither_pinned_nor_tagged(open_store, make):
    store = await open_store()
    key = await make(store)
    before = await content(store)
    for change in (
        store.read_state.pin(key, "bob", 7, MOST),
        store.read_state.pin(key, "bob", None, MOST),
        store.read_state.tag(key, "bob", '["y"]'),
        store.read_state.tag(key, "bob", None),
    ):
        assert await change is None
    assert await content(store) == before
    await store.close()


async def test_deleted_conversation_is_pinned_and_tagged_again_after_its_next_message(open_store):
    store = await open_store()
    await _deleted(store)
    await say(store, "alice", "bob")
    assert await store.read_state.pin(CHAT, "bob", None, MOST)
    assert await store.read_state.tag(CHAT, "bob", '["y"]')
    row = await store.conversations.get(CHAT, "bob", "user")
    assert (row.pinned_at, row.tags) == (None, '["y"]')
    await store.close()


async def test_second_of_two_pins_at_the_same_moment_exceeds_the_limit(open_store):
    store = await open_store()
    await say(store, "alice", "bob")
    await say(store, "carol", "bob")
    keys = CHAT, key_of("bob", "carol", "user")
    numbers = await asyncio.gather(*(store.read_state.pin(key, "bob", 5, 1) for key in keys))
    assert sorted(number is None for number in numbers) == [False, True]
    pinned = next(key for key, number in zip(keys, numbers, strict=True) if number)
    assert await store.read_state.pin(CHAT, "alice", 5, MOST)
    assert await store.read_state.pinned_count("bob") == 1
    assert await store.read_state.pin(pinned, "bob", 6, 1)  # it counts once
    assert await store.read_state.pin(pinned, "bob", None, 0)
    await store.close()


async def test_deleting_a_conversation_up_to_an_earlier_message_restores_no_later_ones(open_store):
    store = await open_store()
    first, second = await say(store, "alice", "bob"), await say(store, "alice", "bob")
    assert await store.read_state.clear(CHAT, "bob", second)
    assert await store.read_state.clear(CHAT, "bob", first) == 0
    assert await store.read_state.cleared_until(CHAT, "bob") == second
    await store.close()
