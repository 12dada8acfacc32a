"""Reads which messages and files are old enough to be removed."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.ports.change_log import ChangeKind, own_subject
from tailwire.server.ports.conversations import GROUP_KEY
from tailwire.server.ports.pruning import OldCounts
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.files import CONDEMNED, NEVER_USED

_OLDEST_SQL = "(SELECT id, sent_at FROM messages WHERE id > :after ORDER BY id LIMIT :limit) AS oldest"
LAST_OLD_SQL = f"SELECT max(id) FROM {_OLDEST_SQL} WHERE sent_at <= :before"
_NEWER_UNTIL_SQL = f"""SELECT max(id) FROM {_OLDEST_SQL}
WHERE id < coalesce((SELECT min(id) FROM {_OLDEST_SQL} WHERE sent_at <= :before), {2**63 - 1})"""
_FIRST_OLD_SQL = "SELECT id, sent_at FROM messages WHERE id > ? AND id <= ? ORDER BY sent_at, id LIMIT 1"
OLD_FILE_CONDITION = (
    f"used < {CONDEMNED} AND created_at <= {{before}} AND NOT EXISTS"
    " (SELECT 1 FROM file_uses u WHERE u.name = files.name AND u.place <> 'message')"
)
_KNOWN_SQL = "SELECT 1 FROM files WHERE name >= :stem AND name < :end LIMIT 1"
# A member of a group receives what was sent after they joined, and a former member what was sent until they left. The
# message that announces the departure counts too: if a newer message was removed, so was that one.
_PRUNED_SQL = f"""SELECT coalesce(max(CASE WHEN c.pruned_id < mine.until_id THEN c.pruned_id ELSE mine.until_id END), 0)
FROM (
SELECT conversation_id, 0 AS joined_id, {2**63 - 1} AS until_id FROM participants WHERE uid = :reader
UNION ALL SELECT '{GROUP_KEY}' || guid, joined_after_id, {2**63 - 1} FROM members WHERE uid = :reader
UNION ALL SELECT '{GROUP_KEY}' || detail, since_id, message_id FROM change_log
WHERE subject = :own AND kind = '{ChangeKind.MEMBERSHIP_ENDED}' AND message_id > :after) AS mine
JOIN conversations c ON c.conversation_id = mine.conversation_id
WHERE c.pruned_id > :after AND c.pruned_id > mine.joined_id"""


class PruningRows:
    """`PruningStore`, without its writes."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def oldest_times(self) -> tuple[int | None, int | None]:
        message = await self._db.first_row("SELECT sent_at FROM messages ORDER BY id LIMIT 1")
        file = await self._db.first_row("SELECT created_at FROM files ORDER BY created_at LIMIT 1")
        return message and message[0], file and file[0]

    async def newer_until(self, before: int, limit: int, after: int) -> int:
        values = {"before": before, "limit": limit, "after": after}
        ((until,),) = await self._db.rows(_NEWER_UNTIL_SQL, values)
        return after if until is None else int(until)

    async def first_old(self, after: int, until: int) -> tuple[int, int] | None:
        rows = await self._db.rows(_FIRST_OLD_SQL, (after, until))
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    async def count(self, messages_before: int, files_before: int) -> OldCounts:
        ((messages,),) = await self._db.rows("SELECT count(*) FROM messages WHERE sent_at <= ?", (messages_before,))
        old = OLD_FILE_CONDITION.format(before="?")
        sql = f"SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT) FROM files WHERE {old}"
        ((files, size),) = await self._db.rows(sql, (files_before,))
        return OldCounts(messages, files, int(size))

    async def files_after(self, name: str, uploaded_before: int, limit: int) -> list[str]:
        where = f"name > ? AND used < {CONDEMNED} AND created_at <= ?"
        sql = f"SELECT name FROM files WHERE {where} ORDER BY name LIMIT ?"
        return [row[0] for row in await self._db.rows(sql, (name, uploaded_before, limit))]

    async def count_unused(self, uploaded_before: int) -> OldCounts:
        where = f"used = {NEVER_USED} AND unused_since <= ?"
        sql = f"SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT) FROM files WHERE {where}"
        ((files, size),) = await self._db.rows(sql, (uploaded_before,))
        return OldCounts(0, files, int(size))

    async def recorded_names(self, stems: Sequence[str]) -> list[bool]:
        # The extension follows a dot, and "/" follows the dot in the order of names.
        found = await self._db.first_rows(_KNOWN_SQL, [{"stem": stem, "end": f"{stem}/"} for stem in stems])
        return [row is not None for row in found]

    async def condemn(self, names: Sequence[str]) -> None:
        rows = [(name,) for name in names]
        await self._db.run_many(f"UPDATE files SET used = {CONDEMNED}, unused_since = 0 WHERE name = ?", rows)
        await self._db.run_many("DELETE FROM file_uses WHERE name = ?", rows)

    async def pruned_until(self, reader: str, after: int) -> int:
        (highest,) = await self._db.first_row("SELECT pruned_id FROM app")
        if highest <= after:
            return 0
        ((until,),) = await self._db.rows(_PRUNED_SQL, {"reader": reader, "own": own_subject(reader), "after": after})
        return int(until)
