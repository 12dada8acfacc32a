"""Uploaded files: what is known of them, and who names them. Those that nobody names any more are removed in time."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable, Sequence

from tailwire.server.ports.records import FileRow, Kept
from tailwire.server.ports.world import World
from tailwire.server.store.access import Access

_FILE = ", ".join(f.name for f in dataclasses.fields(FileRow))
_MARKS = ", ".join("?" for _ in dataclasses.fields(FileRow))
NEVER_USED, USED, CONDEMNED = 0, 1, 2
_UNUSED = "used = ? AND unused_since <= ?"
_FIRST = f"SELECT 1 FROM files WHERE {_UNUSED}"
_USE = f"UPDATE files SET used = {USED}, unused_since = NULL WHERE name = ? AND used < {CONDEMNED}"
_GONE = (CONDEMNED, 1 << 62)


class Files(Access):
    """Uploaded files and their uses."""

    _world: World
    _unused: Callable[[], None] = staticmethod(lambda: None)

    def on_unused(self, told: Callable[[], None]) -> None:
        """Name the one who is told after a commit in which files may have lost their last use, or a chore was noted."""
        self._unused = told

    def _left_over(self) -> None:
        # Within an operation: once it is committed, there may be something to remove.
        self._writer.after_commit(self._tell_left_over)

    def _tell_left_over(self) -> None:
        self._unused()

    async def add_file(self, file: FileRow, most: int = 0, since: int = 0) -> Kept:
        """Keep what is known of a new file.

        Args:
            most: bytes that its user may have uploaded since `since`, this file included; 0 for any.
        """

        def add(c: sqlite3.Connection) -> Kept:
            if c.execute("SELECT 1 FROM files WHERE name = ?", (file.name,)).fetchone():
                return Kept.KNOWN
            if most and _uploaded(c, file.uid, since) + file.size > most:
                return Kept.TOO_MUCH
            sql = f"INSERT INTO files ({_FILE}, used, unused_since) VALUES ({_MARKS}, 0, ?)"
            c.execute(sql, (*dataclasses.astuple(file), file.created_at))
            self._left_over()
            return Kept.NEW

        return await self._writer.submit(add)

    async def file(self, name: str) -> FileRow | None:
        """An uploaded file, or None."""
        row = self._one(f"SELECT {_FILE} FROM files WHERE name = ? AND used < {CONDEMNED}", (name,))
        return FileRow(*row) if row else None

    async def files_of(self, uid: str) -> list[FileRow]:
        """All files that a user has uploaded, oldest first."""
        rows = await self._rows(f"SELECT {_FILE} FROM files WHERE uid = ? ORDER BY created_at, name", (uid,))
        return [FileRow(*row) for row in rows]

    async def uploaded(self, uid: str, since: int) -> int:
        """Bytes of the files that a user has uploaded after a time and that are still there."""
        return await self._read(lambda c: _uploaded(c, uid, since))

    async def condemn_files(self, *, never_before: int, no_more_before: int, limit: int) -> list[FileRow]:
        """Mark files that nobody has ever named, or that nobody names any more, since a time or longer.

        From then on they are not found, and nobody can name them again.

        Args:
            never_before, no_more_before: the times, in seconds since 1970.

        Returns:
            Files that are marked, at most `limit`; also those that were marked before and are still there.
        """
        due = ((USED, no_more_before), (NEVER_USED, never_before))
        if not self._one(
            f"SELECT EXISTS ({_FIRST}) OR EXISTS ({_FIRST}) OR EXISTS ({_FIRST})", (*due[0], *due[1], *_GONE)
        )[0]:
            return []

        def condemn(c: sqlite3.Connection) -> list[FileRow]:
            for used, before in due:
                which = f"SELECT name FROM files WHERE {_UNUSED} LIMIT ?"
                c.execute(f"UPDATE files SET used = {CONDEMNED} WHERE name IN ({which})", (used, before, limit))
            rows = c.execute(f"SELECT {_FILE} FROM files WHERE {_UNUSED} LIMIT ?", (*_GONE, limit)).fetchall()
            return [FileRow(*row) for row in rows]

        return await self._writer.submit(condemn)

    async def discard_files(self, names: Sequence[str]) -> None:
        """Mark files that were never named: nobody will."""
        sql = f"UPDATE files SET used = {CONDEMNED} WHERE name = ? AND used = {NEVER_USED}"

        def discard(c: sqlite3.Connection) -> None:
            c.executemany(sql, [(name,) for name in names])
            self._left_over()

        await self._writer.submit(discard)

    async def unused_since(self) -> tuple[int | None, int | None]:
        """Since when the first of the files that were never named is there, and since when the first has lost its last
        use; None where there is none."""
        sql = "SELECT min(unused_since) FROM files WHERE used = ? AND unused_since IS NOT NULL"
        return self._one(sql, (NEVER_USED,))[0], self._one(sql, (USED,))[0]

    async def remove_files(self, names: Sequence[str]) -> None:
        """Forget files that are marked and whose bytes are gone."""
        sql = f"DELETE FROM files WHERE name = ? AND used = {CONDEMNED}"
        await self._writer.submit(lambda c: c.executemany(sql, [(name,) for name in names]).rowcount)

    def _use_files(self, c: sqlite3.Connection, place: str, key: str | int, names: Iterable[str]) -> None:
        # What stands in one place names these files now, and no others any more.
        wanted, key = set(names), str(key)
        rows = c.execute("SELECT name FROM file_uses WHERE place = ? AND key = ?", (place, key)).fetchall()
        known = {row[0] for row in rows}
        for name in wanted - known:
            if c.execute(_USE, (name,)).rowcount:
                c.execute("INSERT INTO file_uses VALUES (?, ?, ?)", (place, key, name))
        for name in known - wanted:
            c.execute("DELETE FROM file_uses WHERE place = ? AND key = ? AND name = ?", (place, key, name))
            self._unless_used(c, name)

    def _unless_used(self, c: sqlite3.Connection, name: str) -> None:
        sql = (
            f"UPDATE files SET unused_since = ? WHERE name = ? AND used < {CONDEMNED}"
            " AND NOT EXISTS (SELECT 1 FROM file_uses WHERE name = ?)"
        )
        if c.execute(sql, (self._world.seconds(), name, name)).rowcount:
            self._left_over()


def _uploaded(c: sqlite3.Connection, uid: str, since: int) -> int:
    sql = "SELECT coalesce(sum(size), 0) FROM files WHERE uid = ? AND created_at > ?"
    return int(c.execute(sql, (uid, since)).fetchone()[0])
