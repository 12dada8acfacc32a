"""The file `keys.json` with the app's first keys, in the data folder. The database has only the hashes of keys.

The file is created at the first start, readable by its owner only, and never changed by a later start. The server does
not need it: remove it to keep the keys off the disk.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tailwire.server import private_files


@dataclass(frozen=True, slots=True)
class Keys:
    """The id of an app, and its first auth key and API key; "" for an unknown key. The `repr` shows no keys."""

    app_id: str
    auth_key: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)


def key_file(data: str) -> Path:
    """Return the path of the key file in a data folder."""
    return Path(data) / "keys.json"


def write_keys(file: Path, keys: Keys) -> None:
    """Write the keys to a file that only its owner can read, replacing an existing one.

    Raises:
        OSError: if the file cannot be written.
    """
    private_files.write_whole(file, json.dumps(asdict(keys), indent=2).encode())


def keys_in(data: str) -> Keys | None:
    """Return the keys from the key file of a data folder; None if the file is missing, unreadable or invalid."""
    try:
        app_id = str(json.loads(key_file(data).read_text(encoding="utf-8"))["app_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return read_keys(key_file(data), app_id)


def read_keys(file: Path, app_id: str) -> Keys:
    """Return the keys of an app from a key file. Both keys are "" if the file is missing, invalid or of another app."""
    private_files.tighten([file])
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        keys = Keys(str(read["app_id"]), str(read.get("auth_key", "")), str(read.get("api_key", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Keys(app_id)
    return keys if keys.app_id == app_id else Keys(app_id)
