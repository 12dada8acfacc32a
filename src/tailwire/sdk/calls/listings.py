"""The lists of a client as iterators, for apps that need no request builder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from tailwire.sdk.calls import reaction_requests
from tailwire.sdk.calls.checks import checked_id
from tailwire.sdk.calls.conversation_requests import ConversationsRequestBuilder
from tailwire.sdk.calls.list_requests import (
    BannedGroupMembersRequestBuilder,
    BlockDirection,
    BlockedUsersRequestBuilder,
    GroupMembersRequestBuilder,
    GroupsRequestBuilder,
    UsersRequestBuilder,
    entries_of,
)
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.calls.reaction_requests import ReactionsRequestBuilder
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import Conversation, Group, GroupMember, Reaction, User


class ListingCalls:
    """The calls that iterate over lists. Pages are requested as they are needed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def conversations(
        self, *, conversation_type: ReceiverTypeName | Literal[""] = "", unread: bool = False, page_size: int = 30
    ) -> AsyncIterator[Conversation]:
        """Iterate over conversations: pinned ones first, then the newest.

        `ConversationsRequestBuilder` has more filters.

        ```python
        async for conversation in chat.conversations(unread=True):
            print(conversation.conversation_id, conversation.unread_message_count)
        ```

        Args:
            conversation_type: `user` for conversations with users only, `group` for those of groups only; "" for both.
            unread: whether to leave out conversations without unread messages.
            page_size: conversations per page, 1 to 50.

        Raises:
            CometChatException: by the call, `INVALID_CONVERSATION_TYPE` for another type, and
                `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED` when `page_size` is out of range; by the iterator, a
                code of the server. The iterator can be used further: its next step repeats the request.
        """
        builder = ConversationsRequestBuilder().set_unread(unread).set_limit(page_size)
        if conversation_type:
            builder.set_conversation_type(conversation_type)
        return entries_of(builder, self._parts.requests)

    def users(self, *, search: str = "", friends_only: bool = False, page_size: int = 30) -> AsyncIterator[User]:
        """Iterate over the users of the app. `UsersRequestBuilder` has more filters.

        Args:
            search: only users whose name or uid begins with this text; "" for all.
            friends_only: whether to leave out users who are not friends of the logged-in user.
            page_size: users per page, 1 to 100.

        Raises:
            CometChatException: by the call, `ERROR_NON_POSITIVE_LIMIT` and `ERROR_LIMIT_EXCEEDED` when `page_size` is
                out of range; by the iterator, a code of the server. The iterator can be used further: its next step
                repeats the request.
        """
        builder = UsersRequestBuilder().set_search_keyword(search).friends_only(friends_only).set_limit(page_size)
        return entries_of(builder, self._parts.requests)

    def blocked_users(self, *, direction: BlockDirection = "both", page_size: int = 30) -> AsyncIterator[User]:
        """Iterate over the users with a block between them and the logged-in user.

        Args:
            direction: `blockedByMe`, `hasBlockedMe` or `both`.
            page_size: users per page, 1 to 100.

        Raises:
            CometChatException: by the call, `INVALID_DIRECTION_VALUE` for another direction; and as for `users`.
        """
        builder = BlockedUsersRequestBuilder().set_direction(direction).set_limit(page_size)
        return entries_of(builder, self._parts.requests)

    def groups(self, *, search: str = "", joined_only: bool = False, page_size: int = 30) -> AsyncIterator[Group]:
        """Iterate over groups: public ones, those with a password, and private ones that the user has joined.

        Args:
            search: only groups whose name or guid begins with this text; "" for all.
            joined_only: whether to leave out groups that the logged-in user has not joined.
            page_size: groups per page, 1 to 100.

        Raises:
            CometChatException: as for `users`.
        """
        builder = GroupsRequestBuilder().set_search_keyword(search).joined_only(joined_only).set_limit(page_size)
        return entries_of(builder, self._parts.requests)

    def group_members(
        self, guid: str, *, search: str = "", scopes: Sequence[str] = (), page_size: int = 30
    ) -> AsyncIterator[GroupMember]:
        """Iterate over the members of a group.

        Args:
            guid: the guid of the group.
            search: only members whose name or uid begins with this text; "" for all.
            scopes: only members with one of these scopes: `admin`, `moderator`, `participant`; all if empty.
            page_size: members per page, 1 to 100.

        Raises:
            CometChatException: by the iterator, `ERR_GUID_NOT_FOUND` when there is no such group, `ERR_NOT_A_MEMBER`
                when the logged-in user is not a member; and as for `users`.
        """
        builder = GroupMembersRequestBuilder(guid).set_search_keyword(search).set_scopes(scopes).set_limit(page_size)
        return entries_of(builder, self._parts.requests)

    def banned_group_members(self, guid: str, *, search: str = "", page_size: int = 30) -> AsyncIterator[GroupMember]:
        """Iterate over the users who are banned from a group. Only its owner, admins and moderators may do so.

        Args:
            guid: the guid of the group.
            search: only users whose name or uid begins with this text; "" for all.
            page_size: users per page, 1 to 100.

        Raises:
            CometChatException: by the iterator, `ERR_GUID_NOT_FOUND` when there is no such group, `ERR_NOT_A_MEMBER`
                when the logged-in user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are only a
                participant; and as for `users`.
        """
        builder = BannedGroupMembersRequestBuilder(guid).set_search_keyword(search).set_limit(page_size)
        return entries_of(builder, self._parts.requests)

    def reactions(self, message_id: int, *, reaction: str = "", page_size: int = 30) -> AsyncIterator[Reaction]:
        """Iterate over the reactions to a message, oldest first.

        Args:
            message_id: the id of the message.
            reaction: only reactions with this emoji or word; "" for all.
            page_size: reactions per page, 1 to 100.

        Raises:
            CometChatException: by the call, `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number; by the
                iterator, `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; and as for `users`.
        """
        builder = ReactionsRequestBuilder(checked_id(message_id)).set_reaction(reaction).set_limit(page_size)
        return reaction_requests.entries_of(builder, self._parts.requests)
