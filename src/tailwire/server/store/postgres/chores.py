"""Erases what is left of deleted users, in small steps between other writes.

A chore is stored in the transaction of the deletion, so it is done even after a crash.
"""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.work import OvertakenError, Work
from tailwire.server.store.sql.bodies import scrubbed

ROWS_PER_STEP = 200
USER = "user"
_ADD_SQL = """INSERT INTO chores (kind, key, done_id, up_to, due_at) VALUES (:kind, :key, 0, :last_id::bigint, 0)
ON CONFLICT (kind, key) DO UPDATE SET done_id = 0, up_to = excluded.up_to, due_at = excluded.due_at"""
_FIRST_SQL = "SELECT key, done_id, up_to FROM chores WHERE kind = :kind AND due_at <= :now ORDER BY due_at, key LIMIT 1"
_NEXT_SQL = (
    "SELECT id, body, CAST(xmin AS text) FROM messages WHERE id > :done AND id <= :up_to ORDER BY id LIMIT :most"
)


class Chores:
    """`ChoreStore` on PostgreSQL. The words of deleted messages are deleted with them, so only users leave chores."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._on_added: Callable[[], None] = lambda: None

    def on_added(self, call: Callable[[], None]) -> None:
        self._on_added = call

    def added(self) -> None:
        """Report after a commit that there may be something to clean up."""
        self._on_added()

    async def do_next(self) -> bool:
        chore = await self._work.reads.one(_FIRST_SQL, {"kind": USER, "now": self._work.world.seconds()})
        if chore is None:
            return False
        unit = Unit()
        uid, done_id, up_to = chore
        which = "kind = :kind AND key = :key"
        unit.seen(f"(SELECT done_id FROM chores WHERE {which}) = :done::bigint", kind=USER, key=uid, done=done_id)
        values = {"done": done_id, "up_to": up_to, "most": ROWS_PER_STEP}
        rows = await self._work.reads.rows(_NEXT_SQL, values)
        changed = [(number, body, seen) for number, old, seen in rows if (body := scrubbed(old, uid)) is not None]
        for number, _, seen in changed:
            condition = "(SELECT xmin::text FROM messages WHERE id = :id::bigint) IS NOT DISTINCT FROM :seen"
            unit.seen(condition, id=number, seen=seen)
        for number, body, _ in changed:
            unit.do("UPDATE messages SET body = :body::bytea WHERE id = :id::bigint", body=body, id=number)
        if rows:
            unit.do(f"UPDATE chores SET done_id = :done::bigint WHERE {which}", kind=USER, key=uid, done=rows[-1][0])
        else:
            unit.do(f"DELETE FROM chores WHERE {which}", kind=USER, key=uid)
        try:
            await self._work.carry_out(unit)
        except OvertakenError:
            return True  # this step is done again, from what is there now
        return True

    async def next_due(self) -> int | None:
        (due,) = await self._work.reads.one("SELECT min(due_at) FROM chores")
        return None if due is None else int(due)


def add_chore(unit: Unit, uid: str) -> None:
    """Add to a deletion the chore of erasing the user from the messages that exist now. An earlier one starts again."""
    unit.do(_ADD_SQL, kind=USER, key=uid)
