"""Which ids a store has given out, and in which of its starts: so it is noticed when an older copy is put back.

Two memories. In the database: each start of the server has a mark, and the id after which it began. A client keeps its
position with the trail of the server that it got it from: the marks of the last starts, each with that id. The newest
of them that the database knows, and the id after which the next start began, say how far the two have a history in
common: a copy that was put back does not know the ids that were given out after it was made. Beside the database, in
a file that a copy of the database does not bring along: the highest id that was given out. When the database is
behind it, ids go on above it.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

SYNCED_EVERY = 1_000
"""Ids after which the file is synced to the disk: a loss of power may lose the last of them, a killed process none."""
MARGIN = 10_000
"""Ids that are left out behind the number in the file: more than were given out since it was last on the disk."""
JUMP = 1_000_000
"""Ids that are left out where nobody knows how many were given out: the file is missing, or another database's."""
MAX_STARTS = 10_000
TRAIL = 8
"""Starts that a trail names. A client that kept its position before an older copy was made, and more starts than that
one, is not recognised."""
_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What the file says: the store's name, and the highest id that it has given out."""

    name: str
    highest: int


class IdFile:
    """The file beside a database. Its number is overwritten in place after each commit, before anybody is answered."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".ids")
        self._descriptor: int | None = None
        self._place = 0
        self._synced = 0
        self._written = 0
        self._failed = False

    def read(self) -> Known | None:
        """Return what it says; None when there is none, or it makes no sense."""
        try:
            name, number = self.path.read_text(encoding="ascii").split()
            return Known(name, int(number))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as e:
            log.warning("%s cannot be read (%s): taken as missing", self.path, e)
            return None

    def begin(self, name: str, highest: int) -> None:
        """Make it anew, as a whole, and keep it open.

        Raises:
            OSError: when it cannot be written.
        """
        private_files.write_whole(self.path, f"{name} {highest:0{_DIGITS}d}\n".encode("ascii"))
        self._descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._place = len(name) + 1
        self._synced = self._written = highest

    def given(self, highest: int) -> None:
        """Note the highest id that was given out. A file that cannot be written is reported once, and stops nobody."""
        if self._descriptor is None or highest == self._written:
            return
        try:
            os.lseek(self._descriptor, self._place, os.SEEK_SET)
            os.write(self._descriptor, b"%0*d" % (_DIGITS, highest))
            if highest - self._synced >= SYNCED_EVERY:
                os.fsync(self._descriptor)
                self._synced = highest
            self._failed = False
        except OSError as e:
            if not self._failed:
                log.error("%s cannot be written (%s): an older copy of the database would go unnoticed", self.path, e)
            self._failed = True
        self._written = highest

    def close(self) -> None:
        """Write it to the disk and close it."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.fsync(descriptor)
            except OSError as e:
                log.warning("%s: %s", self.path, e)
            finally:
                os.close(descriptor)


class Lineage:
    """The starts of a store, and its file of ids.

    Attributes:
        trail: of this start, for clients to keep; "" before `begin`, and for a command beside the server.
    """

    def __init__(self, database: Path) -> None:
        self.file = IdFile(database)
        self.trail = self._mark = ""
        self._ends: dict[str, int] = {}

    def begin(self, c: sqlite3.Connection, world: World, name: str, last: int) -> tuple[str, int]:
        """A server starts on this database. Decide whether it is the one that the file speaks of, and begin a start.

        Args:
            c: the writing connection.
            last: the highest id in the database.

        Returns:
            The store's name, a new one when the database went back or came from elsewhere; and the id after which it
            gives out ids.
        """
        known = self.file.read()
        starts = c.execute("SELECT mark, after_id FROM starts ORDER BY number").fetchall()
        first, new_name = last, name
        if known is not None and known.name == name:
            if known.highest > last:
                first, new_name = known.highest + MARGIN, world.secret(8)
                log.warning("the database is older than it was: it ends with id %d, %d had been given out. It goes on "
                            "as another store after id %d; clients are told", last, known.highest, first)  # fmt: skip
        elif known is not None or starts:
            first = max(last, known.highest if known is not None else 0) + JUMP
            new_name = world.secret(8) if starts else name
            log.warning("the database came here without its file %s: it goes on as another store after id %d",
                        self.file.path.name, first)  # fmt: skip
        self._mark = world.secret(6)
        c.execute("BEGIN IMMEDIATE")
        c.execute(
            "INSERT INTO starts (mark, after_id, started_at) VALUES (?, ?, ?)", (self._mark, last, world.seconds())
        )
        c.execute("DELETE FROM starts WHERE number <= (SELECT max(number) FROM starts) - ?", (MAX_STARTS,))
        if first != last:
            c.execute("UPDATE app SET store_name = ?, last_id = ?", (new_name, first))
        c.execute("COMMIT")
        self.file.begin(new_name, first)
        starts.append((self._mark, last))
        self._ends = {mark: end for (mark, _), (_, end) in itertools.pairwise(starts)}
        self.trail = ".".join(f"{mark}-{after}" for mark, after in starts[: -TRAIL - 1 : -1])
        return new_name, first

    def known_until(self, trail: str, message_id: int, last: int) -> int:
        """Return how far a position belongs to this store: its own id when all of it does, -1 when nothing is known.

        Args:
            trail: of the start under which the client got to this id.
            last: the highest id of now.
        """
        for one in trail.split(".", TRAIL)[:TRAIL]:
            mark, _, after = one.partition("-")
            if mark == self._mark:
                return min(message_id, last)
            if mark in self._ends:
                return min(message_id, self._ends[mark])
            if not (after.isascii() and after.isdigit() and len(after) <= _DIGITS):
                return -1
            message_id = min(message_id, int(after))
        return -1
