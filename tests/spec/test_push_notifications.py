"""Push notifications over Web Push: who gets which, when, and what becomes of devices that are gone."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from push_receivers import Browser
from receiver import until
from rest import Rest
from tailwire import TransientMessage
from tailwire.testing.virtual.world import virtual_loop

SETTINGS = {"push_contact": "mailto:admin@example.com", "push_targets": "127.0.0.9"}


async def restart_with(stage, **settings):
    """Restart the server with other settings."""
    await stage.server.stop()
    stage.server._settings = dataclasses.replace(stage.server._settings, **{**SETTINGS, **settings})
    await stage.server.start()


async def push_service(stage, **settings):
    """Return a browser with its push service, after the server was restarted to send to it."""
    await restart_with(stage, **settings)
    found = Browser()
    found.listen()
    return found


async def register(rest, browser, uid, name=""):
    body = {"platform": "web_push", "pushToken": browser.subscription(name or uid)}
    return (await rest("POST", "/notifications/push/v1/tokens", as_=uid, json=body))["pushTokens"][0]


async def send(rest, text="hello", to="bob", by="alice", **more):
    kind = more.pop("kind", "user")
    body = {"receiver": to, "receiverType": kind, "category": "message", "type": "text", "data": {"text": text}, **more}
    return await rest("POST", "/messages", as_=by, json=body)


async def test_user_without_a_connection_is_notified_once(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        sent = await send(rest)
        await until(stage, lambda: browser.received)
        await stage.pass_time(60)
        (one,) = browser.received
        assert (one["title"], one["body"]) == ("Alice", "hello")
        assert one["messageId"] == sent["id"]
        assert one["conversationId"] == "alice_user_bob"
        assert (one["sender"], one["receiver"], one["receiverType"], one["type"]) == ("alice", "bob", "user", "chat")
        assert one["unreadMessageCount"] == 1
        assert one["sentAt"] == sent["sentAt"]
        (headers,) = browser.headers
        assert headers["content-encoding"] == "aes128gcm"
        assert headers["urgency"] == "high"
        assert 86_000 < int(headers["ttl"]) <= 86_400
        assert headers["topic"] == one["tag"]
        assert headers["authorization"].startswith("vapid t=")


async def test_push_services_cannot_leave_cookies(stage):
    browser = await push_service(stage)
    browser.answer_headers = [(b"set-cookie", b"name%d=value; Max-Age=3600" % number) for number in range(100)]
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        for count in (1, 2):
            await send(rest)
            await until(stage, lambda count=count: len(browser.received) == count)
    assert [headers for headers in browser.headers if "cookie" in headers] == []


async def test_notification_comes_after_the_delay_and_not_before(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await send(rest)
        await stage.pass_time(1.4)
        assert not browser.received
        await stage.pass_time(1.0)
        assert len(browser.received) == 1


async def test_message_read_on_another_device_causes_no_notification(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        sent = await send(rest)
        await rest("POST", "/users/alice/conversation/read", as_="bob", json={"messageId": sent["id"]})
        await stage.pass_time(10)
        assert not browser.received
        await send(rest, "second")
        await until(stage, lambda: browser.received)
        assert [one["body"] for one in browser.received] == ["second"]


async def test_user_with_an_app_in_the_foreground_is_not_notified(stage):
    browser = await push_service(stage)
    bob = await stage.enter("bob")
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await send(rest, "seen")
        await bob.ears.until(lambda: bob.ears.texts == ["seen"])
        bob.chat.set_app_state("background")  # within the delay, after the message has arrived
        await stage.pass_time(10)
        assert not browser.received
        await send(rest, "away")
        await until(stage, lambda: browser.received)
        assert [one["body"] for one in browser.received] == ["away"]


async def test_message_of_a_muted_conversation_causes_no_notification(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        until_ms = int(stage.server.world.milliseconds()) + 3_600_000
        muted = {"conversations": [{"id": "alice", "type": "oneOnOne", "until": until_ms}]}
        answer = await rest("PUT", "/notifications/v1/preferences/mute", as_="bob", json=muted)
        assert answer == {"mutedConversations": muted["conversations"]}
        await send(rest, "muted")
        await stage.pass_time(10)
        assert not browser.received
        await rest("DELETE", "/notifications/v1/preferences/mute", as_="bob", json=muted)
        await send(rest, "heard")
        await until(stage, lambda: browser.received)
        assert [one["body"] for one in browser.received] == ["heard"]


async def test_muted_conversation_may_be_named_in_upper_case(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        until_ms = int(stage.server.world.milliseconds()) + 3_600_000
        muted = {"conversations": [{"id": "ALICE", "type": "oneOnOne", "until": until_ms}]}
        answer = await rest("PUT", "/notifications/v1/preferences/mute", as_="bob", json=muted)
        assert answer == {"mutedConversations": [{"id": "alice", "type": "oneOnOne", "until": until_ms}]}


async def test_transient_message_causes_no_notification(stage):
    browser = await push_service(stage)
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        await register(rest, browser, "carol")
        await alice.chat.send_transient_message(TransientMessage("carol", "user", {"text": "psst"}))
        await stage.pass_time(10)
        assert not browser.received
        await send(rest, "stored", to="carol")
        await until(stage, lambda: browser.received)
        assert [one["body"] for one in browser.received] == ["stored"]


async def make_team(rest, *uids):
    """Let alice create the group `team` with others."""
    body = {"guid": "team", "name": "Team", "type": "public", "members": {"participants": list(uids)}}
    await rest("POST", "/groups", json=body, as_="alice")


async def test_message_of_a_group_notifies_its_members_except_the_sender_and_those_who_have_blocked_them(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        for uid in ("alice", "bob", "carol"):
            await register(rest, browser, uid)
        await make_team(rest, "carol", "bob")
        await rest("POST", "/users/carol/blockedusers", json={"blockedUids": ["alice"]})
        await send(rest, "in the group", to="team", kind="group")
        await until(stage, lambda: browser.received_by("bob"))
        await stage.pass_time(10)
        (one,) = browser.received
        assert (one["title"], one["body"]) == ("Team", "Alice: in the group")
        assert browser.received_by("bob") == [one]


async def test_mute_ends_at_its_time(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        until_ms = int(stage.server.world.milliseconds()) + 60_000
        await rest(
            "PUT",
            "/notifications/v1/preferences/mute",
            as_="bob",
            json={"conversations": [{"id": "alice", "until": until_ms}]},
        )
        await send(rest, "muted")
        await stage.pass_time(61)
        assert not browser.received
        assert await rest("GET", "/notifications/v1/preferences/mute", as_="bob") == {"mutedConversations": []}
        await send(rest, "heard")
        await until(stage, lambda: browser.received)
        assert [one["body"] for one in browser.received] == ["heard"]


async def test_preferences_choose_messages_replies_and_reactions(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await make_team(rest, "bob")
        await register(rest, browser, "bob")
        change = {"groupPreferences": {"groupMessages": 3, "groupReplies": 1, "groupReactions": 2}}
        changed = await rest("PUT", "/notifications/v1/preferences", as_="bob", json=change)
        assert {k: changed["groupPreferences"][k] for k in change["groupPreferences"]} == change["groupPreferences"]
        assert changed["oneOnOnePreferences"]["oneOnOneMessages"] == 2
        first = await send(rest, "to nobody", to="team", kind="group")
        await send(rest, "look <@uid:bob>", to="team", kind="group")
        await send(rest, "a reply <@uid:bob>", to="team", kind="group", parentId=first["id"])
        mine = await send(rest, "mine", to="team", kind="group", by="bob")
        await rest("POST", f"/messages/{first['id']}/reactions/🙂", as_="alice")
        await rest("POST", f"/messages/{mine['id']}/reactions/👍", as_="alice")
        await stage.pass_time(10)
        assert sorted(one["body"] for one in browser.received) == ["Alice: Reacted with 👍", "Alice: look @Bob"]


async def test_reset_preferences_are_the_defaults(stage):
    await push_service(stage)
    async with Rest(stage) as rest:
        defaults = await rest("GET", "/notifications/v1/preferences", as_="bob")
        change = {"groupPreferences": {"groupMessages": 3}}
        assert await rest("PUT", "/notifications/v1/preferences", as_="bob", json=change) != defaults
        assert await rest("DELETE", "/notifications/v1/preferences", as_="bob") == defaults
        assert await rest("GET", "/notifications/v1/preferences", as_="bob") == defaults


@pytest.mark.parametrize(
    "preferences",
    [
        {"groupPreferences": {"groupMessages": 4}},
        {"groupPreferences": {"x": 1}},
        {"mutePreferences": {"schedule": {"someday": {}}}},
        {"mutePreferences": {"schedule": {"monday": {"from": 975}}}},
    ],
)
async def test_invalid_preferences_are_refused(stage, preferences):
    await push_service(stage)
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "PUT", "/notifications/v1/preferences", as_="bob", json=preferences)


async def test_schedule_is_read_in_the_time_zone_of_the_user(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        now = datetime.fromtimestamp(stage.server.world.seconds(), ZoneInfo("Asia/Tokyo"))
        clock = now.hour * 100 + now.minute
        day = now.strftime("%A").lower()
        await rest("PUT", "/notifications/v1/timezone", as_="bob", json={"timezone": "Asia/Tokyo"})
        assert await rest("GET", "/notifications/v1/timezone", as_="bob") == {"timezone": "Asia/Tokyo"}
        hours = {day: {"from": clock, "to": min(clock + 1, 2359) if clock % 100 < 59 else clock}}
        await rest("PUT", "/notifications/v1/preferences", as_="bob", json={"mutePreferences": {"schedule": hours}})
        await send(rest, "within")
        await until(stage, lambda: browser.received)
        assert [one["body"] for one in browser.received] == ["within"]


async def test_user_who_does_not_want_to_be_disturbed_is_not_notified(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await rest("PUT", "/notifications/v1/preferences", as_="bob", json={"mutePreferences": {"dnd": 2}})
        await send(rest)
        await stage.pass_time(10)
        assert not browser.received


async def test_unknown_time_zone_is_refused(stage):
    await push_service(stage)
    async with Rest(stage) as rest:
        await rest.refused(
            "ERR_BAD_REQUEST", "PUT", "/notifications/v1/timezone", as_="bob", json={"timezone": "Mars/Base"}
        )


async def test_edit_replaces_a_notification_and_deletion_withdraws_it(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        sent = await send(rest, "frist")
        await until(stage, lambda: len(browser.received) == 1)
        await rest("PUT", f"/messages/{sent['id']}", as_="alice", json={"data": {"text": "first"}})
        await until(stage, lambda: len(browser.received) == 2)
        await rest("DELETE", f"/messages/{sent['id']}", as_="alice")
        await until(stage, lambda: len(browser.received) == 3)
        await stage.pass_time(20)
        first, edited, deleted = browser.received
        assert first["tag"] == edited["tag"] == deleted["tag"]
        assert (first["action"], edited["action"], deleted["action"]) == ("message", "edited", "deleted")
        assert (edited["body"], edited["silent"]) == ("first", True)
        assert "first" not in str(deleted)


async def test_message_deleted_before_its_notification_causes_none(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        sent = await send(rest, "oops")
        await rest("DELETE", f"/messages/{sent['id']}", as_="alice")
        await stage.pass_time(10)
        assert not browser.received


async def test_notification_contains_the_text_as_it_was_edited_before(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        edited = await send(rest, "frist")
        await rest("PUT", f"/messages/{edited['id']}", as_="alice", json={"data": {"text": "first"}})
        await stage.pass_time(10)
        assert [one["body"] for one in browser.received] == ["first"]


async def test_device_that_its_provider_does_not_know_is_removed(stage):
    browser = await push_service(stage)
    browser.statuses = [410]
    async with Rest(stage) as rest:
        await register(rest, browser, "bob", "gone")
        await send(rest)
        await until(stage, lambda: browser.received)
        await send(rest)
        await stage.pass_time(20)
        assert len(browser.received) == 1
        assert await rest("GET", "/notifications/push/v1/tokens", as_="bob") == {"pushTokens": []}


async def test_failed_notification_is_retried_after_the_delay_that_the_provider_asks_for(stage):
    browser = await push_service(stage)
    browser.statuses, browser.answer_headers = [429], [(b"retry-after", b"40")]
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await send(rest)
        await until(stage, lambda: len(browser.received) == 1)
        await stage.pass_time(35)
        assert len(browser.received) == 1
        await until(stage, lambda: len(browser.received) == 2)
        await stage.pass_time(200)
        assert len(browser.received) == 2


async def test_notification_that_was_given_up_is_listed_and_sent_again(stage):
    browser = await push_service(stage)
    browser.status = 400
    async with Rest(stage) as rest:
        made = await register(rest, browser, "bob")
        sent = await send(rest)
        await until(stage, lambda: browser.received)
        await stage.pass_time(5)
        (failed,) = await rest("GET", "/notifications/push/v1/failed")
        assert (failed["uid"], failed["messageId"], failed["device"], failed["provider"]) == (
            "bob",
            sent["id"],
            made["id"],
            "web",
        )
        assert (failed["attempts"], failed["problem"]) == (1, "status 400")
        browser.status = 201
        await rest("POST", f"/notifications/push/v1/failed/{failed['id']}/retry")
        await until(stage, lambda: len(browser.received) == 2)
        await stage.pass_time(5)
        assert await rest("GET", "/notifications/push/v1/failed") == []
        await rest.refused("ERR_NOTIFICATION_NOT_FOUND", "POST", f"/notifications/push/v1/failed/{failed['id']}/retry")
        assert await rest("POST", "/notifications/push/v1/failed/retry") == {"retried": 0}


class Dripping(Browser):
    """A push service whose response does not end until `ended` is set: a byte arrives before each timeout."""

    ended = False

    async def __call__(self, scope, receive, send):
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 201, "headers": []})
        while not self.ended:
            await send({"type": "http.response.body", "body": b".", "more_body": True})
            await asyncio.sleep(3)
        await send({"type": "http.response.body", "body": b""})


async def test_service_with_an_endless_response_does_not_delay_others(stage):
    browser = await push_service(stage)
    dripping = Dripping("dripping", 9101)
    dripping.listen()
    async with Rest(stage) as rest:
        await register(rest, dripping, "carol")
        await register(rest, browser, "bob")
        await send(rest, "for Carol", to="carol")
        await until(stage, lambda: dripping.paths)
        await send(rest, "for Bob")
        await stage.pass_time(30)
        assert [one["body"] for one in browser.received] == ["for Bob"]
        dripping.ended = True
        await stage.pass_time(5)


async def test_edit_by_a_user_who_was_blocked_since_replaces_no_notification(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        for uid in ("bob", "carol"):
            await register(rest, browser, uid)
        await make_team(rest, "bob", "carol")
        sent = await send(rest, "harmless", to="team", kind="group")
        await until(stage, lambda: len(browser.received) == 2)
        await rest("POST", "/users/bob/blockedusers", json={"blockedUids": ["alice"]})
        await rest("PUT", f"/messages/{sent['id']}", as_="alice", json={"data": {"text": "an insult"}})
        await until(stage, lambda: len(browser.received_by("carol")) == 2)
        await stage.pass_time(10)
        assert [one["body"] for one in browser.received_by("bob")] == ["Alice: harmless"]
        await rest("DELETE", f"/messages/{sent['id']}", as_="alice")
        await until(stage, lambda: len(browser.received_by("bob")) == 2)
        assert browser.received_by("bob")[1]["action"] == "deleted"


@pytest.mark.parametrize("since", ["nothing", "user blocked", "reaction removed", "message deleted"])
async def test_reaction_causes_a_notification_unless_it_is_outdated(stage, since):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        mine = await send(rest, "mine", to="alice", by="bob")
        await rest("POST", f"/messages/{mine['id']}/reactions/👍", as_="alice")
        if since == "user blocked":
            await rest("POST", "/users/bob/blockedusers", json={"blockedUids": ["alice"]})
        elif since == "reaction removed":
            await rest("DELETE", f"/messages/{mine['id']}/reactions/👍", as_="alice")
        elif since == "message deleted":
            await rest("DELETE", f"/messages/{mine['id']}", as_="bob")
        await stage.pass_time(10)
        assert [one["body"] for one in browser.received_by("bob")] == (
            ["Reacted with 👍"] if since == "nothing" else []
        )
        assert (await rest("GET", "/notifications/push/v1/failed")) == []


async def test_notification_is_given_up_after_its_lifetime(stage):
    browser = await push_service(stage, push_lifetime=300.0)
    browser.status = 503
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await send(rest)
        await stage.pass_time(600)
        assert 3 <= len(browser.received) <= 6
        (failed,) = await rest("GET", "/notifications/push/v1/failed")
        assert failed["problem"] == "status 503"


async def test_message_acknowledged_before_a_crash_causes_a_notification_after_it(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await send(rest, "before the crash")
        await stage.server.kill()
        await stage.pass_time(30)
        assert not browser.received
        await stage.server.start()
        await until(stage, lambda: browser.received)
        await stage.pass_time(30)
        assert [one["body"] for one in browser.received] == ["before the crash"]


async def test_device_is_removed_with_its_auth_token(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob", "one")
        await rest("DELETE", "/me", as_="bob")
        del rest.tokens["bob"]
        await register(rest, browser, "carol", "two")
        await rest("DELETE", "/users/carol/auth_tokens")
        del rest.tokens["carol"]
        await send(rest)
        await send(rest, to="carol")
        await stage.pass_time(10)
        assert not browser.received
        for uid in ("bob", "carol"):
            assert await rest("GET", "/notifications/push/v1/tokens", as_=uid) == {"pushTokens": []}


async def test_device_belongs_to_its_newest_login(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob", "phone")
        await register(rest, browser, "carol", "phone")
        await send(rest, "for bob")
        await send(rest, "for carol", to="carol")
        await stage.pass_time(10)
        assert [one["body"] for one in browser.received] == ["for carol"]
        assert await rest("GET", "/notifications/push/v1/tokens", as_="bob") == {"pushTokens": []}


async def test_user_has_a_limited_number_of_devices(stage):
    browser = await push_service(stage, max_push_tokens=2)
    async with Rest(stage) as rest:
        for name in ("one", "two", "three"):
            await register(rest, browser, "bob", name)
            await stage.pass_time(2)
        await send(rest)
        await stage.pass_time(10)
        assert sorted(browser.paths) == ["/three", "/two"]


async def test_endpoints_that_are_not_allowed_are_never_reached(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]"):
            there = browser.subscription("x").replace("http://push:9100", f"https://{host}")
            body = {"platform": "web_push", "pushToken": there}
            await rest.refused(
                "INVALID_WEB_PUSH_SUBSCRIPTION", "POST", "/notifications/push/v1/tokens", as_="bob", json=body
            )
        inside = Browser("inside", 9101)
        inside.listen("10.0.0.7")  # a name is only known when it is resolved
        await register(rest, inside, "bob")
        await send(rest)
        await stage.pass_time(30)
        assert not inside.received
        await rest("POST", "/notifications/push/v1/failed/retry")


async def test_push_endpoint_without_tls_is_refused_unless_push_targets_is_set(stage):
    browser = await push_service(stage, push_targets="")
    async with Rest(stage) as rest:
        body = {"platform": "web_push", "pushToken": browser.subscription("x")}
        await rest.refused(
            "INVALID_WEB_PUSH_SUBSCRIPTION", "POST", "/notifications/push/v1/tokens", as_="bob", json=body
        )
        await restart_with(stage)  # with the push service as a target
        assert (await register(rest, browser, "bob"))["uid"] == "bob"


async def test_invalid_tokens_are_refused_with_the_documented_codes(stage):
    browser = await push_service(stage)
    good = json.loads(browser.subscription("x"))
    async with Rest(stage) as rest:
        for code, platform, token in (
            ("INVALID_PUSH_PLATFORM", "pager", "x"),
            ("INVALID_FCM_TOKEN", "fcm_flutter_android", ""),
            ("INVALID_FCM_TOKEN", "fcm_flutter_ios", "a b"),
            ("INVALID_APNS_DEVICE_TOKEN", "apns_flutter_device", "xyz"),
            ("INVALID_APNS_VOIP_TOKEN", "apns_flutter_voip", "12/../34"),
            ("INVALID_WEB_PUSH_SUBSCRIPTION", "web_push", "{}"),
            ("INVALID_WEB_PUSH_SUBSCRIPTION", "web_push", json.dumps({**good, "endpoint": "ftp://push/x"})),
            ("INVALID_WEB_PUSH_SUBSCRIPTION", "web_push", json.dumps({**good, "keys": {"p256dh": "AA", "auth": "AA"}})),
            ("ERR_PROVIDER_NOT_FOUND", "fcm_flutter_android", "abc:def"),
            ("ERR_PROVIDER_NOT_FOUND", "apns_flutter_device", "ab" * 32),
        ):
            body = {"platform": platform, "pushToken": token}
            await rest.refused(code, "POST", "/notifications/push/v1/tokens", as_="bob", json=body)


async def test_content_of_a_notification_is_reduced_as_the_setting_says(stage):
    for content, title, body in (("title", "Alice", "New message"), ("none", "New messages", "")):
        browser = await push_service(stage, push_content=content)
        async with Rest(stage) as rest:
            await register(rest, browser, "bob", content)
            await send(rest, "zanzibar")
            await until(stage, lambda browser=browser: browser.received)
            (one,) = browser.received
            assert (one["title"], one["body"]) == (title, body)
            assert "zanzibar" not in str(one)
            assert ("Alice" in str(one)) is (content == "title")
        virtual_loop().network.stop_listening(browser.port)


async def test_long_text_is_cut_between_characters(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await send(rest, "🙂" * 2_000)
        await until(stage, lambda: browser.received)
        (one,) = browser.received
        assert one["body"].rstrip("…") == "🙂" * (len(one["body"]) - 1)
        assert int(browser.headers[0]["content-length"]) <= 4096


async def test_app_may_not_choose_the_user_of_a_device(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        other = await rest.token("carol")
        body = {"platform": "web_push", "pushToken": browser.subscription("x"), "authToken": other}
        await rest("POST", "/notifications/push/v1/tokens", as_="bob", json=body)  # the field is for REST keys
        assert await rest("GET", "/notifications/push/v1/tokens", as_="carol") == {"pushTokens": []}


async def test_backend_registers_a_device_with_an_auth_token_of_its_user(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        body = {"platform": "web_push", "pushToken": browser.subscription("x")}
        mine = {**body, "authToken": await rest.token("bob")}
        (made,) = (await rest("POST", "/notifications/push/v1/tokens", behalf="bob", json=mine))["pushTokens"]
        assert made["uid"] == "bob"
        assert "push:9100" not in str(made)
        path, of_carol = "/notifications/push/v1/tokens", {**body, "authToken": await rest.token("carol")}
        await rest.refused("ERR_AUTH_TOKEN_NOT_FOUND", "POST", path, behalf="bob", json=of_carol)
        await rest.refused("ERR_BAD_REQUEST", "POST", path, behalf="bob", json={**body, "authToken": ""})


async def test_server_without_a_provider_refuses_registrations(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_PROVIDER_NOT_FOUND", "GET", "/notifications/push/v1/web", as_="bob")
        body = {"platform": "web_push", "pushToken": Browser().subscription("x").replace("http:", "https:")}
        await rest.refused("ERR_PROVIDER_NOT_FOUND", "POST", "/notifications/push/v1/tokens", as_="bob", json=body)


async def test_removed_user_leaves_no_device_behind(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        await rest("PUT", "/notifications/v1/timezone", as_="bob", json={"timezone": "Asia/Tokyo"})
        await send(rest)
        await rest("DELETE", "/users/bob", json={"permanent": True})
        await stage.pass_time(10)
        assert not browser.received
        assert not await stage.server.parts.store.push_tokens.any_registered()
        assert await stage.server.parts.store.push_preferences.get("bob") == ("{}", "")


async def test_one_device_or_all_devices_of_a_login_are_removed(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        one = await register(rest, browser, "bob", "one")
        other = await register(rest, browser, "bob", "other")
        await rest("DELETE", f"/notifications/push/v1/tokens/{one['id']}", as_="carol")  # of another user
        await rest("DELETE", f"/notifications/push/v1/tokens/{one['id']}", as_="bob")
        (left,) = (await rest("GET", "/notifications/push/v1/tokens", as_="bob"))["pushTokens"]
        assert left["id"] == other["id"]
        await rest("DELETE", "/notifications/push/v1/tokens", as_="bob")
        assert await rest("GET", "/notifications/push/v1/tokens", as_="bob") == {"pushTokens": []}
