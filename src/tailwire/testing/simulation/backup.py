"""A backup of the server's database, taken while the server runs and restored later."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

WAL_SUFFIXES = ("-wal", "-shm")


class Backup:
    """The backup of a run, and the ids that were lost when it was restored.

    Args:
        database: the file of the server's database.

    Attributes:
        lost_muids: the muids of the messages that were stored and are not in the restored backup.
        cleared: by the conversation's key and the uid, the id up to which a user had deleted a conversation for
            themselves just before a backup was restored.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file = database.with_name("copy.db")
        self._lost: list[tuple[int, int]] = []
        self.lost_muids: set[str] = set()
        self.cleared: dict[tuple[str, str], int] = {}

    def take(self, store: Any) -> None:
        """Copy the committed data of a running server's store to the backup, in place of an earlier backup."""
        with closing(sqlite3.connect(self._file)) as to:
            store.database.reader.backup(to)

    def restore(self) -> None:
        """Replace the database of the stopped server with the backup. Without effect if there is no backup.

        The server's separate file with the highest id that it has given out stays, so that ids are not used again.
        """
        if not self._file.exists():
            return
        last = _last_id(self._file)
        self._lost.append((last, _last_id(self._database)))
        with closing(sqlite3.connect(self._database)) as c:
            self.lost_muids |= {
                muid for (muid,) in c.execute("SELECT muid FROM messages WHERE id > ?", (last,)) if muid
            }
            for *key, until in c.execute("SELECT conversation_id, uid, cleared_id FROM marks WHERE cleared_id > 0"):
                self.cleared[key[0], key[1]] = max(until, self.cleared.get((key[0], key[1]), 0))
        for name in WAL_SUFFIXES:
            self._database.with_name(self._database.name + name).unlink(missing_ok=True)
        shutil.copy(self._file, self._database)

    @property
    def restored(self) -> bool:
        """Whether a backup was restored at least once."""
        return bool(self._lost)

    def has_lost(self, begin: int, end: int) -> bool:
        """Return whether restoring a backup explains the gap (`begin`, `end`].

        That is the case if the highest id of a restored backup was `begin`, and ids up to `end` had been given out.
        """
        return any(first == begin and end <= last for first, last in self._lost)

    def has_removed(self, message_id: int) -> bool:
        """Return whether the id is one of those that were lost when a backup was restored."""
        return any(begin < message_id <= end for begin, end in self._lost)


def _last_id(database: Path) -> int:
    with closing(sqlite3.connect(database)) as c:
        (last,) = c.execute(
            "SELECT max((SELECT coalesce(max(id), 0) FROM messages), (SELECT max(last_id) FROM app))"
        ).fetchone()
    return int(last)
