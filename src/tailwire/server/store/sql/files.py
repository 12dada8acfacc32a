"""Reads records of uploaded files, and makes those writes that need only one statement."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tailwire.server.ports.file_records import FileRow
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.issued_forms import CLOSE_SQL, HAS_FORM_SQL

COLUMN_NAMES = tuple(f.name for f in dataclasses.fields(FileRow))
COLUMNS = ", ".join(COLUMN_NAMES)
NEVER_USED, USED, CONDEMNED, REMOVED = 0, 1, 2, 3
UNUSED_CONDITION = "used = ? AND unused_since <= ?"
GONE = (CONDEMNED, 1 << 62)
"""The values of `UNUSED_CONDITION` with which it selects all condemned files: those that are about to be removed."""
STORED_FILES_SQL = f"SELECT count(*) FROM files WHERE used < {CONDEMNED}"
UPLOADED_SQL = "SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM files WHERE uid = ? AND created_at > ?"
_FIRST_SQL = f"SELECT 1 FROM files WHERE {UNUSED_CONDITION}"


class FileRows:
    """`FileStore`, without the writes that need several statements."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, name: str) -> FileRow | None:
        row = await self._db.first_row(f"SELECT {COLUMNS} FROM files WHERE name = ? AND used < {CONDEMNED}", (name,))
        return FileRow(*row) if row else None

    async def of_user(self, uid: str) -> list[FileRow]:
        rows = await self._db.rows(f"SELECT {COLUMNS} FROM files WHERE uid = ? ORDER BY created_at, name", (uid,))
        return [FileRow(*row) for row in rows]

    async def bytes_uploaded(self, uid: str, since: int) -> int:
        ((size,),) = await self._db.rows(UPLOADED_SQL, (uid, since))
        return int(size)

    async def unused_since(self) -> tuple[int | None, int | None]:
        sql = "SELECT min(unused_since) FROM files WHERE used = ? AND unused_since IS NOT NULL"
        (never,), (no_more,) = await self._db.first_row(sql, (NEVER_USED,)), await self._db.first_row(sql, (USED,))
        return never, no_more

    async def remove(self, names: Sequence[str], now: int, kept_seconds: int) -> None:
        removed = (
            f"UPDATE files SET used = {REMOVED}, unused_since = ?, uid = '', file_name = '', size = 0"
            f" WHERE name = ? AND used = {CONDEMNED}"
        )
        await self._db.run_many(removed, [(now, name) for name in names])
        await self._db.run(f"DELETE FROM files WHERE used = {REMOVED} AND unused_since <= ?", (now - kept_seconds,))

    async def has_form(self, name: str, since: int) -> bool:
        return await self._db.first_row(HAS_FORM_SQL, (name, since)) is not None

    async def close_form(self, name: str) -> None:
        await self._db.run(CLOSE_SQL, (name,))

    async def _any_unused(self, never_used_added_until: int, last_used_until: int) -> bool:
        # Return whether `condemn` has anything to do.
        sql = f"SELECT EXISTS ({_FIRST_SQL}) OR EXISTS ({_FIRST_SQL}) OR EXISTS ({_FIRST_SQL})"
        (found,) = await self._db.first_row(sql, (USED, last_used_until, NEVER_USED, never_used_added_until, *GONE))
        return bool(found)
