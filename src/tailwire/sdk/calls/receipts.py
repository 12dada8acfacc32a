"""Receipts and unread counts."""

from __future__ import annotations

import json
from typing import Any

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, checked_id, decoded, quoted, settle, text_of
from tailwire.sdk.calls.conversations import conversation_path
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import ConversationSaid, ConversationTouched, Marked
from tailwire.wire.constants import ReceiverType
from tailwire.wire.entities import BaseMessage, Conversation, Group, MessageReceipt
from tailwire.wire.frames import FrameType, envelope
from tailwire.wire.social import conversation_from_wire, receipts_from_wire

Counts = dict[str, int]


class ReceiptCalls(Access):
    """The part of a client that says what was received and read, and asks what was not."""

    async def mark_as_delivered(
        self, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Say that the conversation was received up to this message.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION`; `RECEIPTS_TEMPORARILY_BLOCKED` while the status is
                `featureThrottled`.
        """
        return await settle(self._mark(message, "delivered", "markAsDelivered success"), on_success, on_error)

    async def mark_as_read(
        self, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Say that the conversation was read up to this message.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION`; `RECEIPTS_TEMPORARILY_BLOCKED` while the status is
                `featureThrottled`.
        """
        return await settle(self._mark(message, "read", "markAsRead success"), on_success, on_error)

    async def _mark(self, message: BaseMessage, action: str, success: str) -> str:
        session = self._logged_in()
        if self._receipts_are_blocked():
            raise failure("RECEIPTS_TEMPORARILY_BLOCKED")
        sender = message.sender.uid
        to = message.receiver if message.receiver_type == ReceiverType.GROUP else sender
        body = {"action": action, "messageId": str(checked_id(message.id)), "user": dict(session.user)}
        frame = envelope(
            self._identity.app_id,
            FrameType.RECEIPTS,
            session.uid,
            self._identity.resource,
            to,
            message.receiver_type,
            body,
        )
        self._send_frame(json.dumps({**frame, "messageSender": sender}))
        if sender != session.uid:
            kind, at = str(message.receiver_type), int(self._world.wall())
            self._done_here(Marked(kind, to, int(message.id), at, action == "read"))
        return success

    async def mark_message_as_unread(
        self, message: BaseMessage, *, on_success: OnSuccess[Conversation] = None, on_error: OnError = None
    ) -> Conversation:
        """Say that the conversation was not read from this message on.

        Returns:
            The conversation, with its count of unread messages.
        """

        async def mark() -> Conversation:
            body = {"messageId": str(checked_id(message.id))}
            answer = await self._ask("DELETE", conversation_path(*self._other(message)) + "/read", body=body)
            conversation = answer.get("conversation") if isinstance(answer, dict) else None
            said = decoded(conversation_from_wire, conversation)
            self._done_here(ConversationSaid(said))
            return said

        return await settle(mark(), on_success, on_error)

    def _other(self, message: BaseMessage) -> tuple[str, str]:
        if message.receiver_type == ReceiverType.GROUP:
            return message.receiver, "group"
        sender = message.sender.uid
        return (message.receiver if sender == self._logged_in().uid else sender), "user"

    async def mark_conversation_as_read(
        self, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Say that all of a conversation was read. Needs no WebSocket."""
        return await settle(self._mark_conversation(conversation, "read"), on_success, on_error)

    async def mark_conversation_as_delivered(
        self, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Say that all of a conversation was received. Needs no WebSocket."""
        return await settle(self._mark_conversation(conversation, "delivered"), on_success, on_error)

    async def _mark_conversation(self, conversation: Conversation, what: str) -> str:
        other = conversation.conversation_with
        name = other.guid if isinstance(other, Group) else other.uid
        path = conversation_path(name, conversation.conversation_type)
        answer = text_of(await self._ask("POST", f"{path}/{what}", body={}))
        self._done_here(ConversationTouched(conversation.conversation_type, name))
        return answer

    async def get_message_receipts(
        self, message_id: int, *, on_success: OnSuccess[list[MessageReceipt]] = None, on_error: OnError = None
    ) -> list[MessageReceipt]:
        """Who has received and read a message of the user: one receipt for each, with both times."""
        return await settle(
            self._fetch(receipts_from_wire, "GET", f"/messages/{checked_id(message_id)}"), on_success, on_error
        )

    def get_last_delivered_message_id(self) -> int:
        """The id of the last message that the app was served; 0 when there was none. No I/O."""
        position = self._logged_in().position
        return position.last_id if position is not None else 0

    # Unread counts.

    async def get_unread_message_count(
        self,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[dict[str, Counts]] = None,
        on_error: OnError = None,
    ) -> dict[str, Counts]:
        """How many messages were not read: `{"user": {uid: count}, "group": {guid: count}}`."""
        return await settle(self._counts(hide_messages_from_blocked_users), on_success, on_error)

    async def get_unread_message_count_for_user(
        self,
        uid: str,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[Counts] = None,
        on_error: OnError = None,
    ) -> Counts:
        """How many messages of a user were not read: `{uid: count}`."""

        async def count() -> Counts:
            counts = await self._counts(hide_messages_from_blocked_users, f"/users/{quoted(uid)}/messages")
            return {uid: counts["user"].get(uid, 0)}

        return await settle(count(), on_success, on_error)

    async def get_unread_message_count_for_group(
        self, guid: str, *, on_success: OnSuccess[Counts] = None, on_error: OnError = None
    ) -> Counts:
        """How many messages of a group were not read: `{guid: count}`."""

        async def count() -> Counts:
            counts = await self._counts(False, f"/groups/{quoted(guid)}/messages")
            return {guid: counts["group"].get(guid, 0)}

        return await settle(count(), on_success, on_error)

    async def get_unread_message_count_for_all_users(
        self, *, on_success: OnSuccess[Counts] = None, on_error: OnError = None
    ) -> Counts:
        """How many messages of users were not read, by uid."""

        async def count() -> Counts:
            return (await self._counts(False, kind="user"))["user"]

        return await settle(count(), on_success, on_error)

    async def get_unread_message_count_for_all_groups(
        self, *, on_success: OnSuccess[Counts] = None, on_error: OnError = None
    ) -> Counts:
        """How many messages of groups were not read, by guid."""

        async def count() -> Counts:
            return (await self._counts(False, kind="group"))["group"]

        return await settle(count(), on_success, on_error)

    async def _counts(self, hide: bool, path: str = "/messages", kind: str = "") -> dict[str, Counts]:
        query: dict[str, Any] = {"unread": 1, "count": 1}
        if hide:
            query["hideMessagesFromBlockedUsers"] = 1
        if kind:
            query["receiverType"] = kind
        listed = await self._ask("GET", path, query=query)
        counts: dict[str, Counts] = {"user": {}, "group": {}}
        try:
            for entry in listed:
                counts[entry["entityType"]][str(entry["entityId"])] = int(entry["count"])
        except (TypeError, KeyError, ValueError) as e:
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's counts cannot be read.") from e
        return counts
