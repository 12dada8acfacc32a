"""A pool of connections for reads and for writes of one statement."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.connecting import UNUSABLE, Connection
from tailwire.server.store.sql.write_errors import reason_of
from tailwire.server.telemetry.logs import log

UNREACHABLE_SECONDS = 5.0
"""How long a request tries to connect. Once one has failed, later ones only try once, until the database answers."""
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.02, 0.5
RETRY_AFTER_SECONDS = 2.0
_FULL_TEXT = "Too many requests wait for the database. Nothing was changed: try again after Retry-After."
_UNREACHABLE_TEXT = "The database does not answer. Nothing was changed: try again after Retry-After."


class Pool:
    """A pool of connections, which are made when they are needed and handed out in the order of the requests.

    Args:
        connect: makes a connection.
        size: how many connections may exist.
        max_waiting: how many requests may wait for a connection.

    Attributes:
        problem: why the last attempt to connect failed; "" if it succeeded.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int, max_waiting: int) -> None:
        self._connect = connect
        self._size = size
        self._max_waiting = max_waiting
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._reachable = True
        self.problem = ""

    async def take(self, *, urgent: bool = False) -> Connection:
        """Wait for a connection, and return it. The caller must call `give_back` or `drop` with it.

        Args:
            urgent: whether to get the next free connection, before all requests that wait, however many they are.

        Raises:
            Refused: ERR_UNAVAILABLE, too many requests wait, the database does not answer, or the pool is closed.
        """
        if self._closed:
            raise Refused("ERR_UNAVAILABLE", retry_after=RETRY_AFTER_SECONDS)
        if self._used >= self._size:
            await self._wait_for_turn(urgent=urgent)
        else:
            self._used += 1
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._all.discard(connection)
        try:
            if self._closed:  # while this request waited
                raise Refused("ERR_UNAVAILABLE", retry_after=RETRY_AFTER_SECONDS)
            return await self._new_connection()
        except BaseException:
            self._free_place()
            raise

    def give_back(self, connection: Connection) -> None:
        """Return a connection, on which nothing is in progress, to the pool."""
        if self._closed:
            self.drop(connection)
            return
        self._idle.append(connection)
        self._free_place()

    def drop(self, connection: Connection) -> None:
        """Close a connection whose state is unknown. The next request may get a new one in its place."""
        self._all.discard(connection)
        connection.terminate()
        self._free_place()

    async def _wait_for_turn(self, *, urgent: bool) -> None:
        if len(self._waiting) >= self._max_waiting and not urgent:
            raise Refused("ERR_UNAVAILABLE", _FULL_TEXT, retry_after=RETRY_AFTER_SECONDS)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if urgent:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free_place()  # granted at the same moment
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _free_place(self) -> None:
        # Pass a place on to the request that has waited longest.
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._used -= 1

    async def _new_connection(self) -> Connection:
        clock = asyncio.get_running_loop().time
        given_up_at = clock() + (UNREACHABLE_SECONDS if self._reachable else 0)
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                connection = await self._connect()
            except UNUSABLE as e:
                if self._closed or clock() >= given_up_at:
                    reason = reason_of(e)
                    if self._reachable:
                        log.error(
                            "the database does not answer: %s; requests are refused with 503 until it does", reason
                        )
                    self._reachable = False
                    self.problem = reason
                    raise Refused("ERR_UNAVAILABLE", _UNREACHABLE_TEXT, retry_after=RETRY_AFTER_SECONDS) from e
            else:
                if not self._reachable:
                    log.warning("the database answers again")
                self._reachable = True
                self.problem = ""
                self._all.add(connection)
                return connection
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    async def close(self) -> None:
        """Close the pool. Idle connections are closed gracefully; those in use at once: their statements fail."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            self._all.discard(connection)
            try:
                await connection.close(timeout=1)
            except UNUSABLE as e:
                log.debug("a connection to the database ended: %s", e)
        self.abandon()

    def abandon(self) -> None:
        """Close the pool and all its connections at once and without waiting."""
        self._closed = True
        for connection in self._all:
            connection.terminate()
        self._all.clear()
