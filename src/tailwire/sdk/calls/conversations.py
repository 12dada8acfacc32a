"""Read, tag, pin and delete conversations."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.calls.checks import quoted, text_of
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import ConversationRemoved, ConversationUpdated
from tailwire.wire.constants import ReceiverType, ReceiverTypeName
from tailwire.wire.entities import BaseMessage, Conversation, User
from tailwire.wire.identifiers import stored_id
from tailwire.wire.participants import message_between_participants
from tailwire.wire.social import conversation_from_wire


def conversation_path(other: str, conversation_type: str) -> str:
    """Return the path of the conversation with a user, or of a group.

    Raises:
        CometChatException: `INVALID_CONVERSATION_TYPE` unless the type is `user` or `group`; `ERR_INVALID_ARGUMENT`
            when the uid or guid is invalid.
    """
    if conversation_type not in ("user", "group"):
        raise failure("INVALID_CONVERSATION_TYPE")
    return f"/{conversation_type}s/{quoted(other)}/conversation"


class ConversationCalls:
    """The calls that read, tag, pin and delete conversations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get_conversation(
        self, conversation_with: str, conversation_type: ReceiverTypeName = ReceiverType.USER
    ) -> Conversation:
        """Return the conversation with a user, or of a group.

        Args:
            conversation_with: the uid of the other user, or the guid of the group.
            conversation_type: `user` or `group`.

        Raises:
            CometChatException: `ERR_CONVERSATION_NOT_ACCESSIBLE` when the logged-in user does not have this
                conversation, for example because no message has been sent in it yet; `INVALID_CONVERSATION_TYPE` unless
                the type is `user` or `group`; `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND` when there is no such user or
                group; `ERR_NOT_A_MEMBER` when the logged-in user is not a member of the group.
        """
        path = conversation_path(conversation_with, conversation_type)
        return await self._parts.requests.fetch(conversation_from_wire, "GET", path)

    async def tag_conversation(
        self, conversation_with: str, conversation_type: ReceiverTypeName, tags: Sequence[str]
    ) -> Conversation:
        """Replace the tags that the logged-in user gave a conversation. Nobody else sees them.

        Args:
            conversation_with: the uid of the other user, or the guid of the group.
            conversation_type: `user` or `group`.
            tags: the new tags; an empty list removes all.

        Returns:
            The conversation with its tags.

        Raises:
            CometChatException: as for `get_conversation`.
        """
        path = conversation_path(conversation_with, conversation_type)
        return await self._change("PUT", path, {"tags": list(tags)})

    async def delete_conversation(
        self, conversation_with: str, conversation_type: ReceiverTypeName = ReceiverType.USER
    ) -> str:
        """Delete a conversation for the logged-in user alone.

        The next message in it makes it appear again, without the messages before.

        Args:
            conversation_with: the uid of the other user, or the guid of the group.
            conversation_type: `user` or `group`.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: as for `get_conversation`.
        """
        path = conversation_path(conversation_with, conversation_type)
        me = self._parts.sessions.uid
        answer = text_of(await self._parts.requests.ask("DELETE", path))
        self._parts.own.notify(ConversationRemoved(str(conversation_type), stored_id(conversation_with)), me)
        return answer

    async def pin_conversation(
        self, conversation_with: str, conversation_type: ReceiverTypeName = ReceiverType.USER
    ) -> Conversation:
        """Pin a conversation to the top of the logged-in user's list.

        Args:
            conversation_with: the uid of the other user, or the guid of the group.
            conversation_type: `user` or `group`.

        Returns:
            The conversation, with `pinned_at`.

        Raises:
            CometChatException: `ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED` when the user has pinned as many as the server
                allows (`details["limit"]`); and as for `get_conversation`.
        """
        return await self._change("POST", conversation_path(conversation_with, conversation_type) + "/pin")

    async def unpin_conversation(
        self, conversation_with: str, conversation_type: ReceiverTypeName = ReceiverType.USER
    ) -> Conversation:
        """Remove the pin of a conversation, also of one that is no longer in the logged-in user's list.

        Args:
            conversation_with: the uid of the other user, or the guid of the group.
            conversation_type: `user` or `group`.

        Returns:
            The conversation, with `pinned_at` 0. One that is no longer in the list has only its ids.

        Raises:
            CometChatException: as for `get_conversation`.
        """
        return await self._change("DELETE", conversation_path(conversation_with, conversation_type) + "/pin")

    async def _change(self, method: str, path: str, body: dict[str, list[str]] | None = None) -> Conversation:
        me = self._parts.sessions.uid
        conversation = await self._parts.requests.fetch(conversation_from_wire, method, path, body=body)
        if conversation.updated_at:  # 0 if it is no longer in the user's list
            self._parts.own.notify(ConversationUpdated(conversation), me)
        return conversation

    def get_conversation_from_message(self, message: BaseMessage) -> Conversation:
        """Return the conversation that a message belongs to, without its unread count and tags. Sends no request.

        Args:
            message: a received or stored message.

        Raises:
            CometChatException: `CONVERSATION_NOT_FOUND` when the message does not contain the other user or the group;
                `USER_NOT_LOGGED_IN`.
        """
        me = self._parts.sessions.require().uid
        kind: ReceiverTypeName = "group" if message.receiver_type == ReceiverType.GROUP else "user"
        sent = message_between_participants(message)
        other = sent.receiver_entity if sent.sender.uid == me or kind == "group" else sent.sender
        if other is None or (isinstance(other, User) and not other.uid):
            raise failure("CONVERSATION_NOT_FOUND")
        return Conversation(message.conversation_id, kind, other, last_message=message)
