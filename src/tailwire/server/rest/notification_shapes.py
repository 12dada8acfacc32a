"""The types of requests and responses about push notifications."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tailwire.server.actions.notifications import Mute
from tailwire.server.ports.push_records import NOTIFICATION_TIMES
from tailwire.server.rest.cursors import START_CURSOR, Cursor
from tailwire.server.rest.queries import Size
from tailwire.server.rest.requests import one_of
from tailwire.server.rest.response_base import Shape, Timestamp
from tailwire.server.rules.preferences import (
    GroupPreferences,
    MutePreferences,
    OneOnOnePreferences,
)
from tailwire.server.rules.push_tokens import PLATFORMS

OfUser = Annotated[str, Meta(description="Only entries of the user with this uid.")]
Until = int
"""The end of a mute, in milliseconds since 1970."""


class RegisterPushToken(msgspec.Struct, rename="camel"):
    """A device to register for push notifications. One of the fields for a push token is needed.

    Attributes:
        auth_token: the auth token of the user whose device it is, if the caller is a REST key.
        push_token: the push token for any platform; for `web_push`, the subscription as JSON in a string.
        subscription: for `web_push`, the subscription as a JSON object.
    """

    platform: Annotated[str, Meta(extra_json_schema=one_of(*PLATFORMS))] = ""
    provider_id: str = ""
    auth_token: str = ""
    push_token: str = ""
    fcm_token: str = ""
    device_token: str = ""
    voip_token: str = ""
    subscription: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})] = msgspec.field(
        default_factory=lambda: msgspec.Raw(b"")
    )

    @property
    def token(self) -> str:
        """The push token or subscription, from whichever field it is in; "" if all are empty."""
        token = self.push_token or self.fcm_token or self.device_token or self.voip_token
        return token or bytes(self.subscription).decode()


class UnregisterPushToken(msgspec.Struct, rename="camel"):
    """A device to remove."""

    auth_token: Annotated[str, Meta(description="The auth token of the user, with a REST key.")] = ""


class ChangePreferences(msgspec.Struct, rename="camel"):
    """Preferences to change; absent fields keep their value."""

    group_preferences: dict[str, Any] = {}
    one_on_one_preferences: dict[str, Any] = {}
    mute_preferences: dict[str, Any] = {}
    use_privacy_template: bool | None = None

    def to_change(self) -> dict[str, Any]:
        """Return the preferences to change, by their names in JSON."""
        change: dict[str, Any] = {
            "groupPreferences": self.group_preferences,
            "oneOnOnePreferences": self.one_on_one_preferences,
            "mutePreferences": self.mute_preferences,
        }
        if self.use_privacy_template is not None:
            change["usePrivacyTemplate"] = self.use_privacy_template
        return change


class MuteConversation(msgspec.Struct):
    """A conversation to mute or unmute."""

    id: Annotated[str, Meta(description="A uid or guid.")]
    type: Annotated[str, Meta(extra_json_schema=one_of("oneOnOne", "group"))] = "oneOnOne"
    until: Annotated[int, Meta(le=2**63 - 1)] = 0


class MuteConversations(msgspec.Struct):
    """Conversations to mute or unmute."""

    conversations: list[MuteConversation] = []

    def to_mutes(self) -> list[Mute]:
        """Return the conversations to mute or unmute."""
        return [Mute(one.id, one.type, one.until) for one in self.conversations]


class ChangeTimezone(msgspec.Struct):
    """The new time zone of a user."""

    timezone: Annotated[str, Meta(examples=["Europe/Berlin"])] = ""


class PushToken(Shape, kw_only=True):
    """A device that receives push notifications. `pushToken` contains only the last characters of the token."""

    id: str
    uid: str
    platform: str
    provider_id: str = ""
    push_token: str
    created_at: Timestamp
    updated_at: Timestamp


class PushTokens(Shape, kw_only=True):
    """Devices that receive push notifications."""

    push_tokens: list[PushToken]


class WebPushKey(Shape, kw_only=True):
    """The key that browsers subscribe with (`applicationServerKey`)."""

    public_key: str


class NotificationPreferences(Shape, kw_only=True):
    """The preferences of a user for push notifications, with the default for each one that they have not set."""

    group_preferences: GroupPreferences
    one_on_one_preferences: OneOnOnePreferences
    mute_preferences: MutePreferences
    use_privacy_template: bool


class MutedConversation(Shape, kw_only=True):
    """A muted conversation."""

    id: str
    type: str
    until: Until


class MutedConversations(Shape, kw_only=True):
    """The muted conversations of a user."""

    muted_conversations: list[MutedConversation]


class Timezone(Shape, kw_only=True, omit_defaults=False):
    """The time zone of a user; "" if it is unknown."""

    timezone: str


class FailedNotification(Shape, kw_only=True):
    """A notification that failed and is not tried again. `device` is the id of the device."""

    id: str
    uid: str
    message_id: str
    device: str
    provider: str
    attempts: int
    queued_at: Timestamp
    first_try_at: Timestamp = 0
    last_try_at: Timestamp = 0
    failed_at: Timestamp = 0
    problem: str = ""


class DevicesQuery(msgspec.Struct, kw_only=True):
    """The query that selects devices: those of all users, or of the user `uid`."""

    cursor: Cursor = START_CURSOR
    limit: Size = 100
    uid: OfUser = ""


class PushDeliveriesQuery(DevicesQuery, kw_only=True):
    """The query that selects push notifications by their status and user."""

    status: Annotated[
        str,
        Meta(
            description="Which ones: those that wait, were sent, or were given up.",
            extra_json_schema=one_of(*NOTIFICATION_TIMES),
        ),
    ] = "failed"


class PushContent(Shape, kw_only=True):
    """What a notification would contain if it were sent now.

    If `data.action` is `deleted`, it makes the device remove the notification that it shows about the message.
    """

    title: str = ""
    body: str = ""
    badge: int = 0
    silent: bool = False
    data: dict[str, Any] = {}


class PushDelivery(Shape, kw_only=True):
    """A notification for a device: waiting, sent, or failed and not tried again."""

    id: str
    status: Annotated[str, Meta(extra_json_schema=one_of(*NOTIFICATION_TIMES))]
    uid: str
    message_id: str
    reaction_id: str = ""
    device: str
    provider: str
    attempts: int
    queued_at: Timestamp
    next_try_at: Timestamp = 0
    first_try_at: Timestamp = 0
    last_try_at: Timestamp = 0
    sent_at: Timestamp = 0
    failed_at: Timestamp = 0
    problem: str = ""
    content: PushContent | None = None


class RetriedNotifications(Shape, kw_only=True, omit_defaults=False):
    """The number of notifications that are sent again."""

    retried: int
