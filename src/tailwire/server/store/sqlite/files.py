"""Writes the records of uploaded files and of what refers to them.

A file to which nothing refers is removed after a while.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable, Sequence

from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
from tailwire.server.ports.world import World
from tailwire.server.store.sql.files import (
    COLUMN_NAMES,
    COLUMNS,
    CONDEMNED,
    GONE,
    NEVER_USED,
    UNUSED_CONDITION,
    UPLOADED_SQL,
    USED,
    FileRows,
)
from tailwire.server.store.sql.issued_forms import COLUMN_NAMES as FORM_COLUMNS
from tailwire.server.store.sql.issued_forms import REMOVE_OLD_SQL, refusing_conditions, values_of
from tailwire.server.store.sqlite.chores import Chores
from tailwire.server.store.sqlite.database import Database

_PLACEHOLDERS = ", ".join("?" for _ in COLUMN_NAMES)
_ISSUE_SQL = f"INSERT INTO issued_forms ({', '.join(FORM_COLUMNS)}) VALUES ({', '.join('?' for _ in FORM_COLUMNS)})"
_USE_SQL = f"UPDATE files SET used = {USED}, unused_since = NULL WHERE name = ? AND used < {CONDEMNED}"


class Files(FileRows):
    """`FileStore` on SQLite.

    Args:
        chores: notified when a file may have lost its last reference.
    """

    def __init__(self, database: Database, chores: Chores, world: World) -> None:
        super().__init__(database)
        self._db: Database = database
        self._chores = chores
        self._world = world

    async def add(self, file: FileRow, quota: int = 0, since: int = 0, *, by_user: bool = False) -> FileResult:
        def add(c: sqlite3.Connection) -> FileResult:
            if c.execute("SELECT 1 FROM files WHERE name = ?", (file.name,)).fetchone():
                return FileResult.EXISTS
            if quota and c.execute(UPLOADED_SQL, (file.uid, since)).fetchone()[0] + file.size > quota:
                return FileResult.OVER_QUOTA
            if by_user and not c.execute("SELECT 1 FROM users WHERE uid = ?", (file.uid,)).fetchone():
                return FileResult.NO_USER
            sql = f"INSERT INTO files ({COLUMNS}, used, unused_since) VALUES ({_PLACEHOLDERS}, 0, ?)"
            c.execute(sql, (*dataclasses.astuple(file), file.created_at))
            self._chores.report_added()
            return FileResult.STORED

        return await self._db.write(add)

    async def issue_forms(self, forms: Sequence[FormRow], limits: FormLimits) -> FormResult:
        values = values_of(forms, limits)

        def issue(c: sqlite3.Connection) -> FormResult:
            c.execute(REMOVE_OLD_SQL, values)
            for condition, result in refusing_conditions(limits):
                if c.execute(f"SELECT {condition}", values).fetchone()[0]:
                    return result
            c.executemany(_ISSUE_SQL, forms)
            return FormResult.STORED

        return await self._db.write(issue)

    async def condemn(self, *, never_used_added_until: int, last_used_until: int, limit: int) -> list[FileRow]:
        due = ((USED, last_used_until), (NEVER_USED, never_used_added_until))
        if not await self._any_unused(never_used_added_until, last_used_until):
            return []

        def condemn(c: sqlite3.Connection) -> list[FileRow]:
            for used, before in due:
                which = f"SELECT name FROM files WHERE {UNUSED_CONDITION} LIMIT ?"
                c.execute(f"UPDATE files SET used = {CONDEMNED} WHERE name IN ({which})", (used, before, limit))
            rows = c.execute(f"SELECT {COLUMNS} FROM files WHERE {UNUSED_CONDITION} LIMIT ?", (*GONE, limit)).fetchall()
            return [FileRow(*row) for row in rows]

        return await self._db.write(condemn)

    async def discard(self, names: Sequence[str]) -> None:
        sql = f"UPDATE files SET used = {CONDEMNED} WHERE name = ? AND used = {NEVER_USED}"

        def discard(c: sqlite3.Connection) -> None:
            c.executemany(sql, [(name,) for name in names])
            self._chores.report_added()

        await self._db.write(discard)

    def use(self, c: sqlite3.Connection, place: str, key: str | int, names: Iterable[str]) -> None:
        """Store which uploaded files an object refers to: these and no others. For use in an operation of the writer.

        Files that lose their last reference count as unused from now on. Names without a record are ignored.

        Args:
            place: the kind of the object: `message`, `user` or `group`.
            key: the id of the message, the uid or the guid.
            names: the names of the files; empty for none.
        """
        used, key = set(names), str(key)
        rows = c.execute("SELECT name FROM file_uses WHERE place = ? AND key = ?", (place, key)).fetchall()
        known = {row[0] for row in rows}
        for name in used - known:
            if c.execute(_USE_SQL, (name,)).rowcount:
                c.execute("INSERT INTO file_uses VALUES (?, ?, ?)", (place, key, name))
        for name in known - used:
            c.execute("DELETE FROM file_uses WHERE place = ? AND key = ? AND name = ?", (place, key, name))
            self._release(c, name)

    def _release(self, c: sqlite3.Connection, name: str) -> None:
        sql = (
            f"UPDATE files SET unused_since = ? WHERE name = ? AND used < {CONDEMNED}"
            " AND NOT EXISTS (SELECT 1 FROM file_uses WHERE name = ?)"
        )
        if c.execute(sql, (self._world.seconds(), name, name)).rowcount:
            self._chores.report_added()
