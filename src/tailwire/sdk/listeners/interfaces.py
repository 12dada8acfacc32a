"""The listener classes. Override what you need; methods may be plain or async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.sdk.exceptions import CometChatException
    from tailwire.sdk.listeners.events import DraftChanged, HistoryGap, UploadResult
    from tailwire.sdk.outbox import OutboxEntry
    from tailwire.wire.entities import (
        Action,
        Attachment,
        BaseMessage,
        CustomMessage,
        Group,
        InteractiveMessage,
        MediaMessage,
        MessageReceipt,
        ReactionEvent,
        TextMessage,
        TransientMessage,
        TypingIndicator,
        User,
    )

Hook = Any
"""What a callback returns: an awaitable, which is awaited before the next callback is called; else it is ignored."""


class ConnectionListener:
    """Receives changes of the connection status. If it is added after `init()`, it first receives the current one."""

    def on_connected(self) -> Hook:
        """Called when the socket is open and authenticated, and when the server has turned its features on again."""

    def on_connecting(self) -> Hook:
        """Called when an attempt to connect begins."""

    def on_disconnected(self) -> Hook:
        """Called when the socket has ended, or an attempt has failed."""

    def on_feature_throttled(self) -> Hook:
        """Called when the server turned off some features because of its load; the socket stays open."""

    def on_connection_error(self, exception: CometChatException) -> Hook:
        """Called when an attempt failed, or the client gave up after the maximum number of attempts.

        Args:
            exception: why; its `code` says whether the server refused the token, for example.
        """


class UploadFileListener:
    """Receives the progress and results of an upload request. `on_file_progress` must not be async."""

    def on_file_progress(self, file_id: str, loaded: int, total: int, percent: int) -> None:
        """Called after each part of a file that was sent, which is often.

        Args:
            file_id: the id that the app gave the file.
            loaded: the number of bytes of the file that have been sent.
            total: the size of the file in bytes.
            percent: 0 to 100.
        """

    def on_file_uploaded(self, file_id: str, attachment: Attachment) -> Hook:
        """Called when a file has been uploaded."""

    def on_file_error(self, file_id: str, exception: CometChatException) -> Hook:
        """Called when a file was refused; a retry would fail too."""

    def on_file_failure(self, file_id: str, exception: CometChatException) -> Hook:
        """Called when an upload failed; it may be retried."""

    def on_complete(self, result: UploadResult) -> Hook:
        """Called once, when every file has its result."""


class LoginListener:
    """Receives the results of logins and logouts."""

    def login_success(self, user: User) -> Hook:
        """Called when a login succeeded."""

    def login_failure(self, exception: CometChatException) -> Hook:
        """Called when a login failed."""

    def logout_success(self) -> Hook:
        """Called when a logout succeeded."""

    def logout_failure(self, exception: CometChatException) -> Hook:
        """Called when a logout failed."""


class UserListener:
    """Receives the presence of other users: of those to whose presence `AppSettings.presence` subscribes."""

    def on_user_online(self, user: User) -> Hook:
        """Called when a user came online, or is back from `away`."""

    def on_user_away(self, user: User) -> Hook:
        """Called when all apps of a user are in the background. CometChat has no such callback."""

    def on_user_offline(self, user: User) -> Hook:
        """Called when a user went offline."""


class GroupListener:
    """Receives membership changes in the user's groups."""

    def on_group_member_joined(self, action: Action, joined_user: User, joined_group: Group) -> Hook:
        """Called when a user joined a group themselves."""

    def on_group_member_left(self, action: Action, left_user: User, left_group: Group) -> Hook:
        """Called when a member left a group."""

    def on_group_member_kicked(self, action: Action, kicked_user: User, kicked_by: User, kicked_from: Group) -> Hook:
        """Called when a member was removed from a group."""

    def on_group_member_banned(self, action: Action, banned_user: User, banned_by: User, banned_from: Group) -> Hook:
        """Called when a member was banned from a group."""

    def on_group_member_unbanned(
        self, action: Action, unbanned_user: User, unbanned_by: User, unbanned_from: Group
    ) -> Hook:
        """Called when a user was unbanned."""

    def on_group_member_scope_changed(
        self,
        action: Action,
        updated_by: User,
        updated_user: User,
        scope_changed_to: str,
        scope_changed_from: str,
        group: Group,
    ) -> Hook:
        """Called when the scope of a member changed."""

    def on_member_added_to_group(self, action: Action, added_by: User, user_added: User, added_to: Group) -> Hook:
        """Called when a user was added to a group by another user."""


class MessageListener:
    """Receives messages, receipts and similar events of the user's conversations.

    It is not called for what the app itself did on this device, except where a method says otherwise.
    """

    def on_text_message_received(self, message: TextMessage) -> Hook:
        """Called when a text message arrived."""

    def on_media_message_received(self, message: MediaMessage) -> Hook:
        """Called when an image, video, audio or file arrived."""

    def on_custom_message_received(self, message: CustomMessage) -> Hook:
        """Called when a custom message arrived."""

    def on_interactive_message_received(self, message: InteractiveMessage) -> Hook:
        """Called when a form, card or other interactive message arrived."""

    def on_message_edited(self, message: BaseMessage) -> Hook:
        """Called with the new version of an edited message."""

    def on_message_deleted(self, message: BaseMessage) -> Hook:
        """Called with a message that was deleted."""

    def on_typing_started(self, indicator: TypingIndicator) -> Hook:
        """Called when a user started typing."""

    def on_typing_ended(self, indicator: TypingIndicator) -> Hook:
        """Called when a user stopped typing, went offline, or did not repeat the indicator within 15 seconds."""

    def on_messages_delivered(self, receipt: MessageReceipt) -> Hook:
        """Called when a user received a conversation up to a message."""

    def on_messages_read(self, receipt: MessageReceipt) -> Hook:
        """Called when a user read a conversation up to a message."""

    def on_messages_delivered_to_all(self, receipt: MessageReceipt) -> Hook:
        """Called when all members of a group have received the message of a receipt, and those before it."""

    def on_messages_read_by_all(self, receipt: MessageReceipt) -> Hook:
        """Called when all members of a group have read the message of a receipt, and those before it."""

    def on_transient_message_received(self, message: TransientMessage) -> Hook:
        """Called when a transient message arrived; it is not stored."""

    def on_draft_changed(self, draft: DraftChanged) -> Hook:
        """Called when the draft of a message has grown or ended (`draft.ended`). CometChat has no such callback."""

    def on_message_reaction_added(self, event: ReactionEvent) -> Hook:
        """Called when a user reacted to a message."""

    def on_message_reaction_removed(self, event: ReactionEvent) -> Hook:
        """Called when a user removed a reaction."""

    def on_message_pinned(self, message: BaseMessage) -> Hook:
        """Called when a message was pinned, even on the device that did it."""

    def on_message_unpinned(self, message: BaseMessage) -> Hook:
        """Called when a message was unpinned, even on the device that did it."""

    def on_message_saved(self, message: BaseMessage) -> Hook:
        """Called when the user saved a message, on this or another device."""

    def on_message_unsaved(self, message: BaseMessage) -> Hook:
        """Called when the user removed a message from the saved ones, on this or another device."""

    def on_queued_message_changed(self, entry: OutboxEntry) -> Hook:
        """Called when a message in the outbox of this device was queued, sent, refused, cancelled or queued again.

        CometChat has no such callback.
        """

    def on_history_gap(self, gap: HistoryGap) -> Hook:
        """Called when some of the messages that were missed do not arrive; `HistoryGap` says which, and why."""
