"""The app's keys, kept in a file beside the database: the database has only their hashes.

Rules: the file is made at the first start, readable by its owner only, and no start changes or removes it. Whoever
does not want keys on the disk moves it away; the server does not need it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tailwire.server import private_files


@dataclass(frozen=True, slots=True)
class Keys:
    """An app's id and its first keys; "" for a key that is not known. Its `repr` shows no key."""

    app_id: str
    auth_key: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)


def key_file(data: str) -> Path:
    """Return where the keys of the app in a data folder are."""
    return Path(data) / "keys.json"


def write_keys(file: Path, keys: Keys) -> None:
    """Write the keys so that only their owner can read them.

    Raises:
        OSError: when the file cannot be written.
    """
    private_files.write_whole(file, json.dumps(asdict(keys), indent=2).encode())


def read_keys(file: Path, app_id: str) -> Keys:
    """Return an app's keys; without keys when the file is gone, is of another app, or cannot be read."""
    private_files.tighten([file])
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        keys = Keys(str(read["app_id"]), str(read.get("auth_key", "")), str(read.get("api_key", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Keys(app_id)
    return keys if keys.app_id == app_id else Keys(app_id)
