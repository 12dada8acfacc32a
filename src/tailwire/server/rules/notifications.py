"""Decides who is notified of a message or reaction, with one table of reasons not to notify. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tailwire.server.rules.preferences import (
    ALL,
    ANY_REACTION,
    DAYS,
    MENTIONS,
    NONE,
    DaySchedule,
    Preferences,
)


class Kind(StrEnum):
    """The kind of event that a notification reports. `MEMBERS` is a change of the members of a group."""

    MESSAGE = "message"
    REPLY = "reply"
    REACTION = "reaction"
    MEMBERS = "members"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """An event that users may be notified of.

    Attributes:
        kind: the kind of the event.
        in_group: whether it happened in a group.
        member_action: with `Kind.MEMBERS`: what happened, as the field of `GroupPreferences` that decides about it
            (`group_member_left` …). Otherwise "".
        silent: whether the message asks for no notification.
        deleted: whether the message was deleted meanwhile.
        expired: whether it is too old to be notified of.
    """

    kind: Kind
    in_group: bool = False
    member_action: str = ""
    silent: bool = False
    deleted: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts about a possible receiver.

    Attributes:
        own: whether they caused the event themselves.
        blocked: whether there is a block between them and the user who caused it.
        present: whether an app of theirs is in the foreground, or was so at some time since the event.
        read: whether they have read the message, or deleted the conversation for themselves.
        muted: whether they have muted the conversation.
        mentioned: whether the message mentions them.
        own_message: whether they have sent the message.
        weekday: the day of the week in their time zone: 0 for Monday.
        clock: the time of day in their time zone: 100 times the hours plus the minutes (`930` is 9:30).
    """

    own: bool = False
    blocked: bool = False
    present: bool = False
    read: bool = False
    muted: bool = False
    mentioned: bool = False
    own_message: bool = False
    weekday: int = 0
    clock: int = 0


Rule = Callable[[Occasion, Facts, Preferences], bool]
"""Returns True if a possible receiver shall not be notified."""


def _disturbs(o: Occasion, f: Facts, p: Preferences) -> bool:
    if p.mute_preferences.dnd == ALL:
        return True
    day = p.mute_preferences.schedule.get(DAYS[f.weekday], _WHOLE_DAY)
    if day.dnd:
        return True
    if day.from_ <= day.to:
        return not day.from_ <= f.clock <= day.to
    return day.to < f.clock < day.from_  # beyond midnight


def _unwanted(o: Occasion, f: Facts, p: Preferences) -> bool:
    if o.kind is Kind.MEMBERS:
        return getattr(p.group_preferences, o.member_action, NONE) == NONE
    if o.kind is Kind.REACTION:
        option = _reactions(o, p)
        return option == NONE or (option != ANY_REACTION and not f.own_message)
    option = _messages(o, p)
    return option == NONE or (option == MENTIONS and not f.mentioned)


def _messages(o: Occasion, p: Preferences) -> int:
    group, user = p.group_preferences, p.one_on_one_preferences
    if o.kind is Kind.REPLY:
        return group.group_replies if o.in_group else user.one_on_one_replies
    return group.group_messages if o.in_group else user.one_on_one_messages


def _reactions(o: Occasion, p: Preferences) -> int:
    if o.in_group:
        return p.group_preferences.group_reactions
    return p.one_on_one_preferences.one_on_one_reactions


_WHOLE_DAY = DaySchedule()
TABLE: tuple[tuple[str, Rule], ...] = (
    ("expired", lambda o, f, p: o.expired),
    ("deleted", lambda o, f, p: o.deleted),
    ("silent", lambda o, f, p: o.silent),
    ("own", lambda o, f, p: f.own),
    ("blocked", lambda o, f, p: f.blocked),
    ("present", lambda o, f, p: f.present),
    ("read", lambda o, f, p: f.read and o.kind is not Kind.REACTION),
    ("muted", lambda o, f, p: f.muted),
    ("do not disturb", _disturbs),
    ("unwanted", _unwanted),
)
"""The reasons not to notify a receiver, in the order of checking, each with the rule that decides if it applies."""


def why_not(occasion: Occasion, facts: Facts, preferences: Preferences) -> str:
    """Return why a receiver is not notified: the first reason of `TABLE` that applies; "" if they are notified."""
    return next((reason for reason, applies in TABLE if applies(occasion, facts, preferences)), "")
