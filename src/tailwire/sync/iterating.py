"""Blocking iterators over async sources."""

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
    # Reads the source in the client's thread. It does not refer to the iterator, so that an iterator that the app no
    # longer uses is garbage-collected even while a read is pending.

    def __init__(self, source: AsyncIterator[T], again: Callable[[T | None], AsyncIterator[T]] | None) -> None:
        self._source = source
        self._again = again
        self._last: T | None = None

    async def read_one(self) -> list[T]:
        # Return the next item in a list; an empty list at the end.
        try:
            async for value in self._source:
                self._last = value
                return [value]
        except Exception as e:  # an async generator that has raised yields nothing more, even if there are more items
            self._source = self._again(self._last) if self._again is not None else _failing_source(e)
            raise
        return []


async def _failing_source(error: Exception) -> AsyncIterator[Any]:
    raise error
    yield


class Iterating(Closable, Generic[T]):
    """A blocking iterator over items that the client receives. `close()`, or the end of a `with` block, ends it.

    If `next()` times out or is interrupted by Ctrl+C, nothing is lost: the next call waits for the same item. If a page
    of messages could not be fetched, the next call requests it again.
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
        """Create an iterator (used by `Client`).

        Args:
            handle: keeps the client open.
            source: the async source, which is read in the client's thread.
            name: the name of the call, for error messages.
            limit: seconds to wait for each item; None for no limit.
            ends: whether a timeout ends the iteration; otherwise it raises `TimeoutError`.
            again: called in the client's thread with the last item when the source has raised. It returns a source that
                continues after that item, or from the start if it is None. Without `again`, the next call raises the
                same error again.
            close: called in the client's thread when the iterator is closed or garbage-collected.
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
                    self._next = client_thread.begin(self._source.read_one)
                taken = client_thread.wait(self._next, self._limit, self._name, keep=True)
            except CometChatException as e:
                self._next = None
                if e.code == "ERR_CLIENT_CLOSED" and self._ends:
                    raise StopIteration from None
                raise
            except concurrent.futures.CancelledError:
                if self._closed:  # closed by another thread
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
        """End the iteration. May be called more than once, and from any thread."""
        if self._closed:
            return
        self._closed = True
        waiting, close = self._next, self._close
        if waiting is not None:
            waiting.cancel()
        if close is not None:
            try:
                self._handle.client_thread.call_soon(close)
            except (CometChatException, RuntimeError):
                return  # the client is closed, or this is a forked process

    def __del__(self) -> None:
        lock: Any = getattr(self, "_one_at_a_time", None)  # unset if the constructor raised
        if lock is not None:
            self.close()
