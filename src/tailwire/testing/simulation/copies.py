"""A copy of the server's database that is made while it runs, and put back later by somebody who knows no better."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

BESIDE = ("-wal", "-shm")


class Copies:
    """The copy of a run, and which ids are gone because it was put back.

    Args:
        database: of the server.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._copy = database.with_name("copy.db")
        self._gone: list[tuple[int, int]] = []

    def make(self, store: Any) -> None:
        """Copy what is committed."""
        with closing(sqlite3.connect(self._copy)) as to:
            store.database.reader.backup(to)

    def put_back(self) -> None:
        """Put the copy in the place of the database; the server does not run. The file beside it stays."""
        if not self._copy.exists():
            return
        self._gone.append((_last_id(self._copy), _last_id(self._database)))
        for name in BESIDE:
            self._database.with_name(self._database.name + name).unlink(missing_ok=True)
        shutil.copy(self._copy, self._database)

    def took_away(self, message_id: int) -> bool:
        """Return whether a message of this id is gone because a copy from before it was put back."""
        return any(begin < message_id <= end for begin, end in self._gone)


def _last_id(database: Path) -> int:
    with closing(sqlite3.connect(database)) as c:
        (last,) = c.execute(
            "SELECT max((SELECT coalesce(max(id), 0) FROM messages), (SELECT max(last_id) FROM app))"
        ).fetchone()
    return int(last)
