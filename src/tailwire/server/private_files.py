"""Creates files and folders that only the user as which the server runs can read, whatever the umask is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tailwire.server.telemetry.logs import log

FOLDER, FILE = 0o700, 0o600
OTHERS_MODE_BITS = 0o077


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, accessible only to their owner. Folders that exist are not changed."""
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    path.mkdir(FOLDER, exist_ok=True)


def open_new(path: Path) -> BinaryIO:
    """Create a file, or empty one that exists, and open it for writing."""
    return open(path, "wb", opener=_opener)


def create(path: Path) -> None:
    """Create an empty file. A file that exists is not changed."""
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE))


def write_whole(path: Path, data: bytes) -> None:
    """Replace the content of a file atomically and durably: after a crash it has either the old or the new content."""
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


def give(paths: Iterable[Path], folder: Path) -> None:
    """Give files, and folders with their content, to the owner of a folder, if this process runs as root.

    What a command creates can then be read by the server, which runs as another user. Symbolic links are not followed.
    What cannot be given away, such as on a network file system, is logged.
    """
    if os.name != "posix" or os.geteuid() != 0 or folder.stat().st_uid == 0:
        return
    owner = folder.stat()
    for path in paths:
        try:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        except OSError as e:
            log.warning("%s belongs to root, and cannot be given to the owner of %s: %s", path, folder, e)
            continue
        if path.is_dir() and not path.is_symlink():
            give(path.iterdir(), folder)


def sync_folder(path: Path) -> None:
    """Flush the directory entries of a folder to disk, so that files created or renamed in it survive a loss of power.

    Does nothing on Windows.
    """
    if os.name != "posix":
        return  # other systems cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_loose(path: Path) -> bool:
    """Return whether anyone but the owner has access to a file or folder. Always False on Windows."""
    return os.name == "posix" and bool(path.stat().st_mode & OTHERS_MODE_BITS)


def tighten(paths: Iterable[Path]) -> None:
    """Remove the access of others to files and folders. Missing ones are ignored.

    If anything was changed, that is logged once for all. Permissions that cannot be changed are logged too.
    """
    changed: list[Path] = []
    for path in paths:
        try:
            if is_loose(path):
                path.chmod(path.stat().st_mode & 0o777 & ~OTHERS_MODE_BITS)
                changed.append(path)
        except FileNotFoundError:
            continue
        except OSError as e:
            log.warning("other users may read %s, and its permissions cannot be changed: %s", path, e)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        log.warning("other users could read %s%s: permissions are now restricted to this user", changed[0], more)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, FILE)
