"""The lane of receipts: it takes no lock of messages, merges receipts, never deadlocks and loses no answer."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from postgres.test_locks import APP_LOCK
from postgres.writing import draft
from servers.postgres import PostgresServer
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import GroupRow, ReadStateChange
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sql.read_state import MAX_SCANNED_MESSAGES

ALICE_BOB = key_of("alice", "bob", "user")
GROUP = key_of("", "g", "group")


@asynccontextmanager
async def open_stores(url: str, count: int = 1) -> AsyncIterator[list[PostgresStore]]:
    stores = [await PostgresStore.open(url, World()) for _ in range(count)]
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


async def make_group(store: PostgresStore, *members: str) -> None:
    await store.groups.add(GroupRow("g", "G", "public", owner=members[0], members_count=1, created_at=1))
    for uid in members[1:]:
        act = GroupAct("g", uid, uid, lambda standing: None)
        await store.members.add(act, "participant", 1, lambda standing: draft(members[0], "g", "group"))


async def send(
    store: PostgresStore, sender: str = "alice", receiver: str = "bob", kind: str = "user", **more: Any
) -> int:
    return (await store.messages.add(draft(sender, receiver, kind, **more))).message.id


async def test_receipts_do_not_wait_for_the_lock_of_messages(postgres_url):
    async with open_stores(postgres_url) as (store,):
        number = await send(store)
        other = await asyncpg.connect(postgres_url)
        await other.fetchval("SELECT pg_advisory_lock($1)", APP_LOCK)
        sending = asyncio.create_task(send(store))
        async with asyncio.timeout(20):
            assert await store.read_state.mark_up_to(ALICE_BOB, "bob", number, 50, read=True) == ReadStateChange((), 1)
        assert not sending.done()
        await other.close()
        await sending
        row = await store.messages.get(number)
        assert (row.delivered_at, row.read_at) == (50, 50)


async def test_receipt_of_a_message_that_was_just_sent_is_stored(postgres_url):
    async with open_stores(postgres_url, 2) as stores:
        for n in range(30):
            number = await send(stores[n % 2])
            assert (
                await stores[(n + 1) % 2].read_state.mark_up_to(ALICE_BOB, "bob", number, n + 1, read=False) is not None
            )
            assert (await stores[0].messages.get(number)).delivered_at == n + 1


async def test_receipts_of_one_reader_are_merged_to_the_highest(postgres_url):
    async with open_stores(postgres_url) as (store,):
        await make_group(store, "alice", "bob", "carol")
        ids = [await send(store, "alice", "g", "group") for _ in range(60)]
        mark = store.read_state.mark_up_to
        results = await asyncio.gather(*(mark(GROUP, "bob", number, 5, read=True, group="g") for number in ids))
        assert None not in results  # each has moved the mark, alone or together with others
        assert (await store.read_state.get(GROUP, "bob")).read_id == ids[-1]
        rows = await store.database.rows("SELECT up_to FROM receipts WHERE uid = 'bob' AND read = 1 ORDER BY up_to")
        assert rows[-1][0] == ids[-1]
        assert len(rows) <= 3
        assert await mark(GROUP, "bob", ids[0], 6, read=True, group="g") is None
        found = [await mark(GROUP, "carol", number, 7, read=True, group="g") for number in (ids[9], ids[-1])]
        for number, change in zip((ids[9], ids[-1]), found, strict=True):
            first = change.number  # the next numbers of the change log follow
            assert change.by_all == (("alice", number, False, first + 1), ("alice", number, True, first + 2))


async def test_message_is_reported_as_read_by_all_once_although_two_processes_store_the_last_receipts(postgres_url):
    async with open_stores(postgres_url, 2) as stores:
        await make_group(stores[0], "alice", "bob", "carol")
        number = await send(stores[0], "alice", "g", "group")
        for uid in ("bob", "carol"):  # with the messages of their joining
            await stores[0].read_state.mark_up_to(GROUP, uid, number, 4, read=True, group="g")
        for _ in range(20):
            number = await send(stores[0], "alice", "g", "group")
            both = await asyncio.gather(*(
                store.read_state.mark_up_to(GROUP, uid, number, 5, read=True, group="g")
                for store, uid in zip(stores, ("bob", "carol"), strict=True)
            ))  # fmt: skip
            found = sorted(one[:3] for change in both for one in change.by_all)
            assert found == [("alice", number, False), ("alice", number, True)]


async def test_merged_receipts_are_in_the_change_log_once_for_each_sender(postgres_url):
    async with open_stores(postgres_url) as (store,):
        await make_group(store, "alice", "bob", "carol", "dave")
        senders = ["alice", "carol"] * 20
        ids = [await send(store, sender, "g", "group") for sender in senders]
        mark = store.read_state.mark_up_to
        results = await asyncio.gather(*(
            mark(GROUP, "bob", number, 5, read=True, group="g", sender=sender, device=f"d{number}")
            for number, sender in zip(ids, senders, strict=True)
        ))  # fmt: skip
        rows = await store.database.rows(
            "SELECT number, to_uid, message_id, device, kind FROM change_log WHERE kind = 'read' ORDER BY number"
        )
        assert [tuple(row)[1:] for row in rows] == [
            ("alice", ids[-2], f"d{ids[-2]}", "read"), ("carol", ids[-1], f"d{ids[-1]}", "read"),
        ]  # fmt: skip
        assert [results[-2].number, results[-1].number] == [row[0] for row in rows]


async def _now(connection: asyncpg.Connection, sql: str) -> Any:
    # A transaction goes on seeing the activity as it was at its first look.
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return await connection.fetchval(sql)


@pytest.mark.parametrize("write", ["reaction", "receipt"])
async def test_numbers_of_the_change_log_are_in_the_order_of_commits(postgres_url, write):
    """A client that has read up to a higher number would never see a lower one that is committed later."""
    async with open_stores(postgres_url) as (store,):
        number = await send(store)
        other = await asyncpg.connect(postgres_url)
        transaction = other.transaction()
        await transaction.start()
        lower = await other.fetchval(
            "INSERT INTO change_log (subject, key, after_id, kind, uid, device, to_uid, message_id, since_id, detail, at)"
            " VALUES ('o/x', 'k', 0, 'blocks', 'x', '', '', 0, 0, '', 1) RETURNING number"
        )
        act = MessageAct(number, "bob", lambda standing: None)
        writing = asyncio.create_task(
            store.reactions.add(act, "x", 1, 10)
            if write == "reaction"
            else store.read_state.mark_up_to(ALICE_BOB, "bob", number, 9, read=True)
        )
        waits = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'"
        )
        while not writing.done() and not await _now(other, waits):
            await asyncio.sleep(0)
        assert not writing.done()
        assert await store.change_log.newest_number() == 0
        await transaction.commit()
        await other.close()
        assert (await writing).number > lower


async def test_receipt_whose_answer_was_lost_after_the_commit_is_sent_again_and_answered(postgres_url):
    async with open_stores(postgres_url) as (store,):
        lane: Any = store._receipts
        connect, lost = lane._connect, itertools.count()

        class LosesAnswers:
            def __init__(self, real: Any) -> None:
                self._real = real

            def __getattr__(self, name: str) -> Any:
                return getattr(self._real, name)

            async def fetchval(self, *values: Any, **named: Any) -> Any:
                answer = await self._real.fetchval(*values, **named)
                if next(lost) % 2 == 0:
                    raise ConnectionResetError("the answer is lost")
                return answer

        async def connect_badly() -> Any:
            return LosesAnswers(await connect())

        lane._connect = connect_badly
        for n in range(5):
            number = await send(store)
            assert await store.read_state.mark_up_to(ALICE_BOB, "bob", number, n + 1, read=True) == ReadStateChange(
                (), n + 1
            )
            assert (await store.messages.get(number)).read_at == n + 1
        assert next(lost) >= 10


async def test_locked_message_delays_its_receipt_but_no_send(postgres_url):
    async with open_stores(postgres_url) as (store,):
        number = await send(store)
        other = await asyncpg.connect(postgres_url)
        transaction = other.transaction()
        await transaction.start()
        await other.fetchval("SELECT id FROM messages WHERE id = $1 FOR UPDATE", number)
        marking = asyncio.create_task(store.read_state.mark_up_to(ALICE_BOB, "bob", number, 9, read=True))
        async with asyncio.timeout(20):
            while store._receipts.tries < 2:  # the first try has met the lock
                await asyncio.sleep(0)
        second = await send(store)
        assert not marking.done()
        await transaction.rollback()
        await other.close()
        assert await marking == ReadStateChange((), 1)
        assert [(await store.messages.get(n)).read_at for n in (number, second)] == [9, None]


async def test_receipt_in_a_group_takes_no_locks_of_messages_older_than_those_that_it_looks_at(postgres_url):
    """It would write to each of them, however many were unread."""
    async with open_stores(postgres_url) as (store,):
        await make_group(store, "alice", "bob")
        ids = await asyncio.gather(*(send(store, "alice", "g", "group") for _ in range(MAX_SCANNED_MESSAGES + 2)))
        other = await asyncpg.connect(postgres_url)
        transaction = other.transaction()
        await transaction.start()
        await other.fetchval("SELECT id FROM messages WHERE id = $1 FOR UPDATE", ids[1])
        before = store._receipts.tries
        change = await store.read_state.mark_up_to(GROUP, "bob", ids[-1], 9, read=True, group="g")
        assert store._receipts.tries == before + 1
        assert [one[:3] for one in change.by_all] == [("alice", ids[-1], False), ("alice", ids[-1], True)]
        await transaction.rollback()
        await other.close()
        assert [(await store.messages.get(n)).read_at for n in (*ids[:3], ids[-1])] == [None, None, 9, 9]


async def test_write_and_receipt_that_lock_messages_in_opposite_order_do_not_deadlock(postgres, postgres_url):
    """The write holds the second message when a receipt of both comes, and then takes the first."""
    logged = len(postgres.log)
    async with open_stores(postgres_url) as (store,):
        first, second = await send(store), await send(store)
        other = await asyncpg.connect(postgres_url)
        lock = "SELECT id FROM messages WHERE id = $1 FOR UPDATE"
        transaction = other.transaction()
        await transaction.start()
        await other.fetchval(lock, second)
        marking = asyncio.create_task(store.read_state.mark_up_to(ALICE_BOB, "bob", second, 9, read=True))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%receipts_1(%' AND wait_event_type = 'Lock'"
        while store._receipts.tries < 2 and not await _now(other, waits):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):  # a deadlock would be logged
            await other.fetchval(lock, first)
        await transaction.rollback()
        await other.close()
        assert await marking == ReadStateChange((), 1)
    assert not [line for line in postgres.log[logged:] if "deadlock" in line]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_random_writes_and_receipts_of_two_processes_never_deadlock(postgres: PostgresServer, postgres_url: str):
    """Replies, edits and clearings lock the rows of messages and marks in any order, and receipts the same rows."""
    logged = len(postgres.log)
    async with open_stores(postgres_url, 2) as stores:
        people = ["alice", "bob", "carol", "dave"]
        await make_group(stores[0], *people)
        chance = random.Random(11)
        parents = [await send(stores[0], chance.choice(people), "g", "group") for _ in range(6)]
        parents += [await send(stores[0], *pair) for pair in (("alice", "bob"), ("bob", "alice"))]
        highest = max(parents)

        async def write(store: PostgresStore, seed: int) -> None:
            mine = random.Random(seed)
            nonlocal highest
            for n in range(40):
                uid, parent = mine.choice(people), mine.choice(parents)
                kind = mine.randrange(5)
                if kind == 0:
                    highest = max(highest, await send(store, uid, "g", "group", parent_id=parent))
                elif kind == 1:
                    act = MessageAct(parent, uid, lambda standing: None)
                    await store.annotations.pin(act, n, 1000, pinned=mine.random() < 0.5)
                elif kind == 2:
                    await store.read_state.clear(mine.choice((GROUP, ALICE_BOB)), uid, parent)
                elif kind == 3:
                    await store.read_state.mark_up_to(GROUP, uid, highest, n, read=mine.random() < 0.5, group="g")
                else:
                    await store.read_state.mark_up_to(ALICE_BOB, mine.choice(people[:2]), highest, n, read=True)

        async with asyncio.timeout(120):
            done = await asyncio.gather(*(write(stores[n % 2], n) for n in range(16)), return_exceptions=True)
        assert [e for e in done if e is not None and not isinstance(e, Refused)] == []
        assert not any(isinstance(e, Refused) for e in done), done
    assert not [line for line in postgres.log[logged:] if "deadlock" in line]


async def test_member_who_leaves_waits_for_a_receipt_that_is_being_written(postgres_url):
    """So what the two together mean that all have read is found by the later one of them."""
    async with open_stores(postgres_url) as (store,):
        await make_group(store, "alice", "bob", "carol")
        number = await send(store, "alice", "g", "group")
        other = await asyncpg.connect(postgres_url)
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock(7308899, hashtext($1))", GROUP)
            await other.execute("INSERT INTO marks (conversation_id, uid, delivered_id, read_id) VALUES ($1, 'bob', $2, $2)",
                                GROUP, number)  # fmt: skip
            act = GroupAct("g", "carol", "carol", lambda standing: None)
            leaving = asyncio.create_task(
                store.members.remove(act, lambda standing: draft("carol", "g", "group"), receipt_members=9)
            )
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            async with asyncio.timeout(20):
                while not await other.fetchval(waiting):
                    await asyncio.sleep(0.01)
        await other.close()
        stored, _ = await leaving
        assert [entry[:3] for entry in stored.by_all] == [("alice", number, False), ("alice", number, True)]
        assert (await store.messages.get(number)).read_at
