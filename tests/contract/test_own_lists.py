"""Changes of conversations in a user's own list: whether they are in it is decided in the transaction of the change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, GroupRow
from tailwire.server.ports.standing import GroupAct, MessageAct

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


async def join_again(store: Any) -> None:
    act = GroupAct("g", "bob", "bob", lambda _: None)
    await store.members.add(act, "participant", 9, lambda _: draft("bob", "g", "group"))


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
        store.read_state.tag(key, "bob", '["y"]'),
        store.read_state.tag(key, "bob", None),
    ):
        assert await change is None
    assert await content(store) == before
    await store.close()


@pytest.mark.parametrize("make", NOT_IN_LIST)
async def test_pin_of_a_conversation_that_is_not_in_the_list_is_removed(open_store, make):
    store = await open_store()
    key = await make(store)
    before, was_pinned = await content(store), make in (_deleted, _left)
    assert bool(await store.read_state.pin(key, "bob", None, MOST)) is was_pinned
    assert (await store.read_state.get(key, "bob")).pinned_at is None
    assert (await content(store) == before) is not was_pinned
    assert await store.read_state.pin(key, "bob", None, MOST) == 0
    await store.close()


@pytest.mark.parametrize("make", [_deleted, _left])
async def test_pin_of_a_conversation_that_is_not_in_the_list_does_not_count(open_store, make):
    store = await open_store()
    key = await make(store)
    await say(store, "bob", "carol")
    other = key_of("bob", "carol", "user")
    assert await store.read_state.pinned_count("bob") == 0
    assert await store.read_state.pin(other, "bob", 8, 1)
    assert await store.read_state.pinned_count("bob") == 1
    if make is _deleted:
        await say(store, "alice", "bob")
    else:
        await join_again(store)
    assert await store.read_state.pinned_count("bob") == 2
    assert (await store.conversations.get(key, "bob", "user" if make is _deleted else "group")).pinned_at == 5
    await say(store, "bob", "dave")
    assert await store.read_state.pin(key_of("bob", "dave", "user"), "bob", 9, 2) is None
    assert await store.read_state.pin(key, "bob", 9, 2), "it is pinned already"
    await store.close()


@pytest.mark.parametrize("how", ["left", "cleared"])
async def test_saved_message_that_is_not_in_the_list_does_not_count(open_store, how):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="bob", members_count=1))
    saved = await say(store, "bob", "g", "group")
    first, second, third = [await say(store, "alice", "bob") for _ in range(3)]
    annotations, anything = store.annotations, lambda _: None
    assert await annotations.save(MessageAct(saved, "bob", anything), 5, 1)
    assert await annotations.save(MessageAct(first, "bob", anything), 5, 1) == 0
    if how == "left":
        await store.members.remove(GroupAct("g", "bob", "bob", anything), lambda _: draft("bob", "g", "group"))
    else:
        assert await store.read_state.clear(TEAM, "bob", saved)
    assert await store.messages.find(MessageFilter("bob", saved=True)) == []
    assert await annotations.save(MessageAct(first, "bob", anything), 6, 1)
    assert await annotations.save(MessageAct(second, "bob", anything), 6, 1) == 0
    if how == "left":
        await join_again(store)
        assert [row.id for row in await store.messages.find(MessageFilter("bob", saved=True))] == [first, saved]
        assert await annotations.save(MessageAct(second, "bob", anything), 7, 2) == 0
        assert await annotations.save(MessageAct(third, "bob", anything), 7, 3)
    await store.close()


async def test_saved_messages_that_are_not_in_the_list_count_from_ten_times_the_limit_on(open_store):
    store = await open_store()
    annotations, anything = store.annotations, lambda _: None
    for turn in range(10):
        message_id = await say(store, "alice", "bob")
        assert await annotations.save(MessageAct(message_id, "bob", anything), 5 + turn, 1)
        assert await store.read_state.clear(CHAT, "bob", message_id)
    last = await say(store, "alice", "bob")
    assert await annotations.save(MessageAct(last, "bob", anything), 20, 1) == 0
    assert await annotations.unsave(message_id, "bob")
    assert await annotations.save(MessageAct(last, "bob", anything), 21, 1)
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
