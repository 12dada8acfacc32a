"""Removal of messages and files because of their age."""

from __future__ import annotations

from tailwire.server.store.postgres.access import DatabaseAccess, texts_of
from tailwire.server.store.postgres.change_log import ChangeLog
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.removal import Removal
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.change_log import OF_PRUNED_MESSAGES_CONDITION
from tailwire.server.store.sql.files import CONDEMNED
from tailwire.server.store.sql.pruning import LAST_OLD_SQL, OLD_FILE_CONDITION, PruningRows

_OLD_CONDITION = "id > :after::bigint AND id <= :until::bigint AND sent_at <= :before::bigint"
_NOTE_SQL = f"""UPDATE conversations c SET pruned_id = greatest(c.pruned_id, old.id)
FROM (SELECT conversation_id, max(id) AS id FROM messages WHERE {_OLD_CONDITION} GROUP BY conversation_id) AS old
WHERE c.conversation_id = old.conversation_id"""
# A receipt says up to which message a user has read. If all of these were removed, it is of no use.
_FORGET_RECEIPTS_SQL = """DELETE FROM receipts x USING (SELECT DISTINCT conversation_id FROM removed) AS r
WHERE x.conversation_id = r.conversation_id AND x.up_to < coalesce(
(SELECT min(m.id) FROM messages m WHERE m.conversation_id = r.conversation_id), 1::bigint << 62)"""

ROWS_PER_STEP = 10_000
_FORGET_PLACES_SQL = f"""DELETE FROM words WHERE ctid IN (SELECT w.ctid FROM words w WHERE w.words = ''::tsvector
AND w.message_id <= (SELECT pruned_id FROM app) AND w.message_id <= (SELECT id FROM words_until)
AND NOT EXISTS (SELECT FROM messages m WHERE m.id = w.message_id) LIMIT {ROWS_PER_STEP})"""


class Pruning(PruningRows):
    """`PruningStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess, removal: Removal, chores: Chores, log: ChangeLog) -> None:
        super().__init__(access.reads)
        self._removal = removal
        self._access = access
        self._chores = chores
        self._log = log

    async def remove_messages(self, before: int, limit: int, after: int = 0) -> int:
        bounds = {"limit": limit, "before": before, "after": after}
        (until,) = await self._access.reads.first_row(LAST_OLD_SQL, bounds)
        if until is None:
            return 0
        unit, which = Unit(), {"after": after, "until": until, "before": before}
        unit.run_returning(f"SELECT count(*) AS count FROM messages WHERE {_OLD_CONDITION}", **which)
        unit.run("UPDATE app SET pruned_id = greatest(pruned_id, :until::bigint)", until=until)
        unit.run(_NOTE_SQL, **which)
        self._removal.remove_messages(unit, _OLD_CONDITION, which, None)
        unit.run(_FORGET_RECEIPTS_SQL)
        answer = await self._access.carry_out(unit)
        self._chores.report_added()
        return int(answer.results[0][0]["count"])

    async def end(self) -> None:
        # The words of a removed message were replaced by an empty row, so that no process could still index it. For
        # messages this old, the empty rows are not needed.
        removed = ROWS_PER_STEP
        while removed == ROWS_PER_STEP:
            unit = Unit()
            unit.run(_FORGET_PLACES_SQL)
            removed = (await self._access.carry_out(unit)).results[0]
        unit = Unit()
        self._log.remove_entries(unit, OF_PRUNED_MESSAGES_CONDITION)
        await self._access.carry_out(unit)

    async def condemn_files(self, before: int, limit: int) -> int:
        old = OLD_FILE_CONDITION.format(before=":before")
        sql = f"SELECT name FROM files WHERE {old} ORDER BY created_at LIMIT :limit"
        names = [row[0] for row in await self._access.reads.rows(sql, {"before": before, "limit": limit})]
        if not names:
            return 0
        unit = Unit()
        # Since the names were read, a user or group may have come to refer to one of the files.
        unit.run(
            f"UPDATE files SET used = {CONDEMNED}, unused_since = 0 WHERE name IN {texts_of('names')} AND"
            f" {OLD_FILE_CONDITION.format(before=':before::bigint')}",
            names=names, before=before,
        )  # fmt: skip
        unit.run(
            f"DELETE FROM file_uses WHERE name IN (SELECT name FROM files WHERE name IN {texts_of('names')}"
            f" AND used = {CONDEMNED})",
            names=names,
        )
        answer = await self._access.carry_out(unit)
        self._chores.report_added()
        return int(answer.results[0])
