"""Delivery and read receipts, and unread counts."""

from __future__ import annotations

import json
from typing import Any

from tailwire.sdk.calls.checks import checked_id, decoded, quoted, text_of
from tailwire.sdk.calls.conversations import conversation_path
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import ConversationOutdated, ConversationUpdated, Marked
from tailwire.wire.constants import ReceiverType
from tailwire.wire.entities import BaseMessage, Conversation, Group, MessageReceipt
from tailwire.wire.frames import FrameType, envelope
from tailwire.wire.identifiers import stored_id
from tailwire.wire.participants import message_between_participants
from tailwire.wire.social import conversation_from_wire, receipts_from_wire

Counts = dict[str, int]


class ReceiptCalls:
    """The calls that send and read receipts, and read unread counts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def mark_as_delivered(self, message: BaseMessage) -> str:
        """Mark a conversation as delivered up to a message, by a frame on the socket. The server does not answer it.

        Args:
            message: the newest message that was received.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` while no socket is open; `USER_NOT_LOGGED_IN`;
                `RECEIPTS_TEMPORARILY_BLOCKED` while the server accepts no receipts because of its load;
                `ERROR_INVALID_MESSAGE_ID` when the message has no id yet.
        """
        return self._mark(message, "delivered", "markAsDelivered success")

    async def mark_as_read(self, message: BaseMessage) -> str:
        """Mark a conversation as read up to a message, by a frame on the socket. The server does not answer it.

        Args:
            message: the newest message that was read.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` while no socket is open; `USER_NOT_LOGGED_IN`;
                `RECEIPTS_TEMPORARILY_BLOCKED` while the server accepts no receipts because of its load;
                `ERROR_INVALID_MESSAGE_ID` when the message has no id yet.
        """
        return self._mark(message, "read", "markAsRead success")

    def _mark(self, message: BaseMessage, action: str, success: str) -> str:
        parts, session = self._parts, self._parts.sessions.require()
        other, kind = self._conversation_of(message)
        if parts.incoming.receipts_blocked:
            raise failure("RECEIPTS_TEMPORARILY_BLOCKED")
        mine = message.sender.uid == session.uid
        sender = message.sender.uid if message.receiver_type == ReceiverType.GROUP or mine else other
        body = {"action": action, "messageId": str(checked_id(message.id)), "user": dict(session.user)}
        app_id, device = parts.identity.app_id, parts.identity.resource
        frame = envelope(app_id, FrameType.RECEIPTS, session.uid, device, other, kind, body)
        parts.send_frame(json.dumps({**frame, "messageSender": sender}))
        if not mine:
            at = int(parts.world.wall())
            parts.own.notify(Marked(kind, stored_id(other), int(message.id), at, action == "read"), session.uid)
        return success

    async def mark_message_as_unread(self, message: BaseMessage) -> Conversation:
        """Mark a message and all later messages of its conversation as unread.

        Args:
            message: the oldest message that is to be unread.

        Returns:
            The conversation, with its count of unread messages.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the message has no id; `ERR_MESSAGE_ID_NOT_FOUND` when
                it is not in the conversation; `ERR_UID_NOT_FOUND` when the other user is gone; or another code of the
                server.
        """
        body = {"messageId": str(checked_id(message.id))}
        path = conversation_path(*self._conversation_of(message)) + "/read"
        me = self._parts.sessions.uid
        answer = await self._parts.requests.ask("DELETE", path, body=body)
        conversation = decoded(conversation_from_wire, answer.get("conversation") if isinstance(answer, dict) else None)
        self._parts.own.notify(ConversationUpdated(conversation, unread=True), me)
        return conversation

    def _conversation_of(self, message: BaseMessage) -> tuple[str, str]:
        if message.receiver_type == ReceiverType.GROUP:
            return message.receiver, "group"
        sent = message_between_participants(message)
        mine = sent.sender.uid == self._parts.sessions.require().uid
        return (sent.receiver if mine else sent.sender.uid), "user"

    async def mark_conversation_as_read(self, conversation: Conversation) -> str:
        """Mark a whole conversation as read. Needs no WebSocket.

        Args:
            conversation: the conversation, for example from `conversations()`.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: as for `mark_conversation_as_delivered`.
        """
        return await self._mark_conversation(conversation, "read")

    async def mark_conversation_as_delivered(self, conversation: Conversation) -> str:
        """Mark a whole conversation as delivered. Needs no WebSocket.

        Args:
            conversation: the conversation, for example from `conversations()`.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND` when there is no such user or group;
                `ERR_NOT_A_MEMBER` when the logged-in user is not a member; `RECEIPTS_TEMPORARILY_BLOCKED` while the
                server is overloaded; or another code of the server.
        """
        return await self._mark_conversation(conversation, "delivered")

    async def _mark_conversation(self, conversation: Conversation, action: str) -> str:
        other = conversation.conversation_with
        name = other.guid if isinstance(other, Group) else other.uid
        path = conversation_path(name, conversation.conversation_type)
        me = self._parts.sessions.uid
        answer = text_of(await self._parts.requests.ask("POST", f"{path}/{action}", body={}))
        self._parts.own.notify(ConversationOutdated(conversation.conversation_type, stored_id(name)), me)
        return answer

    async def get_message_receipts(self, message_id: int) -> list[MessageReceipt]:
        """Return who has received and read a message of the logged-in user.

        There is one receipt per user, with the times of the delivery and of reading.

        Args:
            message_id: the id of a message of the logged-in user.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; or another code of the server.
        """
        return await self._parts.requests.fetch(receipts_from_wire, "GET", f"/messages/{checked_id(message_id)}")

    def get_last_delivered_message_id(self) -> int:
        """Return the id up to which this app has received all messages sent since its login; 0 if it is unknown.

        With an acknowledged event stream, it has acknowledged them, too. This sends no request. The value may be 0.2
        seconds old.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN` when no user is logged in.
        """
        position = self._parts.sessions.require().position
        return position.last_id if position is not None else 0

    # Unread counts.

    async def get_unread_message_count(self, hide_messages_from_blocked_users: bool = False) -> dict[str, Counts]:
        """Return the unread counts of all conversations.

        Args:
            hide_messages_from_blocked_users: whether to leave out messages of users whom the logged-in user blocked.

        Returns:
            `{"user": {uid: count}, "group": {guid: count}}`, without conversations that have no unread messages.

        Raises:
            CometChatException: `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read, or another code of the server.
        """
        return await self._fetch_counts(hide_messages_from_blocked_users)

    async def get_unread_message_count_for_user(
        self, uid: str, hide_messages_from_blocked_users: bool = False
    ) -> Counts:
        """Return the number of unread messages from a user, as a dict with one entry: `{uid: count}`.

        Args:
            uid: the uid of the user.
            hide_messages_from_blocked_users: whether to leave out messages of users whom the logged-in user blocked.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` when there is no such user; `ERR_BAD_ERROR_RESPONSE` when the counts
                cannot be read; or another code of the server.
        """
        counts = await self._fetch_counts(hide_messages_from_blocked_users, f"/users/{quoted(uid)}/messages")
        return {uid: counts["user"].get(stored_id(uid), 0)}

    async def get_unread_message_count_for_group(self, guid: str) -> Counts:
        """Return the number of unread messages of a group, as a dict with one entry: `{guid: count}`.

        Args:
            guid: the guid of the group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member; `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read; or another code of the
                server.
        """
        counts = await self._fetch_counts(False, f"/groups/{quoted(guid)}/messages")
        return {guid: counts["group"].get(stored_id(guid), 0)}

    async def get_unread_message_count_for_all_users(self) -> Counts:
        """Return the unread counts of conversations with users, by uid. Users without unread messages are left out.

        Raises:
            CometChatException: `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read, or another code of the server.
        """
        return (await self._fetch_counts(False, kind="user"))["user"]

    async def get_unread_message_count_for_all_groups(self) -> Counts:
        """Return the unread counts of groups, by guid. Groups without unread messages are left out.

        Raises:
            CometChatException: `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read, or another code of the server.
        """
        return (await self._fetch_counts(False, kind="group"))["group"]

    async def _fetch_counts(self, hide: bool, path: str = "/messages", kind: str = "") -> dict[str, Counts]:
        query: dict[str, Any] = {"unread": 1, "count": 1}
        if hide:
            query["hideMessagesFromBlockedUsers"] = 1
        if kind:
            query["receiverType"] = kind
        listed = await self._parts.requests.ask("GET", path, query=query)
        counts: dict[str, Counts] = {"user": {}, "group": {}}
        try:
            for entry in listed:
                counts[entry["entityType"]][str(entry["entityId"])] = int(entry["count"])
        except (TypeError, KeyError, ValueError) as e:
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's counts cannot be read.") from e
        return counts
