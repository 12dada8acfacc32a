"""The app's keys, kept in a file beside the database: the database has only their hashes.

Rules: the file is made at the first start, readable by its owner only, and no start changes or removes it. Whoever
does not want keys on the disk moves it away; the server does not need it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


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
    fresh = file.with_name(file.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        json.dump(asdict(keys), opened, indent=2)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)


def read_keys(file: Path, app_id: str) -> Keys:
    """Return an app's keys; without keys when the file is gone, is of another app, or cannot be read."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        keys = Keys(str(read["app_id"]), str(read.get("auth_key", "")), str(read.get("api_key", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Keys(app_id)
    return keys if keys.app_id == app_id else Keys(app_id)
