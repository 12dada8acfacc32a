"""Removal of messages and files because of their age: nothing that refers to them is left."""

from __future__ import annotations

import asyncio

from tailwire.server.actions import retention
from tailwire.server.actions.retention import MESSAGES_PER_STEP, Search, prune
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.filters import ConversationFilter, MessageFilter
from tailwire.server.ports.pruning import OldCounts
from tailwire.server.ports.records import Draft, EditedContent, GroupRow, Trait, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct

DAY = 86_400
OLD, NEW = 10 * DAY, 100 * DAY
BETWEEN = 50 * DAY
PAIR, TEAM = key_of("alice", "bob", "user"), key_of("", "team", "group")
BOTH, OLD_FILE, NEW_FILE, FACE = (f"{letter * 40}.png" for letter in "abcd")
TABLES = {
    "reactions": "message_id", "mentions": "message_id", "saves": "message_id", "flags": "message_id",
    "interactions": "message_id", "subscriptions": "message_id", "edits": "message_id", "receipts": "up_to",
    "messages": "id",
}  # fmt: skip


def draft(text: str, at: int, *, sender="alice", receiver="bob", kind="user", **more) -> Draft:
    body = b'{"data":{"text":"%b"}}' % text.encode()
    more = {"category": "message", "traits": int(Trait.SEARCHABLE), **more}
    category = more.pop("category")
    return Draft(key_of(sender, receiver, kind), sender, receiver, kind, category, "text", body, at, **more)


def act(number: int, uid: str = "bob") -> MessageAct:
    return MessageAct(number, uid, lambda standing: None)


async def say(store, text: str, at: int, **more) -> int:
    return (await store.messages.add(draft(text, at, **more))).message.id


async def fill(store, at: int, age: str, files: tuple[str, ...]) -> int:
    """Store messages with everything that may belong to one. Return the highest id."""
    plain = await say(store, f"{age} words", at, files=files, mentions=("bob",), muid=f"{age} muid")
    team = await say(store, f"{age} team", at, receiver="team", kind="group")
    for number in (plain, team):
        await store.reactions.add(act(number), "x", at, 10)
        await store.annotations.pin(act(number), at, 10, pinned=True)
        await store.annotations.save(act(number), at, 10)
        await store.annotations.add_report(act(number), "spam", None, at)
        await store.annotations.add_interactions(act(number), ["button"], at)
        await store.annotations.subscribe(act(number), following=True)
    await say(store, f"{age} reply", at, sender="bob", receiver="alice", parent_id=plain)
    await store.messages.edit(
        act(plain, "alice"), at,
        lambda row: EditedContent(b'{"data":{"text":"%b changed"}}' % age.encode(), int(Trait.SEARCHABLE), None, None),
        lambda row: draft("edited", at, category="action", traits=0, shown=False),
    )  # fmt: skip
    last = await say(store, f"{age} team again", at, receiver="team", kind="group")
    await store.read_state.mark_up_to(TEAM, "bob", last, at, read=True, group="team")
    await store.read_state.mark_up_to(PAIR, "bob", plain, at, read=True)
    return last


async def filled(open_store) -> tuple:
    store = await open_store()
    for uid in ("alice", "bob", "carol"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    await store.groups.add(GroupRow("team", "T", "public", owner="alice", members_count=1, created_at=1))
    joining = GroupAct("team", "bob", "bob", lambda standing: None)
    await store.members.add(
        joining, "participant", OLD,
        lambda standing: draft("joined", OLD, sender="bob", receiver="team", kind="group", category="action"),
    )  # fmt: skip
    for name in (BOTH, OLD_FILE, FACE):
        await store.files.add(FileRow(name, "alice", "f", "image/png", 7, OLD))
    await store.files.add(FileRow(NEW_FILE, "alice", "f", "image/png", 7, NEW))
    await store.users.change("carol", {"avatar": f"tailwire:/files/{FACE}"})
    old = await fill(store, OLD, "old", (BOTH, OLD_FILE))
    new = await fill(store, NEW, "new", (BOTH, NEW_FILE))
    return store, old, new


async def pruned(store, before: int = BETWEEN, step: int = 2) -> int:
    removed = 0
    while found := await store.pruning.remove_messages(before, step):
        removed += found
    await store.pruning.end()
    while await store.chores.do_next():
        pass
    return removed


async def ids(store, table: str, column: str) -> list[int]:
    return [row[0] for row in await store.database.rows(f"SELECT {column} FROM {table} ORDER BY {column}")]


async def texts(store, reader: str, **more) -> list[str]:
    found = await store.messages.find(MessageFilter(reader, newer=True, limit=50, **more))
    return [row.body.decode().split('"')[5] for row in found]


async def test_nothing_refers_to_removed_messages(open_store):
    store, old, _ = await filled(open_store)
    before = {table: await ids(store, table, column) for table, column in TABLES.items()}
    assert all(any(number <= old for number in numbers) for numbers in before.values()), before  # no table is empty
    counted = (await store.pruning.count(BETWEEN, 0)).messages
    assert await pruned(store) == counted - 1 > 4  # the action message of an edit goes with the edited message
    for table, column in TABLES.items():
        left = await ids(store, table, column)
        assert left == [number for number in before[table] if number > old], table
        assert left, table  # the newer ones stay
    assert await texts(store, "bob") == [
        "new changed", "new team", "new reply", "edited", "new team again"
    ]  # fmt: skip
    assert await texts(store, "bob", search="old") == []
    assert await texts(store, "bob", search="changed") == ["new changed"]
    assert await texts(store, "bob", pinned=True, conversation_id=PAIR) == ["new changed"]
    await store.close()


async def test_last_message_of_a_conversation_is_its_newest_remaining_one(open_store):
    store, _, new = await filled(open_store)
    last = await say(store, "late", NEW, sender="bob", receiver="alice")
    await pruned(store)
    found, _ = await store.conversations.find(ConversationFilter("bob", limit=10))
    assert {row.conversation_id: row.last_message_id for row in found} == {PAIR: last, TEAM: new}
    await store.close()


async def test_reply_outlives_its_pruned_parent(open_store):
    store, old, _ = await filled(open_store)
    parent = (await ids(store, "messages", "id"))[1]
    assert parent <= old
    reply = await say(store, "late reply", NEW, sender="bob", receiver="alice", parent_id=parent)
    await pruned(store)
    assert await store.messages.get(parent) is None
    assert (await store.messages.get(reply)).parent_id == parent
    await store.close()


async def test_emptied_conversation_continues_with_the_next_message(open_store):
    store, _, _ = await filled(open_store)
    assert await pruned(store, NEW) > 4
    assert await ids(store, "receipts", "up_to") == []
    assert (await store.conversations.find(ConversationFilter("bob", limit=10)))[1] == 2
    again = await store.messages.add(draft("again", NEW + 1))
    assert again.predecessor_id == 0
    assert await texts(store, "bob") == ["again"]
    await store.close()


async def test_id_of_a_pruned_message_is_not_given_out_again_after_a_restart(open_store):
    store, _, _ = await filled(open_store)
    newest = await say(store, "newest", NEW, sender="bob", receiver="alice")
    await pruned(store, NEW + 1)
    assert await ids(store, "messages", "id") == []
    await store.close()
    store = await open_store()
    assert await say(store, "later", NEW + 2) > newest
    await store.close()


async def test_files_are_removed_with_their_last_message(open_store):
    store, _, _ = await filled(open_store)
    await pruned(store)
    found = {
        row.name for row in await store.files.condemn(never_used_added_until=-1, last_used_until=1 << 40, limit=50)
    }
    assert found == {OLD_FILE}
    await store.close()


async def test_old_files_are_removed_but_not_the_pictures_of_users(open_store):
    store, _, _ = await filled(open_store)
    assert await store.pruning.count(0, BETWEEN) == OldCounts(0, 2, 14)
    assert await store.pruning.condemn_files(BETWEEN, 1) == 1
    assert await store.pruning.condemn_files(BETWEEN, 10) == 1
    assert await store.pruning.condemn_files(BETWEEN, 10) == 0
    assert [await store.files.get(name) is not None for name in (BOTH, OLD_FILE, NEW_FILE, FACE)] == [
        False,
        False,
        True,
        True,
    ]
    due = await store.files.condemn(never_used_added_until=-1, last_used_until=0, limit=50)
    assert {row.name for row in due} == {BOTH, OLD_FILE}
    assert sorted(await store.database.rows("SELECT name FROM file_uses")) == sorted([(NEW_FILE,), (FACE,)])
    await store.close()


async def test_pruned_until_is_the_newest_removed_message_that_a_user_missed(open_store):
    store = await open_store()
    await store.users.add(UserRow("carol", "carol", created_at=1))
    other = await say(store, "to carol", OLD, receiver="carol")
    await store.close()
    store, old, _ = await filled(open_store)
    assert await store.pruning.pruned_until("bob", 0) == 0
    await pruned(store, step=100)
    assert await store.pruning.pruned_until("bob", 0) == old
    assert await store.pruning.pruned_until("bob", old - 1) == old
    assert await store.pruning.pruned_until("bob", old) == 0
    assert await store.pruning.pruned_until("carol", 0) == other  # not in the conversations of others
    late = GroupAct("team", "carol", "carol", lambda standing: None)
    joined = draft("joined", NEW, sender="carol", receiver="team", kind="group", category="action")
    await store.members.add(late, "participant", NEW, lambda standing: joined)
    assert await store.pruning.pruned_until("carol", 0) == other  # the group's messages were sent before carol joined
    assert await store.pruning.pruned_until("carol", other) == 0
    await store.close()
    store = await open_store()
    assert await store.pruning.pruned_until("bob", 0) == old
    await store.close()


async def test_pruned_until_of_a_former_member_is_the_newest_removed_message_sent_before_they_left(open_store):
    """A member who left has missed messages sent until then, even if these are removed later, and no others."""
    store = await open_store()
    for uid in ("alice", "bob", "carol"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    await store.groups.add(GroupRow("team", "T", "public", owner="alice", members_count=1, created_at=1))

    def announced(text: str, uid: str, at: int):
        return lambda standing: draft(text, at, sender=uid, receiver="team", kind="group", category="action")

    async def join_and_leave(uid: str, at: int) -> tuple[int, int]:
        on = GroupAct("team", uid, uid, lambda standing: None)
        await store.members.add(on, "participant", OLD, announced("joined", uid, OLD))
        missed = await say(store, "missed", OLD, receiver="team", kind="group")
        stored, _ = await store.members.remove(on, announced("left", uid, at))
        return missed, stored.message.id

    missed, left = await join_and_leave("bob", OLD)
    later = await say(store, "after bob left", OLD, receiver="team", kind="group")
    last_missed, _ = await join_and_leave("carol", NEW)  # the message that announces that carol left is not removed
    await say(store, "new", NEW, receiver="team", kind="group")
    assert await store.pruning.pruned_until("bob", 0) == 0
    await pruned(store, step=100)
    assert missed < left < later < last_missed
    assert await store.pruning.pruned_until("bob", 0) == left
    assert await store.pruning.pruned_until("bob", missed) == left
    assert await store.pruning.pruned_until("bob", left) == 0
    assert await store.pruning.pruned_until("carol", later) == last_missed
    assert await store.pruning.pruned_until("carol", last_missed) == 0
    await store.close()


async def test_user_who_joined_right_after_the_last_removed_message_has_missed_none(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("team", "T", "public", owner="alice", members_count=1, created_at=1))
    last = await say(store, "before", OLD, receiver="team", kind="group")
    on = GroupAct("team", "bob", "bob", lambda standing: None)
    joined = draft("joined", NEW, sender="bob", receiver="team", kind="group", category="action")
    await store.members.add(on, "participant", NEW, lambda standing: joined)
    assert (await store.members.get("team", "bob")).joined_after_id == last
    await pruned(store)
    assert await store.pruning.pruned_until("bob", 0) == 0
    assert await store.pruning.pruned_until("alice", 0) == last
    await store.close()


async def test_message_with_a_time_in_the_future_does_not_hold_up_pruning(open_store):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    await say(store, "from the future", 1 << 40)
    for n in range(5):
        await say(store, f"{n}", OLD)
    assert await pruned(store, step=3) == 5
    assert await texts(store, "bob") == ["from the future"]
    await store.close()


async def test_old_messages_behind_many_with_a_time_in_the_future_are_pruned(open_store):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    for _ in range(MESSAGES_PER_STEP + 5):
        await say(store, "from the future", 1 << 40)
    for _ in range(3):
        await say(store, "old", OLD)
    await say(store, "new", NEW)
    await say(store, "old", OLD)
    clock = asyncio.get_running_loop().time
    assert await prune(store.pruning, clock, messages=BETWEEN, files=None) == (4, 0)
    assert set(await texts(store, "bob")) == {"from the future"}
    assert (await texts(store, "bob", cursor=MESSAGES_PER_STEP))[-1] == "new"
    await store.close()


async def test_search_for_old_messages_is_bounded_and_goes_on_in_the_next_run(open_store, monkeypatch):
    monkeypatch.setattr(retention, "MESSAGES_PER_STEP", 3)
    monkeypatch.setattr(retention, "MESSAGES_PER_LOOK", 4)
    store = await open_store()
    for at in [*[1 << 40] * 20, OLD, OLD, 1 << 40, *[NEW] * 5]:
        await say(store, "words", at)
    clock, search, removed = asyncio.get_running_loop().time, Search(looks=2), []
    for _ in range(5):
        await say(store, "later", NEW)
        removed.append((await prune(store.pruning, clock, messages=BETWEEN, files=None, search=search))[0])
    assert removed == [0, 0, 2, 0, 0]
    assert (await store.pruning.count(NEW, 0)).messages == 10
    await store.close()


async def test_messages_that_become_old_between_runs_are_removed_at_once_behind_those_with_a_time_in_the_future(
    open_store, monkeypatch
):
    monkeypatch.setattr(retention, "MESSAGES_PER_STEP", 3)
    monkeypatch.setattr(retention, "MESSAGES_PER_LOOK", 4)
    store = await open_store()
    for at in [*[1 << 40] * 8, *range(100, 160)]:
        await say(store, "words", at)
    clock, search, removed = asyncio.get_running_loop().time, Search(looks=4), []
    for before in (99, 99, 105, 110, 111, 130, 131, 140):
        removed.append((await prune(store.pruning, clock, messages=before, files=None, search=search))[0])
    assert removed == [0, 0, 6, 5, 1, 19, 1, 9]
    for at in (5, 150):  # one with a time in the past is found later, and the next ones are removed at once again
        await say(store, "words", at)
    removed = []
    for before in (*[140] * 6, 145, 150):
        removed.append((await prune(store.pruning, clock, messages=before, files=None, search=search))[0])
    assert (sum(removed[:6]), removed[6:]) == (1, [5, 6])
    await store.close()


async def test_message_in_front_of_one_that_became_old_earlier_is_removed_at_once_after_all_were_looked_at(
    open_store, monkeypatch
):
    monkeypatch.setattr(retention, "MESSAGES_PER_STEP", 3)
    monkeypatch.setattr(retention, "MESSAGES_PER_LOOK", 4)
    store = await open_store()
    for at in [*[1 << 40] * 8, 150, 100, *[1 << 40] * 40]:
        await say(store, "words", at)
    clock, search, removed = asyncio.get_running_loop().time, Search(looks=1), []
    for before in (*[99] * 13, 105, *[105] * 20, 151):  # all are looked at in fourteen runs
        removed.append((await prune(store.pruning, clock, messages=before, files=None, search=search))[0])
    assert (removed[13], removed[-1], sum(removed)) == (1, 1, 2)
    await store.close()


async def test_receipts_and_changes_of_messages_that_stay_are_kept(open_store):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    await store.groups.add(GroupRow("team", "T", "public", owner="alice", members_count=1, created_at=1))
    joining = GroupAct("team", "bob", "bob", lambda standing: None)
    joined = draft("joined", OLD, sender="bob", receiver="team", kind="group", category="action")
    await store.members.add(joining, "participant", OLD, lambda standing: joined)
    first, kept, last = [await say(store, "words", at, receiver="team", kind="group") for at in (OLD, NEW, OLD)]
    for number in (first, kept, last):
        await store.annotations.pin(act(number), NEW, 10, pinned=True)
    await store.read_state.mark_up_to(TEAM, "bob", kept, NEW, read=True, group="team")
    await pruned(store, step=100)
    assert await ids(store, "messages", "id") == [kept]
    assert await store.read_state.receipts(await store.messages.get(kept)) == [("bob", NEW, NEW)]
    newest = await store.change_log.newest_number()
    found = await store.change_log.find("alice", "-", 0, newest, (), 50)
    assert {change.message_id for change in found} == {kept}
    await pruned(store, NEW, step=100)
    assert await ids(store, "receipts", "up_to") == []
    await store.close()
