"""Group commit: one writer commits what has come in since its last commit. No request waits for a timer.

The writer is the only one who writes, in one thread, one transaction after another. It gives ids inside the
transaction and answers in their order after the commit: so an id that is visible never has a smaller one appear after
it, and what is published after an answer is published in the order of the ids.

Nothing is said of a change before its commit: what is to follow from one (a cache that forgets, a sender that is woken)
is given to `after_commit` within the operation, and runs in the event loop's thread before the operation is answered.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from tailwire.server.store.trouble import Trouble, is_of_the_file

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

MAX_TOGETHER = 500


class WriterClosed(RuntimeError):
    """The store is closed."""


class Writer:
    """Runs operations in transactions, as many together as have come in meanwhile.

    Args:
        connection: used by the writer alone, in `executor`.
        executor: of one thread.
        rolled_back: called after a transaction was undone, in the executor.
        committed: called after each commit, before anybody is answered, in the executor. It must not raise.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        executor: Executor,
        rolled_back: Callable[[], None],
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._rolled_back = rolled_back
        self._committed = committed
        self._connection = connection
        self._executor = executor
        self._pending: list[tuple[Operation[Any], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._after: list[Callable[[], None]] = []  # of the transaction under way
        self.trouble = Trouble()

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Run an operation in the next transaction; the future is set after its commit.

        An operation that raises is undone alone: those that came with it stand.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(WriterClosed("the store is closed"))
            return future
        self._pending.append((operation, future))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire store writer")
        return future

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call a function once what an operation has written is committed; never when it is undone.

        A function that is given several times in a row is called once.

        For use within an operation. The function runs in the event loop's thread, before anybody is answered, and
        must not raise.
        """
        if call not in self._after[-1:]:
            self._after.append(call)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            batch, self._pending = self._pending[:MAX_TOGETHER], self._pending[MAX_TOGETHER:]
            try:
                results = await loop.run_in_executor(self._executor, self._commit, [op for op, _ in batch])
            except Exception as e:  # noqa: BLE001 - whatever it is, it is the answer to each of the batch
                results = [(False, self.trouble.failed(e) if is_of_the_file(e) else e)] * len(batch)
            else:
                trouble = next((r for good, r in results if not good and is_of_the_file(r)), None)
                if trouble is None:
                    self.trouble.worked()
                else:
                    told = self.trouble.failed(trouble)
                    results = [(good, r if good or not is_of_the_file(r) else told) for good, r in results]
            follow, self._after = self._after, []  # whatever was undone is no longer among them
            for call in follow:
                call()
            for (_, future), (good, result) in zip(batch, results, strict=True):
                if future.cancelled():
                    continue
                if good:
                    future.set_result(result)
                else:
                    future.set_exception(result)
        self._task = None

    def _commit(self, operations: list[Operation[Any]]) -> list[tuple[bool, Any]]:
        try:
            return self._transaction(operations)
        except Exception as e:
            if is_of_the_file(e):
                raise  # it would be so with each of them
            if len(operations) == 1:
                return [(False, e)]
            # One failed after it had changed something. Each gets a transaction of its own: it alone fails.
            return [self._alone(operation) for operation in operations]

    def _alone(self, operation: Operation[Any]) -> tuple[bool, Any]:
        try:
            return self._commit([operation])[0]
        except Exception as e:  # noqa: BLE001 - of the file: those before it are stored all the same
            return False, e

    def _transaction(self, operations: list[Operation[Any]]) -> list[tuple[bool, Any]]:
        connection = self._connection
        before_all = len(self._after)
        results: list[tuple[bool, Any]] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for operation in operations:
                before, said = connection.total_changes, len(self._after)
                try:
                    results.append((True, operation(connection)))
                except Exception as e:
                    if connection.total_changes != before or is_of_the_file(e):
                        raise
                    del self._after[said:]
                    results.append((False, e))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            del self._after[before_all:]
            self._rolled_back()
            raise
        self._committed()
        return results

    @property
    def busy(self) -> bool:
        """Whether there is something to write."""
        return self._task is not None

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    async def close(self) -> None:
        """Finish what was submitted; take nothing more."""
        self._closed = True
        while self._task is not None:
            await asyncio.wait([self._task])
