"""Runs reads that may take long in threads, each with a deadline, shared fairly among users.

Each read has its own transaction, begun after the read was requested. So it sees every write that was acknowledged
before, and all its statements see the same snapshot.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from tailwire.server.ports.current_caller import current_caller
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.sql.read_queue import ReadQueue

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

# Reads run one after the other: two threads that take the GIL for each row delay each other and the event loop. A read
# that has run for `LONG_SECONDS` spends its time inside SQLite, so the next one starts alongside it.
READ_TURNS = 1
MAX_LONG_READS = 2
LONG_SECONDS = 0.03
MAX_PAUSE_SECONDS = 0.01
MAX_WAITING_READS_PER_USER = 20
MAX_WAITING_READS = 5000
STEPS_PER_CHECK = 5_000  # SQLite instructions between checks of the deadline: about a quarter of a millisecond
SHORT_STEPS_PER_CHECK = 1_000
MAX_SHORT_CHECKS = 10  # a read in the event loop's thread ends after this many checks: about a millisecond


# A kernel lets a thread that computes finish its turn, which may take 4 ms, before the event loop or the store's writer
# gets the processor back from it. A read gives it up at each check.
_yield_processor: Callable[[], None] = getattr(os, "sched_yield", lambda: None)


class ReadTooLong(Exception):
    """A read was interrupted, because it took longer than it may in the event loop's thread."""


class Readers:
    """Runs reads in threads, each with a connection of its own.

    Args:
        connect: opens a connection.
        deadline: seconds that one read may take, without the time that it waits.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], deadline: float) -> None:
        # The event loop's clock, so that a test on virtual time does not depend on how busy the machine is.
        self._clock = clock = asyncio.get_running_loop().time
        self._deadline = deadline
        self._executor = ThreadPoolExecutor(READ_TURNS + MAX_LONG_READS, thread_name_prefix="tailwire-reader")
        self._all = [_Reader(connect(), clock) for _ in range(READ_TURNS + MAX_LONG_READS)]
        self._long = 0
        self._idle = list(self._all)
        self._queue = ReadQueue(READ_TURNS, MAX_WAITING_READS_PER_USER, MAX_WAITING_READS, clock)
        self._closed = False

    async def read(self, job: Job[T]) -> T:
        """Wait until it is the turn of the user whose request this is, run a read in a thread, and return its result.

        Args:
            job: runs queries on the connection that it is given.

        Raises:
            Refused: ERR_QUERY_TOO_BROAD, the read took longer than the deadline; ERR_TOO_MANY_REQUESTS, too many reads
                of this user wait; ERR_UNAVAILABLE, too many reads wait in all, or the store is closed.
        """
        who = current_caller.get()
        await self._queue.take(who)
        begun = self._clock()
        if self._closed:
            self._queue.give_back(who, 0.0)
            raise Refused("ERR_UNAVAILABLE", retry_after=1.0)
        reader, loop = self._idle.pop(), asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, reader.run, job, self._deadline)
        timer = loop.call_later(LONG_SECONDS, self._allow_another, reader)

        def done(_: object) -> None:
            timer.cancel()
            self._idle.append(reader)
            self._long -= reader.long
            give = partial(self._queue.give_back, who, self._clock() - begun, passed_on=reader.long)
            reader.long = False
            self._give_later(give)

        # If the caller is cancelled, the turn is given back only when the thread is done.
        future.add_done_callback(done)
        return await asyncio.shield(future)

    def _give_later(self, give: Callable[[], None]) -> None:
        # The next turn of the event loop handles what was read. The next read begins after that and an equally long
        # pause, so that lists take at most half of the event loop's time.
        loop = asyncio.get_running_loop()
        if not self._queue.has_waiting:
            give()
            return
        begun = loop.time()

        def handled() -> None:
            pause = min(loop.time() - begun, MAX_PAUSE_SECONDS)
            if pause > 0:
                loop.call_later(pause, give)
            else:
                give()

        loop.call_soon(loop.call_soon, handled)

    def _allow_another(self, reader: _Reader) -> None:
        if self._long < MAX_LONG_READS:
            self._long += 1
            reader.long = True
            self._queue.pass_on()

    async def close(self) -> None:
        """Interrupt the reads in progress, and close the connections."""
        self._closed = True
        for reader in self._all:
            reader.interrupted = True
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)
        self.abandon()

    def abandon(self) -> None:
        """Close the connections at once. No read may be in progress."""
        self._closed = True
        self._executor.shutdown(wait=False)
        for reader in self._all:
            reader.connection.close()


class _Reader:
    # A connection that is used by one thread at a time.

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.connection = connection
        self._clock = clock
        self.interrupted = False
        self.long = False
        self._until = 0.0
        connection.set_progress_handler(self._check, STEPS_PER_CHECK)

    def _check(self) -> bool:
        _yield_processor()
        return self.interrupted or self._clock() > self._until

    def run(self, job: Job[T], deadline: float) -> T:
        self._until = self._clock() + deadline
        try:
            self.connection.execute("BEGIN")
            try:
                return job(self.connection)
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
        except sqlite3.OperationalError as e:
            if was_interrupted(e):
                raise Refused("ERR_QUERY_TOO_BROAD", limit="read_deadline") from e
            raise


class ShortReads:
    """Runs short reads in the event loop's thread, which is cheaper than in another one, and interrupts long ones.

    Args:
        connection: used in the event loop's thread only.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._checks_left: int | None = None
        connection.set_progress_handler(self._check, SHORT_STEPS_PER_CHECK)

    def _check(self) -> bool:
        if self._checks_left is None:
            return False
        self._checks_left -= 1
        return self._checks_left < 0

    def read(self, job: Job[T]) -> T:
        """Run a read and return its result. Blocks.

        Args:
            job: runs queries on the connection that it is given.

        Raises:
            ReadTooLong: the read was interrupted after about a millisecond.
        """
        self._checks_left = MAX_SHORT_CHECKS
        try:
            return job(self._connection)
        except sqlite3.OperationalError as e:
            if was_interrupted(e):
                raise ReadTooLong from e
            raise
        finally:
            self._checks_left = None


def was_interrupted(error: sqlite3.OperationalError) -> bool:
    """Return whether a statement ended because it was interrupted."""
    return error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
