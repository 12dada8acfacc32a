"""CometChat's request builder for the reactions to a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tailwire.sdk.calls.checks import checked_limit, quoted
from tailwire.sdk.calls.current import current_parts
from tailwire.sdk.calls.entries import Entries
from tailwire.sdk.calls.list_requests import MAX_PAGE_SIZE
from tailwire.sdk.calls.pages import readable
from tailwire.sdk.calls.parts import checked_client
from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.dispatch.history import id_of
from tailwire.sdk.exceptions import failure
from tailwire.wire.entities import Reaction
from tailwire.wire.social import reaction_from_wire

if TYPE_CHECKING:
    from tailwire.sdk.client import ChatClient


class ReactionsRequest:
    """Fetches the reactions to a message page by page. Made by `ReactionsRequestBuilder.build()`."""

    def __init__(self, message_id: int, reaction: str, limit: int, requests: Callable[[], UserRequests]) -> None:
        self._path = f"/messages/{message_id}/reactions" + (f"/{quoted(reaction)}" if reaction else "")
        self._limit = limit
        self._requests = requests
        self._first = self._last = 0
        self._in_progress = False

    async def fetch_next(self) -> list[Reaction]:
        """Return the page after those already fetched, oldest first; an empty list when there are no newer reactions.

        The first call returns the oldest page.

        Raises:
            CometChatException: `REQUEST_IN_PROGRESS` while another call of this request runs; or a code of the server.
        """
        return await self._fetch("append", self._last)

    async def fetch_previous(self) -> list[Reaction]:
        """Return the page before those already fetched, oldest first; an empty list when there are no older reactions.

        The first call returns the newest page.

        Raises:
            CometChatException: as for `fetch_next`.
        """
        return await self._fetch("prepend", self._first)

    def __aiter__(self) -> Entries[Reaction]:
        """Iterate over the reactions after those already fetched, oldest first.

        Raises:
            CometChatException: as for `fetch_next`.
        """
        return Entries(self.fetch_next)

    async def _fetch(self, affix: str, cursor: int) -> list[Reaction]:
        if self._in_progress:
            raise failure("REQUEST_IN_PROGRESS")
        self._in_progress = True
        try:
            requests, found = self._requests(), list[Reaction]()
            while not found:  # callers treat an empty page as the end
                query: dict[str, Any] = {"limit": self._limit, "affix": affix, **({"id": cursor} if cursor else {})}
                listed = await requests.ask_for_list(self._path, query)
                found = readable(reaction_from_wire, listed, "a reaction")
                ids = [number for number in map(id_of, listed) if number]
                before = self._first, self._last
                if ids:
                    self._first, self._last = min(self._first or ids[0], ids[0]), max(self._last, ids[-1])
                if (self._first, self._last) == before:
                    break
                cursor = self._last if affix == "append" else self._first
        finally:
            self._in_progress = False
        return found


class ReactionsRequestBuilder:
    """Builds a request for the reactions to a message. Each method returns the builder.

    Args:
        message_id: the id of a stored message.
    """

    def __init__(self, message_id: int = 0) -> None:
        self._message_id = message_id
        self._reaction = ""
        self._limit = 10

    def set_message_id(self, message_id: int) -> ReactionsRequestBuilder:
        """Set the id of the message.

        Args:
            message_id: the id of a stored message.
        """
        self._message_id = int(message_id)
        return self

    def set_reaction(self, reaction: str) -> ReactionsRequestBuilder:
        """Fetch only reactions with this emoji or word.

        Args:
            reaction: the reaction as it was added; "" for all.
        """
        self._reaction = reaction
        return self

    def set_limit(self, limit: int) -> ReactionsRequestBuilder:
        """Set the number of reactions per page, 1 to 100 (default: 10).

        Args:
            limit: the number of reactions.

        Raises:
            CometChatException: `ERROR_NON_POSITIVE_LIMIT` below 1; `ERROR_LIMIT_EXCEEDED` above 100.
        """
        self._limit = checked_limit(limit, MAX_PAGE_SIZE)
        return self

    def build(self, client: ChatClient | None = None) -> ReactionsRequest:
        """Return a request with the values that were set. Nothing is sent until a page is fetched.

        Args:
            client: the client that sends the request; None for the client that is `CometChat`'s current one when a page
                is fetched.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when no message id is set.
        """
        core = checked_client(client)
        return self._request(lambda: current_parts(core).requests)

    def _request(self, requests: Callable[[], UserRequests]) -> ReactionsRequest:
        if self._message_id <= 0:
            raise failure("ERROR_INVALID_MESSAGE_ID")
        return ReactionsRequest(self._message_id, self._reaction, self._limit, requests)


def entries_of(builder: ReactionsRequestBuilder, requests: UserRequests) -> Entries[Reaction]:
    """Return an iterator over the reactions that a builder describes, oldest first; `requests` sends its requests."""
    return Entries(builder._request(lambda: requests).fetch_next)
