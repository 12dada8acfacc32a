"""Writes the records of uploaded files. A file to which nothing refers is removed after a while."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
from tailwire.server.store.postgres.access import DatabaseAccess, as_row, insert, texts_of
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.files import COLUMN_NAMES, COLUMNS, CONDEMNED, NEVER_USED, USED, FileRows
from tailwire.server.store.sql.issued_forms import COLUMN_NAMES as FORM_COLUMNS
from tailwire.server.store.sql.issued_forms import REMOVE_OLD_SQL, refusing_conditions, values_of

_CONDEMN_SQL = f"""UPDATE files SET used = {CONDEMNED} WHERE name IN
(SELECT name FROM files WHERE used = :used::int AND unused_since <= :before::bigint LIMIT :most::bigint)"""
_CONDEMNED_SQL = (
    f"SELECT {COLUMNS} FROM files WHERE used = {CONDEMNED} AND unused_since IS NOT NULL LIMIT :most::bigint"
)


class Files(FileRows):
    """`FileStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess, chores: Chores) -> None:
        super().__init__(access.reads)
        self._access = access
        self._chores = chores

    async def add(self, file: FileRow, quota: int = 0, since: int = 0, *, by_user: bool = False) -> FileResult:
        unit = Unit()
        unit.end_if("EXISTS (SELECT FROM files WHERE name = :name)", name=file.name)
        unit.end_if(
            ":quota::bigint > 0 AND (SELECT coalesce(sum(size), 0) FROM files WHERE uid = :uid"
            " AND created_at > :since::bigint) + :size::bigint > :quota::bigint",
            uid=file.uid, since=since, size=file.size, quota=quota,
        )  # fmt: skip
        if by_user:
            unit.end_if("NOT EXISTS (SELECT FROM users WHERE uid = :uid)", uid=file.uid)
        row = {**dataclasses.asdict(file), "used": NEVER_USED, "unused_since": file.created_at}
        unit.run(insert("files", [*COLUMN_NAMES, "used", "unused_since"]), row=as_row(row))
        ended = (await self._access.carry_out(unit)).ended
        if ended is not None:
            return (FileResult.EXISTS, FileResult.OVER_QUOTA, FileResult.NO_USER)[ended]
        self._chores.report_added()
        return FileResult.STORED

    async def issue_forms(self, forms: Sequence[FormRow], limits: FormLimits) -> FormResult:
        unit, values, conditions = Unit(), values_of(forms, limits), refusing_conditions(limits)
        for condition, _ in conditions:
            unit.end_if(condition, **values)
        unit.run(REMOVE_OLD_SQL, day_ago=limits.day_ago)
        for form in forms:
            unit.run(insert("issued_forms", FORM_COLUMNS), row=as_row(form._asdict()))
        ended = (await self._access.carry_out(unit)).ended
        return FormResult.STORED if ended is None else conditions[ended][1]

    async def condemn(self, *, never_used_added_until: int, last_used_until: int, limit: int) -> list[FileRow]:
        if not await self._any_unused(never_used_added_until, last_used_until):
            return []
        unit = Unit()
        for used, before in ((USED, last_used_until), (NEVER_USED, never_used_added_until)):
            unit.run(_CONDEMN_SQL, used=used, before=before, most=limit)
        unit.run_returning(_CONDEMNED_SQL, most=limit)
        return [FileRow(**row) for row in (await self._access.carry_out(unit)).results[2]]

    async def discard(self, names: Sequence[str]) -> None:
        unit = Unit()
        unit.run(
            f"UPDATE files SET used = {CONDEMNED} WHERE used = {NEVER_USED} AND name IN {texts_of('names')}",
            names=list(names),
        )
        await self._access.carry_out(unit)
        self._chores.report_added()
