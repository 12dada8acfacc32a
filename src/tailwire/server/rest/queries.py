"""The types of query strings. Each validates a query, and describes it for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from tailwire.server.rest.cursors import Cursor

Size = Annotated[int, msgspec.Meta(ge=1, le=1000, description="The number of entries on a page.")]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="The number of the page, from 1.")]
Timestamp = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1, description="Seconds since 1970.")]
Affix = Annotated[
    str, msgspec.Meta(description="Whether to read on after the cursor (append) or before it (prepend).",
                      extra_json_schema={"enum": ["append", "prepend"]})
]  # fmt: skip
UserField = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["name", "uid", "createdAt", "status"]})]
GroupField = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["name", "guid", "createdAt"]})]
SortOrder = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["asc", "desc"]})]
Presence = Annotated[
    str, msgspec.Meta(description="Only users with this presence.",
                      extra_json_schema={"enum": ["available", "online", "offline"]})
]  # fmt: skip
BlockDirection = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["blockedByMe", "hasBlockedMe", "both"]})]
SearchKey = Annotated[str, msgspec.Meta(description="Text to search for.")]


class Paged(msgspec.Struct, kw_only=True):
    """The page of a list that a query requests: its number, from 1, and its size, which clients name in three ways.

    Attributes:
        default_size: the size if the query has none.
    """

    default_size: ClassVar[int] = 100
    per_page: Size | None = None
    perPage: Size | None = None
    limit: Size | None = None
    page: PageNumber = 1

    @property
    def size(self) -> int:
        """The number of entries on the page."""
        return self.per_page or self.perPage or self.limit or self.default_size

    @property
    def offset(self) -> int:
        """The number of entries before the page."""
        return (self.page - 1) * self.size


class Cursored(Paged, kw_only=True):
    """The page of a list that a query requests, by its number or by a cursor."""

    cursor: Cursor = ""


class DeliveryQuery(Cursored, kw_only=True):
    """The query that selects deliveries of a webhook: those that failed, or those that are waiting."""

    status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["failed", "waiting"]})] = "failed"


class UserQuery(Cursored, rename="camel", kw_only=True):
    """The query that selects users."""

    search_key: SearchKey = ""
    search_in: list[str] = []
    status: Presence = ""
    role: str = ""
    roles: list[str] = []
    tags: list[str] = []
    uids: list[str] = []
    with_tags: bool = False
    friends_only: bool = False
    hide_blocked_users: bool = False
    only_deactivated: bool = False
    with_deactivated: bool = False
    sort_by: UserField = "name"
    sort_order: SortOrder = "asc"


class GroupQuery(Cursored, rename="camel", kw_only=True):
    """The query that selects groups."""

    search_key: SearchKey = ""
    search_in: list[str] = []
    has_joined: bool = False
    type: str = ""
    types: list[str] = []
    tags: list[str] = []
    with_tags: bool = False
    updated_at: Timestamp = 0
    affix: Affix = "append"
    sort_by: GroupField = "name"
    sort_order: SortOrder = "asc"


class BanQuery(Paged, rename="camel", kw_only=True):
    """The query that selects users who are banned from a group."""

    search_key: SearchKey = ""
    status: Presence = ""
    scopes: list[str] = []


class MemberQuery(BanQuery, kw_only=True):
    """The query that selects members of a group."""

    cursor: Cursor = ""


class MessageQuery(Paged, rename="camel", kw_only=True):
    """The query that selects messages.

    Attributes:
        affix: `append` reads messages after the position given by `id` or `sentAt`, `prepend` those before it.
        mark: the mark that the client received together with its position, or `none` for the first request. It shows
            whether the position is from the same history of the database. The response has a new mark.
        changes: the number of the last change (reaction, receipt …) that the client knows, or `none`. The response has
            a new number; with `affix=append` also the changes since.
        heard: numbers above `changes` of single changes that the client has received already.
        at_most: with `changes` and `affix=append`, how many missed messages the client wants altogether, the newest
            ones; 0 for all.
    """

    default_size: ClassVar[int] = 10
    affix: Affix = "prepend"
    id: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)] | None = None
    sent_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    only_updates: bool = False
    unread: bool = False
    undelivered: bool = False
    count: bool = False
    receiver_type: str = ""
    sender: str = ""
    conversation_id: str = ""
    category: list[str] = []
    categories: list[str] = []
    type: list[str] = []
    types: list[str] = []
    tags: list[str] = []
    parent_id: Number | None = None
    search_key: SearchKey = ""
    hide_replies: bool = False
    hide_deleted: bool = False
    only_deleted: bool = False
    hide_quoted_messages: bool = False
    hide_messages_from_blocked_users: bool = False
    has_attachments: bool = False
    has_links: bool = False
    has_mentions: bool = False
    has_reactions: bool = False
    attachment_types: list[str] = []
    mentioned_uids: list[str] = []
    my_mentions_only: bool = False
    from_timestamp: Timestamp | None = None
    to_timestamp: Timestamp | None = None
    with_thread_subscribed: bool = False
    pinned: bool = False
    saved: bool = False
    mark: str = ""
    changes: Annotated[str, msgspec.Meta(pattern="^(none|[0-9]{1,18})?$")] = ""
    heard: list[Number] = []
    at_most: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class ConversationQuery(Paged, rename="camel", kw_only=True):
    """The query that selects conversations."""

    search_key: SearchKey = ""
    conversation_type: str = ""
    tags: list[str] = []
    user_tags: list[str] = []
    group_tags: list[str] = []
    with_tags: bool = False
    with_user_and_group_tags: bool = False
    unread: bool = False
    include_blocked_users: bool = True
    with_blocked_info: bool = False
    pinned: bool = False


class ReactionQuery(Paged, kw_only=True):
    """The query that selects reactions to a message."""

    affix: Affix = "append"
    id: Number | None = None


class BlockQuery(Paged, rename="camel", kw_only=True):
    """The query that selects blocked users: those whom the reader blocked, those who blocked the reader, or both."""

    direction: BlockDirection = "both"
    search_key: SearchKey = ""


class SearchQuery(Paged, rename="camel", kw_only=True):
    """The query that selects friends."""

    search_key: SearchKey = ""


class KeyQuery(Cursored, rename="camel", kw_only=True):
    """The query that selects API keys."""

    search_key: SearchKey = ""
    scope: str = ""


class OneMessageQuery(msgspec.Struct, rename="camel"):
    """The query for reading one message: what else the response contains."""

    with_thread_subscribed: bool = False


class FileQuery(msgspec.Struct):
    """The query for downloading a file: the file itself, or its thumbnail."""

    thumbnail: bool = False
