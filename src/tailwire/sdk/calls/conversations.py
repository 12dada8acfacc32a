"""Conversations."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, quoted, settle, text_of
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import ConversationGone, ConversationSaid
from tailwire.wire.constants import ReceiverType, ReceiverTypeName
from tailwire.wire.entities import BaseMessage, Conversation, User
from tailwire.wire.social import conversation_from_wire


def conversation_path(other: str, kind: str) -> str:
    """The path of a conversation.

    Raises:
        CometChatException: `INVALID_CONVERSATION_TYPE`.
    """
    if kind not in ("user", "group"):
        raise failure("INVALID_CONVERSATION_TYPE")
    return f"/{kind}s/{quoted(other)}/conversation"


class ConversationCalls(Access):
    """The part of a client that deals with conversations."""

    async def get_conversation(
        self,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation:
        """The conversation with a user, or of a group.

        Raises:
            CometChatException: `ERR_CONVERSATION_NOT_ACCESSIBLE` when no message was ever exchanged;
                `INVALID_CONVERSATION_TYPE`.
        """

        async def get() -> Conversation:
            path = conversation_path(conversation_with, conversation_type)
            return await self._fetch(conversation_from_wire, "GET", path)

        return await settle(get(), on_success, on_error)

    async def tag_conversation(
        self,
        conversation_with: str,
        conversation_type: ReceiverTypeName,
        tags: Sequence[str],
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation:
        """Set the user's own tags of a conversation. Errors as `get_conversation`."""

        async def tag() -> Conversation:
            path = conversation_path(conversation_with, conversation_type)
            return self._said(await self._fetch(conversation_from_wire, "PUT", path, body={"tags": list(tags)}))

        return await settle(tag(), on_success, on_error)

    async def delete_conversation(
        self,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
    ) -> str:
        """Delete a conversation for the user alone. It comes back, empty, with the next message."""

        async def delete() -> str:
            answer = text_of(await self._ask("DELETE", conversation_path(conversation_with, conversation_type)))
            self._done_here(ConversationGone(str(conversation_type), conversation_with))
            return answer

        return await settle(delete(), on_success, on_error)

    async def pin_conversation(
        self,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation:
        """Pin a conversation to the head of the user's list.

        Raises:
            CometChatException: `ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED`; and as `get_conversation`.
        """

        async def pin() -> Conversation:
            path = conversation_path(conversation_with, conversation_type) + "/pin"
            return self._said(await self._fetch(conversation_from_wire, "POST", path))

        return await settle(pin(), on_success, on_error)

    async def unpin_conversation(
        self,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation:
        """Take the pin of a conversation away. Errors as `get_conversation`."""

        async def unpin() -> Conversation:
            path = conversation_path(conversation_with, conversation_type) + "/pin"
            return self._said(await self._fetch(conversation_from_wire, "DELETE", path))

        return await settle(unpin(), on_success, on_error)

    def _said(self, conversation: Conversation) -> Conversation:
        self._done_here(ConversationSaid(conversation))
        return conversation

    def get_conversation_from_message(self, message: BaseMessage) -> Conversation:
        """The conversation that a message belongs to, without a request: without unread count and tags.

        Raises:
            CometChatException: `CONVERSATION_NOT_FOUND` when the message does not say with whom it is.
        """
        me = self._logged_in().uid
        mine = message.sender.uid == me
        other = message.receiver_entity if mine or message.receiver_type == ReceiverType.GROUP else message.sender
        if other is None or (isinstance(other, User) and not other.uid):
            raise failure("CONVERSATION_NOT_FOUND")
        return Conversation(message.conversation_id, str(message.receiver_type), other, last_message=message)
