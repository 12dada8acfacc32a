"""An iterator over the entries of a list that is fetched page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Entries(Generic[T]):
    """An async iterator over the entries of a list. It fetches a page when the one before is used up.

    If `fetch_next` raises, so does the iterator, and its next step calls `fetch_next` again.

    Args:
        fetch_next: returns the next page of entries; an empty list at the end.
    """

    def __init__(self, fetch_next: Callable[[], Awaitable[list[T]]]) -> None:
        self._fetch_next = fetch_next
        self._page: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        for entry in self._page:
            return entry
        page = await self._fetch_next()
        if not page:
            raise StopAsyncIteration
        self._page = iter(page)
        return next(self._page)
