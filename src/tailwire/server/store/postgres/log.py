"""Reads the log: stored messages and changes in the order of their ids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tailwire.server.ports.changes import Change
from tailwire.server.ports.log import LoggedChange, LoggedMessage, LogPage, Look
from tailwire.server.ports.records import MessageRow
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.sql.messages import MessageRows
from tailwire.server.store.sql.statements import MESSAGE_COLUMNS

ROWS_PER_PAGE = 200
_COLUMNS = ", ".join(f"m.{column.name}" for column in MESSAGE_COLUMNS)
# Not the last value of the sequence, which may belong to a batch that is not committed yet.
_LOOK = """SELECT greatest(coalesce((SELECT max(id) FROM messages), 0), coalesce((SELECT max(id) FROM changes), 0)),
coalesce((SELECT min(id) FROM changes), 0), (SELECT count(*) FROM processes WHERE serving)"""
_MESSAGES = f"""SELECT {_COLUMNS}, coalesce((SELECT max(b.id) FROM messages b
WHERE b.conversation_id = m.conversation_id AND b.id < m.id), 0)
FROM messages m WHERE m.id > ? AND m.id <= ? ORDER BY m.id LIMIT ?"""
# A user who left and came back later is not a member between.
_CHANGES = """SELECT c.id, c.kind, c.key, c.kind <> 'member' OR EXISTS (
SELECT FROM members m WHERE m.guid = split_part(c.key, '/', 1) AND m.uid = split_part(c.key, '/', 2)
AND m.joined_after_id < c.id) FROM changes c WHERE c.id > ? AND c.id <= ? ORDER BY c.id LIMIT ?"""


class Log:
    """`ports.log.LogReader` on PostgreSQL."""

    def __init__(self, database: Database, messages: MessageRows) -> None:
        self._db = database
        self._messages = messages

    async def look(self) -> Look:
        return Look(*await self._db.one(_LOOK))

    async def read(self, after: int, up_to: int) -> LogPage:
        values = (after, up_to, ROWS_PER_PAGE)
        messages, changes = await asyncio.gather(self._db.rows(_MESSAGES, values), self._db.rows(_CHANGES, values))
        for rows in (messages, changes):
            if len(rows) == ROWS_PER_PAGE:
                up_to = min(up_to, rows[-1][0])
        quoted_id = MessageRow._fields.index("quoted_id")
        wanted = [row[quoted_id] for row in messages if row[quoted_id] is not None and row[0] <= up_to]
        quoted = await self._messages.by_ids(wanted) if wanted else {}
        told = {row[0]: row[2].partition("/")[2] for row in changes if row[1] == "member"}
        return LogPage(
            up_to,
            [_message(row, quoted.get, told.get(row[0], "")) for row in messages if row[0] <= up_to],
            [LoggedChange(Change(*row[:3]), row[3]) for row in changes if row[0] <= up_to],
        )


def _message(row: Any, quoted: Callable[[int], MessageRow | None], told: str) -> LoggedMessage:
    message = MessageRow._make(row[:-1])
    return LoggedMessage(message, row[-1], quoted(message.quoted_id) if message.quoted_id is not None else None, told)
