"""Devices, preferences and the outbox of push notifications (see `tailwire.server.ports.push_store`), on each store."""

from __future__ import annotations

import json

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.key_records import TokenRow
from tailwire.server.ports.push_records import MuteRow, NotificationProgress, PushTokenRow
from tailwire.server.ports.records import Draft, GroupRow, UserRow

ALICE_BOB = key_of("alice", "bob", "user")


async def populated(open_store):
    """Return a store with three users, each with an auth token."""
    store = await open_store()
    for uid in ("alice", "bob", "carol"):
        assert await store.users.add(UserRow(uid, uid.title(), created_at=1))
        await store.tokens.add(TokenRow(f"auth-{uid}", uid, 1), 10)
    return store


def device(uid, name, at=5, auth="", provider="web"):
    return PushTokenRow(f"hash-{name}", uid, auth or f"auth-{uid}", "web_push", provider, "", f"token-{name}", at, at)


def draft(sender, receiver, text="hello", sent_at=10, kind="user"):
    body = json.dumps({"data": {"text": text}}).encode()
    return Draft(key_of(sender, receiver, kind), sender, receiver, kind, "message", "text", body, sent_at=sent_at)


async def test_device_belongs_to_one_user_and_a_valid_auth_token(open_store):
    store = await populated(open_store)
    tokens = store.push_tokens
    assert not await tokens.any_registered()
    await tokens.put(device("bob", "phone"), 10)
    await tokens.put(device("carol", "phone", at=6), 10)
    assert await tokens.of_auth_token("auth-bob") == []
    (found,) = await tokens.of_user("carol")
    assert (found.uid, found.auth_token, found.created_at) == ("carol", "auth-carol", 6)
    await tokens.put(device("bob", "other", auth="auth-unknown"), 10)
    await tokens.put(device("bob", "stolen", auth="auth-carol"), 10)  # with the auth token of another user
    assert await tokens.of_user("bob") == []
    await tokens.remove("hash-phone", "an older token")
    assert await tokens.any_registered()
    await store.tokens.remove("auth-carol")
    assert await tokens.of_user("carol") == []
    await tokens.remove_ended(100)
    assert not await tokens.any_registered()
    await store.close()


async def test_oldest_devices_of_a_user_beyond_the_limit_are_removed(open_store):
    store = await populated(open_store)
    for n in range(4):
        await store.push_tokens.put(device("bob", f"n{n}", at=n), 2)
    assert [row.token for row in await store.push_tokens.of_user("bob")] == ["token-n2", "token-n3"]
    assert await store.push_tokens.remove_of("auth-bob", "hash-n2") == 1
    assert await store.push_tokens.remove_of("auth-bob") == 1
    await store.close()


async def test_notifications_begin_with_messages_sent_after_the_first_device_was_registered(open_store):
    store = await populated(open_store)
    first = (await store.messages.add(draft("alice", "bob"))).message.id
    await store.push_tokens.put(device("bob", "phone"), 10)
    assert (await store.notifications.progress()).message_id == first
    second = (await store.messages.add(draft("alice", "bob"))).message.id
    await store.push_tokens.put(device("carol", "tablet"), 10)
    assert (await store.notifications.progress()).message_id == first
    assert [row.id for row in await store.notifications.messages(first, second, 10)] == [second]
    await store.notifications.store_progress(NotificationProgress(second, "", 0))
    await store.notifications.store_progress(NotificationProgress(first, "zoe", 0))  # a server that was paused
    assert await store.notifications.progress() == NotificationProgress(second, "", 0)
    await store.notifications.store_progress(NotificationProgress(second, "bob", 3))
    assert await store.notifications.progress() == NotificationProgress(second, "bob", 3)
    await store.close()


async def test_receiver_of_a_notification_is_read_with_their_preferences_mutes_and_devices(open_store):
    store = await populated(open_store)
    assert await store.groups.add(GroupRow("team", "Team", "public", owner="alice", created_at=1))
    await store.push_tokens.put(device("bob", "phone"), 10)
    preferences = store.push_preferences
    await preferences.put("bob", '{"usePrivacyTemplate":true}')
    await preferences.put_timezone("bob", "Asia/Tokyo")
    await preferences.put("nobody", "{}")
    assert await preferences.get("bob") == ('{"usePrivacyTemplate":true}', "Asia/Tokyo")
    assert await preferences.get("nobody") == ("{}", "")
    await preferences.mute("bob", [MuteRow(ALICE_BOB, 500), MuteRow(key_of("", "team", "group"), 900)], 10)
    assert await preferences.muted_conversations("bob", 600) == [MuteRow(key_of("", "team", "group"), 900)]
    message = (await store.messages.add(draft("alice", "bob"))).message
    bob = await store.notifications.user(message, "bob", "alice")
    assert bob._replace(has_token=True) == bob
    assert (bob.preferences, bob.timezone, bob.muted_until) == ('{"usePrivacyTemplate":true}', "Asia/Tokyo", 500)
    assert (bob.read_id, bob.blocked, bob.mentioned) == (0, False, False)
    assert await store.notifications.user(message, "carol", "alice") is None
    assert await store.notifications.user(message._replace(sent_at=4), "bob", "alice") is None  # before the device
    await preferences.unmute("bob", [ALICE_BOB])
    assert (await store.notifications.user(message, "bob", "alice")).muted_until == 0
    await preferences.mute("bob", [MuteRow(ALICE_BOB, 1_000)], 1)
    assert await preferences.muted_conversations("bob", 0) == [MuteRow(ALICE_BOB, 1_000)]
    in_group = (await store.messages.add(draft("alice", "team", kind="group"))).message
    assert [(one.uid, one.has_token) for one in await store.notifications.members(in_group, "alice", "", 10)] == [
        ("alice", False)
    ]
    assert await store.notifications.members(in_group, "alice", "alice", 10) == []
    await store.close()


async def test_each_step_of_a_notification_updates_the_outbox(open_store):
    store = await populated(open_store)
    box = store.notifications
    for name in ("phone", "laptop"):
        await store.push_tokens.put(device("bob", name), 10)
    await store.push_tokens.put(device("carol", "tablet", provider="fcm"), 10)
    message = (await store.messages.add(draft("alice", "bob"))).message
    for _ in range(2):  # once, however often
        await box.queue(message.id, 0, ["bob", "carol"], 10, 20)
    assert await box.count_waiting() == 3
    assert await box.due_notifications("web", 19, 10) == []
    assert await box.next_due("web") == 20
    first, second = await box.due_notifications("web", 20, 10)
    assert {first.token, second.token} == {"token-phone", "token-laptop"}
    assert (first.row.uid, first.row.attempt, first.row.shown, first.platform) == ("bob", 0, 0, "web_push")
    await box.put_off(first.row.id, 60, 20, "status 503")
    await box.mark_sent([second.row.id], 21)
    assert await box.due_notifications("web", 59, 10) == []
    await box.queue_again(message.id, 30)  # it was edited: what was shown is replaced
    (again,) = await box.due_notifications("web", 30, 10)
    assert (again.row.id, again.row.shown) == (second.row.id, 1)
    await box.give_up(again.row.id, 31, "status 400")
    ((failed,), count) = await box.list_failed(limit=10, offset=0)
    assert (failed.id, failed.problem, failed.failed_at, failed.attempt, count) == (
        second.row.id,
        "status 400",
        31,
        1,
        1,
    )
    assert not await box.send_again(first.row.id, 40)
    assert await box.send_again(failed.id, 40)
    await box.give_up(failed.id, 41, "status 400")
    assert await box.send_all_again(42) == 1
    await store.push_tokens.remove("hash-laptop", "token-laptop")
    assert [one.token for one in await box.due_notifications("web", 100, 10)] in (
        [None, "token-phone"],
        ["token-phone", None],
        [None, None],
    )
    await box.remove_unwanted([first.row.id])
    assert await box.count_waiting() == 2
    await box.mark_sent([second.row.id], 43)
    await box.delete_finished(44, 44)
    assert await box.count_waiting() == 1
    (left,) = await box.due_notifications("fcm", 100, 10)
    assert left.row.uid == "carol"
    await store.tokens.remove("auth-carol")
    assert [one.token for one in await box.due_notifications("fcm", 100, 10)] == [None]
    await store.close()
