"""Two stores on one database, as two server processes have them: decisions hold although the other writes meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import asyncpg
import pytest

from postgres.writing import draft, wait_for_giving_up
from servers.postgres import name_of
from tailwire.server.app.move_target import APP_LOCK_KEY
from tailwire.server.ports import changes
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
from tailwire.server.ports.records import EditedContent, Event, GroupRow, RoleRow, Stored, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding, MessageAct
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.rules.messages import check_changeable
from tailwire.server.store import migrate
from tailwire.server.store.postgres import connecting, removal, webhooks
from tailwire.server.store.postgres.members import ATTEMPTS_WITH_SAME_COUNT
from tailwire.server.store.postgres.removal import MESSAGES_PER_STEP
from tailwire.server.store.postgres.store import PostgresStore

ALICE_BOB = key_of("alice", "bob", "user")


@asynccontextmanager
async def two_stores(url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    stores = await PostgresStore.open(url, World()), await PostgresStore.open(url, World())
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def anybody(guid: str, uid: str) -> GroupAct:
    return GroupAct(guid, uid, uid, lambda standing: None)


def announcement(standing: object) -> object:
    return draft(receiver="g", kind="group")


async def test_one_of_two_stores_creates_the_app_and_both_have_its_name(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        assert (one.created, other.created) == (True, False)
        assert (one.app_id, one.name, one.start) == (other.app_id, other.name, other.start)
        stored = await one.messages.add(draft())
        assert await other.known_until(one.start, stored.message.id) == stored.message.id
        assert await other.known_until(one.start, stored.message.id + 1) == stored.message.id
        assert await other.known_until("another-0", stored.message.id) == -1


async def test_joins_through_two_stores_are_counted_and_the_limit_holds(postgres_url):
    """Forty users join at the same time, twenty at each; the act allows no more than thirty members."""

    def while_there_is_room(standing: GroupStanding) -> None:
        if standing.group.members_count >= 30:
            raise Refused("ERR_BAD_REQUEST")

    async with two_stores(postgres_url) as stores:
        await stores[0].groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
        joins = [
            stores[n % 2].members.add(
                GroupAct("g", f"u{n}", f"u{n}", while_there_is_room), "participant", 1, announcement
            )
            for n in range(40)
        ]
        results = await asyncio.gather(*joins, return_exceptions=True)
        joined = [r for r in results if not isinstance(r, Exception)]
        assert {type(r) for r in results if isinstance(r, Exception)} == {Refused}
        assert len(joined) == 29
        assert (await stores[1].groups.get("g")).members_count == 30
        ids = [stored.message.id for stored in joined]
        assert len(set(ids)) == 29
        befores = sorted(stored.predecessor_id for stored in joined)
        assert befores == [0, *sorted(ids)[:-1]]  # each names the one before it


def overtaken_by_joins(postgres, url: str) -> Callable[[object], None]:
    """Return a function to call between a decision and its write: another server lets a user join the group `g`."""
    numbers = itertools.count()

    def overtake(_: object) -> None:
        values = f"'g', 'other{next(numbers)}', 'participant', 1, 0"
        count = "UPDATE groups SET members_count = members_count + 1 WHERE guid = 'g'"
        postgres.sql(f"INSERT INTO members VALUES ({values}); {count}", name_of(url))

    return overtake


async def test_join_succeeds_although_others_join_before_each_of_its_attempts(postgres, postgres_url):
    overtake, announced = overtaken_by_joins(postgres, postgres_url), []

    def announce(standing: GroupStanding) -> object:
        announced.append(standing.group.members_count)
        overtake(standing)
        return announcement(standing)

    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
        assert await one.members.add(anybody("g", "bob"), "participant", 1, announce)
        assert announced == list(range(1, ATTEMPTS_WITH_SAME_COUNT + 2))
        assert await other.members.get("g", "bob") is not None
        assert (await other.groups.get("g")).members_count == ATTEMPTS_WITH_SAME_COUNT + 3


@pytest.mark.parametrize("room", [0, 1, 5, 20])
async def test_join_that_is_overtaken_again_and_again_does_not_exceed_the_limit(postgres, postgres_url, room):
    overtake = overtaken_by_joins(postgres, postgres_url)
    most = ATTEMPTS_WITH_SAME_COUNT + 2 + room

    def while_there_is_room(standing: GroupStanding) -> None:
        if standing.group.members_count >= most:
            raise Refused("ERR_NO_VACANCY")

    def announce(standing: GroupStanding) -> object:
        overtake(standing)
        return announcement(standing)

    async with two_stores(postgres_url) as (one, _):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
        joining = one.members.add(GroupAct("g", "bob", "bob", while_there_is_room), "participant", 1, announce)
        if room == 0:
            with pytest.raises(Refused, match="ERR_NO_VACANCY"):
                await joining
        else:
            await joining
        assert (await one.groups.get("g")).members_count == min(most, ATTEMPTS_WITH_SAME_COUNT + 3)


async def test_group_is_renamed_although_a_user_joins_before_the_write(postgres, postgres_url):
    overtake, renamed = overtaken_by_joins(postgres, postgres_url), []

    def rename(standing: GroupStanding) -> dict[str, object]:
        renamed.append(standing.group.name)
        overtake(standing)
        return {"name": "H"}

    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
        await one.groups.change(anybody("g", ""), rename, lambda _: ())
        assert renamed == ["G"]
        group = await other.groups.get("g")
        assert (group.name, group.members_count) == ("H", 2)


async def test_message_committed_with_a_join_but_before_it_is_not_unread(postgres_url):
    """Unread counts begin when a user joins, also if the commit that has the join has an earlier message."""
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        lock = await asyncpg.connect(postgres_url)
        await lock.execute("SELECT pg_advisory_lock(7308895)")
        sends = [asyncio.create_task(one.messages.add(draft(receiver="g", kind="group")))]
        await until(lambda: one.lane.busy and not one.lane._waiting)  # its batch waits for the lock
        sends += [asyncio.create_task(one.messages.add(draft(receiver="g", kind="group"))) for _ in range(2)]
        await until(lambda: len(one.lane._waiting) == 2)
        joins = asyncio.create_task(one.members.add(anybody("g", "bob"), "participant", 1, announcement))
        await until(lambda: len(one.lane._waiting) == 3)
        await lock.close()
        ids = [stored.message.id for stored in await asyncio.gather(*sends)]
        joined = (await joins).message.id
        assert [*ids, joined] == list(range(ids[0], ids[0] + 4))
        after = (await other.messages.add(draft(receiver="g", kind="group"))).message.id
        assert after == joined + 1
        assert await other.conversations.unread_counts("bob") == [(key_of("", "g", "group"), 2)]


async def test_edit_and_a_deletion_through_two_stores_leave_one_deleted_message(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        for _ in range(10):
            stored = await one.messages.add(draft(text="secret"))
            act = MessageAct(stored.message.id, "alice", lambda standing: check_changeable(standing.message))
            edited = EditedContent(b'{"data":{"text":"secret again"}}', 0)
            results = await asyncio.gather(
                one.messages.edit(act, 5, lambda _, edited=edited: edited, lambda row: draft()),
                other.messages.delete(act, 6, lambda _: b'{"data":{}}', lambda row: draft()),
                return_exceptions=True,
            )
            assert not isinstance(results[1], Exception)
            row = await one.messages.get(stored.message.id)
            assert (row.deleted_at, b"secret" in row.json()) == (6, False)
            if isinstance(results[0], Exception):
                assert results[0].code == "ERR_MESSAGE_ACTION_NOT_ALLOWED"
            else:  # the edit was first: its action message, which has the content, is gone
                assert await one.messages.get(results[0].message.id) is None


async def test_replies_do_not_prevent_an_edit(postgres_url):
    """Each reply changes the message's row, but nothing that the edit depends on."""
    async with two_stores(postgres_url) as (one, other):
        parent = (await one.messages.add(draft())).message.id
        act = MessageAct(parent, "alice", lambda standing: None)
        seen = []

        def change(row):
            seen.append(row.reply_count)
            return EditedContent(b'{"data":{"text":"edited"}}', 0)

        async def replies():
            for _ in range(30):
                await other.messages.add(draft(parent_id=parent))

        _, stored = await asyncio.gather(replies(), one.messages.edit(act, 5, change, lambda row: draft()))
        assert stored.new
        row = await one.messages.get(parent)
        assert (row.body, row.reply_count, row.edited_at) == (b'{"data":{"text":"edited"}}', 30, 5)
        assert seen == sorted(seen)


async def test_member_removed_through_one_cannot_send_through_the_other(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        await one.members.add(anybody("g", "bob"), "participant", 1, announcement)
        message = draft(sender="bob", receiver="g", kind="group")
        assert (await other.messages.add(message, anybody("g", "bob"))).new
        await one.members.remove(anybody("g", "bob"), announcement)
        with pytest.raises(Refused, match="ERR_NOT_A_MEMBER"):
            await other.messages.add(message, anybody("g", "bob"))


async def test_read_by_all_is_found_whichever_store_the_readers_use(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        for uid in ("bob", "carol"):
            await one.members.add(anybody("g", uid), "participant", 1, announcement)
        key = key_of("", "g", "group")
        sent = (await one.messages.add(draft(sender="bob", receiver="g", kind="group"))).message
        mark = {"read": True, "group": "g"}
        first = await one.read_state.mark_up_to(key, "alice", sent.id, 50, **mark)
        assert first.by_all == ()
        last = await other.read_state.mark_up_to(key, "carol", sent.id, 60, **mark)
        assert {receipt[:3] for receipt in last.by_all} == {("bob", sent.id, False), ("bob", sent.id, True)}
        assert (await one.messages.get(sent.id)).read_at == 60
        assert await other.read_state.mark_up_to(key, "carol", sent.id, 70, **mark) is None
        assert await one.read_state.receipts(sent) == [("alice", 50, 50), ("carol", 60, 60)]


async def test_user_with_more_messages_than_a_step_is_removed_whole(postgres_url, monkeypatch):
    monkeypatch.setattr(removal, "MESSAGES_PER_SEARCH", 700)
    async with two_stores(postgres_url) as (one, other):
        for uid in ("alice", "bob", "carol"):
            await one.users.add(UserRow(uid, uid, created_at=1))
        await one.groups.add(GroupRow("g", "G", "public", owner="bob", created_at=1))
        messages = [draft(receiver="g", kind="group"), draft(), draft(sender="bob", receiver="alice")]
        to_others = [draft(sender="bob", receiver="g", kind="group"), draft(sender="bob", receiver="carol")]
        count = MESSAGES_PER_STEP // 3 + 50
        for _ in range(count // 10):
            await asyncio.gather(*(one.messages.add(message) for message in [*messages, *to_others] * 10))
        sending = [asyncio.create_task(other.messages.add(message)) for message in [*messages, *to_others] * 20]
        await other.removal.remove_user("alice", with_messages=True)
        stored = await asyncio.gather(*sending, return_exceptions=True)
        assert {type(one) for one in stored} <= {Stored, Refused}
        left = await one.database.rows("SELECT sender, receiver, count(*) FROM messages GROUP BY 1, 2 ORDER BY 2")
        kept = count // 10 * 10 + 20
        assert [tuple(row) for row in left] == [("bob", "carol", kept), ("bob", "g", kept)]


async def test_group_with_more_messages_than_a_step_is_removed_whole(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
        count = MESSAGES_PER_STEP + 50
        await asyncio.gather(
            *(one.messages.add(draft(receiver="g", kind="group", mentions=("bob",))) for _ in range(count))
        )
        kept = await other.messages.add(draft())
        members, _ = await other.removal.remove_group(anybody("g", "alice"), lambda _: ())
        assert members == ["alice"]
        (left,) = await one.database.rows("SELECT count(*), max(id) FROM messages")
        assert tuple(left) == (1, kept.message.id)
        assert await one.database.rows("SELECT 1 FROM mentions") == []
        assert (await one.messages.add(draft())).message.id > kept.message.id


async def test_deleted_user_is_erased_from_messages_that_stay(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        entity = b'{"uid":"alice","name":"Alice"}'
        body = b'{"data":{"entities":{"sender":{"entity":%b,"entityType":"user"}}}}' % entity
        await one.users.add(UserRow("alice", "Alice", created_at=1))
        kept = (await one.messages.add(draft())).message
        await one.database.run("UPDATE messages SET body = ? WHERE id = ?", (body, kept.id))
        woken = []
        other.chores.on_added(lambda: woken.append(True))
        await other.removal.remove_user("alice", with_messages=False, anonymous=True)
        assert woken
        while await one.chores.do_next():
            pass
        assert b"Alice" not in (await one.messages.get(kept.id)).body
        assert await one.database.rows("SELECT 1 FROM chores WHERE kind = 'user'") == []
        assert await one.users.get("alice") is None


@pytest.mark.parametrize("with_messages", [True, False])
async def test_messages_that_another_server_stores_after_a_user_was_deleted_are_erased(
    postgres_url: str, *, with_messages: bool
):
    """The other server knew the user's token for a moment longer."""
    async with two_stores(postgres_url) as (one, other):
        body = b'{"data":{"entities":{"sender":{"entity":{"uid":"alice","name":"Alice"},"entityType":"user"}}}}'
        await one.users.add(UserRow("alice", "Alice", created_at=1))
        await one.removal.remove_user("alice", with_messages=with_messages, anonymous=not with_messages)
        await one.database.run("DELETE FROM removed_names")  # as a server of an earlier version deletes a user
        late = (await other.messages.add(draft()._replace(body=body))).message
        bobs = (await other.messages.add(draft(sender="bob", receiver="carol"))).message
        while await one.chores.do_next():
            pass
        assert await one.messages.get(late.id) is not None  # other servers may still store some
        await one.database.run("UPDATE chores SET due_at = 0")
        while await one.chores.do_next():
            pass
        found = await one.messages.get(late.id)
        assert (found is None) if with_messages else (b"Alice" not in found.body)
        assert await one.messages.get(bobs.id) is not None
        assert await one.chores.next_due() is None


async def test_messages_of_a_new_user_with_the_uid_of_a_deleted_one_stay(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.users.add(UserRow("alice", "Alice", created_at=1))
        await one.removal.remove_user("alice", with_messages=True)
        await one.database.run("DELETE FROM removed_names")  # as a server of an earlier version deletes a user
        late = (await other.messages.add(draft()._replace(sent_at=4))).message
        await one.users.add(UserRow("alice", "Another Alice", created_at=5))
        new = (await other.messages.add(draft()._replace(sent_at=5))).message
        await one.database.run("UPDATE chores SET due_at = 0")
        while await one.chores.do_next():
            pass
        assert [await one.messages.get(late.id), (await one.messages.get(new.id)).id] == [None, new.id]


async def test_number_of_waiting_deliveries_is_bounded(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.webhooks.add(WebhookRow("w", "W", "http://hook", "message_sent", created_at=1))
        one.deliveries.set_limits(max_waiting=5, max_failed=3, failed_seconds=1000)
        sent = [(await one.messages.add(draft(events=(Event("message_sent"),)))).message.id for _ in range(12)]
        await wait_for_giving_up(one)
        state = await other.deliveries.state("w")
        assert (state.waiting, state.failed) == (5, 3)
        rows = await other.deliveries.due_deliveries("w", 2**40, 100)
        assert [b'"id":"%d"' % n in row.body for n, row in zip(sent[-5:], rows, strict=True)] == [True] * 5


async def test_server_that_sends_what_another_one_has_queued_still_counts_its_own_deliveries(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.webhooks.add(WebhookRow("w", "W", "http://hook", "message_sent", created_at=1))
        await other.webhooks.load()
        await other.deliveries.load()
        await one.messages.add(draft(events=(Event("message_sent"),)))
        (delivery,) = await other.deliveries.due_deliveries("w", 2**40, 100)
        await other.deliveries.remove_delivered(delivery, 1)
        await other.messages.add(draft(events=(Event("message_sent"),)))
        assert other.deliveries.waiting_counts() == {"w": 1}


async def test_webhook_of_another_process_receives_events_although_its_notification_was_lost(postgres_url, monkeypatch):
    """Webhooks in memory count as current for three seconds; then they are read again."""
    async with two_stores(postgres_url) as (one, other):
        assert not other.webhooks.any_enabled
        await one.webhooks.add(WebhookRow("w", "W", "http://hook", "message_sent", created_at=1))
        for module in (changes, webhooks):
            monkeypatch.setattr(module, "TRUSTED_SECONDS", -1.0)  # as if they had passed
        assert other.webhooks.any_enabled
        sent = (await other.messages.add(draft(events=(Event("message_sent"),)))).message.id
        (row,) = await one.deliveries.due_deliveries("w", 2**40, 100)
        assert b'"id":"%d"' % sent in row.body
        await one.webhooks.change("w", lambda row: replace(row, triggers="group_created"))
        await other.messages.add(draft(events=(Event("message_sent"),)))
        assert len(await one.deliveries.due_deliveries("w", 2**40, 100)) == 1


async def change_in_between(store: PostgresStore, between: Callable[[], Awaitable[object]]) -> RoleRow | None:
    """Change the name of a role at one process; `between` runs after the row was read and before it is written."""
    access = store.roles._access
    carry_out = access.carry_out

    async def late(*arguments: Any) -> Any:
        access.carry_out = carry_out
        await between()
        return await carry_out(*arguments)

    access.carry_out = late
    return await store.roles.change("r", lambda row: replace(row, name="Reader"))


async def test_role_that_another_process_changes_in_between_has_both_changes(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.roles.add(RoleRow("r", "R", created_at=1))
        described = partial(other.roles.change, "r", lambda row: replace(row, description="Reads."))
        changed = await change_in_between(one, described)
        assert changed == await other.roles.get("r") == RoleRow("r", "Reader", "Reads.", created_at=1)


async def test_role_that_another_process_removes_in_between_is_not_restored(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.roles.add(RoleRow("r", "R", created_at=1))
        assert await change_in_between(one, partial(other.roles.remove, "r")) is None
        assert await other.roles.get("r") is None


async def test_delivery_queued_for_a_removed_webhook_is_removed(postgres_url):
    async with two_stores(postgres_url) as (one, other):
        await one.webhooks.add(WebhookRow("w", "W", "http://hook", "message_sent", created_at=1))
        await other.webhooks.load()
        await one.webhooks.remove("w")
        await other.messages.add(draft(events=(Event("message_sent"),)))  # it has not learned of the removal yet
        assert len(await one.deliveries.due_deliveries("w", 2**40, 100)) == 1
        await one.deliveries.forget_old_failures(0)
        assert await one.deliveries.due_deliveries("w", 2**40, 100) == []
        assert one.deliveries.waiting_counts() == {}


@asynccontextmanager
async def held_lock(url: str, lock: int) -> AsyncIterator[asyncpg.Connection]:
    """Hold a lock of the database over a connection without the bounds of the operator."""
    bounds = {"idle_session_timeout": "0", "statement_timeout": "0", "transaction_timeout": "0"}
    holder = await asyncpg.connect(url, server_settings=bounds)
    try:
        await holder.execute(f"SELECT pg_advisory_lock({lock})")
        yield holder
    finally:
        await holder.close()


async def test_quota_holds_across_two_stores_although_the_default_isolation_is_repeatable_read(postgres, postgres_url):
    """Two uploads wait for the lock together; with a snapshot from before the lock both would fit into the quota."""
    name = name_of(postgres_url)
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    async with two_stores(postgres_url) as stores:
        async with held_lock(postgres_url, APP_LOCK_KEY) as holder:
            files = [FileRow(f"{n}" * 40, "alice", "a.bin", "application/octet-stream", 8, 5) for n in range(2)]
            adding = [asyncio.create_task(s.files.add(f, quota=10)) for s, f in zip(stores, files, strict=True)]
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while await holder.fetchval(waiting) < 2:
                await asyncio.sleep(0.01)
        assert set(await asyncio.gather(*adding)) == {FileResult.STORED, FileResult.OVER_QUOTA}


async def test_forms_that_two_servers_give_out_stay_within_the_quota_together(postgres_url):
    async with two_stores(postgres_url) as stores:
        limits = FormLimits(10, 100, 0, 0)
        issuing = [
            asyncio.create_task(store.files.issue_forms([FormRow(f"{n}", "alice", 3, 5)], limits))
            for n, store in enumerate(stores * 3)
        ]
        assert sorted(await asyncio.gather(*issuing)) == [FormResult.OVER_QUOTA] * 3 + [FormResult.STORED] * 3
        await stores[0].files.close_form("0")
        rows = await stores[1].database.rows("SELECT count(*) FROM issued_forms WHERE uid = 'alice'")
        assert rows[0][0] == 3


@pytest.mark.parametrize(("version", "rows"), [("160009", 0), ("170000", 1), ("180001", 1)])
async def test_transaction_timeout_is_set_from_postgresql_17_on(postgres_url, version, rows):
    """Earlier versions do not know the setting, and would refuse the connection."""
    sql = connecting._TRANSACTION_TIMEOUT_SQL.replace("current_setting('server_version_num')", f"'{version}'")
    connection = await asyncpg.connect(postgres_url)
    assert len(await connection.fetch(sql.format("0"))) == rows
    await connection.close()


async def test_timeouts_set_by_the_operator_end_neither_a_start_nor_a_connection(postgres, postgres_url):
    """They are shorter than what a server does, which has bounds of its own."""
    database = name_of(postgres_url)
    for setting in ("idle_session_timeout", "statement_timeout", "lock_timeout", "transaction_timeout"):
        postgres.sql(f"ALTER DATABASE {database} SET {setting} = '200ms'")
    starting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with held_lock(postgres_url, migrate._LOCK) as holder:  # as another process that changes the schema
        opening = asyncio.create_task(PostgresStore.open(postgres_url, World()))
        while not await holder.fetchval(starting):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # longer than the bounds
        assert not opening.done()
    store = await opening
    (backend,) = await store.database.first_row("SELECT pg_backend_pid()")
    assert (await store.messages.add(draft())).new
    lane = store.lane.backend
    await asyncio.sleep(0.3)  # longer than a session may be idle
    assert (await store.messages.add(draft())).new
    assert ((await store.database.first_row("SELECT pg_backend_pid()"))[0], store.lane.backend) == (backend, lane)
    await store.close()
