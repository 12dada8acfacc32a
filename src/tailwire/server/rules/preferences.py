"""What users can choose about push notifications, as in CometChat, with the defaults. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tailwire.server.ports.refusal import Refused

NONE, ALL, MENTIONS = 1, 2, 3
"""Choices for messages and replies: notify of none, of all, or (in groups only) of those that mention the user."""
OWN = 2
"""Choice for reactions: notify of those to the user's own messages. The others are `NONE` and `ANY_REACTION`."""
ANY_REACTION = 3
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LAST_MINUTE = 2359

Three = Annotated[int, msgspec.Meta(ge=1, le=3)]
Two = Annotated[int, msgspec.Meta(ge=1, le=2)]
Clock = Annotated[int, msgspec.Meta(ge=0, le=LAST_MINUTE, description="Hours and minutes: 930 is 9:30.")]


class DaySchedule(msgspec.Struct, rename={"from_": "from"}):
    """When notifications are sent on one day of the week.

    Attributes:
        from_, to: the first and the last minute at which notifications are sent: 100 times the hours plus the minutes
            (`930` is 9:30). If `from_` is later than `to`, they are sent from midnight to `to`, and from `from_` to
            midnight.
        dnd: whether to send no notifications on this day ("do not disturb").
    """

    from_: Clock = 0
    to: Clock = LAST_MINUTE
    dnd: bool = False


class GroupPreferences(msgspec.Struct, rename="camel"):
    """Which events in groups a user is notified of.

    Messages and replies: 1 none, 2 all, 3 those that mention the user. Reactions: 1 none, 2 those to the user's own
    messages, 3 all. Changes of members: 1 none, 2 all.
    """

    group_messages: Three = ALL
    group_replies: Three = ALL
    group_reactions: Three = OWN
    group_member_left: Two = NONE
    group_member_added: Two = NONE
    group_member_joined: Two = NONE
    group_member_kicked: Two = NONE
    group_member_banned: Two = NONE
    group_member_unbanned: Two = NONE
    group_member_scope_changed: Two = NONE


class OneOnOnePreferences(msgspec.Struct, rename="camel"):
    """Which events in conversations between two users a user is notified of.

    Messages and replies: 1 none, 2 all. Reactions: 1 none, 2 those to the user's own messages, 3 all.
    """

    one_on_one_messages: Two = ALL
    one_on_one_replies: Two = ALL
    one_on_one_reactions: Three = OWN


class MutePreferences(msgspec.Struct):
    """When not to disturb the user.

    Attributes:
        dnd: 1 to send notifications, 2 to send none at all ("do not disturb").
        schedule: when notifications are sent, by the name of the day (one of `DAYS`). On a day without an entry, they
            are sent all day.
    """

    dnd: Two = NONE
    schedule: dict[str, DaySchedule] = {}


class Preferences(msgspec.Struct, rename="camel"):
    """The preferences of a user.

    Attributes:
        use_privacy_template: whether notifications show only the sender, without the text.
    """

    group_preferences: GroupPreferences = msgspec.field(default_factory=GroupPreferences)
    one_on_one_preferences: OneOnOnePreferences = msgspec.field(default_factory=OneOnOnePreferences)
    mute_preferences: MutePreferences = msgspec.field(default_factory=MutePreferences)
    use_privacy_template: bool = False


_decode = msgspec.json.Decoder(Preferences).decode


def read_preferences(stored: str) -> Preferences:
    """Decode stored preferences. Missing fields get their defaults, and all fields do if the text cannot be decoded."""
    try:
        return _decode(stored or "{}")
    except msgspec.DecodeError:
        return Preferences()


def changed_preferences(stored: str, change: dict[str, Any]) -> str:
    """Return preferences with some fields changed, as JSON to be stored.

    Args:
        stored: the present preferences as JSON; "" or `{}` for the defaults.
        change: the fields to change, nested and named as in JSON. Fields and days that are not in it keep their value.

    Raises:
        Refused: ERR_BAD_REQUEST: a field is unknown, or its value is invalid. The details name it.
    """
    known: dict[str, Any] = msgspec.to_builtins(read_preferences(stored))
    for name, value in change.items():
        if name not in known:
            raise Refused("ERR_BAD_REQUEST", {name[:50]: f"Use {', '.join(known)}."})
        known[name] = _changed(name, known[name], value)
    try:
        checked = msgspec.convert(known, Preferences)
    except msgspec.ValidationError as e:
        what, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {where.rstrip("`") or "body": f"{what}."}) from e
    for day, hours in checked.mute_preferences.schedule.items():
        if day not in DAYS or hours.from_ % 100 > 59 or hours.to % 100 > 59:
            raise Refused("ERR_BAD_REQUEST", {"mutePreferences.schedule": f"Use {', '.join(DAYS)}, and minutes to 59."})
    return msgspec.json.encode(checked).decode()


def _changed(name: str, known: Any, value: Any) -> Any:
    # What is not an object of preferences is left as it is: the conversion refuses it.
    if not (isinstance(value, dict) and isinstance(known, dict)):
        return value
    for key in value:
        if key not in known:
            raise Refused("ERR_BAD_REQUEST", {f"{name}.{key[:50]}": f"Use {', '.join(known)}."})
    changed = {**known, **value}
    if "schedule" in known:  # only the days that are given change; clients may send null for none
        days = {} if value.get("schedule") is None else value["schedule"]
        changed["schedule"] = {**known["schedule"], **days} if isinstance(days, dict) else days
    return changed
