"""Several server processes on one PostgreSQL database."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness import DISCONNECTED, Actor
from servers.postgres import PostgresServer
from servers.prepared import PreparedServer
from servers.schema import prepare
from servers.several import SeveralServers
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.testing.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def backend_client(server: ServerProcess, api_key: str) -> httpx2.AsyncClient:
    """Return a backend's client of one server."""
    return httpx2.AsyncClient(
        base_url=f"{server.url}/v3", headers={"appid": server.app_id, "apikey": api_key, "accept": "application/json"}
    )


@asynccontextmanager
async def client(server: ServerProcess, uid: str, auth_key: str, **settings: bool) -> AsyncIterator[Actor]:
    """Return a client that is connected to one server."""
    builder = AppSettingsBuilder().override_client_host(server.url)
    if settings.get("presence"):
        builder.subscribe_presence_for_all_users()
    actor = Actor(ChatClient(server.app_id, builder.build(), session_store=MemorySessionStore()))
    await actor.chat.init()
    actor.listen()
    try:
        await actor.chat.login(uid, auth_key=auth_key)
        await actor.wait_connected()
        yield actor
    finally:
        await actor.chat.aclose()


async def test_two_servers_can_start_at_once_on_an_empty_database(postgres, tmp_path: Path):
    """One server creates the schema, the app and its keys; both accept these keys."""
    url = postgres.create_database()
    several = SeveralServers(tmp_path, url, count=0)
    async with several:
        one, other = await asyncio.gather(several.add(), several.add())
        assert one.app_id == other.app_id
        assert one.api_key == other.api_key != ""
        async with backend_client(one, one.api_key) as at_one, backend_client(other, one.api_key) as at_other:
            made = await at_one.post("/users", json={"uid": "dave", "name": "Dave"})
            assert made.status_code == 200
            assert (await at_other.get("/users/dave")).json()["data"]["name"] == "Dave"
            await asyncio.gather(
                *(
                    at.post("/messages", json=_text(f"{n}"), headers={"onBehalfOf": "bob"})
                    for n in range(5)
                    for at in (at_one, at_other)
                )
            )
            found = await at_other.get("/users/alice/messages", headers={"onBehalfOf": "bob"})
            assert len(found.json()["data"]) == 10
    assert several.tracebacks == []


def _text(text: str) -> dict[str, object]:
    return {"receiver": "alice", "receiverType": "user", "category": "message", "type": "text", "data": {"text": text}}


async def test_server_whose_data_folder_has_other_keys_does_not_start(postgres_url: str, tmp_path: Path):
    async with SeveralServers(tmp_path, postgres_url, count=1) as several:
        stranger = PreparedServer(tmp_path, {"TAILWIRE_DATABASE": postgres_url})
        stranger.data = tmp_path / "elsewhere"
        with pytest.raises(RuntimeError, match=r"copy signing\.key and webhooks\.key from that server's data folder"):
            await stranger.start()
        for name in ("signing.key", "webhooks.key"):
            (stranger.data / name).write_bytes((several.servers[0].data / name).read_bytes())
        await stranger.start()
        await stranger.kill()


async def test_killed_server_that_lost_its_keys_starts_with_new_ones(postgres_url: str, tmp_path: Path):
    """The server waits until the lease of the killed process, which had the old keys, has ended."""
    async with SeveralServers(tmp_path, postgres_url, count=1) as several:
        (server,) = several.servers
        key = server.auth_key
        signing_key = (server.data / "signing.key").read_bytes()
        await server.kill()
        (server.data / "signing.key").unlink()
        await server.start()
        assert (server.data / "signing.key").read_bytes() != signing_key
        async with client(server, "bob", key) as bob:
            assert (await bob.say("alice", "back")).id
    assert several.tracebacks == []


async def test_paused_server_is_declared_dead_and_continues_when_it_wakes(postgres, postgres_url: str, tmp_path: Path):
    def processes() -> list[str]:
        return postgres.sql(
            "SELECT id FROM processes ORDER BY id", postgres_url.rpartition("?")[0].rpartition("/")[2]
        ).split()

    async with SeveralServers(tmp_path, postgres_url) as several:
        paused, other = several.servers
        before = await asyncio.to_thread(processes)
        os.kill(paused.pid, signal.SIGSTOP)
        await other.until_logged("is taken for dead: its lease was not renewed")
        assert await asyncio.to_thread(processes) == before[1:]
        os.kill(paused.pid, signal.SIGCONT)
        async with (
            backend_client(paused, paused.api_key) as at_paused,
            backend_client(other, paused.api_key) as at_other,
        ):
            sent = await at_paused.post("/messages", json=_text("awake"), headers={"onBehalfOf": "bob"})
            assert sent.status_code == 200
            await paused.until_logged("it continues under a new identity")
            found = await at_other.get("/users/alice/messages", headers={"onBehalfOf": "bob"})
            assert [m["data"]["text"] for m in found.json()["data"] if m["category"] == "message"] == ["awake"]
        after = await asyncio.to_thread(processes)
        assert (after[0], len(after)) == (before[1], 2)
        assert int(after[1]) > int(before[1])
    assert several.tracebacks == []


async def test_files_are_removed_when_they_are_due_although_the_server_that_cleans_up_was_killed(
    postgres, postgres_url: str, tmp_path: Path
):
    """A file without a reference goes, and so does that of a deleted message; one that a message refers to stays."""
    database = postgres_url.rpartition("?")[0].rpartition("/")[2]
    due = {"TAILWIRE_UNUSED_FILES_AFTER": "8", "TAILWIRE_DELETED_FILES_AFTER": "8"}
    async with SeveralServers(tmp_path, postgres_url, settings=due) as several:
        first, other = several.servers
        holder = "SELECT p.name FROM leases l JOIN processes p ON p.id = l.process WHERE l.name = 'cleanup'"
        assert str(first.pid) in await asyncio.to_thread(postgres.sql, holder, database)
        uploads = first.data / "uploads"
        async with backend_client(other, first.api_key) as http:
            alice = {"onBehalfOf": "alice"}

            async def send(name: str) -> dict[str, Any]:
                fields = {"receiver": "bob", "receiverType": "user", "type": "file", "data": "{}"}
                sent = await http.post("/messages", headers=alice, data=fields, files={"f": (name, b"hello")})
                return sent.json()["data"]

            kept, deleted = await send("kept.txt"), await send("deleted.txt")
            wanted = {"files": {"f": {"name": "unused.txt", "size": 5}}}
            form = (await http.post("/files/upload-url", headers=alice, json=wanted)).json()["data"]["f"]
            fields = form["request"]["body"]
            assert (
                await http.post(form["request"]["url"], data=fields, files={"f": ("a", b"hello")})
            ).status_code == 204
            await http.delete(f"/messages/{deleted['id']}", headers=alice)
            assert len(list(uploads.glob("*.txt"))) == 3
            await first.kill()
            async with asyncio.timeout(60):
                while len(list(uploads.glob("*.txt"))) > 1:
                    await asyncio.sleep(0.1)
            assert str(other.pid) in await asyncio.to_thread(postgres.sql, holder, database)
            assert (await http.get(kept["data"]["url"])).content == b"hello"
    assert several.tracebacks == []


async def test_token_revoked_at_one_server_is_invalid_at_the_other(postgres_url: str, tmp_path: Path):
    """Requests with it are refused there, and its socket is closed; the time this takes is measured."""
    seconds: list[float] = []
    async with SeveralServers(tmp_path, postgres_url) as several:
        one, other = several.servers
        key = one.api_key
        async with backend_client(one, key) as at_one, httpx2.AsyncClient(base_url=f"{other.url}/v3") as at_other:
            for _ in range(10):
                made = await at_one.post("/users/alice/auth_tokens", json={})
                token = made.json()["data"]["authToken"]
                headers = {"appid": other.app_id, "authtoken": token}
                for _ in range(3):  # so that the other server remembers the token
                    assert (await at_other.get("/me", headers=headers)).status_code == 200
                assert (await at_one.delete(f"/users/alice/auth_tokens/{token}")).status_code == 200
                began = asked_at = time.monotonic()
                async with asyncio.timeout(20):
                    while (await at_other.get("/me", headers=headers)).status_code == 200:
                        asked_at = time.monotonic()
                seconds.append(asked_at - began)  # when the request was made that came before the first refused one
        async with backend_client(one, key) as at_one, client(other, "bob", one.auth_key) as bob:
            assert (await at_one.delete("/users/bob/auth_tokens")).status_code == 200
            began = time.monotonic()
            await bob.ears.until(lambda: DISCONNECTED in bob.ears.statuses)
            closed = time.monotonic() - began
    print(
        f"dead after {statistics.median(seconds) * 1000:.1f} ms (slowest {max(seconds) * 1000:.1f}), socket {closed * 1000:.1f}"
    )
    assert sorted(seconds)[2] < 0.1  # on a busy machine the others may take longer
    assert max(seconds) < 3.0
    assert closed < 20
    assert several.tracebacks == []


async def test_each_of_two_servers_knows_who_is_online_at_the_other(postgres_url: str, tmp_path: Path):
    """Each server knows who is online at the other; a user with apps at both is offline when both have gone."""
    async with SeveralServers(tmp_path, postgres_url, settings={"TAILWIRE_PRESENCE_GRACE": "0.5"}) as several:
        one, other = several.servers
        keys = one.auth_key, one.api_key
        await add_dave(one)
        async with (
            client(one, "carol", keys[0], presence=True) as carol,
            client(other, "dave", keys[0], presence=True) as dave,
        ):
            await until_online((one, other), keys[1], {"carol", "dave"})
            async with client(one, "alice", keys[0]):
                await dave.ears.until(lambda: "alice" in dave.ears.all("online"))
                async with client(other, "alice", keys[0]):
                    await until_online((one, other), keys[1], {"alice", "carol", "dave"})
                assert await online_at(one, keys[1]) == await online_at(other, keys[1]) == {"alice", "carol", "dave"}
            await dave.ears.until(lambda: bool(dave.ears.all("offline")))
            await carol.ears.until(lambda: bool(carol.ears.all("offline")))
            for actor in (carol, dave):
                heard = [(what, value) for _, what, value in actor.ears.heard if value == "alice"]
                assert [what for what, _ in heard if what in ("online", "offline")] == ["online", "offline"]
            await until_online((one, other), keys[1], {"carol", "dave"})
    assert several.tracebacks == []


async def add_dave(server: ServerProcess, api_key: str = "") -> None:
    async with backend_client(server, api_key or server.api_key) as http:
        assert (await http.post("/users", json={"uid": "dave", "name": "Dave"})).status_code == 200


async def online_at(server: ServerProcess, api_key: str) -> set[str]:
    async with backend_client(server, api_key) as http:
        found = await http.get("/users", params={"status": "online"})
        return {user["uid"] for user in found.json()["data"]}


async def until_online(servers: Iterable[ServerProcess], api_key: str, uids: set[str]) -> None:
    """Wait until each server says that just these users are online: it learns of users elsewhere a moment later."""
    for server in servers:
        found: set[str] = set()
        try:
            async with asyncio.timeout(20):
                while (found := await online_at(server, api_key)) != uids:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{sorted(found)} are online at {server.url}, not {sorted(uids)}") from None


async def test_users_of_a_killed_server_go_offline_once_unless_they_reconnect_elsewhere(
    postgres_url: str, tmp_path: Path
):
    async with SeveralServers(tmp_path, postgres_url, count=3) as several:
        killed, one, other = several.servers
        keys = killed.auth_key, killed.api_key
        await add_dave(one, keys[1])
        async with (
            client(one, "carol", keys[0], presence=True) as carol,
            client(other, "dave", keys[0], presence=True) as dave,
            client(killed, "alice", keys[0]),
            client(killed, "bob", keys[0]),
        ):
            for actor in (carol, dave):
                await actor.ears.until(lambda actor=actor: {"alice", "bob"} <= set(actor.ears.all("online")))
            await killed.kill()
            async with client(one, "bob", keys[0]):
                for actor in (carol, dave):
                    await actor.ears.until(lambda actor=actor: bool(actor.ears.all("offline")))
                await until_online((one, other), keys[1], {"bob", "carol", "dave"})
                for actor in (carol, dave):
                    heard = [what for _, what, value in actor.ears.heard if value == "bob" and what != "login"]
                    assert heard == ["online"], "bob came back elsewhere before the server was taken for dead"
                    assert actor.ears.all("offline") == ["alice"]
    assert several.tracebacks == []


async def test_data_in_memory_is_used_for_three_seconds_without_the_database(tmp_path: Path):
    """Later requests are refused with 503, because a token may have been revoked elsewhere meanwhile."""
    postgres = PostgresServer()
    try:
        postgres.start()
        async with SeveralServers(tmp_path, postgres.create_database(prepare), count=1) as several:
            (server,) = several.servers
            async with backend_client(server, server.api_key) as http:
                token = (await http.post("/users/alice/auth_tokens", json={})).json()["data"]["authToken"]
            headers = {"appid": server.app_id, "authtoken": token}
            answers: list[tuple[float, int]] = []
            async with httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers, timeout=30) as http:
                assert (await http.get("/me")).status_code == 200
                stopping = time.monotonic()
                await asyncio.to_thread(postgres.stop, "immediate")
                stopped = time.monotonic()
                async with asyncio.timeout(30):
                    while not answers or answers[-1][1] == 200:
                        asked_at = time.monotonic()
                        answers.append((asked_at, (await http.get("/me")).status_code))
                assert answers[-1][1] == 503
                assert answers[0][1] == 200, "it is served from memory at first"
                assert answers[-1][0] - stopping > 1.5
                assert answers[-2][0] - stopped < 3.5, "the last one that was served was asked for in time"
                await asyncio.to_thread(postgres.start)
                async with asyncio.timeout(30):
                    while (await http.get("/me")).status_code != 200:
                        pass
        assert several.tracebacks == []
    finally:
        postgres.close()


async def test_log_and_answers_to_gets_without_parameters_show_no_secrets_of_brokers_and_database(
    postgres_url: str, tmp_path: Path
):
    secrets = "pa55word-of-the-broker", "t0ken-of-the-broker", "pa55word-of-the-database"
    broker = f"nats://me:{secrets[0]}@127.0.0.1:1,nats://{secrets[1]}@127.0.0.1:2"
    settings = {"TAILWIRE_BROKER": broker, "TAILWIRE_LOG_LEVEL": "debug", "TAILWIRE_ACCESS_LOG": "true"}
    url = f"{postgres_url}&password={secrets[2]}"
    outputs: dict[str, str] = {}
    async with SeveralServers(tmp_path, url, count=1, settings=settings) as several:
        (server,) = several.servers
        await server.until_logged("NATS cannot be reached")
        async with backend_client(server, server.api_key) as http:
            described = (await http.get(f"{server.url}/openapi.json")).json()
            paths = [path for path, methods in described["paths"].items() if "get" in methods and "{" not in path]
            assert len(paths) > 20
            for path in paths:
                async with http.stream("GET", path) as answer:
                    assert answer.status_code < 500, path
                    endless = answer.headers["content-type"].startswith("text/event-stream")
                    outputs[path] = await anext(answer.aiter_text()) if endless else (await answer.aread()).decode()
            assert any("127.0.0.1:2" in text for text in outputs.values()), "an administrator sees where the broker is"
        assert await server.stop() == 0
    outputs["the log"] = "\n".join(server.log)
    assert [(place, secret) for place, text in outputs.items() for secret in secrets if secret in text] == []
    assert several.tracebacks == []
