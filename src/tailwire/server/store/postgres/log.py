"""Reads the log: stored messages, and changes of cached rows, in the order of their ids."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tailwire.server.ports.change_log import ChangeKind, ChangeRow, own_subject
from tailwire.server.ports.changes import Change
from tailwire.server.ports.conversations import GROUP_KEY
from tailwire.server.ports.log import LoggedChange, LoggedMessage, LogPage, Look
from tailwire.server.ports.records import MessageRow
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.starts import Starts
from tailwire.server.store.sql.change_log import ENDED_BEFORE, NEWEST_SQL
from tailwire.server.store.sql.messages import MessageRows
from tailwire.server.store.sql.statements import MESSAGE_COLUMNS

ROWS_PER_PAGE = 200
ENTRIES_PER_PAGE = 1000
_ENTRY_COLUMNS = "number, after_id, subject, kind, uid, device, to_uid, message_id, detail, at"
_MESSAGE_COLUMNS = ", ".join(f"m.{column.name}" for column in MESSAGE_COLUMNS)
# Not the last value of the sequence, which may belong to a batch that is not committed yet.
_LOOK_SQL = f"""SELECT greatest(coalesce((SELECT max(id) FROM messages), 0), coalesce((SELECT max(id) FROM changes),
0)), coalesce((SELECT min(id) FROM changes), 0), (SELECT count(*) FROM processes WHERE serving),
({NEWEST_SQL})"""
_MESSAGES_SQL = f"""SELECT {_MESSAGE_COLUMNS}, coalesce((SELECT max(b.id) FROM messages b
WHERE b.conversation_id = m.conversation_id AND b.id < m.id), 0)
FROM messages m WHERE m.id > ? AND m.id <= ? ORDER BY m.id LIMIT ?"""
_ENDED = ENDED_BEFORE.format(uid="split_part(c.key, '/', 2)", guid="split_part(c.key, '/', 1)", before="c.id")
# The fourth column: whether the user was a member after the change. They may have left since, but what was sent in
# between is for them.
_CHANGES_SQL = f"""SELECT c.id, c.kind, c.key, c.kind <> 'member' OR EXISTS (
SELECT FROM members m WHERE m.guid = split_part(c.key, '/', 1) AND m.uid = split_part(c.key, '/', 2)
AND m.joined_after_id < c.id) OR EXISTS (
SELECT FROM change_log e WHERE e.subject = '{own_subject("")}' || split_part(c.key, '/', 2)
AND e.kind = '{ChangeKind.MEMBERSHIP_ENDED}' AND e.detail = split_part(c.key, '/', 1)
AND e.since_id < c.id AND c.id < e.message_id), CASE WHEN c.kind = 'member' THEN {_ENDED} ELSE 0 END
FROM changes c WHERE c.id > ? AND c.id <= ? ORDER BY c.id LIMIT ?"""
# The users who joined or left the group between a message and its last edit, or the last edit of the message that it
# quotes. Not those who left after the edit: they had a right to see it, and would otherwise never receive the message.
_MOVED_SQL = """SELECT m.id, split_part(c.key, '/', 2) FROM messages m JOIN changes c
ON c.id > m.id AND c.kind = 'member' AND starts_with(c.key, m.receiver || '/')
AND c.id < (SELECT coalesce(max(e.action_id), c.id + 1) FROM edits e WHERE e.message_id IN (m.id, m.quoted_id))
WHERE m.receiver_type = 'group' AND """

_ENTRIES_SQL = f"""SELECT {_ENTRY_COLUMNS}, NULL FROM change_log WHERE number > ? AND number <= ?
ORDER BY number LIMIT {ENTRIES_PER_PAGE}"""
# Of a change in a group, the receivers are members who joined before it, users who were members then and have left
# since, and, if the group was removed, those who were members until then.
_RECEIVERS_SQL = f"""SELECT uid, CASE WHEN NOT of_group OR member THEN NULL ELSE until END FROM (
SELECT u.uid, starts_with(c.subject, '{GROUP_KEY}') AS of_group,
c.kind <> '{ChangeKind.GROUP_REMOVED}' AND EXISTS (SELECT FROM members m
    WHERE m.guid = substr(c.subject, {len(GROUP_KEY) + 1}) AND m.uid = u.uid
    AND m.joined_after_id < c.after_id) AS member,
(SELECT min(e.message_id) FROM change_log e WHERE e.subject = '{own_subject("")}' || u.uid AND e.number > c.number
    AND e.kind = '{ChangeKind.MEMBERSHIP_ENDED}' AND e.detail = substr(c.subject, {len(GROUP_KEY) + 1})
    AND CASE WHEN c.kind = '{ChangeKind.GROUP_REMOVED}' THEN e.message_id = c.after_id
        ELSE e.since_id < c.after_id END) AS until
FROM change_log c, unnest(CAST(:uids AS text[])) AS u (uid) WHERE c.number = CAST(:number AS bigint)) AS found
WHERE NOT of_group OR member OR until IS NOT NULL"""


class Log:
    """`ports.log.LogReader` on PostgreSQL."""

    def __init__(self, database: Database, messages: MessageRows, starts: Starts) -> None:
        self._db = database
        self._messages = messages
        self._starts = starts

    async def look(self) -> Look:
        look = Look(*await self._db.first_row(_LOOK_SQL))
        self._starts.record_given_out(look.highest)
        return look

    def record_given_out(self, number: int) -> None:
        self._starts.record_given_out(number)

    async def read(self, after: int, up_to: int) -> LogPage:
        values = (after, up_to, ROWS_PER_PAGE)
        messages, changes = await asyncio.gather(
            self._db.rows(_MESSAGES_SQL, values), self._db.rows(_CHANGES_SQL, values)
        )
        for rows in (messages, changes):
            if len(rows) == ROWS_PER_PAGE:
                up_to = min(up_to, rows[-1][0])
        found = [(MessageRow._make(row[:-1]), row[-1]) for row in messages if row[0] <= up_to]
        quoted_ids = [row.quoted_id for row, _ in found if row.quoted_id is not None]
        quoted = await self._messages.by_ids(quoted_ids) if quoted_ids else {}
        subjects = {row[0]: row[2].partition("/")[2] for row in changes if row[1] == "member"}
        ended = {row[0]: row[4] for row in changes if row[1] == "member" and row[3]}  # of those who joined
        logged = [
            LoggedMessage(
                row,
                predecessor_id,
                quoted.get(row.quoted_id or 0),
                subjects.get(row.id, ""),
                membership_end=ended.get(row.id, 0),
            )
            for row, predecessor_id in found
        ]
        return LogPage(
            up_to,
            await self._withholding(logged),
            [LoggedChange(Change(*row[:3]), row[3]) for row in changes if row[0] <= up_to],
        )

    async def _withholding(self, messages: list[LoggedMessage]) -> list[LoggedMessage]:
        # An edited message is withheld from users who joined or left before the edit, because the earlier content is no
        # longer stored. Memberships are read after the messages, so that a user who was removed before an edit is
        # found.
        edited = [m.row.id for m in messages if m.row.receiver_type == "group" and _is_edited(m)]
        if not edited:
            return messages
        values: list[Any] = []
        which = self._db.dialect.any_of("m.id", edited, values)
        moved: defaultdict[int, set[str]] = defaultdict(set)
        for number, uid in await self._db.rows(_MOVED_SQL + which, values):
            moved[number].add(uid)
        return [replace(m, withheld=frozenset(moved[m.row.id])) if m.row.id in moved else m for m in messages]

    async def changes(self, after: int, up_to: int) -> tuple[list[ChangeRow], int]:
        rows = await self._db.rows(_ENTRIES_SQL, (after, up_to))
        if len(rows) == ENTRIES_PER_PAGE:
            up_to = rows[-1][0]
        return [ChangeRow._make(row) for row in rows if row[3] != ChangeKind.MEMBERSHIP_ENDED], up_to

    async def receivers(self, number: int, uids: Sequence[str]) -> list[tuple[str, int | None]]:
        return [
            (uid, until) for uid, until in await self._db.rows(_RECEIVERS_SQL, {"number": number, "uids": list(uids)})
        ]


def _is_edited(message: LoggedMessage) -> bool:
    return bool(message.row.edited_at or (message.quoted is not None and message.quoted.edited_at))
