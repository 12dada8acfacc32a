"""Restoring an older copy of the database: clients keep receiving, gaps are reported, and no id is used twice."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from harness import Stage
from tailwire import CometChatException, HistoryGap, MemorySessionStore
from tailwire.server.store.sqlite.starts import ID_MARGIN
from tailwire.testing.virtual.world import VirtualServer

pytestmark = (
    pytest.mark.sqlite
)  # on PostgreSQL: tests/faults/test_restored_postgres.py and tests/postgres/test_starts.py
DATABASE = ("tailwire.db", "tailwire.db-wal", "tailwire.db-shm")
FILES = (*DATABASE, "tailwire.db.ids")


def copy(stage: Stage, folder: Path) -> None:
    """Copy the running server's database with SQLite's backup, and the file of ids next to it."""
    folder.mkdir()
    data = Path(stage.server._settings.data)
    with sqlite3.connect(data / "tailwire.db") as c, sqlite3.connect(folder / "tailwire.db") as to:
        c.backup(to)
    c.close()
    to.close()
    shutil.copy(data / "tailwire.db.ids", folder)


async def put_back(stage: Stage, folder: Path, *, whole: bool) -> None:
    """Stop the server, restore a copy by hand, and start it again."""
    data = Path(stage.server._settings.data)
    await stage.server.kill()
    for name in FILES:
        if whole or not name.endswith(".ids"):
            (data / name).unlink(missing_ok=True)
    for file in folder.iterdir():
        if whole or not file.name.endswith(".ids"):
            shutil.copy(file, data)
    await stage.server.start()


@pytest.mark.spec("K1")
@pytest.mark.parametrize("whole", [False, True], ids=["database", "whole folder"])
async def test_clients_receive_new_messages_and_a_gap_after_a_restore(stage: Stage, tmp_path, whole: bool):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    for n in range(5):
        await alice.say("bob", f"before {n}")
    copy(stage, tmp_path / "copy")
    lost = [await alice.say("bob", f"lost {n}") for n in range(70)]
    await bob.ears.until(lambda: len(bob.ears.texts) == 75)
    await put_back(stage, tmp_path / "copy", whole=whole)
    carol = await stage.enter("carol")
    first = [await carol.say("bob", f"first {n}") for n in range(3)]  # bob is not connected yet, or only just
    await alice.wait_connected()
    after = [await alice.say("bob", f"after {n}") for n in range(3)]
    await bob.ears.until(lambda: len(bob.ears.texts) >= 81, timeout=90)
    assert sorted(bob.ears.texts[75:]) == sorted([*(f"first {n}" for n in range(3)), *(f"after {n}" for n in range(3))])
    assert HistoryGap(5, 75) in bob.ears.all("gap")
    if not whole:
        ids = [m.id for m in (*lost, *first, *after)]
        assert len(set(ids)) == len(ids)
        assert first[0].id > lost[-1].id + ID_MARGIN - 1


@pytest.mark.spec("K1")
async def test_restore_is_detected_after_many_new_messages_and_an_app_restart(stage: Stage, tmp_path):
    alice, store = await stage.enter("alice", auto=False), MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    await alice.say("bob", "before")
    copy(stage, tmp_path / "copy")
    for n in range(5):
        await alice.say("bob", f"lost {n}")
    await bob.ears.until(lambda: len(bob.ears.texts) == 6)
    await bob.chat.aclose()
    await put_back(stage, tmp_path / "copy", whole=True)  # the ids start again after 1
    for n in range(30):
        await alice.say("bob", f"new {n}")
    again = stage.actor(store=store)
    again.listen()
    await again.chat.init()
    await again.ears.until(lambda: len(again.ears.texts) == 30, timeout=60)
    assert again.ears.texts == [f"new {n}" for n in range(30)]
    await alice.say("bob", "live")
    await again.ears.until(lambda: again.ears.texts[-1] == "live")
    await again.chat.aclose()
    assert store.load(stage.server.app_id)["position"]["last_id"] == 32


@pytest.mark.spec("K1")
async def test_killed_server_keeps_its_store_name(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    names = set()
    for n in range(4):
        names.add(stage.server.parts.store.name)
        sent = await alice.say("bob", f"{n}")
        assert sent.id == n + 1
        await stage.server.kill()
        await stage.server.start()
        await alice.wait_connected()
    await bob.ears.until(lambda: bob.ears.texts == ["0", "1", "2", "3"], timeout=60)
    assert len(names) == 1
    assert bob.ears.all("gap") == []


@pytest.mark.spec("K1")
async def test_database_without_its_id_file_is_another_store(stage: Stage, tmp_path):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.say("bob", "one")
    await bob.ears.until(lambda: bob.ears.texts == ["one"])
    name = stage.server.parts.store.name
    await stage.server.stop()
    (Path(stage.server._settings.data) / "tailwire.db.ids").unlink()
    await stage.server.start()
    assert stage.server.parts.store.name != name
    await alice.wait_connected()
    assert (await alice.say("bob", "two")).id > 1_000_000
    await bob.ears.until(lambda: bob.ears.texts == ["one", "two"], timeout=60)
    assert bob.ears.all("gap") == []  # the server knows bob's position by its mark: nothing was missed


@pytest.mark.spec("K1")
async def test_position_saved_by_an_earlier_client_version_is_compared_by_the_name_of_the_store(stage: Stage, tmp_path):
    alice, store = await stage.enter("alice", auto=False), MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    await alice.say("bob", "before")
    copy(stage, tmp_path / "copy")
    await alice.say("bob", "lost")
    await bob.ears.until(lambda: bob.ears.texts == ["before", "lost"])
    await bob.chat.aclose()
    saved = dict(store.load(stage.server.app_id))
    saved["position"] = {k: v for k, v in saved["position"].items() if k != "mark"}
    store.save(stage.server.app_id, saved)  # as an earlier version of the client saved it
    await put_back(stage, tmp_path / "copy", whole=False)
    again = stage.actor(store=store)
    again.listen()
    await again.chat.init()
    await again.wait_connected()
    await alice.say("bob", "new")
    await again.ears.until(lambda: again.ears.texts == ["new"], timeout=60)
    assert again.ears.all("gap") == [HistoryGap(0, 1)]


def replace_database(stage: Stage, by: Path | None) -> None:
    """Delete the database of a stopped server, and put another one in its place."""
    data = Path(stage.server._settings.data)
    for name in DATABASE if by is None else FILES:
        (data / name).unlink(missing_ok=True)
        if by is not None and (by / name).exists():
            shutil.copy(by / name, data)


@pytest.mark.spec("K1")
@pytest.mark.parametrize("empty", [False, True], ids=["deleted", "emptied"])
async def test_client_reports_a_deleted_database(stage: Stage, empty: bool):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.say("bob", "before")
    await bob.ears.until(lambda: bob.ears.texts == ["before"])
    before = stage.server.app_id
    await stage.server.kill()
    replace_database(stage, None)
    if empty:
        stage.server.database.touch()
    await stage.server.start()
    assert stage.server.app_id != before  # a new app: nothing of the old one is known
    await bob.ears.until(lambda: bool(bob.ears.all("error")), timeout=60)
    assert bob.ears.all("error")[0].code == "WS_CONNECTION_FAIL"
    assert "app id" in str(bob.ears.all("error")[0])
    with pytest.raises(CometChatException, match="AUTH_ERR_INVALID_APPID"):
        await bob.chat.get_user("alice")


@pytest.mark.spec("K1")
async def test_client_receives_messages_after_a_login_to_another_database(stage: Stage, tmp_path):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    for n in range(5):
        await alice.say("bob", f"before {n}")
    await bob.ears.until(lambda: len(bob.ears.texts) == 5)
    other = VirtualServer(tmp_path / "other")  # another store, which knows neither the tokens nor the ids
    await other.start()
    await other.add_users("alice", "bob")
    await other.stop()
    assert other.app_id == stage.server.app_id
    await stage.server.kill()
    replace_database(stage, tmp_path / "other")
    await stage.server.start()
    for actor in (alice, bob):
        await actor.ears.until(lambda actor=actor: bool(actor.ears.all("error")), timeout=60)
        assert actor.ears.all("error")[0].code == "ERR_AUTH_TOKEN_EXPIRED"
        await actor.chat.login(actor.chat.get_logged_in_user().uid, auth_key=other.auth_key)
        await actor.wait_connected()
    assert (await alice.say("bob", "after")).id == 1  # an id that bob has received before
    await bob.ears.until(lambda: bob.ears.texts[5:] == ["after"])


async def test_client_receives_messages_from_a_server_without_marks(stage: Stage, monkeypatch):
    monkeypatch.setattr(type(stage.server.parts.store), "start", "")
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    name = stage.server.parts.store.name
    monkeypatch.setattr(stage.server.parts.gateway._authenticator, "_epoch", lambda: {"epoch": name})
    stage.network.drop()
    await stage.pass_time(5)
    await alice.say("bob", "hello")
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
    assert bob.chat._sessions.require().position.mark == ""
    assert bob.ears.all("gap") == []
