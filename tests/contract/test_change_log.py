"""The change log of each store: which entries each user finds in it, and which it forgets."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft, GroupRow, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.sql.change_log import CHANGES_PER_CLEANUP

GROUP = key_of("", "g", "group")


class Clock(World):
    """A clock that is set by hand."""

    now = 100

    def seconds(self) -> int:
        return self.now


def anything(standing: object) -> None:
    pass


def draft(sender: str, receiver: str, kind: str, type_: str = "text") -> Draft:
    place = key_of(sender, receiver, kind)
    return Draft(
        place, sender, receiver, kind, "message" if type_ == "text" else "action", type_, b'{"data":{}}', 1, None
    )


async def say(store, sender: str, receiver: str, kind: str = "group") -> int:
    return (await store.messages.add(draft(sender, receiver, kind))).message.id


async def join(store, uid: str) -> int:
    act = GroupAct("g", uid, uid, anything)
    stored = await store.members.add(act, "participant", 1, lambda _: draft(uid, "g", "group", "groupMember"))
    return stored.message.id


async def leave(store, uid: str) -> int:
    stored, _ = await store.members.remove(
        GroupAct("g", uid, uid, anything), lambda _: draft(uid, "g", "group", "groupMember")
    )
    return stored.message.id


async def find_changes(store, reader: str, device: str = "", after: int = 0, heard: tuple[int, ...] = ()) -> list[str]:
    rows = await store.change_log.find(reader, device, after, await store.change_log.newest_number(), heard, 100)
    assert [row.number for row in rows] == sorted(row.number for row in rows)
    return [f"{row.kind} {row.uid} {row.message_id}" for row in rows]


async def test_reader_finds_changes_that_concern_them_except_those_of_their_own_device(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    await join(store, "bob")
    first = await say(store, "alice", "g")
    await store.reactions.add(MessageAct(first, "bob", anything, "phone"), "x", 5, 10)
    await store.annotations.pin(MessageAct(first, "alice", anything, "desk"), 6, 10, pinned=True)
    await store.annotations.save(MessageAct(first, "alice", anything, "desk"), 6, 10)
    await store.read_state.mark_up_to(GROUP, "bob", first, 7, read=True, group="g", sender="alice", device="phone")
    reaction, pin, read = f"reaction added bob {first}", f"pinned alice {first}", f"read bob {first}"
    by_all = [f"{kind} bob {first}" for kind in ("delivered to all", "read by all")]
    assert await find_changes(store, "alice", "desk") == [reaction, read, *by_all]
    assert await find_changes(store, "alice", "laptop") == [reaction, pin, f"saved alice {first}", read, *by_all]
    assert await find_changes(store, "bob", "phone") == [pin]
    # The devices of two users may have the same name.
    assert await find_changes(store, "bob", "desk") == [reaction, pin, read]
    assert await find_changes(store, "alice", "phone") == await find_changes(store, "alice", "laptop")
    assert await find_changes(store, "carol") == []
    assert await find_changes(store, "alice", "desk", after=2) == [read, *by_all]
    assert await find_changes(store, "alice", "desk", heard=(1, 4)) == by_all
    await store.close()


async def test_former_member_finds_only_changes_between_joining_and_leaving(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    message_id = await say(store, "alice", "g")

    async def react(text: str) -> None:
        await store.reactions.add(MessageAct(message_id, "alice", anything), text, 5, 10)

    await react("before")
    joined = await join(store, "bob")
    await react("then")
    left = await leave(store, "bob")
    await react("after")
    rows = await store.change_log.find("bob", "-", 0, await store.change_log.newest_number(), (), 10)
    assert [(row.detail.split()[-1], row.until_id) for row in rows] == [("then", left)]
    assert await store.change_log.ended_memberships("bob", 0, 10) == [("g", joined - 1, left)]
    assert await store.change_log.ended_memberships("bob", left, 10) == []
    await store.close()


async def test_former_members_who_left_after_a_change_are_found(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    await store.groups.add(GroupRow("other", "O", "public", owner="bob", members_count=1, created_at=1))
    for uid in ("bob", "carol"):
        await join(store, uid)
    await leave(store, "carol")
    message_id = await say(store, "alice", "g")
    read = await store.read_state.mark_up_to(
        GROUP, "alice", message_id, 7, read=True, group="g", sender="alice", device="phone"
    )
    who = ["alice", "bob", "carol"]
    assert await store.change_log.left_after("g", who, read.number) == []
    await leave(store, "bob")
    assert await store.change_log.left_after("g", who, read.number) == ["bob"]
    assert await store.change_log.left_after("g", ["alice", "carol"], read.number) == []
    assert await store.change_log.left_after("other", who, read.number) == []
    assert await store.change_log.left_after("g", who, await store.change_log.newest_number()) == []
    await store.removal.remove_group(GroupAct("g", "alice", "", anything, "desk"), lambda _: ())
    assert sorted(await store.change_log.left_after("g", who, read.number)) == ["alice", "bob"]
    await store.close()


async def test_user_who_joined_right_before_a_change_was_a_member_at_the_change(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    message_id = await say(store, "alice", "g")
    await store.reactions.add(MessageAct(message_id, "alice", anything), "before", 5, 10)
    await join(store, "bob")
    await store.reactions.add(MessageAct(message_id, "alice", anything), "then", 5, 10)
    number = await store.change_log.newest_number()
    await leave(store, "bob")
    assert await store.change_log.left_after("g", ["bob"], number) == ["bob"]
    await store.close()


async def test_former_member_who_returned_after_a_change_was_not_a_member_at_the_change(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    await join(store, "bob")
    message_id = await say(store, "bob", "g")
    await leave(store, "bob")
    read = await store.read_state.mark_up_to(
        GROUP, "alice", message_id, 7, read=True, group="g", sender="bob", device="phone"
    )
    await join(store, "bob")
    await leave(store, "bob")
    assert await store.change_log.left_after("g", ["bob"], read.number) == []
    assert await find_changes(store, "bob", "-") == []  # a catch-up agrees
    await store.close()


async def test_removal_of_a_group_is_found_by_its_members_at_that_time(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    await join(store, "bob")
    message_id = await say(store, "bob", "g")
    await store.reactions.add(MessageAct(message_id, "bob", anything), "x", 5, 10)
    _, number = await store.removal.remove_group(GroupAct("g", "alice", "", anything, "desk"), lambda _: ())
    await store.groups.add(GroupRow("g", "G", "public", owner="carol", members_count=1, created_at=1))
    assert await find_changes(store, "bob", "-") == ["group removed alice 0"]
    assert await find_changes(store, "alice", "desk") == []
    assert await find_changes(store, "alice", "laptop") == ["group removed alice 0"]
    assert await find_changes(store, "carol", "-") == []
    assert await find_changes(store, "bob", "-", after=number) == []
    await store.close()


async def test_each_removal_of_a_group_is_found_by_those_who_were_members_then(open_store):
    store = await open_store()
    first = GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1)
    for members in (("bob", "carol"), ("carol", "dave"), ()):
        await store.groups.add(first)
        for uid in members:
            await join(store, uid)
        await store.removal.remove_group(GroupAct("g", "app", "", anything), lambda _: ())
    removals = {uid: len(await find_changes(store, uid, "-")) for uid in ("alice", "bob", "carol", "dave", "erin")}
    assert removals == {"alice": 3, "bob": 1, "carol": 2, "dave": 1, "erin": 0}
    await store.groups.add(first)
    await join(store, "bob")
    await store.removal.remove_conversation(GROUP)
    assert len(await find_changes(store, "dave", "-")) == 1
    await store.close()


async def test_group_changes_are_logged_for_members_except_the_device_that_made_them(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    await join(store, "bob")
    act = GroupAct("g", "alice", "", anything, "desk")
    _, renamed = await store.groups.change(act, lambda _: {"name": "H"}, lambda _: ())
    assert await store.change_log.newest_number() == renamed
    assert await find_changes(store, "bob", "phone") == ["group alice 0"]
    number = await store.groups.transfer_ownership(GroupAct("g", "alice", "bob", anything, "desk"), 2, lambda _: ())
    assert await store.change_log.newest_number() == number > renamed
    assert await find_changes(store, "bob", "phone", after=renamed) == ["group alice 0"]
    assert await find_changes(store, "alice", "desk", after=renamed) == []
    await store.close()


class OwnChange(NamedTuple):
    """A change that is announced to a user's other devices.

    Attributes:
        make: makes it, as bob on his phone.
        entry: what bob's other devices find in the log.
        before: makes what it changes.
    """

    make: Callable[[Any, int], Awaitable[Any]]
    entry: str
    before: Callable[[Any, int], Awaitable[Any]] | None = None


CHAT = key_of("alice", "bob", "user")
OWN_CHANGES = {
    "tags": OwnChange(lambda s, message_id: s.read_state.tag(CHAT, "bob", '["x"]', "phone"), "list changed bob 0"),
    "no tags": OwnChange(
        lambda s, message_id: s.read_state.tag(CHAT, "bob", None, "phone"), "list changed bob 0",
        lambda s, message_id: s.read_state.tag(CHAT, "bob", '["x"]', "phone")),
    "a deleted conversation": OwnChange(
        lambda s, message_id: s.read_state.clear(CHAT, "bob", message_id, "phone"), "list removed bob 0"),
    "a pin": OwnChange(lambda s, message_id: s.read_state.pin(CHAT, "bob", 5, 9, "phone"), "list pinned bob 0"),
    "a removed pin": OwnChange(
        lambda s, message_id: s.read_state.pin(CHAT, "bob", None, 9, "phone"), "list unpinned bob 0",
        lambda s, message_id: s.read_state.pin(CHAT, "bob", 5, 9, "phone")),
    "a mark as unread": OwnChange(
        lambda s, message_id: s.read_state.mark_unread_after(CHAT, "bob", 0, "phone"), "list changed bob 0",
        lambda s, message_id: s.read_state.mark_up_to(CHAT, "bob", message_id, 5, read=True, sender="alice")),
    "a mark as unread after a message": OwnChange(
        lambda s, message_id: s.read_state.mark_unread_after(CHAT, "bob", message_id - 1, "phone"), "list changed bob 0",
        lambda s, message_id: s.read_state.mark_up_to(CHAT, "bob", message_id, 5, read=True, sender="alice")),
    "a block": OwnChange(lambda s, message_id: s.blocks.add("bob", ["alice"], 5, device="phone"), "blocks bob 0"),
    "a removed block": OwnChange(
        lambda s, message_id: s.blocks.remove("bob", ["alice"], device="phone"), "blocks bob 0",
        lambda s, message_id: s.blocks.add("bob", ["alice"], 5)),
    "a removed save": OwnChange(
        lambda s, message_id: s.annotations.unsave(message_id, "bob", "phone"), "unsaved bob {message_id}",
        lambda s, message_id: s.annotations.save(MessageAct(message_id, "bob", anything), 6, 10)),
}  # fmt: skip
own_changes = pytest.mark.parametrize("change", OWN_CHANGES.values(), ids=OWN_CHANGES)


async def content(store) -> list[Any]:
    tables = ("marks", "blocks", "saves", "conversations", "messages", "participants")
    return [sorted(map(tuple, await store.database.rows(f"SELECT * FROM {table}"))) for table in tables]


async def two_messages(store) -> int:
    await say(store, "alice", "bob", "user")
    return await say(store, "alice", "bob", "user")


async def before_change(open_store, change) -> tuple[Any, int]:
    """Return a store with two messages, in which the change can be made, and the id of the second."""
    store = await open_store()
    messages = await two_messages(store)
    if change.before is not None:
        await change.before(store, messages)
    return store, messages


async def take_next_number(store) -> None:
    """Make the next write to the log fail, as a server that is killed before it."""
    columns = "subject, key, after_id, kind, uid, device, to_uid, message_id, since_id, detail, at"
    number = await store.change_log.newest_number() + 1
    values = "'o/nobody', 'taken', 0, 'blocks', 'nobody', '', '', 0, 0, '', 0"
    await store.database.run(f"INSERT INTO change_log (number, {columns}) VALUES ({number}, {values})")


@own_changes
async def test_own_change_is_logged_once_for_the_other_devices_of_the_user(open_store, change):
    store, message_id = await before_change(open_store, change)
    before = await store.change_log.newest_number()
    number = await change.make(store, message_id)
    assert number == await store.change_log.newest_number() > before
    assert await find_changes(store, "bob", "tablet", after=before) == [change.entry.format(message_id=message_id)]
    assert await find_changes(store, "bob", "phone", after=before) == []
    assert await find_changes(store, "alice", "-", after=before) == []
    stored = await content(store)
    assert await change.make(store, message_id) == 0
    assert await content(store) == stored
    assert await store.change_log.newest_number() == number
    await store.close()


@own_changes
async def test_own_change_that_cannot_be_logged_is_not_made(open_store, change):
    store, message_id = await before_change(open_store, change)
    stored = await content(store)
    await take_next_number(store)
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        await change.make(store, message_id)
    assert await content(store) == stored
    assert await change.make(store, message_id)  # the next number is free
    assert await content(store) != stored
    await store.close()


async def test_undoing_what_a_user_never_did_changes_and_logs_nothing(open_store):
    store = await open_store()
    message_id = await say(store, "alice", "bob", "user")
    empty = await content(store)
    assert await store.read_state.tag(CHAT, "bob", None) == 0
    assert await store.read_state.pin(CHAT, "bob", None, 9) == 0
    assert await store.read_state.mark_unread_after(CHAT, "bob", 0) == 0
    assert await store.read_state.mark_unread_after(CHAT, "bob", message_id) == 0
    assert await store.read_state.clear(CHAT, "bob", 0) == 0
    assert await store.blocks.remove("bob", ["alice"]) == 0
    assert await store.annotations.unsave(message_id, "bob") == 0
    assert await store.removal.remove_conversation(key_of("bob", "carol", "user")) == {}
    assert await content(store) == empty
    assert await store.change_log.newest_number() == 0
    await store.close()


async def test_removal_of_a_conversation_is_logged_for_both_users_in_the_same_transaction(open_store):
    store = await open_store()
    await say(store, "alice", "bob", "user")
    stored = await content(store)
    await take_next_number(store)
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        await store.removal.remove_conversation(CHAT, "bob", "phone")
    assert await content(store) == stored
    before = await store.change_log.newest_number()
    numbers = await store.removal.remove_conversation(CHAT, "bob", "phone")
    assert numbers == {"alice": before + 1, "bob": before + 2}
    assert await store.change_log.newest_number() == before + 2
    assert await find_changes(store, "alice", "-") == ["list removed bob 0"]
    assert await find_changes(store, "bob", "tablet") == ["list removed bob 0"]
    assert await find_changes(store, "bob", "phone") == []
    assert await store.removal.remove_conversation(CHAT, "bob", "phone") == {}
    assert await store.change_log.newest_number() == before + 2
    await store.close()


async def test_removal_of_the_conversation_of_a_group_is_logged_with_it_for_its_members(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    await join(store, "bob")
    await say(store, "alice", "g")
    numbers = await store.removal.remove_conversation(GROUP, "alice", "desk")
    assert numbers == {"": await store.change_log.newest_number()}
    assert await find_changes(store, "bob", "phone") == ["list removed alice 0"]
    assert await find_changes(store, "alice", "laptop") == ["list removed alice 0"]
    assert await find_changes(store, "alice", "desk") == []
    assert await find_changes(store, "carol", "-") == []
    await store.close()


async def test_change_log_keeps_only_the_last_change_of_the_same_reaction(open_store):
    store = await open_store()
    message_id = await say(store, "alice", "bob", "user")
    for _ in range(3):
        assert await store.reactions.add(MessageAct(message_id, "bob", anything), "x", 5, 10)
        assert await store.reactions.remove(MessageAct(message_id, "bob", anything), "x", 5)
    assert await find_changes(store, "alice", "-") == [f"reaction removed bob {message_id}"]
    assert await store.change_log.newest_number() == 6
    await store.close()


async def test_old_and_excess_entries_are_forgotten_and_the_last_forgotten_number_is_known(open_store):
    clock = Clock()
    store = await open_store(clock)
    log = store.change_log
    log.max_age, log.max_entries = 1000, 400
    others = (f"user{n}" for n in itertools.count())

    async def add(count: int) -> None:
        for _ in range(count):
            assert await store.read_state.clear(key_of("bob", next(others), "user"), "bob", 1, "phone")
        if hasattr(log, "clean"):
            await log.clean()

    await add(200)
    first = await say(store, "alice", "bob", "user")
    await add(100)
    message_id = await say(store, "alice", "bob", "user")
    clock.now += 2000
    await add(300)
    forgotten = await log.forgotten_entries()
    assert forgotten.number == 300
    assert first <= forgotten.after_id < message_id
    await add(600)
    forgotten = await log.forgotten_entries()
    assert 600 < forgotten.number <= 800
    assert message_id <= forgotten.after_id
    assert len(await log.find("bob", "-", 0, await log.newest_number(), (), 10_000)) == 1200 - forgotten.number
    await store.close()


async def test_change_log_keeps_the_newest_entries_up_to_its_limit(open_store):
    store = await open_store()
    log = store.change_log
    log.max_entries = 100
    for n in range(CHANGES_PER_CLEANUP):
        await store.read_state.clear(key_of("bob", f"user{n}", "user"), "bob", 1, "phone")
    if hasattr(log, "clean"):
        await log.clean()
    assert (await log.forgotten_entries()).number == await log.newest_number() - 100
    assert len(await log.find("bob", "-", 0, await log.newest_number(), (), 1000)) == 100
    await store.close()


async def test_newest_number_is_known_after_all_entries_became_too_old(open_store):
    clock = Clock()
    store = await open_store(clock)
    for n in range(CHANGES_PER_CLEANUP - 1):
        newest = await store.read_state.clear(key_of("bob", f"user{n}", "user"), "bob", 1, "phone")
    clock.now += store.change_log.max_age + 1
    if hasattr(store.change_log, "clean"):  # on PostgreSQL, entries also become old while nothing changes
        await store.change_log.clean()
        assert (await store.change_log.forgotten_entries()).number == newest
    assert await store.change_log.newest_number() == newest
    await store.close()
    store = await open_store(clock)
    assert await store.change_log.newest_number() == newest
    assert await store.blocks.add("bob", ["carol"], 5) == newest + 1
    await store.removal.remove_user("bob", with_messages=False)
    assert await store.change_log.newest_number() == newest + 1
    await store.close()


async def test_removed_user_is_in_no_entry_of_the_change_log(open_store):
    store = await open_store()
    message_id = await say(store, "alice", "bob", "user")
    await store.reactions.add(MessageAct(message_id, "bob", anything), "x", 5, 10)
    await store.read_state.mark_up_to(key_of("alice", "bob", "user"), "alice", message_id, 7, read=True, sender="bob")
    assert await store.blocks.add("bob", ["alice"], 7, device="phone")
    count = "SELECT count(*) FROM change_log"
    assert (await store.database.rows(count))[0][0] > 2
    await store.removal.remove_user("bob", with_messages=False)
    assert (await store.database.rows(count))[0][0] == 0
    await store.close()


async def test_missed_boundary_does_not_count_edits_and_deletions(open_store):
    store = await open_store()
    sent = [await say(store, "alice", "bob", "user") for _ in range(30)]
    await say(store, "alice", "carol", "user")
    announced = (await store.messages.add(draft("alice", "bob", "user", "message"))).message.id
    assert announced > sent[-1]
    assert await store.messages.missed_boundary("bob", "phone", 0, 10) == sent[19]
    assert await store.messages.missed_boundary("bob", "phone", sent[4], 25) == 0
    assert await store.messages.missed_boundary("bob", "phone", sent[3], 25) == sent[4]
    assert await store.messages.missed_boundary("carol", "phone", 0, 1) == 0
    await store.close()


async def test_missed_boundary_does_not_count_what_the_reader_sent_from_the_same_device(open_store):
    store = await open_store()

    async def send(sender: str, body: bytes) -> int:
        to = "bob" if sender == "alice" else "alice"
        return (await store.messages.add(draft(sender, to, "user")._replace(body=body))).message.id

    async def boundary(device: str, most: int) -> int:
        return await store.messages.missed_boundary("bob", device, 0, most)

    missed = [await send("alice", b'{"data":{"resource":"phone"}}') for _ in range(5)]
    mine = [await send("bob", b'{"data":{"resource":"phone"}}') for _ in range(30)]
    on_desk = await send("bob", b'{"data":{"resource":"desk"}}')
    unnamed = [await send("bob", b'{"data":{"resource":""}}'), await send("bob", b'{"data":{}}')]
    assert await boundary("phone", 8) == 0
    assert await boundary("phone", 7) == missed[0]
    assert await boundary("phone", 3) == missed[4]
    assert await boundary("phone", 2) == on_desk
    assert await boundary("desk", 3) == mine[-2]
    assert await boundary("", 1) == unnamed[0]
    await store.close()


async def test_join_returns_the_id_of_the_message_that_ended_the_previous_membership(open_store):
    store = await open_store()
    for guid in ("g", "h"):
        await store.groups.add(GroupRow(guid, guid, "public", owner="alice", members_count=1, created_at=1))

    async def ended(uid: str, guid: str = "g") -> int:
        act = GroupAct(guid, uid, uid, anything)
        return (
            await store.members.add(act, "participant", 1, lambda _: draft(uid, guid, "group", "groupMember"))
        ).membership_end

    assert await ended("bob") == 0
    first = await leave(store, "bob")
    assert await ended("carol") == 0  # another user
    assert await ended("bob", "h") == 0  # another group
    await say(store, "alice", "g")
    assert await ended("bob") == first
    second = await leave(store, "bob")
    await leave(store, "carol")
    assert await ended("bob") == second
    await store.close()


async def test_join_of_a_group_created_again_returns_no_end_of_an_earlier_membership(open_store):
    store = await open_store()
    for _ in range(2):
        await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
        act = GroupAct("g", "bob", "bob", anything)
        stored = await store.members.add(act, "participant", 1, lambda _: draft("bob", "g", "group", "groupMember"))
        assert stored.membership_end == 0
        await say(store, "alice", "bob", "user")
        await store.removal.remove_group(GroupAct("g", "alice", "", anything), lambda _: ())
    await store.close()


async def test_numbers_of_removed_entries_are_not_given_out_again(open_store):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    await store.blocks.add("alice", ["carol"], 5)
    await store.blocks.add("bob", ["carol"], 5)
    await store.read_state.pin(CHAT, "bob", 5, 9)
    newest = await store.change_log.newest_number()
    await store.removal.remove_user("bob", with_messages=False)
    assert await store.change_log.newest_number() == newest
    await store.close()
    store = await open_store()
    assert await store.change_log.newest_number() == newest
    assert await store.blocks.remove("alice", ["carol"]) > newest
    for _ in range(2):  # older entries remain, and the newest one is removed again and again
        await store.users.add(UserRow("bob", "bob", created_at=1))
        await store.blocks.add("bob", ["carol"], 5)
        newest = await store.change_log.newest_number()
        await store.removal.remove_user("bob", with_messages=False)
        assert await store.change_log.newest_number() == newest
    await store.close()
