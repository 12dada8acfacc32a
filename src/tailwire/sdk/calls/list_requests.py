"""CometChat's request builders for lists of users, groups and members, and the base of all list builders.

A request remembers which pages were fetched: each `fetch_next()` returns the next page, and an empty list at the end.
`async for` iterates over the entries of all further pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from tailwire.sdk.calls.checks import checked_limit, quoted
from tailwire.sdk.calls.current import current_parts
from tailwire.sdk.calls.entries import Entries
from tailwire.sdk.calls.pages import UnreadablePages, numbered_page, readable
from tailwire.sdk.calls.parts import checked_client
from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import group_from_wire, user_from_wire
from tailwire.wire.constants import UserStatus
from tailwire.wire.entities import Group, GroupMember, User
from tailwire.wire.social import member_from_wire

if TYPE_CHECKING:
    from tailwire.sdk.client import ChatClient

T = TypeVar("T")
MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 30
BlockDirection = Literal["blockedByMe", "hasBlockedMe", "both"]


class ListRequest(Generic[T]):
    """Fetches a list page by page. Made by `build()` of a builder."""

    def __init__(
        self,
        path: str,
        query: Mapping[str, Any],
        page: int,
        decode: Callable[[Any], T],
        requests: Callable[[], UserRequests],
    ) -> None:
        self._path = path
        self._query = dict(query)
        self._page = page
        self._decode = decode
        self._requests = requests
        self._in_progress = False
        self._ended = False

    async def fetch_next(self) -> list[T]:
        """Return the next page; an empty list at the end. Entries that cannot be decoded are logged and left out.

        Raises:
            CometChatException: `REQUEST_IN_PROGRESS` while another call of this request runs; `ERR_BAD_ERROR_RESPONSE`
                after 100 consecutive pages without an entry that can be decoded (the next call continues after these
                pages); or a code of the server.
        """
        if self._in_progress:
            raise failure("REQUEST_IN_PROGRESS")
        if self._ended:
            return []
        self._in_progress = True
        try:
            requests = self._requests()
            found: list[T] = []
            unreadable = UnreadablePages(self._path)
            while not found and not self._ended:  # callers treat an empty page as the end
                listed = await numbered_page(
                    lambda query: requests.ask_for_list(self._path, query),
                    self._query,
                    self._query["per_page"],
                    self._page,
                )
                found = readable(self._decode, listed, f"an entry of {self._path}")
                self._page += 1
                self._ended = not listed
                if listed and not found:
                    unreadable.count()
        finally:
            self._in_progress = False
        return found

    def __aiter__(self) -> Entries[T]:
        """Iterate over the rest of the list. Pages are requested as they are needed.

        Raises:
            CometChatException: as for `fetch_next`.
        """
        return Entries(self.fetch_next)


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

        Args:
            limit: the number of entries.

        Raises:
            CometChatException: `ERROR_NON_POSITIVE_LIMIT` below 1; `ERROR_LIMIT_EXCEEDED` above the maximum.
        """
        self._query["per_page"] = checked_limit(limit, self._max_page_size)
        return self

    def set_page(self, page: int) -> Self:
        """Begin with this page; the first is 1 (default).

        Args:
            page: the number of the page; numbers below 1 count as 1.
        """
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

    def build(self, client: ChatClient | None = None) -> ListRequest[T]:
        """Return a request with the values that were set. Nothing is sent until a page is fetched.

        Args:
            client: the client that sends the request; None for the client that is `CometChat`'s current one when a page
                is fetched.
        """
        core = checked_client(client)
        return self._request(lambda: current_parts(core).requests)

    def _request(self, requests: Callable[[], UserRequests]) -> ListRequest[T]:
        return ListRequest(self._path, self._query, self._page, type(self)._decode, requests)


def entries_of(builder: _Builder[T], requests: UserRequests) -> Entries[T]:
    """Return an iterator over the list that a builder describes; `requests` sends the requests for its pages."""
    return Entries(builder._request(lambda: requests).fetch_next)


class UsersRequestBuilder(_Builder[User]):
    """Builds a request for users. Each method returns the builder."""

    _path = "/users"
    _decode = staticmethod(user_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text.

        Args:
            keyword: the text; case does not matter.
        """
        return self._with("searchKey", keyword)

    def search_in(self, fields: Sequence[str]) -> Self:
        """Search in these fields: `name`, `uid`.

        Args:
            fields: one or both of these names; both by default.
        """
        return self._with("searchIn", fields)

    def set_user_status(self, status: UserStatus | Literal["online", "offline"]) -> Self:
        """Fetch only `online` or `offline` users.

        Args:
            status: `online` or `offline`.

        Raises:
            CometChatException: `INVALID_STATUS_VALUE`.
        """
        if status not in ("online", "offline"):
            raise failure("INVALID_STATUS_VALUE")
        return self._with("status", "available" if status == "online" else "offline")

    def hide_blocked_users(self, hide: bool = True) -> Self:
        """Leave out users with a block between them and the logged-in user.

        Args:
            hide: False includes them (the builder's default).
        """
        return self._with("hideBlockedUsers", hide)

    def set_roles(self, roles: Sequence[str]) -> Self:
        """Fetch only users with one of these roles.

        Args:
            roles: at most 100 roles.
        """
        return self._with("roles", roles)

    def friends_only(self, only: bool = True) -> Self:
        """Fetch only friends of the logged-in user.

        Args:
            only: False fetches all (the builder's default).
        """
        return self._with("friendsOnly", only)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only users with one of these tags.

        Args:
            tags: at most 100 tags.
        """
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """Include the tags of each entry.

        Args:
            wanted: False leaves them out (the builder's default).
        """
        return self._with("withTags", wanted)

    def set_uids(self, uids: Sequence[str]) -> Self:
        """Fetch only these users, at most 25.

        Args:
            uids: the users' uids.
        """
        return self._with("uids", uids)

    def sort_by(self, field: Literal["name", "status", "createdAt"]) -> Self:
        """Sort by `name`, `status` or `createdAt`.

        Args:
            field: `name` by default.
        """
        return self._with("sortBy", field)

    def sort_by_order(self, order: Literal["asc", "desc"]) -> Self:
        """Sort in the order `asc` or `desc`.

        Args:
            order: ascending by default.
        """
        return self._with("sortOrder", order)


class BlockedUsersRequestBuilder(_Builder[User]):
    """Builds a request for users with a block between them and the logged-in user."""

    _path = "/blockedusers"
    _decode = staticmethod(user_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text.

        Args:
            keyword: the text; case does not matter.
        """
        return self._with("searchKey", keyword)

    def set_direction(self, direction: BlockDirection) -> Self:
        """Fetch only blocks in one direction: `blockedByMe`, `hasBlockedMe` or `both`.

        Args:
            direction: who blocked whom; the server's default is `both`.

        Raises:
            CometChatException: `INVALID_DIRECTION_VALUE`.
        """
        if direction not in ("blockedByMe", "hasBlockedMe", "both"):
            raise failure("INVALID_DIRECTION_VALUE")
        return self._with("direction", direction)


class GroupsRequestBuilder(_Builder[Group]):
    """Builds a request for groups: public ones, those with a password, and private ones that the user joined."""

    _path = "/groups"
    _decode = staticmethod(group_from_wire)

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only groups whose name or guid begins with this text.

        Args:
            keyword: the text; case does not matter.
        """
        return self._with("searchKey", keyword)

    def joined_only(self, only: bool = True) -> Self:
        """Fetch only groups that the logged-in user has joined.

        Args:
            only: False fetches all (the builder's default).
        """
        return self._with("hasJoined", only)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only groups with one of these tags.

        Args:
            tags: at most 100 tags.
        """
        return self._with("tags", tags)

    def with_tags(self, wanted: bool = True) -> Self:
        """Include the tags of each entry.

        Args:
            wanted: False leaves them out (the builder's default).
        """
        return self._with("withTags", wanted)


class GroupMembersRequestBuilder(_Builder[GroupMember]):
    """Builds a request for the members of a group.

    Args:
        guid: the guid of the group.
    """

    _decode = staticmethod(member_from_wire)

    def __init__(self, guid: str) -> None:
        super().__init__()
        self._path = f"/groups/{quoted(guid)}/members"

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text.

        Args:
            keyword: the text; case does not matter.
        """
        return self._with("searchKey", keyword)

    def set_scopes(self, scopes: Sequence[str]) -> Self:
        """Fetch only members with one of these scopes.

        Args:
            scopes: any of `admin`, `moderator` and `participant`.
        """
        return self._with("scopes", scopes)

    def set_status(self, status: UserStatus | Literal["online", "offline"]) -> Self:
        """Fetch only `online` or `offline` members.

        Args:
            status: `online` or `offline`.
        """
        return self._with("status", "available" if status == "online" else status)


class BannedGroupMembersRequestBuilder(_Builder[GroupMember]):
    """Builds a request for the users who are banned from a group.

    Args:
        guid: the guid of the group.
    """

    _decode = staticmethod(member_from_wire)

    def __init__(self, guid: str) -> None:
        super().__init__()
        self._path = f"/groups/{quoted(guid)}/bannedusers"

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only entries whose name or uid begins with this text.

        Args:
            keyword: the text; case does not matter.
        """
        return self._with("searchKey", keyword)

    def set_scopes(self, scopes: Sequence[str]) -> Self:
        """Fetch only users who had one of these scopes when they were banned.

        Args:
            scopes: any of `admin`, `moderator` and `participant`.
        """
        return self._with("scopes", scopes)
