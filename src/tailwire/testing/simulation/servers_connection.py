"""A model of a connection between a server and its database. It takes time, breaks, and loses answers.

A statement that was sent is executed even if the server no longer waits for the answer, as by PostgreSQL. Rarely a
statement is late, or is refused because of a deadlock.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

import asyncpg

from tailwire.testing.simulation.servers_database import SimulatedDatabase

DELAYS_SECONDS = (0.0003, 0.001, 0.004, 0.03)
LATE_SECONDS = (1.5, 4.0, 7.0, 14.0)
NOBODY = Context()
"""The context for callbacks of the network and the database, which run even while a server's process is stopped."""


def _writes(text: str) -> bool:
    return "tailwire_" in text or not text.startswith("SELECT")


class Gate:
    """Makes the connections of one server to the database.

    Args:
        number: the number of the server.
        database: executes the statements.
        chance: decides how long each statement takes, and which ones are lost.
        fails: returns whether the database cannot be reached now.
        dead: returns whether the server was killed.
        report: called with an error of the model itself, such as a statement that it does not know.

    Attributes:
        failures: the times of the event loop at which a statement of the server failed or timed out.
    """

    def __init__(
        self,
        number: int,
        database: SimulatedDatabase,
        chance: random.Random,
        fails: Callable[[], bool],
        dead: Callable[[], bool],
        report: Callable[[BaseException], None],
    ) -> None:
        self.number = number
        self.database = database
        self.chance = chance
        self.fails = fails
        self.dead = dead
        self.report = report
        self.failures: list[float] = []

    async def connect(self) -> Any:
        """Return a new connection.

        Raises:
            OSError: the database cannot be reached now, or the server was killed.
        """
        await asyncio.sleep(self.chance.choice(DELAYS_SECONDS))
        if self.fails() or self.dead():
            self.failures.append(asyncio.get_running_loop().time())
            raise ConnectionRefusedError("the simulated database does not answer")
        return SimulatedConnection(self)


class SimulatedConnection:
    """A connection to the simulated database, with the methods of `asyncpg.Connection` that the store uses."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._closed = False

    async def fetch(self, text: str, *values: Any, timeout: float | None = None) -> list[Any]:
        """Return the rows of a statement.

        Raises:
            TimeoutError: there is no answer within `timeout` seconds.
            ConnectionResetError: the connection was lost; the statement may have been executed.
            asyncpg.InterfaceError: the connection is closed.
            asyncpg.PostgresError: the database refuses the statement.
        """
        return await self._ask([(text, values)], timeout)

    async def executemany(self, text: str, calls: Sequence[Sequence[Any]], *, timeout: float | None = None) -> None:
        """Execute a statement once for each tuple of values, all in one transaction. Raises the same as `fetch`."""
        await self._ask([(text, tuple(values)) for values in calls], timeout)

    async def _ask(self, statements: list[tuple[str, tuple[Any, ...]]], timeout: float | None) -> list[Any]:
        if self._closed:
            raise asyncpg.InterfaceError("the connection is closed")
        gate, loop = self._gate, asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        fate = 1.0 if gate.database.calm else gate.chance.random()
        there = gate.chance.choice(LATE_SECONDS if fate < 0.004 else DELAYS_SECONDS)
        if not gate.dead():
            loop.call_later(there, self._arrive, answer, statements, fate, context=NOBODY)
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except Exception:
            gate.failures.append(loop.time())
            raise

    def _arrive(
        self, answer: asyncio.Future[list[Any]], statements: list[tuple[str, tuple[Any, ...]]], fate: float
    ) -> None:
        gate = self._gate
        found: list[Any] | Exception = []
        if gate.fails() or 0.01 < fate < 0.015:
            found = ConnectionResetError("the connection was lost before the statement arrived")
        elif 0.025 <= fate < 0.03 and _writes(statements[0][0]):
            found = asyncpg.DeadlockDetectedError("the statement waited for one that waited for it")
        else:
            try:
                for text, values in statements:
                    found = gate.database.execute(gate.number, text, values)
            except asyncpg.PostgresError as e:
                found = e
            except Exception as e:  # noqa: BLE001 - whatever it is, the run has failed
                gate.report(e)
                found = e
            gate.database.executed(gate.number)
            if 0.015 <= fate < 0.025:
                found = ConnectionResetError("the answer was lost")
        back = gate.chance.choice(DELAYS_SECONDS)
        asyncio.get_running_loop().call_later(back, self._answer, answer, found, context=NOBODY)

    def _answer(self, answer: asyncio.Future[list[Any]], found: list[Any] | Exception) -> None:
        if isinstance(found, ConnectionResetError):
            self._closed = True
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    async def fetchrow(self, text: str, *values: Any, timeout: float | None = None) -> Any:
        """Return the first row of a statement, or None."""
        rows = await self.fetch(text, *values, timeout=timeout)
        return rows[0] if rows else None

    async def fetchval(self, text: str, *values: Any, timeout: float | None = None) -> Any:
        """Return the first value of the first row of a statement, or None."""
        row = await self.fetchrow(text, *values, timeout=timeout)
        return row[0] if row else None

    async def execute(self, text: str, *values: Any, timeout: float | None = None) -> str:
        """Return the status of a statement, which ends with the number of its rows."""
        return f"DONE {len(await self.fetch(text, *values, timeout=timeout))}"

    def is_closed(self) -> bool:
        """Return whether the connection is closed."""
        return self._closed

    def is_in_transaction(self) -> bool:
        """Return False: each statement is a transaction of its own."""
        return False

    def get_server_pid(self) -> int:
        """Return the number of the server plus 1, in place of the id of a database process."""
        return self._gate.number + 1

    def terminate(self) -> None:
        """Close the connection. Statements that were sent are still executed."""
        self._closed = True

    async def close(self, *, timeout: float | None = None) -> None:
        """Close the connection."""
        self._closed = True
