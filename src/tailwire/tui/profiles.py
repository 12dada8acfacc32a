"""Saved profiles: server, app id and user. Tokens are in session files, readable only by the user."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tailwire.sdk.io.files import FileSessionStore
from tailwire.wire.identifiers import stored_id

MAX_PROFILES = 50
_FILE_NAME = "profiles.json"


@dataclass(frozen=True, slots=True)
class Profile:
    """A user of an app on a server.

    Attributes:
        server: the URL of the server.
        app_id: the id of the app.
        uid: the uid of the user; in lower case, as the server stores it, however it was entered.
    """

    server: str
    app_id: str
    uid: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "uid", stored_id(self.uid))

    @property
    def title(self) -> str:
        """The name shown in lists: the uid and the server, without its scheme."""
        return f"{self.uid} on {self.server.removeprefix('https://').removeprefix('http://')}"


class ProfileBook:
    """The saved profiles of this device.

    Args:
        folder: the folder of the profiles and their sessions; by default `chat` in the platform's folder for user data.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is None:
            from platformdirs import user_data_path

            folder = user_data_path("tailwire", appauthor=False) / "chat"
        self.folder = Path(folder)

    def all(self) -> list[Profile]:
        """Return the saved profiles, last used first; [] if there are none, or their file cannot be read."""
        try:
            saved = json.loads((self.folder / _FILE_NAME).read_text(encoding="utf-8"))
            return [Profile(str(p["server"]), str(p["app_id"]), str(p["uid"])) for p in saved][:MAX_PROFILES]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def use(self, profile: Profile) -> None:
        """Save a profile as the last used one; of the others, the `MAX_PROFILES - 1` most recent are kept.

        Raises:
            OSError: if the file cannot be written.
        """
        self._write([profile, *(p for p in self.all() if p != profile)])

    def session_store(self, profile: Profile) -> FileSessionStore:
        """Return the store of a profile's session and unsent messages; create the folder if it is missing.

        Raises:
            OSError: if the folder cannot be created.
        """
        self._make_folder()
        name = hashlib.sha256("\n".join((profile.server, profile.app_id, profile.uid)).encode()).hexdigest()[:16]
        return FileSessionStore(self.folder / name)

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _write(self, profiles: Sequence[Profile]) -> None:
        self._make_folder()
        descriptor, part = tempfile.mkstemp(dir=self.folder)  # readable only by the user
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump([asdict(p) for p in profiles[:MAX_PROFILES]], file, indent=1)
        Path(part).replace(self.folder / _FILE_NAME)
