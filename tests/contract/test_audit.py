"""The audit log (see `tailwire.server.ports.audit`), on each store: an entry is written together with its change."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tailwire.server.ports.audit import AuditEntry, AuditFilter, current_entry
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.records import Draft, GroupRow, RoleRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World

DAVE = UserRow("dave", "Dave", created_at=1)
KEY = KeyRow("hash-of-key", "Backend", "fullAccess", 1, "9f3c")


class Clock(World):
    """A world whose time is set."""

    now = 1_800_000_000

    def seconds(self) -> int:
        return self.now


async def open_audited(open_store):
    """Return a new store that keeps an audit log."""
    store = await open_store(Clock())
    store.audit.set_limits(seconds=3600, entries=100)
    return store


async def within(entry: AuditEntry, *changes) -> None:
    """Make changes within a request that has an entry."""

    async def request() -> None:
        current_entry.set(entry)
        for change in changes:
            await change()

    await asyncio.create_task(request())


async def targets(store) -> list[str]:
    """Return the targets of all entries, oldest first."""
    return [row.target for row in reversed(await store.audit.find(AuditFilter(limit=100)))]


def entry(target: str, **more) -> AuditEntry:
    return AuditEntry(**{"kind": "change", "actor": "k1", "action": "PUT /x", "target": target, **more})


async def test_entry_is_stored_with_all_its_fields(open_store):
    store = await open_audited(open_store)
    await store.keys.add(KEY)
    entry_made = AuditEntry(
        "behalf", "k1", "PUT /users/{uid}", "alice", "name, avatar", KEY.key_hash, "bob", "203.0.113.7", "r-1"
    )
    await store.audit.add(entry_made)
    assert entry_made.taken
    (row,) = await store.audit.find(AuditFilter(limit=10))
    assert row.id > 0
    assert row[1:] == (
        Clock.now, "behalf", "k1", "Backend", "bob", "PUT /users/{uid}", "alice", "name, avatar", "203.0.113.7", "r-1"
    )  # fmt: skip
    assert await store.audit.last_entry("PUT /users/{uid}") == row
    assert await store.audit.last_entry("other") is None
    await store.close()


async def test_audit_entry_is_stored_once_with_writes_of_one_and_of_several_statements(open_store):
    store = await open_audited(open_store)
    unit, single, many, by_key = entry("unit"), entry("single"), entry("many"), entry("key", key_hash=KEY.key_hash)
    await within(unit, lambda: store.users.add(DAVE), lambda: store.users.add(dataclasses.replace(DAVE, uid="erin")))
    await within(single, lambda: store.keys.add(KEY), lambda: store.users.store_last_online("dave", 5))
    await store.roles.add(RoleRow("guest", "Guest", created_at=1))
    await within(many, lambda: store.roles.restrict("guest", ["a", "b"], 1))
    await within(by_key, lambda: store.groups.add(GroupRow("g", "G", "public", owner="dave", created_at=1)))
    assert await targets(store) == ["unit", "single", "many", "key"]
    assert all(e.taken for e in (unit, single, many, by_key))
    names = {row.target: row.key_name for row in await store.audit.find(AuditFilter(limit=10))}
    assert names == {"unit": "", "single": "", "many": "", "key": "Backend"}
    await store.close()


async def test_audit_entry_is_stored_with_the_first_write_that_changes_something(open_store):
    store = await open_audited(open_store)
    await store.users.add(DAVE)
    await store.keys.add(KEY)
    entry_made = entry("later")
    left = []

    async def in_vain() -> None:
        assert not await store.users.add(DAVE)
        left.append(entry_made.taken)
        assert not await store.keys.change("unknown", "x", "authOnly")
        left.append(entry_made.taken)
        with pytest.raises(Refused):
            await store.tokens.add(TokenRow("hash", "nobody", 1), 5)
        left.append(entry_made.taken)

    await within(entry_made, in_vain)
    assert left == [False, False, False]
    assert await targets(store) == []
    await within(entry_made, in_vain, lambda: store.keys.change(KEY.key_hash, "New", "authOnly"))
    assert await targets(store) == ["later"]
    await store.close()


async def test_nothing_is_recorded_for_a_request_that_has_failed(open_store):
    store = await open_audited(open_store)
    entry_made = entry("failed", over=True)
    await within(entry_made, lambda: store.users.add(DAVE), lambda: store.keys.add(KEY))
    assert await targets(store) == []
    assert await store.users.get("dave") is not None
    await store.close()


async def test_writes_without_a_key_are_not_recorded(open_store):
    store = await open_audited(open_store)
    await store.users.add(DAVE)
    assert await targets(store) == []
    await store.close()


async def test_audit_entry_of_a_send_is_stored_exactly_once(open_store):
    store = await open_audited(open_store)
    entry_made = entry("send", kind="use")
    draft = Draft("u/a/b", "a", "b", "user", "message", "text", b'{"x":1}', 1)
    await within(entry_made, lambda: store.messages.add(draft))
    if not entry_made.taken:  # what a request does when it has succeeded
        await store.audit.add(entry_made)
    assert await targets(store) == ["send"]
    await store.close()


async def test_entries_are_filtered_and_read_in_pages(open_store):
    store = await open_audited(open_store)
    for n, kind in enumerate(("change", "behalf", "use", "change")):
        store.audit._world.now = Clock.now + n
        await store.audit.add(
            entry(f"t{n}", kind=kind, actor=f"k{n % 2}", action=f"A{n}", on_behalf_of="bob" if n == 1 else "")
        )

    async def find_targets(**criteria) -> list[str]:
        return [row.target for row in await store.audit.find(AuditFilter(**{"limit": 10, **criteria}))]

    assert await find_targets() == ["t3", "t2", "t1", "t0"]
    first = await store.audit.find(AuditFilter(limit=2))
    assert await find_targets(before=first[-1].id) == ["t1", "t0"]
    assert await find_targets(kind="change") == ["t3", "t0"]
    assert await find_targets(actor="k1") == ["t3", "t1"]
    assert await find_targets(on_behalf_of="bob") == ["t1"]
    assert await find_targets(action="A2") == ["t2"]
    assert await find_targets(target="t0") == ["t0"]
    assert await find_targets(since=Clock.now + 1, until=Clock.now + 2) == ["t2", "t1"]
    await store.close()


async def test_last_entry_of_an_action_is_the_newest_of_that_action(open_store):
    store = await open_audited(open_store)
    assert await store.audit.last_entry("settings") is None
    for action, target in (("settings", "first"), ("settings", "second"), ("other", "third")):
        await store.audit.add(entry(target, action=action))
    assert (await store.audit.last_entry("settings")).target == "second"
    await store.close()


async def test_old_entries_are_not_shown_and_are_removed(open_store):
    store = await open_audited(open_store)
    await store.audit.add(entry("old"))
    store.audit._world.now = Clock.now + 3601
    assert await targets(store) == []
    await store.audit.add(entry("new"))
    await clean(store)
    assert await all_targets(store) == ["new"]
    await store.close()


async def test_limit_of_audit_entries_applies_to_each_kind_separately(open_store):
    store = await open_audited(open_store)
    store.audit.set_limits(seconds=3600, entries=3)
    for n in range(5):
        await store.audit.add(entry(f"change{n}"))
        await store.audit.add(entry(f"use{n}", kind="use"))
        if n > 0:
            await store.audit.add(entry(f"behalf{n}", kind="behalf"))
    await clean(store)
    assert await all_targets(store) == [f"{kind}{n}" for n in (2, 3, 4) for kind in ("change", "use", "behalf")]
    await store.close()


async def test_audit_retention_of_zero_seconds_stores_no_entries(open_store):
    store = await open_audited(open_store)
    store.audit.set_limits(seconds=0, entries=100)
    await within(entry("x"), lambda: store.users.add(DAVE))
    await within(entry("y"), lambda: store.keys.add(KEY))
    await store.audit.add(entry("z"))
    assert await all_targets(store) == []
    assert await store.users.get("dave") is not None
    await store.close()


async def all_targets(store) -> list[str]:
    return [row[0] for row in await store.database.rows("SELECT target FROM audit ORDER BY id")]


async def clean(store) -> None:
    """Remove old entries, as a store on PostgreSQL does from time to time, and one on SQLite with each new entry."""
    if hasattr(store, "upkeep"):
        await store.upkeep.clean()


async def test_store_measures_its_size_and_the_duration_of_each_transaction(open_store):
    store = await open_audited(open_store)
    seconds: list[float] = []
    store.measures.on_transaction(seconds.append)
    await store.users.add(DAVE)
    assert len(seconds) == 1
    assert 0 < seconds[0] < 60
    size, log = await store.measures.database()
    assert size > 10_000
    assert (log is None) == hasattr(store, "upkeep")
    assert await store.measures.uploads() == 0
    await store.close()
