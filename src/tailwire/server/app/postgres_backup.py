"""Backups of a server on PostgreSQL: a dump of the database, and the uploads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from tailwire.server import private_files
from tailwire.server.app.backup import (
    UPLOADS_NAME,
    BackupRefused,
    copy_next_to,
    finish,
    make_aside,
    new_partial,
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


def back_up(url: str, uploads: Path, target: Path) -> tuple[int, int]:
    """Dump a database with `pg_dump`, and copy the uploads, into a new folder, even while servers run.

    Returns:
        The size of the dump in bytes, and the number of uploaded files.

    Raises:
        BackupRefused: if the target exists.
        OSError: if a file cannot be read or written, `pg_dump` is missing or fails, or the dump is damaged.
    """
    copy = new_partial(target) / DUMP_NAME
    private_files.create(copy)
    dumps.dump(url, copy)
    return finish(copy, uploads, target)


def restore(source: Path, url: str, uploads: Path, *, replace: bool) -> Restored:
    """Restore a backup to a PostgreSQL database and the uploads. No server may use them.

    The contents of the database are replaced in one transaction. If that fails, the uploads are as before. The store
    gets a new name, and continues with ids far above those that it has assigned before, so that clients notice that it
    was restored.

    Args:
        replace: True to back up existing contents to a new folder next to the uploads first; False to refuse if there
            are any.

    Raises:
        BackupRefused: if `source` is not a backup, there are contents and `replace` is False, or the uploads are a
            mount point.
        OSError: if a server uses the database, a file cannot be read or written, or the backup is damaged.
    """
    file = source / DUMP_NAME
    if not file.is_file():
        raise BackupRefused(f"{source} is not a backup of a PostgreSQL database: it has no {DUMP_NAME}")
    uploads = without_link(uploads)
    private_files.make_folder(uploads.parent)
    with dumps.without_servers(url) as highest:
        dumps.check(file)
        aside: Path | None = None
        if highest is not None or uploads.exists():
            if not replace:
                raise BackupRefused(
                    "the database or the uploads have contents already: --replace backs them up to another folder first"
                )
            aside = make_aside(uploads.parent)
        moves = [(copy_next_to(source / UPLOADS_NAME, uploads), uploads)]
        if aside is not None and uploads.exists():
            moves.insert(0, (uploads, aside / UPLOADS_NAME))
        with renamed(moves):
            if aside is not None and highest is not None:
                private_files.create(aside / DUMP_NAME)
                dumps.dump(url, aside / DUMP_NAME)
            dumps.load(url, file)
        ids_after = asyncio.run(_begin_new_start(url, highest or 0))
        private_files.sync_folder(uploads.parent)
        return Restored(aside, ids_after)


async def _begin_new_start(url: str, highest: int) -> int:
    # Recognises that the database was restored: its store gets a new name, and ids are skipped.
    store = await PostgresStore.open(url, World(), serving=True, highest=highest)
    try:
        return store.lane.starts.highest
    finally:
        await store.close()
