"""A saved session has one client at a time, and queued messages are on the disk."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from harness import CONNECTED, Stage
from tailwire import CometChatException, FileSessionStore, TextMessage
from tailwire.sdk.exceptions import failure


async def test_second_client_of_a_saved_session_is_refused_with_advice(stage: Stage, tmp_path):
    await stage.enter("alice", store=FileSessionStore(tmp_path))
    second = stage.actor(store=FileSessionStore(tmp_path))
    with pytest.raises(CometChatException) as caught:
        await second.chat.init()
    assert caught.value.code == "SESSION_IN_USE"
    assert "FileSessionStore(folder)" in caught.value.details
    other_folder = stage.actor(store=FileSessionStore(tmp_path / "second"))
    await other_folder.chat.init()


@pytest.mark.spec("K5")
async def test_queue_of_the_first_client_is_kept_when_a_second_one_is_refused(stage: Stage, tmp_path):
    alice = await stage.enter("alice", store=FileSessionStore(tmp_path), outbox=True)
    second = stage.actor(store=FileSessionStore(tmp_path), outbox=True)
    with pytest.raises(CometChatException, match="SESSION_IN_USE"):
        await second.chat.init()
    stage.network.offline.add("")
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="kept"))
    await alice.chat.aclose()
    later = stage.actor(store=FileSessionStore(tmp_path), outbox=True)
    await later.chat.init()
    assert [e.muid for e in later.chat.queued_messages()] == [entry.muid]
    stage.network.restore()


async def test_claim_on_a_session_ends_with_its_process(stage: Stage, tmp_path):
    code = (
        "import sys; from tailwire import FileSessionStore;"
        f"release = FileSessionStore({str(tmp_path)!r}).claim({stage.server.app_id!r}); print('has it', flush=True);"
        "sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"has it\n"
    actor = stage.actor(store=FileSessionStore(tmp_path))
    with pytest.raises(CometChatException, match=f"process {other.pid}"):
        await actor.chat.init()
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    await actor.chat.init()


class UnreadableOutbox(FileSessionStore):
    """A store of files that cannot read the outbox of one user for the moment."""

    unreadable_uid = ""

    def load_outbox(self, app_id: str, uid: str) -> Mapping[str, Any] | None:
        if uid == self.unreadable_uid:
            raise failure("SESSION_NOT_READ", "Too many open files")
        return super().load_outbox(app_id, uid)


@pytest.mark.spec("K5")
async def test_init_that_cannot_read_the_outbox_keeps_the_queue_for_the_next_init(stage: Stage, tmp_path):
    alice = await stage.enter("alice", store=FileSessionStore(tmp_path), outbox=True)
    stage.network.cut()
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="kept"))
    await alice.chat.aclose()
    store = UnreadableOutbox(tmp_path)
    later, store.unreadable_uid = stage.actor(store=store, outbox=True), "alice"
    with pytest.raises(CometChatException, match="SESSION_NOT_READ"):
        await later.chat.init()
    assert later.chat.get_logged_in_user() is None
    store.unreadable_uid = ""
    await later.chat.init()
    (again,) = later.chat.queued_messages()
    assert again.muid == entry.muid
    stage.network.restore()
    assert (await again.result()).text == "kept"


@pytest.mark.spec("K5")
async def test_login_that_cannot_read_the_outbox_keeps_the_session_of_the_other_user(stage: Stage, tmp_path):
    store = UnreadableOutbox(tmp_path)
    phone = await stage.enter("alice", store=store, outbox=True)
    store.unreadable_uid = "bob"
    with pytest.raises(CometChatException, match="SESSION_NOT_READ"):
        await phone.chat.login("bob", auth_key=stage.server.auth_key)
    assert phone.chat.get_logged_in_user().uid == "alice"
    await phone.ears.until(lambda: phone.ears.all("login failure") == ["SESSION_NOT_READ"])
    stage.network.drop()
    await phone.ears.until(lambda: phone.ears.statuses.count(CONNECTED) == 2, 60)
    entry = phone.chat.queue_message(TextMessage(receiver="carol", text="by alice"))
    assert (await entry.result()).sender.uid == "alice"
    store.unreadable_uid = ""
    assert (await phone.chat.login("bob", auth_key=stage.server.auth_key)).uid == "bob"
    await phone.chat.wait_connected(10)


@pytest.mark.spec("K5")
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
async def test_message_in_a_folder_that_cannot_be_synced_is_queued_and_not_refused(
    stage: Stage, tmp_path, monkeypatch, caplog
):
    alice = await stage.enter("alice", store=FileSessionStore(tmp_path), outbox=True)
    stage.network.cut()
    sync = os.fsync

    def sync_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not supported by this file system")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_files_only)
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="kept"))
    assert "a power cut may undo that" in caplog.text
    assert alice.chat.queued_messages() == [entry]
    await alice.chat.aclose()
    later = stage.actor(store=FileSessionStore(tmp_path), outbox=True)
    await later.chat.init()
    assert [e.muid for e in later.chat.queued_messages()] == [entry.muid]
    stage.network.restore()


def test_queue_files_are_synced_before_they_are_renamed(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (done.append("sync"), sync(d)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), replace(a, b)))
    FileSessionStore(tmp_path).save_outbox("app", "alice", {"entries": []})
    assert done[:2] == ["sync", "replace"]
    assert done[2:] == ([] if os.name == "nt" else ["sync"])  # the folder is synced, too
