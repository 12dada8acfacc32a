"""A list of the server that is fetched page by page while it is iterated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from tailwire.sdk.calls.pages import UnreadablePages, message_page, numbered_page, readable
from tailwire.sdk.dispatch.history import id_of

T = TypeVar("T")
Ask = Callable[[Mapping[str, Any]], Awaitable[list[Any]]]
Pages = Callable[[], AsyncIterator[list[T]]]
PAGE_SIZE = 100


class Listing(Generic[T]):
    """A list to iterate with `async for`. Each iteration fetches the list again, in pages of 100 entries.

    Entries that change during an iteration may be missed or repeated. Message histories are paged by id, so no message
    is missed.
    """

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self._pages():
            for entry in page:
                yield entry

    async def first(self, most: int = 1000) -> list[T]:
        """Return the first entries as a list.

        Args:
            most: the maximum number of entries; 0 or less returns none.

        Raises:
            CometChatException: the code from the server.
        """
        found: list[T] = []
        if most <= 0:
            return found
        async for page in self._pages():
            found += page[: most - len(found)]
            if len(found) >= most:
                break
        return found


async def no_pages() -> AsyncIterator[list[Any]]:
    """Yield no pages: the listing is empty."""
    for page in list[list[Any]]():
        yield page


def numbered_listing(ask: Ask, query: Mapping[str, Any], decode: Callable[[Any], T], what: str) -> Listing[T]:
    """Return a listing that is fetched by page number.

    Args:
        ask: fetches one page, given the query parameters.
        query: the filters.
        decode: decodes one entry. An entry that cannot be decoded is logged and skipped.
        what: the kind of entry, for log messages.
    """

    async def pages() -> AsyncIterator[list[T]]:
        number, unreadable = 1, UnreadablePages(what)
        while True:
            page = await numbered_page(ask, query, PAGE_SIZE, number)
            found = readable(decode, page, what)
            yield found
            if len(page) < PAGE_SIZE:
                return
            if found:
                unreadable.clear()
            else:
                unreadable.count()
            number += 1

    return Listing(pages)


def message_listing(
    ask: Ask, query: Mapping[str, Any], decode: Callable[[Any], T], *, newest_first: bool
) -> Listing[T]:
    """Return a listing of messages that is paged by message id.

    Args:
        ask: fetches one page, given the query parameters.
        query: the filters.
        decode: decodes one message. A message that cannot be decoded is logged and skipped.
        newest_first: the order.
    """

    async def pages() -> AsyncIterator[list[T]]:
        rest = {**query, "per_page": PAGE_SIZE, "affix": "prepend" if newest_first else "append"}
        if not newest_first:
            rest["id"] = 0
        while True:
            page = await message_page(ask, rest)
            if newest_first:
                page = page[::-1]
            yield readable(decode, page, "message")
            if len(page) < PAGE_SIZE or not (cursor := id_of(page[-1])):
                return
            rest["id"] = cursor

    return Listing(pages)
