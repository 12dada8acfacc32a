"""Made by `make reference` from the groups of calls: the methods of `ChatClient`. Change those, not this file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, overload

from tailwire.sdk.all_calls import CallingClient
from tailwire.sdk.calls.list_requests import BlockDirection
from tailwire.sdk.calls.messages import M
from tailwire.sdk.calls.outcome import OnProgress
from tailwire.sdk.calls.receipts import Counts
from tailwire.sdk.calls.uploads import UploadFile
from tailwire.sdk.connection.state import AppState, Network
from tailwire.sdk.listeners.events import DraftChanged
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UserListener,
)
from tailwire.sdk.listeners.registry import AcknowledgedStream, EventStream
from tailwire.sdk.live.calling import MAX_CONVERSATIONS, MAX_MESSAGES
from tailwire.sdk.live.conversations import LiveConversations
from tailwire.sdk.live.messages import LiveMessages
from tailwire.sdk.outbox import OutboxEntry
from tailwire.wire.constants import GroupType, MemberScope, ReceiverType, ReceiverTypeName
from tailwire.wire.entities import (
    Attachment,
    BaseMessage,
    Conversation,
    CustomMessage,
    FlagDetail,
    FlagReason,
    Group,
    GroupMember,
    InteractiveMessage,
    MediaMessage,
    MessageReceipt,
    Reaction,
    TextMessage,
    TransientMessage,
    User,
)
from tailwire.wire.notifications import MutedConversation, NotificationPreferences, PushPlatforms, UnmutedConversation


class ClientMethods(CallingClient):
    """The methods of `ChatClient` that forward to groups of calls."""

    def add_connection_listener(self, listener_id: str, listener: ConnectionListener) -> None:
        """Add a listener for the status of the connection. After `init()`, it is notified of the current status.

        Args:
            listener_id: replaces the connection listener with the same id.
            listener: a subclass of `ConnectionListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._usable_listeners.add_connection_listener(listener_id, listener)

    def remove_connection_listener(self, listener_id: str) -> None:
        """Remove a connection listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._listeners.remove_connection_listener(listener_id)

    def add_login_listener(self, listener_id: str, listener: LoginListener) -> None:
        """Add a listener for logins and logouts.

        Args:
            listener_id: replaces the login listener with the same id.
            listener: a subclass of `LoginListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._usable_listeners.add_login_listener(listener_id, listener)

    def remove_login_listener(self, listener_id: str) -> None:
        """Remove a login listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._listeners.remove_login_listener(listener_id)

    def add_user_listener(self, listener_id: str, listener: UserListener) -> None:
        """Add a listener for the presence of those users to whom `AppSettings.presence` subscribes.

        Args:
            listener_id: replaces the user listener with the same id.
            listener: a subclass of `UserListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._usable_listeners.add_user_listener(listener_id, listener)

    def remove_user_listener(self, listener_id: str) -> None:
        """Remove a user listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._listeners.remove_user_listener(listener_id)

    def add_group_listener(self, listener_id: str, listener: GroupListener) -> None:
        """Add a listener for changes of membership in the logged-in user's groups.

        Args:
            listener_id: replaces the group listener with the same id.
            listener: a subclass of `GroupListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._usable_listeners.add_group_listener(listener_id, listener)

    def remove_group_listener(self, listener_id: str) -> None:
        """Remove a group listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._listeners.remove_group_listener(listener_id)

    def add_message_listener(self, listener_id: str, listener: MessageListener) -> None:
        """Add a listener for messages, their changes (edits, reactions, pins, receipts), typing indicators and drafts.

        Args:
            listener_id: replaces the message listener with the same id.
            listener: a subclass of `MessageListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._usable_listeners.add_message_listener(listener_id, listener)

    def remove_message_listener(self, listener_id: str) -> None:
        """Remove a message listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._listeners.remove_message_listener(listener_id)

    @overload
    def events(self) -> EventStream: ...
    @overload
    def events(self, *, acknowledge: Literal[True]) -> AcknowledgedStream: ...
    @overload
    def events(self, *, acknowledge: bool) -> EventStream: ...
    def events(self, *, acknowledge: bool = False) -> EventStream:
        """Return a new stream of all events from now on, for `async for`. `EventStream` says how it is buffered.

        ```python
        async for event in chat.events():
            if isinstance(event, MessageReceived):
                print(event.message)
        ```

        Args:
            acknowledge: whether the app acknowledges each event, by passing it to `AcknowledgedStream.done`. A message
                that was not acknowledged before the process ended then arrives again after the next start. Open such a
                stream before `init()`, so that it misses nothing.
        """
        return self._usable_listeners.events(acknowledge=acknowledge)

    async def connect(self) -> str:
        """Open the connection, and wait until it is open or the first attempt has failed.

        Returns:
            "Web socket connection successful".

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN`; `ERR_AUTH_TOKEN_EXPIRED` when the server has rejected the auth
                token: log in again; `ERR_APP_IN_BACKGROUND` when auto mode keeps the connection closed in the
                background; `WS_CONNECTION_FAIL` when the attempt fails (the SDK keeps trying, unless the server
                refused this client), or the connection is no longer wanted, for example after `disconnect()`.
        """
        return await self._calls.connection.connect()

    async def disconnect(self) -> str:
        """Close the connection. It stays closed until `connect()`.

        In auto mode, it is also opened by a login, and when the app returns to the foreground.

        Returns:
            "Web socket disconnection successful".

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN` when no user is logged in.
        """
        return await self._calls.connection.disconnect()

    async def ping(self) -> str:
        """Report to the server that the app is active, and wait for its answer.

        In manual mode, while the app is in the background, this also keeps the socket open for 30 seconds from now.

        Returns:
            "ping successful", when the server has answered.

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN`; `NO_WEBSOCKET_CONNECTION` when no socket is open, or it is lost
                before the answer; `PING_NOT_ANSWERED` when the connection is open, but listeners of the app were busy,
                so that the answer was not read in time.
        """
        return await self._calls.connection.ping()

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Wait until the status is `connected` or `featureThrottled`: until a socket is open and authenticated.

        Args:
            timeout: seconds; None sets no limit.

        Raises:
            TimeoutError: the timeout has passed; its text is that of `connection.explain()`.
            CometChatException: `ERR_CLIENT_CLOSED` when the client is closed meanwhile.
        """
        await self._calls.connection.wait_connected(timeout)

    async def wait_disconnected(self, timeout: float | None = None) -> None:
        """Wait until no socket is open, and the closing handshake of the last one is over.

        Use it before code that needs a closed connection, such as putting the device to sleep. It does not close
        anything itself: call `disconnect()`, `logout()` or `set_app_state("background")` first.

        Args:
            timeout: seconds; None sets no limit.

        Raises:
            TimeoutError: the timeout has passed; its text is that of `connection.explain()`.
        """
        await self._calls.connection.wait_disconnected(timeout)

    def set_app_state(self, state: AppState | Literal["foreground", "background"], *, reason: str = "app") -> None:
        """Report whether the app is in the foreground or in the background.

        Several sources may report independently, each with its own reason: a hidden window, a device going to sleep.
        The client is in the background while at least one of them reports it.

        ```python
        chat.set_app_state("background", reason="window hidden")
        chat.set_app_state("foreground", reason="window hidden")
        ```

        Args:
            state: `foreground` or `background`.
            reason: the name of the source, 1 to 100 printable characters; `connection.explain()` shows it. An app with
                one source can omit it.

        Raises:
            ValueError: the state is unknown, or the reason is empty, too long or not printable.
            TypeError: the reason is not a string.
            RuntimeError: 100 reasons keep the app in the background already. End one with
                `set_app_state("foreground", reason=…)`.
        """
        self._calls.connection.set_app_state(state, reason=reason)

    def set_network(self, network: Network | Literal["online", "offline", "unknown"]) -> None:
        """Report the state of the network as the platform sees it: `online`, `offline` or `unknown`.

        The report is a hint: the client tries to connect even while the platform reports `offline`, but rarely.

        Args:
            network: after `offline` the client rarely tries to connect; `online` makes it try at once; `unknown` counts
                as online.

        Raises:
            ValueError: for another state.
        """
        self._calls.connection.set_network(network)

    async def login(self, uid: str, *, auth_key: str) -> User:
        """Log a user in with the app's auth key. For development: the key must not be part of an app that you ship.

        If the user is logged in on this device already, their saved session continues: it keeps its token, unless the
        server rejects it, and messages that were missed arrive as events. The session of another user ends on this
        device.

        ```python
        await chat.login("alice", auth_key="…")
        await chat.wait_connected(10)
        ```

        Args:
            uid: the uid of the user, who must exist already.
            auth_key: the app's auth key.

        Returns:
            The user. The connection opens independently: see `wait_connected`.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` before `init()`; `LOGIN_IN_PROGRESS` while another
                login runs; `ERR_INVALID_ARGUMENT` when the uid or the key is not text, or the key contains a line break
                or another character that no key has; `ERR_UID_NOT_FOUND` when the user does not exist;
                `AUTH_ERR_APIKEY_NOT_FOUND` when the auth key is wrong, `AUTH_ERR_INVALID_APPID` when the app id is
                wrong; `ERR_BAD_ERROR_RESPONSE` when the response cannot be read; `SESSION_NOT_READ` when the user's
                queued messages cannot be read from this device: then nothing is changed; `NO_INTERNET_CONNECTION` when
                the server is not reached, except when the user is logged in already; or another code of the server.
        """
        return await self._calls.logins.login(uid, auth_key=auth_key)

    async def login_with_auth_token(self, auth_token: str) -> User:
        """Log a user in with an auth token that your backend made. For production.

        If the user is logged in on this device already, their saved session continues, with this token, and messages
        that were missed arrive as events. The session of another user ends on this device.

        Args:
            auth_token: the user's auth token, made with the server's REST API.

        Returns:
            The user. The connection opens independently: see `wait_connected`.

        Raises:
            CometChatException: as for `login`; `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the server does not know the token.
        """
        return await self._calls.logins.login_with_auth_token(auth_token)

    async def logout(self) -> str:
        """End the session on this device: close the connection, and delete the saved session and queued messages.

        The session also ends here if the server cannot be reached; its token then stays valid on the server until it
        is revoked there.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN` when no user is logged in.
        """
        return await self._calls.logins.logout()

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
        return await self._calls.messages.send_message(message)

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
        return await self._calls.messages.send_media_message(message, on_progress=on_progress)

    async def send_custom_message(self, message: CustomMessage) -> CustomMessage:
        """Send a message with data that the app defines.

        Args:
            message: with `receiver`, `receiver_type`, `type` and `custom_data`.

        Returns:
            The message as the server stored it, with its id.

        Raises:
            CometChatException: as for `send_message`.
        """
        return await self._calls.messages.send_custom_message(message)

    async def send_interactive_message(self, message: InteractiveMessage) -> InteractiveMessage:
        """Send a form, a card or another interactive message.

        Args:
            message: with `receiver`, `receiver_type`, `type` (such as `form` or `card`) and `interactive_data`.

        Returns:
            The message as the server stored it, with its id.

        Raises:
            CometChatException: as for `send_message`.
        """
        return await self._calls.messages.send_interactive_message(message)

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
        return await self._calls.messages.edit_message(message)

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
        return await self._calls.messages.delete_message(message_id)

    async def get_message(self, message_id: int) -> BaseMessage:
        """Return a message by its id.

        Args:
            message_id: the id of a stored message.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message, or the logged-in user may not read it; or
                another code of the server.
        """
        return await self._calls.messages.get_message(message_id)

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
        return self._calls.messages.messages(
            uid=uid, guid=guid, before=before, after=after, page_size=page_size, actions=actions
        )

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
        await self._calls.messages.start_typing(receiver, receiver_type, metadata)

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
        await self._calls.messages.end_typing(receiver, receiver_type, metadata)

    async def send_transient_message(self, message: TransientMessage) -> None:
        """Send a message that is not stored: only receivers who are connected now get it.

        Args:
            message: with `receiver_id`, `receiver_type` and `data`.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` while no socket is open; `ERR_INVALID_RECEIVER_TYPE` unless
                the receiver type is `user` or `group`; `ERR_INVALID_ARGUMENT` when the receiver is not text;
                `USER_NOT_LOGGED_IN`.
        """
        await self._calls.messages.send_transient_message(message)

    async def stop_draft(self, draft: DraftChanged) -> None:
        """Ask the writer of a draft to stop. The text so far usually arrives as a message.

        Args:
            draft: the `DraftChanged` from `on_draft_changed` or `events()`.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` while no socket is open; `USER_NOT_LOGGED_IN`;
                `ERR_INVALID_ARGUMENT` when `draft` is not a `DraftChanged`.
        """
        await self._calls.messages.stop_draft(draft)

    async def upload_attachments(
        self,
        receiver_id: str,
        receiver_type: ReceiverTypeName,
        files: Sequence[UploadFile | str | os.PathLike[str]],
        *,
        on_progress: OnProgress = None,
    ) -> list[Attachment]:
        """Upload files for a message to a user or group. `send_media_message` does so for its `files`.

        Args:
            receiver_id: the uid or guid of the receiver.
            receiver_type: `user` or `group`.
            files: paths, or `UploadFile`s. They are uploaded one after the other; the first error ends the call.
            on_progress: a plain function, called in the event loop with the name of a file, the bytes sent so far, and
                its size in bytes. What it raises is logged. In a web page it is called once per file, at the end: the
                browser does not report progress.

        Returns:
            One attachment per file, in the same order, to be sent with a `MediaMessage`.

        Raises:
            CometChatException: `ERR_INVALID_RECEIVER_TYPE` unless the receiver type is `user` or `group`;
                `ERR_INVALID_ARGUMENT` when the receiver is not text; `ERR_INVALID_FILE_OBJECT` when a file cannot be
                read or changes meanwhile, or `files` is a single file; `ERR_FILE_SIZE_EXCEEDED`,
                `ERR_FILE_COUNT_EXCEEDED` when a file is too large, or there are too many; `ERR_BAD_ERROR_RESPONSE` when
                the response cannot be read;
                `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND`, `ERR_NOT_A_MEMBER`, `ERR_BLOCKED_RECEIVER`,
                `ERR_BLOCKED_SENDER` as for `send_message`; `NO_INTERNET_CONNECTION` when the server was not reached in
                several attempts; `USER_NOT_LOGGED_IN` also when another user logs in meanwhile; or another code of the
                server.
        """
        return await self._calls.uploads.upload_attachments(receiver_id, receiver_type, files, on_progress=on_progress)

    def queue_message(self, message: BaseMessage) -> OutboxEntry:
        """Queue a message, to be sent as soon as the server can be reached: now, later, or after a restart of the app.

        The message is saved on the device before this returns. Queued messages are sent in the order in which they were
        queued; the server stores each of them once. `send_message` does not wait for queued messages.

        ```python
        entry = chat.queue_message(TextMessage(receiver="bob", receiver_type="user", text="hello"))
        sent = await entry.result()
        ```

        Args:
            message: a text, custom or interactive message, or media by URL.

        Returns:
            The entry: its status, the error when it failed, `cancel()`, `retry()`, and `result()` to wait for it.
            The message listener's `on_queued_message_changed` is called with it when it is queued and when it changes.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN`; `OUTBOX_NOT_ENABLED` without
                `AppSettingsBuilder.keep_unsent_messages()`; `OUTBOX_FULL` when the maximum number of messages is
                pending; `OUTBOX_NOT_SAVED` when the device cannot store it; `ERR_INVALID_ARGUMENT` when it has files
                that are not uploaded.
        """
        return self._calls.outbox.queue_message(message)

    def queued_messages(self) -> list[OutboxEntry]:
        """Return the entries of messages that are pending or have failed, in the order of the queue.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED` without `AppSettingsBuilder.keep_unsent_messages()`.
        """
        return self._calls.outbox.queued_messages()

    async def add_reaction(self, message_id: int, reaction: str) -> BaseMessage:
        """React to a message.

        Args:
            message_id: the id of a stored message.
            reaction: an emoji, or a word of at most 100 characters.

        Returns:
            The message, with its `reactions`.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERR_BLOCKED_RECEIVER` when the logged-in
                user has blocked the other user, `ERR_BLOCKED_SENDER` when the other user has blocked them; or another
                code of the server.
        """
        return await self._calls.reactions.add_reaction(message_id, reaction)

    async def remove_reaction(self, message_id: int, reaction: str) -> BaseMessage:
        """Remove the logged-in user's reaction from a message.

        Args:
            message_id: the id of a stored message.
            reaction: the reaction as it was added.

        Returns:
            The message, with its `reactions`.

        Raises:
            CometChatException: as for `add_reaction`.
        """
        return await self._calls.reactions.remove_reaction(message_id, reaction)

    async def pin_message(self, message_id: int) -> BaseMessage:
        """Pin a message in its conversation. In a group, its moderators, admins and owner may do so.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message, with `pinned_at` and `pinned_by`.

        Raises:
            CometChatException: `ERR_PERMISSION_DENIED` when the logged-in user may not pin there;
                `ERR_PINNED_MESSAGES_LIMIT_EXCEEDED` when too many are pinned (`details["limit"]`);
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERROR_INVALID_MESSAGE_ID` when the id is not
                a positive number; `ERR_BLOCKED_RECEIVER` when the logged-in user has blocked the other user,
                `ERR_BLOCKED_SENDER` when the other user has blocked them.
        """
        return await self._calls.reactions.pin_message(message_id)

    async def unpin_message(self, message_id: int) -> BaseMessage:
        """Remove the pin of a message.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message.

        Raises:
            CometChatException: as for `pin_message`, except `ERR_PINNED_MESSAGES_LIMIT_EXCEEDED`.
        """
        return await self._calls.reactions.unpin_message(message_id)

    async def save_message(self, message_id: int) -> BaseMessage:
        """Save a message for the logged-in user. Nobody else sees it.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message, with `saved_at`.

        Raises:
            CometChatException: `ERR_SAVED_MESSAGES_LIMIT_EXCEEDED` when too many are saved (`details["limit"]`);
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERR_MESSAGE_ACTION_NOT_ALLOWED` when it is
                an action message or deleted; `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number.
        """
        return await self._calls.reactions.save_message(message_id)

    async def unsave_message(self, message_id: int) -> BaseMessage:
        """Remove a message from the logged-in user's saved messages.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message, without its content if the user may no longer read it.

        Raises:
            CometChatException: as for `save_message`, except `ERR_SAVED_MESSAGES_LIMIT_EXCEEDED`.
        """
        return await self._calls.reactions.unsave_message(message_id)

    async def subscribe_to_thread(self, message_id: int) -> str:
        """Follow the thread of a message. Users who reply in a thread follow it automatically.

        Args:
            message_id: the id of the parent message of the thread.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message.
        """
        return await self._calls.reactions.subscribe_to_thread(message_id)

    async def unsubscribe_from_thread(self, message_id: int) -> str:
        """Stop following the thread of a message.

        Args:
            message_id: the id of the parent message of the thread.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message.
        """
        return await self._calls.reactions.unsubscribe_from_thread(message_id)

    async def get_flag_reasons(self) -> list[FlagReason]:
        """Return the reasons for which a message can be reported.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._calls.reactions.get_flag_reasons()

    async def flag_message(self, message_id: int, detail: FlagDetail) -> str:
        """Report a message to the app's moderators.

        Args:
            message_id: the id of a stored message.
            detail: the id of a reason from `get_flag_reasons`, and optionally a remark.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `INVALID_REASON_ID` when there is no such reason; `ERROR_INVALID_MESSAGE_ID` when the
                message id is not a positive number; `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; or
                another code of the server.
        """
        return await self._calls.reactions.flag_message(message_id, detail)

    async def mark_as_interacted(self, message_id: int, elements: Sequence[str]) -> str:
        """Report that the logged-in user used elements of an interactive message.

        Only the first report of an element counts.

        Args:
            message_id: the id of an interactive message.
            elements: the ids of the elements.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERR_INVALID_MESSAGE_CATEGORY` when it is not
                interactive; or another code of the server.
        """
        return await self._calls.reactions.mark_as_interacted(message_id, elements)

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
        return await self._calls.receipts.mark_as_delivered(message)

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
        return await self._calls.receipts.mark_as_read(message)

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
        return await self._calls.receipts.mark_message_as_unread(message)

    async def mark_conversation_as_read(self, conversation: Conversation) -> str:
        """Mark a whole conversation as read. Needs no WebSocket.

        Args:
            conversation: the conversation, for example from `conversations()`.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: as for `mark_conversation_as_delivered`.
        """
        return await self._calls.receipts.mark_conversation_as_read(conversation)

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
        return await self._calls.receipts.mark_conversation_as_delivered(conversation)

    async def get_message_receipts(self, message_id: int) -> list[MessageReceipt]:
        """Return who has received and read a message of the logged-in user.

        There is one receipt per user, with the times of the delivery and of reading.

        Args:
            message_id: the id of a message of the logged-in user.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; or another code of the server.
        """
        return await self._calls.receipts.get_message_receipts(message_id)

    def get_last_delivered_message_id(self) -> int:
        """Return the id up to which this app has received all messages sent since its login; 0 if it is unknown.

        With an acknowledged event stream, it has acknowledged them, too. This sends no request. The value may be 0.2
        seconds old.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN` when no user is logged in.
        """
        return self._calls.receipts.get_last_delivered_message_id()

    async def get_unread_message_count(self, hide_messages_from_blocked_users: bool = False) -> dict[str, Counts]:
        """Return the unread counts of all conversations.

        Args:
            hide_messages_from_blocked_users: whether to leave out messages of users whom the logged-in user blocked.

        Returns:
            `{"user": {uid: count}, "group": {guid: count}}`, without conversations that have no unread messages.

        Raises:
            CometChatException: `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read, or another code of the server.
        """
        return await self._calls.receipts.get_unread_message_count(hide_messages_from_blocked_users)

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
        return await self._calls.receipts.get_unread_message_count_for_user(uid, hide_messages_from_blocked_users)

    async def get_unread_message_count_for_group(self, guid: str) -> Counts:
        """Return the number of unread messages of a group, as a dict with one entry: `{guid: count}`.

        Args:
            guid: the guid of the group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member; `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read; or another code of the
                server.
        """
        return await self._calls.receipts.get_unread_message_count_for_group(guid)

    async def get_unread_message_count_for_all_users(self) -> Counts:
        """Return the unread counts of conversations with users, by uid. Users without unread messages are left out.

        Raises:
            CometChatException: `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read, or another code of the server.
        """
        return await self._calls.receipts.get_unread_message_count_for_all_users()

    async def get_unread_message_count_for_all_groups(self) -> Counts:
        """Return the unread counts of groups, by guid. Groups without unread messages are left out.

        Raises:
            CometChatException: `ERR_BAD_ERROR_RESPONSE` when the counts cannot be read, or another code of the server.
        """
        return await self._calls.receipts.get_unread_message_count_for_all_groups()

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
        return await self._calls.conversations.get_conversation(conversation_with, conversation_type)

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
        return await self._calls.conversations.tag_conversation(conversation_with, conversation_type, tags)

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
        return await self._calls.conversations.delete_conversation(conversation_with, conversation_type)

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
        return await self._calls.conversations.pin_conversation(conversation_with, conversation_type)

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
        return await self._calls.conversations.unpin_conversation(conversation_with, conversation_type)

    def get_conversation_from_message(self, message: BaseMessage) -> Conversation:
        """Return the conversation that a message belongs to, without its unread count and tags. Sends no request.

        Args:
            message: a received or stored message.

        Raises:
            CometChatException: `CONVERSATION_NOT_FOUND` when the message does not contain the other user or the group;
                `USER_NOT_LOGGED_IN`.
        """
        return self._calls.conversations.get_conversation_from_message(message)

    async def get_user(self, uid: str) -> User:
        """Return a user, with their status.

        Args:
            uid: the uid of the user.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` when there is no such user; or another code of the server.
        """
        return await self._calls.users.get_user(uid)

    async def create_user(self, user: User, auth_key: str) -> User:
        """Create a user. For development: in production your backend does so. Needs no login.

        Args:
            user: with `uid` and `name`.
            auth_key: the app's auth key.

        Returns:
            The user as the server stored them.

        Raises:
            CometChatException: `AUTH_ERR_APIKEY_NOT_FOUND` when the key is wrong; `ERR_UID_ALREADY_EXISTS` when another
                user has the uid; or another code of the server.
        """
        return await self._calls.users.create_user(user, auth_key)

    async def update_user(self, user: User, auth_key: str) -> User:
        """Change a user with a REST API key, which must not be part of an app that you ship. Needs no login.

        Args:
            user: with `uid` and the new values. Fields that are None, and empty `name`, `metadata` or `tags`, stay as
                they are, and so does the role if it is `default`.
            auth_key: a REST API key, in spite of the name: an auth key may not change users.

        Returns:
            The changed user.

        Raises:
            CometChatException: `AUTH_ERR_APIKEY_NOT_FOUND` when the key is wrong, `AUTH_ERR_NO_ACCESS` when it is an
                auth key; `ERR_UID_NOT_FOUND` when there is no such user; or another code of the server.
        """
        return await self._calls.users.update_user(user, auth_key)

    async def update_current_user_details(self, user: User) -> User:
        """Change the logged-in user: name, avatar, link, status message, metadata and tags.

        Args:
            user: the new values. Fields that are None, and empty `name`, `metadata` or `tags`, stay as they are. The
                uid and the role are ignored.

        Returns:
            The changed user.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN`, or another code of the server.
        """
        return await self._calls.users.update_current_user_details(user)

    async def get_online_user_count(self) -> int:
        """Return the number of users who are online.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` before the first connection, or another code of the server.
        """
        return await self._calls.users.get_online_user_count()

    async def block_users(self, uids: Sequence[str]) -> dict[str, str]:
        """Block users: the logged-in user and each of them can no longer send messages to each other.

        Args:
            uids: the uids of the users.

        Returns:
            A dict from each uid to `success`, or to `fail`, for example when there is no such user.

        Raises:
            CometChatException: `EMPTY_USERS_LIST` without a uid; `ERR_BAD_ERROR_RESPONSE` when the response cannot be
                read; or another code of the server.
        """
        return await self._calls.users.block_users(uids)

    async def unblock_users(self, uids: Sequence[str]) -> dict[str, str]:
        """Unblock users.

        Args:
            uids: the uids of the users.

        Returns:
            A dict from each uid to `success`, or to `fail`, for example when there is no such user.

        Raises:
            CometChatException: `EMPTY_USERS_LIST` without a uid; `ERR_BAD_ERROR_RESPONSE` when the response cannot be
                read; or another code of the server.
        """
        return await self._calls.users.unblock_users(uids)

    async def create_group(self, group: Group) -> Group:
        """Create a group. The logged-in user becomes its owner and first admin.

        Args:
            group: with `guid`, `name` and `type` (`public`, `password` or `private`); with `password` if the type is
                `password`.

        Returns:
            The group as the server stored it.

        Raises:
            CometChatException: `ERR_GUID_ALREADY_EXISTS` when another group has the guid; or another code of the
                server.
        """
        return await self._calls.groups.create_group(group)

    async def get_group(self, guid: str) -> Group:
        """Return a group.

        Args:
            guid: the guid of the group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; or another code of the server.
        """
        return await self._calls.groups.get_group(guid)

    async def join_group(self, guid: str, group_type: str = GroupType.PUBLIC, password: str = "") -> Group:
        """Join a public group, or one with a password.

        Args:
            guid: the guid of the group.
            group_type: `public` or `password`. It is not sent: with `password`, a call without a password fails before
                any request; any other value has no effect.
            password: the password of the group; "" for a public group.

        Returns:
            The group, with `has_joined` set.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_EMPTY_GROUP_PASS` when it needs a
                password and none was given, `ERR_WRONG_GROUP_PASS` when the password is wrong; `ERR_ALREADY_JOINED`
                when the logged-in user is a member already; `ERR_BAD_ERROR_RESPONSE` when the response names no group;
                or another code of the server.
        """
        return await self._calls.groups.join_group(guid, group_type, password)

    async def leave_group(self, guid: str) -> str:
        """Leave a group.

        Args:
            guid: the guid of the group.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member; `ERR_OWNER_EXIT_FORBIDDEN` when they own it: transfer it first; or another code
                of the server.
        """
        return await self._calls.groups.leave_group(guid)

    async def create_group_with_members(
        self, group: Group, members: Sequence[GroupMember], banned: Sequence[str] = ()
    ) -> tuple[Group, dict[str, str]]:
        """Create a group with members.

        Args:
            group: as for `create_group`.
            members: with `uid` and `scope`; at most 25 including `banned`.
            banned: the uids of users who may not join.

        Returns:
            The group; and a dict with an entry for each user who could not be added or banned: from their uid to the
            text of the error.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE` when a member's scope is not `admin`, `moderator` or
                `participant`; and as for `create_group`.
        """
        return await self._calls.groups.create_group_with_members(group, members, banned)

    async def update_group(self, group: Group) -> Group:
        """Change the name, icon, description, metadata and tags of a group. Its guid, type and password stay.

        Args:
            group: with `guid` and the new values. An empty `name`, an `icon` or `description` that is None, and empty
                `metadata` or `tags` stay as they are.

        Returns:
            The changed group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are only a participant; or another code
                of the server.
        """
        return await self._calls.groups.update_group(group)

    async def delete_group(self, guid: str) -> str:
        """Delete a group with all its messages. Its owner and admins may do so.

        Args:
            guid: the guid of the group.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member, `ERR_GROUP_NO_ADMIN_SCOPE` when they are neither admin nor owner; or another code
                of the server.
        """
        return await self._calls.groups.delete_group(guid)

    async def transfer_group_ownership(self, guid: str, uid: str) -> str:
        """Make a member the owner of a group. Only its owner may do so; they stay in the group as a member.

        Args:
            guid: the guid of the group.
            uid: the uid of the member who becomes its owner.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when one of the two
                is not a member; or another code of the server.
        """
        return await self._calls.groups.transfer_group_ownership(guid, uid)

    async def add_members_to_group(
        self, guid: str, members: Sequence[GroupMember], banned: Sequence[str] = ()
    ) -> dict[str, str]:
        """Add members to a group.

        Args:
            guid: the guid of the group.
            members: with `uid` and `scope`; at most 25 including `banned`.
            banned: the uids of users to ban from the group.

        Returns:
            A dict from the uid of each user to `success`, or to the text of the error.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE` unless each scope is `admin`, `moderator` or `participant`; for
                the whole request `ERR_GUID_NOT_FOUND` when there is no such group, `ERR_NOT_A_MEMBER` when the
                logged-in user is not a member, or another code of the server.
        """
        return await self._calls.members.add_members_to_group(guid, members, banned)

    async def kick_group_member(self, guid: str, uid: str) -> str:
        """Remove a member from a group. They may join again.

        Participants can be removed by moderators, admins and the owner; moderators by admins and the owner; admins
        only by the owner.

        Args:
            guid: the guid of the group.
            uid: the uid of the member.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when one of the two
                is not a member; `ERR_GROUP_NO_MODERATOR_SCOPE` when the logged-in user is only a participant,
                `ERR_GROUP_NO_SCOPE_CLEARANCE` when the member's scope is too high for them; or another code of the
                server.
        """
        return await self._calls.members.kick_group_member(guid, uid)

    async def ban_group_member(self, guid: str, uid: str) -> str:
        """Ban a user from a group: a member is removed, and nobody who is banned can join until they are unbanned.

        Participants, and users who are not members, can be banned by moderators, admins and the owner; moderators by
        admins and the owner; admins only by the owner.

        Args:
            guid: the guid of the group.
            uid: the uid of the user.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`, `ERR_UID_NOT_FOUND` when there is no such group or user;
                `ERR_NOT_A_MEMBER` when the logged-in user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are
                only a participant, `ERR_GROUP_NO_SCOPE_CLEARANCE` when the other's scope is too high for them;
                `ERR_ALREADY_BANNED` when the user is banned; or another code of the server.
        """
        return await self._calls.members.ban_group_member(guid, uid)

    async def unban_group_member(self, guid: str, uid: str) -> str:
        """Lift the ban of a user. This does not make them a member. Moderators, admins and the owner may do so.

        Args:
            guid: the guid of the group.
            uid: the uid of the banned user.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are only a participant;
                `ERR_NOT_A_BANNED_USER` when the user is not banned; or another code of the server.
        """
        return await self._calls.members.unban_group_member(guid, uid)

    async def update_group_member_scope(
        self, guid: str, uid: str, scope: MemberScope | Literal["admin", "moderator", "participant"]
    ) -> str:
        """Change the scope of a member.

        Moderators, admins and the owner may change participants; admins and the owner may change moderators; only the
        owner may change admins. Moderators may not make a member an admin.

        Args:
            guid: the guid of the group.
            uid: the uid of the member.
            scope: the new scope: `admin`, `moderator` or `participant`.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE` for another scope; `ERR_SAME_SCOPE` when the member has it;
                `ERR_GROUP_NO_SCOPE_CLEARANCE` when the member's scope or the new one is too high for the logged-in
                user; and as for `kick_group_member`.
        """
        return await self._calls.members.update_group_member_scope(guid, uid, scope)

    async def get_online_group_member_count(self, guids: Sequence[str]) -> dict[str, int]:
        """Return a dict from the guid of each group to the number of its members who are online.

        Args:
            guids: the guids of groups that have the logged-in user as a member.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` before the first connection; `ERR_GUID_NOT_FOUND` when a
                group does not exist; `ERR_NOT_A_MEMBER` when the logged-in user is not a member of one; or another
                code of the server.
        """
        return await self._calls.members.get_online_group_member_count(guids)

    def conversations(
        self, *, conversation_type: ReceiverTypeName | Literal[""] = "", unread: bool = False, page_size: int = 30
    ) -> AsyncIterator[Conversation]:
        """Iterate over conversations: pinned ones first, then the newest.

        `ConversationsRequestBuilder` has more filters.

        ```python
        async for conversation in chat.conversations(unread=True):
            print(conversation.conversation_id, conversation.unread_message_count)
        ```

        Args:
            conversation_type: `user` for conversations with users only, `group` for those of groups only; "" for both.
            unread: whether to leave out conversations without unread messages.
            page_size: conversations per page, 1 to 50.

        Raises:
            CometChatException: by the call, `INVALID_CONVERSATION_TYPE` for another type, and
                `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED` when `page_size` is out of range; by the iterator, a
                code of the server. The iterator can be used further: its next step repeats the request.
        """
        return self._calls.listings.conversations(
            conversation_type=conversation_type, unread=unread, page_size=page_size
        )

    def users(self, *, search: str = "", friends_only: bool = False, page_size: int = 30) -> AsyncIterator[User]:
        """Iterate over the users of the app. `UsersRequestBuilder` has more filters.

        Args:
            search: only users whose name or uid begins with this text; "" for all.
            friends_only: whether to leave out users who are not friends of the logged-in user.
            page_size: users per page, 1 to 100.

        Raises:
            CometChatException: by the call, `ERROR_NON_POSITIVE_LIMIT` and `ERROR_LIMIT_EXCEEDED` when `page_size` is
                out of range; by the iterator, a code of the server. The iterator can be used further: its next step
                repeats the request.
        """
        return self._calls.listings.users(search=search, friends_only=friends_only, page_size=page_size)

    def blocked_users(self, *, direction: BlockDirection = "both", page_size: int = 30) -> AsyncIterator[User]:
        """Iterate over the users with a block between them and the logged-in user.

        Args:
            direction: `blockedByMe`, `hasBlockedMe` or `both`.
            page_size: users per page, 1 to 100.

        Raises:
            CometChatException: by the call, `INVALID_DIRECTION_VALUE` for another direction; and as for `users`.
        """
        return self._calls.listings.blocked_users(direction=direction, page_size=page_size)

    def groups(self, *, search: str = "", joined_only: bool = False, page_size: int = 30) -> AsyncIterator[Group]:
        """Iterate over groups: public ones, those with a password, and private ones that the user has joined.

        Args:
            search: only groups whose name or guid begins with this text; "" for all.
            joined_only: whether to leave out groups that the logged-in user has not joined.
            page_size: groups per page, 1 to 100.

        Raises:
            CometChatException: as for `users`.
        """
        return self._calls.listings.groups(search=search, joined_only=joined_only, page_size=page_size)

    def group_members(
        self, guid: str, *, search: str = "", scopes: Sequence[str] = (), page_size: int = 30
    ) -> AsyncIterator[GroupMember]:
        """Iterate over the members of a group.

        Args:
            guid: the guid of the group.
            search: only members whose name or uid begins with this text; "" for all.
            scopes: only members with one of these scopes: `admin`, `moderator`, `participant`; all if empty.
            page_size: members per page, 1 to 100.

        Raises:
            CometChatException: by the iterator, `ERR_GUID_NOT_FOUND` when there is no such group, `ERR_NOT_A_MEMBER`
                when the logged-in user is not a member; and as for `users`.
        """
        return self._calls.listings.group_members(guid, search=search, scopes=scopes, page_size=page_size)

    def banned_group_members(self, guid: str, *, search: str = "", page_size: int = 30) -> AsyncIterator[GroupMember]:
        """Iterate over the users who are banned from a group. Only its owner, admins and moderators may do so.

        Args:
            guid: the guid of the group.
            search: only users whose name or uid begins with this text; "" for all.
            page_size: users per page, 1 to 100.

        Raises:
            CometChatException: by the iterator, `ERR_GUID_NOT_FOUND` when there is no such group, `ERR_NOT_A_MEMBER`
                when the logged-in user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are only a
                participant; and as for `users`.
        """
        return self._calls.listings.banned_group_members(guid, search=search, page_size=page_size)

    def reactions(self, message_id: int, *, reaction: str = "", page_size: int = 30) -> AsyncIterator[Reaction]:
        """Iterate over the reactions to a message, oldest first.

        Args:
            message_id: the id of the message.
            reaction: only reactions with this emoji or word; "" for all.
            page_size: reactions per page, 1 to 100.

        Raises:
            CometChatException: by the call, `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number; by the
                iterator, `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; and as for `users`.
        """
        return self._calls.listings.reactions(message_id, reaction=reaction, page_size=page_size)

    async def register_push_token(
        self, platform: PushPlatforms | str, token: str | Mapping[str, Any], *, provider_id: str | None = None
    ) -> str:
        """Register this device for push notifications. Call it after each login, and when the token changes.

        The registration belongs to this login: it ends with `logout()`, and when the auth token is revoked. A token
        that another user of the device had registered belongs to this user from now on.

        Args:
            platform: the service through which the device receives notifications.
            token: the token from FCM or APNs; for `web_push` the browser's subscription, as JSON text or as an object.
            provider_id: the app's name for the push provider. The server only stores and shows it; None for none.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `INVALID_PUSH_PLATFORM` when the platform is not one of `PushPlatforms`;
                `INVALID_FCM_TOKEN`, `INVALID_APNS_DEVICE_TOKEN`, `INVALID_APNS_VOIP_TOKEN`,
                `INVALID_WEB_PUSH_SUBSCRIPTION` when the token is not one of the platform; `ERR_PROVIDER_NOT_FOUND`
                when the server is not set up for the platform.
        """
        return await self._calls.notifications.register_push_token(platform, token, provider_id=provider_id)

    async def unregister_push_token(self) -> str:
        """End the push notifications to this device. `logout()` does so as well.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._calls.notifications.unregister_push_token()

    async def get_web_push_key(self) -> str:
        """Return the server's public key for Web Push, which a web page passes as `applicationServerKey` to subscribe.

        Raises:
            CometChatException: `ERR_PROVIDER_NOT_FOUND` when the server is not set up for Web Push;
                `ERR_BAD_ERROR_RESPONSE` when the response contains no key.
        """
        return await self._calls.notifications.get_web_push_key()

    async def fetch_notification_preferences(self) -> NotificationPreferences:
        """Return what the logged-in user wants to be notified of.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._calls.notifications.fetch_notification_preferences()

    async def update_notification_preferences(self, preferences: NotificationPreferences) -> NotificationPreferences:
        """Change what the logged-in user wants to be notified of.

        Args:
            preferences: the new values; fields that are None stay as they are.

        Returns:
            All preferences, after the change.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when a preference is not valid; or another code that any call may
                raise.
        """
        return await self._calls.notifications.update_notification_preferences(preferences)

    async def reset_notification_preferences(self) -> NotificationPreferences:
        """Reset all preferences of the logged-in user to their defaults.

        Returns:
            The defaults.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._calls.notifications.reset_notification_preferences()

    async def get_muted_conversations(self) -> list[MutedConversation]:
        """Return the conversations that the logged-in user has muted.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._calls.notifications.get_muted_conversations()

    async def mute_conversations(self, conversations: Sequence[MutedConversation]) -> str:
        """Mute conversations, each until the time that it names.

        Args:
            conversations: at most 100, each with the time until which it is muted, in milliseconds since 1970.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when there are none or too many, or a type or time is invalid;
                `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND` when there is no such user or group, `ERR_NOT_A_MEMBER` when
                the logged-in user is not a member.
        """
        return await self._calls.notifications.mute_conversations(conversations)

    async def unmute_conversations(self, conversations: Sequence[UnmutedConversation | MutedConversation]) -> str:
        """Unmute conversations before the time until which they are muted.

        Args:
            conversations: at most 100.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when there are none or too many, or a type is invalid.
        """
        return await self._calls.notifications.unmute_conversations(conversations)

    async def get_timezone(self) -> str:
        """Return the logged-in user's time zone; "" if it is unknown.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._calls.notifications.get_timezone()

    async def update_timezone(self, timezone: str) -> str:
        """Store the logged-in user's time zone. The times in their notification schedule are times of this zone.

        Args:
            timezone: a name such as `Europe/Berlin`.

        Returns:
            The time zone that the server stored.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when the time zone is unknown.
        """
        return await self._calls.notifications.update_timezone(timezone)

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
        return await self._calls.live.live_conversations(
            conversation_type=conversation_type, page_size=page_size, most=most
        )

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
        return await self._calls.live.live_messages(
            uid=uid, guid=guid, parent_message_id=parent_message_id, replies=replies, page_size=page_size, most=most
        )
