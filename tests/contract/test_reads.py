"""Reads other than by key: their counts, their deadline, and fairness between users."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections.abc import Awaitable
from typing import Any

import pytest

from contract.older import (
    AUDIT,
    CHANGE_LOG,
    FILES_IN_USE,
    ISSUED_FORMS,
    LIFECYCLE,
    LISTS_BY_CURSOR,
    ONE_INDEX_OF_CONVERSATIONS,
    PUSH,
    REMOVED_NAMES,
    REMOVED_SENDS,
    REPORTS_BY_CURSOR,
    REQUEST_NUMBERS,
    STARTS,
    WEBHOOK_DELIVERIES,
    undo,
)
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.current_caller import current_caller
from tailwire.server.ports.filters import ConversationFilter, MessageFilter
from tailwire.server.ports.records import Draft, GroupRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.sql import conversations
from tailwire.server.store.sqlite import SqliteStore, readers

GROUP = key_of("", "g", "group")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def draft(sender: str, receiver: str, kind: str = "group", *, category: str = "message", mentions=()) -> Draft:
    place = key_of(sender, receiver, kind)
    body = b'{"data":{},"tags":["some"]}'
    return Draft(place, sender, receiver, kind, category, "text", body, 1, None, mentions=tuple(mentions))


async def members(store: SqliteStore, guid: str, *uids: str) -> None:
    await store.groups.add(GroupRow(guid, guid, "public", owner=uids[0], members_count=1, created_at=1, updated_at=1))
    for uid in uids[1:]:
        joins = GroupAct(guid, uid, uid, lambda standing: None)
        await store.members.add(joins, "participant", 1, lambda _, uid=uid: draft(uid, guid, category="action"))


def of(who: str, call: Awaitable[Any]) -> asyncio.Task[Any]:
    """Run a read as a request of a user."""

    async def ask() -> Any:
        current_caller.set(who)
        return await call

    return asyncio.get_running_loop().create_task(ask())


async def test_unread_counts_match_a_naive_count_up_to_the_cap(open_store, monkeypatch):
    monkeypatch.setattr(conversations, "MAX_COUNTED_MESSAGES", 12)
    chance = random.Random(7)
    store = await open_store()
    people = ("alice", "bob", "carol")
    await members(store, "g", *people)
    await members(store, "h", *people)
    sent = []
    for _ in range(160):
        who, group = chance.choice(people), chance.choice(("g", "g", "h"))
        kind = chance.choice(("message", "message", "message", "custom", "action"))
        named = [uid for uid in people if chance.random() < 0.3]
        if chance.random() < 0.3:
            one = draft("bob", "alice", "user", category=kind, mentions=named)
        else:
            one = draft(who, group, category=kind, mentions=named)
        stored = (await store.messages.add(one)).message
        sent.append((stored, one))
        if chance.random() < 0.15:
            gone = chance.choice(sent)[0]
            deletes = MessageAct(gone.id, gone.sender, lambda standing: None)
            await store.messages.delete(deletes, 2, lambda _: b'{"data":{}}', lambda row, d=one: d)
        if chance.random() < 0.15:
            await store.read_state.mark_up_to(one.conversation_id, chance.choice(people), stored.id, 2, read=True)
    naive = store.database.rows
    rows = await naive("SELECT id, conversation_id, sender, category, deleted_at FROM messages")
    named_in = {tuple(row) for row in await naive("SELECT message_id, uid FROM mentions")}
    marks = {(c, u): r for c, u, r in await naive("SELECT conversation_id, uid, read_id FROM marks")}
    joined = {(f"g/{g}", u): j for g, u, j in await naive("SELECT guid, uid, joined_after_id FROM members")}
    blocks = {"alice": "bob", "bob": "carol", "carol": ""}
    for uid, blocked in blocks.items():
        await store.blocks.add(uid, [blocked] if blocked else [], 3)
    capped = fewer = 0
    for uid in people:
        listed, total = await store.conversations.find(ConversationFilter(uid, limit=50))
        assert total == len(listed) == (3 if uid != "carol" else 2)
        counts: dict[str, int] = {}
        without_blocked: dict[str, int] = {}
        for row in listed:
            after = max(marks.get((row.conversation_id, uid), 0), joined.get((row.conversation_id, uid), 0))
            unread = [
                (number, sender)
                for number, conversation, sender, category, deleted in rows
                if (conversation, deleted) == (row.conversation_id, None) and number > after
                and sender != uid and category != "action"
            ]  # fmt: skip
            others = [
                number
                for number, conversation, sender, _, deleted in rows
                if (conversation, deleted) == (row.conversation_id, None) and number > after and sender != uid
            ]
            mentioned = [number for number in others if (number, uid) in named_in] if unread else []
            assert (row.unread, row.mentioned) == (min(12, len(unread)), min(12, len(mentioned))), row
            capped += len(unread) > 12
            if unread:
                counts[row.conversation_id] = row.unread
            others = [number for number, sender in unread if sender != blocks[uid]]
            if others:
                without_blocked[row.conversation_id] = min(12, len(others))
        assert dict(await store.conversations.unread_counts(uid)) == counts
        found = dict(await store.conversations.unread_counts(uid, not_from_blocked=True))
        assert found == without_blocked
        fewer += found != counts
        unread_only, _ = await store.conversations.find(ConversationFilter(uid, unread=True, limit=50))
        assert {row.conversation_id for row in unread_only} == set(counts)
    assert capped
    assert fewer
    await store.close()


@pytest.mark.parametrize("not_from_blocked", [False, True])
async def test_counting_unread_messages_uses_a_covering_index(path, not_from_blocked):
    store = await SqliteStore.open(path, World())
    criteria = ConversationFilter("alice", not_from_blocked=not_from_blocked)
    from_whom = [conversations._from_whom(criteria, "p.uid", sender) for sender in ("n.sender", "m.sender")]
    by_index = store.database.dialect.by_index("messages_of_conversation")
    for sql in (conversations._UNREAD_COUNT, conversations._MENTIONS_SQL):
        counted = sql.format(by_index=by_index, unread=from_whom[0], mentions=from_whom[1])
        page = "(SELECT 'g/g' AS conversation_id, 3 AS after, 'alice' AS uid) p"
        plan = await store.database.rows(
            f"EXPLAIN QUERY PLAN SELECT (SELECT count(*) FROM ({counted} LIMIT 10)) FROM {page}", ()
        )
        counted = [row[3] for row in plan if row[3].startswith("SEARCH n")]
        assert len(counted) == 1, plan
        assert "COVERING INDEX" in counted[0], plan
        assert "conversation_id=? AND" in counted[0], plan
    await store.close()


async def test_mentions_in_an_older_database_are_counted(path):
    store = await SqliteStore.open(path, World())
    await members(store, "g", "alice", "bob")
    await store.messages.add(draft("bob", "g", mentions=["alice"]))
    await store.close()
    with sqlite3.connect(path) as c:  # as in the previous revision
        c.execute("DROP INDEX mentions_by_conversation")
        c.execute("ALTER TABLE mentions DROP COLUMN conversation_id")
        c.execute("CREATE INDEX mentions_by_uid ON mentions (uid, message_id)")
        undo(
            c,
            REMOVED_NAMES,
            ISSUED_FORMS,
            REPORTS_BY_CURSOR,
            ONE_INDEX_OF_CONVERSATIONS,
            REMOVED_SENDS,
            LISTS_BY_CURSOR,
            PUSH,
            REQUEST_NUMBERS,
            CHANGE_LOG,
            LIFECYCLE,
            AUDIT,
            WEBHOOK_DELIVERIES,
            STARTS,
            FILES_IN_USE,
            ("DROP INDEX messages_unread",),
            revision="0003",
        )
    c.close()
    store = await SqliteStore.open(path, World())
    ((row,), _) = await store.conversations.find(ConversationFilter("alice"))
    assert (row.unread, row.mentioned) == (1, 1)
    await store.close()


@pytest.mark.virtual
async def test_read_on_a_virtual_loop_is_not_refused_at_a_deadline_of_a_nanosecond(path, monkeypatch):
    monkeypatch.setattr(readers, "STEPS_PER_CHECK", 1000)
    store = await SqliteStore.open(path, World(), read_deadline=1e-9)
    count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n"
    assert await store.database.readers.read(lambda c: c.execute(count).fetchone()) == (20000,)
    await store.close()


async def test_read_beyond_the_deadline_is_refused_with_advice(path, monkeypatch):
    monkeypatch.setattr(readers, "STEPS_PER_CHECK", 1000)
    store = await SqliteStore.open(path, World(), read_deadline=1e-9)
    await members(store, "g", "alice", "bob")
    await asyncio.gather(*(store.messages.add(draft("bob", "g")) for _ in range(1500)))
    broad = (
        MessageFilter("alice", tags=("none",)), MessageFilter("alice", conversation_id=GROUP, tags=("none",)),
        MessageFilter("alice", sender="none"), MessageFilter("alice", unread=True, types=("none",), limit=1000),
    )  # fmt: skip
    for criteria in broad:
        with pytest.raises(Refused) as caught:
            await store.messages.find(criteria)
        assert (caught.value.code, caught.value.status) == ("ERR_QUERY_TOO_BROAD", 400)
        assert "conversation" in caught.value.details
    # Later reads on the same connections are not affected.
    assert len(await store.messages.find(MessageFilter("alice", conversation_id=GROUP, limit=30))) == 30
    assert len((await store.conversations.find(ConversationFilter("carol")))[0]) == 0
    await store.messages.add(draft("bob", "g"))
    await store.close()


async def test_page_of_a_conversation_is_read_in_the_loop_and_a_long_search_in_a_thread(path, monkeypatch):
    store = await SqliteStore.open(path, World())
    await members(store, "g", "alice", "bob")
    await asyncio.gather(*(store.messages.add(draft("bob", "g")) for _ in range(1500)))
    threads: list[str] = []
    read = store.database.readers.read

    async def recorded(job):
        threads.append("read")
        return await read(job)

    store.database.readers.read = recorded
    page = MessageFilter("alice", conversation_id=GROUP, categories=("message",), hide_replies=True, limit=100)
    assert len(await store.messages.find(page)) == 100
    missed = MessageFilter("alice", newer=True, cursor=1400, limit=100)
    assert len(await store.messages.find(missed)) == 100
    assert threads == []
    monkeypatch.setattr(readers, "MAX_SHORT_CHECKS", 5)
    assert await store.messages.find(MessageFilter("alice", conversation_id=GROUP, types=("none",))) == []
    assert threads == ["read"]  # started in the loop and abandoned there
    await store.close()


async def test_long_reads_of_one_user_do_not_delay_other_reads_and_sends(path):
    store = await SqliteStore.open(path, World())
    await members(store, "g", "alice", "bob")
    await store.users.add(UserRow("alice", "Alice", role="default", created_at=1, updated_at=1))
    go, done = threading.Event(), []

    def much(_: sqlite3.Connection) -> str:
        assert go.wait(20)
        return "much"

    heavy = [of("greedy", store.database.readers.read(much)) for _ in range(6)]
    for task in heavy:
        task.add_done_callback(lambda _: done.append("greedy"))
    await asyncio.sleep(0)
    for who in ("alice", "bob"):
        rows, _ = await of(who, store.conversations.find(ConversationFilter(who)))
        done.append(who)
        assert rows[0].conversation_id == GROUP
    assert (await store.messages.add(draft("bob", "g"))).new
    assert await store.users.get("alice") is not None
    assert done == ["alice", "bob"]
    go.set()
    assert await asyncio.gather(*heavy) == ["much"] * 6
    await store.close()


async def test_list_contains_each_message_that_was_acknowledged_before_the_read(open_store):
    store = await open_store()
    await members(store, "g", "alice", "bob")
    for n in range(1, 41):
        sent = (await store.messages.add(draft("bob", "g"))).message
        (((row,), _), listed) = await asyncio.gather(
            store.conversations.find(ConversationFilter("alice")),
            store.messages.find(MessageFilter("alice", tags=("some",))),
        )
        assert (row.last_message_id, row.unread) == (sent.id, n)
        assert listed[0].id == sent.id
    await store.close()


async def test_close_interrupts_reads_in_progress(path):
    store = await SqliteStore.open(path, World(), read_deadline=600.0)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    begun = threading.Event()

    def read(c: sqlite3.Connection) -> Any:
        begun.set()
        return c.execute(endless).fetchone()

    reading = of("alice", store.database.readers.read(read))
    await asyncio.to_thread(begun.wait, 20)
    await store.close()
    with pytest.raises(Refused):
        await reading
