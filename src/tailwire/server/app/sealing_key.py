"""The key that secrets in the database are sealed with: a file of its own in the data folder, never in the database."""

from __future__ import annotations

import secrets
from pathlib import Path

from tailwire.server import private_files

KEY_BYTES = 32


def sealing_key(data: str) -> bytes:
    """Return the key; make it, readable by its owner only, when there is none.

    Raises:
        OSError: when it can be neither read nor written, or holds no key. It is left as it is then: another key would
            open nothing.
    """
    file = Path(data) / "webhooks.key"
    private_files.tighten([file])
    try:
        return _key(file)
    except FileNotFoundError:
        private_files.make_folder(file.parent)
        private_files.write_whole(file, secrets.token_hex(KEY_BYTES).encode())
    return _key(file)


def _key(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise OSError(f"{file} holds no key; put the right file back, or remove it and set the webhooks' secrets anew")
    return key
