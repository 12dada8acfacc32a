"""Chores: erase what messages contain of deleted users, in small steps between other writes.

A chore is a row that says what remains to be done. It is stored in the transaction of the deletion, so it is done even
after a crash.
"""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.store.postgres.access import DatabaseAccess, OvertakenError
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.bodies import without_user

ROWS_PER_STEP = 200
USER = "user"
LATE_REMOVAL, LATE_ERASURE = "late removal", "late erasure"
"""Kinds of the chore that is done `LATE_SECONDS` after a deletion, for messages that other servers stored meanwhile.

The first removes the messages of the user, which only servers of a version before `removed_names` store, and erases the
user from the others. The second only erases the user."""
LATE_SECONDS = 15
"""How long after a user's deletion another server may still store messages that name them: it has cached the user, and
its writes may wait."""
_ADD_SQL = "INSERT INTO chores (kind, key, done_id, up_to, due_at) SELECT :kind, :key, 0, :last_id::bigint, 0"
_START_AGAIN_SQL = "ON CONFLICT (kind, key) DO UPDATE SET done_id = 0, up_to = excluded.up_to, due_at = excluded.due_at"
_UNLESS_THERE_AGAIN_SQL = "WHERE NOT EXISTS (SELECT FROM users WHERE uid = :key)"
_ADD_LATE_SQL = """INSERT INTO chores (kind, key, done_id, up_to, due_at)
VALUES (:kind, :key, 0, :last_id::bigint, :due::bigint)
ON CONFLICT (kind, key) DO UPDATE SET up_to = excluded.up_to, due_at = excluded.due_at"""
_FIRST_LATE_SQL = """SELECT kind, key, up_to FROM chores WHERE kind IN (:removal, :erasure) AND due_at <= :now
ORDER BY due_at, kind, key LIMIT 1"""
_FIRST_SQL = "SELECT key, done_id, up_to FROM chores WHERE kind = :kind AND due_at <= :now ORDER BY due_at, key LIMIT 1"
# A database that was moved from SQLite may have chores of other kinds, which there is no need for here.
_NEXT_DUE_SQL = "SELECT min(due_at) FROM chores WHERE kind IN (:user, :removal, :erasure)"
_NEXT_SQL = (
    "SELECT id, body, CAST(xmin AS text) FROM messages WHERE id > :done AND id <= :up_to ORDER BY id LIMIT :most"
)


class Chores:
    """`ChoreStore` on PostgreSQL. Deleted messages leave no chores: their indexed words are deleted together with them.

    Attributes:
        add_late_removal: adds to a unit the steps that remove the messages of a user above an id. It is called with the
            unit, the uid and the id; `Removal` sets it.
    """

    def __init__(self, access: DatabaseAccess) -> None:
        self._access = access
        self._on_added: Callable[[], None] = lambda: None
        self.add_late_removal: Callable[[Unit, str, int], None] = lambda unit, uid, after: None

    def on_added(self, call: Callable[[], None]) -> None:
        self._on_added = call

    def report_added(self) -> None:
        """Call the function of `on_added`, because a commit may have left a chore or an unused file."""
        self._on_added()

    async def do_next(self) -> bool:
        chore = await self._access.reads.first_row(_FIRST_SQL, {"kind": USER, "now": self._access.world.seconds()})
        if chore is None:
            return await self._do_late_chore()
        unit = Unit()
        uid, done_id, up_to = chore
        which = "kind = :kind AND key = :key"
        unit.require_unchanged(
            f"(SELECT done_id FROM chores WHERE {which}) = :done::bigint", kind=USER, key=uid, done=done_id
        )
        values = {"done": done_id, "up_to": up_to, "most": ROWS_PER_STEP}
        rows = await self._access.reads.rows(_NEXT_SQL, values)
        changed = [
            (number, body, version) for number, old, version in rows if (body := without_user(old, uid)) is not None
        ]
        for number, _, version in changed:
            condition = "(SELECT xmin::text FROM messages WHERE id = :id::bigint) IS NOT DISTINCT FROM :seen"
            unit.require_unchanged(condition, id=number, seen=version)
        for number, body, _ in changed:
            unit.run("UPDATE messages SET body = :body::bytea WHERE id = :id::bigint", body=body, id=number)
        if rows:
            unit.run(f"UPDATE chores SET done_id = :done::bigint WHERE {which}", kind=USER, key=uid, done=rows[-1][0])
        else:
            unit.run(f"DELETE FROM chores WHERE {which}", kind=USER, key=uid)
        try:
            await self._access.carry_out(unit)
        except OvertakenError:
            return True  # this step is done again, from what is there now
        return True

    async def _do_late_chore(self) -> bool:
        kinds = {"removal": LATE_REMOVAL, "erasure": LATE_ERASURE}
        rows = await self._access.reads.rows(_FIRST_LATE_SQL, {**kinds, "now": self._access.world.seconds()})
        for kind, uid, up_to in rows:
            unit = Unit()
            # If a user with this uid was created again, the messages sent since then are theirs.
            if kind == LATE_REMOVAL:
                self.add_late_removal(unit, uid, up_to)
            unit.run(f"{_ADD_SQL} {_UNLESS_THERE_AGAIN_SQL} {_START_AGAIN_SQL}", kind=USER, key=uid)
            unit.run("DELETE FROM chores WHERE kind = :kind AND key = :key", kind=kind, key=uid)
            await self._access.carry_out(unit)
        return bool(rows)

    async def next_due(self) -> int | None:
        kinds = {"user": USER, "removal": LATE_REMOVAL, "erasure": LATE_ERASURE}
        (due,) = await self._access.reads.first_row(_NEXT_DUE_SQL, kinds)
        return None if due is None else int(due)


def add_chores(unit: Unit, uid: str, now: int, *, with_messages: bool) -> None:
    """Add to the unit of a user's deletion the steps that store its two chores.

    The first is due now, and erases the user from the messages that exist. The second is due `LATE_SECONDS` later, for
    messages that other servers have stored meanwhile. Chores that an earlier deletion of the same uid has left are
    replaced.

    Args:
        now: seconds since 1970.
        with_messages: True if the second chore also removes the messages of the user; False if they remain.
    """
    unit.run(f"{_ADD_SQL} WHERE true {_START_AGAIN_SQL}", kind=USER, key=uid)
    late = LATE_REMOVAL if with_messages else LATE_ERASURE
    unit.run(_ADD_LATE_SQL, kind=late, key=uid, due=now + LATE_SECONDS)
