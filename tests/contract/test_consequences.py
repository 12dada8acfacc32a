"""The consequences of changes on each store, and the durability of commits."""

from __future__ import annotations

import sqlite3

import pytest

from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import ConversationFilter, MessageFilter
from tailwire.server.ports.records import Draft, GroupRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.postgres import removal
from tailwire.server.store.sqlite import SqliteStore


def anything(standing: object) -> None:
    pass


def draft(sender: str, receiver: str, kind: str) -> Draft:
    place = key_of(sender, receiver, kind)
    return Draft(place, sender, receiver, kind, "message", "text", b'{"data":{}}', 1, None)


async def test_deleted_message_is_no_longer_among_the_saved_ones(open_store):
    store = await open_store()
    kept, deleted = [(await store.messages.add(draft("alice", "bob", "user"))).message.id for _ in range(2)]
    for number in (kept, deleted):
        assert await store.annotations.save(MessageAct(number, "bob", anything), 5, 10)
    await store.messages.delete(
        MessageAct(deleted, "alice", anything), 6, lambda _: b'{"data":{}}', lambda _: draft("alice", "bob", "user")
    )
    assert [m.id for m in await store.messages.find(MessageFilter("bob", limit=10, saved=True))] == [kept]
    assert await store.annotations.saved_at(kept, deleted, "bob") == {kept: 5}
    # The place is free again: one of a limit of two is taken.
    another = (await store.messages.add(draft("alice", "bob", "user"))).message.id
    assert await store.annotations.save(MessageAct(another, "bob", anything), 7, 2)
    await store.close()


async def test_pages_of_reactions_are_in_the_order_of_adding_in_both_directions(open_store):
    store = await open_store()
    message_id = (await store.messages.add(draft("alice", "bob", "user"))).message.id
    ids = [(await store.reactions.add(MessageAct(message_id, "bob", anything), text, 5, 10)).id for text in "abcd"]

    async def page(**wanted) -> list[str]:
        return [row.reaction for row in await store.reactions.find(message_id, limit=2, **wanted)]

    assert await page() == ["a", "b"]
    assert await page(cursor=ids[1]) == ["c", "d"]
    assert await page(newer=False) == ["c", "d"]
    assert await page(newer=False, cursor=ids[2]) == ["a", "b"]
    await store.close()


async def test_next_page_of_pinned_messages_has_those_pinned_before_the_cursor(open_store):
    store = await open_store()
    message_ids = [(await store.messages.add(draft("alice", "bob", "user"))).message.id for _ in range(4)]
    for at, number in enumerate((message_ids[2], message_ids[0], message_ids[3], message_ids[1]), 10):
        assert await store.annotations.pin(MessageAct(number, "alice", anything), at, 10, pinned=True)
    newest_pins = [message_ids[1], message_ids[3], message_ids[0], message_ids[2]]
    place = key_of("alice", "bob", "user")
    for read, number in enumerate(newest_pins, 1):
        found = await store.messages.find(MessageFilter("bob", place, limit=10, pinned=True, cursor=number))
        assert sorted(m.id for m in found) == sorted(newest_pins[read:])
    await store.close()


async def test_former_owner_is_an_admin_after_the_group_was_transferred(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
    for uid in ("bob", "carol"):
        join = GroupAct("g", uid, uid, anything)
        await store.members.add(join, "participant", 1, lambda _, uid=uid: draft(uid, "g", "group"))
    for owner, successor in (("alice", "bob"), ("bob", "carol")):
        await store.groups.transfer_ownership(GroupAct("g", owner, successor, anything), 2, lambda _: ())
    assert (await store.groups.get("g")).owner == "carol"
    assert {uid: (await store.members.get("g", uid)).scope for uid in ("alice", "bob", "carol")} == {
        "alice": "admin", "bob": "admin", "carol": "admin",
    }  # fmt: skip
    await store.close()


async def test_changes_of_a_removed_conversation_are_forgotten(open_store):
    store = await open_store()
    message_id = (await store.messages.add(draft("alice", "bob", "user"))).message.id
    await store.reactions.add(MessageAct(message_id, "bob", anything), "x", 5, 10)

    async def kinds() -> list[str]:
        newest = await store.change_log.newest_number()
        return [str(row.kind) for row in await store.change_log.find("alice", "-", 0, newest, (), 10)]

    assert await kinds() == [ChangeKind.REACTION_ADDED]
    await store.removal.remove_conversation(key_of("alice", "bob", "user"))
    await store.messages.add(draft("alice", "bob", "user"))  # the conversation begins again
    assert ChangeKind.REACTION_ADDED not in await kinds()
    await store.close()


@pytest.mark.parametrize("with_messages", [False, True])
async def test_friends_blocks_and_memberships_of_a_removed_user_end(open_store, with_messages):
    store = await open_store()
    for uid in ("alice", "bob", "carol"):
        await store.users.add(UserRow(uid, uid.title(), created_at=1))
    await store.groups.add(GroupRow("g", "G", "public", owner="carol", members_count=1, created_at=1))
    join = GroupAct("g", "alice", "alice", anything)
    await store.members.add(join, "participant", 1, lambda _: draft("alice", "g", "group"))
    for uid, friend in (("alice", "bob"), ("carol", "alice"), ("bob", "carol")):
        await store.friends.add(uid, friend, 5, 10)
    await store.blocks.add("alice", ["bob"], 5)
    await store.blocks.add("carol", ["alice", "bob"], 5)
    groups, _ = await store.removal.remove_user("alice", with_messages=with_messages)
    assert groups == ["g"]
    assert (await store.groups.get("g")).members_count == 1
    assert await store.members.get("g", "alice") is None
    assert await store.users.get("alice") is None
    assert [await store.friends.of_user(uid) for uid in ("alice", "bob", "carol")] == [set(), {"carol"}, {"bob"}]
    assert [await store.blocks.blocked_or_blocking(uid) for uid in ("alice", "bob", "carol")] == [
        set(),
        {"carol"},
        {"bob"},
    ]
    await store.close()


@pytest.mark.parametrize("with_messages", [False, True])
async def test_user_with_the_uid_of_a_removed_one_has_neither_their_groups_nor_their_read_state(
    open_store, with_messages
):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid.title(), created_at=1))
    for guid, owner in (("g", "alice"), ("h", "bob")):
        await store.groups.add(GroupRow(guid, guid, "public", owner=owner, members_count=1, created_at=1))
    for guid, uid in (("g", "bob"), ("h", "alice")):
        join = GroupAct(guid, uid, uid, anything)
        await store.members.add(join, "participant", 1, lambda _, uid=uid, guid=guid: draft(uid, guid, "group"))
    sent = (await store.messages.add(draft("bob", "g", "group"))).message
    place = sent.conversation_id
    await store.read_state.mark_up_to(place, "alice", sent.id, 5, read=True, group="g")
    await store.read_state.pin(place, "alice", 5, 10)
    await store.read_state.clear(place, "alice", sent.id - 1)
    await store.removal.remove_user("alice", with_messages=with_messages)
    assert [(await store.groups.get(guid)).owner for guid in ("g", "h")] == [None, "bob"]
    await store.users.add(UserRow("alice", "Another Alice", created_at=9))
    await store.members.add(
        GroupAct("g", "alice", "alice", anything), "participant", 1, lambda _: draft("alice", "g", "group")
    )
    assert await store.read_state.receipts(sent) == []
    assert await store.read_state.cleared_until(place, "alice") == 0
    (count,) = await store.database.first_row("SELECT count(*) FROM marks WHERE uid = 'alice'")
    assert count == 0
    await store.close()


async def test_conversation_with_a_removed_user_remains_for_the_other_and_is_empty_for_the_next_user_with_the_uid(
    open_store,
):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid.title(), created_at=1))
    place = key_of("alice", "bob", "user")

    async def listed(uid: str) -> list[tuple[int, int]]:
        rows, _ = await store.conversations.find(ConversationFilter(uid))
        return [(row.last_message_id, row.unread) for row in rows]

    async def readable(uid: str) -> list[int]:
        wanted = MessageFilter(uid, limit=9, newer=True, since=await store.read_state.cleared_until(place, uid))
        return [row.id for row in await store.messages.find(wanted)]

    old = [(await store.messages.add(draft(*ends, "user"))).message.id for ends in (("bob", "alice"), ("alice", "bob"))]
    await store.read_state.clear(place, "alice", old[0])
    await store.read_state.tag(place, "alice", '["x"]')
    await store.read_state.pin(place, "alice", 5, 10)
    assert await store.read_state.cleared_until(place, "alice") == old[0]
    await store.removal.remove_user("alice", with_messages=False)
    await store.users.add(UserRow("alice", "Another Alice", created_at=9))
    assert (await listed("alice"), await readable("alice")) == ([], [])
    assert await store.read_state.cleared_until(place, "alice") == old[1]
    assert (await listed("bob"), await readable("bob")) == ([(old[1], 1)], old)
    new = (await store.messages.add(draft("bob", "alice", "user"))).message.id
    await store.read_state.mark_up_to(place, "alice", new, 9, read=True)
    assert (await listed("alice"), await readable("alice")) == ([(new, 0)], [new])
    (row,), _ = await store.conversations.find(ConversationFilter("alice"))
    assert (row.tags, row.pinned_at) == (None, None)
    assert [(await store.messages.get(number)).read_at for number in (*old, new)] == [None, None, 9]
    assert (await listed("bob"), await readable("bob")) == ([(new, 1)], [*old, new])
    await store.close()


async def test_refused_send_to_a_group_says_whether_membership_group_or_message_is_gone(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
    act = GroupAct("g", "bob", "", anything)

    async def refusal(sent: Draft) -> str:
        with pytest.raises(Refused) as caught:
            await store.messages.add(sent, act)
        return caught.value.code

    assert await refusal(draft("bob", "g", "group")) == "ERR_NOT_A_MEMBER"
    known = draft("bob", "g", "group")._replace(muid="m", sent_at=World().seconds())
    stored = await store.messages.add(known)
    assert (await store.messages.add(known, act)).message.id == stored.message.id  # sent before, and stored then
    await store.removal.remove_group(GroupAct("g", "alice", "", anything), lambda _: ())
    assert await refusal(draft("bob", "g", "group")) == "ERR_GUID_NOT_FOUND"
    assert await store.groups.add(GroupRow("g", "G", "public", owner="bob", created_at=1))
    assert await refusal(known) == "ERR_MESSAGE_REMOVED"
    await store.close()


async def test_group_keeps_its_messages_when_its_removal_is_refused(open_store, monkeypatch):
    monkeypatch.setattr(removal, "MESSAGES_PER_STEP", 2)
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
    message_ids = [(await store.messages.add(draft("alice", "g", "group"))).message.id for _ in range(5)]

    def refuse(standing: object) -> None:
        raise Refused("ERR_GROUP_NO_ADMIN_SCOPE")

    with pytest.raises(Refused):
        await store.removal.remove_group(GroupAct("g", "bob", "", refuse), lambda _: ())
    assert set(await store.messages.by_ids(message_ids)) == set(message_ids)
    await store.removal.remove_group(GroupAct("g", "alice", "", anything), lambda _: ())
    assert await store.messages.by_ids(message_ids) == {}
    assert await store.groups.get("g") is None
    await store.close()


async def test_sqlite_store_writes_in_wal_mode_with_synchronous_full(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.db", World())

    def setting(c: sqlite3.Connection) -> tuple[int, str]:
        return c.execute("PRAGMA synchronous").fetchone()[0], c.execute("PRAGMA journal_mode").fetchone()[0]

    assert await store.database.write(setting) == (2, "wal")  # FULL: the log is synced before a commit returns
    await store.close()


@pytest.mark.parametrize("how", ["leaves", "is banned"])
async def test_message_that_only_a_member_who_leaves_had_not_read_is_read_by_all(open_store, how):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    for uid in ("bob", "carol", "dave"):
        act = GroupAct("g", uid, uid, anything)
        await store.members.add(act, "participant", 1, lambda _, uid=uid: draft(uid, "g", "group"))
    group, sent = key_of("", "g", "group"), list[int]()
    for sender in ("alice", "bob", "alice", "carol", "alice"):
        sent.append((await store.messages.add(draft(sender, "g", "group"))).message.id)
    for uid, read in (("alice", 4), ("bob", 3), ("carol", 4), ("dave", 1)):
        await store.read_state.mark_up_to(group, uid, sent[-1], 7, read=False, group="g")
        await store.read_state.mark_up_to(group, uid, sent[read - 1], 7, read=True, group="g")

    async def read_by_all() -> list[bool]:
        return [bool((await store.messages.get(number)).read_at) for number in sent]

    assert await read_by_all() == [True, False, False, False, False]
    stored, _ = await store.members.remove(
        GroupAct("g", "dave", "dave", anything), lambda _: draft("dave", "g", "group"),
        banned_at=8 if how == "is banned" else None, receipt_members=4,
    )  # fmt: skip
    assert await read_by_all() == [True, True, True, False, False]
    newest = await store.change_log.newest_number()
    found = {uid: await store.change_log.find(uid, "-", 0, newest, (), 50) for uid in ("alice", "bob", "carol", "dave")}
    by_all = {
        (entry.to_uid, entry.message_id, True, entry.number)
        for entries in found.values()
        for entry in entries
        if (entry.kind, entry.uid, entry.to_uid) == (ChangeKind.READ_BY_ALL, "dave", entry.to_uid)
        and entry.message_id in sent[1:]
    }
    assert {entry[:2] for entry in by_all} == {("alice", sent[2]), ("bob", sent[1])}
    assert set(stored.by_all) == by_all
    await store.close()


@pytest.mark.parametrize(("members", "receipt_members"), [(3, 2), (2, 3)])
async def test_leaving_a_group_without_receipts_or_with_one_other_member_reads_nothing(
    open_store, members, receipt_members
):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    for uid in ("bob", "carol")[: members - 1]:
        act = GroupAct("g", uid, uid, anything)
        await store.members.add(act, "participant", 1, lambda _, uid=uid: draft(uid, "g", "group"))
    number = (await store.messages.add(draft("alice", "g", "group"))).message.id
    for uid in ("alice", "carol"):
        await store.read_state.mark_up_to(key_of("", "g", "group"), uid, number, 7, read=True, group="g")
    stored, _ = await store.members.remove(
        GroupAct("g", "bob", "bob", anything), lambda _: draft("bob", "g", "group"), receipt_members=receipt_members
    )
    assert stored.by_all == ()
    assert (await store.messages.get(number)).read_at is None
    await store.close()


async def test_receipts_of_a_group_leave_its_action_messages_alone(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    joined = []
    for uid in ("bob", "carol"):
        announced = draft("alice", "g", "group")._replace(category="action")
        act = GroupAct("g", "alice", uid, anything)
        joined.append((await store.members.add(act, "participant", 1, lambda _, d=announced: d)).message.id)
    number = (await store.messages.add(draft("alice", "g", "group"))).message.id
    for uid in ("bob", "carol"):
        await store.read_state.mark_up_to(key_of("", "g", "group"), uid, number, 7, read=True, group="g")
    found = [await store.messages.get(one) for one in (*joined, number)]
    assert [(row.delivered_at, row.read_at) for row in found] == [(None, None), (None, None), (7, 7)]
    await store.close()
