"""Sessions in a page's storage."""

from __future__ import annotations

import pytest

from tailwire import CometChatException, LocalStorageSessionStore


class Storage(dict):
    """A storage like the browser's, whose missing values are not None in Python."""

    full = False

    def getItem(self, name):
        return self.get(name, NULL)

    def setItem(self, name, text):
        if self.full:
            raise RuntimeError("QuotaExceededError")
        assert isinstance(text, str)
        self[name] = text

    def removeItem(self, name):
        self.pop(name, None)


NULL = object()


def test_sessions_and_outboxes_are_kept_by_app_and_user():
    storage = Storage()
    store, other = LocalStorageSessionStore(storage=storage), LocalStorageSessionStore("other", storage=storage)
    assert store.load("app") is None
    store.save("app", {"a": 1})
    assert (store.load("app"), store.load("app2"), other.load("app")) == ({"a": 1}, None, None)
    store.save_outbox("app", "alice", {"entries": []})
    assert (store.load_outbox("app", "alice"), store.load_outbox("app", "bob")) == ({"entries": []}, None)
    store.save_outbox("app", "alice", None)
    store.clear("app")
    assert storage == {}


def test_unreadable_entry_is_removed_and_logged(caplog):
    storage = Storage({"tailwire session app": "{", "tailwire session list": "[]"})
    store = LocalStorageSessionStore(storage=storage)
    assert store.load("app") is store.load("list") is None
    assert storage == {}
    assert caplog.text.count("cannot be read") == 2


def test_full_storage_is_logged_for_sessions_and_raised_for_outboxes(caplog):
    storage = Storage()
    storage.full = True
    store = LocalStorageSessionStore(storage=storage)
    store.save("app", {})
    assert "QuotaExceededError" in caplog.text
    with pytest.raises(OSError, match="QuotaExceededError"):
        store.save_outbox("app", "alice", {})


def test_session_is_claimed_once_per_page():
    store, second = (LocalStorageSessionStore(storage=Storage()) for _ in range(2))
    release = store.claim("app")
    with pytest.raises(CometChatException, match="another prefix") as e:
        second.claim("app")
    assert e.value.code == "SESSION_IN_USE"
    release()
    second.claim("app")()


def test_store_outside_of_a_page_raises():
    with pytest.raises(RuntimeError, match="MemorySessionStore"):
        LocalStorageSessionStore()


def test_outboxes_of_apps_and_users_with_spaces_in_their_ids_are_kept_apart():
    store = LocalStorageSessionStore(storage=Storage())
    store.save_outbox("app x", "y", {"of": "y"})
    store.save_outbox("app", "x y", {"of": "x y"})
    assert (store.load_outbox("app x", "y"), store.load_outbox("app", "x y")) == ({"of": "y"}, {"of": "x y"})
