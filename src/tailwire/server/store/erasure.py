"""Takes what is left of deleted users and messages out of the file, in small steps between other writes.

What is to be done is noted in the transaction of the deletion (`chores`), so that it is done after a crash as well.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from tailwire.server.store.bodies import read_body, write_body
from tailwire.server.store.files import Files

ROWS = 1000
PAGES = 200
USER, WORDS, LOG = "user", "words", "log"
LOG_AGAIN = 1
NAME = "Deleted user"

_ADD = (
    "INSERT INTO chores (kind, key, done_id, up_to, due_at) VALUES (?, ?, 0, ?, ?)"
    " ON CONFLICT DO UPDATE SET done_id = 0, up_to = excluded.up_to, due_at = min(due_at, excluded.due_at)"
)


class Erasure(Files):
    """Chores after deletions."""

    async def do_chore(self) -> bool:
        """Do a step of what is due. False when nothing is."""
        now = self._world.seconds()
        first = self._one("SELECT kind FROM chores WHERE due_at <= ? ORDER BY due_at, kind LIMIT 1", (now,))
        if first is None:
            return False
        if first[0] == LOG:
            cut = await asyncio.get_running_loop().run_in_executor(self._executor, self._cut_log)
            await self._writer.submit(lambda c: _log_is_cut(c, now) if cut else _cut_log_later(c, now))
        else:
            await self._writer.submit(lambda c: self._step(c, now))
        return True

    def _cut_log(self) -> bool:
        # False when somebody reads from it, which a backup may do for long: writes do not wait for that.
        c = self._writing
        (waits,) = c.execute("PRAGMA busy_timeout").fetchone()
        c.execute("PRAGMA busy_timeout = 0")
        try:
            (busy, _, _) = c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            c.execute(f"PRAGMA busy_timeout = {waits}")
        return not busy

    async def next_chore(self) -> int | None:
        """When the next is due, or None."""
        (due,) = self._one("SELECT min(due_at) FROM chores", ())
        return None if due is None else int(due)

    @staticmethod
    def _step(c: sqlite3.Connection, now: int) -> None:
        sql = (
            "SELECT kind, key, done_id, up_to FROM chores WHERE due_at <= ? AND kind <> ? ORDER BY due_at, kind LIMIT 1"
        )
        chore = c.execute(sql, (now, LOG)).fetchone()
        if chore is None:
            return  # it was done meanwhile
        kind, key, done_id, up_to = chore
        done = _forget_user(c, key, done_id, up_to) if kind == USER else _forget_words(c, done_id)
        if done is None:
            c.execute("DELETE FROM chores WHERE kind = ? AND key = ?", (kind, key))
            # What was overwritten is still in the log of writes until that is written back and cut.
            add_chore(c, LOG, "", 0, now)
        else:
            c.execute("UPDATE chores SET done_id = ? WHERE kind = ? AND key = ?", (done, kind, key))


def add_chore(c: sqlite3.Connection, kind: str, key: str, up_to: int, due_at: int) -> None:
    """Note something to be done, within the transaction of the deletion; what is noted already begins anew."""
    c.execute(_ADD, (kind, key, up_to, due_at))


def _log_is_cut(c: sqlite3.Connection, now: int) -> None:
    c.execute("DELETE FROM chores WHERE kind = ? AND due_at <= ?", (LOG, now))


def _cut_log_later(c: sqlite3.Connection, now: int) -> None:
    c.execute("UPDATE chores SET due_at = ? WHERE kind = ?", (now + LOG_AGAIN, LOG))


def _forget_words(c: sqlite3.Connection, done: int) -> int | None:
    # A deleted message leaves the index when the parts of the index that name it are merged into one. The first step
    # asks for that (a negative number), the next go on with it; SQLite has changed nothing more when it is done.
    before = c.total_changes
    c.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('merge', ?)", (PAGES if done else -PAGES,))
    return done + 1 if c.total_changes - before >= 2 else None


def _forget_user(c: sqlite3.Connection, uid: str, done: int, up_to: int) -> int | None:
    # The copies of a user in messages that stay: who sent and received them, whom they mention, what groups tell.
    sql = "SELECT id, body FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
    rows = c.execute(sql, (done, up_to, ROWS)).fetchall()
    named = b'"uid":"%b"' % uid.encode()
    for number, body in rows:
        if named in body:
            message = read_body(body)
            if message is not None:
                _scrub(message, uid)
                c.execute("UPDATE messages SET body = ? WHERE id = ?", (write_body(message), number))
    return rows[-1][0] if rows else None


def _scrub(message: Any, uid: str) -> None:
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        return
    nobody = {"uid": uid, "name": NAME, "role": "default", "status": "offline"}
    mentions = data.get("mentions")
    if isinstance(mentions, dict) and uid in mentions:
        mentions[uid] = nobody
    entities = data.get("entities")
    for one in entities.values() if isinstance(entities, dict) else ():
        inner = one.get("entity") if isinstance(one, dict) else None
        if isinstance(inner, dict) and one.get("entityType") == "user" and inner.get("uid") == uid:
            one["entity"] = nobody
        elif isinstance(inner, dict) and one.get("entityType") == "message":
            _scrub(inner, uid)
