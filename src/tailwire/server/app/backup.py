"""Backups: copies the database and the uploads, even while a server runs, and restores a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.app.backup_files import (
    BackupRefused,
    copy_anew,
    copy_files,
    make_aside,
    partial_of,
    remove_if_empty,
    removed_on_failure,
    renamed,
    sync,
    without_link,
)
from tailwire.server.store.migrate import revisions
from tailwire.server.store.sql.files import STORED_FILES_SQL
from tailwire.server.store.sqlite import moved
from tailwire.server.store.sqlite.lock import ServerLock, holder_of

DATABASE_NAME = "tailwire.db"
UPLOADS_NAME = "uploads"
DATABASE_SUFFIXES = ("", "-wal", "-shm")


class UploadsMissing(OSError):
    """A backup was not made, because there are no uploaded files although the database names some."""


def backup(database: Path, uploads: Path, target: Path, *, in_folder: bool = True) -> tuple[int, int]:
    """Copy a SQLite database and the uploads into a new folder, which appears only when it is complete and verified.

    The database is copied in one read transaction (`VACUUM INTO`), so that the copy is consistent while a server
    writes. The uploads are copied afterwards, so that they include each file that the copy refers to, unless it was
    deleted meanwhile. The keys of the data folder (`signing.key`, `webhooks.key`, `keys.json`) are not copied: with a
    backup one can read the messages, but not act as a user.

    Args:
        in_folder: whether the server stores uploads in the folder, which then must have files if the database names
            any; False if it stores them in a bucket.

    Returns:
        The size of the database in bytes, and the number of uploaded files.

    Raises:
        BackupRefused: if the target exists, or there is no database.
        DatabaseMoved: if the database was moved to PostgreSQL.
        OSError: if a file cannot be read or written, the copy is damaged, or all uploads are missing.
    """
    moved.refuse_if_moved(database)
    if not database.is_file():
        raise BackupRefused(f"there is no database at {database}: give the --data folder of the server")
    with new_backup(target) as partial:
        copy = partial / DATABASE_NAME
        try:
            with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as c:
                c.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.Error as e:
            raise OSError(f"{database} cannot be copied: {e}") from e
        copy.chmod(0o600)
        check(copy)
        return add_uploads(copy, uploads, (lambda: _count_of_files(copy)) if in_folder else None)


def _count_of_files(database: Path) -> int:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as c:
            return int(c.execute(STORED_FILES_SQL).fetchone()[0])
    except sqlite3.OperationalError:  # a schema from before files had a state
        return 0


@contextmanager
def new_backup(target: Path) -> Iterator[Path]:
    """Create a folder `TARGET.….partial`, in which a backup is made, and rename it to `target` when the body is done.

    Each backup has a folder of its own, so that two to the same target do not disturb each other: the first one gets
    the name. If the body fails, the folder is removed.

    Yields:
        The path of the folder, which is empty.

    Raises:
        BackupRefused: if `target` exists, also if another backup has made it meanwhile.
        OSError: if the folder cannot be made or renamed.
    """
    if target.exists():
        raise BackupRefused(
            f"{target} already exists: name a folder that does not exist, such as one named after the date"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".partial", dir=target.parent))
    with removed_on_failure(partial):
        yield partial
        try:
            partial.rename(target)
        except OSError as e:
            if not target.exists():
                raise
            raise BackupRefused(f"{target} was made by another backup meanwhile: only one is kept, that one") from e
    private_files.sync_folder(target.parent)


def add_uploads(copy: Path, uploads: Path, count_named: Callable[[], int] | None) -> tuple[int, int]:
    """Complete a backup: copy the uploads into the folder of `new_backup`, and flush the copy of the database to disk.

    Args:
        copy: the copy or dump of the database, in that folder.
        uploads: the folder of the server's uploads; it may be missing.
        count_named: returns how many files the database names; None if they may be elsewhere. If the folder has none,
            but the database names some, the folder is taken for the wrong one, or one that is not mounted.

    Returns:
        The size of the copy in bytes, and the number of uploaded files.

    Raises:
        OSError: if a file cannot be read or written, or all uploads are missing.
    """
    sync(copy)
    count = copy_files(uploads, copy.parent / UPLOADS_NAME)
    if not count and count_named is not None and (named := count_named()):
        raise UploadsMissing(
            f"{uploads} has no files, but the database names {named}: name the server's folder with --data and its"
            " settings with --config, and mount the file system of the uploads. No backup was made"
        )
    return copy.stat().st_size, count


def restore(source: Path, database: Path, uploads: Path, *, replace: bool) -> tuple[Path, ...]:
    """Restore a backup to the SQLite database and the uploads of a server that is not running.

    What is created belongs to the owner of the database's folder, also if root restores it.

    The backup may also be a copy of the files of a stopped server, with a log `tailwire.db-wal`, whose messages are
    restored too. If the restore fails, the existing files are where they were. The file `*.ids` next to the database,
    which records the highest id that was assigned, is kept, so that the server does not assign an id twice.

    Args:
        replace: True to move an existing database and existing uploads to a new folder next to each; False to refuse
            if there are any.

    Returns:
        The folders that the existing files were moved to: one if the database and the uploads are in the same folder;
        none if there were no files.

    Raises:
        BackupRefused: if `source` is not a backup or that of a newer version, files exist and `replace` is False, or
            the uploads are a mount point.
        DatabaseInUse: if a server runs on the database.
        DatabaseMoved: if the database was moved to PostgreSQL.
        OSError: if a file cannot be read or written, or the backup is damaged.
    """
    copy = source / DATABASE_NAME
    if not copy.is_file():
        raise BackupRefused(f"{source} is not a backup: it has no {DATABASE_NAME}")
    if user := holder_of(copy):
        raise BackupRefused(f"{source} is not a backup: {user} uses it. Make one with `tailwire backup`")
    private_files.make_folder(database.parent)
    lock = ServerLock(database)
    try:
        lock.write_holder(f"`tailwire restore`, pid {os.getpid()}")
        moved.refuse_if_moved(database)
        private_files.give([database.with_name(database.name + ".lock")], database.parent)
        uploads = without_link(uploads)
        private_files.make_folder(uploads.parent)
        existing = [uploads] if uploads.exists() else []
        existing += [
            path for suffix in DATABASE_SUFFIXES if (path := database.with_name(database.name + suffix)).exists()
        ]
        if existing and not replace:
            raise BackupRefused(f"{existing[0]} already exists: --replace moves existing files to another folder first")
        fresh, files = partial_of(database), partial_of(uploads)
        with removed_on_failure(fresh, files):
            _copy_database(copy, fresh)
            check(fresh, copy)
            refuse_newer(source, _schema_version(fresh))
            copy_anew(source / UPLOADS_NAME, files)
            private_files.give([fresh, files], database.parent)
            return _replace(existing, [(files, uploads), (fresh, database)], database.parent)
    finally:
        lock.release()


def _copy_database(database: Path, fresh: Path) -> None:
    # A log next to the database has what was committed last: apply it to the copy, which nobody else uses.
    log_file, fresh_log = _log_of(database), _log_of(fresh)
    with_log = log_file.is_file() and log_file.stat().st_size > 0
    fresh_log.unlink(missing_ok=True)  # of a restore that was killed
    private_files.create(fresh)
    shutil.copyfile(database, fresh)
    if with_log:
        with removed_on_failure(fresh_log, fresh.with_name(fresh.name + "-shm")):
            private_files.create(fresh_log)
            shutil.copyfile(log_file, fresh_log)
            _apply_log(fresh, log_file)
    sync(fresh)


def _log_of(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def _apply_log(database: Path, original: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True)) as c:
            ((busy, _, _),) = c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            ((mode,),) = c.execute("PRAGMA journal_mode = DELETE")  # removes the log
    except sqlite3.Error as e:
        raise OSError(f"{original} cannot be applied to its database: {e}") from e
    if busy or mode != "delete":
        raise OSError(f"{original} cannot be applied: another process has {database} open")


def _replace(existing: list[Path], new: list[tuple[Path, Path]], data: Path) -> tuple[Path, ...]:
    asides: dict[Path, Path] = {}
    try:
        for path in existing:
            if path.parent not in asides:
                asides[path.parent] = make_aside(path.parent)
        private_files.give(asides.values(), data)
        with renamed([*((path, asides[path.parent] / path.name) for path in existing), *new]):
            for folder in {target.parent for _, target in new}:
                private_files.sync_folder(folder)
    except BaseException:
        for aside in asides.values():
            remove_if_empty(aside)
        raise
    return tuple(asides.values())


def check(database: Path, original: Path | None = None) -> None:
    """Check that a SQLite file, which nobody writes to, is undamaged and is the database of a server.

    Args:
        database: the file.
        original: the file that it was copied from, to be named in an error.

    Raises:
        OSError: if it is not; the message says why.
    """
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as c:
            (result,) = c.execute("PRAGMA quick_check(1)").fetchone()
            c.execute("SELECT app_id FROM app").fetchone()
    except sqlite3.Error as e:
        result = str(e)
    if result != "ok":
        raise OSError(f"{original or database} is damaged: {result}")


def _schema_version(database: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as c:
            found = c.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        found = None
    return str(found[0]) if found else ""


def refuse_newer(source: Path, version: str) -> None:
    """Raise `BackupRefused` if a backup has a schema that this version does not know, and cannot upgrade.

    Args:
        source: the folder of the backup.
        version: the version of its schema; "" if it has none.

    Raises:
        BackupRefused: this version does not know the schema.
    """
    known = revisions()
    if not version:
        raise BackupRefused(f"{source} is not a backup: its database has no schema version")
    if version not in known:
        raise BackupRefused(
            f"{source} was made by a newer version: its database has schema version {version}, this version of tailwire"
            f" knows up to {known[-1]}. Install that version, and restore with it. Nothing was changed"
        )
