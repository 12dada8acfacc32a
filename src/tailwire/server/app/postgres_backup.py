"""Backups of a server on PostgreSQL: a dump of the database, and the uploads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from tailwire.server import private_files
from tailwire.server.app.backup import UPLOADS_NAME, add_uploads, new_backup, refuse_newer
from tailwire.server.app.backup_files import (
    BackupRefused,
    copy_anew,
    make_aside,
    partial_of,
    remove_if_empty,
    removed_on_failure,
    renamed,
    without_link,
)
from tailwire.server.ports.world import World
from tailwire.server.store.postgres import dumps
from tailwire.server.store.postgres.store import PostgresStore

DUMP_NAME = "tailwire.dump"


class Restored(NamedTuple):
    """The outcome of a restore.

    Attributes:
        aside: the new folder with a backup of the replaced database and the replaced uploads; None if there were none.
        ids_after: the server assigns only ids above this one.
    """

    aside: Path | None
    ids_after: int


def back_up(url: str, uploads: Path, target: Path, *, in_folder: bool = True) -> tuple[int, int]:
    """Dump a database with `pg_dump`, and copy the uploads, into a new folder, even while servers run.

    Args:
        in_folder: whether the servers store uploads in the folder, which then must have files if the database names
            any; False if they store them in a bucket.

    Returns:
        The size of the dump in bytes, and the number of uploaded files.

    Raises:
        BackupRefused: if the target exists.
        OSError: if a file cannot be read or written, `pg_dump` is missing or fails, the dump is damaged, or all uploads
            are missing.
    """
    with new_backup(target) as partial:
        copy = partial / DUMP_NAME
        private_files.create(copy)
        dumps.dump(url, copy)
        return add_uploads(copy, uploads, (lambda: dumps.count_of_files(url)) if in_folder else None)


def restore(source: Path, url: str, uploads: Path, *, replace: bool) -> Restored:
    """Restore a backup to a PostgreSQL database and the uploads. No server may use them.

    The contents of the database are replaced in one transaction. If that fails, the uploads are as before, and the
    error names the folder with the backup of the existing database. The store gets a new name, and continues with ids
    far above those that it has assigned before, so that clients notice that it was restored. What is created in the
    data folder belongs to its owner, also if root restores it.

    Args:
        replace: True to back up existing contents to a new folder next to the uploads first; False to refuse if there
            are any.

    Raises:
        BackupRefused: if `source` is not a backup or that of a newer version, there are contents and `replace` is
            False, or the uploads are a mount point.
        OSError: if a server uses the database, a file cannot be read or written, or the backup is damaged.
    """
    file = source / DUMP_NAME
    if not file.is_file():
        raise BackupRefused(f"{source} is not a backup of a PostgreSQL database: it has no {DUMP_NAME}")
    data, uploads = uploads.parent, without_link(uploads)
    private_files.make_folder(data)
    private_files.make_folder(uploads.parent)
    with dumps.without_servers(url) as highest:
        dumps.check(file)
        refuse_newer(source, dumps.schema_version(file))
        aside: Path | None = None
        if highest is not None or uploads.exists():
            if not replace:
                raise BackupRefused(
                    "the database or the uploads have contents already: --replace backs them up to another folder first"
                )
            aside = make_aside(uploads.parent)
        try:
            _replace(source, url, uploads, data, aside, dumped=highest is not None)
        except BaseException:
            if aside is not None:
                remove_if_empty(aside)
            raise
        ids_after = asyncio.run(_begin_new_start(url, highest or 0))
        private_files.sync_folder(uploads.parent)
        return Restored(aside, ids_after)


def _replace(source: Path, url: str, uploads: Path, data: Path, aside: Path | None, *, dumped: bool) -> None:
    partial = partial_of(uploads)
    with removed_on_failure(partial):
        copy_anew(source / UPLOADS_NAME, partial)
        private_files.give([partial] if aside is None else [partial, aside], data)
        moves = [(partial, uploads)]
        if aside is not None and uploads.exists():
            moves.insert(0, (uploads, aside / UPLOADS_NAME))
        with renamed(moves):
            if aside is not None and dumped:
                with removed_on_failure(aside / DUMP_NAME):
                    private_files.create(aside / DUMP_NAME)
                    private_files.give([aside / DUMP_NAME], data)
                    dumps.dump(url, aside / DUMP_NAME)
            _load(url, source / DUMP_NAME, aside if dumped else None)


def _load(url: str, file: Path, aside: Path | None) -> None:
    try:
        dumps.load(url, file)
    except OSError as e:
        # A connection that breaks at the end of the transaction does not tell whether it was committed: keep the dump.
        kept = f"\nA backup of the database from before is in {aside}" if aside is not None else ""
        raise OSError(f"{e}{kept}") from e


async def _begin_new_start(url: str, highest: int) -> int:
    # Recognises that the database was restored: its store gets a new name, and ids are skipped.
    store = await PostgresStore.open(url, World(), serving=True, highest=highest)
    try:
        return store.lane.starts.highest
    finally:
        await store.close()
