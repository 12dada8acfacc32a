"""The queries of lists, as types: what is asked for is checked by them, and documented from them."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

Size = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Paged(msgspec.Struct, kw_only=True):
    """A page: its size (under any of three names) and number.

    Attributes:
        usual: the size where none is asked for.
    """

    usual: ClassVar[int] = 100
    per_page: Size | None = None
    perPage: Size | None = None
    limit: Size | None = None
    page: PageNumber = 1

    @property
    def size(self) -> int:
        """How many entries are wanted."""
        return self.per_page or self.perPage or self.limit or self.usual

    @property
    def offset(self) -> int:
        """How many entries come before them."""
        return (self.page - 1) * self.size


class DeliveryQuery(Paged, kw_only=True):
    """Which deliveries of a webhook: `failed` or `waiting`."""

    status: str = "failed"


class UserQuery(Paged, rename="camel", kw_only=True):
    """Which users."""

    search_key: str = ""
    search_in: list[str] = []
    status: str = ""
    role: str = ""
    roles: list[str] = []
    tags: list[str] = []
    uids: list[str] = []
    with_tags: bool = False
    friends_only: bool = False
    hide_blocked_users: bool = False
    only_deactivated: bool = False
    with_deactivated: bool = False
    sort_by: str = "name"
    sort_order: str = "asc"


class GroupQuery(Paged, rename="camel", kw_only=True):
    """Which groups."""

    search_key: str = ""
    search_in: list[str] = []
    has_joined: bool = False
    type: str = ""
    types: list[str] = []
    tags: list[str] = []
    with_tags: bool = False
    updated_at: Number = 0
    affix: str = "append"
    sort_by: str = "name"
    sort_order: str = "asc"


class MemberQuery(Paged, rename="camel", kw_only=True):
    """Which members."""

    search_key: str = ""
    status: str = ""
    scopes: list[str] = []


class MessageQuery(Paged, rename="camel", kw_only=True):
    """Which messages."""

    usual: ClassVar[int] = 10
    affix: str = "prepend"
    id: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)] | None = None
    sent_at: Number | None = None
    updated_at: Number | None = None
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
    search_key: str = ""
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
    from_timestamp: Number | None = None
    to_timestamp: Number | None = None
    with_thread_subscribed: bool = False
    pinned: bool = False
    saved: bool = False
    mark: str = ""


class ConversationQuery(Paged, rename="camel", kw_only=True):
    """Which conversations."""

    search_key: str = ""
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
    """Which reactions."""

    affix: str = "append"
    id: Number | None = None


class BlockQuery(Paged, rename="camel", kw_only=True):
    """Which blocked users."""

    direction: str = "both"
    search_key: str = ""


class SearchQuery(Paged, rename="camel", kw_only=True):
    """Which friends, or API keys."""

    search_key: str = ""
    scope: str = ""


class OneMessageQuery(msgspec.Struct, rename="camel"):
    """How one message is wanted."""

    with_thread_subscribed: bool = False


class FileQuery(msgspec.Struct):
    """Which form of a file is wanted."""

    thumbnail: bool = False
