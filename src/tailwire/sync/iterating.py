"""Iterators for threads over what is async: events, and the messages of a conversation."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from tailwire.sdk.exceptions import CometChatException
from tailwire.sync.closing import Closable
from tailwire.sync.future import CallFuture
from tailwire.sync.proxy import ClientHandle

T = TypeVar("T")


class _Source(Generic[T]):
    # What is read in the client's thread. It does not hold the iterator: one that the app drops is collected though
    # a read waits.

    def __init__(self, source: AsyncIterator[T], again: Callable[[T | None], AsyncIterator[T]] | None) -> None:
        self._source = source
        self._again = again
        self._last: T | None = None

    async def one(self) -> list[T]:
        # Empty at the end.
        try:
            async for value in self._source:
                self._last = value
                return [value]
        except Exception as e:  # an async generator that has raised is at its end, and what it gave is not all
            self._source = self._again(self._last) if self._again is not None else _failing(e)
            raise
        return []


async def _failing(error: Exception) -> AsyncIterator[Any]:
    raise error
    yield


class Iterating(Closable, Generic[T]):
    """Takes one after the other, and waits for each. `close()`, or the end of a `with` block, ends it.

    A wait that ends early, in time or by Ctrl+C, loses nothing: the next one goes on where it was. Where a page of
    messages could not be fetched, the next one tries again.
    """

    def __init__(
        self,
        handle: ClientHandle,
        source: AsyncIterator[T],
        name: str,
        limit: float | None,
        *,
        ends: bool,
        again: Callable[[T | None], AsyncIterator[T]] | None = None,
        close: Callable[[], object] | None = None,
    ) -> None:
        """Begin (for `Client`).

        Args:
            limit: seconds to wait for each; None for ever.
            ends: it ends when the limit is over; else that raises `TimeoutError`.
            again: called in the client's thread when the source has failed: gives one that goes on behind the last
                that was taken, None at the beginning. Without it, the next step raises the same again.
            close: called in the client's thread at the end.
        """
        self._handle = handle
        self._source = _Source(source, again)
        self._name = name
        self._limit = limit
        self._ends = ends
        self._close = close
        self._next: CallFuture[list[T]] | None = None
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def __iter__(self) -> Iterating[T]:
        return self

    def __next__(self) -> T:
        client_thread = self._handle.client_thread
        client_thread.check_outside(self._name)

        with self._one_at_a_time:
            if self._closed:
                raise StopIteration
            try:
                if self._next is None:
                    self._next = client_thread.begin(self._source.one)
                taken = client_thread.wait(self._next, self._limit, self._name, keep=True)
            except CometChatException as e:
                self._next = None
                if e.code == "ERR_CLIENT_CLOSED" and self._ends:
                    raise StopIteration from None
                raise
            except concurrent.futures.CancelledError:
                if self._closed:  # meanwhile, by another thread
                    raise StopIteration from None
                self._next = None
                raise
            except TimeoutError:
                if self._ends and self._next is not None and not self._next.done():
                    raise StopIteration from None
                raise
            self._next = None
        if not taken:
            raise StopIteration
        return taken[0]

    def close(self) -> None:
        """Take no more."""
        if self._closed:
            return
        self._closed = True
        waiting, close = self._next, self._close
        if waiting is not None:
            waiting.cancel()
        if close is not None:
            try:
                self._handle.client_thread.soon(close)
            except (CometChatException, RuntimeError):
                return  # the client is closed, and has ended it; or this is another process

    def __del__(self) -> None:
        lock: Any = getattr(self, "_one_at_a_time", None)  # not where the constructor raised
        if lock is not None:
            self.close()
