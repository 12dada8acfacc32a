"""Detects at the start of a server that the database is an older copy which was restored.

The highest message id that was given out is also kept in a file next to the database, which a copy of the database does
not include. If the ids in the database end below it, the database is an older copy. Then new ids continue above the one
in the file, so that none is given out twice.

The starts that are stored in the database tell later how much of a client's history is that of the copy: see
`store.sql.starts`.
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
"""After how many ids the file is synced. A loss of power may lose that many ids; a killed process loses none."""
ID_MARGIN = 10_000
"""How many ids are skipped after the one in the file: more than can have been given out since its last sync."""
ID_JUMP = 1_000_000
"""How many ids are skipped if the file is missing or belongs to another database."""
_ID_DIGITS = 20


@dataclass(frozen=True, slots=True)
class IdRecord:
    """The content of the id file: the store's name, and the highest message id that was given out."""

    name: str
    highest: int


class IdFile:
    """The id file next to a database, with the highest message id that was given out.

    It is overwritten in place after each commit, before the id is returned to anyone.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".ids")
        self._descriptor: int | None = None
        self._place = 0
        self._synced = 0
        self._written = 0
        self._failed = False

    def read(self) -> IdRecord | None:
        """Return the content; None if the file is missing, or cannot be read or understood, which is logged."""
        try:
            name, number = self.path.read_text(encoding="ascii").split()
            return IdRecord(name, int(number))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as e:
            log.warning("%s cannot be read (%s) and is treated as missing", self.path, e)
            return None

    def begin(self, name: str, highest: int) -> None:
        """Replace the file atomically, and keep it open for `write`.

        Args:
            name: the name of the store.
            highest: the highest id that was given out.

        Raises:
            OSError: the file cannot be written.
        """
        private_files.write_whole(self.path, f"{name} {highest:0{_ID_DIGITS}d}\n".encode("ascii"))
        self._descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._place = len(name) + 1
        self._synced = self._written = highest

    def write(self, highest: int) -> None:
        """Store the highest id that was given out. Does nothing before `begin`. A failure is only logged, and once."""
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
        """Sync and close the file, if it is open."""
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
        known: the starts in the database; empty before `begin`, which a command never calls.
    """

    def __init__(self, database: Path) -> None:
        self.file = IdFile(database)
        self.known = KnownStarts()

    def begin(self, c: sqlite3.Connection, world: World, name: str, last: int) -> tuple[str, int]:
        """Store a new start of the server, after comparing the database with the id file.

        Args:
            c: the writer's connection.
            world: the clock, and the source of new names and marks.
            name: the store's name in the database.
            last: the highest id in the database.

        Returns:
            The name of the store, and the id above which new ids must be. If the database is an older copy or was moved
            here, the name is new, and the id is higher than `last`. In a new database next to the id file of another
            one, only the id is higher.
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
