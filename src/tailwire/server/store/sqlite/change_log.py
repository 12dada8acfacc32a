"""The change log: writes. An entry is written in the transaction of the change."""

from __future__ import annotations

import sqlite3

from tailwire.server.ports import change_log
from tailwire.server.ports.change_log import MAX_AGE_SECONDS, MAX_ENTRIES, Change
from tailwire.server.ports.world import World
from tailwire.server.store.sql.change_log import COLUMNS, NOTES_PER_CLEANUP, OLD, ChangeLogRows, values_of
from tailwire.server.store.sqlite.database import Database

_NOTE = (
    f"INSERT OR REPLACE INTO change_log ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
    " RETURNING number"
)
_OF_MEMBERS = {"subject": "'o/' || m.uid", "uid": "m.uid", "since_id": "m.joined_after_id"}
_MEMBERSHIPS_ENDED = (
    f"INSERT OR REPLACE INTO change_log ({', '.join(COLUMNS)})"
    f" SELECT {', '.join(_OF_MEMBERS.get(name, f':{name}') for name in COLUMNS)} FROM members m"
    " WHERE m.guid = :detail ORDER BY m.uid"
)


class ChangeLog(ChangeLogRows):
    """`ChangeLog` on SQLite.

    Attributes:
        max_entries: numbers that are kept.
        max_age: seconds for which entries are kept.
    """

    def __init__(self, database: Database, world: World) -> None:
        super().__init__(database)
        self._database = database
        self._world = world
        self._noted = 0
        self.max_entries = MAX_ENTRIES
        self.max_age = MAX_AGE_SECONDS

    async def add(self, change: Change) -> int:
        return await self._database.write(lambda c: self.note(c, change, self._world.seconds()))

    def note(self, c: sqlite3.Connection, change: Change, now: int) -> int:
        """Within an operation: store a change, and return its number."""
        values = values_of(change, now)
        values["after_id"] = self._database.last_id
        return self._insert(c, values)

    def membership_ended(self, c: sqlite3.Connection, guid: str, uid: str, since_id: int, until_id: int) -> None:
        """Within an operation: store that a user was a member of a group for its messages in (since_id, until_id]."""
        change = change_log.membership_ended(guid, uid, until_id=until_id)
        values = values_of(change, self._world.seconds())
        self._insert(c, {**values, "after_id": self._database.last_id, "since_id": since_id})

    def group_removed(self, c: sqlite3.Connection, guid: str, uid: str, device: str) -> int:
        """Within an operation, before the members are removed: store that a group was deleted. Return the number."""
        number = self.note(c, change_log.group_removed(guid, uid, device), self._world.seconds())
        ended = change_log.membership_ended(guid, "", until_id=self._database.last_id)
        values = {**values_of(ended, self._world.seconds()), "after_id": self._database.last_id}
        c.execute(_MEMBERSHIPS_ENDED, values)
        return number

    def _insert(self, c: sqlite3.Connection, values: dict[str, object]) -> int:
        (number,) = c.execute(_NOTE, values).fetchone()
        self._noted += 1
        if self._noted >= NOTES_PER_CLEANUP:
            self._noted = 0
            self._forget_old(c, int(number))
        return int(number)

    def _forget_old(self, c: sqlite3.Connection, newest: int) -> None:
        bounds = {"before": self._world.seconds() - self.max_age, "below": newest - self.max_entries}
        number, after_id = c.execute(OLD, bounds).fetchone()
        if number is None:
            return
        c.execute("DELETE FROM change_log WHERE number <= ?", (number,))
        c.execute("UPDATE forgotten_changes SET number = ?, after_id = ?", (number, after_id))
