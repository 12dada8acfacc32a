"""The documented request builders for lists: users, groups, members, conversations, reactions.

A request keeps its position: each `fetch_next()` returns the next page, and an empty list at the end. `async for`
iterates over all pages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

from tailwire.sdk.calls.checks import checked_limit, quoted
from tailwire.sdk.calls.current import current_parts
from tailwire.sdk.calls.pages import numbered_page, readable
from tailwire.sdk.calls.parts import ClientCore, checked_client
from tailwire.sdk.dispatch.history import id_of
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import group_from_wire, user_from_wire
from tailwire.wire.entities import Conversation, Group, GroupMember, Reaction, User
from tailwire.wire.social import conversation_from_wire, member_from_wire, reaction_from_wire

T = TypeVar("T")
MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 30


class ListRequest(Generic[T]):
    """Fetches a list page by page. Made by `build()` of a builder."""

    def __init__(
        self, path: str, query: Mapping[str, Any], page: int, decode: Callable[[Any], T], client: ClientCore | None
    ) -> None:
        self._path = path
        self._query = dict(query)
        self._page = page
        self._decode = decode
        self._client = client
        self._in_progress = False
        self._ended = False

    async def fetch_next(self) -> list[T]:
        """Return the next page; an empty list at the end.

        Raises:
            CometChatException: `REQUEST_IN_PROGRESS`, or as the server refused it.
        """
        if self._in_progress:
            raise failure("REQUEST_IN_PROGRESS")
        if self._ended:
            return []
        self._in_progress = True
        try:
            requests = current_parts(self._client).requests
            found: list[T] = []
            while not found and not self._ended:  # callers take an empty page for the end
                listed = await numbered_page(
                    lambda query: requests.ask_for_list(self._path, query),
                    self._query,
                    self._query["per_page"],
                    self._page,
                )
                found = readable(self._decode, listed, f"an entry of {self._path}")
                self._page += 1
                self._ended = not listed
        finally:
            self._in_progress = False
        return found

    async def __aiter__(self) -> AsyncIterator[T]:
        """Iterate over the rest of the list. Pages are requested as they are needed.

        Raises:
            CometChatException: as `fetch_next`.
        """
        while page := await self.fetch_next():
            for entry in page:
                yield entry


class _Builder(Generic[T]):
    """The methods of all builders of lists; each returns the builder."""

    _path = ""
    _decode: Callable[[Any], T]
    _max_page_size = MAX_PAGE_SIZE

    def __init__(self) -> None:
        self._query: dict[str, Any] = {"per_page": DEFAULT_PAGE_SIZE}
        self._page = 1

    def set_limit(self, limit: int) -> Self:
        """Set the number of entries per page, 1 to 100; 1 to 50 for conversations (default: 30).

        Raises:
            CometChatException: `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`.
        """
        self._query["per_page"] = checked_limit(limit, self._max_page_size)
        return self

    def set_page(self, page: int) -> Self:
        """Begin with this page; the first is 1 (default)."""
        self._page = max(1, page)
        return self

    def _with(self, name: str, value: Any) -> Self:
        if isinstance(value, bool):
            value = 1 if value else None
        elif not isinstance(value, str | int) and value is not None:
            value = ",".join(str(v) for v in value)
        if value in (None, ""):
            self._query.pop(name, None)
        else:
            self._query[name] = value
        return self

    def build(self, client: ClientCore | None = None) -> ListRequest[T]:
        """Return the request.

        Args:
            client: sends the requests; by default `CometChat`'s current client, when a page is fetched.
        """
        return ListRequest(self._path, self._query, self._page, type(self)._decode, checked_client(client))


class UsersRequestBuilder(_Builder[User]):
    """Builds a request for users. Each method returns the builder."""

    _path = "/users"
    _decode = staticmethod(user_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text."""
        return self._with("searchKey", keyword)

    def search_in(self, fields: Sequence[str]) -> Self:
        """Search in these fields: `name`, `uid`."""
        return self._with("searchIn", fields)

    def set_user_status(self, status: str) -> Self:
        """Fetch only `online` or `offline` users.

        Raises:
            CometChatException: `INVALID_STATUS_VALUE`.
        """
        if status not in ("online", "offline"):
            raise failure("INVALID_STATUS_VALUE")
        return self._with("status", "available" if status == "online" else "offline")

    def hide_blocked_users(self, hide: bool = True) -> Self:
        """Leave out users with a block between them and the logged-in user."""
        return self._with("hideBlockedUsers", hide)

    def set_roles(self, roles: Sequence[str]) -> Self:
        """Fetch only users of these roles."""
        return self._with("roles", roles)

    def friends_only(self, only: bool = True) -> Self:
        """Fetch only friends of the logged-in user."""
        return self._with("friendsOnly", only)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only users with one of these tags."""
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """Include the tags of each entry."""
        return self._with("withTags", wanted)

    def set_uids(self, uids: Sequence[str]) -> Self:
        """Fetch only these users, at most 25."""
        return self._with("uids", uids)

    def sort_by(self, field: str) -> Self:
        """Sort by `name`, `status` or `createdAt`."""
        return self._with("sortBy", field)

    def sort_by_order(self, order: str) -> Self:
        """Sort in the order `asc` or `desc`."""
        return self._with("sortOrder", order)


class BlockedUsersRequestBuilder(_Builder[User]):
    """Builds a request for users with a block between them and the logged-in user."""

    _path = "/blockedusers"
    _decode = staticmethod(user_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text."""
        return self._with("searchKey", keyword)

    def set_direction(self, direction: str) -> Self:
        """Fetch only blocks in one direction: `blockedByMe`, `hasBlockedMe` or `both`.

        Raises:
            CometChatException: `INVALID_DIRECTION_VALUE`.
        """
        if direction not in ("blockedByMe", "hasBlockedMe", "both"):
            raise failure("INVALID_DIRECTION_VALUE")
        return self._with("direction", direction)


class GroupsRequestBuilder(_Builder[Group]):
    """Builds a request for groups: public ones, those with a password, and the logged-in user's own."""

    _path = "/groups"
    _decode = staticmethod(group_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only groups whose name or guid begins with this text."""
        return self._with("searchKey", keyword)

    def joined_only(self, only: bool = True) -> Self:
        """Fetch only groups that the logged-in user has joined."""
        return self._with("hasJoined", only)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only groups with one of these tags."""
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """Include the tags of each entry."""
        return self._with("withTags", wanted)


class GroupMembersRequestBuilder(_Builder[GroupMember]):
    """Builds a request for the members of a group."""

    _decode = staticmethod(member_from_wire)

    def __init__(self, guid: str) -> None:
        super().__init__()
        self._path = f"/groups/{quoted(guid)}/members"

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text."""
        return self._with("searchKey", keyword)

    def set_scopes(self, scopes: Sequence[str]) -> Self:
        """Fetch only members with one of these scopes."""
        return self._with("scopes", scopes)

    def set_status(self, status: str) -> Self:
        """Fetch only `online` or `offline` members."""
        return self._with("status", "available" if status == "online" else status)


class BannedGroupMembersRequestBuilder(_Builder[GroupMember]):
    """Builds a request for the users who are banned from a group."""

    _decode = staticmethod(member_from_wire)

    def __init__(self, guid: str) -> None:
        super().__init__()
        self._path = f"/groups/{quoted(guid)}/bannedusers"

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text."""
        return self._with("searchKey", keyword)

    def set_scopes(self, scopes: Sequence[str]) -> Self:
        """Fetch only users who had one of these scopes."""
        return self._with("scopes", scopes)


class ConversationsRequestBuilder(_Builder[Conversation]):
    """Builds a request for the logged-in user's conversations, newest first."""

    _path = "/conversations"
    _decode = staticmethod(conversation_from_wire)
    _max_page_size = 50

    def set_conversation_type(self, kind: str) -> Self:
        """Fetch only conversations with a `user`, or of a `group`.

        Raises:
            CometChatException: `INVALID_CONVERSATION_TYPE`.
        """
        if kind not in ("user", "group"):
            raise failure("INVALID_CONVERSATION_TYPE")
        return self._with("conversationType", str(kind))

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only conversations with this text in the name of the user or group."""
        return self._with("searchKey", keyword)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only conversations to which the logged-in user gave one of these tags."""
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """Include the tags of each entry."""
        return self._with("withTags", wanted)

    def set_user_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only conversations with users who have one of these tags."""
        return self._with("userTags", tags)

    def set_group_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only conversations of groups that have one of these tags."""
        return self._with("groupTags", tags)

    def with_user_and_group_tags(self, wanted: bool = True) -> Self:
        """Include the tags of users and groups. Tailwire's server always does."""
        return self._with("withUserAndGroupTags", wanted)

    def with_blocked_info(self, wanted: bool = True) -> Self:
        """Include for each user whether there is a block between them and the logged-in user."""
        return self._with("withBlockedInfo", wanted)

    def set_unread(self, only: bool = True) -> Self:
        """Fetch only conversations with unread messages."""
        return self._with("unread", only)

    def include_blocked_users(self, include: bool) -> Self:
        """Set whether to include conversations with users with whom there is a block (default: yes)."""
        return self._with("includeBlockedUsers", "true" if include else "false")


class ReactionsRequest:
    """Fetches the reactions to a message page by page. Made by `ReactionsRequestBuilder.build()`."""

    def __init__(self, message_id: int, reaction: str, limit: int, client: ClientCore | None) -> None:
        self._path = f"/messages/{message_id}/reactions" + (f"/{quoted(reaction)}" if reaction else "")
        self._limit = limit
        self._client = client
        self._first = self._last = 0
        self._in_progress = False

    async def fetch_next(self) -> list[Reaction]:
        """Return the page after those fetched before, oldest first; an empty list at the end."""
        return await self._fetch("append", self._last)

    async def fetch_previous(self) -> list[Reaction]:
        """Return the page before those fetched before, oldest first. The first call returns the newest page."""
        return await self._fetch("prepend", self._first)

    async def _fetch(self, affix: str, cursor: int) -> list[Reaction]:
        if self._in_progress:
            raise failure("REQUEST_IN_PROGRESS")
        self._in_progress = True
        try:
            requests, found = current_parts(self._client).requests, list[Reaction]()
            while not found:  # callers take an empty page for the end
                query: dict[str, Any] = {"limit": self._limit, "affix": affix, **({"id": cursor} if cursor else {})}
                listed = await requests.ask_for_list(self._path, query)
                found = readable(reaction_from_wire, listed, "a reaction")
                ids = [number for number in map(id_of, listed) if number]
                if not ids:
                    break
                self._first, self._last = min(self._first or ids[0], ids[0]), max(self._last, ids[-1])
                cursor = self._last if affix == "append" else self._first
        finally:
            self._in_progress = False
        return found


class ReactionsRequestBuilder:
    """Builds a request for the reactions to a message. Each method returns the builder."""

    def __init__(self, message_id: int = 0) -> None:
        self._message_id = message_id
        self._reaction = ""
        self._limit = 10

    def set_message_id(self, message_id: int) -> ReactionsRequestBuilder:
        """Set the id of the message."""
        self._message_id = int(message_id)
        return self

    def set_reaction(self, reaction: str) -> ReactionsRequestBuilder:
        """Fetch only reactions with this emoji or word."""
        self._reaction = reaction
        return self

    def set_limit(self, limit: int) -> ReactionsRequestBuilder:
        """Set the number of reactions per page, 1 to 100 (default: 10).

        Raises:
            CometChatException: `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`.
        """
        self._limit = checked_limit(limit, MAX_PAGE_SIZE)
        return self

    def build(self, client: ClientCore | None = None) -> ReactionsRequest:
        """Return the request.

        Args:
            client: sends the requests; by default `CometChat`'s current client, when a page is fetched.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when no message is set.
        """
        if self._message_id <= 0:
            raise failure("ERROR_INVALID_MESSAGE_ID")
        return ReactionsRequest(self._message_id, self._reaction, self._limit, checked_client(client))
