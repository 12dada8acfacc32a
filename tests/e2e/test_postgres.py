"""A server on PostgreSQL, in its own process, with clients over real sockets."""

from __future__ import annotations

import asyncio
import os
import sys

import httpx2
import pytest

from faults.traffic import Traffic
from harness import LiveStage
from servers.prepared import run
from tailwire import CometChatException, Group

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def on_postgres(live: LiveStage, postgres_url: str) -> LiveStage:
    """Put the server's database on PostgreSQL."""
    live.server._settings["TAILWIRE_DATABASE"] = postgres_url
    return live


async def test_two_clients_chat_and_lose_nothing_when_the_server_is_killed(live: LiveStage, on_postgres: LiveStage):
    """The server is killed with -9 amid sends, and started again, three times."""
    async with Traffic(live) as traffic:
        for _ in range(3):
            await traffic.until(30)
            await live.server.kill()
            await live.server.start()
        await traffic.until(30)
    assert not list(live.server.data.glob("tailwire.db*")), "the database is elsewhere"
    assert not [line for line in live.server.log if "Traceback" in line]
    stored = {m.id: m.text async for m in traffic.bob.chat.messages(uid="alice", page_size=100)}
    assert {n: stored.get(n) for n in traffic.acknowledged} == traffic.acknowledged
    assert len(set(stored.values())) == len(stored)


async def test_members_of_a_group_receive_edits_reactions_and_receipts(live: LiveStage, on_postgres: LiveStage):
    alice, bob = await live.enter("alice"), await live.enter("bob")
    await alice.chat.create_group(Group(guid="g", name="G", type="public"))
    await bob.chat.join_group("g", "public")
    await alice.ears.until(lambda: bool(alice.ears.all("joined")))
    sent = await bob.say("g", "first", "group")
    await alice.ears.until(lambda: alice.ears.texts == ["first"])
    sent.text = "changed"
    await bob.chat.edit_message(sent)
    await alice.ears.until(lambda: bool(alice.ears.all("edited")))
    assert alice.ears.all("edited")[-1].text == "changed"
    await alice.chat.add_reaction(sent.id, "👍")
    await bob.ears.until(lambda: bool(bob.ears.all("reaction")))
    await alice.chat.mark_as_read(alice.ears.all("text")[0])
    await bob.ears.until(lambda: bool(bob.ears.all("read")))
    await bob.chat.delete_message(sent.id)
    await alice.ears.until(lambda: bool(alice.ears.all("deleted")))
    await alice.chat.kick_group_member("g", "bob")
    with pytest.raises(CometChatException) as caught:
        await bob.say("g", "too late", "group")
    assert caught.value.code == "ERR_NOT_A_MEMBER"
    assert not [line for line in live.server.log if "Traceback" in line]


async def test_members_learn_that_a_group_was_deleted(live: LiveStage, on_postgres: LiveStage):
    alice, bob = await live.enter("alice"), await live.enter("bob")
    await bob.chat.create_group(Group(guid="g", name="G", type="public"))
    await alice.chat.join_group("g", "public")
    await bob.say("g", "hello", "group")
    shown = await alice.chat.live_conversations()
    changed = asyncio.Event()
    shown.subscribe(lambda change: changed.set())
    assert [item.key for item in shown.items] == ["group/g"]
    await bob.chat.delete_group("g")
    async with asyncio.timeout(20):
        while shown.items:
            changed.clear()
            await changed.wait()


async def test_command_creates_a_user_in_the_database_of_the_server(
    live: LiveStage, on_postgres: LiveStage, postgres_url: str
):
    command = ("user", "create", "dave", "Dave", "--data", str(live.server.data))
    assert await run(*command, TAILWIRE_DATABASE=postgres_url) == (0, "created user dave\n")
    code, output = await run(*command, TAILWIRE_DATABASE=postgres_url)
    assert (code, "ERR_UID_ALREADY_EXISTS" in output) == (1, True)
    dave = await live.enter("dave")
    await dave.say("bob", "hello")


async def test_changes_by_keys_and_commands_are_in_the_audit_log(
    live: LiveStage, on_postgres: LiveStage, postgres_url: str
):
    server = live.server
    headers = {"appid": server.app_id, "apikey": server.api_key}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tailwire.cli.main", "user", "create", "dave", "Dave", "--data", str(server.data),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "TAILWIRE_DATABASE": postgres_url},
    )  # fmt: skip
    await process.communicate()
    assert process.returncode == 0
    async with httpx2.AsyncClient(base_url=server.url, headers=headers) as http:
        changed = await http.put("/v3/users/dave", json={"name": "David"})
        assert changed.status_code == 200
        await http.post("/v3/apikeys", json={"name": "second", "scope": "authOnly"})
        assert (await http.delete("/v3/users/nobody")).status_code == 404
        found = (await http.get("/v3/audit", params={"kind": "change"})).json()["data"]
    shown = [(entry["action"], entry.get("target", ""), entry.get("keyName", "")) for entry in reversed(found)]
    assert [entry for entry in shown if entry[0] != "settings"] == [
        ("tailwire user create", "dave", ""),
        ("PUT /users/{uid}", "dave", "REST API Key"),
        ("POST /apikeys", "second", "REST API Key"),
    ]
    by_action = {entry["action"]: entry for entry in found}
    assert by_action["tailwire user create"]["actor"] == "command line"
    assert by_action["PUT /users/{uid}"]["requestId"] == changed.headers["x-request-id"]


async def test_size_of_the_database_and_commits_are_in_the_metrics(live: LiveStage, on_postgres: LiveStage):
    alice = await live.enter("alice")
    await alice.say("bob", "hello")
    async with httpx2.AsyncClient() as http:
        metrics = (await http.get(f"{live.server.url}/metrics")).text
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert float(values["tailwire_database_bytes"]) > 1_000_000
    assert float(values["tailwire_commit_seconds_count"]) > 0
    assert "tailwire_database_wal_bytes" not in values


async def test_database_that_cannot_be_reached_is_named_at_the_start(live: LiveStage, on_postgres: LiveStage):
    await live.server.stop()
    live.server._settings["TAILWIRE_DATABASE"] = "postgresql://nobody:secret@127.0.0.1:9/none"
    with pytest.raises(RuntimeError, match="the PostgreSQL database cannot be used") as caught:
        await live.server.start()
    assert "Traceback" not in str(caught.value)
    assert "secret" not in str(caught.value)
