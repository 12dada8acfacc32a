"""Removal of messages and files because of their age."""

from __future__ import annotations

import sqlite3

from tailwire.server.store.sql.change_log import KEEP_HIGHEST_SQL, OF_PRUNED_MESSAGES_CONDITION
from tailwire.server.store.sql.files import CONDEMNED
from tailwire.server.store.sql.pruning import LAST_OLD_SQL, OLD_FILE_CONDITION, PruningRows
from tailwire.server.store.sqlite.chores import REMOVED_WORDS, Chores, add_chore
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.removal import Removal

_OLD_CONDITION = "id > ? AND id <= ? AND sent_at <= ?"
_NOTE_SQL = (
    "UPDATE conversations SET pruned_id = max(pruned_id, old.id) FROM (SELECT conversation_id, max(id) AS id"
    " FROM messages WHERE id > :after AND id <= :until AND sent_at <= :before GROUP BY conversation_id) AS old"
    " WHERE conversations.conversation_id = old.conversation_id"
)
# A receipt says up to which message a user has read. If all of these were removed, it is of no use.
_FORGET_RECEIPTS_SQL = (
    "DELETE FROM receipts WHERE conversation_id = :of AND up_to < coalesce("
    "(SELECT min(id) FROM messages WHERE conversation_id = :of), :all)"
)
_ALL_IDS = 2**62


class Pruning(PruningRows):
    """`PruningStore` on SQLite."""

    def __init__(self, database: Database, removal: Removal, chores: Chores) -> None:
        super().__init__(database)
        self._db: Database = database
        self._removal = removal
        self._chores = chores

    async def remove_messages(self, before: int, limit: int, after: int = 0) -> int:
        def remove(c: sqlite3.Connection) -> int:
            (until,) = c.execute(LAST_OLD_SQL, {"limit": limit, "before": before, "after": after}).fetchone()
            if until is None:
                return 0
            c.execute("UPDATE app SET pruned_id = max(pruned_id, ?)", (until,))
            c.execute(_NOTE_SQL, {"after": after, "until": until, "before": before})
            which = (after, until, before)
            rows = c.execute(f"SELECT conversation_id FROM messages WHERE {_OLD_CONDITION}", which).fetchall()
            self._removal.remove_messages(c, _OLD_CONDITION, which)
            c.executemany(_FORGET_RECEIPTS_SQL, [{"of": place, "all": _ALL_IDS} for (place,) in set(rows)])
            return len(rows)

        return await self._db.write(remove)

    async def end(self) -> None:
        def end(c: sqlite3.Connection) -> None:
            c.execute(KEEP_HIGHEST_SQL)
            c.execute(f"DELETE FROM change_log WHERE {OF_PRUNED_MESSAGES_CONDITION}")
            add_chore(c, REMOVED_WORDS, "", 0, 0)
            self._chores.report_added()

        await self._db.write(end)

    async def condemn_files(self, before: int, limit: int) -> int:
        def condemn(c: sqlite3.Connection) -> int:
            sql = f"SELECT name FROM files WHERE {OLD_FILE_CONDITION.format(before='?')} ORDER BY created_at LIMIT ?"
            names = c.execute(sql, (before, limit)).fetchall()
            c.executemany(f"UPDATE files SET used = {CONDEMNED}, unused_since = 0 WHERE name = ?", names)
            c.executemany("DELETE FROM file_uses WHERE name = ?", names)
            self._chores.report_added()
            return len(names)

        return await self._db.write(condemn)
