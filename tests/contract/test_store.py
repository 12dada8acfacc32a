"""The promises of every store (see `tailwire.server.ports.store`)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import sqlite3
import time

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
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.filters import GroupFilter, MessageFilter, UserFilter
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.records import Draft, EditedContent, Event, GroupRow, RoleRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.rules.messages import check_changeable
from tailwire.server.store.migrate import NewerDatabase, upgrade
from tailwire.server.store.sql.schema import metadata
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.store.sqlite.chores import LATE_SECONDS

ALICE_BOB = key_of("alice", "bob", "user")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def in_group(guid: str, uid: str, by: str = "") -> GroupAct:
    return GroupAct(guid, by or uid, uid, lambda standing: None)


def to_message(number: int, uid: str) -> MessageAct:
    return MessageAct(number, uid, lambda standing: None)


def draft(sender="alice", receiver="bob", kind="user", muid=None, text=b"{}", at=1) -> Draft:
    conversation = key_of(sender, receiver, kind)
    body = b'{"data":' + text + b"}"
    return Draft(conversation, sender, receiver, kind, "message", "text", body, at, muid)


async def test_ids_rise_and_writes_are_acknowledged_in_order(open_store):
    store = await open_store()
    answered: list[int] = []

    async def send():
        answered.append((await store.messages.add(draft())).message.id)

    await asyncio.gather(*(send() for _ in range(500)))
    assert answered == sorted(answered) == list(range(1, 501))
    await store.close()
    again = await open_store()
    assert (await again.messages.add(draft())).message.id == 501
    assert again.name == store.name
    await again.close()


async def test_muid_of_a_sender_is_stored_once(open_store):
    store = await open_store()
    results = await asyncio.gather(*(store.messages.add(draft(muid="m")) for _ in range(20)))
    assert sum(r.new for r in results) == 1
    assert len({r.message.id for r in results}) == 1
    other = await store.messages.add(draft(sender="bob", receiver="alice", muid="m"))
    assert other.new
    await store.close()


async def test_failing_operation_does_not_affect_others(path):
    store = await SqliteStore.open(path, World())

    def half(c: sqlite3.Connection):
        c.execute("INSERT INTO participants VALUES ('x', 'half')")
        raise RuntimeError("as planned")

    sends = [store.messages.add(draft()) for _ in range(5)]
    results = await asyncio.gather(*sends[:2], store.database.write(half), *sends[2:], return_exceptions=True)
    assert [getattr(r, "new", str(r)) for r in results] == [True, True, "as planned", True, True, True]
    assert await store.database.rows("SELECT * FROM participants WHERE conversation_id = 'half'", ()) == []
    assert (await store.messages.get(5)) is not None
    assert (await store.messages.get(6)) is None
    await store.close()


async def test_reader_sees_their_messages_since_they_joined(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
    numbers: dict[int, int] = {}  # ids may have gaps: messages are numbered here in their order

    async def say(**more):
        numbers[(await store.messages.add(draft(**more))).message.id] = len(numbers) + 1

    await say(receiver="g", kind="group")  # 1: before bob joined
    action = draft(sender="bob", receiver="g", kind="group")
    joined = await store.members.add(in_group("g", "bob"), "participant", 1, lambda _: action)
    numbers[joined.message.id] = 2
    await say(receiver="g", kind="group")  # 3
    await say()  # 4: alice to bob
    await say(sender="carol", receiver="dave")  # 5: not bob's
    await say(sender="bob", receiver="carol")  # 6
    id_of = {number: message_id for message_id, number in numbers.items()}
    assert list(numbers) == sorted(numbers)

    async def ids(reader, cursor, **more):
        criteria = MessageFilter(reader=reader, newer=True, cursor=id_of.get(cursor, 0), limit=100, **more)
        return [numbers[m.id] for m in await store.messages.find(criteria)]

    async def newest(reader, limit, **more):
        return [numbers[m.id] for m in await store.messages.find(MessageFilter(reader, limit=limit, **more))]

    assert await ids("bob", 0) == [2, 3, 4, 6]
    assert await ids("bob", 3) == [4, 6]
    assert await ids("carol", 0) == [5, 6]
    assert await ids("alice", 0) == [1, 2, 3, 4]
    assert await ids("nobody", 0) == []
    assert await newest("bob", 1) == [6]
    assert await newest("dave", 1) == [5]
    assert await newest("nobody", 1) == []
    assert await newest("bob", 2) == [6, 4]
    assert await newest("bob", 9, conversation_id=key_of("", "g", "group")) == [3, 2, 1]
    assert await ids("bob", 0, categories=("custom",)) == []
    await store.members.remove(in_group("g", "bob"), lambda _: action)
    assert await ids("bob", 0) == [4, 6]
    with pytest.raises(Refused, match="ERR_NOT_A_MEMBER"):
        await store.members.remove(in_group("g", "bob"), lambda _: action)
    await store.close()


async def test_late_edit_does_not_restore_a_deleted_message(open_store):
    store = await open_store()
    stored = await store.messages.add(draft(text=b'{"text":"secret"}'))
    action = lambda row: draft(muid=None)  # noqa: E731
    act = MessageAct(stored.message.id, "alice", lambda standing: check_changeable(standing.message))
    deleting = store.messages.delete(act, 5, lambda _: b'{"data":{}}', action)
    editing = store.messages.edit(act, 5, lambda _: EditedContent(b'{"data":{"text":"secret again"}}', 0), action)
    again = store.messages.delete(act, 9, lambda _: b"{}", action)
    first, late, second = await asyncio.gather(deleting, editing, again, return_exceptions=True)
    assert first.new
    assert [e.code for e in (late, second)] == ["ERR_MESSAGE_ACTION_NOT_ALLOWED"] * 2
    row = await store.messages.get(stored.message.id)
    assert (row.deleted_at, b"secret" in row.json()) == (5, False)
    assert (await store.messages.get(3)) is None
    await store.close()


async def test_read_state_moves_forward_only(open_store):
    store = await open_store()
    for _ in range(5):
        await store.messages.add(draft())
    mark = {"read": True}
    assert await store.read_state.mark_up_to(ALICE_BOB, "bob", 3, 50, **mark)
    assert not await store.read_state.mark_up_to(ALICE_BOB, "bob", 2, 60, **mark)
    assert await store.read_state.mark_up_to(ALICE_BOB, "bob", 4, 70, **mark)
    rows = await store.messages.find(MessageFilter("bob", conversation_id=ALICE_BOB, newer=True, cursor=0))
    assert [(r.delivered_at, r.read_at) for r in rows] == [(50, 50)] * 3 + [(70, 70), (None, None)]
    updated = MessageFilter("alice", conversation_id=ALICE_BOB, newer=True, updated_after=60, only_updates=True)
    assert [r.id for r in await store.messages.find(updated)] == [4]
    await store.close()


class UnreadableEvent:
    """An event whose data cannot be read, so that queueing fails."""

    trigger = "message_reaction_added"

    @property
    def data(self):
        raise ZeroDivisionError


async def test_webhook_events_are_queued_in_the_transaction_of_the_change(open_store):
    store = await open_store()
    await store.messages.add(draft())
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", UnreadableEvent.trigger, created_at=1))
    group = GroupRow("g", "G", "public", owner="alice", created_at=1)
    for changing in (
        store.reactions.add(to_message(1, "bob"), "x", 5, 100, lambda row: [UnreadableEvent()]),
        store.read_state.mark_up_to(ALICE_BOB, "bob", 1, 5, read=True, events=[UnreadableEvent()]),
        store.groups.add(group, events=[UnreadableEvent()]),
    ):
        with pytest.raises(ZeroDivisionError):
            await changing
    assert await store.reactions.find(1) == []
    assert (await store.read_state.get(ALICE_BOB, "bob")).read_id == 0
    assert await store.groups.get("g") is None
    event = Event(UnreadableEvent.trigger, b"{}")
    await store.reactions.add(to_message(1, "bob"), "x", 5, 100, lambda row: [event])
    await store.read_state.mark_up_to(ALICE_BOB, "bob", 1, 5, read=True, events=[event])
    await store.groups.add(group, events=[event])
    await store.close()
    again = await open_store()
    assert [row.trigger for row in await again.deliveries.due_deliveries("w", 10, 10)] == [UnreadableEvent.trigger] * 3
    await again.close()


async def test_users_groups_keys_and_tokens_are_stored_and_found(open_store):
    store = await open_store()
    assert store.created
    assert await store.users.add(UserRow("alice", "Alice", created_at=1))
    assert not await store.users.add(UserRow("alice", "Other", created_at=1))
    await store.users.add(UserRow("bob", "100%_Bob", created_at=1))
    assert (await store.users.find(UserFilter(search="ali")))[1] == 1
    assert (await store.users.find(UserFilter(search="%")))[1] == 0
    assert (await store.users.find(UserFilter(search="100%_")))[1] == 1
    assert [u.uid for u in (await store.users.find(UserFilter(uids=("bob", "nobody"))))[0]] == ["bob"]
    await store.groups.add(GroupRow("private", "P", "private", owner="alice", created_at=1))
    assert (await store.groups.find(GroupFilter("bob")))[1] == 0
    assert (await store.groups.find(GroupFilter("alice", joined=True)))[1] == 1
    assert await store.members.groups_of("alice") == ["private"]
    for n in range(5):
        await store.tokens.add(TokenRow(f"t{n}", "alice", n), 3)
    owners = [await store.tokens.owner(f"t{n}") for n in range(5)]
    assert owners == [None, None, ("alice", 2, None), ("alice", 3, None), ("alice", 4, None)]
    await store.tokens.remove("t4")
    assert await store.tokens.owner("t4") is None
    await store.keys.add(KeyRow("k", "K", "authOnly", 1))
    assert (await store.keys.scope("k", 1), await store.keys.scope("x", 1)) == ("authOnly", None)
    await store.users.store_last_online("alice", 99)
    assert (await store.users.get("alice")).last_active_at == 99
    await store.close()
    with pytest.raises(RuntimeError):
        await store.users.store_last_online("alice", 1)


async def test_newer_database_is_refused_and_unchanged(path):
    store = await SqliteStore.open(path, World())
    await store.close()
    with sqlite3.connect(path) as c:
        c.execute("UPDATE alembic_version SET version_num = '9999'")
    c.close()
    before = path.read_bytes()
    with pytest.raises(NewerDatabase, match="9999"):
        await SqliteStore.open(path, World())
    assert path.read_bytes() == before


async def test_migrations_produce_the_schema(path):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import create_engine, inspect, text

    upgrade(f"sqlite:///{path}")
    upgrade(f"sqlite:///{path}")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        own = {
            "include_name": lambda name, kind, _: kind != "table" or not str(name).startswith("messages_fts"),
            "include_object": lambda one, *_: one.info.get("only", "sqlite") == "sqlite",
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=own), metadata) == []
        for table in metadata.sorted_tables:  # what is not compared there
            key = inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key], table.name
            ((created,),) = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :n"), {"n": table.name})
            assert ("AUTOINCREMENT" in created) is table.dialect_kwargs.get("sqlite_autoincrement", False), table.name
    engine.dispose()


async def test_catch_up_query_uses_its_index(path):
    from tailwire.server.store.sql.listing import filter_parameters, list_messages

    store = await SqliteStore.open(path, World())
    criteria = MessageFilter("bob", newer=True, cursor=5)
    plan = await store.database.rows(
        "EXPLAIN QUERY PLAN " + list_messages(criteria.shape(), "sqlite"), filter_parameters(criteria, criteria.shape())
    )
    assert any("messages_of_conversation (conversation_id=? AND id>?)" in row[3] for row in plan), plan
    criteria = MessageFilter("bob", newer=True, cursor=0, updated_after=5, only_updates=True)
    plan = await store.database.rows(
        "EXPLAIN QUERY PLAN " + list_messages(criteria.shape(), "sqlite"), filter_parameters(criteria, criteria.shape())
    )
    assert any("messages_by_update (conversation_id=? AND updated_at>?)" in row[3] for row in plan), plan
    await store.close()


async def test_due_deliveries_are_found_and_sorted_by_an_index(path):
    store = await SqliteStore.open(path, World())
    queries = []
    real = store.database.rows

    async def recorded(sql, parameters):
        queries.append((sql, parameters))
        return await real(sql, parameters)

    store.database.rows = recorded
    await store.deliveries.due_deliveries("w", 5, 50)
    await store.deliveries.waiting_between("w", 1, 9, 50)
    await store.deliveries.find("w", failed=True, limit=30, offset=30)
    await store.deliveries.find("w", failed=False, limit=30, offset=30)
    assert len(queries) == 4
    for sql, parameters in queries:
        plan = [row[3] for row in store.database.reader.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
        assert len(plan) == 1, plan  # nothing is sorted
        assert "SEARCH deliveries USING INDEX deliveries_" in plan[0]
    await store.close()


async def test_every_pair_of_filters_can_be_combined(open_store):
    store = await open_store()
    queries = {
        "since": 3, "newer": True, "cursor": 2, "sent_cursor": 3, "updated_after": 3, "only_updates": True,
        "receiver_type": "user", "sender": "a", "categories": ("x",), "types": ("y", "z"), "parent_id": 3,
        "hide_replies": True, "hide_deleted": True, "only_deleted": True, "hide_quoted": True, "unread": True,
        "undelivered": True, "before_joining": True, "from_time": 1, "to_time": 2, "traits": 3, "mentioned": ("a",),
        "tags": ("t", "u"), "not_from_blocked": True, "pinned": True, "saved": True, "search": "word", "offset": 3,
    }  # fmt: skip
    names = [f.name for f in dataclasses.fields(MessageFilter)]
    assert set(names) == {*queries, "reader", "conversation_id", "hide_replies", "limit"}
    readers = ("unread", "undelivered", "saved", "not_from_blocked")  # these need a reader
    for conversation, reader in itertools.product((None, ALICE_BOB), ("alice", "")):
        for pair in itertools.combinations(queries, 2):
            if reader or not set(pair) & set(readers):
                criteria = {name: queries[name] for name in pair}
                assert await store.messages.find(MessageFilter(reader, conversation_id=conversation, **criteria)) == []
    await store.close()


async def test_ids_of_removed_messages_are_not_reused(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1))
    for _ in range(3):
        last = (await store.messages.add(draft(receiver="g", kind="group"))).message.id
    members, _ = await store.removal.remove_group(GroupAct("g", "alice", "", lambda _: None), lambda _: ())
    assert members == ["alice"]
    await store.close()
    store = await open_store()
    assert (await store.messages.get(last)) is None
    new = (await store.messages.add(draft())).message.id
    assert new > last
    await store.users.add(UserRow("bob", "Bob"))
    await store.removal.remove_user("bob", with_messages=True)
    assert (await store.messages.get(new)) is None
    assert (await store.conversations.get(ALICE_BOB, "alice", "user")) is None
    await store.close()


async def test_search_index_survives_a_restart_and_drops_deleted_messages(open_store):
    store = await open_store()
    for word in ("apple", "pear", "plum"):
        await store.messages.add(draft(text=b'{"text":"%b"}' % word.encode())._replace(traits=16))
    find = lambda words: store.messages.find(MessageFilter("bob", search=words))  # noqa: E731
    assert [m.id for m in await find("pear")] == [2]
    await store.close()
    store = await open_store()
    assert [m.id for m in await find("p")] == [3, 2]
    row = await store.messages.get(2)
    await store.messages.delete(to_message(row.id, "alice"), 5, lambda _: b'{"data":{}}', lambda _: draft())
    assert [m.id for m in await find("p")] == [3]
    await store.removal.remove_message(await store.messages.get(3))
    assert await find("p") == []
    await store.close()


OLD_NAME, OTHER = "a" * 40 + ".png", "b" * 40


async def test_upgrade_finds_references_to_files(path):
    store = await SqliteStore.open(path, World())
    url = f"http://old.example.com:8480/files/{OLD_NAME}".encode()
    foreign = b"http://old.example.com/files/" + b"c" * 40
    data = b'{"url":"%b","attachments":[{"url":"%b","thumbnail":"%b?thumbnail=1"},{"url":"%b"}]}' % (
        url,
        url,
        url,
        foreign,
    )
    await store.messages.add(draft(text=data))
    user = b'{"entity":{"uid":"alice","metadata":{"email":"a@example.com"}},"entityType":"user"}'
    whole = b'{"metadata":{"mine":1},"entities":{"sender":%b,"on":{"entity":{"data":{"entities":{"sender":%b}}},"entityType":"message"}}}'
    await store.messages.add(draft(text=whole % (user, user)))
    await store.users.add(UserRow("alice", "Alice", avatar=f"https://x/files/{OTHER}"))
    for name in (OLD_NAME, OTHER, "d" * 40):
        await store.files.add(FileRow(name, "alice", "f", "image/png", 1, 5))
    await store.close()
    with contextlib.closing(sqlite3.connect(path)) as c:  # as in the earlier version
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
            revision="0004",
        )
        c.commit()
    store = await SqliteStore.open(path, World())
    assert store.created is False
    body = (await store.messages.get(1)).body
    assert body.count(b'"tailwire:/files/' + OLD_NAME.encode()) == 3
    assert foreign in body
    stripped = (await store.messages.get(2)).body
    assert b"example.com" not in stripped
    assert b'"metadata":{"mine":1}' in stripped
    unused = await store.files.condemn(never_used_added_until=100, last_used_until=100, limit=10)
    assert [file.name for file in unused] == ["d" * 40]
    assert await store.database.first_row(
        "SELECT count(*) FROM pragma_table_info('app') WHERE name = 'secret'", ()
    ) == (0,)
    act = MessageAct(1, "alice", lambda standing: None)
    await store.messages.delete(act, 5, lambda row: b"{}", lambda row: draft())
    assert {
        f.name for f in await store.files.condemn(never_used_added_until=-1, last_used_until=1 << 40, limit=10)
    } == {
        OLD_NAME,
        "d" * 40,
    }
    await store.close()


class Clock(World):
    """A clock that advances only on request."""

    now = 1000

    def seconds(self) -> int:
        return self.now


async def test_open_read_transaction_delays_erasure_from_the_write_ahead_log_but_no_writes(path):
    world = Clock()
    store = await SqliteStore.open(path, world)
    log = path.with_name(path.name + "-wal")
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    with contextlib.closing(sqlite3.connect(path)) as c:  # a backup, for example
        c.execute("BEGIN")
        c.execute("SELECT * FROM users").fetchall()
        await store.removal.remove_user("alice", with_messages=True)
        begun = time.perf_counter()
        while await store.chores.do_next():
            pass
        await store.users.add(UserRow("bob", "Bob", created_at=1))
        assert time.perf_counter() - begun < 2  # the busy timeout is 5 seconds
        assert b"Alice" in log.read_bytes()
        assert await store.chores.next_due() == world.now + 1
    world.now += 1
    assert await store.chores.do_next()
    assert b"Alice" not in log.read_bytes()
    assert b"Alice" not in path.read_bytes()
    assert await store.chores.next_due() == world.now - 1 + LATE_SECONDS  # messages that waited during the deletion
    await store.close()


async def test_observer_of_queued_deliveries_is_called_after_the_commit(path):
    store = await SqliteStore.open(path, World())
    await store.webhooks.add(WebhookRow("w", "W", "http://x.test", "message_sent", created_at=1))
    seen = []
    store.webhooks.on_queued(
        lambda: seen.append(store.database.reader.execute("SELECT count(*) FROM deliveries").fetchone()[0])
    )
    for _ in range(2):
        await store.messages.add(draft()._replace(events=(Event("message_sent"),)))
    assert seen == [1, 2]
    await store.close()


async def test_token_is_added_only_for_an_active_user(open_store):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    for n in range(3):
        await store.tokens.add(TokenRow(f"t{n}", "alice", 1), 3)
    assert await store.tokens.owner("t0")
    assert await store.tokens.add(TokenRow("t3", "alice", 1), 3) == ["t0"]
    assert await store.tokens.owner("t0") is None
    resting = store.users.deactivate(["alice", "bob"], 9)
    late = store.tokens.add(TokenRow("t4", "alice", 1), 3)
    (done, tokens), refused = await asyncio.gather(resting, late, return_exceptions=True)
    assert (done, sorted(tokens)) == (["alice", "bob"], [("alice", "t1"), ("alice", "t2"), ("alice", "t3")])
    assert refused.code == "ERR_UID_NOT_FOUND"
    assert await store.tokens.owner("t1") is None
    await store.close()


async def test_change_of_a_removed_row_does_not_restore_it(open_store):
    store = await open_store()
    webhook = WebhookRow("w", "W", "http://x.test", "message_sent", created_at=1)
    await store.webhooks.add(webhook)
    await store.keys.add(KeyRow("k", "K", "authOnly", 1))
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    await store.roles.add(RoleRow("r", "R", created_at=1))
    await asyncio.gather(
        store.webhooks.remove("w"),
        store.keys.remove("k"),
        store.roles.remove("r"),
        store.removal.remove_user("alice", with_messages=True),
    )
    assert await store.webhooks.change("w", lambda row: dataclasses.replace(row, name="X")) is None
    assert await store.roles.change("r", lambda row: dataclasses.replace(row, name="X")) is None
    assert not await store.roles.restrict("r", ["createGroup"], 2)
    assert (await store.roles.get("r"), await store.roles.restrictions("r")) == (None, {})
    assert not await store.keys.change("k", "X", "fullAccess")
    assert await store.users.change("alice", {"name": "X"}) is None
    found = (await store.webhooks.get("w"), await store.keys.scope("k", 1), await store.users.get("alice"))
    assert found == (None, None, None)
    await store.close()


async def test_changes_of_a_role_or_webhook_at_the_same_time_are_all_kept(open_store):
    store = await open_store()
    await store.roles.add(RoleRow("r", "R", created_at=1))
    await store.webhooks.add(WebhookRow("w", "W", "http://x.test", "message_sent", created_at=1))
    await asyncio.gather(
        store.roles.change("r", lambda row: dataclasses.replace(row, name="Reader")),
        store.roles.change("r", lambda row: dataclasses.replace(row, description="Reads.")),
        store.webhooks.change("w", lambda row: dataclasses.replace(row, name="Wire")),
        store.webhooks.change("w", lambda row: dataclasses.replace(row, enabled=0)),
    )
    role, webhook = await store.roles.get("r"), await store.webhooks.get("w")
    assert (role.name, role.description, webhook.name, webhook.enabled) == ("Reader", "Reads.", "Wire", 0)

    def refuse(row):
        raise Refused("ERR_BAD_REQUEST")

    for change in (store.roles.change("r", refuse), store.webhooks.change("w", refuse)):
        with pytest.raises(Refused):
            await change
    assert (await store.roles.get("r"), await store.webhooks.get("w")) == (role, webhook)
    await store.close()
