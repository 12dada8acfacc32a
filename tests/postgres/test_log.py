"""The log of the store: what was committed, in the order of the ids, with what others must know of it."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from postgres.test_two_processes import announcement, anybody, two_stores
from postgres.writing import draft, draft_entry
from tailwire.server.ports.changes import GROUP_REMOVED, Change
from tailwire.server.ports.log import Batch, LogPage, Look
from tailwire.server.ports.records import EditedContent, GroupRow, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.log import ROWS_PER_PAGE
from tailwire.server.store.postgres.unit import Unit


class Observed:
    """Records the notifications to the observer of a lane, with the results that had been set by then."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.happened: list[str] = []

    def committed(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.happened.append("committed")

    def answered(self) -> None:
        self.happened.append("answered")
        asyncio.get_running_loop().call_soon(self.happened.append, "settled")


async def test_page_of_the_log_has_all_messages_and_changes_up_to_the_given_id(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        joined = await one.members.add(anybody("g", "bob"), "participant", 1, announcement)
        quoted = await other.messages.add(draft(text="first"))
        quoting = await one.messages.add(draft(text="second", quoted_id=quoted.message.id))
        look = await other.log.look()
        assert look.highest == quoting.message.id
        page = await other.log.read(0, look.highest)
        assert page.up_to == look.highest
        assert [m.row.id for m in page.messages] == [n.message.id for n in (joined, quoted, quoting)]
        assert [(m.member, m.predecessor_id, m.quoted) for m in page.messages] == [
            ("bob", 0, None),
            ("", 0, None),
            ("", quoted.message.id, await one.messages.get(quoted.message.id)),
        ]
        places = {(c.change.kind, c.change.key): (c.change.id, c.holds) for c in page.changes}
        assert places["member", "g/bob"] == (joined.message.id, True)
        assert places["member", "g/alice"][1]
        assert await other.log.read(look.highest, look.highest) == LogPage(look.highest, [], [])


@pytest.mark.parametrize("quotes", [False, True], ids=["edited", "quotes an edited one"])
async def test_edited_message_is_withheld_from_who_left_before_the_edit_and_not_from_who_left_after_it(
    postgres_url, quotes
):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        for uid in ("bob", "carol"):
            await one.members.add(anybody("g", uid), "participant", 1, announcement)
        edited = sent = await one.messages.add(draft(receiver="g", kind="group"))
        if quotes:
            sent = await one.messages.add(draft(receiver="g", kind="group", quoted_id=edited.message.id))
        await one.members.remove(anybody("g", "bob"), announcement)
        act = MessageAct(edited.message.id, "alice", lambda standing: None)
        new = EditedContent(b'{"data":{"text":"new"}}', 0)
        await one.messages.edit(act, 5, lambda _: new, lambda row: draft(receiver="g", kind="group"))
        await one.members.remove(anybody("g", "carol"), announcement)
        page = await other.log.read(0, (await other.log.look()).highest)
        (logged,) = [m for m in page.messages if m.row.id == sent.message.id]
        assert logged.withheld == {"bob"}


async def test_member_who_left_and_rejoined_is_not_a_member_between_the_two(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        act = anybody("g", "bob")
        await one.members.add(act, "participant", 1, announcement)
        left, _ = await one.members.remove(act, announcement)
        joined = await one.members.add(act, "participant", 1, announcement)
        look = await other.log.look()
        page = await other.log.read(0, look.highest)
        holds = [c.holds for c in page.changes if c.change[1:] == ("member", "g/bob")]
        assert holds == [True, False, True]
        assert [m.membership_end for m in page.messages] == [0, 0, joined.membership_end] == [0, 0, left.message.id]
        await one.members.remove(act, announcement)
        again = await other.log.read(0, (await other.log.look()).highest)
        assert [m.membership_end for m in again.messages] == [0, 0, left.message.id, 0]
        assert [c.holds for c in again.changes if c.change[1:] == ("member", "g/bob")] == [True, False, True, False]
        await one.removal.remove_group(anybody("g", "alice"), lambda standing: ())
        page = await other.log.read(0, (await other.log.look()).highest)
        assert page.changes[-1].change[1:] == (GROUP_REMOVED, "g")


async def test_receivers_of_a_change_are_members_then_each_with_the_end_of_membership_if_they_left(
    postgres_url,
):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        for uid in ("bob", "carol", "dave"):
            await one.members.add(anybody("g", uid), "participant", 1, announcement)
        await one.members.remove(anybody("g", "dave"), announcement)
        message_id = (await one.messages.add(draft(receiver="g", kind="group"))).message.id
        await one.reactions.add(MessageAct(message_id, "alice", lambda standing: None), "x", 5, 10)
        number = await other.change_log.newest_number()
        left, _ = await one.members.remove(anybody("g", "bob"), announcement)
        await one.members.add(anybody("g", "dave"), "participant", 1, announcement)
        await one.members.remove(anybody("g", "dave"), announcement)
        await one.members.add(anybody("g", "bob"), "participant", 1, announcement)
        found = await other.log.receivers(number, ["alice", "bob", "carol", "dave", "nobody"])
        assert sorted(found) == [("alice", None), ("bob", left.message.id), ("carol", None)]
        await one.reactions.remove(MessageAct(message_id, "alice", lambda standing: None), "x", 5)
        assert await other.log.receivers(number, ["alice", "bob"]) == []
        await one.removal.remove_group(GroupAct("g", "alice", "", lambda standing: None, "desk"), lambda _: ())
        removed = next(row for row in (await other.log.changes(0, await other.change_log.newest_number()))[0])
        found = await other.log.receivers(removed.number, ["alice", "bob", "carol", "dave", "nobody"])
        assert sorted(uid for uid, _ in found) == ["alice", "bob", "carol"]


async def test_ban_of_a_user_who_was_not_a_member_is_logged_without_a_membership(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        await one.members.remove(anybody("g", "bob"), announcement, banned_at=1)
        page = await other.log.read(0, (await other.log.look()).highest)
        assert [c.holds for c in page.changes if c.change[1:] == ("member", "g/bob")] == [False]


async def test_log_still_says_that_a_member_joined_a_group_that_was_removed_since(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        joined = await one.members.add(anybody("g", "bob"), "participant", 1, announcement)
        await one.messages.add(draft(receiver="g", kind="group", text="said"))
        await one.removal.remove_group(anybody("g", "alice"), lambda standing: ())
        page = await other.log.read(0, (await other.log.look()).highest)
        bobs = [(c.change.id, c.holds) for c in page.changes if c.change[1:] == ("member", "g/bob")]
        assert bobs[0] == (joined.message.id, True)


async def test_log_longer_than_a_page_is_read_completely_in_two_pages(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        count = ROWS_PER_PAGE + 50
        await asyncio.gather(*(one.messages.add(draft(text=str(n))) for n in range(count)))
        highest = (await other.log.look()).highest
        first = await other.log.read(0, highest)
        rest = await other.log.read(first.up_to, highest)
        assert (len(first.messages), rest.up_to) == (ROWS_PER_PAGE, highest)
        ids = [m.row.id for page in (first, rest) for m in page.messages]
        assert len(ids) == count
        assert ids == sorted(set(ids))


async def test_highest_id_of_the_log_is_that_of_the_newest_committed_message(postgres_url):
    """The sequence has moved on, but the batch that has drawn from it is still open."""
    async with two_stores(postgres_url) as (one, _):
        stored = await one.messages.add(draft())
        connection = await asyncpg.connect(postgres_url)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT nextval('message_ids')")
        assert (await one.log.look()).highest == stored.message.id
        await transaction.rollback()
        await connection.close()


async def test_observer_is_notified_of_each_batch_before_its_callers_continue(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        seen = one.lane.observer = Observed()

        async def send(text: str, **more) -> int:
            number = (await one.lane.submit(draft_entry(text=text, **more))).id
            seen.happened.append(text)
            return number

        async def carry_out(entry: Entry) -> None:
            await one.lane.submit(entry)

        known = await send("known", muid="m")
        unit = Unit()
        unit.invalidate("user", "alice")
        unit.invalidate("member", "g/bob", with_message=True)
        ended = Unit()
        ended.end_if("true")
        ended.invalidate("user", "nobody")
        await asyncio.sleep(0)
        seen.happened.clear()
        results = await asyncio.gather(
            send("a"),
            send("again", muid="m"),
            carry_out(Entry(draft(text="b"), unit)),
            carry_out(Entry(unit=ended)),
            send("c"),
        )
        assert seen.happened == ["committed", "answered", "a", "again", "c", "settled"]
        batch = seen.batches[-1]
        first = batch.first
        assert first == known + 1
        assert batch.ids == [first, first + 2, first + 3]
        assert batch.last == first + 5  # four drafts and two changes; one of the changes was not made
        assert results[1] == known
        assert batch.changes == (Change(first + 2, "member", "g/bob"), Change(first + 4, "user", "alice"))
        page = await other.log.read(known, batch.last)
        assert [m.row.id for m in page.messages] == list(batch.ids)
        assert tuple(c.change for c in page.changes) == batch.changes


async def test_state_of_the_log_has_the_highest_message_id_and_the_oldest_kept_change(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        assert await other.log.look() == Look(0, 0, 0, 0)
        for uid in ("alice", "bob"):
            await one.users.add(UserRow(uid, uid, created_at=1))
        changes = [row[0] for row in await one.database.rows("SELECT id FROM changes ORDER BY id")]
        message_id = (await one.messages.add(draft())).message.id
        assert len(changes) == 2
        look = await other.log.look()
        assert (look.highest, look.oldest_change) == (message_id, changes[0])
        await one.database.run("DELETE FROM changes WHERE id = ?", (changes[0],))
        assert (await other.log.look()).oldest_change == changes[1]


async def test_part_of_the_log_begins_after_one_id_and_ends_with_another(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        for uid in ("alice", "bob", "carol"):
            await one.users.add(UserRow(uid, uid, created_at=1))
        sent = [(await one.messages.add(draft(text=text))).message.id for text in "abc"]
        page = await other.log.read(0, sent[-1])
        assert [m.predecessor_id for m in page.messages] == [0, *sent[:2]]
        first, second, third = (c.change.id for c in page.changes)
        page = await other.log.read(first, second)
        assert ([c.change.id for c in page.changes], page.messages) == ([second], [])
        page = await other.log.read(sent[0], sent[1])
        assert ([m.row.id for m in page.messages], page.changes) == ([sent[1]], [])
        assert third < sent[0]


async def test_message_is_withheld_from_who_left_before_its_last_edit_and_an_unedited_one_from_nobody(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        for uid in ("bob", "carol", "dave"):
            await one.members.add(anybody("g", uid), "participant", 1, announcement)
        plain, edited = [(await one.messages.add(draft(receiver="g", kind="group"))).message.id for _ in range(2)]
        quoting = (await one.messages.add(draft(receiver="g", kind="group", quoted_id=edited))).message.id

        async def edit(number: int) -> None:
            new, action = EditedContent(b'{"data":{"text":"new"}}', 0), draft(receiver="g", kind="group")
            await one.messages.edit(MessageAct(number, "alice", lambda _: None), 5, lambda _: new, lambda _: action)

        async def withheld() -> dict[int, frozenset[str]]:
            page = await other.log.read(0, (await other.log.look()).highest)
            return {m.row.id: m.withheld for m in page.messages if m.row.id in (plain, edited, quoting)}

        await edit(quoting)
        for uid in ("bob", "carol"):
            await edit(edited)
            await one.members.remove(anybody("g", uid), announcement)
        assert await withheld() == {plain: frozenset(), edited: {"bob"}, quoting: {"bob"}}
        await one.database.run("DELETE FROM edits")  # as if it had been edited before edits were recorded
        assert await withheld() == {plain: frozenset(), edited: {"bob", "carol"}, quoting: {"bob", "carol"}}


async def test_part_of_the_change_log_begins_after_one_number_and_ends_with_another(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        message_id = (await one.messages.add(draft())).message.id
        for uid in ("alice", "bob", "carol"):
            await one.reactions.add(MessageAct(message_id, uid, lambda _: None), "x", 5, 10)
        first, second, third = [row.number for row in (await other.log.changes(0, 1 << 40))[0]]
        entries, up_to = await other.log.changes(first, second)
        assert ([row.number for row in entries], up_to) == ([second], second)
        assert [row.number for row in (await other.log.changes(second, third))[0]] == [third]


async def test_receiver_of_their_own_change_has_no_end_of_membership(postgres_url):
    """A group may have the name of a user: what ends there ends nothing of what concerns the user alone."""
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("bob", "Bob", "public", owner="alice", created_at=1))
        await one.members.add(anybody("bob", "bob"), "participant", 1, announcement)
        await one.blocks.add("bob", ["carol"], 5)
        own = await other.change_log.newest_number()
        await one.members.remove(anybody("bob", "bob"), announcement)
        assert await other.log.receivers(own, ["bob"]) == [("bob", None)]


async def test_user_who_joined_right_after_a_change_does_not_receive_it(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        message_id = (await one.messages.add(draft(receiver="g", kind="group"))).message.id
        await one.reactions.add(MessageAct(message_id, "alice", lambda _: None), "x", 5, 10)
        reaction = await other.change_log.newest_number()
        for uid in ("bob", "carol"):
            await one.members.add(anybody("g", uid), "participant", 1, announcement)
        await one.members.remove(anybody("g", "carol"), announcement)
        after = (await one.members.get("g", "bob")).joined_after_id
        await one.database.run("UPDATE change_log SET after_id = ? WHERE number = ?", (after, reaction))
        assert await other.log.receivers(reaction, ["alice", "bob", "carol"]) == [("alice", None)]
        after = (await one.database.rows("SELECT since_id FROM change_log WHERE uid = 'carol' AND since_id > 0"))[0][0]
        await one.database.run("UPDATE change_log SET after_id = ? WHERE number = ?", (after, reaction))
        found = await other.log.receivers(reaction, ["alice", "bob", "carol"])
        assert sorted(uid for uid, _ in found) == ["alice", "bob"]
