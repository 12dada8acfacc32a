"""`tailwire prune` alongside a running server and on a stopped one, and a JWT on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import httpx2
import jwt
import pytest

from harness import LiveStage
from identity import EC, jwk
from servers.prepared import PreparedServer, run
from tailwire import MemorySessionStore
from tailwire.testing.server import ServerProcess

HUNDRED_DAYS = 100 * 86_400


def age(data: Path) -> None:
    """Make all messages and files a hundred days older."""
    with contextlib.closing(sqlite3.connect(data / "tailwire.db", timeout=10)) as c:
        c.execute(
            "UPDATE messages SET sent_at = sent_at - ?, updated_at = updated_at - ?", (HUNDRED_DAYS, HUNDRED_DAYS)
        )
        c.execute(
            "UPDATE files SET created_at = created_at - ?, unused_since = unused_since - ?",
            (HUNDRED_DAYS, HUNDRED_DAYS),
        )
        c.commit()
    for file in (data / "uploads").glob("*"):
        os.utime(file, (time.time() - HUNDRED_DAYS, time.time() - HUNDRED_DAYS))


def bytes_of_database(data: Path) -> bytes:
    return b"".join(file.read_bytes() for file in data.glob("tailwire.db*"))


def call(server: ServerProcess, method: str, path: str, **more) -> httpx2.Response:
    headers = {"appid": server.app_id, "apikey": server.api_key, "onBehalfOf": "alice"}
    return httpx2.request(method, path if "://" in path else f"{server.url}/v3{path}", headers=headers, **more)


async def ask(server: ServerProcess, method: str, path: str, **more) -> httpx2.Response:
    return await asyncio.to_thread(call, server, method, path, **more)


async def upload(server: ServerProcess) -> str:
    """Send a message with a file. Return the URL of the file."""
    data = {"receiver": "bob", "receiverType": "user", "type": "file", "category": "message"}
    sent = await ask(server, "POST", "/messages", data=data, files={"files": ("a.txt", b"hello " * 50)})
    assert sent.status_code == 200, sent.text
    return sent.json()["data"]["data"]["attachments"][0]["url"]


async def test_messages_are_removed_alongside_a_running_server(live: LiveStage):
    data, store = str(live.server.data), MemorySessionStore()
    alice, bob = await live.enter("alice"), await live.enter("bob", store=store)
    first = await alice.say("bob", "seen")
    await bob.ears.until(lambda: bob.ears.texts == ["seen"])
    await bob.chat.aclose()
    lost = [await alice.say("bob", f"old elephant {n}") for n in range(230)]
    url = await upload(live.server)
    age(live.server.data)
    kept = await alice.say("bob", "young")
    assert await run("prune", "--data", data, "--older-than", "90d", "--dry-run") == (
        0, "would remove up to 232 messages\n"
    )  # fmt: skip
    assert (await ask(live.server, "GET", f"/messages/{first.id}")).status_code == 200
    sending = asyncio.gather(*(alice.say("carol", f"meanwhile {n}") for n in range(50)))
    config = live.folder / "tailwire.toml"
    config.touch()
    assert await run("prune", "--data", data, "--older-than", "90d", "--config", str(config)) == (
        0, "removed 232 messages\n"
    )  # fmt: skip
    assert len({m.id for m in await sending}) == 50
    found = await ask(live.server, "GET", "/messages", params={"conversationId": "alice_user_bob"})
    assert [m["data"]["text"] for m in found.json()["data"]] == ["young"]
    assert (await ask(live.server, "GET", url)).status_code == 404
    assert (await ask(live.server, "GET", "/messages", params={"searchKey": "elephant"})).json()["data"] == []
    # A client that comes back receives the gap, and then what is left.
    bob = await live.enter("bob", store=store)
    await bob.ears.until(lambda: bob.ears.texts == ["young"])
    (gap,) = bob.ears.all("gap")
    assert gap.from_id <= first.id < lost[0].id < lost[-1].id <= gap.to_id < kept.id
    with contextlib.closing(sqlite3.connect(live.server.data / "tailwire.db")) as c:
        assert c.execute("PRAGMA quick_check").fetchone() == ("ok",)
        c.execute("INSERT INTO messages_fts (messages_fts) VALUES ('integrity-check')")
        (entries,) = c.execute("SELECT count(*) FROM audit WHERE action = 'tailwire prune'").fetchone()
    assert entries == 1
    assert b"elephant" not in bytes_of_database(live.server.data)


async def test_words_of_removed_messages_are_erased_once_another_process_no_longer_reads_them(live: LiveStage):
    alice = await live.enter("alice")
    for n in range(20):
        await alice.say("carol", f"old elephant {n}")
    age(live.server.data)
    path = live.server.data / "tailwire.db"
    with contextlib.closing(sqlite3.connect(path)) as reader, contextlib.closing(sqlite3.connect(path)) as observer:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        pruning = asyncio.create_task(run("prune", "--data", str(live.server.data), "--older-than", "90d"))
        async with asyncio.timeout(30):  # until the log is all that is left to erase
            while observer.execute("SELECT kind FROM chores").fetchall() != [("log",)]:
                await asyncio.sleep(0.05)
        assert b"elephant" in bytes_of_database(live.server.data)
        reader.rollback()
    code, out = await pruning
    assert (code, out.startswith("removed 20 messages\n")) == (0, True), out
    assert b"elephant" not in bytes_of_database(live.server.data)


async def test_files_and_orphans_are_removed_on_a_stopped_server(tmp_path):
    server = PreparedServer(tmp_path, None, "--demo-users")
    async with server:
        urls = [await upload(server) for _ in range(3)]
        data = {"receiver": "bob", "receiverType": "user", "type": "text", "data": {"text": "x"}}
        assert (await ask(server, "POST", "/messages", json=data)).status_code == 200
        await server.stop()
    uploads, data = server.data / "uploads", str(server.data)
    names = [url.rpartition("/")[2] for url in urls]
    stray, fresh, foreign = uploads / ("f" * 40 + ".png"), uploads / ("e" * 40 + "-small.jpg"), uploads / "README"
    for file in (stray, fresh, foreign):
        file.write_bytes(b"12345")
    with contextlib.closing(sqlite3.connect(server.data / "tailwire.db")) as c:
        c.execute("DELETE FROM file_uses WHERE name = ?", (names[1],))  # as if its message had never been sent
        c.execute("UPDATE files SET used = 0, unused_since = created_at WHERE name = ?", (names[1],))
        c.commit()
    age(server.data)
    fresh.touch()
    (uploads / names[2]).unlink()
    summary = (
        "1 uploads that nothing refers to, 1 files without a record (305 bytes in total), 1 records without a file\n"
    )
    assert await run("prune", "--data", data, "--orphans", "--dry-run") == (0, f"found {summary}")
    assert stray.exists()
    assert await run("prune", "--data", data, "--orphans") == (0, f"removed {summary}")
    assert sorted(f.name for f in uploads.iterdir()) == sorted([names[0], fresh.name, foreign.name])
    code, summary = await run("prune", "--data", data, "--orphans", "--dry-run")
    assert (code, summary.startswith("found 0 uploads that nothing refers to, 0 files")) == (0, True)
    assert await run("prune", "--data", data, "--older-than", "90d", "--files", "--dry-run") == (
        0, "would remove up to 4 messages and 1 files (300 bytes)\n"
    )  # fmt: skip
    assert await run("prune", "--data", data, "--older-than", "200d", "--files") == (
        0,
        "removed 0 messages and 0 files\n",
    )
    assert await run("prune", "--data", data, "--older-than", "90d", "--files") == (
        0,
        "removed 4 messages and 1 files\n",
    )
    assert not (uploads / names[0]).exists()
    async with server:
        assert (await ask(server, "GET", urls[0])).status_code == 404


async def test_prune_leaves_files_without_a_reference_to_the_server_unless_it_knows_the_settings(tmp_path):
    server, data = PreparedServer(tmp_path, None, "--demo-users"), str(tmp_path / "data")
    async with server:
        names = [(await upload(server)).rpartition("/")[2] for _ in range(3)]
        await server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "tailwire.db")) as c:
        c.execute("DELETE FROM file_uses WHERE name <> ?", (names[0],))
        c.execute("UPDATE files SET used = 0, unused_since = created_at WHERE name = ?", (names[1],))  # never sent
        c.execute("UPDATE files SET unused_since = created_at WHERE name = ?", (names[2],))  # its message was deleted
        c.commit()
    age(server.data)
    config = tmp_path / "tailwire.toml"

    async def prune(*arguments: str, **variables: str) -> list[bool]:
        code, out = await run("prune", "--data", data, *arguments, **variables)
        assert (code, "left to the server" in out) == (0, out.startswith("removed 3")), out
        return [(server.data / "uploads" / name).exists() for name in names]

    assert await prune("--older-than", "200d") == [True, True, True]
    config.write_text("unused_files_after = 0\ndeleted_files_after = 31536000\n")
    assert await prune("--older-than", "200d", "--config", str(config)) == [True, True, True]
    assert await prune("--older-than", "90d") == [True, True, True]
    assert await prune("--older-than", "90d", TAILWIRE_UNUSED_FILES_AFTER="60") == [True, False, True]
    config.write_text("")
    assert await prune("--older-than", "90d", "--config", str(config)) == [False, False, False]


async def test_orphans_are_refused_if_the_files_are_not_where_the_command_looks(tmp_path):
    server, data = PreparedServer(tmp_path, None, "--demo-users"), str(tmp_path / "data")
    async with server:
        urls = [await upload(server) for _ in range(2)]
        age(server.data)
        uploads, elsewhere = server.data / "uploads", tmp_path / "elsewhere"
        uploads.rename(elsewhere)
        text = f"2 of 2 files of the database are not in {uploads}, which does not exist. Look whether"
        for arguments in (("--orphans",), ("--orphans", "--older-than", "90d"), ("--orphans", "--dry-run")):
            code, out = await run("prune", "--data", data, *arguments)
            assert (code, text in out, "--force" in out) == (1, True, True), out
        uploads.mkdir()  # where a disk would be mounted
        code, out = await run("prune", "--data", data, "--orphans")
        assert (code, f"2 of 2 files of the database are not in {uploads}. Look whether" in out) == (1, True), out
        uploads.rmdir()
        elsewhere.rename(uploads)
        assert [(await ask(server, "GET", url)).status_code for url in urls] == [200, 200]
        found = await ask(server, "GET", "/messages", params={"conversationId": "alice_user_bob"})
        assert len(found.json()["data"]) == 2
        shutil.rmtree(uploads)
        code, out = await run("prune", "--data", data, "--orphans", "--force")
        assert (code, out.endswith("2 records without a file\n")) == (0, True), out
        code, out = await run("prune", "--data", data, "--orphans")
        assert (code, out.endswith("0 records without a file\n")) == (0, True), out


async def test_orphans_are_refused_if_the_database_does_not_know_most_of_the_files(tmp_path):
    server, data = PreparedServer(tmp_path, None, "--demo-users"), str(tmp_path / "data")
    async with server:
        url = await upload(server)
        await server.stop()
    strays = [server.data / "uploads" / f"{n:040}.txt" for n in range(11)]
    for file in strays:
        file.write_bytes(b"12345")
    age(server.data)
    code, out = await run("prune", "--data", data, "--orphans")
    assert (code, "no record of 11 of 12 files" in out, "--force" in out) == (1, True, True), out
    assert all(file.exists() for file in strays)
    code, out = await run("prune", "--data", data, "--orphans", "--force")
    assert (code, "11 files without a record" in out) == (0, True), out
    assert not any(file.exists() for file in strays)
    async with server:
        assert (await ask(server, "GET", url)).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("--older-than", "90d", "--force"), "--force needs --orphans"),
        ((), "--older-than 90d, or --orphans"),
        (("--files",), "--older-than"),
        (("--older-than", "0d"), "more than 0"),
        (("--older-than", "90"), "like 90d"),
        (("--older-than", "-1d"), ""),
    ],
)
async def test_prune_without_valid_arguments_removes_nothing(tmp_path, arguments, output):
    (tmp_path / "tailwire.db").touch()
    code, out = await run("prune", "--data", str(tmp_path), *arguments)
    assert (code, output in out) == (2, True), out
    assert (tmp_path / "tailwire.db").stat().st_size == 0


async def test_jwt_signed_with_a_key_from_a_file_logs_in_on_a_real_server(tmp_path):
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [jwk(EC, "ec-1")]}))
    arguments = ("--auth-jwt-keys", str(jwks), "--auth-jwt-issuer", "me", "--auth-jwt-audience", "chat")
    server = PreparedServer(tmp_path, None, "--auth-jwt-create-users", *arguments)
    claims = {"iss": "me", "aud": "chat", "sub": "dora", "name": "Dora", "exp": int(time.time()) + 600}
    token = jwt.encode(claims, EC, "ES256", headers={"kid": "ec-1"})
    stage = LiveStage(tmp_path)
    stage.server = server
    async with stage:
        actor = stage.actor()
        await actor.chat.init()
        actor.listen()
        assert (await actor.chat.login_with_auth_token(token)).name == "Dora"
        await actor.wait_connected()
        assert "1 keys were read" in await server.until_logged("auth_jwt_keys")
