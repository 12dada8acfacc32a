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


async def test_documented_errors_are_raised_without_a_request(stage):
    await push_service(stage)
    bob = await stage.enter("bob")
    set_current(bob.chat)
    try:
        register = CometChatNotifications.register_push_token
        for code, platform in (
            ("INVALID_PUSH_PLATFORM", "pager"),
            ("INVALID_FCM_TOKEN", PushPlatforms.FCM_FLUTTER_ANDROID),
            ("INVALID_FCM_TOKEN", PushPlatforms.FCM_FLUTTER_IOS),
            ("INVALID_APNS_DEVICE_TOKEN", PushPlatforms.APNS_FLUTTER_DEVICE),
            ("INVALID_APNS_VOIP_TOKEN", PushPlatforms.APNS_FLUTTER_VOIP),
            ("INVALID_WEB_PUSH_SUBSCRIPTION", PushPlatforms.WEB_PUSH),
        ):
            with pytest.raises(CometChatException) as raised:
                await register(platform)
            assert raised.value.code == code
        with pytest.raises(CometChatException) as raised:
            await register(PushPlatforms.FCM_FLUTTER_ANDROID, fcm_token="abc:def")
        assert raised.value.code == "ERR_PROVIDER_NOT_FOUND"
        errors = []
        assert await register("pager", on_error=errors.append) is None
        assert errors[0].code == "INVALID_PUSH_PLATFORM"
        assert (
            await register(PushPlatforms.APNS_FLUTTER_VOIP, voip_token="ab" * 32)
            == "Push token registered successfully"
        )
    finally:
        set_current(None)


async def test_preferences_and_mutes_are_set_through_the_documented_class(stage):
    await push_service(stage)
    await stage.enter("alice")
    bob = await stage.enter("bob")
    set_current(bob.chat)
    try:
        defaults = await CometChatNotifications.fetch_preferences()
        assert defaults.group_preferences.messages is MessagesOptions.SUBSCRIBE_TO_ALL
        assert defaults.group_preferences.replies is RepliesOptions.SUBSCRIBE_TO_ALL
        assert defaults.group_preferences.reactions is ReactionsOptions.SUBSCRIBE_TO_REACTIONS_ON_OWN_MESSAGES
        assert defaults.group_preferences.member_left is MemberActionsOptions.DONT_SUBSCRIBE
        assert defaults.mute_preferences.dnd is DNDOptions.DISABLED
        changed = await CometChatNotifications.update_preferences(
            NotificationPreferences(
                GroupPreferences(messages=MessagesOptions.SUBSCRIBE_TO_MENTIONS),
                OneOnOnePreferences(reactions=ReactionsOptions.DONT_SUBSCRIBE),
                MutePreferences(DNDOptions.ENABLED, {DayOfWeek.MONDAY: DaySchedule(900, 1730)}),
                use_privacy_template=True,
            )
        )
        assert changed == await CometChatNotifications.fetch_preferences()
        assert changed.group_preferences.messages is MessagesOptions.SUBSCRIBE_TO_MENTIONS
        assert changed.group_preferences.replies is RepliesOptions.SUBSCRIBE_TO_ALL
        assert changed.one_on_one_preferences.reactions is ReactionsOptions.DONT_SUBSCRIBE
        assert changed.mute_preferences == MutePreferences(
            DNDOptions.ENABLED, {DayOfWeek.MONDAY: DaySchedule(900, 1730)}
        )
        assert changed.use_privacy_template is True
        assert await CometChatNotifications.reset_preferences() == defaults
        later = stage.server.world.milliseconds() + 60_000
        mute = MutedConversation("alice", MutedConversationType.ONE_ON_ONE, later)
        await CometChatNotifications.mute_conversations([mute])
        assert await CometChatNotifications.get_muted_conversations() == [mute]
        await CometChatNotifications.unmute_conversations([UnmutedConversation("alice")])
        assert await CometChatNotifications.get_muted_conversations() == []
        assert await CometChatNotifications.update_timezone("Europe/Berlin") == "Europe/Berlin"
        assert await CometChatNotifications.get_timezone() == "Europe/Berlin"
        with pytest.raises(CometChatException) as raised:
            await CometChatNotifications.mute_conversations([MutedConversation("nobody", until=later)])
        assert raised.value.code == "ERR_UID_NOT_FOUND"
    finally:
        set_current(None)


async def test_documented_calls_run(stage):
    await push_service(stage)
    await stage.enter("alice")
    bob = await stage.enter("bob")
    page = (Path(__file__).parents[2] / "docs" / "push.md").read_text(encoding="utf-8")
    registering, choosing = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    set_current(bob.chat)
    try:
        await _run(choosing)
        chosen = await CometChatNotifications.fetch_preferences()
        assert chosen.group_preferences.messages is MessagesOptions.SUBSCRIBE_TO_MENTIONS
        with pytest.raises(CometChatException) as caught:  # the test's server has no credentials of FCM
            await _run(registering, chat=bob.chat, token="a" * 40)
        assert caught.value.code == "ERR_PROVIDER_NOT_FOUND"
    finally:
        set_current(None)


async def _run(code: str, **names) -> None:
    waiting = eval(compile(code, "docs/push.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if waiting is not None:
        await waiting
