"""The numbers that clients give to requests, so that one that arrives late or again changes nothing.

The first write of a request checks that its number is higher than the stored one, and stores it.
"""

from __future__ import annotations

from dataclasses import replace

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.request_numbers import KEPT_SECONDS, RequestNumber, current_number
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.sql.connection import Connection

ROWS_PER_CLEANUP = 20_000
_STORE_SQL = """INSERT INTO request_numbers (key, number, at) VALUES (:key, :number::bigint, :now::bigint)
ON CONFLICT (key) DO UPDATE SET number = excluded.number, at = excluded.at
WHERE excluded.number > request_numbers.number"""
_STORE_ALONE = _STORE_SQL.replace(":number::bigint", ":number").replace(":now::bigint", ":now")
_EXPIRED_SQL = """DELETE FROM request_numbers WHERE key IN
(SELECT key FROM request_numbers WHERE at < ? ORDER BY at LIMIT ?)"""


class RequestNumbers:
    """`RequestNumberStore` on PostgreSQL."""

    def __init__(self, database: Connection, world: World) -> None:
        self._db = database
        self._world = world

    def take(self) -> RequestNumber | None:
        """Return the number of the current request, for the write that will store it, and mark it as taken.

        A caller that has not stored it must set its `taken` to False. Then the next write of the request takes it.

        Returns:
            None if the request has no number, or another write has taken it.
        """
        number = current_number.get()
        if number is None or number.taken:
            return None
        number.taken = True
        return number

    def add_first_step(self, unit: Unit, number: RequestNumber) -> int:
        """Insert into a unit, before all steps that change something, the step that checks and stores a number.

        The unit ends at this step if the number is not higher than the stored one.

        Returns:
            The index of the step in the unit, from 0, for `without_step`.
        """
        return unit.run_required_first(_STORE_SQL, key=number.key, number=number.number, now=self._world.seconds())

    async def store_number(self, number: RequestNumber) -> None:
        number.taken = True
        await self._claim(number)

    async def check(self) -> None:
        """Check and store the number of the current request at once, in a transaction of its own.

        For writes without a unit. Does nothing if the request has no number, or another write has taken it.

        Raises:
            Refused: ERR_REQUEST_OUTDATED, the number is not higher than the stored one.
        """
        number = self.take()
        if number is not None and not await self._claim(number):
            raise Refused("ERR_REQUEST_OUTDATED")

    async def _claim(self, number: RequestNumber) -> bool:
        values = {"key": number.key, "number": number.number, "now": self._world.seconds()}
        return await self._db.run(_STORE_ALONE, values) > 0

    async def clean(self) -> None:
        """Remove at most `ROWS_PER_CLEANUP` of the numbers that are older than `KEPT_SECONDS`, oldest first."""
        await self._db.run(_EXPIRED_SQL, (self._world.seconds() - KEPT_SECONDS, ROWS_PER_CLEANUP))


def without_step(answer: Answer, place: int) -> Answer:
    """Return the answer to a unit without the result of the step that `RequestNumbers.add_first_step` inserted.

    Args:
        place: the index that `add_first_step` has returned.

    Raises:
        Refused: ERR_REQUEST_OUTDATED, the unit ended at that step.
    """
    if answer.ended is None:
        return replace(answer, results=answer.results[1:])
    if answer.ended == place:
        raise Refused("ERR_REQUEST_OUTDATED")
    return replace(answer, results=answer.results[1:], ended=answer.ended - 1)
