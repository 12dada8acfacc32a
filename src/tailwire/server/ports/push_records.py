"""Rows of push notifications. Times are seconds since 1970, unless stated otherwise."""

from __future__ import annotations

from typing import NamedTuple

from tailwire.server.ports.conversations import ConversationKey


class PushTokenRow(NamedTuple):
    """A device that receives push notifications.

    Attributes:
        token_hash: the hash of the token, by which the row is found.
        auth_token: the hash of the auth token with which it was registered.
        provider: the service that reaches it: `web`, `apns` or `fcm`.
        provider_id: the name that the app gave to its provider, which is only displayed; "" if it gave none.
        token: what the provider needs to reach the device; for Web Push the subscription as JSON.
        created_at, updated_at: when it was last registered.
    """

    token_hash: str
    uid: str
    auth_token: str
    platform: str
    provider: str
    provider_id: str
    token: str
    created_at: int
    updated_at: int

    def __repr__(self) -> str:
        return f"PushTokenRow({self.token_hash[:12]}, uid={self.uid!r}, platform={self.platform!r})"


class MuteRow(NamedTuple):
    """A muted conversation.

    Attributes:
        until: until when it is muted, in milliseconds since 1970.
    """

    conversation_id: ConversationKey
    until: int


class PossibleReceiver(NamedTuple):
    """A possible receiver of a notification about a message.

    Attributes:
        has_token: whether they have a device that was registered before the message was sent.
        preferences: their preferences for notifications as JSON; "" for the defaults.
        timezone: the name of their time zone, such as `Europe/Berlin`; "" if unknown.
        muted_until: until when they have muted the conversation, in milliseconds since 1970; 0 if they have not.
        read_id: the id of the newest message of the conversation that they have read or deleted for themselves; 0 if
            there is none.
        blocked: whether there is a block between them and the user who caused the notification.
        mentioned: whether the message mentions them.
    """

    uid: str
    has_token: bool
    preferences: str
    timezone: str
    muted_until: int
    read_id: int
    blocked: bool
    mentioned: bool


class ReactionToNotify(NamedTuple):
    """A reaction that may cause a notification."""

    id: int
    message_id: int
    reaction: str
    uid: str
    reacted_at: int


class NotificationProgress(NamedTuple):
    """How far messages and reactions have been examined, and notifications about them queued.

    Attributes:
        message_id: the id up to which all messages have been examined.
        after_uid: the uid up to which the receivers of the next message have been examined, in the order of their uids;
            "" if that has not begun.
        reaction_id: the id up to which all reactions have been examined.
    """

    message_id: int
    after_uid: str
    reaction_id: int


class NotificationRow(NamedTuple):
    """A notification for one device: waiting, sent or given up.

    Attributes:
        reaction_id: the id of the reaction that it reports; 0 if it reports the message itself.
        due_at: when it is to be sent.
        attempt: how many attempts to send it have ended since it was queued, or queued again.
        shown: 1 if it was sent before, so that the device may show an earlier text; else 0.
        sent_at: when it was sent; None if it was not, or was queued again since.
        failed_at: when it was given up; None if it was not, or was queued again since.
        problem: why the last attempt failed; None if it did not.
    """

    id: int
    message_id: int
    reaction_id: int
    token_hash: str
    uid: str
    provider: str
    queued_at: int
    due_at: int
    attempt: int
    shown: int
    first_try_at: int | None
    last_try_at: int | None
    sent_at: int | None
    failed_at: int | None
    problem: str | None


NOTIFICATION_TIMES = {"waiting": "queued_at", "sent": "sent_at", "failed": "failed_at"}
"""For each state of a notification, the column of `NotificationRow` with the time since which it has this state."""


class DueNotification(NamedTuple):
    """A notification to be sent now, with the platform and push token of its device.

    Attributes:
        platform: "" if the device is no longer registered.
        token: None if the device is no longer registered, or its auth token has ended.
    """

    row: NotificationRow
    platform: str
    token: str | None
