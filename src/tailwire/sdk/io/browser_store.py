"""Sessions in the `localStorage` of a web page, for Python in a browser (Pyodide)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from tailwire.sdk.exceptions import failure

log = logging.getLogger("tailwire")
_claimed: set[str] = set()


class LocalStorageSessionStore:
    """Keeps sessions in the `localStorage` of the page's origin.

    The tabs of a browser share it, and so the logged-in user; each tab has its own client and socket. Two clients of
    one app in one page need different prefixes.

    Args:
        prefix: the prefix of the keys in the storage.
        storage: a JavaScript `Storage`; the page's `localStorage` by default.

    Raises:
        RuntimeError: if there is no `localStorage`: outside of a page, in a worker, or because the user forbids it.
    """

    def __init__(self, prefix: str = "tailwire", *, storage: Any = None) -> None:
        self._prefix = prefix
        self._storage = storage if storage is not None else _local_storage()

    def _name(self, app_id: str, uid: str = "") -> str:
        # The length of the app id makes keys unambiguous.
        if uid:
            return f"{self._prefix} outbox {len(app_id)} {app_id} {uid}"
        return f"{self._prefix} session {app_id}"

    def claim(self, app_id: str) -> Callable[[], None]:
        """Claim the session of an app for one client of this page. Return a function that releases the claim.

        Args:
            app_id: the id of the app.

        Raises:
            CometChatException: `SESSION_IN_USE` if another client of this page has claimed it.
        """
        name = self._name(app_id)
        if name in _claimed:
            words = f"{name!r} is in use by another client of this page. End that one, or give this client another "
            raise failure("SESSION_IN_USE", f"{words}prefix: session_store=LocalStorageSessionStore(prefix).")
        _claimed.add(name)
        return lambda: _claimed.discard(name)

    def load(self, app_id: str) -> Mapping[str, Any] | None:
        """Return the saved session of an app, or None.

        Args:
            app_id: the id of the app.
        """
        return self._read(self._name(app_id))

    def _read(self, name: str) -> Mapping[str, Any] | None:
        text = self._storage.getItem(name)
        if not isinstance(text, str):  # JavaScript's null
            return None
        try:
            saved = json.loads(text)
            if isinstance(saved, dict):
                return saved
            raise ValueError("not an object")
        except (ValueError, RecursionError) as e:
            log.warning("%r in localStorage cannot be read (%s); it is removed", name, e)
            self._storage.removeItem(name)
            return None

    def save(self, app_id: str, session: Mapping[str, Any]) -> None:
        """Save a session. If the storage is full, a warning is logged and the app continues.

        Args:
            app_id: the id of the app.
            session: a JSON-serialisable object.
        """
        try:
            self._write(self._name(app_id), session)
        except OSError as e:
            log.warning("%s", e)

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        try:
            self._storage.setItem(name, json.dumps(value))
        except Exception as e:  # a JsException, which exists only in a browser
            raise OSError(f"{name!r} cannot be kept in localStorage: {e}") from e

    def clear(self, app_id: str) -> None:
        """Remove the saved session of an app.

        Args:
            app_id: the id of the app.
        """
        self._storage.removeItem(self._name(app_id))

    def load_outbox(self, app_id: str, uid: str) -> Mapping[str, Any] | None:
        """Return the saved outbox of a user, or None.

        Args:
            app_id: the id of the app.
            uid: the uid of the user.
        """
        return self._read(self._name(app_id, uid))

    def save_outbox(self, app_id: str, uid: str, outbox: Mapping[str, Any] | None) -> None:
        """Save the outbox of a user; None removes it.

        Args:
            app_id: the id of the app.
            uid: the uid of the user.
            outbox: a JSON-serialisable object.

        Raises:
            OSError: if it cannot be saved, for example because the storage is full.
        """
        name = self._name(app_id, uid)
        if outbox is None:
            self._storage.removeItem(name)
        else:
            self._write(name, outbox)


def _local_storage() -> Any:
    try:
        import js

        storage = js.localStorage
    except (ImportError, AttributeError) as e:
        words = "there is no localStorage here (only web pages have it, workers do not)"
        raise RuntimeError(f"{words}: give session_store=MemorySessionStore()") from e
    except Exception as e:  # a JsException: the user forbids it
        raise RuntimeError(f"the browser refuses localStorage ({e}): give session_store=MemorySessionStore()") from e
    return storage
