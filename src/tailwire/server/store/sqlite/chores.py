"""Chores: erase what remains of deleted users and messages, in small steps between other writes.

What remains are copies of users in messages, words in the full-text index, and pages in the write-ahead log. A chore is
a row that says what is to be done. It is stored in the transaction of the deletion, so it is done even after a crash.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

from tailwire.server.ports.world import World
from tailwire.server.store.sql.bodies import without_user
from tailwire.server.store.sqlite.database import Database

ROWS_PER_STEP = 1000
PAGES_PER_STEP = 200
# PostgreSQL does the first two as well, under the same names: they are moved there with the rest of a database.
REMOVED_USER, LATE_REMOVED_USER, REMOVED_WORDS, LOG = "user", "late erasure", "words", "log"
LATE_SECONDS = 15
"""How long after a deletion messages are still stored that name the user: those that were made before, and waited."""
RETRY_LOG_AFTER_SECONDS = 1
MAX_ID = (1 << 63) - 1

_ADD_SQL = (
    "INSERT INTO chores (kind, key, done_id, up_to, due_at) VALUES (?, ?, 0, ?, ?)"
    " ON CONFLICT DO UPDATE SET done_id = 0, up_to = excluded.up_to, due_at = min(due_at, excluded.due_at)"
)


class Chores:
    """`ChoreStore` on SQLite."""

    def __init__(self, database: Database, world: World) -> None:
        self._db = database
        self._world = world
        self._on_added: Callable[[], None] = lambda: None

    def on_added(self, call: Callable[[], None]) -> None:
        self._on_added = call

    def report_added(self) -> None:
        """Call the function of `on_added` after the commit, because there may be a chore or an unused file.

        For use in an operation of the writer.
        """
        self._db.after_commit(self._report)

    def _report(self) -> None:
        self._on_added()

    async def do_next(self) -> bool:
        now = self._world.seconds()
        first = await self._db.first_row(
            "SELECT kind FROM chores WHERE due_at <= ? ORDER BY due_at, kind LIMIT 1", (now,)
        )
        if first is None:
            return False
        if first[0] == LOG:
            cut = await asyncio.get_running_loop().run_in_executor(self._db.executor, self._truncate_log)
            if cut:
                await self._db.run("DELETE FROM chores WHERE kind = ? AND due_at <= ?", (LOG, now))
            else:
                await self._db.run("UPDATE chores SET due_at = ? WHERE kind = ?", (now + RETRY_LOG_AFTER_SECONDS, LOG))
        else:
            await self._db.write(lambda c: self._step(c, now))
        return True

    def _truncate_log(self) -> bool:
        # Return False while a reader needs the log. A backup may need it for a long time, and writes must not wait.
        c = self._db.writing
        (timeout,) = c.execute("PRAGMA busy_timeout").fetchone()
        c.execute("PRAGMA busy_timeout = 0")
        try:
            (busy, _, _) = c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            c.execute(f"PRAGMA busy_timeout = {timeout}")
        return not busy

    async def next_due(self) -> int | None:
        (due,) = await self._db.first_row("SELECT min(due_at) FROM chores")
        return None if due is None else int(due)

    @staticmethod
    def _step(c: sqlite3.Connection, now: int) -> None:
        sql = "SELECT kind, key, done_id, up_to FROM chores WHERE due_at <= ? ORDER BY due_at, kind LIMIT 1"
        chore = c.execute(sql, (now,)).fetchone()
        if chore is None or chore[0] == LOG:
            return  # done meanwhile
        kind, key, done_id, up_to = chore
        if kind == REMOVED_USER:
            done = _forget_user(c, key, done_id, up_to)
        elif kind == LATE_REMOVED_USER:
            there_again = c.execute("SELECT 1 FROM users WHERE uid = ?", (key,)).fetchone()
            done = None if there_again else _forget_user(c, key, max(done_id, up_to), MAX_ID)
        else:
            done = _forget_words(c, done_id)
        if done is None:
            c.execute("DELETE FROM chores WHERE kind = ? AND key = ?", (kind, key))
            # The write-ahead log has the old content until it is written back and truncated.
            add_chore(c, LOG, "", 0, now)
        else:
            c.execute("UPDATE chores SET done_id = ? WHERE kind = ? AND key = ?", (done, kind, key))


def add_chore(c: sqlite3.Connection, kind: str, key: str, up_to: int, due_at: int) -> None:
    """Store a chore, in the operation of a deletion. If there is one of the same kind and key, it starts again.

    Args:
        c: the writer's connection.
        kind: `REMOVED_USER` erases a user from messages, and `LATE_REMOVED_USER` from those that are newer;
            `REMOVED_WORDS` erases deleted words from the full-text index, and `LOG` truncates the write-ahead log.
        key: the uid of the removed user; "" for the other kinds.
        up_to: the id of the last message when the user was removed; 0 for the other kinds.
        due_at: when it is to be done, in seconds since 1970; 0 for at once.
    """
    c.execute(_ADD_SQL, (kind, key, up_to, due_at))


def _forget_words(c: sqlite3.Connection, done_id: int) -> int | None:
    # FTS5 erases a deleted message when the index segments that name it are merged. The first step requests a full
    # merge (a negative number) and the following ones continue it; fewer than two changes mean that it is complete.
    before = c.total_changes
    c.execute(
        "INSERT INTO messages_fts (messages_fts, rank) VALUES ('merge', ?)",
        (PAGES_PER_STEP if done_id else -PAGES_PER_STEP,),
    )
    return done_id + 1 if c.total_changes - before >= 2 else None


def _forget_user(c: sqlite3.Connection, uid: str, done_id: int, up_to: int) -> int | None:
    # Messages that stay have copies of the user: as sender, receiver, mention, or subject of an action message.
    sql = "SELECT id, body FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
    rows = c.execute(sql, (done_id, up_to, ROWS_PER_STEP)).fetchall()
    for number, body in rows:
        scrubbed_body = without_user(body, uid)
        if scrubbed_body is not None:
            c.execute("UPDATE messages SET body = ? WHERE id = ?", (scrubbed_body, number))
    return rows[-1][0] if rows else None
