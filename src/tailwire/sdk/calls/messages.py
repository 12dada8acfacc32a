"""Send, read, edit and delete messages; typing and transient messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from tailwire.sdk.calls.access import (
    Access,
    OnError,
    OnProgress,
    OnSuccess,
    checked_id,
    checked_limit,
    checked_receiver,
    decoded,
    quoted,
    settle,
)
from tailwire.sdk.calls.pages import message_page, readable
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.dispatch.history import id_of
from tailwire.sdk.exceptions import CometChatException, failure, not_reached
from tailwire.sdk.listeners.events import DraftChanged
from tailwire.wire.codec import BadWire, message_from_wire
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


def _stored(answer: Any, muid: str) -> BaseMessage:
    # What names no message, or another one, is an answer of something in between: the send is in doubt.
    try:
        message = message_from_wire(answer)
        if message.id > 0 and message.muid in ("", muid):
            return message
        reason = f"it names the message {message.id} with the muid {message.muid!r}"
    except BadWire as e:
        reason = str(e)
    details = f"The answer to a send is not that of a chat server ({reason}). Check what stands before the server."
    raise not_reached(Cause.NOT_OUR_SERVER, details)


class MessageCalls(Access):
    """The part of a client that deals with messages."""

    async def send_message(
        self, message: TextMessage, *, on_success: OnSuccess[TextMessage] = None, on_error: OnError = None
    ) -> TextMessage:
        """Send a text to a user or a group.

        Args:
            message: with `receiver`, `receiver_type` and `text`; gets a `muid` when it has none.

        Returns:
            The message as it was stored, with its id.

        Raises:
            CometChatException: as the server refused it; `NO_INTERNET_CONNECTION` when it was not reached after
                several tries. Sent again with the same `muid`, it is stored once.
        """
        return await settle(self._send(message, TextMessage), on_success, on_error)

    async def send_media_message(
        self,
        message: MediaMessage,
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[MediaMessage] = None,
        on_error: OnError = None,
    ) -> MediaMessage:
        """Send an image, video, audio or file: by URL (`attachments`), or uploaded (`files`).

        Args:
            on_progress: called with the file's name, and how many of how many bytes have been sent.

        Result and errors as `send_message`; and `ERR_FILE_SIZE_EXCEEDED`, `ERR_FILE_COUNT_EXCEEDED`,
        `ERR_INVALID_FILE_OBJECT`.
        """

        async def send() -> MediaMessage:
            if message.files:
                uploaded = await self._upload(message.receiver, message.receiver_type, message.files, on_progress)
                message.attachments = [*message.attachments, *uploaded]
                message.files = []
            return await self._send(message, MediaMessage)

        return await settle(send(), on_success, on_error)

    async def send_custom_message(
        self, message: CustomMessage, *, on_success: OnSuccess[CustomMessage] = None, on_error: OnError = None
    ) -> CustomMessage:
        """Send data of the app's own. Arguments, result and errors as `send_message`."""
        return await settle(self._send(message, CustomMessage), on_success, on_error)

    async def send_interactive_message(
        self, message: InteractiveMessage, *, on_success: OnSuccess[InteractiveMessage] = None, on_error: OnError = None
    ) -> InteractiveMessage:
        """Send a form, card or the like. Arguments, result and errors as `send_message`."""
        return await settle(self._send(message, InteractiveMessage), on_success, on_error)

    async def _send(self, message: M, kind: type[M]) -> M:
        self._logged_in()
        if not isinstance(message, kind):
            raise failure("ERR_INVALID_ARGUMENT", f"Give a {kind.__name__}, not {type(message).__name__}.")
        checked_receiver(message.receiver, message.receiver_type)
        if not message.muid:
            message.muid = self._world.unique()
        stored = await self._send_body(message_to_wire(message))
        if not isinstance(stored, kind):
            raise failure("ERR_BAD_ERROR_RESPONSE", f"The server answered with a {type(stored).__name__}.")
        return stored

    async def _send_body(self, body: Mapping[str, Any]) -> BaseMessage:
        # In its conversation's order, and again under the same muid when the answer was lost (K3).
        within, of = self._reached().patience(), self._logged_in().uid

        async def attempt() -> BaseMessage:
            return _stored(await self._ask("POST", "/messages", body=body, within=within, of=of), str(body["muid"]))

        conversation = f"{body['receiverType']}:{body['receiver']}"
        stored: BaseMessage = await self._sending.send(conversation, attempt, within)
        self._message_sent(stored)
        return stored

    async def edit_message(self, message: M, *, on_success: OnSuccess[M] = None, on_error: OnError = None) -> M:
        """Change a text or custom message.

        Args:
            message: with the `id` of the message to change, and its new content.

        Returns:
            The message as it reads now, with `edited_at` and `edited_by`.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID`, or as the server refused it.
        """

        async def edit() -> M:
            wire = message_to_wire(message)
            body = {"data": wire["data"], **({"tags": message.tags} if message.tags else {})}
            changed = self._changed(await self._ask("PUT", f"/messages/{checked_id(message.id)}", body=body))
            if not isinstance(changed, type(message)):
                raise failure("ERR_BAD_ERROR_RESPONSE", f"The server answered with a {type(changed).__name__}.")
            return changed

        return await settle(edit(), on_success, on_error)

    async def delete_message(
        self, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """Delete a message.

        Returns:
            What is left of it, with `deleted_at` and `deleted_by`.

        Raises:
            CometChatException: as the server refused it.
        """

        async def delete() -> BaseMessage:
            return self._changed(await self._ask("DELETE", f"/messages/{checked_id(message_id)}"))

        return await settle(delete(), on_success, on_error)

    def _changed(self, answer: Any) -> BaseMessage:
        action = decoded(message_from_wire, answer)
        self._message_sent(action)
        if isinstance(action, Action) and isinstance(action.action_on, BaseMessage):
            return action.action_on
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer names no message.")

    async def get_message(
        self, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """One message by its id."""

        async def get() -> BaseMessage:
            return decoded(message_from_wire, await self._ask("GET", f"/messages/{checked_id(message_id)}"))

        return await settle(get(), on_success, on_error)

    async def _list_messages(
        self, query: Mapping[str, Any], *, uid: str = "", guid: str = "", thread: int = 0, once: bool = False
    ) -> list[Any]:
        path = "/messages"
        if thread:
            path = f"/messages/{thread}/thread"
        elif uid:
            path = f"/users/{quoted(uid)}/messages"
        elif guid:
            path = f"/groups/{quoted(guid)}/messages"
        return await message_page(lambda asked: self._ask_for_list(path, asked, once=once), query)

    async def messages(
        self, *, uid: str = "", guid: str = "", before: int = 0, after: int = 0, limit: int = 30, actions: bool = True
    ) -> AsyncIterator[BaseMessage]:
        """The messages of a conversation, page by page as they are taken.

        Args:
            uid: the conversation with a user; or
            guid: of a group; neither: all of the user's.
            before: newest first, from before this id; the newest by default.
            after: oldest first, from after this id.
            limit: messages a page, 1 to 100.
            actions: with the messages that tell of edits, deletions and members (`Action`); False leaves them out.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT`, `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`, or as the
                server refused it.
        """
        if uid and guid:
            raise failure("ERR_INVALID_ARGUMENT", "Give uid or guid, not both.")
        checked_limit(limit)
        newer = after > 0
        cursor = after if newer else before
        while True:
            query: dict[str, Any] = {"per_page": limit, "affix": "append" if newer else "prepend"}
            if cursor:
                query["id"] = cursor
            if not actions:
                query["categories"] = "message,custom,interactive,call"
            listed = await self._list_messages(query, uid=uid, guid=guid)
            page = readable(message_from_wire, listed, "a message")
            for message in page if newer else reversed(page):
                yield message
            before_it, cursor = cursor, id_of(listed[-1] if newer else listed[0]) if listed else 0
            if not cursor or cursor == before_it:
                return

    # Typing and transient messages go over the socket.

    async def start_typing(
        self,
        receiver: str,
        receiver_type: ReceiverTypeName = ReceiverType.USER,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell a user or group that the user types. Without a connection nothing is sent, and nothing raised.

        With the others it ends after 15 seconds without another call: call it about every ten while the user types.

        Raises:
            CometChatException: `ERR_INVALID_RECEIVER_TYPE`, `USER_NOT_LOGGED_IN`.
        """
        self._typing("started", receiver, receiver_type, metadata)

    async def end_typing(
        self,
        receiver: str,
        receiver_type: ReceiverTypeName = ReceiverType.USER,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell a user or group that the user has stopped typing."""
        self._typing("ended", receiver, receiver_type, metadata)

    def _typing(
        self, action: str, receiver: str, receiver_type: ReceiverTypeName, metadata: Mapping[str, Any] | None
    ) -> None:
        checked_receiver(receiver, receiver_type)
        user = self._logged_in().user
        body = {"action": action, "user": dict(user), "metadata": dict(metadata or {})}
        frame = envelope(
            self._identity.app_id,
            FrameType.TYPING,
            self._logged_in().uid,
            self._identity.resource,
            receiver,
            receiver_type,
            body,
        )
        try:
            self._send_frame(json.dumps(frame))
        except CometChatException as e:
            if e.code != "NO_WEBSOCKET_CONNECTION":
                raise

    async def send_transient_message(self, message: TransientMessage) -> None:
        """Send a message that is not kept: who does not listen now never hears of it.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION`, `ERR_INVALID_RECEIVER_TYPE`.
        """
        checked_receiver(message.receiver_id, message.receiver_type)
        session = self._logged_in()
        body = {"user": dict(session.user), "data": message.data}
        frame = envelope(
            self._identity.app_id, FrameType.TRANSIENT, session.uid, self._identity.resource, message.receiver_id,
            message.receiver_type, body,
        )  # fmt: skip
        self._send_frame(json.dumps(frame))

    async def stop_draft(self, draft: DraftChanged) -> None:
        """Ask the writer of a draft to stop. What they wrote until then usually comes as a message.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION`; `ERR_INVALID_ARGUMENT` for what is no draft.
        """
        if not isinstance(draft, DraftChanged):
            raise failure("ERR_INVALID_ARGUMENT", f"Give a DraftChanged, not {type(draft).__name__}.")
        in_group = draft.receiver_type == ReceiverType.GROUP
        to = draft.receiver_id if in_group else draft.sender.uid
        await self.send_transient_message(TransientMessage(to, draft.receiver_type, {"stop": draft.id}))
