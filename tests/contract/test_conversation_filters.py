"""Filters of conversations, on each store, where others have the same names, tags and marks."""

from __future__ import annotations

from typing import Any

from contract.neighbours import GROUPS, KEYS, USERS, Neighbours, filled
from tailwire.server.ports.filters import ConversationFilter

FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "ab bc crew team"),
    ({"kind": "user"}, "ab bc"),
    ({"kind": "group"}, "crew team"),
    ({"search": "ali"}, "ab"),  # a name
    ({"search": "car"}, "bc"),  # a uid
    ({"search": "bob"}, ""),  # their own name is in each of their conversations
    ({"search": "tea"}, "team"),
    ({"search": "crew"}, "crew"),
    ({"search": "besties"}, "team"),
    ({"pinned": True}, "bc crew"),
    ({"pinned": True, "kind": "user"}, "bc"),
    ({"tags": ("mine",)}, "ab team"),
    ({"tags": ("mine", "x")}, "ab bc crew team"),
    ({"tags": ("mine",), "pinned": True}, ""),
    ({"user_tags": ("old",)}, "ab"),
    ({"user_tags": ("new",)}, "bc"),
    ({"group_tags": ("new",)}, "crew"),
    ({"user_tags": ("old",), "group_tags": ("new",)}, "ab crew"),
    ({"user_tags": ("old", "new")}, "ab bc"),
    ({"unread": True}, "ab team"),
    ({"unread": True, "kind": "user"}, "ab"),
    ({"unread": True, "not_from_blocked": True}, ""),
    ({"hide_blocked": True}, "bc crew team"),
    ({"conversation_id": KEYS["ab"]}, "ab"),
    ({"conversation_id": KEYS["ac"]}, ""),
]


async def prepared(open_store: Any) -> Neighbours:
    n = await filled(open_store)
    store = n.store
    for uid, tags in zip(USERS, ('["old"]', '["own"]', '["new"]'), strict=True):
        await store.users.change(uid, {"name": {"carol": "Zoe"}.get(uid, uid.title()), "tags": tags})
    for guid, name, tags in zip(GROUPS, ("Besties", "Rowers"), ('["old"]', '["new"]'), strict=True):
        await store.groups.change(
            n.in_group(guid, ""), lambda _, to=(name, tags): {"name": to[0], "tags": to[1]}, lambda _: ()
        )
    for place in ("ab", "team"):
        await store.read_state.tag(KEYS[place], "bob", '["mine"]')
        await store.read_state.pin(KEYS[place], "bob", None, 20)
    await store.read_state.mark_up_to(KEYS["crew"], "bob", n.ids["crew2"], 30, read=True, group="crew")
    await store.blocks.remove("bob", ["carol"])
    await store.blocks.remove("carol", ["bob"])
    return n


async def test_filters_find_the_conversations_of_one_user(open_store):
    n = await prepared(open_store)
    short = {key: name for name, key in KEYS.items()}
    found = {}
    for number, (values, _) in enumerate(FILTERS):
        rows, total = await n.store.conversations.find(ConversationFilter("bob", limit=20, **values))
        found[number] = " ".join(sorted(short[row.conversation_id] for row in rows))
        assert total == len(rows)
    assert found == {number: names for number, (_, names) in enumerate(FILTERS)}
    await n.store.close()


async def test_filters_find_the_conversations_of_all_users(open_store):
    n = await prepared(open_store)
    conversations = n.store.conversations
    short = {key: name for name, key in KEYS.items()}
    rows, total = await conversations.find(ConversationFilter("", kind="user", search="zoe", limit=20))
    assert (sorted(short[row.conversation_id] for row in rows), total) == (["ac", "bc"], 2)
    rows, total = await conversations.find(ConversationFilter("", kind="group", group_tags=("new",), limit=20))
    assert ([short[row.conversation_id] for row in rows], total) == (["crew"] * 3, 3)
    await n.store.close()


async def test_unread_counts_equal_those_in_the_list_of_unread_conversations(open_store):
    n = await prepared(open_store)
    counts = dict(await n.store.conversations.unread_counts("bob"))
    rows, _ = await n.store.conversations.find(ConversationFilter("bob", unread=True, limit=20))
    assert counts == {row.conversation_id: row.unread for row in rows} == {KEYS["ab"]: 1, KEYS["team"]: 1}
    await n.store.close()


async def test_marking_as_unread_marks_no_unread_message_as_read(open_store):
    n = Neighbours(await open_store())
    key, state = KEYS["ab"], n.store.read_state
    numbers = [(await n.store.messages.add(n.draft("ab"))).message.id for _ in range(4)]
    unread = []
    for read, unread_after in ((0, numbers[1]), (numbers[1], numbers[2]), (numbers[3], numbers[1])):
        if read:
            await state.mark_up_to(key, "bob", read, 20, read=True)
        changed = await state.mark_unread_after(key, "bob", unread_after)
        unread.append(((await n.store.conversations.get(key, "bob", "user")).unread, bool(changed)))
    assert unread == [(4, False), (2, False), (2, True)]
    await n.store.close()
