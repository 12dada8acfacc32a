"""Preferences and muted conversations, decoded and encoded."""

from __future__ import annotations

import pytest

from tailwire.wire.codec import BadWire
from tailwire.wire.notifications import (
    DayOfWeek,
    DaySchedule,
    DNDOptions,
    GroupPreferences,
    MemberActionsOptions,
    MessagesOptions,
    MutedConversation,
    MutedConversationType,
    MutePreferences,
    NotificationPreferences,
    OneOnOnePreferences,
    ReactionsOptions,
    muted_from_wire,
    preferences_from_wire,
    preferences_to_wire,
)


def test_preferences_survive_the_wire():
    preferences = NotificationPreferences(
        GroupPreferences(messages=MessagesOptions.SUBSCRIBE_TO_MENTIONS, member_left=MemberActionsOptions.SUBSCRIBE),
        OneOnOnePreferences(reactions=ReactionsOptions.DONT_SUBSCRIBE),
        MutePreferences(DNDOptions.ENABLED, {DayOfWeek.MONDAY: DaySchedule(900, 1730, True)}),
        use_privacy_template=False,
    )
    encoded = preferences_to_wire(preferences)
    assert encoded == {
        "groupPreferences": {"groupMessages": 3, "groupMemberLeft": 2},
        "oneOnOnePreferences": {"oneOnOneReactions": 1},
        "mutePreferences": {"dnd": 2, "schedule": {"monday": {"from": 900, "to": 1730, "dnd": True}}},
        "usePrivacyTemplate": False,
    }
    assert preferences_from_wire(encoded) == preferences
    assert preferences_to_wire(NotificationPreferences()) == {
        "groupPreferences": {}, "oneOnOnePreferences": {}, "mutePreferences": {"schedule": {}},
    }  # fmt: skip


def test_unknown_values_are_none():
    found = preferences_from_wire(
        {
            "groupPreferences": {"groupMessages": 9, "groupReplies": True, "groupReactions": "2"},
            "oneOnOnePreferences": 7,
            "mutePreferences": {"dnd": 3, "schedule": {"someday": {}, "friday": {}, "sunday": 1}},
            "usePrivacyTemplate": "yes",
        }
    )
    assert found == NotificationPreferences(
        mute_preferences=MutePreferences(None, {DayOfWeek.FRIDAY: DaySchedule(), DayOfWeek.SUNDAY: DaySchedule()})
    )
    with pytest.raises(BadWire):
        preferences_from_wire([])


def test_muted_conversations():
    rows = [{"id": "alice", "type": "oneOnOne", "until": 5}, {"id": "team", "type": "group", "until": 6}]
    assert muted_from_wire({"mutedConversations": rows}) == [
        MutedConversation("alice", until=5),
        MutedConversation("team", MutedConversationType.GROUP, 6),
    ]
    assert muted_from_wire({}) == []
    with pytest.raises(BadWire):
        muted_from_wire({"mutedConversations": [1]})
