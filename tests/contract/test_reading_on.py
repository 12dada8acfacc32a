"""Lists that are read by a position: complete, once and in order, while rows come and go; found by an index."""

from __future__ import annotations

import pytest

from contract.test_push import device
from tailwire.server.ports.audit import AuditFilter
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import GroupFilter, MemberFilter, MessageFilter, UserFilter
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.records import Draft, Event, GroupRow, ReportRow, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore


async def every_page(read_page, position_of, first=()):
    """Return the sizes of all pages, and all rows."""
    sizes, rows, position = [], [], first
    while page := await read_page(position):
        sizes.append(len(page))
        rows += page
        position = position_of(rows[-1])
    return sizes, rows


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("sort_by", "columns"), [("name", ("name", "uid")), ("uid", ("uid",)), ("createdAt", ("created_at", "uid"))]
)
async def test_users_are_read_by_position_once_and_in_order(open_store, sort_by, columns, descending):
    store = await open_store()
    for n in range(23):
        await store.users.add(UserRow(f"user-{n:02}", f"Name {n % 3}", created_at=n % 5 + 1))

    def key(row):
        return tuple(getattr(row, name) for name in columns)

    criteria = UserFilter(sort_by=sort_by, descending=descending, limit=5)
    sizes, rows = await every_page(lambda at: store.users.list_after(criteria, at), key)
    assert sizes == [5, 5, 5, 5, 3]
    assert [key(row) for row in rows] == sorted((key(row) for row in rows), reverse=descending)
    assert len({row.uid for row in rows}) == 23
    await store.close()


async def test_added_and_removed_rows_do_not_shift_the_next_page(open_store):
    store = await open_store()
    for n in range(10, 20):
        await store.groups.add(GroupRow(f"g{n}", f"G{n}", "public", created_at=1))
        await store.groups.add(GroupRow(f"p{n}", f"P{n}", "private", created_at=1))
    criteria = GroupFilter(types=("public",), limit=4)
    first = await store.groups.list_after(criteria, ())
    await store.groups.add(GroupRow("g00", "G00", "public", created_at=1))  # before the position
    last = (first[-1].name, first[-1].guid)
    second = await store.groups.list_after(criteria, last)
    assert [row.guid for row in (*first, *second)] == [f"g{n}" for n in range(10, 18)]
    await store.close()


async def test_members_are_read_by_position_once_and_in_the_order_of_their_uids(open_store):
    store = await open_store()
    for guid in ("g", "other"):
        await store.groups.add(GroupRow(guid, guid, "public", owner="alice", created_at=1))
    for guid, uid in (("g", "erin"), ("g", "carol"), ("other", "bob"), ("g", "dave"), ("g", "frank")):
        joined = Draft(key_of("", guid, "group"), uid, guid, "group", "action", "groupMember", b"{}", 1)
        act = GroupAct(guid, uid, uid, lambda _: None)
        await store.members.add(act, "participant", 1, lambda _, joined=joined: joined)
    criteria = MemberFilter("g", limit=2)
    sizes, rows = await every_page(lambda at: store.members.list_after(criteria, at), lambda row: (row.uid,))
    assert sizes == [2, 2, 1]
    assert [(row.guid, row.uid) for row in rows] == [("g", uid) for uid in ("alice", "carol", "dave", "erin", "frank")]
    await store.close()


async def test_keys_are_read_by_position_in_the_order_of_their_list(open_store):
    store = await open_store()
    for n in range(7):
        await store.keys.add(KeyRow(f"{n}" * 20, f"Key {n % 2}", "authOnly" if n % 2 else "fullAccess", 5 - n % 3))
    sizes, rows = await every_page(
        lambda at: store.keys.list_after("", "", at, 3), lambda row: (row.created_at, row.key_hash)
    )
    assert sizes == [3, 3, 1]
    assert rows == (await store.keys.find("", "", limit=9, offset=0))[0]
    assert {row.name for row in await store.keys.list_after("authOnly", "KEY", (), 9)} == {"Key 1"}
    assert [row.key_hash for row in await store.keys.keys_with_id("3" * 12)] == ["3" * 20]
    await store.close()


async def test_end_of_a_key_cannot_be_postponed(open_store):
    store = await open_store()
    await store.keys.add(KeyRow("k", "K", "fullAccess", 1))
    assert await store.keys.scope("k", 10) == "fullAccess"
    await store.keys.end("k", 50)
    await store.keys.end("k", 99)
    assert [await store.keys.scope("k", now) for now in (49, 50)] == ["fullAccess", None]
    await store.keys.end("unknown", 5)
    await store.close()


async def test_failed_and_waiting_deliveries_are_read_by_position(open_store):
    store = await open_store()
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "message_sent", created_at=1))
    store.deliveries.set_limits(max_waiting=100, max_failed=100, failed_seconds=1000)
    for n in range(7):
        await store.groups.add(GroupRow(f"g{n}", "G", "public", created_at=1), events=[Event("message_sent", b"{}")])
    waiting = await store.deliveries.due_deliveries("w", 10**10, 10)
    for n, row in enumerate(waiting[:5]):
        await store.deliveries.give_up(row, 100 + n // 3, "no")
    for failed, columns in ((True, ("failed_at", "id")), (False, ("id",))):
        sizes, rows = await every_page(
            lambda at, failed=failed: store.deliveries.list_after("w", failed=failed, position=at, limit=2),
            lambda row, columns=columns: tuple(getattr(row, name) for name in columns),
        )
        assert sizes == ([2, 2, 1] if failed else [2])
        assert rows == (await store.deliveries.find("w", failed=failed, limit=9, offset=0))[0]
    await store.close()


async def test_devices_and_notifications_are_read_by_position(open_store):
    store = await open_store()
    for uid in ("bob", "carol"):
        await store.users.add(UserRow(uid, uid, created_at=1))
        await store.tokens.add(TokenRow(f"auth-{uid}", uid, 1), 10)
    for n in range(5):
        await store.push_tokens.put(device("bob", f"b{n}", at=n // 2), 10)
    await store.push_tokens.put(device("carol", "c", at=9), 10)
    sizes, rows = await every_page(
        lambda at: store.push_tokens.list_after("", at, 4), lambda row: (row.updated_at, row.token_hash)
    )
    assert sizes == [4, 2]
    assert [row.token_hash for row in rows] == [f"hash-{name}" for name in ("c", "b4", "b3", "b2", "b1", "b0")]
    assert [row.uid for row in await store.push_tokens.list_after("carol", (), 9)] == ["carol"]
    for n in range(1, 4):
        await store.notifications.queue(n, 0, ["bob"], registered_before=99, now=100)
    everything = [row.row for row in await store.notifications.due_notifications("web", 100, 99)]
    await store.notifications.mark_sent([row.id for row in everything[:6]], 200)
    for row in everything[6:10]:
        await store.notifications.give_up(row.id, 300, "gone wrong")
    for status, count, column in (("waiting", 5, "queued_at"), ("sent", 6, "sent_at"), ("failed", 4, "failed_at")):
        _, rows = await every_page(
            lambda at, status=status: store.notifications.list_after(status, "bob", at, 2),
            lambda row, column=column: (getattr(row, column), row.id),
        )
        assert [row.id for row in rows] == sorted((row.id for row in rows), reverse=True)
        assert len(rows) == count
    assert await store.notifications.list_after("failed", "carol", (), 9) == []
    assert (await store.notifications.get(rows[0].id)) == rows[0]
    assert await store.notifications.get(0) is None
    await store.close()


async def test_position_is_found_by_an_index_and_nothing_is_sorted(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.db", World())
    queries = []

    async def recorded(sql, parameters=()):
        queries.append((sql, parameters))
        return []

    store.database.rows = store.database.long_rows = recorded
    for descending in (False, True):
        for sort_by, position in (("name", ("n", "k")), ("createdAt", (5, "k"))):
            for at in ((), position):
                await store.users.list_after(UserFilter(sort_by=sort_by, descending=descending), at)
                await store.groups.list_after(GroupFilter(sort_by=sort_by, descending=descending), at)
        await store.users.list_after(UserFilter(sort_by="uid", descending=descending, deactivated=None), ("k",))
        await store.groups.list_after(GroupFilter(sort_by="guid", descending=descending), ("k",))
    await store.members.list_after(MemberFilter("g"), ("k",))
    for failed, position in ((True, (5, 7)), (False, (7,))):
        await store.deliveries.list_after("w", failed=failed, position=position, limit=9)
    for status in ("waiting", "sent", "failed"):
        for at in ((), (5, 7)):
            await store.notifications.list_after(status, "", at, 9)
    await store.push_tokens.list_after("", (5, "h"), 9)
    assert len(queries) == 30
    for sql, parameters in queries:
        plan = [row[3] for row in store.database.reader.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
        assert len(plan) == 1, (sql, plan)
        assert " USING INDEX " in plan[0] or "USING COVERING INDEX" in plan[0], (sql, plan)
        assert plan[0].startswith("SEARCH") or len(parameters) == 1, (sql, plan)
    await store.close()


async def test_pages_of_the_audit_log_and_of_all_messages_are_read_through_an_index_without_a_sort(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.db", World())
    queries = []

    async def recorded(sql, parameters=()):
        queries.append((sql, parameters))
        return []

    store.database.rows = store.database.long_rows = recorded
    for kind in ("change", "behalf", "use"):
        for before in (None, 5):
            await store.audit.find(AuditFilter(limit=100, before=before, kind=kind))
    for cursor in (None, 5):
        await store.messages.find(MessageFilter("", cursor=cursor, limit=50))
    assert len(queries) == 8
    for sql, parameters in queries:
        plan = [row[3] for row in store.database.reader.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
        assert not any("TEMP B-TREE" in step for step in plan), (sql, plan)
        assert "audit_by_kind" in plan[0] or "messages" in plan[0], (sql, plan)
        assert plan[0].startswith("SEARCH") or 5 not in parameters, (sql, plan)
    await store.close()


def report_key(row):
    return row.at, row.message_id, row.uid


async def reportable(store, count):
    """Store the users `alice`, `bob` and `carol` and messages from `alice` to `bob`; return the messages."""
    for uid in ("alice", "bob", "carol"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    draft = Draft(key_of("alice", "bob", "user"), "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)
    return [(await store.messages.add(draft)).message for _ in range(count)]


async def report(store, message, uid, at):
    await store.annotations.add_report(MessageAct(message.id, uid, lambda standing: None), "spam", None, at)


async def test_reports_of_one_second_are_read_once_and_in_order(open_store):
    store = await open_store()
    reported = await reportable(store, 12)
    for n, message in enumerate(reported):
        for uid in ("bob", "carol"):
            await report(store, message, uid, 100 if n < 10 else 99 + 2 * (n - 10))
    await report(store, reported[3], "carol", 100)  # reported again: still one report
    sizes, rows = await every_page(lambda at: store.annotations.reports_after(at, 5), report_key)
    assert sizes == [5, 5, 5, 5, 4]
    expected = [(message.id, uid) for message in reported for uid in ("bob", "carol")]
    assert sorted((row.message_id, row.uid) for row in rows) == sorted(expected)
    assert list(map(report_key, rows)) == sorted(map(report_key, rows), reverse=True)
    assert (rows, 24) == await store.annotations.list_reports(limit=99, offset=0)
    assert rows[0] == ReportRow(reported[11].id, "carol", "spam", None, 101)
    await store.close()


async def test_added_and_removed_reports_do_not_shift_the_next_page(open_store):
    store = await open_store()
    late, *reported, newest = await reportable(store, 12)
    for message in reported:
        for uid in ("bob", "carol"):
            await report(store, message, uid, 100)
    pages = [await store.annotations.reports_after((), 6)]
    removed = [reported[9], reported[5], reported[4]]  # read already; not read yet, the second at the next page's end
    for message in removed:
        await store.removal.remove_message(message)
    await report(store, newest, "bob", 100)  # of the same second, before the position
    await report(store, newest, "carol", 101)
    await report(store, late, "bob", 100)  # of the same second, after the position
    while pages[-1]:
        pages.append(await store.annotations.reports_after(report_key(pages[-1][-1]), 6))
    read = [(row.message_id, row.uid) for page in pages for row in page]
    kept = [message for message in reported[::-1] if message not in (reported[5], reported[4])]
    assert read == [*((message.id, uid) for message in kept for uid in ("carol", "bob")), (late.id, "bob")]
    assert [row.message_id for row in await store.annotations.reports_after((), 2)] == [newest.id, newest.id]
    await store.close()


async def test_report_that_is_made_again_is_the_newest(open_store):
    store = await open_store()
    reported = await reportable(store, 3)
    for message in reported:
        await report(store, message, "bob", 100)
    await report(store, reported[0], "bob", 200)
    _, rows = await every_page(lambda at: store.annotations.reports_after(at, 1), report_key)
    assert [(row.message_id, row.at) for row in rows] == [
        (reported[0].id, 200), (reported[2].id, 100), (reported[1].id, 100),
    ]  # fmt: skip
    await store.close()


async def execute(store, sql):
    """Run a statement that changes the schema or the statistics."""
    if isinstance(store, SqliteStore):
        await store.database.write(lambda c: c.execute(sql))
    else:
        await store.database.rows(sql)


async def test_position_among_many_reports_of_one_second_is_found_by_an_index(open_store):
    store = await open_store()
    sqlite = isinstance(store, SqliteStore)
    numbers = "generate_series(1, 20000) AS s(n)"
    if sqlite:
        numbers = "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20000) SELECT n FROM s)"
    columns, values = "message_id, uid, reason_id, at", "n, 'bob', 'spam', n / 10000"
    await store.database.run(f"INSERT INTO flags ({columns}) SELECT {values} FROM {numbers}")
    await execute(store, "ANALYZE flags")
    queries, real = [], store.database.rows

    async def recorded(sql, parameters=()):
        queries.append((sql, parameters))
        return await real(sql, parameters)

    store.database.rows = store.database.long_rows = recorded
    assert [row.message_id for row in await store.annotations.reports_after((), 2)] == [20000, 19999]
    rows = await store.annotations.reports_after((0, 101, "bob"), 101)
    assert [row.message_id for row in rows] == list(range(100, 0, -1))
    assert len(queries) == 2
    for sql, parameters in queries:
        explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN (COSTS OFF)"
        plan = [row[3] if sqlite else row[0].strip() for row in await real(f"{explain} {sql}", parameters)]
        text = "; ".join(plan)
        assert ("INDEX flags_by_time" if sqlite else "Index Scan Backward using flags_by_time on flags") in text, text
        assert not any(word in text for word in ("TEMP B-TREE", "Sort", "Seq Scan")), text
        if parameters[1:]:  # the whole position is looked for in the index, not only its time
            columns = "(at,message_id,uid)<(?,?,?)" if sqlite else "Index Cond: (ROW(at, message_id, uid) < ROW("
            assert columns in text, text
            assert "Filter" not in text, text
    await store.close()


async def test_database_of_the_revision_before_gets_the_index_of_reports(open_store):
    store = await open_store()
    (message,) = await reportable(store, 1)
    await report(store, message, "bob", 100)
    await execute(store, "DROP INDEX flags_by_time")
    for table in ("issued_forms", "removed_names"):  # of later revisions
        await execute(store, f"DROP TABLE {table}")
    await store.database.run("UPDATE alembic_version SET version_num = '0017'")
    await store.close()
    store = await open_store()
    assert await store.annotations.reports_after((), 9) == [ReportRow(message.id, "bob", "spam", None, 100)]
    catalog = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'flags'"
    if not isinstance(store, SqliteStore):
        catalog = "SELECT indexname FROM pg_indexes WHERE tablename = 'flags'"
    assert "flags_by_time" in [row[0] for row in await store.database.rows(catalog)]
    await store.close()
