"""Pins, saves, followed threads, reports and interactions: what the stores share (see `store.sql`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailwire.server.ports import change_log
from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.filters import Position
from tailwire.server.ports.records import ReportRow
from tailwire.server.store.sql.change_log import LoggedWrites
from tailwire.server.store.sql.conditions import page_clause
from tailwire.server.store.sql.connection import Connection

_REPORT_COLUMNS = ", ".join(ReportRow._fields)
_NEWEST_REPORTS = ("at", "message_id", "uid")
_FOLLOWED_FROM_CLAUSE = (
    "FROM subscriptions s JOIN messages m ON m.id = s.message_id WHERE s.uid = :uid AND CASE m.receiver_type"
    " WHEN 'user' THEN :uid IN (m.sender, m.receiver)"
    " ELSE EXISTS (SELECT 1 FROM members g WHERE g.guid = m.receiver AND g.uid = :uid) END"
)

MAX_HIDDEN_SHARE = 10
OTHER_SAVES_SQL = f"""SELECT CASE WHEN count(*) >= {MAX_HIDDEN_SHARE} * CAST(:most AS bigint) THEN count(*)
ELSE count(*) FILTER (WHERE m.id > coalesce(k.cleared_id, 0) AND (m.receiver_type = 'user'
OR EXISTS (SELECT 1 FROM members g WHERE g.guid = m.receiver AND g.uid = v.uid))) END
FROM saves v JOIN messages m ON m.id = v.message_id
LEFT JOIN marks k ON k.conversation_id = m.conversation_id AND k.uid = v.uid
WHERE v.uid = :uid AND v.message_id <> CAST(:id AS bigint)"""
"""Counts the messages other than `:id` that a user has saved and that their list of saved messages shows.

Those that it does not show count as well if there are ten times as many in all as the limit (`:most`), so that nobody
fills the table with messages of groups that they leave."""


class AnnotationRows:
    """`AnnotationStore`, without the writes that check a permission (`MessageAct`)."""

    def __init__(self, connection: Connection, log: LoggedWrites) -> None:
        self._db = connection
        self._log = log

    async def unsave(self, message_id: int, uid: str, device: str = "") -> int:
        sql = "DELETE FROM saves WHERE uid = :uid AND message_id = CAST(:id AS bigint)"
        gone = change_log.own_change(ChangeKind.UNSAVED, uid, device, message_id=message_id)
        return await self._log.run(sql, {"uid": uid, "id": message_id}, gone)

    async def saved_at(self, first: int, last: int, uid: str) -> dict[int, int]:
        sql = "SELECT message_id, saved_at FROM saves WHERE uid = ? AND message_id BETWEEN ? AND ?"
        return dict(await self._db.rows(sql, (uid, first, last)))

    async def followed_between(self, first: int, last: int, uid: str) -> set[int]:
        sql = "SELECT message_id FROM subscriptions WHERE uid = ? AND message_id BETWEEN ? AND ?"
        return {row[0] for row in await self._db.rows(sql, (uid, first, last))}

    async def followed_threads(self, uid: str, *, limit: int, offset: int) -> tuple[list[int], int]:
        values = {"uid": uid, "limit": limit, "offset": offset}
        sql = f"SELECT s.message_id {_FOLLOWED_FROM_CLAUSE} ORDER BY s.message_id DESC LIMIT :limit OFFSET :offset"
        rows, total = await self._db.page(f"SELECT count(*) {_FOLLOWED_FROM_CLAUSE}", sql, values, values)
        return [row[0] for row in rows], total

    async def list_reports(self, *, limit: int, offset: int) -> tuple[list[ReportRow], int]:
        order = ", ".join(f"{column} DESC" for column in _NEWEST_REPORTS)
        sql = f"SELECT {_REPORT_COLUMNS} FROM flags ORDER BY {order} LIMIT ? OFFSET ?"
        rows, total = await self._db.page("SELECT count(*) FROM flags", sql, (), (limit, offset))
        return [ReportRow(*row) for row in rows], total

    async def reports_after(self, position: Position, limit: int) -> list[ReportRow]:
        values: list[Any] = []
        end = page_clause("TRUE", _NEWEST_REPORTS, position, limit, values, descending=True)
        return [ReportRow(*row) for row in await self._db.rows(f"SELECT {_REPORT_COLUMNS} FROM flags {end}", values)]

    async def interactions(self, ids: Sequence[int], uid: str) -> dict[int, list[tuple[str, int]]]:
        if not ids:
            return {}
        placeholders = ", ".join("?" for _ in ids)
        sql = f"SELECT message_id, element_id, at FROM interactions WHERE uid = ? AND message_id IN ({placeholders})"
        found: dict[int, list[tuple[str, int]]] = {}
        for number, element, at in await self._db.rows(f"{sql} ORDER BY at, element_id", [uid, *ids]):
            found.setdefault(number, []).append((element, at))
        return found
