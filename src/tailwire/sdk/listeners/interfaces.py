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
"""What a callback may return: None, or an awaitable that is awaited before the next callback."""


class ConnectionListener:
    """Hears of the connection. Added late, it is told the current status."""

    def on_connected(self) -> Hook:
        """The socket is up."""

    def on_connecting(self) -> Hook:
        """An attempt is under way."""

    def on_disconnected(self) -> Hook:
        """There is no socket."""

    def on_feature_throttled(self) -> Hook:
        """The server has turned some features off under load; the socket is up."""

    def on_connection_error(self, exception: CometChatException) -> Hook:
        """An attempt failed, or the server refused the token."""


class UploadFileListener:
    """Hears how uploads get on. `on_file_progress` is called often, and must be plain."""

    def on_file_progress(self, file_id: str, loaded: int, total: int, percent: int) -> None:
        """So many of so many bytes have been sent."""

    def on_file_uploaded(self, file_id: str, attachment: Attachment) -> Hook:
        """A file is there."""

    def on_file_error(self, file_id: str, exception: CometChatException) -> Hook:
        """A file is not taken as it is."""

    def on_file_failure(self, file_id: str, exception: CometChatException) -> Hook:
        """A file did not arrive; it may when it is tried again."""

    def on_complete(self, result: UploadResult) -> Hook:
        """All files have come to their end."""


class LoginListener:
    """Hears of logins and logouts."""

    def login_success(self, user: User) -> Hook:
        """A login succeeded."""

    def login_failure(self, exception: CometChatException) -> Hook:
        """A login failed."""

    def logout_success(self) -> Hook:
        """A logout succeeded."""

    def logout_failure(self, exception: CometChatException) -> Hook:
        """A logout failed."""


class UserListener:
    """Hears of presence, as far as the settings subscribe to it."""

    def on_user_online(self, user: User) -> Hook:
        """A user came online."""

    def on_user_away(self, user: User) -> Hook:
        """Every app of a user is in the background (Tailwire's own); `on_user_online` says that one is back."""

    def on_user_offline(self, user: User) -> Hook:
        """A user went offline."""


class GroupListener:
    """Hears of the membership of the user's groups."""

    def on_group_member_joined(self, action: Action, joined_user: User, joined_group: Group) -> Hook:
        """A user joined by themselves."""

    def on_group_member_left(self, action: Action, left_user: User, left_group: Group) -> Hook:
        """A member left."""

    def on_group_member_kicked(self, action: Action, kicked_user: User, kicked_by: User, kicked_from: Group) -> Hook:
        """A member was kicked."""

    def on_group_member_banned(self, action: Action, banned_user: User, banned_by: User, banned_from: Group) -> Hook:
        """A member was banned."""

    def on_group_member_unbanned(
        self, action: Action, unbanned_user: User, unbanned_by: User, unbanned_from: Group
    ) -> Hook:
        """A ban was lifted."""

    def on_group_member_scope_changed(
        self,
        action: Action,
        updated_by: User,
        updated_user: User,
        scope_changed_to: str,
        scope_changed_from: str,
        group: Group,
    ) -> Hook:
        """A member may do more, or less."""

    def on_member_added_to_group(self, action: Action, added_by: User, user_added: User, added_to: Group) -> Hook:
        """A user was added by another."""


class MessageListener:
    """Hears of messages to the user and to their groups. The sending device does not hear of its own."""

    def on_text_message_received(self, message: TextMessage) -> Hook:
        """A text came."""

    def on_media_message_received(self, message: MediaMessage) -> Hook:
        """An image, video, audio or file came."""

    def on_custom_message_received(self, message: CustomMessage) -> Hook:
        """A custom message came."""

    def on_interactive_message_received(self, message: InteractiveMessage) -> Hook:
        """A form, card or the like came."""

    def on_message_edited(self, message: BaseMessage) -> Hook:
        """A message was changed: this is how it reads now."""

    def on_message_deleted(self, message: BaseMessage) -> Hook:
        """A message was deleted."""

    def on_typing_started(self, indicator: TypingIndicator) -> Hook:
        """Somebody began to type."""

    def on_typing_ended(self, indicator: TypingIndicator) -> Hook:
        """Somebody stopped typing."""

    def on_messages_delivered(self, receipt: MessageReceipt) -> Hook:
        """Somebody received a conversation up to a message."""

    def on_messages_read(self, receipt: MessageReceipt) -> Hook:
        """Somebody read a conversation up to a message."""

    def on_messages_delivered_to_all(self, receipt: MessageReceipt) -> Hook:
        """All members of a group have received its messages up to one."""

    def on_messages_read_by_all(self, receipt: MessageReceipt) -> Hook:
        """All members of a group have read its messages up to one."""

    def on_transient_message_received(self, message: TransientMessage) -> Hook:
        """A message came that is not kept."""

    def on_draft_changed(self, draft: DraftChanged) -> Hook:
        """A message that somebody is writing has grown, or `ended` (Tailwire's own)."""

    def on_message_reaction_added(self, event: ReactionEvent) -> Hook:
        """Somebody reacted to a message."""

    def on_message_reaction_removed(self, event: ReactionEvent) -> Hook:
        """Somebody took a reaction back."""

    def on_message_pinned(self, message: BaseMessage) -> Hook:
        """A message was pinned; the device that did so hears it too."""

    def on_message_unpinned(self, message: BaseMessage) -> Hook:
        """A message was unpinned; the device that did so hears it too."""

    def on_message_saved(self, message: BaseMessage) -> Hook:
        """The user saved a message, on this or another device."""

    def on_message_unsaved(self, message: BaseMessage) -> Hook:
        """The user saved a message no longer, on this or another device."""

    def on_queued_message_changed(self, entry: OutboxEntry) -> Hook:
        """A message of the outbox was queued, sent, refused, cancelled or queued again (Tailwire's own)."""

    def on_history_gap(self, gap: HistoryGap) -> Hook:
        """More was missed than is handed over: what lies within the bounds is only in history."""
