"""Open live lists, and tell them what happens."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from tailwire.sdk.calls.checks import checked_id, checked_limit
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.live.conversations import PAGE, LiveConversations
from tailwire.sdk.live.live_list import LiveList
from tailwire.sdk.live.message_list import MessageList
from tailwire.sdk.live.messages import LiveMessages
from tailwire.sdk.retry import RETRYABLE

log = logging.getLogger("tailwire")
L = TypeVar("L", bound=LiveList[Any])
MAX_LISTS = 100
MAX_CONVERSATIONS, MAX_MESSAGES = 200, 1000


class LiveLists:
    """The open live lists of a client."""

    def __init__(self) -> None:
        self._lists: dict[LiveList[Any], None] = {}

    def add(self, live: LiveList[Any]) -> None:
        """Tell a list what happens from now on.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` when too many are open.
        """
        if len(self._lists) >= MAX_LISTS:
            raise failure("ERR_INVALID_ARGUMENT", f"{MAX_LISTS} live lists are open. Close those that nobody sees.")
        self._lists[live] = None

    def discard(self, live: LiveList[Any]) -> None:
        """Tell a list nothing more."""
        self._lists.pop(live, None)

    def __bool__(self) -> bool:
        return bool(self._lists)

    def tell(self, event: object, uid: str) -> None:
        """Tell all lists of a user what happened. Those of another user end.

        Args:
            uid: the user who is logged in; "" for none.
        """
        for live in list(self._lists):
            if live.uid != uid:
                live.close()
                continue
            try:
                live.hear(event)
            except Exception:
                log.exception("a live list could not take %s; it is read again", type(event).__name__)
                live._want_all()
                live._show()

    async def close(self) -> None:
        """End all lists, and wait until nothing runs any more."""
        for live in list(self._lists):
            await live.ended()


class LiveCalls:
    """The calls that open live lists."""

    def __init__(self, parts: Parts, lists: LiveLists) -> None:
        self._parts = parts
        self._lists = lists

    async def live_conversations(
        self, *, conversation_type: str = "", limit: int = 30, most: int = MAX_CONVERSATIONS
    ) -> LiveConversations:
        """The user's conversations, kept as the server has them: order, unread counts, last message, who types.

        ```python
        async with await chat.live_conversations() as live:
            async for change in live.changes():
                ...
        ```

        Args:
            conversation_type: only those with a `user`, or of a `group`; both by default.
            limit: how many it begins with, 1 to 50; `more()` reads further down.
            most: how many it holds, up to 200.

        Raises:
            CometChatException: `INVALID_CONVERSATION_TYPE`, `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`,
                `USER_NOT_LOGGED_IN`, or as the server refused it.
                A server that is not reached is no error: `error` of the list says why, and it is asked again.
        """
        uid = self._parts.sessions.require().uid
        if conversation_type not in ("", "user", "group"):
            raise failure("INVALID_CONVERSATION_TYPE")
        checked_limit(limit, PAGE)
        most = max(limit, checked_limit(most, MAX_CONVERSATIONS))
        live = LiveConversations(
            self._parts.requests, self._lists, uid, kind=str(conversation_type), limit=limit, most=most
        )
        return await _begun(live)

    async def live_messages(
        self,
        *,
        uid: str = "",
        guid: str = "",
        parent_message_id: int = 0,
        replies: bool = False,
        limit: int = 30,
        most: int = MAX_MESSAGES,
    ) -> LiveMessages:
        """The messages of a conversation, kept as the server has them, with those that are queued behind them.

        Args:
            uid: the conversation with a user; or
            guid: of a group.
            parent_message_id: only the replies in the thread of this message.
            replies: with the replies in threads; without them by default: each message has its `reply_count`.
            limit: how many it begins with, 1 to 100; `older()` reads further back.
            most: how many it holds, up to 1,000; the oldest are let go when newer ones come.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` unless uid or guid is given, `ERROR_INVALID_MESSAGE_ID`,
                `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`, `USER_NOT_LOGGED_IN`, or as the server refused it.
                A server that is not reached is no error: `error` of the list says why, and it is asked again.
        """
        me = self._parts.sessions.require().uid
        if bool(uid) == bool(guid) or not isinstance(uid or guid, str):
            raise failure("ERR_INVALID_ARGUMENT", "Give uid or guid: one of them, as text.")
        checked_limit(limit)
        most = max(limit, checked_limit(most, MAX_MESSAGES))
        thread = checked_id(parent_message_id) if parent_message_id else 0
        place: dict[str, Any] = {"thread": thread} if thread else {"uid": uid} if uid else {"guid": guid}
        state = MessageList(
            me, "user" if uid else "group", uid or guid, parent=thread, replies=bool(replies), most=most
        )
        live = LiveMessages(self._parts.requests, self._lists, me, state, place, limit)
        if self._parts.outbox is not None:
            for entry in self._parts.outbox.entries:
                live.queued(entry)
        return await _begun(live)


async def _begun(live: L) -> L:
    # It hears from before it asks, so that nothing falls between. Without a network it begins with what is queued.
    try:
        await live.refresh()
    except BaseException as e:
        if isinstance(e, CometChatException) and e.code in RETRYABLE:
            live.ask_later(e)
            return live
        await live.ended()
        raise
    return live
