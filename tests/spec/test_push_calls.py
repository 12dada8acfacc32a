"""Push notifications through the client and `CometChatNotifications`: from the registration to the notification."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from test_push_notifications import push_service

from receiver import until
from tailwire import (
    CometChatException,
    CometChatNotifications,
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
    PushPlatforms,
    ReactionsOptions,
    RepliesOptions,
    UnmutedConversation,
)
from tailwire.sdk.calls.current import set_current


async def test_registered_app_without_a_connection_is_notified_once(stage):
    browser = await push_service(stage)
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    assert len(await bob.chat.get_web_push_key()) == 87  # 65 bytes in Base64 without padding
    subscription = json.loads(browser.subscription("bob"))
    await bob.chat.register_push_token(PushPlatforms.WEB_PUSH, subscription, provider_id="mine")
    bob.chat.set_app_state("background")
    await stage.pass_time(5)
    await alice.say("bob", "hello")
    await until(stage, lambda: browser.received)
    await stage.pass_time(60)
    assert [one["body"] for one in browser.received] == ["hello"]


async def test_app_that_logged_out_is_not_notified(stage):
    browser = await push_service(stage)
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.chat.register_push_token("web_push", browser.subscription("bob"))
    await bob.chat.logout()
    await alice.say("bob", "hello")
    await stage.pass_time(20)
    assert not browser.received


async def test_app_that_unregistered_is_not_notified(stage):
    browser = await push_service(stage)
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.chat.register_push_token("web_push", browser.subscription("bob"))
    await bob.chat.unregister_push_token()
    bob.chat.set_app_state("background")
    await stage.pass_time(5)
    await alice.say("bob", "hello")
    await stage.pass_time(20)
    assert not browser.received


async def test_message_read_on_another_device_is_not_notified(stage):
    browser = await push_service(stage)
    alice, phone, laptop = await stage.enter("alice"), await stage.enter("bob"), await stage.enter("bob")
    await phone.chat.register_push_token("web_push", browser.subscription("bob"))
    phone.chat.set_app_state("background")
    laptop.chat.set_app_state("background")
    await stage.pass_time(5)
    laptop.chat.set_app_state("foreground")
    await alice.say("bob", "hello")
    await laptop.ears.until(lambda: laptop.ears.texts == ["hello"])
    await laptop.chat.mark_as_read(laptop.ears.all("text")[0])
    laptop.chat.set_app_state("background")
    await stage.pass_time(60)
    assert not browser.received


@pytest.fixture
def no_current_client():
    """Let the static class have no client again after a test."""
    yield
    set_current(None)


async def enter_bob(stage):
    """Let bob be the user of the static class, on a server with a push service."""
    await push_service(stage)
    bob = await stage.enter("bob")
    set_current(bob.chat)
    return bob


INVALID_REGISTRATIONS = [
    ("INVALID_PUSH_PLATFORM", "pager"),
    ("INVALID_FCM_TOKEN", PushPlatforms.FCM_FLUTTER_ANDROID),
    ("INVALID_FCM_TOKEN", PushPlatforms.FCM_FLUTTER_IOS),
    ("INVALID_APNS_DEVICE_TOKEN", PushPlatforms.APNS_FLUTTER_DEVICE),
    ("INVALID_APNS_VOIP_TOKEN", PushPlatforms.APNS_FLUTTER_VOIP),
    ("INVALID_WEB_PUSH_SUBSCRIPTION", PushPlatforms.WEB_PUSH),
]


@pytest.mark.parametrize(("code", "platform"), INVALID_REGISTRATIONS)
async def test_registration_without_its_token_is_refused_before_any_request(stage, no_current_client, code, platform):
    await enter_bob(stage)
    stage.network.cut()
    with pytest.raises(CometChatException) as raised:
        await CometChatNotifications.register_push_token(platform)
    assert raised.value.code == code
    stage.network.restore()


async def test_registration_is_refused_without_credentials_for_its_provider(stage, no_current_client):
    await enter_bob(stage)
    with pytest.raises(CometChatException) as raised:
        await CometChatNotifications.register_push_token(PushPlatforms.FCM_FLUTTER_ANDROID, fcm_token="abc:def")
    assert raised.value.code == "ERR_PROVIDER_NOT_FOUND"


async def test_error_of_a_registration_is_passed_to_on_error(stage, no_current_client):
    await enter_bob(stage)
    errors = []
    assert await CometChatNotifications.register_push_token("pager", on_error=errors.append) is None
    assert [error.code for error in errors] == ["INVALID_PUSH_PLATFORM"]


async def test_voip_token_is_accepted_without_a_provider(stage, no_current_client):
    await enter_bob(stage)
    done = await CometChatNotifications.register_push_token(PushPlatforms.APNS_FLUTTER_VOIP, voip_token="ab" * 32)
    assert done == "Push token registered successfully"


async def test_preferences_have_the_documented_defaults(stage, no_current_client):
    await enter_bob(stage)
    defaults = await CometChatNotifications.fetch_preferences()
    assert defaults.group_preferences.messages is MessagesOptions.SUBSCRIBE_TO_ALL
    assert defaults.group_preferences.replies is RepliesOptions.SUBSCRIBE_TO_ALL
    assert defaults.group_preferences.reactions is ReactionsOptions.SUBSCRIBE_TO_REACTIONS_ON_OWN_MESSAGES
    assert defaults.group_preferences.member_left is MemberActionsOptions.DONT_SUBSCRIBE
    assert defaults.mute_preferences.dnd is DNDOptions.DISABLED


async def test_preferences_are_changed_in_part_and_reset(stage, no_current_client):
    await enter_bob(stage)
    defaults = await CometChatNotifications.fetch_preferences()
    schedule = MutePreferences(DNDOptions.ENABLED, {DayOfWeek.MONDAY: DaySchedule(900, 1730)})
    changed = await CometChatNotifications.update_preferences(
        NotificationPreferences(
            GroupPreferences(messages=MessagesOptions.SUBSCRIBE_TO_MENTIONS),
            OneOnOnePreferences(reactions=ReactionsOptions.DONT_SUBSCRIBE),
            schedule,
            use_privacy_template=True,
        )
    )
    assert changed == await CometChatNotifications.fetch_preferences()
    assert changed.group_preferences.messages is MessagesOptions.SUBSCRIBE_TO_MENTIONS
    assert changed.group_preferences.replies is RepliesOptions.SUBSCRIBE_TO_ALL
    assert changed.one_on_one_preferences.reactions is ReactionsOptions.DONT_SUBSCRIBE
    assert changed.mute_preferences == schedule
    assert changed.use_privacy_template is True
    assert await CometChatNotifications.reset_preferences() == defaults


async def test_conversations_are_muted_and_unmuted(stage, no_current_client):
    await enter_bob(stage)
    later = stage.server.world.milliseconds() + 60_000
    mute = MutedConversation("alice", MutedConversationType.ONE_ON_ONE, later)
    await CometChatNotifications.mute_conversations([mute])
    assert await CometChatNotifications.get_muted_conversations() == [mute]
    await CometChatNotifications.unmute_conversations([UnmutedConversation("alice")])
    assert await CometChatNotifications.get_muted_conversations() == []


async def test_mute_of_an_unknown_user_is_refused(stage, no_current_client):
    await enter_bob(stage)
    later = stage.server.world.milliseconds() + 60_000
    with pytest.raises(CometChatException) as raised:
        await CometChatNotifications.mute_conversations([MutedConversation("nobody", until=later)])
    assert raised.value.code == "ERR_UID_NOT_FOUND"


async def test_time_zone_is_changed_and_read(stage, no_current_client):
    await enter_bob(stage)
    assert await CometChatNotifications.update_timezone("Europe/Berlin") == "Europe/Berlin"
    assert await CometChatNotifications.get_timezone() == "Europe/Berlin"


async def test_examples_on_the_page_about_push_notifications_reach_the_server(stage, no_current_client):
    bob = await enter_bob(stage)
    page = (Path(__file__).parents[2] / "docs" / "push.md").read_text(encoding="utf-8")
    registering, choosing = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    await _run(choosing)
    chosen = await CometChatNotifications.fetch_preferences()
    assert chosen.group_preferences.messages is MessagesOptions.SUBSCRIBE_TO_MENTIONS
    with pytest.raises(CometChatException) as caught:  # the test's server has no credentials of FCM
        await _run(registering, chat=bob.chat, token="a" * 40)
    assert caught.value.code == "ERR_PROVIDER_NOT_FOUND"


async def _run(code: str, **names) -> None:
    waiting = eval(compile(code, "docs/push.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if waiting is not None:
        await waiting
