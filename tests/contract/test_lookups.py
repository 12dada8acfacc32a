"""Single facts that are looked up, on each store: what is there, and what is returned for what is not."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, Event, GroupRow, UserRow
from tailwire.server.ports.standing import MessageAct
from tailwire.server.ports.webhook_records import WebhookRow

ALICE_BOB = key_of("alice", "bob", "user")


def anything(standing: object) -> None:
    pass


def draft(sender: str = "alice", receiver: str = "bob", **more: Any) -> Draft:
    place = key_of(sender, receiver, "user")
    return Draft(place, sender, receiver, "user", "message", "text", b'{"data":{}}', 1, **more)


async def test_messages_are_found_by_their_ids_and_muids(open_store):
    store = await open_store()
    assert await store.notifications.newest_id() == 0
    stored = [(await store.messages.add(draft(muid=f"m{n}"))).message for n in range(203)]
    assert await store.notifications.newest_id() == stored[-1].id
    found = await store.messages.by_ids([row.id for row in stored] + [1 << 40])
    assert found == {row.id: row for row in stored}
    assert await store.messages.by_ids([]) == {}
    assert await store.messages.by_muid("alice", "m7") == stored[7]
    assert await store.messages.by_muid("bob", "m7") is None
    await store.close()


async def test_cleared_messages_are_hidden_only_from_the_user_who_cleared_them(open_store):
    store = await open_store()
    last = [(await store.messages.add(draft())).message for _ in range(2)][-1]
    (newest,) = await store.messages.find(MessageFilter("bob", limit=1))
    assert newest.id == last.id
    await store.read_state.clear(ALICE_BOB, "bob", last.id)
    assert await store.messages.find(MessageFilter("bob", limit=1)) == []
    assert [row.id for row in await store.messages.find(MessageFilter("alice", limit=1))] == [last.id]
    await store.close()


async def test_last_message_from_another_user_is_found_up_to_an_id(open_store):
    store = await open_store()
    conversations = store.conversations
    assert await conversations.last_from_others(ALICE_BOB, "bob", None) == 0
    assert await conversations.last_message_id(ALICE_BOB) == 0
    first, second = [(await store.messages.add(draft())).message.id for _ in range(2)]
    own = (await store.messages.add(draft("bob", "alice"))).message.id
    assert await conversations.last_from_others(ALICE_BOB, "bob", None) == second
    assert await conversations.last_from_others(ALICE_BOB, "bob", second) == second
    assert await conversations.last_from_others(ALICE_BOB, "bob", second - 1) == first
    assert await conversations.last_from_others(ALICE_BOB, "alice", second) == 0
    assert await conversations.last_message_id(ALICE_BOB) == own
    await store.close()


async def test_last_edit_of_a_message_is_that_of_its_newest_action_message(open_store):
    store = await open_store()
    message_id = (await store.messages.add(draft())).message.id
    assert await store.change_log.last_edit(message_id) == 0
    for _ in range(2):
        edited = await store.messages.edit(
            MessageAct(message_id, "alice", anything), 5, lambda _: EditedContent(b'{"data":{}}', 0), lambda _: draft()
        )
        assert await store.change_log.last_edit(message_id) == edited.message.id
    await store.close()


async def test_receipts_of_a_message_to_a_user_have_the_times_of_delivery_and_reading(open_store):
    store = await open_store()
    message_id = (await store.messages.add(draft())).message.id

    async def receipts() -> list[Any]:
        return await store.read_state.receipts(await store.messages.get(message_id))

    assert await receipts() == []
    await store.read_state.mark_up_to(ALICE_BOB, "bob", message_id, 5, read=False)
    assert await receipts() == [("bob", 5, None)]
    await store.read_state.mark_up_to(ALICE_BOB, "bob", message_id, 6, read=True)
    assert await receipts() == [("bob", 5, 6)]
    await store.close()


async def test_receipts_of_a_message_to_a_group_are_those_of_each_reader(open_store):
    store = await open_store()
    place = key_of("", "g", "group")
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
    sent = Draft(place, "alice", "g", "group", "message", "text", b'{"data":{}}', 1)
    first, second = [(await store.messages.add(sent)).message for _ in range(2)]
    marks = (("bob", first.id, 5, False), ("bob", second.id, 6, True), ("carol", first.id, 7, True))
    for uid, up_to, at, read in marks:
        await store.read_state.mark_up_to(place, uid, up_to, at, read=read, group="g", sender="alice")
    assert sorted(await store.read_state.receipts(first)) == [("bob", 5, 6), ("carol", 7, 7)]
    assert sorted(await store.read_state.receipts(second)) == [("bob", 6, 6)]
    await store.close()


async def test_blocks_are_known_in_both_directions(open_store):
    store = await open_store()
    for uid in ("alice", "bob", "carol", "dave"):
        await store.users.add(UserRow(uid, uid.title(), created_at=1))
    blocks = store.blocks
    await blocks.add("alice", ["bob", "carol"], 5)
    await blocks.add("carol", ["alice"], 6)
    await blocks.add("dave", ["alice"], 7)
    assert await blocks.with_users("alice", []) == {}
    assert await blocks.with_users("alice", ["bob", "carol", "dave", "erin"]) == {
        "bob": (5, None), "carol": (5, 6), "dave": (None, 7),
    }  # fmt: skip
    assert await blocks.blocked_or_blocking("alice") == {"bob", "carol", "dave"}
    assert await blocks.blocked_or_blocking("bob") == {"alice"}
    assert await blocks.blocked_or_blocking("erin") == frozenset()
    both = [("bob", 5, None), ("carol", 5, 6), ("dave", None, 7)]
    assert await blocks.find("alice", "both") == (both, 3)
    assert await blocks.find("alice", "both", limit=1, offset=1) == (both[1:2], 3)
    assert await blocks.find("alice", "blockedByMe") == ([("bob", 5, None), ("carol", 5, None)], 2)
    assert await blocks.find("alice", "hasBlockedMe", search="DA") == ([("dave", None, 7)], 1)
    assert [await blocks.blocker_between(*pair) for pair in (("alice", "carol"), ("carol", "alice"), ("bob", "alice"))] == [
        "alice", "carol", "alice",
    ]  # fmt: skip
    assert await blocks.blocker_between("bob", "carol") == ""
    await store.close()


async def test_annotations_are_found_for_the_messages_of_a_page(open_store):
    store = await open_store()
    message_ids = [(await store.messages.add(draft())).message.id for _ in range(3)]
    notes = store.annotations
    for number in message_ids:
        await notes.subscribe(MessageAct(number, "bob", anything), following=True)
    await notes.subscribe(MessageAct(message_ids[2], "bob", anything), following=False)
    assert await notes.followed_between(message_ids[0], message_ids[2], "bob") == {message_ids[0], message_ids[1]}
    assert await notes.followed_between(message_ids[1], message_ids[1], "bob") == {message_ids[1]}
    assert await notes.followed_between(message_ids[0], message_ids[2], "alice") == set()
    assert await notes.followed_threads("bob", limit=1, offset=0) == ([message_ids[1]], 2)
    assert await notes.saved_at(message_ids[0], message_ids[2], "bob") == {}
    await notes.save(MessageAct(message_ids[1], "bob", anything), 5, 10)
    assert await notes.saved_at(message_ids[0], message_ids[2], "bob") == {message_ids[1]: 5}
    await notes.add_interactions(MessageAct(message_ids[0], "bob", anything), ["b", "a"], 5)
    await notes.add_interactions(MessageAct(message_ids[0], "bob", anything), ["a", "c"], 6)
    assert await notes.interactions([message_ids[0], message_ids[1]], "bob") == {
        message_ids[0]: [("a", 5), ("b", 5), ("c", 6)]
    }
    assert await notes.interactions(message_ids, "alice") == {}
    assert await notes.interactions([], "bob") == {}
    await store.close()


async def test_ids_of_removed_reactions_and_deliveries_are_not_given_out_again(open_store):
    store = await open_store()
    message_id = (await store.messages.add(draft())).message.id
    act = MessageAct(message_id, "bob", anything)
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "group_created", created_at=1))
    reactions, deliveries = list[int](), list[int]()
    for _ in range(2):
        reactions.append((await store.reactions.add(act, "x", 5, 10)).id)
        await store.reactions.remove(act, "x", 5)
        await store.webhooks.add_events([Event("group_created", b"{}")])
        (row,) = await store.deliveries.due_deliveries("w", 10**10, 10)
        deliveries.append(row.id)
        await store.deliveries.remove_delivered(row, 6)
    assert reactions[0] < reactions[1]
    assert deliveries[0] < deliveries[1]
    await store.close()


async def test_missed_boundary_is_the_id_before_the_newest_messages_that_a_device_missed(open_store):
    store = await open_store()
    first = (await store.messages.add(draft())).message.id
    others = [(await store.messages.add(draft("carol", "dave"))).message.id for _ in range(40)]
    missed = [(await store.messages.add(draft())).message.id for _ in range(3)]
    boundary = store.messages.missed_boundary
    assert await boundary("bob", "phone", 0, 1) == missed[1]
    assert await boundary("bob", "phone", 0, 3) == first
    assert await boundary("bob", "phone", 0, 4) == 0
    assert await boundary("bob", "phone", first, 3) == 0
    assert await boundary("bob", "phone", others[0], 2) == missed[0]
    assert await boundary("erin", "phone", 0, 1) == 0
    own = []
    for device in ("phone", "phone", "desk"):
        body = b'{"data":{"resource":"%b"}}' % device.encode()
        own.append((await store.messages.add(draft("bob", "alice")._replace(body=body))).message.id)
    assert await boundary("bob", "phone", 0, 2) == missed[1]  # the one from another device, and the last of alice
    assert await boundary("bob", "desk", 0, 1) == own[0]
    await store.close()
