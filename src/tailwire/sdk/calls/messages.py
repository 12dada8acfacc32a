"""Send, read, edit and delete messages; typing indicators and transient messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from tailwire.sdk.calls.checks import checked_id, checked_limit, checked_receiver
from tailwire.sdk.calls.entries import Entries
from tailwire.sdk.calls.outcome import OnProgress
from tailwire.sdk.calls.pages import readable
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.calls.uploads import UploadCalls
from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.dispatch.history import id_of
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.listeners.events import DraftChanged
from tailwire.wire.codec import message_from_wire
from tailwire.wire.constants import ReceiverType, ReceiverTypeName
from tailwire.wire.encoding import message_to_wire
from tailwire.wire.entities import (
    Action,
    BaseMessage,
    CustomMessage,
    InteractiveMessage,
    MediaMessage,
    TextMessage,
    TransientMessage,
)
from tailwire.wire.frames import FrameType, envelope

M = TypeVar("M", bound=BaseMessage)


class _History:
    """The pages of a conversation, from a message on. After a failed request, the next call repeats it."""

    def __init__(self, requests: UserRequests, query: dict[str, Any], uid: str, guid: str, cursor: int) -> None:
        self._requests = requests
        self._query = query
        self._uid, self._guid = uid, guid
        self._newer = query["affix"] == "append"
        self._cursor = cursor
        self._ended = False

    async def fetch_next(self) -> list[BaseMessage]:
        """Return the next messages in the order of the iteration; an empty list at the end."""
        if self._uid and self._guid:
            raise failure("ERR_INVALID_ARGUMENT", "Give uid or guid, not both.")
        checked_limit(self._query["per_page"])
        page: list[BaseMessage] = []
        while not page and not self._ended:
            query = {**self._query, "id": self._cursor} if self._cursor else self._query
            listed = await self._requests.list_messages(query, uid=self._uid, guid=self._guid)
            page = readable(message_from_wire, listed, "a message")
            previous, self._cursor = self._cursor, id_of(listed[-1 if self._newer else 0]) if listed else 0
            self._ended = not self._cursor or self._cursor == previous
        return page if self._newer else page[::-1]


class MessageCalls:
    """The calls that send, read, edit and delete messages, and send typing indicators."""

    def __init__(self, parts: Parts, uploads: UploadCalls) -> None:
        self._parts = parts
        self._uploads = uploads

    async def send_message(self, message: TextMessage) -> TextMessage:
        """Send a text to a user or a group.

        The messages of one conversation are stored in the order of their calls. A call that fails may be repeated with
        the same `muid`: the server stores the message once.

        ```python
        sent = await chat.send_message(TextMessage(receiver="bob", receiver_type="user", text="hello"))
        ```

        Args:
            message: with `receiver`, `receiver_type` and `text`. A `muid` is set if it has none. The server limits
                the size of its content in JSON (setting `max_data`, by default 10 KiB).

        Returns:
            The message as the server stored it, with its id.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN`; `ERR_INVALID_RECEIVER_TYPE` unless the receiver type is `user` or
                `group`; `ERR_INVALID_ARGUMENT` when the message is of another class, or its receiver is not text;
                `ERR_EMPTY_MESSAGE_TEXT`; `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND` when there is no such receiver,
                `ERR_NOT_A_MEMBER` when the logged-in user is not a member of the group;
                `ERR_BLOCKED_RECEIVER` when the logged-in user has blocked the receiver, `ERR_BLOCKED_SENDER` when the
                receiver has blocked them; `ERR_INVALID_MESSAGE_DATA` when the message is too large;
                `NO_INTERNET_CONNECTION` when the server was not reached in several attempts; or another code of the
                server.
        """
        return await self._send(message, TextMessage)

    async def send_media_message(self, message: MediaMessage, *, on_progress: OnProgress = None) -> MediaMessage:
        """Send an image, video, audio or file, by URL (`attachments`) or from this device (`files`, uploaded first).

        Args:
            message: with `receiver`, `receiver_type`, and `attachments` or `files`. Once uploaded, its `files` are
                replaced by `attachments`, so that sending it again does not upload them again. The server limits the
                size of a file (setting `max_file`, by default 100 MiB) and the number of files (`max_files`, by
                default 10).
            on_progress: a plain function, called in the event loop with the name of a file, the bytes sent so far, and
                its size in bytes. What it raises is logged.

        Returns:
            The message as the server stored it, with its id.

        Raises:
            CometChatException: as for `send_message` and `upload_attachments`: `ERR_FILE_SIZE_EXCEEDED`,
                `ERR_FILE_COUNT_EXCEEDED` when a file is too large, or there are too many; `ERR_INVALID_FILE_OBJECT`
                when a file cannot be read; `USER_NOT_LOGGED_IN` also when another user logs in before the message is
                sent: then it is not sent.
        """
        uid = self._parts.sessions.require().uid
        if message.files:
            uploaded = await self._uploads._upload_all(
                uid, message.receiver, message.receiver_type, message.files, on_progress
            )
            message.attachments = [*message.attachments, *uploaded]
            message.files = []
        return await self._send(message, MediaMessage, uid)

    async def send_custom_message(self, message: CustomMessage) -> CustomMessage:
        """Send a message with data that the app defines.

        Args:
            message: with `receiver`, `receiver_type`, `type` and `custom_data`.

        Returns:
            The message as the server stored it, with its id.

        Raises:
            CometChatException: as for `send_message`.
        """
        return await self._send(message, CustomMessage)

    async def send_interactive_message(self, message: InteractiveMessage) -> InteractiveMessage:
        """Send a form, a card or another interactive message.

        Args:
            message: with `receiver`, `receiver_type`, `type` (such as `form` or `card`) and `interactive_data`.

        Returns:
            The message as the server stored it, with its id.

        Raises:
            CometChatException: as for `send_message`.
        """
        return await self._send(message, InteractiveMessage)

    async def _send(self, message: M, kind: type[M], uid: str = "") -> M:
        uid = uid or self._parts.sessions.require().uid
        if not isinstance(message, kind):
            raise failure("ERR_INVALID_ARGUMENT", f"Give a {kind.__name__}, not {type(message).__name__}.")
        checked_receiver(message.receiver, message.receiver_type)
        if not message.muid:
            message.muid = self._parts.world.unique()
        stored = await self._parts.sender.send(message_to_wire(message), uid)
        if not isinstance(stored, kind):
            raise failure("ERR_BAD_ERROR_RESPONSE", f"The server answered with a {type(stored).__name__}.")
        return stored

    async def edit_message(self, message: M) -> M:
        """Change a text or custom message.

        The sender may change a message; in a group, its moderators, admins and owner may change any.

        Args:
            message: with the `id` of the message to change, and its whole new content, which replaces the old one. Its
                tags are replaced unless they are empty.

        Returns:
            The changed message, with `edited_at` and `edited_by`.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the message has no id; `ERR_MESSAGE_ID_NOT_FOUND` when
                there is no such message; `ERR_MESSAGE_NOT_A_SENDER` when the logged-in user may not change it;
                `ERR_BLOCKED_RECEIVER` and `ERR_BLOCKED_SENDER` as for `send_message`; or another code of the server.
        """
        wire = message_to_wire(message)
        body = {"data": wire["data"], **({"tags": message.tags} if message.tags else {})}
        changed = await self._change("PUT", message.id, body)
        if not isinstance(changed, type(message)):
            raise failure("ERR_BAD_ERROR_RESPONSE", f"The server answered with a {type(changed).__name__}.")
        return changed

    async def delete_message(self, message_id: int) -> BaseMessage:
        """Delete a message.

        The sender may delete a message; in a group, its moderators, admins and owner may delete any.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message without its content, with `deleted_at` and `deleted_by`.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERR_MESSAGE_NOT_A_SENDER` when the logged-in
                user may not delete it; or another code of the server.
        """
        return await self._change("DELETE", message_id)

    async def _change(self, method: str, message_id: int, body: dict[str, Any] | None = None) -> BaseMessage:
        me = self._parts.sessions.uid
        action = await self._parts.requests.fetch(
            message_from_wire, method, f"/messages/{checked_id(message_id)}", body=body
        )
        self._parts.own.record_stored(action, me)
        if isinstance(action, Action) and isinstance(action.action_on, BaseMessage):
            return action.action_on
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer names no message.")

    async def get_message(self, message_id: int) -> BaseMessage:
        """Return a message by its id.

        Args:
            message_id: the id of a stored message.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message, or the logged-in user may not read it; or
                another code of the server.
        """
        return await self._parts.requests.fetch(message_from_wire, "GET", f"/messages/{checked_id(message_id)}")

    def messages(
        self,
        *,
        uid: str = "",
        guid: str = "",
        before: int = 0,
        after: int = 0,
        page_size: int = 30,
        actions: bool = True,
    ) -> AsyncIterator[BaseMessage]:
        """Iterate over the messages of a conversation. Pages are requested as they are needed.

        ```python
        async for message in chat.messages(uid="bob"):
            print(message.id)
        ```

        Args:
            uid: the uid of the other user of the conversation.
            guid: the guid of the conversation's group. Without uid and guid, the messages of all conversations of the
                logged-in user.
            before: the id of a message; yields the messages before it, newest first. 0 begins with the newest message.
            after: the id of a message; yields the messages after it, oldest first, and ignores `before`. 0 uses
                `before`.
            page_size: messages per page, 1 to 100.
            actions: whether to include the messages about edits, deletions and membership (`Action`).

        Raises:
            CometChatException: by the iterator, `ERR_INVALID_ARGUMENT` with both uid and guid;
                `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED` when `page_size` is out of range;
                `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND` when there is no such user or group, `ERR_NOT_A_MEMBER` when
                the logged-in user is not a member; or another code of the server. The iterator can be used further: its
                next step repeats the request.
        """
        query: dict[str, Any] = {"per_page": page_size, "affix": "append" if after > 0 else "prepend"}
        if not actions:
            query["categories"] = "message,custom,interactive,call"
        cursor = after if after > 0 else before
        return Entries(_History(self._parts.requests, query, uid, guid, cursor).fetch_next)

    # Typing and transient messages go over the socket.

    async def start_typing(
        self,
        receiver: str,
        receiver_type: ReceiverTypeName = ReceiverType.USER,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Show a user or group that the logged-in user is typing. Does nothing while there is no connection.

        Receivers hide the indicator 15 seconds after the last call: repeat the call about every 10 seconds while the
        user types.

        Args:
            receiver: the uid or guid of the receiver.
            receiver_type: `user` or `group`.
            metadata: any JSON object, passed on to receivers.

        Raises:
            CometChatException: `ERR_INVALID_RECEIVER_TYPE` for another receiver type; `ERR_INVALID_ARGUMENT` when the
                receiver is not text; `USER_NOT_LOGGED_IN`.
        """
        self._send_typing("started", receiver, receiver_type, metadata)

    async def end_typing(
        self,
        receiver: str,
        receiver_type: ReceiverTypeName = ReceiverType.USER,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Show a user or group that the logged-in user stopped typing. Does nothing while there is no connection.

        Args:
            receiver: the uid or guid of the receiver.
            receiver_type: `user` or `group`.
            metadata: any JSON object, passed on to receivers.

        Raises:
            CometChatException: `ERR_INVALID_RECEIVER_TYPE` for another receiver type; `ERR_INVALID_ARGUMENT` when the
                receiver is not text; `USER_NOT_LOGGED_IN`.
        """
        self._send_typing("ended", receiver, receiver_type, metadata)

    def _send_typing(
        self, action: str, receiver: str, receiver_type: ReceiverTypeName, metadata: Mapping[str, Any] | None
    ) -> None:
        checked_receiver(receiver, receiver_type)
        user = self._parts.sessions.require().user
        body = {"action": action, "user": dict(user), "metadata": dict(metadata or {})}
        try:
            self._send_frame(FrameType.TYPING, receiver, receiver_type, body)
        except CometChatException as e:
            if e.code != "NO_WEBSOCKET_CONNECTION":
                raise

    async def send_transient_message(self, message: TransientMessage) -> None:
        """Send a message that is not stored: only receivers who are connected now get it.

        Args:
            message: with `receiver_id`, `receiver_type` and `data`.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` while no socket is open; `ERR_INVALID_RECEIVER_TYPE` unless
                the receiver type is `user` or `group`; `ERR_INVALID_ARGUMENT` when the receiver is not text;
                `USER_NOT_LOGGED_IN`.
        """
        checked_receiver(message.receiver_id, message.receiver_type)
        body = {"user": dict(self._parts.sessions.require().user), "data": message.data}
        self._send_frame(FrameType.TRANSIENT, message.receiver_id, message.receiver_type, body)

    async def stop_draft(self, draft: DraftChanged) -> None:
        """Ask the writer of a draft to stop. The text so far usually arrives as a message.

        Args:
            draft: the `DraftChanged` from `on_draft_changed` or `events()`.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` while no socket is open; `USER_NOT_LOGGED_IN`;
                `ERR_INVALID_ARGUMENT` when `draft` is not a `DraftChanged`.
        """
        if not isinstance(draft, DraftChanged):
            raise failure("ERR_INVALID_ARGUMENT", f"Give a DraftChanged, not {type(draft).__name__}.")
        in_group = draft.receiver_type == ReceiverType.GROUP
        to = draft.receiver_id if in_group else draft.sender.uid
        await self.send_transient_message(TransientMessage(to, draft.receiver_type, {"stop": draft.id}))

    def _send_frame(self, kind: FrameType, to: str, receiver_type: str, body: dict[str, Any]) -> None:
        identity, uid = self._parts.identity, self._parts.sessions.require().uid
        frame = envelope(identity.app_id, kind, uid, identity.resource, to, receiver_type, body)
        self._parts.send_frame(json.dumps(frame))
