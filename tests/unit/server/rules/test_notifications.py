"""Who is notified: each reason alone, and the preferences."""

from __future__ import annotations

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.notifications import TABLE, Facts, Kind, Occasion, why_not
from tailwire.server.rules.preferences import (
    DaySchedule,
    GroupPreferences,
    MutePreferences,
    OneOnOnePreferences,
    Preferences,
    changed_preferences,
    read_preferences,
)
from tailwire.server.rules.push_tokens import check_token

MESSAGE, REPLY, REACTION, MEMBERS = Kind.MESSAGE, Kind.REPLY, Kind.REACTION, Kind.MEMBERS
OF_RECEIVER = ("own", "blocked", "present", "read", "muted")
OF_MESSAGE = ("expired", "deleted", "silent")


def test_receiver_is_notified_of_a_message_by_default():
    for kind in (MESSAGE, REPLY):
        for in_group in (False, True):
            assert why_not(Occasion(kind=kind, in_group=in_group), Facts(), Preferences()) == ""


@pytest.mark.parametrize("reason", OF_RECEIVER)
def test_each_reason_about_the_receiver_prevents_a_notification_alone(reason):
    assert why_not(Occasion(kind=MESSAGE), Facts(**{reason: True}), Preferences()) == reason


@pytest.mark.parametrize("reason", OF_MESSAGE)
def test_each_reason_about_the_message_prevents_a_notification_alone(reason):
    assert why_not(Occasion(kind=MESSAGE, **{reason: True}), Facts(), Preferences()) == reason


def test_author_is_notified_of_a_reaction_to_a_message_they_have_read():
    facts = Facts(read=True, own_message=True)
    assert why_not(Occasion(kind=REACTION), facts, Preferences()) == ""


@pytest.mark.parametrize(
    ("kind", "in_group", "wanted", "mentioned", "notified"),
    [
        (MESSAGE, True, 1, True, False),
        (MESSAGE, True, 2, False, True),
        (MESSAGE, True, 3, False, False),
        (MESSAGE, True, 3, True, True),
        (REPLY, True, 1, True, False),
        (REPLY, True, 2, False, True),
        (REPLY, True, 3, False, False),
        (REPLY, True, 3, True, True),
        (MESSAGE, False, 1, True, False),
        (MESSAGE, False, 2, False, True),
        (REPLY, False, 1, True, False),
        (REPLY, False, 2, False, True),
    ],
)
def test_preferences_decide_about_messages_and_replies(kind, in_group, wanted, mentioned, notified):
    group = GroupPreferences(**{"group_messages" if kind is MESSAGE else "group_replies": wanted})
    user = OneOnOnePreferences(**{"one_on_one_messages" if kind is MESSAGE else "one_on_one_replies": wanted})
    preferences = Preferences(group_preferences=group) if in_group else Preferences(one_on_one_preferences=user)
    found = why_not(Occasion(kind=kind, in_group=in_group), Facts(mentioned=mentioned), preferences)
    assert found == ("" if notified else "unwanted")


@pytest.mark.parametrize(
    ("wanted", "own_message", "notified"),
    [(1, True, False), (1, False, False), (2, True, True), (2, False, False), (3, True, True), (3, False, True)],
)
@pytest.mark.parametrize("in_group", [False, True])
def test_preferences_decide_about_reactions(wanted, own_message, notified, in_group):
    preferences = Preferences(
        group_preferences=GroupPreferences(group_reactions=wanted if in_group else 4 - wanted),
        one_on_one_preferences=OneOnOnePreferences(one_on_one_reactions=4 - wanted if in_group else wanted),
    )
    found = why_not(Occasion(kind=REACTION, in_group=in_group), Facts(own_message=own_message), preferences)
    assert found == ("" if notified else "unwanted")


def test_actions_on_members_are_notified_only_if_the_preferences_ask_for_them():
    actions = [name for name in GroupPreferences.__struct_fields__ if name.startswith("group_member_")]
    assert len(actions) > 6
    for action in actions:
        occasion = Occasion(kind=MEMBERS, in_group=True, member_action=action)
        assert why_not(occasion, Facts(), Preferences()) == "unwanted"
        wants = Preferences(group_preferences=GroupPreferences(**{action: 2}))
        assert why_not(occasion, Facts(), wants) == ""
    unknown = Occasion(kind=MEMBERS, in_group=True)
    assert why_not(unknown, Facts(), Preferences()) == "unwanted"


@pytest.mark.parametrize(
    ("schedule", "weekday", "clock", "notified"),
    [
        ({}, 6, 300, True),
        ({"monday": DaySchedule(900, 1700)}, 0, 900, True),
        ({"monday": DaySchedule(900, 1700)}, 0, 1700, True),
        ({"monday": DaySchedule(900, 1700)}, 0, 859, False),
        ({"monday": DaySchedule(900, 1700)}, 0, 1701, False),
        ({"monday": DaySchedule(900, 1700)}, 1, 300, True),
        ({"monday": DaySchedule(2200, 600)}, 0, 2300, True),
        ({"monday": DaySchedule(2200, 600)}, 0, 300, True),
        ({"monday": DaySchedule(2200, 600)}, 0, 1200, False),
        ({"monday": DaySchedule(900, 1700, True)}, 0, 1200, False),
        ({"sunday": DaySchedule(dnd=True)}, 6, 1200, False),
    ],
)
def test_schedule_of_the_week_decides_by_day_and_time(schedule, weekday, clock, notified):
    preferences = Preferences(mute_preferences=MutePreferences(schedule=schedule))
    found = why_not(Occasion(kind=MESSAGE), Facts(weekday=weekday, clock=clock), preferences)
    assert found == ("" if notified else "do not disturb")


def test_do_not_disturb_is_stronger_than_the_schedule():
    preferences = Preferences(mute_preferences=MutePreferences(dnd=2, schedule={"monday": DaySchedule()}))
    assert why_not(Occasion(kind=MESSAGE), Facts(), preferences) == "do not disturb"


def test_each_reason_against_a_notification_has_a_name_of_its_own_and_a_test():
    names = [name for name, _ in TABLE]
    assert sorted(names) == sorted([*OF_RECEIVER, *OF_MESSAGE, "do not disturb", "unwanted"])


def test_preferences_have_the_documented_defaults():
    assert read_preferences("{}") == read_preferences("") == read_preferences("broken") == Preferences()
    group, user = GroupPreferences(), OneOnOnePreferences()
    assert (group.group_messages, group.group_replies, group.group_reactions, group.group_member_left) == (2, 2, 2, 1)
    assert (user.one_on_one_messages, user.one_on_one_replies, user.one_on_one_reactions) == (2, 2, 2)
    assert MutePreferences().dnd == 1


def test_change_of_preferences_keeps_the_fields_that_it_does_not_name():
    once = changed_preferences("{}", {"groupPreferences": {"groupMessages": 3}})
    twice = changed_preferences(
        once, {"mutePreferences": {"schedule": {"monday": {"from": 900}}}, "usePrivacyTemplate": True}
    )
    thrice = read_preferences(changed_preferences(twice, {"mutePreferences": {"schedule": {"friday": {"dnd": True}}}}))
    assert thrice.group_preferences.group_messages == 3
    assert thrice.use_privacy_template
    assert thrice.mute_preferences.schedule == {"monday": DaySchedule(900), "friday": DaySchedule(dnd=True)}


def test_change_with_a_null_schedule_keeps_the_days_of_the_schedule():
    known = changed_preferences("{}", {"mutePreferences": {"schedule": {"monday": {"from": 900}}}})
    changed = read_preferences(changed_preferences(known, {"mutePreferences": {"dnd": 2, "schedule": None}}))
    assert changed.mute_preferences.schedule == {"monday": DaySchedule(900)}


@pytest.mark.parametrize(
    "change",
    [
        {"color": 1},
        {"groupPreferences": {"groupMessages": 0}},
        {"groupPreferences": {"sound": 1}},
        {"groupPreferences": 7},
        {"oneOnOnePreferences": {"oneOnOneMessages": 3}},
        {"mutePreferences": {"schedule": {"monday": 7}}},
        {"mutePreferences": {"schedule": {"monday": {"to": 2360}}}},
        {"mutePreferences": {"schedule": {"monday": {"to": 1299}}}},
        {"mutePreferences": {"schedule": {"noday": {}}}},
        {"mutePreferences": {"schedule": 7}},
        {"usePrivacyTemplate": "yes"},
        {"usePrivacyTemplate": {}},
        {"usePrivacyTemplate": {"on": True}},
    ],
)
def test_invalid_change_of_preferences_is_refused(change):
    with pytest.raises(Refused) as refused:
        changed_preferences("{}", change)
    assert refused.value.code == "ERR_BAD_REQUEST"


POINT, SECRET = "B" + "A" * 86, "A" * 22
BROWSER = '{"endpoint":"https://push.example/1","expirationTime":null,"keys":{"p256dh":"%s","auth":"%s"}}'


def test_platform_of_a_token_decides_which_provider_it_is_for():
    assert check_token("FCM_FLUTTER_ANDROID", "abc:DEF-1_2").provider == "fcm"
    assert check_token("apns_flutter_device", "ab" * 32).provider == "apns"
    assert check_token("apns_flutter_voip", "ab" * 32).provider == "voip"
    found = check_token("web_push", BROWSER % (POINT, SECRET))
    assert (found.provider, found.endpoint, found.identity) == (
        "web",
        "https://push.example/1",
        "https://push.example/1",
    )


@pytest.mark.parametrize(
    "subscription",
    [
        BROWSER % ("AA", SECRET),
        BROWSER % (POINT, "AA"),
        "[]",
        "[" * 5000,
        BROWSER.replace("https://push.example/1", "https://[") % (POINT, SECRET),
        BROWSER.replace("/1", "/ü") % (POINT, SECRET),
    ],
    ids=["no point", "no secret", "no object", "nested", "no host", "not ASCII"],
)
def test_invalid_subscription_of_a_browser_is_refused(subscription):
    with pytest.raises(Refused) as refused:
        check_token("web_push", subscription)
    assert refused.value.code == "INVALID_WEB_PUSH_SUBSCRIPTION"


@pytest.mark.parametrize(
    ("platform", "token", "code"),
    [
        ("pager", "x", "INVALID_PUSH_PLATFORM"),
        ("fcm_flutter_android", "", "INVALID_FCM_TOKEN"),
        ("apns_flutter_device", "xyz", "INVALID_APNS_DEVICE_TOKEN"),
        ("apns_flutter_voip", "12/../34", "INVALID_APNS_VOIP_TOKEN"),
    ],
)
def test_invalid_token_has_the_documented_code(platform, token, code):
    with pytest.raises(Refused) as refused:
        check_token(platform, token)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("time", "valid"), [(0, True), (59, True), (60, False), (1759, True), (1760, False), (1799, False)]
)
@pytest.mark.parametrize("field", ["from", "to"])
def test_minutes_in_the_times_of_a_schedule_are_at_most_59(field, time, valid):
    change = {"mutePreferences": {"schedule": {"monday": {"from": 0, "to": 0, field: time}}}}
    if valid:
        schedule = read_preferences(changed_preferences("", change)).mute_preferences.schedule
        assert getattr(schedule["monday"], "from_" if field == "from" else field) == time
    else:
        with pytest.raises(Refused, match="ERR_BAD_REQUEST"):
            changed_preferences("", change)


@pytest.mark.parametrize(("clock", "disturbs"), [(859, True), (900, False), (901, True)])
def test_schedule_of_one_minute_allows_that_minute_only(clock, disturbs):
    day = DaySchedule(from_=900, to=900)
    preferences = Preferences(mute_preferences=MutePreferences(schedule={"monday": day}))
    assert bool(why_not(Occasion(kind=MESSAGE), Facts(clock=clock), preferences)) is disturbs
