"""Each write to rows that other processes keep in memory puts a row into `changes`, so that they forget the rows."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import secrets
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contract.operations import CHANGES, NAMES, UIDS, Side, announced, draft_of, places, uids
from servers.schema import prepare
from tailwire.server.ports.changes import Change
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.records import GroupRow, RoleRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.connecting import connect_reader
from tailwire.server.store.postgres.store import PostgresStore

KEPT: dict[str, set[str]] = {
    "auth_tokens": {"token", "tokens", "user"},
    "api_keys": {"key"},
    "blocks": {"blocks", "user"},
    "users": {"user", "role"},
    "roles": {"role"},
    "restrictions": {"role"},
    "webhooks": {"webhook"},
    "saves": {"saver"},
    "marks": {"cleared", "conversation", "group", "user"},
    "members": {"member", "group", "user"},
    "bans": {"member", "group", "user"},
    "groups": {"group", "member", "user"},
}
"""Tables with rows that processes keep in memory, and the kinds of changes that report a write to them."""

NOT_KEPT: dict[tuple[str, str], set[str] | None] = {
    ("auth_tokens", "INSERT"): None,  # that a token or key does not exist is not remembered
    ("api_keys", "INSERT"): None,
    ("api_keys", "UPDATE"): {"used_at"},
    ("auth_tokens", "UPDATE"): {"platform", "user_agent", "app_info"},
    ("users", "UPDATE"): {"last_active_at"},  # reported with the user's presence
    ("marks", "INSERT"): None,  # `WATCH` notices one that clears as CLEAR
    ("marks", "UPDATE"): {"delivered_id", "read_id", "tags", "pinned_at"},
    ("saves", "DELETE"): None,  # only that a user has saved something once is remembered
}
"""Operations on them that need no report: all, or those that change no other columns than these."""

WATCH = """
CREATE TABLE IF NOT EXISTS noticed (place text, operation text, columns text[], xid xid8);
CREATE OR REPLACE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE v_columns text[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        v_columns := array(SELECT n.key FROM jsonb_each(to_jsonb(NEW)) n WHERE n.value IS DISTINCT FROM to_jsonb(OLD) -> n.key);
        IF v_columns = '{}' THEN RETURN NULL; END IF;
    END IF;
    INSERT INTO noticed VALUES (CASE TG_TABLE_NAME WHEN 'changes' THEN to_jsonb(NEW) ->> 'kind' ELSE TG_TABLE_NAME END,
        CASE WHEN TG_TABLE_NAME = 'changes' THEN 'CHANGE'
             WHEN TG_TABLE_NAME = 'marks' AND TG_OP = 'INSERT' AND CAST(to_jsonb(NEW) ->> 'cleared_id' AS bigint) > 0 THEN 'CLEAR' ELSE TG_OP END,
        v_columns, pg_current_xact_id());
    RETURN NULL;
END $$;
"""


class Watch:
    """Notices each write to a table in `KEPT`, and each row of `changes`, with its transaction."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def begin(self) -> None:
        connection = await connect_reader(self._store.database.url, 5)
        await connection.execute(WATCH)
        for table in [*KEPT, "changes"]:
            which = "INSERT" if table == "changes" else "INSERT OR UPDATE OR DELETE"
            await connection.execute(f"DROP TRIGGER IF EXISTS notice ON {table}")
            await connection.execute(
                f"CREATE TRIGGER notice AFTER {which} ON {table} FOR EACH ROW EXECUTE FUNCTION notice()"
            )
        await connection.close()

    async def seen(self) -> dict[str, set[str]]:
        """Return which operations were noticed, by table, and check each of them."""
        rows = await self._store.database.rows("SELECT place, operation, columns, CAST(xid AS text) FROM noticed")
        await self._store.database.run("DELETE FROM noticed")
        invalidated: dict[str, set[str]] = {}
        for kind, operation, _, xid in rows:
            if operation == "CHANGE":
                invalidated.setdefault(xid, set()).add(kind)
        found: dict[str, set[str]] = {}
        for table, operation, columns, xid in rows:
            if operation == "CHANGE":
                continue
            found.setdefault(table, set()).add(operation)
            if (table, operation) in NOT_KEPT:
                harmless = NOT_KEPT[table, operation]
                if harmless is None or set(columns) <= harmless:
                    continue
            kinds = invalidated.get(xid, set())
            assert kinds & KEPT[table], f"{operation} of {table} ({columns}) put no row into changes, only {kinds}"
        return found


async def set_up(store: PostgresStore) -> None:
    for uid in UIDS[:4]:
        await store.users.add(UserRow(uid, uid.title(), created_at=1))
        if await store.tokens.get(f"token-{uid}") is None:
            with contextlib.suppress(Refused):  # the user is deactivated
                await store.tokens.add(TokenRow(f"token-{uid}", uid, 1), 3)
    for name in NAMES[:3]:
        if await store.keys.get(name) is None:
            await store.keys.add(KeyRow(name, name, "a", 1))


async def every_other_write(store: PostgresStore) -> None:
    """Make the writes to `KEPT` that are not among the random ones."""
    await store.users.add(UserRow("zoe", "Zoe", created_at=1))
    for number in range(4):
        await store.tokens.add(TokenRow(f"z{number}", "zoe", 1), 2)
    await store.tokens.change_device(TokenRow("z3", "zoe", 1, platform="web"))
    await store.tokens.remove("z3")
    await store.keys.add(KeyRow("zkey", "Z", "a", 1))
    await store.keys.end_others(["zkey"], 10, 1)
    await store.keys.remove("zkey")
    assert await store.webhooks.add(WebhookRow("w", "W", "http://hook", "message_sent", created_at=1))
    assert await store.webhooks.change("w", lambda row: dataclasses.replace(row, name="W2"))
    assert await store.webhooks.remove("w")
    await store.read_state.clear(key_of("zoe", "bob", "user"), "zoe", 1, 9)
    await store.read_state.clear(key_of("zoe", "bob", "user"), "zoe", 2)
    await store.blocks.add("zoe", ["bob"], 1)
    await one_write_of_each_other_table(store)
    await store.removal.remove_user("zoe", with_messages=True)


async def one_write_of_each_other_table(store: PostgresStore) -> None:
    """Make a write to each table that may get none from the random ones."""
    role = RoleRow("zrole", "Z", created_at=1)
    assert await store.roles.add(role)
    assert await store.roles.change("zrole", lambda row: dataclasses.replace(row, name="Y"))
    assert await store.roles.restrict("zrole", ["createMessage"], 1)
    await store.roles.remove("zrole")
    guid = f"z{secrets.token_hex(8)}"
    group = GroupRow(guid, "Z", "public", owner="zoe", members_count=1, created_at=1, updated_at=1)
    assert await store.groups.add(group)
    stored = await store.messages.add(draft_of("zoe", (guid, "group"), "hello", sent_at=1))
    await store.annotations.save(MessageAct(stored.message.id, "zoe", lambda _: None), 1, 3)
    await store.users.add(UserRow("zack", "Zack", created_at=1))
    act = GroupAct(guid, "zoe", "zack", lambda _: None)
    await store.members.add(act, "participant", 1, announced("zack", guid))
    await store.members.remove(act, announced("zoe", guid), banned_at=1)
    await store.members.unban(act, announced("zoe", guid))
    assert await store.read_state.pin(key_of("zoe", guid, "group"), "zoe", 1, 9)
    await store.removal.remove_user("zack", with_messages=True)


FEW = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # not shrunk: the failure names the write
)


def test_every_write_to_what_processes_keep_in_memory_puts_a_row_into_changes(postgres):
    url = postgres.create_database(prepare)
    noticed: dict[str, set[str]] = {}

    @FEW
    @given(calls=st.lists(CHANGES, min_size=60, max_size=200))
    def check(calls: list[Any]) -> None:
        async def run() -> None:
            store = await PostgresStore.open(url, World())
            watch = Watch(store)
            try:
                await watch.begin()
                await set_up(store)
                side = Side(store, secrets.token_hex(4))
                for call in calls:
                    await side.ask(call)
                await every_other_write(store)
                for table, operations in (await watch.seen()).items():
                    noticed.setdefault(table, set()).update(operations)
            finally:
                await store.close()

        asyncio.run(run())

    check()
    postgres.drop_database(url)
    assert noticed.keys() == KEPT.keys(), "a table was not written, so nothing is known about it"
    assert {"CLEAR", "UPDATE"} <= noticed["marks"]


def test_memory_of_a_process_is_current_after_it_has_read_the_changes_of_another(postgres):
    url = postgres.create_database(prepare)

    @FEW
    @given(
        calls=st.lists(CHANGES, min_size=60, max_size=150), reads=st.lists(st.tuples(uids, uids, places), max_size=8)
    )
    def check(calls: list[Any], reads: list[Any]) -> None:
        asyncio.run(compare(url, calls, reads))

    check()
    postgres.drop_database(url)


async def compare(url: str, calls: list[Any], reads: list[Any]) -> None:
    writer, reader = await PostgresStore.open(url, World()), await PostgresStore.open(url, World())
    side = Side(writer, secrets.token_hex(4))
    last = int((await reader.database.first_row("SELECT last_value FROM message_ids"))[0])
    reader.feed.complete_at = math.inf

    async def answers(store: PostgresStore) -> list[Any]:
        found: list[Any] = []
        for uid, other, place in reads:
            key = key_of(uid, *place)
            found += [
                await store.users.get(uid),
                await store.tokens.owner(f"token-{uid}"),
                await store.blocks.blocker_between(uid, other),
                await store.read_state.cleared_until(key, uid),
                await store.annotations.saved_at(0, 1 << 60, uid),
            ]
        return [*found, *[await store.keys.scope(name, 1) for name in NAMES]]

    try:
        await set_up(writer)
        for call in calls:
            await answers(reader)  # so that it remembers what is about to change
            await side.ask(call)
            sql = "SELECT id, kind, key FROM changes WHERE id > ? ORDER BY id"
            changes = [Change(*row) for row in await reader.database.rows(sql, (last,))]
            last = max([last, *[change.id for change in changes]])
            reader.feed.report(changes)
            assert _without_times(await answers(reader)) == _without_times(await answers(writer))
    finally:
        await reader.close()
        await writer.close()


def _without_times(found: list[Any]) -> list[Any]:
    # When a user was last active comes with their presence, not with the log.
    return [dataclasses.replace(one, last_active_at=0) if isinstance(one, UserRow) else one for one in found]
