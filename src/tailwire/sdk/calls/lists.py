"""The documented request builders for lists in pages: users, groups, members, conversations, reactions.

A request keeps its place: each `fetch_next()` gives the page after the one before, and an empty list at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

from tailwire.sdk.calls.access import Access, asking, checked_limit, quoted
from tailwire.sdk.calls.current import current
from tailwire.sdk.calls.pages import numbered_page, readable
from tailwire.sdk.dispatch.history import id_of
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import group_from_wire, user_from_wire
from tailwire.wire.entities import Conversation, Group, GroupMember, Reaction, User
from tailwire.wire.social import conversation_from_wire, member_from_wire, reaction_from_wire

T = TypeVar("T")
MOST = 100
DEFAULT = 30


class ListRequest(Generic[T]):
    """Fetches a list page by page. Made by a builder."""

    def __init__(
        self, path: str, query: Mapping[str, Any], page: int, decode: Callable[[Any], T], client: Access | None
    ) -> None:
        self._path = path
        self._query = dict(query)
        self._page = page
        self._decode = decode
        self._client = client
        self._under_way = False
        self._ended = False

    async def fetch_next(self) -> list[T]:
        """The next page; empty at the end.

        Raises:
            CometChatException: `REQUEST_IN_PROGRESS`, or as the server refused it.
        """
        if self._under_way:
            raise failure("REQUEST_IN_PROGRESS")
        if self._ended:
            return []
        self._under_way = True
        try:
            client = self._client or current()
            found: list[T] = []
            while not found and not self._ended:  # an empty page would be taken for the end
                listed = await numbered_page(
                    lambda query: client._ask_for_list(self._path, query),
                    self._query,
                    self._query["per_page"],
                    self._page,
                )
                found = readable(self._decode, listed, f"an entry of {self._path}")
                self._page += 1
                self._ended = not listed
        finally:
            self._under_way = False
        return found


class _Builder(Generic[T]):
    """What all builders have; each method returns the builder."""

    _path = ""
    _decode: Callable[[Any], T]
    _most = MOST

    def __init__(self) -> None:
        self._query: dict[str, Any] = {"per_page": DEFAULT}
        self._page = 1

    def set_limit(self, limit: int) -> Self:
        """Entries a page (30).

        Raises:
            CometChatException: `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`.
        """
        self._query["per_page"] = checked_limit(limit, self._most)
        return self

    def set_page(self, page: int) -> Self:
        """Begin at this page (1)."""
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

    def build(self, client: Access | None = None) -> ListRequest[T]:
        """The request.

        Args:
            client: the client that asks; `CometChat`'s current one by default.
        """
        return ListRequest(self._path, self._query, self._page, type(self)._decode, asking(client))


class UsersRequestBuilder(_Builder[User]):
    """Builds a request for users."""

    _path = "/users"
    _decode = staticmethod(user_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """The beginning of the name or uid."""
        return self._with("searchKey", keyword)

    def search_in(self, fields: Sequence[str]) -> Self:
        """Where to look: `name`, `uid`."""
        return self._with("searchIn", fields)

    def set_user_status(self, status: str) -> Self:
        """Only `online` or `offline` users.

        Raises:
            CometChatException: `INVALID_STATUS_VALUE`.
        """
        if status not in ("online", "offline"):
            raise failure("INVALID_STATUS_VALUE")
        return self._with("status", "available" if status == "online" else "offline")

    def hide_blocked_users(self, hide: bool = True) -> Self:
        """Leave out whom the user has blocked, and who has blocked them."""
        return self._with("hideBlockedUsers", hide)

    def set_roles(self, roles: Sequence[str]) -> Self:
        """Only users of these roles."""
        return self._with("roles", roles)

    def friends_only(self, only: bool = True) -> Self:
        """Only the user's friends."""
        return self._with("friendsOnly", only)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Only users with one of these tags."""
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """With the tags of each."""
        return self._with("withTags", wanted)

    def set_uids(self, uids: Sequence[str]) -> Self:
        """Only these users, at most 25."""
        return self._with("uids", uids)

    def sort_by(self, field: str) -> Self:
        """By `name`, `status` or `createdAt`."""
        return self._with("sortBy", field)

    def sort_by_order(self, order: str) -> Self:
        """`asc` or `desc`."""
        return self._with("sortOrder", order)


class BlockedUsersRequestBuilder(_Builder[User]):
    """Builds a request for blocked users."""

    _path = "/blockedusers"
    _decode = staticmethod(user_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """The beginning of the name or uid."""
        return self._with("searchKey", keyword)

    def set_direction(self, direction: str) -> Self:
        """`blockedByMe`, `hasBlockedMe` or `both`.

        Raises:
            CometChatException: `INVALID_DIRECTION_VALUE`.
        """
        if direction not in ("blockedByMe", "hasBlockedMe", "both"):
            raise failure("INVALID_DIRECTION_VALUE")
        return self._with("direction", direction)


class GroupsRequestBuilder(_Builder[Group]):
    """Builds a request for groups: public ones, those with a password, and the user's own."""

    _path = "/groups"
    _decode = staticmethod(group_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """The beginning of the name or guid."""
        return self._with("searchKey", keyword)

    def joined_only(self, only: bool = True) -> Self:
        """Only groups that the user is a member of."""
        return self._with("hasJoined", only)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Only groups with one of these tags."""
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """With the tags of each."""
        return self._with("withTags", wanted)


class GroupMembersRequestBuilder(_Builder[GroupMember]):
    """Builds a request for the members of a group."""

    _decode = staticmethod(member_from_wire)

    def __init__(self, guid: str) -> None:
        super().__init__()
        self._path = f"/groups/{quoted(guid)}/members"

    def set_search_keyword(self, keyword: str) -> Self:
        """The beginning of the name or uid."""
        return self._with("searchKey", keyword)

    def set_scopes(self, scopes: Sequence[str]) -> Self:
        """Only members of these scopes."""
        return self._with("scopes", scopes)

    def set_status(self, status: str) -> Self:
        """Only `online` or `offline` members."""
        return self._with("status", "available" if status == "online" else status)


class BannedGroupMembersRequestBuilder(_Builder[GroupMember]):
    """Builds a request for those who are banned from a group."""

    _decode = staticmethod(member_from_wire)

    def __init__(self, guid: str) -> None:
        super().__init__()
        self._path = f"/groups/{quoted(guid)}/bannedusers"

    def set_search_keyword(self, keyword: str) -> Self:
        """The beginning of the name or uid."""
        return self._with("searchKey", keyword)

    def set_scopes(self, scopes: Sequence[str]) -> Self:
        """Only those who had these scopes."""
        return self._with("scopes", scopes)


class ConversationsRequestBuilder(_Builder[Conversation]):
    """Builds a request for the user's conversations, newest first."""

    _path = "/conversations"
    _decode = staticmethod(conversation_from_wire)
    _most = 50

    def set_conversation_type(self, kind: str) -> Self:
        """Only those with `user`s, or of `group`s.

        Raises:
            CometChatException: `INVALID_CONVERSATION_TYPE`.
        """
        if kind not in ("user", "group"):
            raise failure("INVALID_CONVERSATION_TYPE")
        return self._with("conversationType", str(kind))

    def set_search_keyword(self, keyword: str) -> Self:
        """A part of the name of the user or group."""
        return self._with("searchKey", keyword)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Only those with one of these tags of the user's own."""
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """With the tags of each."""
        return self._with("withTags", wanted)

    def set_user_tags(self, tags: Sequence[str]) -> Self:
        """Only those with users with one of these tags."""
        return self._with("userTags", tags)

    def set_group_tags(self, tags: Sequence[str]) -> Self:
        """Only those of groups with one of these tags."""
        return self._with("groupTags", tags)

    def with_user_and_group_tags(self, wanted: bool = True) -> Self:
        """With the tags of users and groups; Tailwire's server gives them in any case."""
        return self._with("withUserAndGroupTags", wanted)

    def with_blocked_info(self, wanted: bool = True) -> Self:
        """Say of each user whether there is a block between her and the user."""
        return self._with("withBlockedInfo", wanted)

    def set_unread(self, only: bool = True) -> Self:
        """Only those with unread messages."""
        return self._with("unread", only)

    def include_blocked_users(self, include: bool) -> Self:
        """Whether those with users with whom there is a block are listed (they are)."""
        return self._with("includeBlockedUsers", "true" if include else "false")


class ReactionsRequest:
    """Fetches the reactions to a message page by page. Made by `ReactionsRequestBuilder.build()`."""

    def __init__(self, message_id: int, reaction: str, limit: int, client: Access | None) -> None:
        self._path = f"/messages/{message_id}/reactions" + (f"/{quoted(reaction)}" if reaction else "")
        self._limit = limit
        self._client = client
        self._first = self._last = 0
        self._under_way = False

    async def fetch_next(self) -> list[Reaction]:
        """The reactions after those fetched before, oldest first."""
        return await self._fetch("append", self._last)

    async def fetch_previous(self) -> list[Reaction]:
        """The reactions before those fetched before, oldest first; from the newest on at the first call."""
        return await self._fetch("prepend", self._first)

    async def _fetch(self, affix: str, cursor: int) -> list[Reaction]:
        if self._under_way:
            raise failure("REQUEST_IN_PROGRESS")
        self._under_way = True
        try:
            client, found = self._client or current(), list[Reaction]()
            while not found:  # an empty page would be taken for the end
                query: dict[str, Any] = {"limit": self._limit, "affix": affix, **({"id": cursor} if cursor else {})}
                listed = await client._ask_for_list(self._path, query)
                found = readable(reaction_from_wire, listed, "a reaction")
                ids = [number for number in map(id_of, listed) if number]
                if not ids:
                    break
                self._first, self._last = min(self._first or ids[0], ids[0]), max(self._last, ids[-1])
                cursor = self._last if affix == "append" else self._first
        finally:
            self._under_way = False
        return found


class ReactionsRequestBuilder:
    """Builds a request for the reactions to a message; each method returns the builder."""

    def __init__(self, message_id: int = 0) -> None:
        self._message_id = message_id
        self._reaction = ""
        self._limit = 10

    def set_message_id(self, message_id: int) -> ReactionsRequestBuilder:
        """Of which message."""
        self._message_id = int(message_id)
        return self

    def set_reaction(self, reaction: str) -> ReactionsRequestBuilder:
        """Only this reaction."""
        self._reaction = reaction
        return self

    def set_limit(self, limit: int) -> ReactionsRequestBuilder:
        """Reactions a page, 1 to 100 (10).

        Raises:
            CometChatException: `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`.
        """
        self._limit = checked_limit(limit, MOST)
        return self

    def build(self, client: Access | None = None) -> ReactionsRequest:
        """The request.

        Args:
            client: the client that asks; `CometChat`'s current one by default.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` without a message.
        """
        if self._message_id <= 0:
            raise failure("ERROR_INVALID_MESSAGE_ID")
        return ReactionsRequest(self._message_id, self._reaction, self._limit, asking(client))
