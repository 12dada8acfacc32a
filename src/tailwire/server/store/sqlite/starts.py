"""Detects a restored older copy of the database, by the starts of the server and the highest id given out.

There are two records. The starts in the database tell how much history a client's position shares with it (see
`sql.starts`): a restored copy does not know the ids that were given out after it was made. The second record is a file
next to the database, which a copy of the database does not include: the highest id given out. If the database is behind
it, ids continue above it.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.ports.world import World
from tailwire.server.store.sql.starts import MAX_STARTS, KnownStarts
from tailwire.server.telemetry.logs import log

IDS_PER_SYNC = 1_000
"""Ids between two syncs of the file. A loss of power may lose that many ids; a killed process loses none."""
ID_MARGIN = 10_000
"""Ids to skip above the number in the file: more than can have been given out since its last sync."""
ID_JUMP = 1_000_000
"""Ids to skip if it is unknown how many were given out: the file is missing, or belongs to another database."""
_ID_DIGITS = 20


@dataclass(frozen=True, slots=True)
class IdRecord:
    """The content of the id file: the store's name, and the highest id given out."""

    name: str
    highest: int


class IdFile:
    """The id file next to a database. Its number is the highest id given out.

    It is overwritten in place after each commit, before callers continue, so it covers every id that anybody has seen.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".ids")
        self._descriptor: int | None = None
        self._place = 0
        self._synced = 0
        self._written = 0
        self._failed = False

    def read(self) -> IdRecord | None:
        """Return the content; None if the file is missing or invalid."""
        try:
            name, number = self.path.read_text(encoding="ascii").split()
            return IdRecord(name, int(number))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as e:
            log.warning("%s cannot be read (%s) and is treated as missing", self.path, e)
            return None

    def begin(self, name: str, highest: int) -> None:
        """Replace the file atomically, and keep it open.

        Raises:
            OSError: the file cannot be written.
        """
        private_files.write_whole(self.path, f"{name} {highest:0{_ID_DIGITS}d}\n".encode("ascii"))
        self._descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._place = len(name) + 1
        self._synced = self._written = highest

    def write(self, highest: int) -> None:
        """Store the highest id given out. A failure is logged once and stops no write."""
        if self._descriptor is None or highest == self._written:
            return
        try:
            os.lseek(self._descriptor, self._place, os.SEEK_SET)
            os.write(self._descriptor, b"%0*d" % (_ID_DIGITS, highest))
            if highest - self._synced >= IDS_PER_SYNC:
                os.fsync(self._descriptor)
                self._synced = highest
            self._failed = False
        except OSError as e:
            if not self._failed:
                log.error(
                    "%s cannot be written (%s): a restored older copy of the database would not be detected",
                    self.path,
                    e,
                )
            self._failed = True
        self._written = highest

    def close(self) -> None:
        """Sync the file and close it."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.fsync(descriptor)
            except OSError as e:
                log.warning("%s: %s", self.path, e)
            finally:
                os.close(descriptor)


class Starts:
    """The starts of a store, and its id file.

    Attributes:
        known: the starts in the database; empty before `begin`, and in a command that runs alongside the server.
    """

    def __init__(self, database: Path) -> None:
        self.file = IdFile(database)
        self.known = KnownStarts()

    def begin(self, c: sqlite3.Connection, world: World, name: str, last: int) -> tuple[str, int]:
        """Begin a start of the server: compare the database with the id file, and store the start.

        Args:
            c: the writing connection.
            world: the clock, and the source of new names and marks.
            name: the store's name in the database.
            last: the highest id in the database.

        Returns:
            The store's name, which is new if an older copy was restored or the database came from elsewhere, and the id
            after which ids are given out.
        """
        known = self.file.read()
        starts = c.execute("SELECT mark, after_id FROM starts ORDER BY number").fetchall()
        first, new_name = last, name
        if known is not None and known.name == name:
            if known.highest > last:
                first, new_name = known.highest + ID_MARGIN, world.secret(8)
                log.warning(
                    "an older copy of the database was restored: it ends with id %d, but %d was given out. It continues"
                    " as a new store after id %d, and clients are notified",
                    last, known.highest, first,
                )  # fmt: skip
        elif known is not None or starts:
            first = max(last, known.highest if known is not None else 0) + ID_JUMP
            new_name = world.secret(8) if starts else name
            log.warning("the database was moved here without its file %s: it continues as a new store after id %d",
                        self.file.path.name, first)  # fmt: skip
        mark = world.secret(6)
        c.execute("BEGIN IMMEDIATE")
        c.execute("INSERT INTO starts (mark, after_id, started_at) VALUES (?, ?, ?)", (mark, last, world.seconds()))
        c.execute("DELETE FROM starts WHERE number <= (SELECT max(number) FROM starts) - ?", (MAX_STARTS,))
        if first != last:
            c.execute("UPDATE app SET store_name = ?, last_id = ?", (new_name, first))
        c.execute("COMMIT")
        self.file.begin(new_name, first)
        self.known = KnownStarts([*starts, (mark, last)])
        return new_name, first
