"""Writes the records of uploaded files. A file without references is removed after a while."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tailwire.server.ports.changes import FILE
from tailwire.server.ports.records import FileResult, FileRow
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.work import Work, as_row, insert, texts_of
from tailwire.server.store.sql.files import COLUMN_NAMES, COLUMNS, CONDEMNED, NEVER_USED, USED, FileRows

_CONDEMN_SQL = f"""UPDATE files SET used = {CONDEMNED} WHERE name IN
(SELECT name FROM files WHERE used = :used::int AND unused_since <= :before::bigint LIMIT :most::bigint)"""
_CONDEMNED_SQL = (
    f"SELECT {COLUMNS} FROM files WHERE used = {CONDEMNED} AND unused_since IS NOT NULL LIMIT :most::bigint"
)


class Files(FileRows):
    """`FileStore` on PostgreSQL."""

    def __init__(self, work: Work, chores: Chores) -> None:
        super().__init__(work.reads)
        self._work = work
        self._chores = chores

    async def add(self, file: FileRow, quota: int = 0, since: int = 0) -> FileResult:
        unit = Unit()
        unit.end_if("EXISTS (SELECT FROM files WHERE name = :name)", name=file.name)
        unit.end_if(
            ":quota::bigint > 0 AND (SELECT coalesce(sum(size), 0) FROM files WHERE uid = :uid"
            " AND created_at > :since::bigint) + :size::bigint > :quota::bigint",
            uid=file.uid, since=since, size=file.size, quota=quota,
        )  # fmt: skip
        row = {**dataclasses.asdict(file), "used": NEVER_USED, "unused_since": file.created_at}
        unit.run(insert("files", [*COLUMN_NAMES, "used", "unused_since"]), row=as_row(row))
        unit.invalidate(FILE, file.name)
        ended = (await self._work.carry_out(unit)).ended
        if ended is not None:
            return (FileResult.EXISTS, FileResult.OVER_QUOTA)[ended]
        self._chores.report_added()
        return FileResult.STORED

    async def condemn(self, *, never_before: int, no_more_before: int, limit: int) -> list[FileRow]:
        if not await self._any_unused(never_before, no_more_before):
            return []
        unit = Unit()
        for used, before in ((USED, no_more_before), (NEVER_USED, never_before)):
            unit.run(_CONDEMN_SQL, used=used, before=before, most=limit)
        unit.rows(_CONDEMNED_SQL, most=limit)
        return [FileRow(**row) for row in (await self._work.carry_out(unit)).results[2]]

    async def discard(self, names: Sequence[str]) -> None:
        unit = Unit()
        unit.run(
            f"UPDATE files SET used = {CONDEMNED} WHERE used = {NEVER_USED} AND name IN {texts_of('names')}",
            names=list(names),
        )
        await self._work.carry_out(unit)
        self._chores.report_added()
