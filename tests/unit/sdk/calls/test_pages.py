"""Lists whose entries cannot be read end with an error, and readable entries after them are returned."""

from __future__ import annotations

from typing import Any

import pytest

from tailwire.admin.listing import PAGE_SIZE, numbered_listing
from tailwire.sdk.calls.list_requests import ListRequest
from tailwire.sdk.calls.pages import MAX_UNREADABLE_PAGES
from tailwire.sdk.calls.reaction_requests import ReactionsRequest
from tailwire.sdk.exceptions import CometChatException
from tailwire.wire.codec import user_from_wire


class Requests:
    """Answers pages from a list; the last one again and again.

    Attributes:
        queries: the queries.
    """

    def __init__(self, *pages: list[Any]) -> None:
        self._pages = pages
        self.queries: list[Any] = []

    async def ask_for_list(self, path: str, query: Any) -> list[Any]:
        self.queries.append(query)
        return self._pages[min(len(self.queries), len(self._pages)) - 1]


def users(requests: Requests) -> ListRequest[Any]:
    return ListRequest("/users", {"per_page": 1}, 1, user_from_wire, lambda: requests)  # type: ignore[arg-type]


async def test_list_that_never_becomes_readable_ends_with_an_error():
    requests = Requests([7])
    with pytest.raises(CometChatException, match="ERR_BAD_ERROR_RESPONSE"):
        await users(requests).fetch_next()
    assert len(requests.queries) == MAX_UNREADABLE_PAGES


async def test_entries_after_unreadable_pages_are_returned():
    requests = Requests(*[[7]] * (MAX_UNREADABLE_PAGES + 20), [{"uid": "bob", "name": "Bob"}], [])
    request = users(requests)
    with pytest.raises(CometChatException):
        await request.fetch_next()
    assert [user.uid for user in await request.fetch_next()] == ["bob"]  # continues where it failed
    assert await request.fetch_next() == []


async def test_unreadable_reactions_that_are_returned_again_end_the_list():
    requests = Requests([{"id": 5, "reactedBy": 7}])
    assert await ReactionsRequest(1, "", 10, lambda: requests).fetch_next() == []  # type: ignore[arg-type]
    assert len(requests.queries) == 2


async def test_list_of_a_backend_that_never_becomes_readable_ends_with_an_error():
    requests = []

    async def ask(query: Any) -> list[Any]:
        requests.append(query)
        return [7] * PAGE_SIZE

    with pytest.raises(CometChatException, match="ERR_BAD_ERROR_RESPONSE"):
        await numbered_listing(ask, {}, user_from_wire, "user").first()
    assert len(requests) == MAX_UNREADABLE_PAGES
