"""Backups: a consistent copy of the database and the uploads beside a running server, and putting one back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.store.lock import ServerLock

DATABASE = "tailwire.db"
UPLOADS = "uploads"
BESIDE = ("", "-wal", "-shm")


class BackupRefused(OSError):
    """Nothing was changed; the message says why, and what to do."""


def backup(database: Path, uploads: Path, target: Path) -> tuple[int, int]:
    """Copy a database and the uploads into a new folder, which appears when all of it is there and checked.

    The database is copied from one read transaction (`VACUUM INTO`): a server goes on writing, and the copy is as it
    was at one moment. The uploads are copied after it, so each file that the copy names is among them, unless it was
    removed meanwhile. What signs passes (`signing.key`) and the keys (`keys.json`) are left out: who has a backup can
    read what was said, and cannot act as a user.

    Returns:
        The bytes of the database, and the number of uploaded files.

    Raises:
        BackupRefused: when the target is there already, or there is no database.
        OSError: when something cannot be read or written, or the copy is damaged.
    """
    if not database.is_file():
        raise BackupRefused(f"there is no database at {database}: give the --data folder of the server")
    if target.exists():
        raise BackupRefused(f"{target} is there already: give a folder that is not, such as one named after the day")
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700, parents=True)
    copy = partial / DATABASE
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as c:
            c.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as e:
        raise OSError(f"{database} cannot be copied: {e}") from e
    copy.chmod(0o600)
    check(copy)
    _sync(copy)
    count = _copy_files(uploads, partial / UPLOADS)
    partial.rename(target)
    private_files.sync_folder(target.parent)
    return (target / DATABASE).stat().st_size, count


def restore(source: Path, database: Path, uploads: Path, *, replace: bool) -> Path | None:
    """Put a backup in the place of a server's database and uploads, while no server runs there.

    What ids were given out is in a file beside the database, which stays: the server goes on above them.

    Args:
        replace: move what is there aside; else it is an error when something is.

    Returns:
        The folder to which what was there was moved; None when there was nothing.

    Raises:
        BackupRefused: when there is no backup, or something in its place already.
        InUse: when a server runs on the folder.
        OSError: when something cannot be read or written, or the backup is damaged.
    """
    copy = source / DATABASE
    if not copy.is_file():
        raise BackupRefused(f"{source} is no backup: it has no {DATABASE}")
    private_files.make_folder(database.parent)
    lock = ServerLock(database)
    try:
        lock.note(f"`tailwire restore`, pid {os.getpid()}")
        check(copy)
        there = [path for end in BESIDE if (path := database.with_name(database.name + end)).exists()]
        there += [uploads] if uploads.exists() else []
        if there and not replace:
            raise BackupRefused(f"{there[0]} is there already: --replace moves what is there aside first")
        fresh, files = database.with_name(database.name + ".partial"), uploads.with_name(uploads.name + ".partial")
        shutil.copyfile(copy, fresh)
        fresh.chmod(0o600)
        _sync(fresh)
        if files.exists():
            shutil.rmtree(files)
        _copy_files(source / UPLOADS, files)
        aside = _move_aside(there, database.parent) if there else None
        files.rename(uploads)
        fresh.rename(database)
        private_files.sync_folder(database.parent)
        return aside
    finally:
        lock.release()


def check(database: Path) -> None:
    """Look for damage.

    Raises:
        OSError: saying what is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as c:
            (said,) = c.execute("PRAGMA quick_check(1)").fetchone()
            c.execute("SELECT app_id FROM app").fetchone()
    except sqlite3.Error as e:
        said = str(e)
    if said != "ok":
        raise OSError(f"{database} is damaged: {said}")


def _move_aside(there: list[Path], folder: Path) -> Path:
    aside = folder / time.strftime("before-restore-%Y%m%d-%H%M%S")
    aside.mkdir(mode=0o700)
    for path in there:
        path.rename(aside / path.name)
    return aside


def _copy_files(source: Path, target: Path) -> int:
    target.mkdir(mode=0o700)
    count = 0
    for file in sorted(source.iterdir()) if source.is_dir() else ():
        if file.is_file() and not file.name.startswith("."):  # those are half written
            try:
                shutil.copy2(file, target / file.name)
            except FileNotFoundError:
                continue  # removed meanwhile
            _sync(target / file.name)
            count += 1
    return count


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
