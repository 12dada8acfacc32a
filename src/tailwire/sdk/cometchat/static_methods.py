"""Made by `make reference` from `ChatClient`: the static methods of `CometChat`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

from tailwire.sdk.calls.messages import M
from tailwire.sdk.calls.outcome import OnError, OnProgress, OnSuccess, with_callbacks
from tailwire.sdk.calls.receipts import Counts
from tailwire.sdk.calls.uploads import UploadFile
from tailwire.sdk.cometchat.current_client import CurrentClient
from tailwire.sdk.connection.state import AppState, ConnectionStatus, Network
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UserListener,
)
from tailwire.sdk.listeners.registry import AcknowledgedStream, EventStream
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
    TextMessage,
    TransientMessage,
    User,
)


class StaticMethods(CurrentClient):
    """The methods of `CometChat` that call the current client."""

    @classmethod
    def add_connection_listener(cls, listener_id: str, listener: ConnectionListener) -> None:
        """Add a listener for the status of the connection. After `init()`, it is notified of the current status.

        See `ChatClient.add_connection_listener`.
        """
        cls.require_client().add_connection_listener(listener_id, listener)

    @classmethod
    def remove_connection_listener(cls, listener_id: str) -> None:
        """Remove a connection listener. An unknown id is ignored.

        See `ChatClient.remove_connection_listener`.
        """
        cls.require_client().remove_connection_listener(listener_id)

    @classmethod
    def add_login_listener(cls, listener_id: str, listener: LoginListener) -> None:
        """Add a listener for logins and logouts.

        See `ChatClient.add_login_listener`.
        """
        cls.require_client().add_login_listener(listener_id, listener)

    @classmethod
    def remove_login_listener(cls, listener_id: str) -> None:
        """Remove a login listener. An unknown id is ignored.

        See `ChatClient.remove_login_listener`.
        """
        cls.require_client().remove_login_listener(listener_id)

    @classmethod
    def add_user_listener(cls, listener_id: str, listener: UserListener) -> None:
        """Add a listener for the presence of those users to whom `AppSettings.presence` subscribes.

        See `ChatClient.add_user_listener`.
        """
        cls.require_client().add_user_listener(listener_id, listener)

    @classmethod
    def remove_user_listener(cls, listener_id: str) -> None:
        """Remove a user listener. An unknown id is ignored.

        See `ChatClient.remove_user_listener`.
        """
        cls.require_client().remove_user_listener(listener_id)

    @classmethod
    def add_group_listener(cls, listener_id: str, listener: GroupListener) -> None:
        """Add a listener for changes of membership in the logged-in user's groups.

        See `ChatClient.add_group_listener`.
        """
        cls.require_client().add_group_listener(listener_id, listener)

    @classmethod
    def remove_group_listener(cls, listener_id: str) -> None:
        """Remove a group listener. An unknown id is ignored.

        See `ChatClient.remove_group_listener`.
        """
        cls.require_client().remove_group_listener(listener_id)

    @classmethod
    def add_message_listener(cls, listener_id: str, listener: MessageListener) -> None:
        """Add a listener for messages, their changes (edits, reactions, pins, receipts), typing indicators and drafts.

        See `ChatClient.add_message_listener`.
        """
        cls.require_client().add_message_listener(listener_id, listener)

    @classmethod
    def remove_message_listener(cls, listener_id: str) -> None:
        """Remove a message listener. An unknown id is ignored.

        See `ChatClient.remove_message_listener`.
        """
        cls.require_client().remove_message_listener(listener_id)

    @overload
    @classmethod
    def events(cls) -> EventStream: ...
    @overload
    @classmethod
    def events(cls, *, acknowledge: Literal[True]) -> AcknowledgedStream: ...
    @overload
    @classmethod
    def events(cls, *, acknowledge: bool) -> EventStream: ...
    @classmethod
    def events(cls, *, acknowledge: bool = False) -> EventStream:
        """Return a new stream of all events from now on, for `async for`. `EventStream` says how it is buffered.

        See `ChatClient.events`.
        """
        return cls.require_client().events(acknowledge=acknowledge)

    @overload
    @classmethod
    async def connect(cls, *, on_success: OnSuccess[str] = None, on_error: None = None) -> str: ...
    @overload
    @classmethod
    async def connect(cls, *, on_success: OnSuccess[str] = None, on_error: OnError) -> str | None: ...
    @classmethod
    async def connect(cls, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str | None:
        """Open the connection, and wait until it is open or the first attempt has failed.

        See `ChatClient.connect`.
        """
        return await with_callbacks(lambda: cls.require_client().connect(), on_success, on_error)

    @overload
    @classmethod
    async def disconnect(cls, *, on_success: OnSuccess[str] = None, on_error: None = None) -> str: ...
    @overload
    @classmethod
    async def disconnect(cls, *, on_success: OnSuccess[str] = None, on_error: OnError) -> str | None: ...
    @classmethod
    async def disconnect(cls, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str | None:
        """Close the connection. It stays closed until `connect()`.

        See `ChatClient.disconnect`.
        """
        return await with_callbacks(lambda: cls.require_client().disconnect(), on_success, on_error)

    @overload
    @classmethod
    async def ping(cls, *, on_success: OnSuccess[str] = None, on_error: None = None) -> str: ...
    @overload
    @classmethod
    async def ping(cls, *, on_success: OnSuccess[str] = None, on_error: OnError) -> str | None: ...
    @classmethod
    async def ping(cls, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str | None:
        """Report to the server that the app is active, and wait for its answer.

        See `ChatClient.ping`.
        """
        return await with_callbacks(lambda: cls.require_client().ping(), on_success, on_error)

    @classmethod
    def set_app_state(cls, state: AppState | Literal["foreground", "background"], *, reason: str = "app") -> None:
        """Report whether the app is in the foreground or in the background.

        See `ChatClient.set_app_state`.
        """
        cls.require_client().set_app_state(state, reason=reason)

    @classmethod
    def set_network(cls, network: Network | Literal["online", "offline", "unknown"]) -> None:
        """Report the state of the network as the platform sees it: `online`, `offline` or `unknown`.

        See `ChatClient.set_network`.
        """
        cls.require_client().set_network(network)

    @overload
    @classmethod
    async def login(
        cls, uid: str, *, auth_key: str, on_success: OnSuccess[User] = None, on_error: None = None
    ) -> User: ...
    @overload
    @classmethod
    async def login(
        cls, uid: str, *, auth_key: str, on_success: OnSuccess[User] = None, on_error: OnError
    ) -> User | None: ...
    @classmethod
    async def login(
        cls, uid: str, *, auth_key: str, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User | None:
        """Log a user in with the app's auth key. For development: the key must not be part of an app that you ship.

        See `ChatClient.login`.
        """
        return await with_callbacks(lambda: cls.require_client().login(uid, auth_key=auth_key), on_success, on_error)

    @overload
    @classmethod
    async def login_with_auth_token(
        cls, auth_token: str, *, on_success: OnSuccess[User] = None, on_error: None = None
    ) -> User: ...
    @overload
    @classmethod
    async def login_with_auth_token(
        cls, auth_token: str, *, on_success: OnSuccess[User] = None, on_error: OnError
    ) -> User | None: ...
    @classmethod
    async def login_with_auth_token(
        cls, auth_token: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User | None:
        """Log a user in with an auth token that your backend made. For production.

        See `ChatClient.login_with_auth_token`.
        """
        return await with_callbacks(
            lambda: cls.require_client().login_with_auth_token(auth_token), on_success, on_error
        )

    @overload
    @classmethod
    async def logout(cls, *, on_success: OnSuccess[str] = None, on_error: None = None) -> str: ...
    @overload
    @classmethod
    async def logout(cls, *, on_success: OnSuccess[str] = None, on_error: OnError) -> str | None: ...
    @classmethod
    async def logout(cls, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str | None:
        """End the session on this device: close the connection, and delete the saved session and queued messages.

        See `ChatClient.logout`.
        """
        return await with_callbacks(lambda: cls.require_client().logout(), on_success, on_error)

    @overload
    @classmethod
    async def send_message(
        cls, message: TextMessage, *, on_success: OnSuccess[TextMessage] = None, on_error: None = None
    ) -> TextMessage: ...
    @overload
    @classmethod
    async def send_message(
        cls, message: TextMessage, *, on_success: OnSuccess[TextMessage] = None, on_error: OnError
    ) -> TextMessage | None: ...
    @classmethod
    async def send_message(
        cls, message: TextMessage, *, on_success: OnSuccess[TextMessage] = None, on_error: OnError = None
    ) -> TextMessage | None:
        """Send a text to a user or a group.

        See `ChatClient.send_message`.
        """
        return await with_callbacks(lambda: cls.require_client().send_message(message), on_success, on_error)

    @overload
    @classmethod
    async def send_media_message(
        cls,
        message: MediaMessage,
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[MediaMessage] = None,
        on_error: None = None,
    ) -> MediaMessage: ...
    @overload
    @classmethod
    async def send_media_message(
        cls,
        message: MediaMessage,
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[MediaMessage] = None,
        on_error: OnError,
    ) -> MediaMessage | None: ...
    @classmethod
    async def send_media_message(
        cls,
        message: MediaMessage,
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[MediaMessage] = None,
        on_error: OnError = None,
    ) -> MediaMessage | None:
        """Send an image, video, audio or file, by URL (`attachments`) or from this device (`files`, uploaded first).

        See `ChatClient.send_media_message`.
        """
        return await with_callbacks(
            lambda: cls.require_client().send_media_message(message, on_progress=on_progress), on_success, on_error
        )

    @overload
    @classmethod
    async def send_custom_message(
        cls, message: CustomMessage, *, on_success: OnSuccess[CustomMessage] = None, on_error: None = None
    ) -> CustomMessage: ...
    @overload
    @classmethod
    async def send_custom_message(
        cls, message: CustomMessage, *, on_success: OnSuccess[CustomMessage] = None, on_error: OnError
    ) -> CustomMessage | None: ...
    @classmethod
    async def send_custom_message(
        cls, message: CustomMessage, *, on_success: OnSuccess[CustomMessage] = None, on_error: OnError = None
    ) -> CustomMessage | None:
        """Send a message with data that the app defines.

        See `ChatClient.send_custom_message`.
        """
        return await with_callbacks(lambda: cls.require_client().send_custom_message(message), on_success, on_error)

    @overload
    @classmethod
    async def send_interactive_message(
        cls, message: InteractiveMessage, *, on_success: OnSuccess[InteractiveMessage] = None, on_error: None = None
    ) -> InteractiveMessage: ...
    @overload
    @classmethod
    async def send_interactive_message(
        cls, message: InteractiveMessage, *, on_success: OnSuccess[InteractiveMessage] = None, on_error: OnError
    ) -> InteractiveMessage | None: ...
    @classmethod
    async def send_interactive_message(
        cls, message: InteractiveMessage, *, on_success: OnSuccess[InteractiveMessage] = None, on_error: OnError = None
    ) -> InteractiveMessage | None:
        """Send a form, a card or another interactive message.

        See `ChatClient.send_interactive_message`.
        """
        return await with_callbacks(
            lambda: cls.require_client().send_interactive_message(message), on_success, on_error
        )

    @overload
    @classmethod
    async def edit_message(cls, message: M, *, on_success: OnSuccess[M] = None, on_error: None = None) -> M: ...
    @overload
    @classmethod
    async def edit_message(cls, message: M, *, on_success: OnSuccess[M] = None, on_error: OnError) -> M | None: ...
    @classmethod
    async def edit_message(cls, message: M, *, on_success: OnSuccess[M] = None, on_error: OnError = None) -> M | None:
        """Change a text or custom message.

        See `ChatClient.edit_message`.
        """
        return await with_callbacks(lambda: cls.require_client().edit_message(message), on_success, on_error)

    @overload
    @classmethod
    async def delete_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def delete_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def delete_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """Delete a message.

        See `ChatClient.delete_message`.
        """
        return await with_callbacks(lambda: cls.require_client().delete_message(message_id), on_success, on_error)

    @overload
    @classmethod
    async def get_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def get_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def get_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """Return a message by its id.

        See `ChatClient.get_message`.
        """
        return await with_callbacks(lambda: cls.require_client().get_message(message_id), on_success, on_error)

    @classmethod
    async def start_typing(
        cls,
        receiver: str,
        receiver_type: ReceiverTypeName = ReceiverType.USER,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Show a user or group that the logged-in user is typing. Does nothing while there is no connection.

        See `ChatClient.start_typing`.
        """
        await cls.require_client().start_typing(receiver, receiver_type, metadata)

    @classmethod
    async def end_typing(
        cls,
        receiver: str,
        receiver_type: ReceiverTypeName = ReceiverType.USER,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Show a user or group that the logged-in user stopped typing. Does nothing while there is no connection.

        See `ChatClient.end_typing`.
        """
        await cls.require_client().end_typing(receiver, receiver_type, metadata)

    @classmethod
    async def send_transient_message(cls, message: TransientMessage) -> None:
        """Send a message that is not stored: only receivers who are connected now get it.

        See `ChatClient.send_transient_message`.
        """
        await cls.require_client().send_transient_message(message)

    @overload
    @classmethod
    async def upload_attachments(
        cls,
        receiver_id: str,
        receiver_type: ReceiverTypeName,
        files: Sequence[UploadFile | str | os.PathLike[str]],
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[list[Attachment]] = None,
        on_error: None = None,
    ) -> list[Attachment]: ...
    @overload
    @classmethod
    async def upload_attachments(
        cls,
        receiver_id: str,
        receiver_type: ReceiverTypeName,
        files: Sequence[UploadFile | str | os.PathLike[str]],
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[list[Attachment]] = None,
        on_error: OnError,
    ) -> list[Attachment] | None: ...
    @classmethod
    async def upload_attachments(
        cls,
        receiver_id: str,
        receiver_type: ReceiverTypeName,
        files: Sequence[UploadFile | str | os.PathLike[str]],
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[list[Attachment]] = None,
        on_error: OnError = None,
    ) -> list[Attachment] | None:
        """Upload files for a message to a user or group. `send_media_message` does so for its `files`.

        See `ChatClient.upload_attachments`.
        """
        return await with_callbacks(
            lambda: cls.require_client().upload_attachments(receiver_id, receiver_type, files, on_progress=on_progress),
            on_success,
            on_error,
        )

    @overload
    @classmethod
    async def add_reaction(
        cls, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def add_reaction(
        cls, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def add_reaction(
        cls, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """React to a message.

        See `ChatClient.add_reaction`.
        """
        return await with_callbacks(
            lambda: cls.require_client().add_reaction(message_id, reaction), on_success, on_error
        )

    @overload
    @classmethod
    async def remove_reaction(
        cls, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def remove_reaction(
        cls, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def remove_reaction(
        cls, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """Remove the logged-in user's reaction from a message.

        See `ChatClient.remove_reaction`.
        """
        return await with_callbacks(
            lambda: cls.require_client().remove_reaction(message_id, reaction), on_success, on_error
        )

    @overload
    @classmethod
    async def pin_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def pin_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def pin_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """Pin a message in its conversation. In a group, its moderators, admins and owner may do so.

        See `ChatClient.pin_message`.
        """
        return await with_callbacks(lambda: cls.require_client().pin_message(message_id), on_success, on_error)

    @overload
    @classmethod
    async def unpin_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def unpin_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def unpin_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """Remove the pin of a message.

        See `ChatClient.unpin_message`.
        """
        return await with_callbacks(lambda: cls.require_client().unpin_message(message_id), on_success, on_error)

    @overload
    @classmethod
    async def save_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def save_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def save_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """Save a message for the logged-in user. Nobody else sees it.

        See `ChatClient.save_message`.
        """
        return await with_callbacks(lambda: cls.require_client().save_message(message_id), on_success, on_error)

    @overload
    @classmethod
    async def unsave_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: None = None
    ) -> BaseMessage: ...
    @overload
    @classmethod
    async def unsave_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError
    ) -> BaseMessage | None: ...
    @classmethod
    async def unsave_message(
        cls, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage | None:
        """Remove a message from the logged-in user's saved messages.

        See `ChatClient.unsave_message`.
        """
        return await with_callbacks(lambda: cls.require_client().unsave_message(message_id), on_success, on_error)

    @overload
    @classmethod
    async def subscribe_to_thread(
        cls, message_id: int, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def subscribe_to_thread(
        cls, message_id: int, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def subscribe_to_thread(
        cls, message_id: int, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Follow the thread of a message. Users who reply in a thread follow it automatically.

        See `ChatClient.subscribe_to_thread`.
        """
        return await with_callbacks(lambda: cls.require_client().subscribe_to_thread(message_id), on_success, on_error)

    @overload
    @classmethod
    async def unsubscribe_from_thread(
        cls, message_id: int, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def unsubscribe_from_thread(
        cls, message_id: int, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def unsubscribe_from_thread(
        cls, message_id: int, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Stop following the thread of a message.

        See `ChatClient.unsubscribe_from_thread`.
        """
        return await with_callbacks(
            lambda: cls.require_client().unsubscribe_from_thread(message_id), on_success, on_error
        )

    @overload
    @classmethod
    async def get_flag_reasons(
        cls, *, on_success: OnSuccess[list[FlagReason]] = None, on_error: None = None
    ) -> list[FlagReason]: ...
    @overload
    @classmethod
    async def get_flag_reasons(
        cls, *, on_success: OnSuccess[list[FlagReason]] = None, on_error: OnError
    ) -> list[FlagReason] | None: ...
    @classmethod
    async def get_flag_reasons(
        cls, *, on_success: OnSuccess[list[FlagReason]] = None, on_error: OnError = None
    ) -> list[FlagReason] | None:
        """Return the reasons for which a message can be reported.

        See `ChatClient.get_flag_reasons`.
        """
        return await with_callbacks(lambda: cls.require_client().get_flag_reasons(), on_success, on_error)

    @overload
    @classmethod
    async def flag_message(
        cls, message_id: int, detail: FlagDetail, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def flag_message(
        cls, message_id: int, detail: FlagDetail, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def flag_message(
        cls, message_id: int, detail: FlagDetail, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Report a message to the app's moderators.

        See `ChatClient.flag_message`.
        """
        return await with_callbacks(lambda: cls.require_client().flag_message(message_id, detail), on_success, on_error)

    @overload
    @classmethod
    async def mark_as_interacted(
        cls, message_id: int, elements: Sequence[str], *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def mark_as_interacted(
        cls, message_id: int, elements: Sequence[str], *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def mark_as_interacted(
        cls, message_id: int, elements: Sequence[str], *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Report that the logged-in user used elements of an interactive message.

        See `ChatClient.mark_as_interacted`.
        """
        return await with_callbacks(
            lambda: cls.require_client().mark_as_interacted(message_id, elements), on_success, on_error
        )

    @overload
    @classmethod
    async def mark_as_delivered(
        cls, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def mark_as_delivered(
        cls, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def mark_as_delivered(
        cls, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Mark a conversation as delivered up to a message, by a frame on the socket. The server does not answer it.

        See `ChatClient.mark_as_delivered`.
        """
        return await with_callbacks(lambda: cls.require_client().mark_as_delivered(message), on_success, on_error)

    @overload
    @classmethod
    async def mark_as_read(
        cls, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def mark_as_read(
        cls, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def mark_as_read(
        cls, message: BaseMessage, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Mark a conversation as read up to a message, by a frame on the socket. The server does not answer it.

        See `ChatClient.mark_as_read`.
        """
        return await with_callbacks(lambda: cls.require_client().mark_as_read(message), on_success, on_error)

    @overload
    @classmethod
    async def mark_message_as_unread(
        cls, message: BaseMessage, *, on_success: OnSuccess[Conversation] = None, on_error: None = None
    ) -> Conversation: ...
    @overload
    @classmethod
    async def mark_message_as_unread(
        cls, message: BaseMessage, *, on_success: OnSuccess[Conversation] = None, on_error: OnError
    ) -> Conversation | None: ...
    @classmethod
    async def mark_message_as_unread(
        cls, message: BaseMessage, *, on_success: OnSuccess[Conversation] = None, on_error: OnError = None
    ) -> Conversation | None:
        """Mark a message and all later messages of its conversation as unread.

        See `ChatClient.mark_message_as_unread`.
        """
        return await with_callbacks(lambda: cls.require_client().mark_message_as_unread(message), on_success, on_error)

    @overload
    @classmethod
    async def mark_conversation_as_read(
        cls, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def mark_conversation_as_read(
        cls, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def mark_conversation_as_read(
        cls, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Mark a whole conversation as read. Needs no WebSocket.

        See `ChatClient.mark_conversation_as_read`.
        """
        return await with_callbacks(
            lambda: cls.require_client().mark_conversation_as_read(conversation), on_success, on_error
        )

    @overload
    @classmethod
    async def mark_conversation_as_delivered(
        cls, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def mark_conversation_as_delivered(
        cls, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def mark_conversation_as_delivered(
        cls, conversation: Conversation, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Mark a whole conversation as delivered. Needs no WebSocket.

        See `ChatClient.mark_conversation_as_delivered`.
        """
        return await with_callbacks(
            lambda: cls.require_client().mark_conversation_as_delivered(conversation), on_success, on_error
        )

    @overload
    @classmethod
    async def get_message_receipts(
        cls, message_id: int, *, on_success: OnSuccess[list[MessageReceipt]] = None, on_error: None = None
    ) -> list[MessageReceipt]: ...
    @overload
    @classmethod
    async def get_message_receipts(
        cls, message_id: int, *, on_success: OnSuccess[list[MessageReceipt]] = None, on_error: OnError
    ) -> list[MessageReceipt] | None: ...
    @classmethod
    async def get_message_receipts(
        cls, message_id: int, *, on_success: OnSuccess[list[MessageReceipt]] = None, on_error: OnError = None
    ) -> list[MessageReceipt] | None:
        """Return who has received and read a message of the logged-in user.

        See `ChatClient.get_message_receipts`.
        """
        return await with_callbacks(lambda: cls.require_client().get_message_receipts(message_id), on_success, on_error)

    @classmethod
    def get_last_delivered_message_id(cls) -> int:
        """Return the id up to which this app has received all messages sent since its login; 0 if it is unknown.

        See `ChatClient.get_last_delivered_message_id`.
        """
        return cls.require_client().get_last_delivered_message_id()

    @overload
    @classmethod
    async def get_unread_message_count(
        cls,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[dict[str, Counts]] = None,
        on_error: None = None,
    ) -> dict[str, Counts]: ...
    @overload
    @classmethod
    async def get_unread_message_count(
        cls,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[dict[str, Counts]] = None,
        on_error: OnError,
    ) -> dict[str, Counts] | None: ...
    @classmethod
    async def get_unread_message_count(
        cls,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[dict[str, Counts]] = None,
        on_error: OnError = None,
    ) -> dict[str, Counts] | None:
        """Return the unread counts of all conversations.

        See `ChatClient.get_unread_message_count`.
        """
        return await with_callbacks(
            lambda: cls.require_client().get_unread_message_count(hide_messages_from_blocked_users),
            on_success,
            on_error,
        )

    @overload
    @classmethod
    async def get_unread_message_count_for_user(
        cls,
        uid: str,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[Counts] = None,
        on_error: None = None,
    ) -> Counts: ...
    @overload
    @classmethod
    async def get_unread_message_count_for_user(
        cls,
        uid: str,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[Counts] = None,
        on_error: OnError,
    ) -> Counts | None: ...
    @classmethod
    async def get_unread_message_count_for_user(
        cls,
        uid: str,
        hide_messages_from_blocked_users: bool = False,
        *,
        on_success: OnSuccess[Counts] = None,
        on_error: OnError = None,
    ) -> Counts | None:
        """Return the number of unread messages from a user, as a dict with one entry: `{uid: count}`.

        See `ChatClient.get_unread_message_count_for_user`.
        """
        return await with_callbacks(
            lambda: cls.require_client().get_unread_message_count_for_user(uid, hide_messages_from_blocked_users),
            on_success,
            on_error,
        )

    @overload
    @classmethod
    async def get_unread_message_count_for_group(
        cls, guid: str, *, on_success: OnSuccess[Counts] = None, on_error: None = None
    ) -> Counts: ...
    @overload
    @classmethod
    async def get_unread_message_count_for_group(
        cls, guid: str, *, on_success: OnSuccess[Counts] = None, on_error: OnError
    ) -> Counts | None: ...
    @classmethod
    async def get_unread_message_count_for_group(
        cls, guid: str, *, on_success: OnSuccess[Counts] = None, on_error: OnError = None
    ) -> Counts | None:
        """Return the number of unread messages of a group, as a dict with one entry: `{guid: count}`.

        See `ChatClient.get_unread_message_count_for_group`.
        """
        return await with_callbacks(
            lambda: cls.require_client().get_unread_message_count_for_group(guid), on_success, on_error
        )

    @overload
    @classmethod
    async def get_unread_message_count_for_all_users(
        cls, *, on_success: OnSuccess[Counts] = None, on_error: None = None
    ) -> Counts: ...
    @overload
    @classmethod
    async def get_unread_message_count_for_all_users(
        cls, *, on_success: OnSuccess[Counts] = None, on_error: OnError
    ) -> Counts | None: ...
    @classmethod
    async def get_unread_message_count_for_all_users(
        cls, *, on_success: OnSuccess[Counts] = None, on_error: OnError = None
    ) -> Counts | None:
        """Return the unread counts of conversations with users, by uid. Users without unread messages are left out.

        See `ChatClient.get_unread_message_count_for_all_users`.
        """
        return await with_callbacks(
            lambda: cls.require_client().get_unread_message_count_for_all_users(), on_success, on_error
        )

    @overload
    @classmethod
    async def get_unread_message_count_for_all_groups(
        cls, *, on_success: OnSuccess[Counts] = None, on_error: None = None
    ) -> Counts: ...
    @overload
    @classmethod
    async def get_unread_message_count_for_all_groups(
        cls, *, on_success: OnSuccess[Counts] = None, on_error: OnError
    ) -> Counts | None: ...
    @classmethod
    async def get_unread_message_count_for_all_groups(
        cls, *, on_success: OnSuccess[Counts] = None, on_error: OnError = None
    ) -> Counts | None:
        """Return the unread counts of groups, by guid. Groups without unread messages are left out.

        See `ChatClient.get_unread_message_count_for_all_groups`.
        """
        return await with_callbacks(
            lambda: cls.require_client().get_unread_message_count_for_all_groups(), on_success, on_error
        )

    @overload
    @classmethod
    async def get_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: None = None,
    ) -> Conversation: ...
    @overload
    @classmethod
    async def get_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError,
    ) -> Conversation | None: ...
    @classmethod
    async def get_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation | None:
        """Return the conversation with a user, or of a group.

        See `ChatClient.get_conversation`.
        """
        return await with_callbacks(
            lambda: cls.require_client().get_conversation(conversation_with, conversation_type), on_success, on_error
        )

    @overload
    @classmethod
    async def tag_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName,
        tags: Sequence[str],
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: None = None,
    ) -> Conversation: ...
    @overload
    @classmethod
    async def tag_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName,
        tags: Sequence[str],
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError,
    ) -> Conversation | None: ...
    @classmethod
    async def tag_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName,
        tags: Sequence[str],
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation | None:
        """Replace the tags that the logged-in user gave a conversation. Nobody else sees them.

        See `ChatClient.tag_conversation`.
        """
        return await with_callbacks(
            lambda: cls.require_client().tag_conversation(conversation_with, conversation_type, tags),
            on_success,
            on_error,
        )

    @overload
    @classmethod
    async def delete_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[str] = None,
        on_error: None = None,
    ) -> str: ...
    @overload
    @classmethod
    async def delete_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError,
    ) -> str | None: ...
    @classmethod
    async def delete_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
    ) -> str | None:
        """Delete a conversation for the logged-in user alone.

        See `ChatClient.delete_conversation`.
        """
        return await with_callbacks(
            lambda: cls.require_client().delete_conversation(conversation_with, conversation_type), on_success, on_error
        )

    @overload
    @classmethod
    async def pin_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: None = None,
    ) -> Conversation: ...
    @overload
    @classmethod
    async def pin_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError,
    ) -> Conversation | None: ...
    @classmethod
    async def pin_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation | None:
        """Pin a conversation to the top of the logged-in user's list.

        See `ChatClient.pin_conversation`.
        """
        return await with_callbacks(
            lambda: cls.require_client().pin_conversation(conversation_with, conversation_type), on_success, on_error
        )

    @overload
    @classmethod
    async def unpin_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: None = None,
    ) -> Conversation: ...
    @overload
    @classmethod
    async def unpin_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError,
    ) -> Conversation | None: ...
    @classmethod
    async def unpin_conversation(
        cls,
        conversation_with: str,
        conversation_type: ReceiverTypeName = ReceiverType.USER,
        *,
        on_success: OnSuccess[Conversation] = None,
        on_error: OnError = None,
    ) -> Conversation | None:
        """Remove the pin of a conversation, also of one that is no longer in the logged-in user's list.

        See `ChatClient.unpin_conversation`.
        """
        return await with_callbacks(
            lambda: cls.require_client().unpin_conversation(conversation_with, conversation_type), on_success, on_error
        )

    @classmethod
    def get_conversation_from_message(cls, message: BaseMessage) -> Conversation:
        """Return the conversation that a message belongs to, without its unread count and tags. Sends no request.

        See `ChatClient.get_conversation_from_message`.
        """
        return cls.require_client().get_conversation_from_message(message)

    @overload
    @classmethod
    async def get_user(cls, uid: str, *, on_success: OnSuccess[User] = None, on_error: None = None) -> User: ...
    @overload
    @classmethod
    async def get_user(cls, uid: str, *, on_success: OnSuccess[User] = None, on_error: OnError) -> User | None: ...
    @classmethod
    async def get_user(cls, uid: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None) -> User | None:
        """Return a user, with their status.

        See `ChatClient.get_user`.
        """
        return await with_callbacks(lambda: cls.require_client().get_user(uid), on_success, on_error)

    @overload
    @classmethod
    async def create_user(
        cls, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: None = None
    ) -> User: ...
    @overload
    @classmethod
    async def create_user(
        cls, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: OnError
    ) -> User | None: ...
    @classmethod
    async def create_user(
        cls, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User | None:
        """Create a user. For development: in production your backend does so. Needs no login.

        See `ChatClient.create_user`.
        """
        return await with_callbacks(lambda: cls.require_client().create_user(user, auth_key), on_success, on_error)

    @overload
    @classmethod
    async def update_user(
        cls, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: None = None
    ) -> User: ...
    @overload
    @classmethod
    async def update_user(
        cls, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: OnError
    ) -> User | None: ...
    @classmethod
    async def update_user(
        cls, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User | None:
        """Change a user with a REST API key, which must not be part of an app that you ship. Needs no login.

        See `ChatClient.update_user`.
        """
        return await with_callbacks(lambda: cls.require_client().update_user(user, auth_key), on_success, on_error)

    @overload
    @classmethod
    async def update_current_user_details(
        cls, user: User, *, on_success: OnSuccess[User] = None, on_error: None = None
    ) -> User: ...
    @overload
    @classmethod
    async def update_current_user_details(
        cls, user: User, *, on_success: OnSuccess[User] = None, on_error: OnError
    ) -> User | None: ...
    @classmethod
    async def update_current_user_details(
        cls, user: User, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User | None:
        """Change the logged-in user: name, avatar, link, status message, metadata and tags.

        See `ChatClient.update_current_user_details`.
        """
        return await with_callbacks(
            lambda: cls.require_client().update_current_user_details(user), on_success, on_error
        )

    @overload
    @classmethod
    async def get_online_user_count(cls, *, on_success: OnSuccess[int] = None, on_error: None = None) -> int: ...
    @overload
    @classmethod
    async def get_online_user_count(cls, *, on_success: OnSuccess[int] = None, on_error: OnError) -> int | None: ...
    @classmethod
    async def get_online_user_count(cls, *, on_success: OnSuccess[int] = None, on_error: OnError = None) -> int | None:
        """Return the number of users who are online.

        See `ChatClient.get_online_user_count`.
        """
        return await with_callbacks(lambda: cls.require_client().get_online_user_count(), on_success, on_error)

    @overload
    @classmethod
    async def block_users(
        cls, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: None = None
    ) -> dict[str, str]: ...
    @overload
    @classmethod
    async def block_users(
        cls, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: OnError
    ) -> dict[str, str] | None: ...
    @classmethod
    async def block_users(
        cls, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: OnError = None
    ) -> dict[str, str] | None:
        """Block users: the logged-in user and each of them can no longer send messages to each other.

        See `ChatClient.block_users`.
        """
        return await with_callbacks(lambda: cls.require_client().block_users(uids), on_success, on_error)

    @overload
    @classmethod
    async def unblock_users(
        cls, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: None = None
    ) -> dict[str, str]: ...
    @overload
    @classmethod
    async def unblock_users(
        cls, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: OnError
    ) -> dict[str, str] | None: ...
    @classmethod
    async def unblock_users(
        cls, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: OnError = None
    ) -> dict[str, str] | None:
        """Unblock users.

        See `ChatClient.unblock_users`.
        """
        return await with_callbacks(lambda: cls.require_client().unblock_users(uids), on_success, on_error)

    @overload
    @classmethod
    async def create_group(
        cls, group: Group, *, on_success: OnSuccess[Group] = None, on_error: None = None
    ) -> Group: ...
    @overload
    @classmethod
    async def create_group(
        cls, group: Group, *, on_success: OnSuccess[Group] = None, on_error: OnError
    ) -> Group | None: ...
    @classmethod
    async def create_group(
        cls, group: Group, *, on_success: OnSuccess[Group] = None, on_error: OnError = None
    ) -> Group | None:
        """Create a group. The logged-in user becomes its owner and first admin.

        See `ChatClient.create_group`.
        """
        return await with_callbacks(lambda: cls.require_client().create_group(group), on_success, on_error)

    @overload
    @classmethod
    async def get_group(cls, guid: str, *, on_success: OnSuccess[Group] = None, on_error: None = None) -> Group: ...
    @overload
    @classmethod
    async def get_group(cls, guid: str, *, on_success: OnSuccess[Group] = None, on_error: OnError) -> Group | None: ...
    @classmethod
    async def get_group(
        cls, guid: str, *, on_success: OnSuccess[Group] = None, on_error: OnError = None
    ) -> Group | None:
        """Return a group.

        See `ChatClient.get_group`.
        """
        return await with_callbacks(lambda: cls.require_client().get_group(guid), on_success, on_error)

    @overload
    @classmethod
    async def join_group(
        cls,
        guid: str,
        group_type: str = GroupType.PUBLIC,
        password: str = "",
        *,
        on_success: OnSuccess[Group] = None,
        on_error: None = None,
    ) -> Group: ...
    @overload
    @classmethod
    async def join_group(
        cls,
        guid: str,
        group_type: str = GroupType.PUBLIC,
        password: str = "",
        *,
        on_success: OnSuccess[Group] = None,
        on_error: OnError,
    ) -> Group | None: ...
    @classmethod
    async def join_group(
        cls,
        guid: str,
        group_type: str = GroupType.PUBLIC,
        password: str = "",
        *,
        on_success: OnSuccess[Group] = None,
        on_error: OnError = None,
    ) -> Group | None:
        """Join a public group, or one with a password.

        See `ChatClient.join_group`.
        """
        return await with_callbacks(
            lambda: cls.require_client().join_group(guid, group_type, password), on_success, on_error
        )

    @overload
    @classmethod
    async def leave_group(cls, guid: str, *, on_success: OnSuccess[str] = None, on_error: None = None) -> str: ...
    @overload
    @classmethod
    async def leave_group(cls, guid: str, *, on_success: OnSuccess[str] = None, on_error: OnError) -> str | None: ...
    @classmethod
    async def leave_group(cls, guid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str | None:
        """Leave a group.

        See `ChatClient.leave_group`.
        """
        return await with_callbacks(lambda: cls.require_client().leave_group(guid), on_success, on_error)

    @overload
    @classmethod
    async def create_group_with_members(
        cls,
        group: Group,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[tuple[Group, dict[str, str]]] = None,
        on_error: None = None,
    ) -> tuple[Group, dict[str, str]]: ...
    @overload
    @classmethod
    async def create_group_with_members(
        cls,
        group: Group,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[tuple[Group, dict[str, str]]] = None,
        on_error: OnError,
    ) -> tuple[Group, dict[str, str]] | None: ...
    @classmethod
    async def create_group_with_members(
        cls,
        group: Group,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[tuple[Group, dict[str, str]]] = None,
        on_error: OnError = None,
    ) -> tuple[Group, dict[str, str]] | None:
        """Create a group with members.

        See `ChatClient.create_group_with_members`.
        """
        return await with_callbacks(
            lambda: cls.require_client().create_group_with_members(group, members, banned), on_success, on_error
        )

    @overload
    @classmethod
    async def update_group(
        cls, group: Group, *, on_success: OnSuccess[Group] = None, on_error: None = None
    ) -> Group: ...
    @overload
    @classmethod
    async def update_group(
        cls, group: Group, *, on_success: OnSuccess[Group] = None, on_error: OnError
    ) -> Group | None: ...
    @classmethod
    async def update_group(
        cls, group: Group, *, on_success: OnSuccess[Group] = None, on_error: OnError = None
    ) -> Group | None:
        """Change the name, icon, description, metadata and tags of a group. Its guid, type and password stay.

        See `ChatClient.update_group`.
        """
        return await with_callbacks(lambda: cls.require_client().update_group(group), on_success, on_error)

    @overload
    @classmethod
    async def delete_group(cls, guid: str, *, on_success: OnSuccess[str] = None, on_error: None = None) -> str: ...
    @overload
    @classmethod
    async def delete_group(cls, guid: str, *, on_success: OnSuccess[str] = None, on_error: OnError) -> str | None: ...
    @classmethod
    async def delete_group(
        cls, guid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Delete a group with all its messages. Its owner and admins may do so.

        See `ChatClient.delete_group`.
        """
        return await with_callbacks(lambda: cls.require_client().delete_group(guid), on_success, on_error)

    @overload
    @classmethod
    async def transfer_group_ownership(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def transfer_group_ownership(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def transfer_group_ownership(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Make a member the owner of a group. Only its owner may do so; they stay in the group as a member.

        See `ChatClient.transfer_group_ownership`.
        """
        return await with_callbacks(
            lambda: cls.require_client().transfer_group_ownership(guid, uid), on_success, on_error
        )

    @overload
    @classmethod
    async def add_members_to_group(
        cls,
        guid: str,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[dict[str, str]] = None,
        on_error: None = None,
    ) -> dict[str, str]: ...
    @overload
    @classmethod
    async def add_members_to_group(
        cls,
        guid: str,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[dict[str, str]] = None,
        on_error: OnError,
    ) -> dict[str, str] | None: ...
    @classmethod
    async def add_members_to_group(
        cls,
        guid: str,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[dict[str, str]] = None,
        on_error: OnError = None,
    ) -> dict[str, str] | None:
        """Add members to a group.

        See `ChatClient.add_members_to_group`.
        """
        return await with_callbacks(
            lambda: cls.require_client().add_members_to_group(guid, members, banned), on_success, on_error
        )

    @overload
    @classmethod
    async def kick_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def kick_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def kick_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Remove a member from a group. They may join again.

        See `ChatClient.kick_group_member`.
        """
        return await with_callbacks(lambda: cls.require_client().kick_group_member(guid, uid), on_success, on_error)

    @overload
    @classmethod
    async def ban_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def ban_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def ban_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Ban a user from a group: a member is removed, and nobody who is banned can join until they are unbanned.

        See `ChatClient.ban_group_member`.
        """
        return await with_callbacks(lambda: cls.require_client().ban_group_member(guid, uid), on_success, on_error)

    @overload
    @classmethod
    async def unban_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: None = None
    ) -> str: ...
    @overload
    @classmethod
    async def unban_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError
    ) -> str | None: ...
    @classmethod
    async def unban_group_member(
        cls, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Lift the ban of a user. This does not make them a member. Moderators, admins and the owner may do so.

        See `ChatClient.unban_group_member`.
        """
        return await with_callbacks(lambda: cls.require_client().unban_group_member(guid, uid), on_success, on_error)

    @overload
    @classmethod
    async def update_group_member_scope(
        cls,
        guid: str,
        uid: str,
        scope: MemberScope | Literal["admin", "moderator", "participant"],
        *,
        on_success: OnSuccess[str] = None,
        on_error: None = None,
    ) -> str: ...
    @overload
    @classmethod
    async def update_group_member_scope(
        cls,
        guid: str,
        uid: str,
        scope: MemberScope | Literal["admin", "moderator", "participant"],
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError,
    ) -> str | None: ...
    @classmethod
    async def update_group_member_scope(
        cls,
        guid: str,
        uid: str,
        scope: MemberScope | Literal["admin", "moderator", "participant"],
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
    ) -> str | None:
        """Change the scope of a member.

        See `ChatClient.update_group_member_scope`.
        """
        return await with_callbacks(
            lambda: cls.require_client().update_group_member_scope(guid, uid, scope), on_success, on_error
        )

    @overload
    @classmethod
    async def get_online_group_member_count(
        cls, guids: Sequence[str], *, on_success: OnSuccess[dict[str, int]] = None, on_error: None = None
    ) -> dict[str, int]: ...
    @overload
    @classmethod
    async def get_online_group_member_count(
        cls, guids: Sequence[str], *, on_success: OnSuccess[dict[str, int]] = None, on_error: OnError
    ) -> dict[str, int] | None: ...
    @classmethod
    async def get_online_group_member_count(
        cls, guids: Sequence[str], *, on_success: OnSuccess[dict[str, int]] = None, on_error: OnError = None
    ) -> dict[str, int] | None:
        """Return a dict from the guid of each group to the number of its members who are online.

        See `ChatClient.get_online_group_member_count`.
        """
        return await with_callbacks(
            lambda: cls.require_client().get_online_group_member_count(guids), on_success, on_error
        )

    @classmethod
    def get_connection_status(cls) -> ConnectionStatus:
        """Return the current status; `disconnected` before `init()` and after `aclose()`.

        See `ChatClient.get_connection_status`.
        """
        return cls.require_client().get_connection_status()

    @classmethod
    def get_logged_in_user(cls) -> User | None:
        """Return the logged-in user, as the server sent them at the last login, or None. Sends no request.

        See `ChatClient.get_logged_in_user`.
        """
        return cls.require_client().get_logged_in_user()

    @classmethod
    def is_pin_message_enabled(cls) -> bool:
        """Return whether the server supports pinned messages; True until its settings are known. Sends no request.

        See `ChatClient.is_pin_message_enabled`.
        """
        return cls.require_client().is_pin_message_enabled()

    @classmethod
    def is_save_message_enabled(cls) -> bool:
        """Return whether the server supports saved messages; True until its settings are known. Sends no request.

        See `ChatClient.is_save_message_enabled`.
        """
        return cls.require_client().is_save_message_enabled()

    @classmethod
    def get_pinned_messages_limit(cls) -> int | None:
        """Return how many messages of a conversation can be pinned; None until it is known. Sends no request.

        See `ChatClient.get_pinned_messages_limit`.
        """
        return cls.require_client().get_pinned_messages_limit()

    @classmethod
    def get_saved_messages_limit(cls) -> int | None:
        """Return how many messages a user can save; None until it is known. Sends no request.

        See `ChatClient.get_saved_messages_limit`.
        """
        return cls.require_client().get_saved_messages_limit()
