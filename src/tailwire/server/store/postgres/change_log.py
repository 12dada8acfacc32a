"""Writes the change log: numbered entries of what changed besides messages, each in the unit that makes the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailwire.server.ports import change_log
from tailwire.server.ports.change_log import MAX_AGE_SECONDS, MAX_ENTRIES, NewChange
from tailwire.server.store.postgres.access import DatabaseAccess, DrawnId
from tailwire.server.store.postgres.unit import Answer, Unit, Value
from tailwire.server.store.sql.change_log import (
    COLUMNS,
    KEEP_HIGHEST_SQL,
    OLD_SQL,
    ROWS_PER_CLEANUP,
    ChangeLogRows,
    values_of,
)

STEPS_PER_CLEANUP = 100
_BIGINT_COLUMNS = {"after_id", "message_id", "since_id", "at"}
_TARGET_SQL = f"INSERT INTO change_log ({', '.join(COLUMNS)})"
UPSERT = "ON CONFLICT (subject, key) DO UPDATE SET number = excluded.number, " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS[2:]
)
_CHANGE_VALUES = {name: f":{name}{'::bigint' if name in _BIGINT_COLUMNS else ''}" for name in COLUMNS} | {
    "after_id": ":last_id::bigint",
    "message_id": ":of::bigint",  # `:message_id` is that of the unit's message
}
_ADD_CHANGE_SQL = f"{_TARGET_SQL} VALUES ({', '.join(_CHANGE_VALUES.values())}) {UPSERT} RETURNING number AS noted"
_ADD_DRAWN_SQL = _ADD_CHANGE_SQL.replace(":detail", DrawnId.replaced(":detail"))
_REMOVED_VALUES = {**_CHANGE_VALUES, "key": "'group removed ' || (SELECT coalesce(max(number), 0) FROM change_log)"}
_REMOVE_GROUP_SQL = f"{_TARGET_SQL} VALUES ({', '.join(_REMOVED_VALUES.values())}) {UPSERT} RETURNING number AS noted"
_ENDED_COLUMNS = {
    **_CHANGE_VALUES,
    "key": "'ended ' || :message_id || ' ' || :detail",
    "message_id": ":message_id::bigint",
    "since_id": ":since::bigint",
}
_END_MEMBERSHIP_SQL = f"{_TARGET_SQL} VALUES ({', '.join(_ENDED_COLUMNS.values())}) {UPSERT}"
_OF_MEMBERS = {
    **_CHANGE_VALUES, "subject": "'o/' || m.uid", "key": "'ended ' || :last_id || ' ' || :detail", "uid": "m.uid",
    "message_id": ":last_id::bigint", "since_id": "m.joined_after_id",
}  # fmt: skip
_END_MEMBERSHIPS_SQL = (
    f"{_TARGET_SQL} SELECT {', '.join(_OF_MEMBERS[name] for name in COLUMNS)} FROM members m"
    f" WHERE m.guid = :detail ORDER BY m.uid {UPSERT}"
)


class ChangeLog(ChangeLogRows):
    """`ChangeLog` on PostgreSQL.

    Attributes:
        max_entries: entries are removed whose number is lower than the newest one by more than this.
        max_age: seconds after which entries are removed.
    """

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads)
        self._access = access
        self.max_entries = MAX_ENTRIES
        self.max_age = MAX_AGE_SECONDS

    async def run(self, sql: str, values: Mapping[str, Any], change: NewChange) -> int:
        """Run a statement that writes and, if it changes a row, store a change with it (see `LoggedWrites`)."""
        unit = Unit()
        self.add_required(unit, sql, values, change)
        return stored_number(await self._access.carry_out(unit))

    async def run_if(self, condition: str, sql: str, values: Mapping[str, Any], change: NewChange) -> int | None:
        """Run a statement as `run` does, if a condition holds in its transaction (see `LoggedWrites`)."""
        unit = Unit()
        unit.end_if(f"NOT ({condition})", **values)
        self.add_required(unit, sql, values, change)
        answer = await self._access.carry_out(unit)
        return None if answer.ended == 0 else stored_number(answer)

    def add_required(self, unit: Unit, sql: str, values: Mapping[str, Any], change: NewChange) -> None:
        """Add to a unit a statement that writes, and the step that stores a change.

        If the statement changes no row, the unit ends there, and no change is stored.
        """
        unit.run_required(sql, **values)
        self.add(unit, change, self._access.world.seconds())

    def add(self, unit: Unit, change: NewChange, now: int, drawn: DrawnId | None = None) -> None:
        """Add to a unit the step that stores a change. `stored_number` reads its number from the unit's answer.

        Args:
            now: seconds since 1970.
            drawn: an id in the change's detail that an earlier step of the unit draws; None if it has none.
        """
        if drawn is None:
            unit.run_returning(_ADD_CHANGE_SQL, **_values(change, now))
        else:
            unit.run_returning(_ADD_DRAWN_SQL, **_values(change, now), **drawn.values)

    def add_membership_end(self, unit: Unit, guid: str, uid: str, since_id: int | None) -> None:
        """Add to a unit the step that stores that a user's membership of a group ends with the unit's message.

        Args:
            since_id: the id after which the membership began. None if the user was not a member, such as one who is
                banned: then the membership has only the unit's message.
        """
        values = _values(change_log.membership_ended(guid, uid), self._access.world.seconds())
        statement = _END_MEMBERSHIP_SQL
        if since_id is None:
            statement = statement.replace(":since::bigint", ":message_id::bigint - 1")
        unit.run(statement, since=since_id, **values)

    def add_group_change(self, unit: Unit, guid: str, uid: str, device: str) -> None:
        """Add to a unit the step that stores that a user changed a group's properties or owner.

        `stored_number` reads the number of the change from the unit's answer.

        Args:
            uid, device: the user, and the device on which they did it.
        """
        self.add(unit, change_log.group_changed(guid, uid, device), self._access.world.seconds())

    def add_group_removal(self, unit: Unit, guid: str, uid: str, device: str) -> None:
        """Add to a unit the steps that store that a user deleted a group, and that all its memberships ended.

        Call this before the steps that remove the members. `stored_number` reads the number of the deletion from the
        unit's answer.

        Args:
            uid, device: the user, and the device on which they did it.
        """
        now = self._access.world.seconds()
        unit.run_returning(_REMOVE_GROUP_SQL, **_values(change_log.group_removed(guid, uid, device), now))
        unit.run(_END_MEMBERSHIPS_SQL, **_values(change_log.membership_ended(guid, ""), now))

    def remove_entries(self, unit: Unit, which: str, **values: Value) -> None:
        """Add to a unit the steps that remove the entries of something that is removed, such as a user.

        Args:
            which: the condition on the entries, in SQL with `:name` for each of `values`.
        """
        unit.run("SELECT pg_advisory_xact_lock(7308901)")  # no receipt is given a number from here on
        unit.run(KEEP_HIGHEST_SQL)
        unit.run(f"DELETE FROM change_log WHERE {which}", **values)

    async def clean(self) -> None:
        """Remove entries beyond `max_age` and `max_entries`, oldest first, in at most `STEPS_PER_CLEANUP` steps.

        Each step removes at most `ROWS_PER_CLEANUP` entries in a transaction of its own.
        """
        bounds: dict[str, Any] = {
            "before": self._access.world.seconds() - self.max_age,
            "below": await self.newest_number() - self.max_entries,
        }
        for _ in range(STEPS_PER_CLEANUP):
            number, after_id = await self._db.first_row(OLD_SQL, bounds)
            if number is None:
                return
            unit = Unit()
            unit.run_returning(
                "DELETE FROM change_log WHERE number <= :number::bigint RETURNING 1 AS one", number=number
            )
            unit.run(
                "UPDATE forgotten_changes SET number = greatest(number, :number::bigint),"
                " after_id = greatest(after_id, :after::bigint)",
                number=number, after=after_id,
            )  # fmt: skip
            answer = await self._access.carry_out(unit)
            if len(answer.results[0]) < ROWS_PER_CLEANUP:
                return


def _values(change: NewChange, now: int) -> dict[str, Any]:
    values = values_of(change, now)
    values["of"] = values.pop("message_id")
    return values


def stored_number(answer: Answer) -> int:
    """Return the change log number of the first change that a unit has stored; 0 if it stored none."""
    return next(iter(stored_numbers(answer)), 0)


def stored_numbers(answer: Answer) -> list[int]:
    """Return the change log numbers of the changes that a unit has stored, in the order of its steps."""
    rows = [result[0] for result in answer.results if isinstance(result, list) and result]
    return [int(row["noted"]) for row in rows if "noted" in row]
