"""CometChat's request builder for the list of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from tailwire.sdk.calls.list_requests import _Builder
from tailwire.sdk.exceptions import failure
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import Conversation
from tailwire.wire.social import conversation_from_wire


class ConversationsRequestBuilder(_Builder[Conversation]):
    """Builds a request for the logged-in user's conversations: pinned ones first, then the newest."""

    _path = "/conversations"
    _decode = staticmethod(conversation_from_wire)
    _max_page_size = 50

    def set_conversation_type(self, conversation_type: ReceiverTypeName) -> Self:
        """Fetch only conversations with a `user`, or of a `group`.

        Args:
            conversation_type: `user` or `group`.

        Raises:
            CometChatException: `INVALID_CONVERSATION_TYPE`.
        """
        if conversation_type not in ("user", "group"):
            raise failure("INVALID_CONVERSATION_TYPE")
        return self._with("conversationType", str(conversation_type))

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only conversations with this text in the name or the id (uid or guid) of the user or group.

        Args:
            keyword: the text; case does not matter.
        """
        return self._with("searchKey", keyword)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only conversations to which the logged-in user gave one of these tags.

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

    def set_user_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only conversations with users who have one of these tags.

        Conversations of groups are left out, unless `set_group_tags` selects some.

        Args:
            tags: at most 100 tags.
        """
        return self._with("userTags", tags)

    def set_group_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only conversations of groups that have one of these tags.

        Conversations with users are left out, unless `set_user_tags` selects some.

        Args:
            tags: at most 100 tags.
        """
        return self._with("groupTags", tags)

    def with_user_and_group_tags(self, wanted: bool = True) -> Self:
        """Include the tags of users and groups. Tailwire's server always does.

        Args:
            wanted: False does not ask for them: the server decides whether to include them (the builder's default).
        """
        return self._with("withUserAndGroupTags", wanted)

    def with_blocked_info(self, wanted: bool = True) -> Self:
        """Include for each user whether there is a block between them and the logged-in user.

        Args:
            wanted: False leaves it out (the builder's default).
        """
        return self._with("withBlockedInfo", wanted)

    def set_unread(self, only: bool = True) -> Self:
        """Fetch only conversations with unread messages.

        Args:
            only: False fetches all (the builder's default).
        """
        return self._with("unread", only)

    def include_blocked_users(self, include: bool) -> Self:
        """Set whether to include conversations with users who are blocked, in either direction (default: yes).

        Args:
            include: False leaves them out.
        """
        return self._with("includeBlockedUsers", "true" if include else "false")
