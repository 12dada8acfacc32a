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
    """A list of the server, to iterate with `async for`. It fetches a page of 100 entries whenever it needs one.

    Each iteration fetches the list again, and raises `CometChatException` if a page cannot be fetched. If the list
    changes during an iteration, entries may be missed or repeated. No message is missed, because lists of messages are
    paged by id.
    """

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self._pages():
            for entry in page:
                yield entry

    async def first(self, most: int = 1000) -> list[T]:
        """Return the first entries of the list as a Python list.

        Args:
            most: the maximum number of entries; for 0 or less, the result is empty.

        Raises:
            CometChatException: a page cannot be fetched, with the code from the server.
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
    """Yield no pages, for an empty `Listing`."""
    for page in list[list[Any]]():
        yield page


def numbered_listing(ask: Ask, query: Mapping[str, Any], decode: Callable[[Any], T], what: str) -> Listing[T]:
    """Return a `Listing` whose pages are fetched by their numbers.

    Args:
        ask: fetches one page, given the query parameters.
        query: the query parameters of all pages.
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
    """Return a `Listing` of messages. Each page begins where the previous one ended, by message id.

    Args:
        ask: fetches one page, given the query parameters.
        query: the query parameters of all pages.
        decode: decodes one message. A message that cannot be decoded is logged and skipped.
        newest_first: whether the newest message is the first; otherwise it is the oldest.
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
