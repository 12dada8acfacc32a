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
    RepliesOptions,
    muted_from_wire,
    preferences_from_wire,
    preferences_to_wire,
)


def test_preferences_survive_a_round_trip():
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


def test_unknown_values_of_preferences_are_left_out():
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


def test_muted_conversations_are_decoded():
    rows = [{"id": "alice", "type": "oneOnOne", "until": 5}, {"id": "team", "type": "group", "until": 6}]
    assert muted_from_wire({"mutedConversations": rows}) == [
        MutedConversation("alice", until=5),
        MutedConversation("team", MutedConversationType.GROUP, 6),
    ]
    assert muted_from_wire({}) == []
    with pytest.raises(BadWire):
        muted_from_wire({"mutedConversations": [1]})


def test_numbers_of_the_options_on_the_wire_stay_the_same():
    all_or_mentions = {"DONT_SUBSCRIBE": 1, "SUBSCRIBE_TO_ALL": 2, "SUBSCRIBE_TO_MENTIONS": 3}
    for kind, numbers in {
        MessagesOptions: all_or_mentions,
        RepliesOptions: all_or_mentions,
        ReactionsOptions: {
            "DONT_SUBSCRIBE": 1,
            "SUBSCRIBE_TO_REACTIONS_ON_OWN_MESSAGES": 2,
            "SUBSCRIBE_TO_REACTIONS_ON_ALL_MESSAGES": 3,
        },
        MemberActionsOptions: {"DONT_SUBSCRIBE": 1, "SUBSCRIBE": 2},
        DNDOptions: {"DISABLED": 1, "ENABLED": 2},
    }.items():
        assert {option.name: option.value for option in kind} == numbers


def test_day_without_times_is_a_whole_day():
    assert (DaySchedule().from_, DaySchedule().to) == (0, 2359)
