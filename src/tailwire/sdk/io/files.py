"""Sessions in files: one per app id, readable only by the user, and replaced atomically."""

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
from tailwire.sdk.io.locks import FileLock, LockHeld

log = logging.getLogger("tailwire")


class FileSessionStore:
    """Stores sessions in files.

    A file whose content is not valid is renamed to `*.damaged`, with a warning, and the app continues. One that cannot
    be read, for example because too many files are open, stays as it is, and `init()` or `login()` fails. Only one
    client at a time may use the session of an app: a second one, in this process or another, needs its own folder.

    Args:
        folder: the folder of the files; the platform's user data folder by default.
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
        """Claim the session of an app for one client. Return a function that releases the claim.

        The end of the process releases it as well.

        Args:
            app_id: the id of the app.

        Raises:
            CometChatException: `SESSION_IN_USE` if another client has claimed it, in this process or another.
        """
        path = self._path(app_id)
        try:
            return FileLock(path.with_suffix(".lock")).release
        except LockHeld as e:
            holder = f"process {e.holder}" if e.holder else "another process"
            if e.holder == str(os.getpid()):
                holder = "another client of this process"
            words = f"{path} is in use by {holder}. End that one, or give this client a folder of its own: "
            raise failure("SESSION_IN_USE", f"{words}session_store=FileSessionStore(folder).") from e

    def load(self, app_id: str) -> Mapping[str, Any] | None:
        """Return the saved session of an app, or None.

        Args:
            app_id: the id of the app.

        Raises:
            CometChatException: `SESSION_NOT_READ` if the file cannot be read. It stays as it is.
        """
        return self._read(self._path(app_id))

    def _read(self, path: Path) -> Mapping[str, Any] | None:
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:  # this may pass, and the file may be in order
            advice = "It stays as it is. Try again, or give this client a folder of its own: "
            words = f"{path} cannot be read ({e}). {advice}session_store=FileSessionStore(folder)."
            raise failure("SESSION_NOT_READ", words) from e
        try:
            saved = json.loads(content.decode("utf-8"))
            if isinstance(saved, dict):
                return saved
            raise ValueError("not an object")
        except (ValueError, RecursionError) as e:
            self._set_aside(path, e)
            return None

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_suffix(".damaged")
        log.warning("the saved file %s is not valid (%s); it is renamed to %s", path, error, aside.name)
        try:
            path.replace(aside)
        except OSError as e:
            log.warning("it cannot be renamed: %s", e)

    def save(self, app_id: str, session: Mapping[str, Any]) -> None:
        """Save a session. If it cannot be written, a warning is logged and the app continues.

        Args:
            app_id: the id of the app.
            session: a JSON-serialisable object.
        """
        path = self._path(app_id)
        try:
            self._write(path, session)
        except OSError as e:
            log.warning("%s cannot be saved: %s", path, e)

    @staticmethod
    def _write(path: Path, value: Mapping[str, Any], *, sync: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(value, file)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        if sync and os.name != "nt":  # Windows cannot sync a folder
            try:
                _sync_folder(path.parent)
            except OSError as e:  # the file has its new content: refused now, a message would be sent at the next start
                log.warning(
                    "%s is saved, but a power cut may undo that, because its folder cannot be synced: %s", path, e
                )

    def clear(self, app_id: str) -> None:
        """Remove the saved session of an app.

        Args:
            app_id: the id of the app.
        """
        self._remove(self._path(app_id))

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as e:
            log.warning("%s cannot be removed: %s", path, e)

    def load_outbox(self, app_id: str, uid: str) -> Mapping[str, Any] | None:
        """Return the saved outbox of a user, or None.

        Args:
            app_id: the id of the app.
            uid: the uid of the user.

        Raises:
            CometChatException: `SESSION_NOT_READ` if the file cannot be read. It stays as it is.
        """
        return self._read(self._path(f"{app_id} {uid}", "outbox"))

    def save_outbox(self, app_id: str, uid: str, outbox: Mapping[str, Any] | None) -> None:
        """Save the outbox of a user, durably; None removes it.

        If the file was replaced, but its folder cannot be synced, a warning is logged: a power cut may undo the change.

        Args:
            app_id: the id of the app.
            uid: the uid of the user.
            outbox: a JSON-serialisable object.

        Raises:
            OSError: if it cannot be written.
        """
        path = self._path(f"{app_id} {uid}", "outbox")
        if outbox is None:
            self._remove(path)
        else:
            self._write(path, outbox, sync=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
