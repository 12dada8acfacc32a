"""Create live lists, and pass events to them."""

from __future__ import annotations

import logging
from typing import Any, Literal, TypeVar

from tailwire.sdk.calls.checks import checked_id, checked_limit
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.live.conversations import PAGE_SIZE, LiveConversations
from tailwire.sdk.live.live_list import LiveList
from tailwire.sdk.live.message_list import MessageList
from tailwire.sdk.live.messages import LiveMessages
from tailwire.sdk.retry import RETRYABLE_CODES
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.identifiers import stored_id

log = logging.getLogger("tailwire")
L = TypeVar("L", bound=LiveList[Any])
MAX_LISTS = 100
MAX_CONVERSATIONS, MAX_MESSAGES = 200, 1000


class LiveLists:
    """The open live lists of a client.

    Attributes:
        opened: the lists, in the order in which they were opened.
    """

    def __init__(self) -> None:
        self.opened: dict[LiveList[Any], None] = {}

    def add(self, live: LiveList[Any]) -> None:
        """Register a list: `notify` passes events to it from now on.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if 100 lists are open.
        """
        if len(self.opened) >= MAX_LISTS:
            raise failure("ERR_INVALID_ARGUMENT", f"{MAX_LISTS} live lists are open. Close those that are not shown.")
        self.opened[live] = None

    def discard(self, live: LiveList[Any]) -> None:
        """Unregister a list: no further events are passed to it. Do nothing if it is not registered."""
        self.opened.pop(live, None)

    def notify(self, event: object, uid: str) -> None:
        """Pass an event to the lists of the logged-in user. Close the lists of other users.

        An exception in a list is logged, and that list is requested again.

        Args:
            event: an event of `listeners.events` or `listeners.own`, or a `StatusChanged`.
            uid: the uid of the user who is logged in; "" for none, which closes all lists.
        """
        for live in list(self.opened):
            if live.uid != uid:
                live.close()
                continue
            try:
                live._handle(event)
            except Exception:
                log.exception("a live list could not handle %s; it is read again", type(event).__name__)
                live._want_all()
                live._show()

    async def close(self) -> None:
        """Close all lists, and wait until their tasks have ended."""
        for live in list(self.opened):
            await live._end()


class LiveCalls:
    """The calls that create live lists."""

    def __init__(self, parts: Parts, lists: LiveLists) -> None:
        self._parts = parts
        self._lists = lists

    async def live_conversations(
        self,
        *,
        conversation_type: ReceiverTypeName | Literal[""] = "",
        page_size: int = 30,
        most: int = MAX_CONVERSATIONS,
    ) -> LiveConversations:
        """Return a live list of the user's conversations: order, unread counts, last message, and who is typing.

        ```python
        async with await chat.live_conversations() as live:
            async for change in live.changes():
                ...
        ```

        If the server is not reachable, the list is empty at first: its `error` says why, and the request is retried.

        Args:
            conversation_type: `user` for conversations with users only, `group` for those of groups only; "" for both.
            page_size: the number of conversations to begin with, 1 to 50, and that `more()` adds by default.
            most: the maximum number of conversations to keep, 1 to 200; a value below `page_size` counts as
                `page_size`. Those that come last are dropped.

        Raises:
            CometChatException: `INVALID_CONVERSATION_TYPE` for another `conversation_type`; `ERROR_NON_POSITIVE_LIMIT`
                or `ERROR_LIMIT_EXCEEDED` if `page_size` or `most` is out of range; `ERR_INVALID_ARGUMENT` if 100 lists
                are open; `USER_NOT_LOGGED_IN`; or another code of the server.
        """
        uid = self._parts.sessions.require().uid
        if conversation_type not in ("", "user", "group"):
            raise failure("INVALID_CONVERSATION_TYPE")
        checked_limit(page_size, PAGE_SIZE)
        most = max(page_size, checked_limit(most, MAX_CONVERSATIONS))
        live = LiveConversations(
            self._parts.requests, self._lists, uid, kind=str(conversation_type), page_size=page_size, most=most
        )
        return await _open_list(live)

    async def live_messages(
        self,
        *,
        uid: str = "",
        guid: str = "",
        parent_message_id: int = 0,
        replies: bool = False,
        page_size: int = 30,
        most: int = MAX_MESSAGES,
    ) -> LiveMessages:
        """Return a live list of the messages of a conversation, followed by the user's queued ones.

        If the server is not reachable, the list contains the queued messages at first: its `error` says why, and the
        request is retried.

        Args:
            uid: the uid of the other user, for a conversation with a user. Give either `uid` or `guid`.
            guid: the guid of the group, for its conversation.
            parent_message_id: the id of a message, for a list of the replies in its thread only; 0 for the messages of
                the whole conversation.
            replies: whether a list of a conversation includes the replies in threads. If not, each message still has
                its `reply_count`.
            page_size: the number of messages to begin with, 1 to 100, and that `older()` adds by default.
            most: the maximum number of messages to keep, 1 to 1,000; a value below `page_size` counts as `page_size`.
                The oldest are dropped when newer ones arrive.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` unless exactly one of `uid` and `guid` is given, or if 100 lists
                are open; `ERROR_INVALID_MESSAGE_ID` if `parent_message_id` is not a message id;
                `ERROR_NON_POSITIVE_LIMIT` or `ERROR_LIMIT_EXCEEDED` if `page_size` or `most` is out of range;
                `USER_NOT_LOGGED_IN`; `ERR_UID_NOT_FOUND` or `ERR_GUID_NOT_FOUND` if there is no such user or group;
                `ERR_NOT_A_MEMBER` if the user is not in the group; or another code of the server.
        """
        me = self._parts.sessions.require().uid
        if bool(uid) == bool(guid) or not isinstance(uid or guid, str):
            raise failure("ERR_INVALID_ARGUMENT", "Give either uid or guid, as a string.")
        checked_limit(page_size)
        most = max(page_size, checked_limit(most, MAX_MESSAGES))
        thread = checked_id(parent_message_id) if parent_message_id else 0
        place: dict[str, Any] = {"thread": thread} if thread else {"uid": uid} if uid else {"guid": guid}
        state = MessageList(
            me, "user" if uid else "group", stored_id(uid or guid), parent=thread, replies=bool(replies), most=most
        )
        live = LiveMessages(self._parts.requests, self._lists, me, state, place, page_size)
        if self._parts.outbox is not None:
            for entry in self._parts.outbox.entries:
                live._update_queued(entry)
        return await _open_list(live)


async def _open_list(live: L) -> L:
    # The list receives events before the first request, so that none is missed in between.
    try:
        await live.refresh()
    except BaseException as e:
        if isinstance(e, CometChatException) and e.code in RETRYABLE_CODES:
            live._retry_later(e)
            return live
        await live._end()
        raise
    return live
