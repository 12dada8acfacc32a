"""Sessions in files."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from tailwire import CometChatException, FileSessionStore
from tailwire.sdk.continuity.state import Position
from tailwire.sdk.session import Session


def test_session_is_saved_loaded_and_cleared(tmp_path):
    store = FileSessionStore(tmp_path / "new" / "folder")
    session = Session({"uid": "alice", "name": "Alice"}, "secret", Position(7, "s", (8, 9)))
    store.save("app", session.to_saved())
    assert Session.from_saved(store.load("app")) == session
    assert store.load("another app") is None
    store.clear("app")
    store.clear("app")
    assert store.load("app") is None


def test_saved_session_is_readable_only_by_its_owner(tmp_path):
    FileSessionStore(tmp_path).save("app", {"format": 1})
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_apps_do_not_share_a_file(tmp_path):
    store = FileSessionStore(tmp_path)
    store.save("a/b", {"n": 1})
    store.save("a_b", {"n": 2})
    assert (store.load("a/b"), store.load("a_b")) == ({"n": 1}, {"n": 2})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_damaged_file_is_renamed(tmp_path, content, caplog):
    store = FileSessionStore(tmp_path)
    store.save("app", {"format": 1})
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert store.load("app") is None
    assert [f.suffix for f in tmp_path.iterdir()] == [".damaged"]
    assert "renamed to" in caplog.text


def outbox_or_session(store: FileSessionStore, kind: str):
    return store.load("app") if kind == "session" else store.load_outbox("app", "alice")


@pytest.mark.parametrize("kind", ["session", "outbox"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_file_that_cannot_be_read_now_is_kept_and_reported(tmp_path, monkeypatch, kind, number):
    store = FileSessionStore(tmp_path)
    store.save("app", {"kept": "session"})
    store.save_outbox("app", "alice", {"kept": "outbox"})
    names = {file.name for file in tmp_path.iterdir()}

    def refuse(self, *arguments, **more):
        raise OSError(number, os.strerror(number), str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        with pytest.raises(CometChatException) as caught:
            outbox_or_session(store, kind)
    assert caught.value.code == "SESSION_NOT_READ"
    assert os.strerror(number) in caught.value.details
    assert {file.name for file in tmp_path.iterdir()} == names
    assert outbox_or_session(store, kind) == {"kept": kind}


def test_folder_that_is_a_file_contains_no_session(tmp_path):
    (tmp_path / "file").write_text("")
    assert FileSessionStore(tmp_path / "file").load("app") is None


def test_unwritable_folder_is_logged(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    store = FileSessionStore(blocked / "below")
    store.save("app", {})
    assert "cannot be saved" in caplog.text


def test_default_folder_of_sessions_is_in_the_data_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    FileSessionStore().save("app", {"n": 1})
    assert FileSessionStore().load("app") == {"n": 1}
    assert any(f.startswith("session-app") for _, _, files in os.walk(tmp_path) for f in files)


@pytest.mark.parametrize(
    "saved", [{}, {"format": 9}, {"format": 1, "user": 1}, {"format": 1, "user": {"uid": 1}, "auth_token": "t"}]
)
def test_invalid_sessions_are_refused(saved):
    with pytest.raises(ValueError):
        Session.from_saved(json.loads(json.dumps(saved)))


def test_repr_of_a_session_does_not_contain_its_token():
    assert "secret" not in repr(Session({"uid": "a"}, "secret"))
