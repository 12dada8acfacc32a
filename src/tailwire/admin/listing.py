"""A list of the server that is read page by page while an app walks through it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from tailwire.sdk.calls.pages import message_page, numbered_page, readable
from tailwire.sdk.dispatch.history import id_of

T = TypeVar("T")
Ask = Callable[[Mapping[str, Any]], Awaitable[list[Any]]]
Pages = Callable[[], AsyncIterator[list[T]]]
PAGE = 100


class Listing(Generic[T]):
    """A list to walk through with `async for`. Each walk asks the server anew, a page of 100 at a time.

    What changes while an app walks may be missed, or come twice, where the server counts pages; histories of messages
    are walked by id and never miss any.
    """

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self._pages():
            for entry in page:
                yield entry

    async def first(self, most: int = 1000) -> list[T]:
        """Return the entries as a list.

        Args:
            most: at most so many.
        """
        found: list[T] = []
        if most <= 0:
            return found
        async for page in self._pages():
            found += page[: most - len(found)]
            if len(found) >= most:
                break
        return found


async def nothing() -> AsyncIterator[list[Any]]:
    """The pages of an empty list."""
    for page in list[list[Any]]():
        yield page


def numbered(ask: Ask, query: Mapping[str, Any], decode: Callable[[Any], T], what: str) -> Listing[T]:
    """Return a listing whose pages are counted.

    Args:
        ask: `GET` of the list with a query.
        query: which entries.
        decode: reads an entry. One that cannot be read is logged and left out.
        what: what the entries are, in words.
    """

    async def pages() -> AsyncIterator[list[T]]:
        number = 1
        while True:
            page = await numbered_page(ask, query, PAGE, number)
            yield readable(decode, page, what)
            if len(page) < PAGE:
                return
            number += 1

    return Listing(pages)


def history(ask: Ask, query: Mapping[str, Any], decode: Callable[[Any], T], *, newest_first: bool) -> Listing[T]:
    """Return a listing of messages, which is walked by their ids.

    Args:
        ask: `GET` of the messages with a query.
        query: which messages.
        decode: reads a message. One that cannot be read is logged and left out.
        newest_first: the order.
    """

    async def pages() -> AsyncIterator[list[T]]:
        rest = {**query, "per_page": PAGE, "affix": "prepend" if newest_first else "append"}
        if not newest_first:
            rest["id"] = 0
        while True:
            page = await message_page(ask, rest)
            if newest_first:
                page = page[::-1]
            yield readable(decode, page, "message")
            if len(page) < PAGE or not (cursor := id_of(page[-1])):
                return
            rest["id"] = cursor

    return Listing(pages)
