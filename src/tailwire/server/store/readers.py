"""Reads that may take long: in threads of their own, each with a deadline, shared among those who ask.

A read begins after it was asked for, and sees everything that was committed by then: what was acknowledged before is in
its answer. All statements of one read see the same state (one transaction).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

from tailwire.server.ports.asking import asking
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.turns import Turns

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

# Short reads run one after the other: two threads that want the interpreter at each row hold each other up, and the
# event loop with them. One that has taken `LONG` seconds, which is nearly all SQLite's, goes on beside the others.
AT_ONCE = 1
MAX_LONG = 2
LONG = 0.03
MAX_OF_ONE = 20
MAX_WAITING = 5000
STEPS = 20_000  # of SQLite's machine between two looks at the clock: under a millisecond
SHORT_STEPS = 1_000
SHORT_LOOKS = 10  # so many times `SHORT_STEPS` a read in the event loop's thread may take: about a millisecond


class TooLong(Exception):
    """A read would have taken longer than it may in the event loop's thread."""


class Readers:
    """Connections to read with, in threads.

    Args:
        connect: opens a connection.
        deadline: seconds that one read may take.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], deadline: float) -> None:
        self._deadline = deadline
        self._executor = ThreadPoolExecutor(AT_ONCE + MAX_LONG, thread_name_prefix="tailwire-reader")
        self._all = [_Reader(connect()) for _ in range(AT_ONCE + MAX_LONG)]
        self._long = 0
        self._idle = list(self._all)
        self._turns = Turns(AT_ONCE, MAX_OF_ONE, MAX_WAITING, perf_counter)
        self._closed = False

    async def read(self, job: Job[T]) -> T:
        """Run a read in a thread, when it is the turn of whoever asks.

        Raises:
            Refused: ERR_QUERY_TOO_BROAD, when it took too long; ERR_TOO_MANY_REQUESTS or ERR_UNAVAILABLE, when too many
                wait already.
        """
        who = asking.get()
        await self._turns.take(who)
        begun = perf_counter()
        if self._closed:
            self._turns.give(who, 0.0)
            raise Refused("ERR_UNAVAILABLE", retry_after=1.0)
        reader, loop = self._idle.pop(), asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, reader.run, job, self._deadline)
        timer = loop.call_later(LONG, self._takes_long, reader)

        def done(_: object) -> None:
            timer.cancel()
            self._idle.append(reader)
            self._long -= reader.long
            self._turns.give(who, perf_counter() - begun, passed_on=reader.long)
            reader.long = False

        # Not awaited here alone: whoever gives up does not give the thread back before it is done.
        future.add_done_callback(done)
        return await asyncio.shield(future)

    def _takes_long(self, reader: _Reader) -> None:
        if self._long < MAX_LONG:
            self._long += 1
            reader.long = True
            self._turns.pass_on()

    async def close(self) -> None:
        """Cut off what is under way, and close the connections."""
        self._closed = True
        for reader in self._all:
            reader.cut = True
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)
        self.let_go()

    def let_go(self) -> None:
        """Close the connections; nothing is under way on them."""
        self._closed = True
        self._executor.shutdown(wait=False)
        for reader in self._all:
            reader.connection.close()


class _Reader:
    # A connection of the threads.

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.cut = False
        self.long = False
        self._until = 0.0
        connection.set_progress_handler(self._look, STEPS)

    def _look(self) -> bool:
        return self.cut or perf_counter() > self._until

    def run(self, job: Job[T], deadline: float) -> T:
        self._until = perf_counter() + deadline
        try:
            self.connection.execute("BEGIN")
            try:
                return job(self.connection)
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
        except sqlite3.OperationalError as e:
            if was_cut(e):
                raise Refused("ERR_QUERY_TOO_BROAD") from e
            raise


class Short:
    """Reads in the event loop's thread, as long as they are short: that costs less than a way to a thread and back.

    Args:
        connection: used in the event loop's thread alone.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._looks: int | None = None
        connection.set_progress_handler(self._look, SHORT_STEPS)

    def _look(self) -> bool:
        if self._looks is None:
            return False
        self._looks -= 1
        return self._looks < 0

    def read(self, job: Job[T]) -> T:
        """Run a read.

        Raises:
            TooLong: it is not short.
        """
        self._looks = SHORT_LOOKS
        try:
            return job(self._connection)
        except sqlite3.OperationalError as e:
            if was_cut(e):
                raise TooLong from e
            raise
        finally:
            self._looks = None


def was_cut(error: sqlite3.OperationalError) -> bool:
    """Whether a statement ended because it was interrupted."""
    return error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
