"""The key that encrypts secrets in the database: a separate file in the data folder, never in the database."""

from __future__ import annotations

import secrets
from pathlib import Path

from tailwire.server import private_files

KEY_BYTES = 32


def sealing_key(data: str) -> bytes:
    """Return the key in a data folder (32 bytes). If its file is missing, create it, readable by its owner only.

    Raises:
        OSError: if the file can be neither read nor written, or holds no valid key. An invalid file is not replaced,
            because a new key could not decrypt the stored secrets.
    """
    file = Path(data) / "webhooks.key"
    private_files.tighten([file])
    try:
        return _read_key(file)
    except FileNotFoundError:
        private_files.make_folder(file.parent)
        private_files.write_whole(file, secrets.token_hex(KEY_BYTES).encode())
    return _read_key(file)


def _read_key(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise OSError(f"{file} holds no key; restore the right file, or remove it and set the webhooks' secrets again")
    return key
