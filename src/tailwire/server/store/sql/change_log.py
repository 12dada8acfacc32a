"""The change log, numbered entries of what changed besides messages: its reads, and SQL that the stores share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tailwire.server.ports.change_log import (
    ChangeKind,
    ChangeRow,
    EndedMembership,
    ForgottenEntries,
    NewChange,
    own_subject,
)
from tailwire.server.ports.conversations import GROUP_KEY
from tailwire.server.store.sql.connection import Connection

COLUMNS = (
    "subject", "key", "after_id", "kind", "uid", "device", "to_uid", "message_id", "since_id", "detail", "at",
)  # fmt: skip
ROWS_PER_CLEANUP = 1000
CHANGES_PER_CLEANUP = 256
"""How many changes a process stores until it looks for old entries again."""

_ENTRY_COLUMNS = (
    "c.number, c.after_id, c.subject, c.kind, c.uid, c.device, c.to_uid, c.message_id, c.detail, c.at,"
    " {until} AS until_id"
)
_EVER, _WITHIN = _ENTRY_COLUMNS.format(until="CAST(NULL AS BIGINT)"), "c.number > :after AND c.number <= :newest"
_GROUP_REMOVED_KIND = f"'{ChangeKind.GROUP_REMOVED}'"
_GROUP, _ENDED_KIND = f"c.subject = '{GROUP_KEY}' ||", f"'{ChangeKind.MEMBERSHIP_ENDED}'"
# The four parts: changes in conversations of two users; in groups since the reader joined; in former groups while the
# reader was a member; and those that concern only the reader.
_FOUND_SQL = f"""
SELECT {_EVER} FROM participants p JOIN change_log c ON c.subject = p.conversation_id AND {_WITHIN}
WHERE p.uid = :reader
UNION ALL
SELECT {_EVER} FROM members m JOIN change_log c ON {_GROUP} m.guid AND {_WITHIN} AND c.after_id > m.joined_after_id
AND c.kind <> {_GROUP_REMOVED_KIND} WHERE m.uid = :reader
UNION ALL
SELECT {_ENTRY_COLUMNS.format(until="e.message_id")} FROM change_log e
JOIN change_log c ON {_GROUP} e.detail AND {_WITHIN} AND c.number < e.number
AND CASE WHEN c.kind = {_GROUP_REMOVED_KIND} THEN c.after_id = e.message_id ELSE c.after_id > e.since_id END
WHERE e.subject = :own AND e.number > :after AND e.kind = {_ENDED_KIND}
UNION ALL
SELECT {_EVER} FROM change_log c WHERE c.subject = :own AND {_WITHIN} AND c.kind <> {_ENDED_KIND}"""
_FIND_SQL = f"""SELECT * FROM ({_FOUND_SQL}) AS found WHERE (device <> :device OR uid <> :reader)
AND (to_uid = '' OR to_uid = :reader
OR (uid = :reader AND kind IN ('{ChangeKind.DELIVERED}', '{ChangeKind.READ}'))){{without}}
ORDER BY number LIMIT :limit"""
# All entries may have been removed: then the newest number is known only from the row of what was forgotten.
NEWEST_SQL = """SELECT max(n) FROM (SELECT max(number) AS n FROM change_log
UNION ALL SELECT number FROM forgotten_changes UNION ALL SELECT highest FROM forgotten_changes) AS given_out"""
KEEP_HIGHEST_SQL = """UPDATE forgotten_changes SET highest = (SELECT max(number) FROM change_log)
WHERE highest < (SELECT max(number) FROM change_log)"""
"""Stores the highest number. Run this before entries are removed, so that their numbers are not given out again."""
_ENDED_SQL = f"""SELECT detail, since_id, message_id FROM change_log WHERE subject = :own AND kind =
'{ChangeKind.MEMBERSHIP_ENDED}' AND message_id > :after ORDER BY number LIMIT :limit"""
# Memberships that ended because the group was removed do not count: there was no message.
ENDED_BEFORE = f"""(SELECT coalesce(max(e.message_id), 0) FROM change_log e JOIN messages b ON b.id = e.message_id
WHERE e.subject = '{own_subject("")}' || {{uid}} AND e.kind = {_ENDED_KIND} AND e.detail = {{guid}}
AND b.conversation_id = '{GROUP_KEY}' || {{guid}} AND b.id < {{before}})"""
"""An SQL template with `uid`, `guid` and `before`. Its value is the id of the message with which the last membership of
a user in a group ended, among messages with ids lower than `before`; 0 if there is none."""
# The entry with this number may have been removed with its group. Then the entry before it counts, which happened after
# the same message or an earlier one.
_LEFT_AFTER_SQL = f"""SELECT DISTINCT uid FROM change_log WHERE kind = {_ENDED_KIND} AND detail = ? AND number > ?
AND since_id < (SELECT after_id FROM change_log WHERE number <= ? ORDER BY number DESC LIMIT 1)"""
OLD_SQL = f"""SELECT max(number), max(after_id) FROM (SELECT number, after_id, at FROM change_log ORDER BY number
LIMIT {ROWS_PER_CLEANUP}) AS first WHERE at < :before OR number <= :below"""

OF_USER_CONDITION = "subject = :own OR uid = :uid OR to_uid = :uid"
OF_CONVERSATION_CONDITION = f"subject = :conversation AND kind <> {_GROUP_REMOVED_KIND}"
"""Selects the entries that are removed with a conversation: all except the entry that says its group was deleted."""
OF_PRUNED_MESSAGES_CONDITION = f"""message_id BETWEEN 1 AND (SELECT pruned_id FROM app) AND kind <> {_ENDED_KIND}
AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = change_log.message_id)"""


def values_of(change: NewChange, now: int) -> dict[str, Any]:
    """Return the columns of the entry of a change, by name.

    `number` and `after_id` are left out, because the write itself determines them. `since_id`, which only the end of a
    membership needs, is 0.

    Args:
        now: seconds since 1970.
    """
    return {
        "subject": change.subject, "key": change.key, "kind": str(change.kind), "uid": change.uid,
        "device": change.device, "to_uid": change.to_uid, "message_id": change.message_id, "since_id": 0,
        "detail": change.detail, "at": now,
    }  # fmt: skip


class LoggedWrites(Protocol):
    """Writes of one statement, each together with an entry of the change log."""

    async def run(self, sql: str, values: Mapping[str, Any], change: NewChange) -> int:
        """Run a statement that writes and, if it changes a row, store a change in the same transaction.

        Args:
            sql: the statement, with `:name` for each of `values`.
            change: the entry of the change log.

        Returns:
            The number of the entry; 0 if no row was changed, and so no entry stored.
        """

    async def run_if(self, condition: str, sql: str, values: Mapping[str, Any], change: NewChange) -> int | None:
        """Run a statement as `run` does, but only if a condition holds, which is checked in the same transaction.

        Args:
            condition: an SQL expression, with `:name` for each of `values`.
            sql: the statement, with `:name` for each of `values`.
            change: the entry of the change log.

        Returns:
            What `run` returns; None if the condition does not hold.
        """


class ChangeLogRows:
    """`ChangeLog`, without its writes."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def newest_number(self) -> int:
        return int((await self._db.first_row(NEWEST_SQL))[0])

    async def find(
        self, reader: str, device: str, after: int, newest: int, heard: Sequence[int], limit: int
    ) -> list[ChangeRow]:
        if newest <= after:
            return []
        without = f" AND number NOT IN ({', '.join(str(int(n)) for n in heard)})" if heard else ""
        values = {
            "reader": reader, "own": own_subject(reader), "device": device, "after": after, "newest": newest,
            "limit": limit,
        }  # fmt: skip
        return list(map(ChangeRow._make, await self._db.rows(_FIND_SQL.format(without=without), values)))

    async def forgotten_entries(self) -> ForgottenEntries:
        return ForgottenEntries(*await self._db.first_row("SELECT number, after_id FROM forgotten_changes"))

    async def ended_memberships(self, reader: str, after_id: int, limit: int) -> list[EndedMembership]:
        values = {"own": own_subject(reader), "after": after_id, "limit": limit}
        return list(map(EndedMembership._make, await self._db.rows(_ENDED_SQL, values)))

    async def left_after(self, guid: str, uids: Sequence[str], number: int) -> list[str]:
        values: list[Any] = [guid, number, number]
        whose = self._db.dialect.any_of("subject", [own_subject(uid) for uid in uids], values)
        return [row[0] for row in await self._db.rows(f"{_LEFT_AFTER_SQL} AND {whose}", values)]

    async def last_edit(self, message_id: int) -> int:
        row = await self._db.first_row("SELECT action_id FROM edits WHERE message_id = ?", (message_id,))
        return int(row[0]) if row else 0
