"""Makes the server's files and folders: only the user that it runs as may read them, whatever the umask says."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tailwire.server.telemetry.logs import log

FOLDER, FILE = 0o700, 0o600
OTHERS = 0o077


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing."""
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    path.mkdir(FOLDER, exist_ok=True)


def open_new(path: Path) -> BinaryIO:
    """Open a file to write to it; what it held is gone."""
    return open(path, "wb", opener=_opener)


def create(path: Path) -> None:
    """Make an empty file, unless it is there."""
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there as a whole or not at all, and survives a loss of power."""
    part = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with open_new(part) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    if os.name != "posix":
        return  # other systems cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_loose(path: Path) -> bool:
    """Return whether others than the owner may do something with a file or folder."""
    return os.name == "posix" and bool(path.stat().st_mode & OTHERS)


def tighten(paths: Iterable[Path]) -> None:
    """Take from others what an earlier version, or somebody by hand, let them do; told once in the log."""
    changed: list[Path] = []
    for path in paths:
        try:
            if is_loose(path):
                path.chmod(path.stat().st_mode & 0o777 & ~OTHERS)
                changed.append(path)
        except FileNotFoundError:
            continue
        except OSError as e:
            log.warning("others may read %s, and it cannot be changed: %s", path, e)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        log.warning("others could read %s%s: now only this user can", changed[0], more)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, FILE)
