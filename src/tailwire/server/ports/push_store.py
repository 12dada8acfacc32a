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
    PushTokenRow,
    ReactionSeen,
    Receiver,
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
            limit: how many devices a user may have; beyond that the oldest are removed.
        """

    async def of_auth_token(self, auth_token: str) -> list[PushTokenRow]:
        """Return the devices that were registered with an auth token."""

    async def of_user(self, uid: str) -> list[PushTokenRow]:
        """Return the devices of a user whose auth tokens still exist."""

    async def list_after(self, uid: str, position: Position, limit: int) -> list[PushTokenRow]:
        """Return devices after a position, newest registration first, by `updated_at` and `token_hash`.

        Args:
            uid: the user whose devices to return; "" for all users.
        """

    async def remove_of(self, auth_token: str, token_hash: str = "") -> int:
        """Remove the devices of an auth token, or one of them, and return how many were removed."""

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
        """Return the conversations that a user has muted until later than `now`, in milliseconds."""

    async def mute(self, uid: str, rows: Sequence[MuteRow], limit: int) -> None:
        """Mute conversations. Beyond the limit, those that end first are removed."""

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
        """Return messages after an id, in their order."""

    async def reactions(self, after: int, limit: int) -> list[ReactionSeen]:
        """Return reactions after an id, in their order."""

    async def members(self, message: MessageRow, actor: str, after: str, limit: int) -> list[Receiver]:
        """Return members of the group of a message, by their uids.

        Args:
            actor: who caused the notification.
            after: the uid after which to begin.
        """

    async def user(self, message: MessageRow, uid: str, actor: str) -> Receiver | None:
        """Return one user as a possible receiver; None if they have no device."""

    async def queue(
        self, message_id: int, reaction_id: int, uids: Sequence[str], registered_before: int, now: int
    ) -> None:
        """Queue one notification for each device of the given users that was registered before a given time."""

    async def queue_again(self, message_id: int, now: int) -> None:
        """Queue again the notifications that were sent about a message, because it was edited or deleted."""

    async def count_waiting(self) -> int:
        """Return how many notifications wait, counted up to 100,000."""

    async def due_notifications(self, provider: str, now: int, limit: int) -> list[DueNotification]:
        """Return notifications to be sent now, first those that have been due for longest."""

    async def next_due(self, provider: str) -> int | None:
        """Return when the next notification is due, or None if none waits."""

    async def reaction(self, reaction_id: int) -> ReactionSeen | None:
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
        """Remove notifications that are no longer wanted."""

    async def list_failed(self, *, limit: int, offset: int) -> tuple[list[NotificationRow], int]:
        """Return a page of the notifications that were given up, newest first, and how many there are."""

    async def list_after(self, status: str, uid: str, position: Position, limit: int) -> list[NotificationRow]:
        """Return notifications after a position, newest first, by the time of their status and their id.

        Args:
            status: `waiting`, `sent` or `failed`.
            uid: the user whose notifications to return; "" for all users.
        """

    async def get(self, notification_id: int) -> NotificationRow | None:
        """Return a notification, or None."""

    async def send_again(self, notification_id: int, now: int) -> bool:
        """Mark a notification that was given up as due now. Return False if it was not given up."""

    async def send_all_again(self, now: int) -> int:
        """Mark all notifications that were given up as due now, and return how many there are."""

    async def delete_finished(self, sent_before: int, failed_before: int) -> None:
        """Delete notifications that were sent or given up before given times."""
