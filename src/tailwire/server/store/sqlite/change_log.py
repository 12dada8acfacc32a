"""Writes the change log: numbered entries of what changed besides messages, each in the transaction of the change."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from tailwire.server.ports import change_log
from tailwire.server.ports.change_log import MAX_AGE_SECONDS, MAX_ENTRIES, NewChange
from tailwire.server.ports.world import World
from tailwire.server.store.sql.change_log import (
    CHANGES_PER_CLEANUP,
    COLUMNS,
    NEWEST_SQL,
    OLD_SQL,
    ChangeLogRows,
    values_of,
)
from tailwire.server.store.sqlite.database import Database

_REPLACED_COLUMNS = ", ".join(f"{name} = excluded.{name}" for name in ("number", *COLUMNS[2:]))
_UPSERT = f"ON CONFLICT (subject, key) DO UPDATE SET {_REPLACED_COLUMNS}"
_TARGET_SQL = f"INSERT INTO change_log (number, {', '.join(COLUMNS)})"
_ADD_CHANGE_SQL = f"{_TARGET_SQL} VALUES ({', '.join('?' * (len(COLUMNS) + 1))}) {_UPSERT}"
_OF_MEMBERS = {"subject": "'o/' || m.uid", "uid": "m.uid", "since_id": "m.joined_after_id"}
_END_MEMBERSHIPS_SQL = (
    f"{_TARGET_SQL} SELECT :number + row_number() OVER (ORDER BY m.uid),"
    f" {', '.join(_OF_MEMBERS.get(name, f':{name}') for name in COLUMNS)} FROM members m WHERE m.guid = :detail"
    f" ORDER BY m.uid {_UPSERT}"
)


class ChangeLog(ChangeLogRows):
    """`ChangeLog` on SQLite.

    Attributes:
        max_entries: entries are removed whose number is lower than the newest one by more than this.
        max_age: seconds after which entries are removed.
    """

    def __init__(self, database: Database, world: World) -> None:
        super().__init__(database)
        self._database = database
        self._world = world
        self._stored_since_cleanup = 0
        self._number = 0  # the highest number that was given out
        self._read_number(database.writing)
        database.on_rollback(self._read_number)
        self.max_entries = MAX_ENTRIES
        self.max_age = MAX_AGE_SECONDS

    async def run(self, sql: str, values: Mapping[str, Any], change: NewChange) -> int:
        """Run a statement that writes and, if it changes a row, store a change with it (see `LoggedWrites`)."""
        return await self._database.write(lambda c: self._run(c, sql, values, change))

    async def run_if(self, condition: str, sql: str, values: Mapping[str, Any], change: NewChange) -> int | None:
        """Run a statement as `run` does, if a condition holds in its transaction (see `LoggedWrites`)."""

        def write(c: sqlite3.Connection) -> int | None:
            if not c.execute(f"SELECT {condition}", values).fetchone()[0]:
                return None
            return self._run(c, sql, values, change)

        return await self._database.write(write)

    def _run(self, c: sqlite3.Connection, sql: str, values: Mapping[str, Any], change: NewChange) -> int:
        return self.add(c, change, self._world.seconds()) if c.execute(sql, values).rowcount > 0 else 0

    def _read_number(self, c: sqlite3.Connection) -> None:
        (self._number,) = c.execute(NEWEST_SQL).fetchone()

    def add(self, c: sqlite3.Connection, change: NewChange, now: int, *, since_id: int = 0) -> int:
        """Store a change and return its number. For use in an operation of the writer. Sometimes removes old entries.

        Args:
            c: the writer's connection.
            now: seconds since 1970.
            since_id: for the end of a membership, the id after which it began; otherwise 0.
        """
        subject, key, kind, uid, device, to_uid, message_id, detail = change
        self._number = number = self._number + 1
        values = (
            number, subject, key, self._database.last_id, kind, uid, device, to_uid, message_id, since_id, detail, now,
        )  # fmt: skip
        c.execute(_ADD_CHANGE_SQL, values)
        self._stored_since_cleanup += 1
        if self._stored_since_cleanup >= CHANGES_PER_CLEANUP:
            self._stored_since_cleanup = 0
            self._forget_old(c, number)
        return number

    def add_membership_end(self, c: sqlite3.Connection, guid: str, uid: str, since_id: int, until_id: int) -> None:
        """Store that a user was a member of a group for its messages in (since_id, until_id].

        For use in an operation of the writer.
        """
        ended = change_log.membership_ended(guid, uid, until_id=until_id)
        self.add(c, ended, self._world.seconds(), since_id=since_id)

    def add_group_change(self, c: sqlite3.Connection, guid: str, uid: str, device: str) -> int:
        """Store that a user changed a group's properties or owner, and return the number of the change.

        For use in an operation of the writer.
        """
        return self.add(c, change_log.group_changed(guid, uid, device), self._world.seconds())

    def add_group_removal(self, c: sqlite3.Connection, guid: str, uid: str, device: str) -> int:
        """Store that a user deleted a group, and that all its memberships ended.

        For use in an operation of the writer, before the members are removed.

        Returns:
            The change log number of the deletion.
        """
        now, last_id = self._world.seconds(), self._database.last_id
        number = self.add(c, change_log.group_removed(guid, uid, device, newest=self._number), now)
        ended = values_of(change_log.membership_ended(guid, "", until_id=last_id), now)
        c.execute(_END_MEMBERSHIPS_SQL, {**ended, "after_id": last_id, "number": number})
        self._read_number(c)
        return number

    def _forget_old(self, c: sqlite3.Connection, newest: int) -> None:
        bounds = {"before": self._world.seconds() - self.max_age, "below": newest - self.max_entries}
        number, after_id = c.execute(OLD_SQL, bounds).fetchone()
        if number is None:
            return
        c.execute("DELETE FROM change_log WHERE number <= ?", (number,))
        c.execute("UPDATE forgotten_changes SET number = ?, after_id = ?", (number, after_id))
