"""Limits, times and orders hold exactly, on each store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contract.neighbours import KEYS, Clock, Neighbours, file_name, filled
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
from tailwire.server.ports.key_records import TokenRow
from tailwire.server.ports.push_records import NotificationProgress, PushTokenRow
from tailwire.server.ports.records import Draft, Event, GroupRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.store.sql.read_state import MAX_TIMED_MESSAGES


async def test_friendship_is_refused_when_either_user_has_reached_the_limit(open_store):
    store = await open_store()
    for uid in ("alice", "bob", "carol", "dave"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    pairs = (("alice", "bob"), ("alice", "carol"), ("dave", "alice"), ("alice", "dave"), ("dave", "bob"))
    assert [await store.friends.add(*pair, 5, 2) for pair in pairs] == ["", "", "full", "full", ""]
    assert await store.friends.add("bob", "alice", 5, 2) == "known"
    await store.close()


async def test_quota_of_files_counts_only_files_uploaded_after_the_given_time(open_store):
    store = await open_store()

    async def add(letter: str, at: int, size: int, since: int) -> FileResult:
        row = FileRow(file_name(letter), "alice", "f", "image/png", size, at)
        return await store.files.add(row, 10, since)

    assert await add("a", 5, 11, 0) == FileResult.OVER_QUOTA
    assert await add("a", 5, 10, 0) == FileResult.STORED
    assert await add("b", 6, 1, 4) == FileResult.OVER_QUOTA
    assert await add("b", 6, 4, 5) == FileResult.STORED  # the first one was uploaded before
    assert await add("c", 7, 7, 5) == FileResult.OVER_QUOTA
    assert await add("c", 7, 6, 5) == FileResult.STORED
    await store.close()


async def test_quota_of_upload_forms_counts_only_files_uploaded_after_the_given_time(open_store):
    store = await open_store()
    await store.files.add(FileRow(file_name("a"), "alice", "f", "image/png", 10, 5))

    async def issue(since: int) -> FormResult:
        return await store.files.issue_forms([FormRow("form", "alice", 1, 100)], FormLimits(10, 9, since, 90))

    assert await issue(4) == FormResult.OVER_QUOTA
    assert await issue(5) == FormResult.STORED
    await store.close()


async def test_first_message_of_an_empty_database_is_unread_and_the_last_of_its_conversation(open_store):
    store = await open_store()
    n = Neighbours(store)
    first = (await store.messages.add(n.draft("ab"))).message.id
    row = await store.conversations.get(KEYS["ab"], "bob", "user")
    assert (row.unread, row.last_message_id, row.shown_message_id) == (1, first, first)
    await store.close()


async def test_failed_deliveries_beyond_the_limit_are_removed_from_the_oldest_on(open_store):
    store, rows = await with_three_failures(open_store)
    assert await store.deliveries.failed_ids("w") == [rows[1].id, rows[2].id]
    await store.close()


async def test_counts_and_oldest_time_of_deliveries_follow_each_change_at_once(open_store):
    store, rows = await with_three_failures(open_store)
    assert (await store.deliveries.state("w")).waiting_since == 43
    counts = [(store.deliveries.waiting_counts(), store.deliveries.failed_counts())]
    for row in (rows[3], rows[2]):
        await store.deliveries.remove_delivered(row, 60)
        counts.append((store.deliveries.waiting_counts(), store.deliveries.failed_counts()))
    assert counts == [({"w": 2}, {"w": 2}), ({"w": 1}, {"w": 2}), ({"w": 1}, {"w": 1})]
    await store.close()


async def with_three_failures(open_store) -> tuple[Any, list[Any]]:
    """Return a store that keeps two failed deliveries, and five deliveries, the first three of them failed."""
    clock = Clock()
    store = await open_store(clock)
    store.deliveries.set_limits(max_waiting=100, max_failed=2, failed_seconds=1000)
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "a", created_at=1))
    for clock.now in (40, 41, 42, 43, 44):
        await store.webhooks.add_events([Event("a", b"{}")])
    rows = await store.deliveries.due_deliveries("w", 100, 10)
    assert store.deliveries.waiting_since("w") == 40
    assert (await store.deliveries.state("w")).waiting_since == 40
    for row in rows[:3]:
        await store.deliveries.give_up(row, 50, "refused")
    return store, rows


async def test_owner_of_a_new_group_is_a_member_from_the_last_message_on(open_store):
    n = await filled(open_store)
    await n.store.groups.add(GroupRow("new", "New", "public", owner="alice", created_at=50))
    last = (await n.store.database.rows("SELECT max(id) FROM messages"))[0][0]
    assert last - 1 <= (await n.store.members.get("new", "alice")).joined_after_id <= last
    await n.store.close()


async def test_tokens_of_a_user_are_listed_the_newest_first(open_store):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))
        for name in "abc":
            await store.tokens.add(TokenRow(f"{uid}-{name}", uid, 1), 9)
    rows, total = await store.tokens.of_user("alice", limit=2, offset=1)
    assert ([row.token_hash for row in rows], total) == (["alice-b", "alice-a"], 3)
    await store.close()


async def test_first_device_on_an_empty_database_is_notified_from_the_first_message_on(open_store):
    store = await open_store()
    await store.users.add(UserRow("bob", "Bob", created_at=1))
    await store.tokens.add(TokenRow("t", "bob", 1), 10)
    await store.push_tokens.put(PushTokenRow("d", "bob", "t", "web_push", "web", "", "x", 20, 20), 10)
    assert await store.notifications.progress() == NotificationProgress(0, "", 0)
    await store.close()


async def test_newest_pruned_message_is_recorded_for_each_conversation(open_store):
    store = await open_store()
    n = Neighbours(store)
    numbers = [
        (await store.messages.add(n.draft(place, at))).message.id
        for place, at in (("ab", 10), ("team", 11), ("ab", 10), ("team", 10), ("bc", 50), ("ab", 50))
    ]

    async def pruned() -> dict[str, int]:
        rows = await store.database.rows("SELECT conversation_id, pruned_id FROM conversations")
        names = {key: name for name, key in KEYS.items()}
        return {names[key]: number for key, number in rows if number}

    assert await store.pruning.remove_messages(10, 3) == 2
    assert await pruned() == {"ab": numbers[2]}
    assert await store.pruning.remove_messages(10, 9) == 1
    assert await pruned() == {"ab": numbers[2], "team": numbers[3]}
    await store.close()


async def test_receipt_is_removed_only_when_all_messages_that_it_covers_are(open_store):
    n = await filled(open_store)
    sent = [(await n.store.messages.add(n.draft("team", at))).message.id for at in (10, 60, 60)]
    for uid, number in (("bob", sent[0]), ("carol", sent[1])):
        await n.store.read_state.mark_up_to(KEYS["team"], uid, number, 61, read=True, group="team")
    while await n.store.pruning.remove_messages(50, 100):
        pass
    left = await n.store.database.rows("SELECT uid, up_to FROM receipts WHERE conversation_id = ?", (KEYS["team"],))
    assert {tuple(row) for row in left} == {("carol", sent[1])}
    await n.store.close()


async def test_receipt_of_very_many_messages_marks_all_of_them_and_sets_times_of_the_newest(open_store):
    store = await open_store()
    chat, other_chat = key_of("alice", "bob", "user"), key_of("alice", "carol", "user")

    async def send(sender: str, receiver: str, chat: str, count: int = 1) -> list[int]:
        draft = Draft(chat, sender, receiver, "user", "message", "text", b'{"data":{}}', 1)
        ids: list[int] = []
        while len(ids) < count:  # more at once would be refused
            sends = [store.messages.add(draft) for _ in range(min(1000, count - len(ids)))]
            ids += [stored.message.id for stored in await asyncio.gather(*sends)]
        return ids

    unread = await send("alice", "bob", chat, MAX_TIMED_MESSAGES + 20)
    newest = (await send("bob", "alice", chat, 10))[-1]  # they are looked at too
    await send("alice", "carol", other_chat, 10)

    async def times(read: bool) -> list[int]:
        column = "read_at" if read else "delivered_at"
        rows = await store.database.rows(f"SELECT id FROM messages WHERE {column} = 50 ORDER BY id")
        return [number for (number,) in rows]

    for read in (False, True):
        change = await store.read_state.mark_up_to(chat, "bob", newest, 50, read=read, sender="bob")
        assert change is not None
        assert await times(read) == unread[30:]
    mark = await store.read_state.get(chat, "bob")
    assert (mark.delivered_id, mark.read_id) == (newest, newest)
    rows, _ = await store.conversations.find(ConversationFilter("bob"))
    assert [row.unread for row in rows] == [0]
    (later,) = await send("alice", "bob", chat)
    assert await store.read_state.mark_up_to(chat, "bob", later, 50, read=True, sender="alice") is not None
    assert await times(True) == [*unread[30:], later]
    await store.close()


async def test_standing_of_a_user_in_a_group_has_no_ban_from_another_group(open_store):
    n = await filled(open_store)
    standing = await n.store.standings.group(GroupAct("team", "dave", "erin", lambda _: None))
    assert (standing.actor, standing.actor_ban.uid, standing.subject, standing.subject_ban.uid) == (
        None,
        "dave",
        None,
        "erin",
    )
    for by in ("bob", "zed"):
        standing = await n.store.standings.group(GroupAct("team", by, "carol", lambda _: None))
        assert (standing.actor_ban, standing.subject.uid, standing.subject_ban) == (None, "carol", None)
    await n.store.close()


@pytest.mark.parametrize("guid", ["team", "other"])
async def test_sender_must_be_a_member_of_the_group_and_not_only_of_another_one(open_store, guid):
    n = await filled(open_store)
    await n.store.groups.add(GroupRow("other", "Other", "public", owner="zed", created_at=1))
    draft = n.draft("team")._replace(sender="alice", receiver=guid, conversation_id=f"g/{guid}")
    act = GroupAct(guid, "alice", "alice", lambda _: None)
    if guid == "team":
        assert (await n.store.messages.add(draft, act)).new
    else:
        with pytest.raises(Refused, match="ERR_NOT_A_MEMBER"):
            await n.store.messages.add(draft, act)
    await n.store.close()


async def test_user_who_joins_right_after_a_change_does_not_find_it(open_store):
    n = await filled(open_store)
    last = (await n.store.messages.add(n.draft("team"))).message.id
    n.ids["last"] = last
    await n.store.reactions.add(n.act("last", "bob"), "x", 50, 10)
    await n.store.members.add(n.in_group("team", "zed"), "participant", 5, n.announcement("team"))
    newest = await n.store.change_log.newest_number()
    found = {uid: await n.store.change_log.find(uid, "-", 0, newest, (), 500) for uid in ("alice", "zed")}
    assert [last in {entry.message_id for entry in entries} for entries in found.values()] == [True, False]
    await n.store.close()


async def test_muid_of_a_removed_message_is_refused_only_from_its_sender(open_store):
    n = await filled(open_store)
    await n.store.removal.remove_message(await n.store.messages.get(n.ids["ab1"]))
    for muid in ("ab1", "new"):
        sent = await n.store.messages.add(n.draft("bc", muid=muid))  # from bob
        assert sent.new, muid
    with pytest.raises(Refused):
        await n.store.messages.add(n.draft("ab", muid="ab1"))
    assert (await n.store.messages.add(n.draft("ab", muid="other"))).new
    await n.store.close()


async def test_attempts_of_notifications_are_counted(open_store):
    n = await filled(open_store)
    box = n.store.notifications
    one = (await box.due_notifications("web", 100, 9))[0].row.id
    for now in (50, 51):
        await box.put_off(one, now, now, "status 503")
    row = await box.get(one)
    assert (row.attempt, row.first_try_at, row.last_try_at, row.due_at) == (2, 50, 51, 51)
    await box.mark_sent([one], 52)
    assert (await box.get(one)).attempt == 3
    await n.store.close()


async def test_failed_notifications_are_listed_from_the_newest(open_store):
    n = await filled(open_store)
    box = n.store.notifications
    other, third = [due.row.id for due in (await box.due_notifications("web", 100, 9))[1:3]]
    for number, now in ((other, 70), (third, 60)):
        await box.give_up(number, now, "status 400")
    rows, total = await box.list_failed(limit=9, offset=0)
    assert ([row.id for row in rows], total) == ([other, third], 2)
    await n.store.close()


async def test_messages_and_reactions_to_notify_of_begin_after_the_given_id(open_store):
    n = await filled(open_store)
    box = n.store.notifications
    assert await box.newest_id() == max(n.ids.values())
    messages = await box.messages(n.ids["ab1"], n.ids["ac1"], 9)
    assert [row.id for row in messages] == [n.ids["ab2"], n.ids["ac1"]]
    first, second, *_ = await box.reactions(0, 9)
    assert (await box.reactions(first.id, 1)) == [second]
    await n.store.close()


async def test_reactions_of_one_kind_to_one_message_are_found(open_store):
    n = await filled(open_store)
    rows = await n.store.reactions.find(n.ids["team1"], "x")
    assert [(row.message_id, row.reaction, row.uid) for row in rows] == [
        (n.ids["team1"], "x", uid) for uid in ("alice", "bob", "carol")
    ]
    await n.store.close()


async def test_unused_since_has_the_oldest_time_of_files_never_used_and_of_files_no_longer_used(open_store):
    n = await filled(open_store)
    assert await n.store.files.unused_since() == (5, None)
    for n.clock.now, uid in ((60, "alice"), (50, "bob")):
        await n.store.users.change(uid, {"avatar": None})
    await n.store.files.add(FileRow(file_name("9"), "bob", "f", "image/png", 7, 70))
    assert await n.store.files.unused_since() == (5, 50)
    await n.store.close()


async def test_next_due_time_is_the_earliest_of_the_waiting_deliveries(open_store):
    store = await open_store(Clock())
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "a", created_at=1))
    for _ in range(3):
        await store.webhooks.add_events([Event("a", b"{}")])
    one, other, third = await store.deliveries.due_deliveries("w", 100, 10)
    await store.deliveries.give_up(one, 50, "refused")
    await store.deliveries.put_off(other, 90, 41, "status 503")
    await store.deliveries.put_off(third, 80, 41, "status 503")
    assert await store.deliveries.next_due("w") == 80
    await store.close()
