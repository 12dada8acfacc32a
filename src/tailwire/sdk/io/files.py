"""Sessions in files: one an app id, readable by the user alone, written as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tailwire.sdk.exceptions import failure
from tailwire.sdk.io.locks import FileLock, Held

log = logging.getLogger("tailwire")


class FileSessionStore:
    """Keeps sessions in the platform's user data folder, or in another.

    A file that cannot be read is set aside (`*.damaged`), reported, and never stops the app. One client at a time has
    the session of an app: a second one, in this process or another, needs a folder of its own.

    Args:
        folder: where; the platform's user data folder by default.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._folder = Path(folder) if folder is not None else None

    def _path(self, app_id: str, kind: str = "session") -> Path:
        if self._folder is None:
            from platformdirs import user_data_path

            self._folder = user_data_path("tailwire", appauthor=False)
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in app_id)[:60]
        return self._folder / f"{kind}-{safe}-{hashlib.sha256(app_id.encode()).hexdigest()[:8]}.json"

    def claim(self, app_id: str) -> Callable[[], None]:
        """Have the session of an app for oneself, as long as the process lives; gives what lets go of it.

        Raises:
            CometChatException: `SESSION_IN_USE`.
        """
        path = self._path(app_id)
        try:
            return FileLock(path.with_suffix(".lock")).release
        except Held as e:
            holder = f"process {e.holder}" if e.holder else "another process"
            if e.holder == str(os.getpid()):
                holder = "another client of this process"
            words = f"{path} is in use by {holder}. End that one, or give this client a folder of its own: "
            raise failure("SESSION_IN_USE", f"{words}session_store=FileSessionStore(folder).") from e

    def load(self, app_id: str) -> Mapping[str, Any] | None:
        """The saved session of an app, or None."""
        return self._read(self._path(app_id))

    def _read(self, path: Path) -> Mapping[str, Any] | None:
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(saved, dict):
                return saved
            raise ValueError("not an object")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as e:
            self._set_aside(path, e)
            return None

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_suffix(".damaged")
        log.warning("the saved file %s cannot be read (%s); it is set aside as %s", path, error, aside.name)
        try:
            path.replace(aside)
        except OSError as e:
            log.warning("it cannot be set aside: %s", e)

    def save(self, app_id: str, session: Mapping[str, Any]) -> None:
        """Keep a session. A disk that is full or read-only is reported, and does not stop the app."""
        path = self._path(app_id)
        try:
            self._write(path, session)
        except OSError as e:
            log.warning("%s cannot be saved: %s", path, e)

    @staticmethod
    def _write(path: Path, value: Mapping[str, Any], *, sync: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(value, file)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(fresh, path)
        except BaseException:
            os.unlink(fresh)
            raise
        if sync and os.name != "nt":  # where a folder cannot be synced
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def clear(self, app_id: str) -> None:
        """Forget the session of an app."""
        self._remove(self._path(app_id))

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as e:
            log.warning("%s cannot be removed: %s", path, e)

    def load_outbox(self, app_id: str, uid: str) -> Mapping[str, Any] | None:
        """What a user had queued, or None."""
        return self._read(self._path(f"{app_id} {uid}", "outbox"))

    def save_outbox(self, app_id: str, uid: str, outbox: Mapping[str, Any] | None) -> None:
        """Keep what a user has queued, on the disk itself when this returns; None when it is nothing.

        Raises:
            OSError: when it cannot be written.
        """
        path = self._path(f"{app_id} {uid}", "outbox")
        if outbox is None:
            self._remove(path)
        else:
            self._write(path, outbox, sync=True)
