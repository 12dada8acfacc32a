"""Push notifications: platforms, preferences and muted conversations, as apps see them and as they are encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from tailwire.wire.codec import number_at, object_of, text_at
from tailwire.wire.set_fields import SetFieldsRepr


class PushPlatforms(StrEnum):
    """The service that delivers push notifications.

    `WEB_PUSH` is an addition of Tailwire: its token is the subscription of a browser.
    """

    FCM_FLUTTER_ANDROID = "fcm_flutter_android"
    FCM_FLUTTER_IOS = "fcm_flutter_ios"
    APNS_FLUTTER_DEVICE = "apns_flutter_device"
    APNS_FLUTTER_VOIP = "apns_flutter_voip"
    WEB_PUSH = "web_push"


class MessagesOptions(IntEnum):
    """The messages to be notified of."""

    DONT_SUBSCRIBE = 1
    SUBSCRIBE_TO_ALL = 2
    SUBSCRIBE_TO_MENTIONS = 3


class RepliesOptions(IntEnum):
    """The replies in threads to be notified of."""

    DONT_SUBSCRIBE = 1
    SUBSCRIBE_TO_ALL = 2
    SUBSCRIBE_TO_MENTIONS = 3


class ReactionsOptions(IntEnum):
    """The reactions to be notified of."""

    DONT_SUBSCRIBE = 1
    SUBSCRIBE_TO_REACTIONS_ON_OWN_MESSAGES = 2
    SUBSCRIBE_TO_REACTIONS_ON_ALL_MESSAGES = 3


class MemberActionsOptions(IntEnum):
    """Whether to be notified of what happens to members of groups."""

    DONT_SUBSCRIBE = 1
    SUBSCRIBE = 2


class DNDOptions(IntEnum):
    """Whether no notifications are sent at all (do not disturb)."""

    DISABLED = 1
    ENABLED = 2


class DayOfWeek(StrEnum):
    """A day of the week."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class MutedConversationType(StrEnum):
    """The kind of a muted conversation."""

    ONE_ON_ONE = "oneOnOne"
    GROUP = "group"


@dataclass(slots=True, repr=False)
class DaySchedule(SetFieldsRepr):
    """When notifications are sent on one day of the week.

    Attributes:
        from_, to: the first and the last minute, as hours and minutes (`930` for 9:30) in the user's time zone. If
            `from_` is later than `to`, the time goes beyond midnight.
        dnd: whether no notifications are sent on this day.
    """

    from_: int = 0
    to: int = 2359
    dnd: bool = False


@dataclass(slots=True, repr=False)
class GroupPreferences(SetFieldsRepr):
    """What to be notified of in groups. In an update, None keeps the preference that is stored."""

    messages: MessagesOptions | None = None
    replies: RepliesOptions | None = None
    reactions: ReactionsOptions | None = None
    member_left: MemberActionsOptions | None = None
    member_added: MemberActionsOptions | None = None
    member_joined: MemberActionsOptions | None = None
    member_kicked: MemberActionsOptions | None = None
    member_banned: MemberActionsOptions | None = None
    member_unbanned: MemberActionsOptions | None = None
    member_scope_changed: MemberActionsOptions | None = None


@dataclass(slots=True, repr=False)
class OneOnOnePreferences(SetFieldsRepr):
    """What to be notified of in conversations with users. In an update, None keeps the preference that is stored."""

    messages: MessagesOptions | None = None
    replies: RepliesOptions | None = None
    reactions: ReactionsOptions | None = None


@dataclass(slots=True, repr=False)
class MutePreferences(SetFieldsRepr):
    """When the user does not want to be disturbed.

    Attributes:
        dnd: whether they never want to be. None keeps the setting when the preferences are updated.
        schedule: when notifications are sent, by day of the week. A missing day keeps its schedule.
    """

    dnd: DNDOptions | None = None
    schedule: dict[DayOfWeek, DaySchedule] = field(default_factory=dict)


@dataclass(slots=True, repr=False)
class NotificationPreferences(SetFieldsRepr):
    """A user's preferences for notifications (CometChat's class `NotificationPreferences`).

    Attributes:
        use_privacy_template: whether to leave the text of messages out of notifications. None keeps the setting.
    """

    group_preferences: GroupPreferences = field(default_factory=GroupPreferences)
    one_on_one_preferences: OneOnOnePreferences = field(default_factory=OneOnOnePreferences)
    mute_preferences: MutePreferences = field(default_factory=MutePreferences)
    use_privacy_template: bool | None = None


@dataclass(slots=True, repr=False)
class MutedConversation(SetFieldsRepr):
    """A conversation without notifications (CometChat's class `MutedConversation`).

    Attributes:
        id: the uid of the other user, or the guid of the group.
        until: when notifications begin again, in milliseconds since 1970.
    """

    id: str
    type: MutedConversationType = MutedConversationType.ONE_ON_ONE
    until: int = 0


@dataclass(slots=True, repr=False)
class UnmutedConversation(SetFieldsRepr):
    """A conversation to unmute (CometChat's class `UnmutedConversation`).

    Attributes:
        id: the uid of the other user, or the guid of the group.
        type: whether `id` is that of a user or of a group.
    """

    id: str
    type: MutedConversationType = MutedConversationType.ONE_ON_ONE


_GROUP_FIELDS: dict[str, tuple[str, type[IntEnum]]] = {
    "messages": ("groupMessages", MessagesOptions),
    "replies": ("groupReplies", RepliesOptions),
    "reactions": ("groupReactions", ReactionsOptions),
    "member_left": ("groupMemberLeft", MemberActionsOptions),
    "member_added": ("groupMemberAdded", MemberActionsOptions),
    "member_joined": ("groupMemberJoined", MemberActionsOptions),
    "member_kicked": ("groupMemberKicked", MemberActionsOptions),
    "member_banned": ("groupMemberBanned", MemberActionsOptions),
    "member_unbanned": ("groupMemberUnbanned", MemberActionsOptions),
    "member_scope_changed": ("groupMemberScopeChanged", MemberActionsOptions),
}
_ONE_ON_ONE_FIELDS: dict[str, tuple[str, type[IntEnum]]] = {
    "messages": ("oneOnOneMessages", MessagesOptions),
    "replies": ("oneOnOneReplies", RepliesOptions),
    "reactions": ("oneOnOneReactions", ReactionsOptions),
}


def preferences_from_wire(value: Any) -> NotificationPreferences:
    """Decode the preferences in a response. Missing and unknown values become None."""
    d = object_of(value, "preferences")
    mute = _object(d.get("mutePreferences"))
    schedule = {}
    for day, hours in _object(mute.get("schedule")).items():
        if day in list(DayOfWeek):
            h = _object(hours)
            schedule[DayOfWeek(day)] = DaySchedule(
                number_at(h, "from"), number_at(h, "to") if "to" in h else 2359, h.get("dnd") is True
            )
    private = d.get("usePrivacyTemplate")
    return NotificationPreferences(
        GroupPreferences(**_options(_object(d.get("groupPreferences")), _GROUP_FIELDS)),
        OneOnOnePreferences(**_options(_object(d.get("oneOnOnePreferences")), _ONE_ON_ONE_FIELDS)),
        MutePreferences(_option(mute.get("dnd"), DNDOptions), schedule),
        private if isinstance(private, bool) else None,
    )


def preferences_to_wire(preferences: NotificationPreferences) -> dict[str, Any]:
    """Return the body of a request that updates preferences, without those that are None."""
    mute = preferences.mute_preferences
    encoded: dict[str, Any] = {
        "groupPreferences": _encoded(preferences.group_preferences, _GROUP_FIELDS),
        "oneOnOnePreferences": _encoded(preferences.one_on_one_preferences, _ONE_ON_ONE_FIELDS),
        "mutePreferences": {
            **({"dnd": int(mute.dnd)} if mute.dnd is not None else {}),
            "schedule": {
                str(day): {"from": hours.from_, "to": hours.to, "dnd": hours.dnd}
                for day, hours in mute.schedule.items()
            },
        },
    }
    if preferences.use_privacy_template is not None:
        encoded["usePrivacyTemplate"] = preferences.use_privacy_template
    return encoded


def muted_from_wire(value: Any) -> list[MutedConversation]:
    """Decode the response that lists the muted conversations, in its order."""
    found = object_of(value, "muted conversations").get("mutedConversations")
    rows = [object_of(one, "muted conversation") for one in found] if isinstance(found, list) else []
    return [
        MutedConversation(
            text_at(one, "id"),
            MutedConversationType.GROUP if one.get("type") == "group" else MutedConversationType.ONE_ON_ONE,
            number_at(one, "until"),
        )
        for one in rows
    ]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _option(value: Any, kind: type[IntEnum]) -> Any:
    return kind(value) if type(value) is int and value in list(kind) else None


def _options(d: Mapping[str, Any], names: Mapping[str, tuple[str, type[IntEnum]]]) -> dict[str, Any]:
    return {name: _option(d.get(key), kind) for name, (key, kind) in names.items()}


def _encoded(options: Any, names: Mapping[str, tuple[str, type[IntEnum]]]) -> dict[str, int]:
    fields = {key: getattr(options, name) for name, (key, _) in names.items()}
    return {key: int(value) for key, value in fields.items() if value is not None}
