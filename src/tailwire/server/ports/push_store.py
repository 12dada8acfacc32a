"""Push notifications in the store: devices, preferences, and the queue of notifications.

Sending a message queues no notifications. Stored messages are examined later, beginning where the stored progress ends,
and notifications are queued for their receivers. So a message that was acknowledged is still found after a crash.

`ports.store` tells what all methods can raise.
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
        """Register a device for a user and an auth token. This replaces an earlier registration of the same push token.

        Nothing is registered, and nothing raised, if this user has no such auth token, for example because it was
        revoked.

        Args:
            token: the device.
            limit: how many devices a user may have. Beyond that, those that were registered longest ago are removed.
        """

    async def of_auth_token(self, auth_token: str) -> list[PushTokenRow]:
        """Return the devices that were registered with an auth token, given its hash, oldest registration first."""

    async def of_user(self, uid: str) -> list[PushTokenRow]:
        """Return the devices of a user whose auth tokens were not revoked, oldest registration first."""

    async def list_after(self, uid: str, position: Position, limit: int) -> list[PushTokenRow]:
        """Return devices, newest registration first, ordered by `updated_at` and `token_hash`, both descending.

        Args:
            uid: the user whose devices to return; "" for all users.
            position: the `updated_at` and `token_hash` of the last device that was read; () to begin.
            limit: how many devices to return at most.
        """

    async def remove_of(self, auth_token: str, token_hash: str = "") -> int:
        """Remove devices that were registered with an auth token, and return how many were removed.

        Args:
            auth_token: the hash of the auth token.
            token_hash: the hash of the push token of the only device to remove; "" for all.
        """

    async def remove(self, token_hash: str, token: str) -> None:
        """Remove a device that the provider no longer knows.

        It remains if it was registered again meanwhile with another `PushTokenRow.token`.

        Args:
            token_hash: the hash of the push token.
            token: the token that the provider has refused.
        """

    async def remove_ended(self, now: int) -> None:
        """Remove devices whose auth token was revoked, or has ended by itself at the time `now`."""


class PushPreferenceStore(Protocol):
    """The preferences of users for notifications, their time zones, and the conversations that they have muted."""

    async def get(self, uid: str) -> tuple[str, str]:
        """Return a user's preferences and the name of their time zone.

        The preferences are JSON, `{}` for the defaults; the name is "" if it is unknown.
        """

    async def put(self, uid: str, preferences: str) -> None:
        """Store a user's preferences, as JSON. Does nothing if there is no such user."""

    async def put_timezone(self, uid: str, timezone: str) -> None:
        """Store the name of a user's time zone. Does nothing if there is no such user."""

    async def muted_conversations(self, uid: str, now: int) -> list[MuteRow]:
        """Return the conversations that a user has muted, ordered by their keys.

        Args:
            now: the present time, in milliseconds since 1970. Mutes that have ended by then are left out.
        """

    async def mute(self, uid: str, rows: Sequence[MuteRow], limit: int) -> None:
        """Mute conversations. For one that is muted already, the new end counts.

        Args:
            uid: the user. If there is no such user, nothing happens.
            rows: the conversations, and until when they are muted.
            limit: how many a user may have muted. Beyond that, those whose mute ends first are unmuted.
        """

    async def unmute(self, uid: str, conversations: Sequence[ConversationKey]) -> None:
        """Unmute conversations."""


class NotificationStore(Protocol):
    """The queue of push notifications, and how far messages and reactions have been examined for it.

    A notification is for one device. It waits, was sent, or was given up (`failed`).
    """

    async def newest_id(self) -> int:
        """Return the id of the newest message; 0 if there is none."""

    async def progress(self) -> NotificationProgress:
        """Return how far messages and reactions have been examined."""

    async def store_progress(self, progress: NotificationProgress) -> None:
        """Store how far messages and reactions have been examined, unless more is stored already."""

    async def messages(self, after: int, up_to: int, limit: int) -> list[MessageRow]:
        """Return the first `limit` messages with ids in (after, up_to], ordered by id."""

    async def reactions(self, after: int, limit: int) -> list[ReactionToNotify]:
        """Return the first `limit` reactions whose ids are above `after`, ordered by id."""

    async def members(self, message: MessageRow, actor: str, after: str, limit: int) -> list[PossibleReceiver]:
        """Return members of the group of a message, ordered by uid, whether they have a device or not.

        Args:
            message: the message.
            actor: the uid of the user who caused the notification: the sender, or who reacted. A block between them and
                a member is reported.
            after: only members with a higher uid; "" to begin.
            limit: how many to return at most.
        """

    async def user(self, message: MessageRow, uid: str, actor: str) -> PossibleReceiver | None:
        """Return one user as a possible receiver.

        None if there is no such user, or they have no device that was registered before the message was sent.

        Args:
            message: the message.
            uid: the user.
            actor: as in `members`.
        """

    async def queue(
        self, message_id: int, reaction_id: int, uids: Sequence[str], registered_before: int, now: int
    ) -> None:
        """Queue a notification for each device of the given users, due at once.

        Devices that have a notification of this message or reaction, waiting, sent or given up, get no other one.

        Args:
            message_id: the message.
            reaction_id: the reaction to it that is reported; 0 for the message itself.
            uids: the users.
            registered_before: only devices that were registered at or before this time, such as when the message was
                sent, in seconds since 1970.
            now: the present time, in seconds since 1970.
        """

    async def queue_again(self, message_id: int, now: int) -> None:
        """Make the notifications of a message that were sent wait again, due at the time `now`.

        Call it when the message was edited or deleted. Notifications of reactions to it stay as they are.
        """

    async def count_waiting(self) -> int:
        """Return how many notifications wait. 100,000 means 100,000 or more."""

    async def due_notifications(self, provider: str, now: int, limit: int) -> list[DueNotification]:
        """Return waiting notifications that are due, at most `limit`. Those that have been due for longest are first.

        Args:
            provider: only notifications of this provider (`PushProvider.name`).
            now: the time, in seconds since 1970.
            limit: how many to return at most.
        """

    async def next_due(self, provider: str) -> int | None:
        """Return when the next notification of a provider is due, in seconds since 1970, or None if none waits."""

    async def reaction(self, reaction_id: int) -> ReactionToNotify | None:
        """Return a reaction, or None if it was removed."""

    async def read_up_to(self, conversation_id: ConversationKey, uid: str) -> int:
        """Return the id up to which a user has read a conversation, or deleted it for themselves; 0 if neither."""

    async def mark_sent(self, ids: Sequence[int], now: int) -> None:
        """Store that notifications, given by their ids, were sent at the time `now`."""

    async def put_off(self, notification_id: int, due_at: int, now: int, problem: str) -> None:
        """Postpone a notification after an attempt that failed.

        Args:
            due_at: when to try again, in seconds since 1970.
            now: the time of the attempt, in seconds since 1970.
            problem: why it failed.
        """

    async def give_up(self, notification_id: int, now: int, problem: str) -> None:
        """Store that a notification is given up after an attempt that failed. The arguments are those of `put_off`."""

    async def remove_unwanted(self, ids: Sequence[int]) -> None:
        """Remove notifications, given by their ids, because they are no longer wanted."""

    async def list_failed(self, *, limit: int, offset: int) -> tuple[list[NotificationRow], int]:
        """Return a page of the notifications that were given up, newest first, and how many there are in all."""

    async def list_after(self, status: str, uid: str, position: Position, limit: int) -> list[NotificationRow]:
        """Return notifications with a status, newest first: by the time since which they have it, and their id.

        Args:
            status: `waiting`, `sent` or `failed`. The column with the time is in `NOTIFICATION_TIMES`.
            uid: the user whose notifications to return; "" for all users.
            position: the time and the id of the last notification that was read; () to begin.
            limit: how many notifications to return at most.
        """

    async def get(self, notification_id: int) -> NotificationRow | None:
        """Return a notification, or None."""

    async def send_again(self, notification_id: int, now: int) -> bool:
        """Make a notification that was given up wait again, due at the time `now`. Return False if it was not."""

    async def send_all_again(self, now: int) -> int:
        """Make all notifications that were given up wait again, due at the time `now`. Return how many there were."""

    async def delete_finished(self, sent_before: int, failed_before: int) -> None:
        """Delete notifications that were sent before the one time, or given up before the other.

        Both times are in seconds since 1970.
        """
