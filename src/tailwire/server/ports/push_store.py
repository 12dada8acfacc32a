"""Push notifications in the store: devices, preferences, and the queue of notifications.

Sending a message queues no notifications. They are derived later from the stored messages, from where the stored
progress ends, so a message that was acknowledged is still found after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.filters import Position
from tailwire.server.ports.push_records import (
    DueNotification,
    MuteRow,
    NotificationProgress,
    NotificationRow,
    PossibleReceiver,
    PushTokenRow,
    ReactionToNotify,
)
from tailwire.server.ports.records import MessageRow


class PushTokenStore(Protocol):
    """Devices that receive push notifications."""

    async def any_registered(self) -> bool:
        """Return whether any device is registered."""

    async def put(self, token: PushTokenRow, limit: int) -> None:
        """Register a device: its token belongs to this user and auth token from now on.

        If there is no such auth token, because it was revoked, nothing is registered.

        Args:
            token: the device.
            limit: how many devices a user may have. Beyond that, those that were registered longest ago are removed.
        """

    async def of_auth_token(self, auth_token: str) -> list[PushTokenRow]:
        """Return the devices that were registered with an auth token."""

    async def of_user(self, uid: str) -> list[PushTokenRow]:
        """Return the devices of a user whose auth tokens still exist."""

    async def list_after(self, uid: str, position: Position, limit: int) -> list[PushTokenRow]:
        """Return devices after a position, newest registration first, by `updated_at` and `token_hash`.

        Args:
            uid: the user whose devices to return; "" for all users.
            position: the `updated_at` and `token_hash` of the last device that was read; empty to begin.
            limit: how many devices to return at most.
        """

    async def remove_of(self, auth_token: str, token_hash: str = "") -> int:
        """Remove devices that were registered with an auth token, and return how many were removed.

        Args:
            auth_token: the fingerprint of the auth token.
            token_hash: the hash of the only device to remove; "" for all.
        """

    async def remove(self, token_hash: str, token: str) -> None:
        """Remove a device that the provider no longer knows, unless it was registered again meanwhile."""

    async def remove_ended(self, now: int) -> None:
        """Remove devices whose auth token was revoked or has ended."""


class PushPreferenceStore(Protocol):
    """The preferences of users for notifications, their time zones, and the conversations that they have muted."""

    async def get(self, uid: str) -> tuple[str, str]:
        """Return a user's preferences (JSON; `{}` for the defaults), and the name of their time zone, or ""."""

    async def put(self, uid: str, preferences: str) -> None:
        """Store a user's preferences."""

    async def put_timezone(self, uid: str, timezone: str) -> None:
        """Store the name of a user's time zone."""

    async def muted_conversations(self, uid: str, now: int) -> list[MuteRow]:
        """Return the conversations that a user has muted until later than `now`, in milliseconds since 1970."""

    async def mute(self, uid: str, rows: Sequence[MuteRow], limit: int) -> None:
        """Mute conversations.

        Args:
            uid: the user.
            rows: the conversations, and until when they are muted.
            limit: how many a user may mute. Beyond that, those that are muted for the shortest time are unmuted.
        """

    async def unmute(self, uid: str, conversations: Sequence[ConversationKey]) -> None:
        """Unmute conversations."""


class NotificationStore(Protocol):
    """The queue of push notifications, and how far the messages have been examined for it."""

    async def newest_id(self) -> int:
        """Return the id of the newest message; 0 if there is none."""

    async def progress(self) -> NotificationProgress:
        """Return how far notifications have been queued."""

    async def store_progress(self, progress: NotificationProgress) -> None:
        """Store the progress, unless a later one is stored already."""

    async def messages(self, after: int, up_to: int, limit: int) -> list[MessageRow]:
        """Return the first messages with ids in (after, up_to], in their order."""

    async def reactions(self, after: int, limit: int) -> list[ReactionToNotify]:
        """Return the first reactions after an id, in their order."""

    async def members(self, message: MessageRow, actor: str, after: str, limit: int) -> list[PossibleReceiver]:
        """Return members of the group of a message, in the order of their uids, with or without a device.

        Args:
            message: the message.
            actor: the uid of the user who caused the notification.
            after: only members with a higher uid; "" to begin.
            limit: how many to return at most.
        """

    async def user(self, message: MessageRow, uid: str, actor: str) -> PossibleReceiver | None:
        """Return one user as a possible receiver; None without a device that was registered before the message."""

    async def queue(
        self, message_id: int, reaction_id: int, uids: Sequence[str], registered_before: int, now: int
    ) -> None:
        """Queue one notification for each device of the given users, unless it is queued already.

        Args:
            message_id: the message.
            reaction_id: the reaction to it that is reported; 0 for the message itself.
            uids: the users.
            registered_before: only devices that were registered at or before this time, in seconds since 1970.
            now: the present time, in seconds since 1970.
        """

    async def queue_again(self, message_id: int, now: int) -> None:
        """Queue again the notifications that were sent about a message, because it was edited or deleted.

        Those about reactions to it are not queued again.
        """

    async def count_waiting(self) -> int:
        """Return how many notifications wait, counted up to 100,000."""

    async def due_notifications(self, provider: str, now: int, limit: int) -> list[DueNotification]:
        """Return notifications to be sent now, first those that have been due for longest."""

    async def next_due(self, provider: str) -> int | None:
        """Return when the next notification of a provider is due, in seconds since 1970, or None if none waits."""

    async def reaction(self, reaction_id: int) -> ReactionToNotify | None:
        """Return a reaction, or None if it was removed."""

    async def read_up_to(self, conversation_id: ConversationKey, uid: str) -> int:
        """Return the id up to which a user has read a conversation, or deleted it for themselves."""

    async def mark_sent(self, ids: Sequence[int], now: int) -> None:
        """Store that notifications were sent."""

    async def put_off(self, notification_id: int, due_at: int, now: int, problem: str) -> None:
        """Postpone a notification that failed, and store the problem."""

    async def give_up(self, notification_id: int, now: int, problem: str) -> None:
        """Store that a notification will not be sent."""

    async def remove_unwanted(self, ids: Sequence[int]) -> None:
        """Remove notifications, because they are no longer wanted."""

    async def list_failed(self, *, limit: int, offset: int) -> tuple[list[NotificationRow], int]:
        """Return a page of the notifications that were given up, newest first, and how many there are."""

    async def list_after(self, status: str, uid: str, position: Position, limit: int) -> list[NotificationRow]:
        """Return notifications after a position, newest first, by the time of their status and their id.

        Args:
            status: `waiting`, `sent` or `failed`.
            uid: the user whose notifications to return; "" for all users.
            position: the time and the id of the last notification that was read; empty to begin.
            limit: how many notifications to return at most.
        """

    async def get(self, notification_id: int) -> NotificationRow | None:
        """Return a notification, or None."""

    async def send_again(self, notification_id: int, now: int) -> bool:
        """Mark a notification that was given up as due now. Return False if it was not given up."""

    async def send_all_again(self, now: int) -> int:
        """Mark all notifications that were given up as due now, and return how many there are."""

    async def delete_finished(self, sent_before: int, failed_before: int) -> None:
        """Delete notifications that were sent, or given up, before these times, in seconds since 1970."""
