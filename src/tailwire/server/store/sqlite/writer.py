"""The writer: one thread through which all writes go, one transaction after another (group commit).

A write is submitted as an operation: a function that is called with the writer's connection. While a transaction is
committed, further operations are collected; they form the next transaction.

Message ids are assigned within the transaction, and results are set in the same order after the commit. So no smaller
id becomes visible after a larger one, and what callers publish when they get their results is in the order of the ids.

Nothing may act on a change before its commit. What follows from one, such as clearing a cache or waking a sender, is
passed to `after_commit` within the operation, and done in the event loop's thread before the operation's result is set.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from tailwire.server.store.sql.write_errors import WriteErrors
from tailwire.server.store.sqlite.file_errors import is_file_error

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]
Accompany = Callable[[Operation[Any], asyncio.Future[Any]], Operation[Any]]

MAX_OPERATIONS = 500


class WriterClosed(RuntimeError):
    """The store is closed and accepts no writes."""


class Writer:
    """Runs operations in transactions, up to `MAX_OPERATIONS` in one.

    Args:
        connection: the connection, used by the writer only.
        executor: an executor with one thread, in which the operations run.
        on_rollback: called in that thread after each rollback.
        on_commit: called in that thread after each commit, before any result is set. It must not raise.

    Attributes:
        errors: records whether the file can be written to.
        accompaniments: functions that `submit` calls with each operation and its future. Each returns the operation
            that runs in its place, such as one that also stores an audit log entry.
        on_transaction: called in the executor's thread after each commit with the seconds that the transaction took.
        on_results: called in the event loop's thread after the results of a batch of operations were set. It must not
            raise.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        executor: Executor,
        on_rollback: Callable[[], None],
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_rollback = on_rollback
        self._on_commit = on_commit
        self._connection = connection
        self._executor = executor
        self._pending: list[tuple[Operation[Any], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._after: list[Callable[[], None]] = []  # callbacks for the end of the current transaction
        self.errors = WriteErrors()
        self.accompaniments: list[Accompany] = []
        self.on_transaction: Callable[[float], None] = lambda seconds: None
        self.on_results: Callable[[], None] = lambda: None

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Submit an operation to the next transaction, and return a future for its result, set after the commit.

        If an operation raises, only its own changes are rolled back, and its future has the exception. If the file
        cannot be written, the future has the exception `Refused` with ERR_UNAVAILABLE; after `close`, `WriterClosed`.

        Args:
            operation: called with the connection in the writer's thread. It may be called twice, after a rollback.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(WriterClosed("the store is closed"))
            return future
        for accompany in self.accompaniments:
            operation = accompany(operation, future)
        self._pending.append((operation, future))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire store writer")
        return future

    def after_commit(self, call: Callable[[], None]) -> None:
        """Register a function that is called once, after the commit of the operation that calls this.

        It is called in the event loop's thread, before any result is set. If the operation is rolled back, it is not
        called. A function that is passed several times in a row is called once. It must not raise.
        """
        if call not in self._after[-1:]:
            self._after.append(call)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            batch, self._pending = self._pending[:MAX_OPERATIONS], self._pending[MAX_OPERATIONS:]
            try:
                results = await loop.run_in_executor(self._executor, self._commit, [op for op, _ in batch])
            except Exception as e:  # noqa: BLE001 - the result of each operation of the batch
                results = [(False, self.errors.record_failure(e) if is_file_error(e) else e)] * len(batch)
            else:
                failure = next((r for good, r in results if not good and is_file_error(r)), None)
                if failure is None:
                    self.errors.record_success()
                else:
                    refusal = self.errors.record_failure(failure)
                    results = [(good, r if good or not is_file_error(r) else refusal) for good, r in results]
            follow, self._after = self._after, []  # without those of operations that were rolled back
            for call in follow:
                call()
            for (_, future), (good, result) in zip(batch, results, strict=True):
                if future.cancelled():
                    continue
                if good:
                    future.set_result(result)
                else:
                    future.set_exception(result)
            self.on_results()
        self._task = None

    def _commit(self, operations: list[Operation[Any]]) -> list[tuple[bool, Any]]:
        try:
            return self._transaction(operations)
        except Exception as e:
            if is_file_error(e):
                raise  # each operation would fail in the same way
            if len(operations) == 1:
                return [(False, e)]
            # One failed after it had changed something: run each in its own transaction, so that it fails alone.
            return [self._run_alone(operation) for operation in operations]

    def _run_alone(self, operation: Operation[Any]) -> tuple[bool, Any]:
        try:
            return self._commit([operation])[0]
        except Exception as e:  # noqa: BLE001 - a file error: the operations before it are stored
            return False, e

    def _transaction(self, operations: list[Operation[Any]]) -> list[tuple[bool, Any]]:
        connection = self._connection
        before_all = len(self._after)
        results: list[tuple[bool, Any]] = []
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for operation in operations:
                before, callbacks = connection.total_changes, len(self._after)
                try:
                    results.append((True, operation(connection)))
                except Exception as e:
                    if connection.total_changes != before or is_file_error(e):
                        raise
                    del self._after[callbacks:]
                    results.append((False, e))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            del self._after[before_all:]
            self._on_rollback()
            raise
        self._on_commit()
        self.on_transaction(time.perf_counter() - began)
        return results

    @property
    def busy(self) -> bool:
        """Whether a write is in progress or waiting."""
        return self._task is not None

    @property
    def closed(self) -> bool:
        """Whether the writer accepts no more operations."""
        return self._closed

    async def close(self) -> None:
        """Refuse new operations, and wait for those that were submitted."""
        self._closed = True
        while self._task is not None:
            await asyncio.wait([self._task])
