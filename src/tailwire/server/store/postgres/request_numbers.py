"""The numbers of requests. A unit checks and stores the number of its request before it changes anything."""

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
        """Return the number that a write takes along; None if there is none, or another write has it.

        If the write does nothing, it sets `taken` to False, and the next write of the request takes the number.
        """
        number = current_number.get()
        if number is None or number.taken:
            return None
        number.taken = True
        return number

    def begin_unit(self, unit: Unit, number: RequestNumber) -> int:
        """Add a step, before all changes of a unit, that ends it unless the number is new. Return the step's place."""
        return unit.need_first(_STORE_SQL, key=number.key, number=number.number, now=self._world.seconds())

    async def store_number(self, number: RequestNumber) -> None:
        number.taken = True
        await self._claim(number)

    async def check(self) -> None:
        """Check and store the number of the current request before a single statement.

        Raises:
            Refused: ERR_REQUEST_OUTDATED.
        """
        number = self.take()
        if number is not None and not await self._claim(number):
            raise Refused("ERR_REQUEST_OUTDATED")

    async def _claim(self, number: RequestNumber) -> bool:
        values = {"key": number.key, "number": number.number, "now": self._world.seconds()}
        return await self._db.run(_STORE_ALONE, values) > 0

    async def clean(self) -> None:
        """Remove numbers that are too old."""
        await self._db.run(_EXPIRED_SQL, (self._world.seconds() - KEPT_SECONDS, ROWS_PER_CLEANUP))


def without_step(answer: Answer, place: int) -> Answer:
    """Return an answer as if the unit had not had the step at this place, which is the first with a result.

    Raises:
        Refused: ERR_REQUEST_OUTDATED, the unit ended there.
    """
    if answer.ended is None:
        return replace(answer, results=answer.results[1:])
    if answer.ended == place:
        raise Refused("ERR_REQUEST_OUTDATED")
    return replace(answer, results=answer.results[1:], ended=answer.ended - 1)
