"""The audit log: what API keys and commands did (docs/operating.md)."""

from __future__ import annotations

import asyncio
import logging
from sqlite3 import Connection
from typing import Any

import pytest

from harness import Stage
from rest import Rest
from tailwire.server.config import Settings
from tailwire.server.ports.audit import AuditEntry, current_entry
from tailwire.server.ports.refusal import Refused
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import VirtualServer


async def entries(rest: Rest, query: str = "kind=change") -> list[dict[str, Any]]:
    """Return entries, oldest first, without those of settings."""
    found = await rest("GET", f"/audit?{query}")
    return [entry for entry in reversed(found) if entry["action"] != "settings"]


def action_and_target(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["action"], entry.get("target", "")


CHANGES = [
    ("POST", "/users", {"uid": "dora", "name": "Dora"}, "dora"),
    ("PUT", "/users/dora", {"name": "D."}, "dora"),
    ("POST", "/users/dora/auth_tokens", {}, "dora"),
    ("DELETE", "/users/dora/auth_tokens", {}, "dora"),
    ("DELETE", "/users", {"uidsToDeactivate": ["dora", "bob"]}, "dora bob"),
    ("PUT", "/users", {"uidsToActivate": ["bob"]}, "bob"),
    ("DELETE", "/users/carol", {"permanent": True}, "carol"),
    ("POST", "/roles", {"role": "guest", "name": "Guest"}, "guest"),
    ("PUT", "/roles/guest", {"name": "G."}, "guest"),
    ("DELETE", "/roles/guest", {}, "guest"),
    ("POST", "/groups", {"guid": "team", "name": "Team", "type": "public", "owner": "alice"}, "team"),
    ("DELETE", "/groups/team", {}, "team"),
    ("POST", "/webhooks", {"id": "w", "name": "W", "webhookUrl": "https://w.example/", "triggers": ["message_sent"]}, "w"),
    ("PUT", "/webhooks/w", {"enabled": False}, "w"),
    ("DELETE", "/webhooks/w", {}, "w"),
]  # fmt: skip


async def test_changes_of_users_tokens_roles_groups_and_webhooks_with_an_api_key_have_one_entry_each(stage: Stage):
    async with Rest(stage) as rest:
        for method, path, body, _ in CHANGES:
            await rest(method, path, json=body)
        found = await entries(rest)
        (key,) = [key for key in await rest("GET", "/apikeys") if key["scope"] == "fullAccess"]
    templates = {"dora": "{uid}", "carol": "{uid}", "guest": "{role}", "team": "{guid}", "w": "{id}"}
    expected = [
        (f"{method} " + "/".join(templates.get(part, part) for part in path.split("/")), target)
        for method, path, _, target in CHANGES
    ]
    assert [action_and_target(entry) for entry in found] == expected
    assert {entry["actor"] for entry in found} == {key["id"]}
    assert {entry["keyName"] for entry in found} == {"REST API Key"}
    assert all(entry["address"] and entry["requestId"] and entry["at"] > 1_700_000_000 for entry in found)
    by_target = {action_and_target(entry): entry.get("details", "") for entry in found}
    assert by_target["DELETE /users/{uid}", "carol"] == "permanent"
    assert by_target["PUT /webhooks/{id}", "w"] == "enabled"


async def test_entries_name_api_keys_by_their_ids_and_contain_no_key_or_token(stage: Stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "second", "scope": "fullAccess"})
        await rest("POST", "/users", json={"uid": "dora", "name": "Dora"}, headers={"apikey": made["apiKey"]})
        await rest("DELETE", f"/apikeys/{made['apiKey']}")
        token = await rest.token("alice")
        await rest("DELETE", f"/users/alice/auth_tokens/{token}")
        found = await entries(rest)
        assert [action_and_target(entry)[1] for entry in found[1:3]] == ["dora", made["id"]]
        assert found[1]["actor"] == made["id"]
        assert found[1]["keyName"] == "second"  # even after the key was deleted
        shown = str(found)
    assert made["apiKey"] not in shown
    assert token not in shown


async def test_changes_with_an_auth_key_are_recorded(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users", json={"uid": "dora", "name": "Dora"}, headers={"apikey": stage.server.auth_key})
        (found,) = await entries(rest)
        keys = {key["scope"]: key["id"] for key in await rest("GET", "/apikeys")}
    assert found["actor"] == keys["authOnly"]


async def test_changes_by_users_are_not_recorded(stage: Stage):
    async with Rest(stage) as rest:
        await rest("PUT", "/me", as_="alice", json={"name": "A."})
        await rest("POST", "/groups", as_="alice", json={"guid": "own", "name": "Own", "type": "public"})
        assert await entries(rest) == []


async def test_refused_requests_are_not_recorded(stage: Stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_UID_ALREADY_EXISTS", "POST", "/users", json={"uid": "alice", "name": "Alice"})
        await rest.refused("ERR_UID_NOT_FOUND", "DELETE", "/users/nobody", json={})
        assert await entries(rest) == []


async def test_write_that_ends_after_its_request_was_refused_creates_no_entry(stage: Stage, monkeypatch):
    parts, refused_event, begun = stage.server.parts, asyncio.Event(), []

    async def later() -> None:
        await refused_event.wait()
        await parts.store.users.store_last_online("alice", 5)

    async def create(new: Any) -> None:
        begun.append(asyncio.create_task(later()))
        raise Refused("ERR_UID_ALREADY_EXISTS")

    monkeypatch.setattr(parts.actions.users, "create", create)
    async with Rest(stage) as rest:
        await rest.refused("ERR_UID_ALREADY_EXISTS", "POST", "/users", json={"uid": "dora", "name": "Dora"})
        refused_event.set()
        await begun[0]
        assert (await parts.store.users.get("alice")).last_active_at == 5
        assert await entries(rest) == []


async def test_reads_and_sends_for_a_user_are_recorded_once_in_ten_minutes(stage: Stage):
    body = {"receiver": "bob", "receiverType": "user", "data": {"text": "hello"}}
    async with Rest(stage) as rest:
        for _ in range(3):
            await rest("GET", "/users/bob", behalf="alice")
            await rest("POST", "/messages", behalf="alice", json=body)
        await rest("GET", "/users/bob", behalf="carol")
        found = await entries(rest, "kind=use&action=GET /users/{uid}")
        assert [entry["onBehalfOf"] for entry in found] == ["alice", "carol"]
        (sent,) = await entries(rest, "action=POST /messages")
        assert (sent["kind"], sent["onBehalfOf"]) == ("use", "alice")
        await stage.pass_time(601)
        await rest("GET", "/users/bob", behalf="alice")
        assert len(await entries(rest, "onBehalfOf=alice&action=GET /users/{uid}")) == 2


async def test_refused_read_does_not_suppress_the_entry_of_the_next_read(stage: Stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/nobody", behalf="alice")
        await rest("GET", "/users/bob", behalf="alice")
        (entry,) = await entries(rest, "kind=use&action=GET /users/{uid}")
        assert entry["target"] == "bob"


async def test_reads_succeed_while_the_log_cannot_be_written_and_are_recorded_afterwards(stage: Stage, monkeypatch):
    tries = []

    async def fail(entry: AuditEntry) -> None:
        tries.append(entry.target)
        raise Refused("ERR_UNAVAILABLE")

    async with Rest(stage) as rest:
        with monkeypatch.context() as full:
            full.setattr(stage.server.parts.store.audit, "add", fail)
            for uid in ("alice", "bob"):
                await rest("GET", f"/users/{uid}", behalf="alice")
        assert tries == ["alice"]
        await stage.pass_time(11)
        await rest("GET", "/users/carol", behalf="alice")
        (entry,) = await entries(rest, "kind=use&action=GET /users/{uid}")
        assert entry["target"] == "carol"


async def test_repeated_changes_on_behalf_of_a_user_are_each_recorded(stage: Stage):
    async with Rest(stage) as rest:
        for name in ("First", "Second"):
            await rest("PUT", "/me", behalf="alice", json={"name": name})
        found = await entries(rest, "onBehalfOf=alice")
    assert [(entry["kind"], action_and_target(entry)[0]) for entry in found] == [("behalf", "PUT /me")] * 2
    assert {entry["details"] for entry in found} == {"name"}


async def test_each_edited_and_deleted_message_has_an_entry(stage: Stage):
    body = {"receiver": "bob", "receiverType": "user", "data": {"text": "hello"}}
    async with Rest(stage) as rest:
        ids = [(await rest("POST", "/messages", as_="alice", json=body))["id"] for _ in range(3)]
        for number in ids:
            await rest("PUT", f"/messages/{number}", behalf="alice", json={"data": {"text": "edited"}})
            await rest("DELETE", f"/messages/{number}")
        deleted = await entries(rest, "kind=change&action=DELETE /messages/{id}")
        edited = await entries(rest, "kind=behalf&action=PUT /messages/{id}")
    assert [entry["target"] for entry in deleted] == ids
    assert [(entry["target"], entry["onBehalfOf"]) for entry in edited] == [(number, "alice") for number in ids]


async def create_a_user_each_minute(stage: Stage, rest: Rest) -> None:
    """Create the users `u0` to `u4`."""
    for n in range(5):
        await rest("POST", "/users", json={"uid": f"u{n}", "name": "U"})
        await stage.pass_time(60)


async def test_log_is_read_in_pages(stage: Stage):
    async with Rest(stage) as rest:
        await create_a_user_each_minute(stage, rest)
        first = (await rest.answer("GET", "/audit?kind=change&action=POST /users&limit=2")).json()
        assert [entry["target"] for entry in first["data"]] == ["u4", "u3"]
        before = first["meta"]["next"]["before"]
        second = (await rest.answer("GET", f"/audit?action=POST /users&limit=3&before={before}")).json()
        assert [entry["target"] for entry in second["data"]] == ["u2", "u1", "u0"]
        assert second["meta"]["next"] == {}


async def test_log_is_filtered_by_time_target_and_actor(stage: Stage):
    async with Rest(stage) as rest:
        await create_a_user_each_minute(stage, rest)
        times = {entry["target"]: entry["at"] for entry in await entries(rest, "action=POST /users")}
        query = f"action=POST /users&fromTimestamp={times['u1']}&toTimestamp={times['u2']}"
        assert [entry["target"] for entry in await entries(rest, query)] == ["u1", "u2"]
        assert [entry["target"] for entry in await entries(rest, "target=u3")] == ["u3"]
        assert await entries(rest, "actor=nobody") == []


async def test_invalid_filters_of_the_log_are_refused(stage: Stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "GET", "/audit?kind=other")
        await rest.refused("ERR_BAD_REQUEST", "GET", "/audit?limit=0")


async def test_only_a_key_with_full_access_reads_the_log(stage: Stage):
    async with Rest(stage) as rest:
        await rest.refused("AUTH_ERR_NO_ACCESS", "GET", "/audit", headers={"apikey": stage.server.auth_key})
        answer = await rest.answer("GET", "/audit", as_="alice")
        assert answer.status_code == 401


async def test_audit_entries_are_also_written_to_the_log_of_the_server(stage: Stage, caplog):
    caplog.set_level(logging.INFO, "tailwire.server")
    async with Rest(stage) as rest:
        await rest("DELETE", "/users/bob", json={})
    (line,) = [r.fields for r in caplog.records if r.getMessage() == "audit" and r.fields["target"] == "bob"]
    assert (line["action"], line["kind"]) == ("DELETE /users/{uid}", "change")
    assert line["actor"]


@pytest.mark.sqlite
async def test_entry_and_change_are_written_in_one_transaction(stage: Stage):
    store = stage.server.parts.store
    seen: list[tuple[int, int]] = []

    def both() -> tuple[int, int]:
        sql = (
            "SELECT (SELECT count(*) FROM users WHERE uid = 'dora'), (SELECT count(*) FROM audit WHERE target = 'dora')"
        )
        return store.database.writing.execute(sql).fetchone()

    store.database.on_commit(lambda last: seen.append(both()))
    async with Rest(stage) as rest:
        await rest("POST", "/users", json={"uid": "dora", "name": "Dora"})
    assert (1, 1) in seen
    assert (1, 0) not in seen
    assert (0, 1) not in seen


@pytest.mark.sqlite
async def test_change_is_undone_if_its_entry_cannot_be_written(stage: Stage):
    database = stage.server.parts.store.database
    refuse = "CREATE TRIGGER no_entries BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'no entries'); END"
    await database.run(refuse)
    async with Rest(stage) as rest:
        answer = await rest.answer("DELETE", "/users/bob", json={})
        assert answer.status_code == 500
        await database.run("DROP TRIGGER no_entries")
        assert (await rest("GET", "/users/bob"))["uid"] == "bob"


@pytest.mark.sqlite
async def test_entry_whose_write_failed_is_stored_with_the_next_write_that_changes_something(stage: Stage):
    store = stage.server.parts.store
    entry = AuditEntry("change", "actor", "action")

    def fail(c: Connection) -> None:
        c.execute("INSERT INTO friends VALUES ('x', 'y', 1)")
        raise ValueError("refused")

    async def request() -> None:
        current_entry.set(entry)
        with pytest.raises(ValueError, match="refused"):
            await store.database.write(fail)
        assert not entry.taken
        await store.database.write(lambda c: None)  # changes nothing
        assert not entry.taken
        for n in range(2):
            await store.database.run("INSERT INTO friends VALUES ('x', ?, 1)", (str(n),))

    await asyncio.create_task(request())
    rows = store.database.reader.execute("SELECT count(*) FROM audit WHERE action = 'action'").fetchone()
    assert rows == (1,)


@pytest.fixture
def bounded(stage: Stage, tmp_path, request) -> Stage:
    stage.server = VirtualServer(tmp_path, Settings(data=str(tmp_path), **UNLIMITED, **request.param))
    return stage


@pytest.mark.parametrize("bounded", [{"max_audit_entries": 5}], indirect=True)
async def test_log_is_bounded_and_reads_do_not_displace_changes(stage: Stage, bounded: Stage):
    async with Rest(stage) as rest:
        for n in range(8):
            await rest("POST", "/users", json={"uid": f"u{n}", "name": "U"})
        for n in range(20):
            await rest("GET", f"/users/u{n % 8}", behalf=f"u{n % 8}")
            await rest("PUT", "/me", behalf="u7", json={"name": f"{n}"})
        await stage.clean_up()
        found = await entries(rest)
        assert [entry["target"] for entry in found] == [f"u{n}" for n in range(3, 8)]
    await stage.clean_up()
    count = "SELECT kind, count(*) FROM audit GROUP BY kind"
    assert dict(await stage.server.parts.store.database.rows(count)) == {
        "change": 5,
        "behalf": 5,
        "use": 5,
    }


@pytest.mark.parametrize("bounded", [{"audit_kept_for": 3600.0}], indirect=True)
async def test_entries_expire(stage: Stage, bounded: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users", json={"uid": "old", "name": "U"})
        await stage.pass_time(3700)
        assert await entries(rest, "target=old") == []
        await rest("POST", "/users", json={"uid": "new", "name": "U"})
    await stage.clean_up()
    rows = await stage.server.parts.store.database.rows("SELECT target FROM audit WHERE target > ''")
    targets = {row[0] for row in rows}
    assert "old" not in targets
    assert "new" in targets


@pytest.mark.parametrize("bounded", [{"audit_kept_for": 0.0}], indirect=True)
async def test_log_can_be_turned_off(stage: Stage, bounded: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users", json={"uid": "dora", "name": "U"})
        assert await rest("GET", "/audit") == []
    assert (await stage.server.parts.store.database.first_row("SELECT count(*) FROM audit"))[0] == 0


async def test_changed_settings_are_recorded_when_the_server_starts(stage: Stage, tmp_path):
    async def recorded() -> list[str]:
        async with Rest(stage) as rest:
            return [entry["details"] for entry in await rest("GET", "/audit?action=settings")]

    (first,) = await recorded()
    assert "sends_per_minute=0" in first
    await stage.server.stop()
    await stage.server.start()
    assert await recorded() == [first]
    await stage.server.stop()
    key = stage.server.api_key
    stage.server = VirtualServer(tmp_path, Settings(data=str(tmp_path), max_name=50, **UNLIMITED))
    await stage.server.start()
    stage.server.api_key = key
    assert ["max_name=50" in details for details in await recorded()] == [True, False]
