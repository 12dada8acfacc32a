"""CometChat's request builder for messages. A request remembers which pages were fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from tailwire.sdk.calls.checks import checked_limit
from tailwire.sdk.calls.current import current_parts
from tailwire.sdk.calls.pages import readable
from tailwire.sdk.calls.parts import ClientCore, checked_client
from tailwire.sdk.dispatch.history import id_of
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import BaseMessage

if TYPE_CHECKING:
    from tailwire.sdk.client import ChatClient

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 30


@dataclass(frozen=True, slots=True)
class _Query:
    uid: str = ""
    guid: str = ""
    limit: int = DEFAULT_PAGE_SIZE
    message_id: int = 0
    timestamp: int = 0
    updated_after: int = 0
    updates_only: bool = False
    categories: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    hide_replies: bool = False
    hide_deleted: bool = False
    parent_message_id: int = 0
    more: tuple[tuple[str, Any], ...] = ()


class MessagesRequest:
    """Fetches messages page by page. Made by `MessagesRequestBuilder.build()`."""

    def __init__(self, filters: _Query, client: ClientCore | None) -> None:
        self._filters = filters
        self._client = client
        self._first: int = filters.message_id
        self._last: int = filters.message_id
        self._in_progress = False

    async def fetch_previous(self) -> list[BaseMessage]:
        """Return the page before those already fetched, oldest first; an empty list when there are no older messages.

        The first call returns the newest page, or, if a message id or a timestamp was set, the page before that.

        Raises:
            CometChatException: `REQUEST_IN_PROGRESS` while another call of this request runs; or a code of the server.
        """
        return await self._fetch(newer=False)

    async def fetch_next(self) -> list[BaseMessage]:
        """Return the page after those already fetched, oldest first; an empty list when there are no newer messages.

        Before the first call, the builder has to set where to begin: with `set_message_id`, `set_timestamp` or
        `set_updated_after`. After a call of `fetch_previous`, the request continues after the newest fetched message.

        Raises:
            CometChatException: `NOT_ENOUGH_PARAMETERS` when neither is the case; `REQUEST_IN_PROGRESS` while another
                call of this request runs; or a code of the server.
        """
        w = self._filters
        if not (self._last or w.timestamp or w.updated_after):
            raise failure("NOT_ENOUGH_PARAMETERS")
        return await self._fetch(newer=True)

    async def _fetch(self, *, newer: bool) -> list[BaseMessage]:
        if self._in_progress:
            raise failure("REQUEST_IN_PROGRESS")
        self._in_progress = True
        try:
            requests = current_parts(self._client).requests
            w = self._filters
            page: list[BaseMessage] = []
            while not page:  # callers treat an empty page as the end
                listed = await requests.list_messages(
                    self._parameters(newer), uid=w.uid, guid=w.guid, thread=w.parent_message_id
                )
                page = readable(message_from_wire, listed, "a message")
                if not self._advance(listed):
                    break
        finally:
            self._in_progress = False
        return page

    def _advance(self, listed: list[Any]) -> bool:
        # Moves the cursors, even past messages that cannot be read. Returns whether they moved.
        before = self._first, self._last
        ids = [number for number in map(id_of, listed) if number]
        if ids:
            filters = dict(self._filters.more)
            by_id = not (filters.get("pinned") or filters.get("saved"))  # else in the order of the pins or saves
            self._first = min(self._first or ids[0], ids[0]) if by_id else ids[0]
            self._last = max(self._last, ids[-1])
        return (self._first, self._last) != before

    def _parameters(self, newer: bool) -> dict[str, Any]:
        w = self._filters
        cursor = self._last if newer else self._first
        pairs: dict[str, Any] = {
            "per_page": w.limit,
            "affix": "append" if newer else "prepend",
            "id": cursor or None,
            "sentAt": w.timestamp or None if not cursor else None,
            "updatedAt": w.updated_after or None,
            "onlyUpdates": 1 if w.updates_only else None,
            "categories": ",".join(w.categories) or None,
            "types": ",".join(w.types) or None,
            "hideReplies": 1 if w.hide_replies else None,
            "hideDeleted": 1 if w.hide_deleted else None,
            **dict(w.more),
        }
        return {k: v for k, v in pairs.items() if v is not None}


class _Filters:
    """The less common filters for messages. Each method returns the builder."""

    _filters: _Query

    def _with(self, **changes: Any) -> Self:
        self._filters = replace(self._filters, **changes)
        return self

    def _with_filter(self, name: str, value: Any) -> Self:
        return self._with(more=(*self._filters.more, (name, value)))

    def set_unread(self, only: bool = True) -> Self:
        """Fetch only messages of others that the logged-in user has not read.

        Args:
            only: False fetches all (the builder's default).
        """
        return self._with_filter("unread", 1 if only else None)

    def set_undelivered(self, only: bool = True) -> Self:
        """Fetch only messages of others that were not delivered to the logged-in user.

        Args:
            only: False fetches all (the builder's default).
        """
        return self._with_filter("undelivered", 1 if only else None)

    def set_search_keyword(self, keyword: str) -> Self:
        """Fetch only messages with all of these words. The last word may be incomplete.

        Args:
            keyword: one or more words; case does not matter.
        """
        return self._with_filter("searchKey", keyword or None)

    def hide_messages_from_blocked_users(self, hide: bool = True) -> Self:
        """Leave out messages of users whom the logged-in user has blocked.

        Args:
            hide: False includes them (the builder's default).
        """
        return self._with_filter("hideMessagesFromBlockedUsers", 1 if hide else None)

    def hide_quoted_messages(self, hide: bool = True) -> Self:
        """Leave out messages that quote another message.

        Args:
            hide: False includes them (the builder's default).
        """
        return self._with_filter("hideQuotedMessages", 1 if hide else None)

    def set_tags(self, tags: Sequence[str]) -> Self:
        """Fetch only messages with one of these tags.

        Args:
            tags: at most 100 tags.
        """
        return self._with_filter("tags", ",".join(tags) or None)

    def with_tags(self, wanted: bool = True) -> Self:
        """Include the tags of each message. Tailwire's server always does.

        Args:
            wanted: False does not ask for them: the server decides whether to include them (the builder's default).
        """
        return self._with_filter("withTags", 1 if wanted else None)

    def with_content(
        self, *, attachments: bool = False, links: bool = False, mentions: bool = False, reactions: bool = False
    ) -> Self:
        """Fetch only messages with the chosen kinds of content (CometChat's `hasAttachments`, `hasLinks` …).

        A message has to match every argument that is True. Arguments that are False do not restrict the result.

        Args:
            attachments: only messages with at least one file.
            links: only messages with a link in the text.
            mentions: only messages that mention a user.
            reactions: only messages with at least one reaction.
        """
        builder = self
        for name, wanted in (
            ("hasAttachments", attachments),
            ("hasLinks", links),
            ("hasMentions", mentions),
            ("hasReactions", reactions),
        ):
            builder = builder._with_filter(name, 1 if wanted else None)
        return builder

    def set_attachment_types(self, types: Sequence[str]) -> Self:
        """Fetch only messages with attachments of these types: `image`, `video`, `audio`, `file`.

        Args:
            types: one or more of them.
        """
        return self._with_filter("attachmentTypes", ",".join(types) or None)

    def set_mentioned_uids(self, uids: Sequence[str]) -> Self:
        """Fetch only messages that mention one of these users.

        Args:
            uids: at most 100 uids.
        """
        return self._with_filter("mentionedUids", ",".join(uids) or None)

    def set_pinned(self, only: bool = True) -> Self:
        """Fetch only pinned messages of the conversation. Fetch them with `fetch_previous()`.

        The first page contains the messages that were pinned most recently; each page is sorted by the time of pinning,
        oldest first.

        Args:
            only: False fetches all (the builder's default).
        """
        return self._with_filter("pinned", 1 if only else None)

    def set_saved(self, only: bool = True) -> Self:
        """Fetch only messages that the logged-in user saved, from all conversations.

        Set neither uid nor guid, and fetch them with `fetch_previous()`. The first page contains the messages that were
        saved most recently; each page is sorted by the time of saving, oldest first.

        Args:
            only: False fetches all (the builder's default).
        """
        return self._with_filter("saved", 1 if only else None)


class MessagesRequestBuilder(_Filters):
    """Builds a `MessagesRequest`. Each method returns the builder."""

    def __init__(self) -> None:
        self._filters = _Query()

    def set_uid(self, uid: str) -> MessagesRequestBuilder:
        """Fetch only messages of the conversation with this user.

        Args:
            uid: the uid of the user; replaces a guid that was set.
        """
        return self._with(uid=uid, guid="")

    def set_guid(self, guid: str) -> MessagesRequestBuilder:
        """Fetch only messages of this group.

        Args:
            guid: the guid of the group; replaces a uid that was set.
        """
        return self._with(guid=guid, uid="")

    def set_limit(self, limit: int) -> MessagesRequestBuilder:
        """Set the number of messages per page, 1 to 100 (default: 30).

        Args:
            limit: the number of messages.

        Raises:
            CometChatException: `ERROR_NON_POSITIVE_LIMIT` below 1; `ERROR_LIMIT_EXCEEDED` above 100.
        """
        return self._with(limit=checked_limit(limit, MAX_PAGE_SIZE))

    def set_message_id(self, message_id: int) -> MessagesRequestBuilder:
        """Begin at this message: `fetch_previous()` fetches those before it, `fetch_next()` those after it.

        Args:
            message_id: the id of the message, which is not fetched itself; 0 for none.
        """
        return self._with(message_id=max(0, message_id))

    def set_timestamp(self, timestamp: int) -> MessagesRequestBuilder:
        """Begin at this time: `fetch_previous()` fetches messages sent before it, `fetch_next()` those sent after it.

        Args:
            timestamp: seconds since 1970. A message id that is set takes precedence.
        """
        return self._with(timestamp=timestamp)

    def set_updated_after(self, timestamp: int) -> MessagesRequestBuilder:
        """Fetch only messages that were sent or changed at or after this time.

        Args:
            timestamp: seconds since 1970.
        """
        return self._with(updated_after=timestamp)

    def updates_only(self, only: bool = True) -> MessagesRequestBuilder:
        """Fetch only messages that changed after they were sent, such as edited ones. Used with `set_updated_after`.

        Args:
            only: False also fetches messages that never changed (the builder's default).
        """
        return self._with(updates_only=only)

    def set_categories(self, categories: Sequence[str]) -> MessagesRequestBuilder:
        """Fetch only messages of these categories, such as `message` or `custom`.

        Args:
            categories: at most 100 categories.
        """
        return self._with(categories=tuple(str(c) for c in categories))

    def set_types(self, types: Sequence[str]) -> MessagesRequestBuilder:
        """Fetch only messages of these types, such as `text` or `image`.

        Args:
            types: at most 100 types.
        """
        return self._with(types=tuple(str(t) for t in types))

    def hide_replies(self, hide: bool = True) -> MessagesRequestBuilder:
        """Leave out replies in threads.

        Args:
            hide: False includes them (the builder's default).
        """
        return self._with(hide_replies=hide)

    def hide_deleted_messages(self, hide: bool = True) -> MessagesRequestBuilder:
        """Leave out deleted messages.

        Args:
            hide: False includes them (the builder's default).
        """
        return self._with(hide_deleted=hide)

    def set_parent_message_id(self, message_id: int) -> MessagesRequestBuilder:
        """Fetch only the replies in the thread of this message.

        Args:
            message_id: the id of the parent message of the thread.
        """
        return self._with(parent_message_id=message_id)

    def build(self, client: ChatClient | None = None) -> MessagesRequest:
        """Return a request with the values that were set. Nothing is sent until a page is fetched.

        Args:
            client: the client that sends the request; None for the client that is `CometChat`'s current one when a page
                is fetched.
        """
        return MessagesRequest(self._filters, checked_client(client))
