"""Visibility: ids shared by two conversations, permissions that change during a request, roles, and blocks."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec

from harness import CONNECTED, Stage
from rest import Rest
from tailwire import TransientMessage
from tailwire.server.actions.caller import Caller
from tailwire.server.actions.drafting import Outgoing
from tailwire.server.actions.users import UserChange
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.requests import SendMessage
from tailwire.testing.virtual.world import UNLIMITED, virtual_loop


def text_message(receiver: str, words: str, kind: str = "user") -> dict:
    return {"receiver": receiver, "receiverType": kind, "category": "message", "type": "text", "data": {"text": words}}


def outgoing(fields: dict) -> Outgoing:
    return msgspec.json.decode(json.dumps(fields), type=SendMessage).to_message()


def texts_of(messages: list[dict]) -> list[str]:
    return [m["data"]["text"] for m in messages if m["category"] == "message"]


# Conversations with equal client-visible ids.


async def test_group_named_like_a_conversation_reveals_nothing_of_it(stage: Stage):
    async with Rest(stage) as rest:
        await rest.add_users("group_admin", "tom", "mallory")
        await rest("POST", "/messages", json=text_message("tom", "the code is 4711"), as_="group_admin")
        group = {"guid": "admin_user_tom", "name": "x", "type": "private"}
        made = await rest("POST", "/groups", json=group, as_="mallory")
        secret = (await rest("GET", "/users/tom/messages", as_="group_admin"))[0]
        assert made["conversationId"] == secret["conversationId"] == "group_admin_user_tom"
        for path in (
            "/groups/admin_user_tom/messages",
            "/groups/admin_user_tom/messages?searchKey=code",
            "/messages",
            "/messages?searchKey=code",
            "/messages?affix=append&id=0",
            "/messages?conversationId=group_admin_user_tom",
            "/conversations",
        ):
            assert await rest("GET", path, as_="mallory") == [], path
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{secret['id']}", as_="mallory")
        await rest(
            "POST", "/messages", json=text_message("admin_user_tom", "only for the group", "group"), as_="mallory"
        )
        assert texts_of(await rest("GET", "/users/group_admin/messages", as_="tom")) == ["the code is 4711"]
        (seen,) = await rest("GET", "/conversations", as_="tom")
        assert (seen["lastMessage"]["id"], seen["unreadMessageCount"]) == (secret["id"], "1")
        (own,) = await rest("GET", "/conversations", as_="mallory")
        assert own["conversationWith"]["guid"] == "admin_user_tom"
        await rest("DELETE", "/groups/admin_user_tom", as_="mallory")
        assert texts_of(await rest("GET", "/users/tom/messages", as_="group_admin")) == ["the code is 4711"]
        assert len(await rest("GET", "/conversations", as_="tom")) == 1


async def test_pairs_with_the_same_conversation_id_are_separate(stage: Stage):
    async with Rest(stage) as rest:
        await rest.add_users("test_user_smith", "alice_user_test", "smith")
        await rest("POST", "/messages", json=text_message("test_user_smith", "first pair"), as_="alice")
        assert await rest("GET", "/users/smith/messages", as_="alice_user_test") == []
        await rest("POST", "/messages", json=text_message("smith", "second pair"), as_="alice_user_test")
        assert texts_of(await rest("GET", "/users/test_user_smith/messages", as_="alice")) == ["first pair"]
        shared = "alice_user_test_user_smith"
        for uid, other in (("alice", "test_user_smith"), ("smith", "alice_user_test")):
            found = await rest("GET", f"/conversations/{shared}", as_=uid)
            assert found["conversationWith"]["uid"] == other
        assert texts_of(await rest("GET", f"/messages?conversationId={shared}", as_="smith")) == ["second pair"]
        await rest.refused("ERR_CONVERSATION_NOT_FOUND", "GET", f"/messages?conversationId={shared}", as_="bob")
        await rest.refused("ERR_BAD_REQUEST", "GET", f"/messages?conversationId={shared}")
        await rest("DELETE", f"/conversations/{shared}", as_="alice")
        assert await rest("GET", "/users/test_user_smith/messages", as_="alice") == []
        assert texts_of(await rest("GET", "/users/alice_user_test/messages", as_="smith")) == ["second pair"]
        assert texts_of(await rest("GET", "/messages", as_="alice_user_test")) == ["second pair"]


async def test_conversation_with_a_user_is_found_before_a_group_with_the_same_id(stage: Stage):
    async with Rest(stage) as rest:
        await rest.add_users("group_admin", "tom", "mallory")
        await rest("POST", "/messages", json=text_message("tom", "to tom"), as_="group_admin")
        group = {"guid": "admin_user_tom", "name": "x", "type": "public", "members": {"participants": ["tom"]}}
        await rest("POST", "/groups", json=group, as_="mallory")
        await rest("POST", "/messages", json=text_message("admin_user_tom", "to the group", "group"), as_="mallory")
        shared = "/conversations/group_admin_user_tom"
        assert (await rest("GET", shared, as_="tom"))["conversationWith"]["uid"] == "group_admin"
        assert (await rest("GET", shared, as_="mallory"))["conversationWith"]["guid"] == "admin_user_tom"
        assert len(await rest("GET", "/conversations", as_="tom")) == 2


# Permissions that change between the check and the change.


def let_work_take(seconds: float) -> None:
    """Let work in a thread (the store, a password) take this many seconds from now on."""
    virtual_loop().executor_seconds = lambda: seconds


async def send_during(rest: Rest, first: tuple, *others: tuple) -> list[str]:
    """Send one request and, while it is in progress, others. Return the codes of all responses; "" for a success."""

    async def ask(method: str, path: str, body: dict | None = None, **more) -> str:
        answer = await rest.answer(method, path, json=body, **more)
        return answer.json()["error"]["code"] if answer.status_code >= 400 else ""

    slow = iter([0.2])  # the first use of the thread is the password check
    virtual_loop().executor_seconds = lambda: next(slow, 0.001)
    begun = asyncio.ensure_future(ask(*first[:3], as_=first[3]))
    await asyncio.sleep(0.02)
    later = [await ask(*other[:3], as_=other[3]) for other in others]
    code = await begun
    let_work_take(0.0)
    return [code, *later]


async def make_locked_group(rest: Rest, *members: str, **scopes: list[str]) -> None:
    """Create alice's group with the password `right`, and tokens in advance, because creating them takes time too."""
    group = {"guid": "g", "name": "G", "type": "password", "password": "right"}
    await rest("POST", "/groups", json=group, as_="alice")
    if members or scopes:
        await rest("PUT", "/groups/g/members", json={"participants": list(members), **scopes}, as_="alice")
    for uid in ("alice", "bob", "carol"):
        await rest.token(uid)


RIGHT = {"password": "right"}


async def test_user_banned_while_joining_does_not_become_a_member(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest)
        join = ("POST", "/groups/g/members", RIGHT, "bob")
        codes = await send_during(rest, join, ("POST", "/groups/g/bannedusers/bob", None, "alice"))
        assert codes == ["ERR_BANNED_GROUPMEMBER", ""]
        assert [m["uid"] for m in await rest("GET", "/groups/g/members", as_="alice")] == ["alice"]
        await rest.refused("ERR_NOT_A_MEMBER", "GET", "/groups/g/messages", as_="bob")


async def test_pending_join_is_refused_after_the_group_changes(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest)
        join = ("POST", "/groups/g/members", RIGHT, "bob")
        change = ("PUT", "/groups/g", {"type": "private"}, "alice")
        assert await send_during(rest, join, change) == ["ERR_GUID_NOT_FOUND", ""]
        await rest("PUT", "/groups/g", json={"type": "password", "password": "right"}, as_="alice")
        change = ("PUT", "/groups/g", {"name": "Other", "type": "password", "password": "new"}, "alice")
        assert await send_during(rest, join, change) == ["ERR_WRONG_GROUP_PASS", ""]
        assert [m["uid"] for m in await rest("GET", "/groups/g/members", as_="alice")] == ["alice"]


async def test_concurrently_banned_moderator_cannot_change_the_group(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest, moderators=["bob"])
        change = ("PUT", "/groups/g", {"password": "mine", "name": "Taken"}, "bob")
        codes = await send_during(rest, change, ("POST", "/groups/g/bannedusers/bob", None, "alice"))
        assert codes == ["ERR_NOT_A_MEMBER", ""]
        assert (await rest("GET", "/groups/g", as_="alice"))["name"] == "G"
        await rest("POST", "/groups/g/members", json=RIGHT, as_="carol")


async def test_pending_change_does_not_undo_an_ownership_transfer(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest, "bob")
        change = ("PUT", "/groups/g", {"password": "mine"}, "alice")
        transfer = ("PATCH", "/groups/g/owner", {"owner": "bob"}, "alice")
        rename = ("PUT", "/groups/g", {"name": "New"}, "alice")
        assert await send_during(rest, change, transfer, rename) == ["", "", ""]
        group = await rest("GET", "/groups/g", as_="alice")
        assert (group["owner"], group["name"]) == ("bob", "New")


async def test_concurrent_changes_by_a_user_and_by_the_app_are_both_kept(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "child", "name": "Child"})
        users = stage.server.parts.actions.users
        await asyncio.gather(
            users.update("bob", UserChange(role="child")),
            users.update("bob", UserChange(status_message="here"), own=True),
        )
        user = await rest("GET", "/users/bob")
        assert (user["role"], user["statusMessage"]) == ("child", "here")


async def test_ownership_is_only_transferred_to_current_members(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest, "bob")
        transfer = ("PATCH", "/groups/g/owner", {"owner": "bob"}, "alice")
        leave = ("DELETE", "/groups/g/members", None, "bob")
        for first, second in ((transfer, leave), (leave, transfer)):
            let_work_take(0.05)
            answers = await asyncio.gather(
                *(rest.answer(method, path, json=body, as_=uid) for method, path, body, uid in (first, second))
            )
            let_work_take(0.0)
            assert sorted(a.status_code < 400 for a in answers) == [False, True]
            owner = (await rest("GET", "/groups/g", as_="alice"))["owner"]
            assert owner in [m["uid"] for m in await rest("GET", "/groups/g/members", as_="alice")]
            if owner == "bob":
                await rest("PATCH", "/groups/g/owner", json={"owner": "alice"}, as_="bob")


async def test_concurrently_deleted_message_cannot_be_changed(stage: Stage):
    async with Rest(stage) as rest:
        for uid in ("alice", "bob"):
            await rest.token(uid)
        for what in ("reactions/x", "pin", "save"):
            sent = (await rest("POST", "/messages", json=text_message("bob", "gone soon"), as_="alice"))["id"]
            gone, done = await asyncio.gather(
                rest.answer("DELETE", f"/messages/{sent}", as_="alice"),
                rest.answer("POST", f"/messages/{sent}/{what}", as_="bob"),
            )
            assert gone.status_code == 200
            assert done.json()["error"]["code"] == "ERR_MESSAGE_ACTION_NOT_ALLOWED"
            view = await rest("GET", f"/messages/{sent}", as_="bob")
            assert not {"pinnedAt", "savedAt"} & view.keys()
            assert "reactions" not in view["data"]


async def test_kicked_member_cannot_send(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest, "bob")
        said_before = text_message("g", "before", "group") | {"muid": "m1"}
        before = await rest("POST", "/messages", json=said_before, as_="bob")
        actions = stage.server.parts.actions
        alice, bob = Caller("alice", "", "a"), Caller("bob", "", "b")
        kicked, sent, again = await asyncio.gather(  # concurrent requests share one transaction, in order
            actions.members.kick(alice, "g", "bob"),
            actions.messages.send(bob, outgoing(text_message("g", "after", "group"))),
            actions.messages.send(bob, outgoing(said_before)),
            return_exceptions=True,
        )
        assert json.loads(kicked)["data"]["action"] == "kicked"
        assert (type(sent), sent.code) == (Refused, "ERR_NOT_A_MEMBER")
        assert json.loads(again)["id"] == before["id"]  # it was stored, and that is the response
        assert texts_of(await rest("GET", "/groups/g/messages", as_="alice")) == ["before"]


async def test_ban_removes_a_member_who_already_has_a_ban(stage: Stage):
    bob = await stage.enter("bob")
    async with Rest(stage) as rest:
        await make_locked_group(rest, "bob")
        ban = "INSERT INTO bans VALUES ('g', 'bob', 'participant', 1, 'alice')"  # as an earlier version left it
        assert await stage.server.parts.store.database.run(ban) == 1
        await rest("POST", "/groups/g/bannedusers/bob", as_="alice")
        await bob.ears.until(lambda: bool(bob.ears.all("banned")))
        await rest("POST", "/messages", json=text_message("g", "without bob", "group"), as_="alice")
        await stage.pass_time(5)
        assert bob.ears.texts == []
        assert (await rest("GET", "/groups/g", as_="alice"))["membersCount"] == 1
        await rest.refused("ERR_ALREADY_BANNED", "POST", "/groups/g/bannedusers/bob", as_="alice")


# Guessing the password of a group.


async def restart_with(stage: Stage, **settings: Any) -> None:
    """Restart the server with other settings."""
    await stage.server.stop()
    stage.server._settings = replace(stage.server._settings, **settings)
    await stage.server.start()


async def test_concurrent_guesses_of_a_group_password_are_limited(stage: Stage):
    settings = {**UNLIMITED, "wrong_passwords_per_minute": 10}
    await restart_with(stage, **settings)
    async with Rest(stage) as rest:
        await make_locked_group(rest)
        await rest("POST", "/groups", json={"guid": "h", "name": "H", "type": "password", **RIGHT}, as_="alice")
        let_work_take(0.05)
        codes = Counter()

        async def guess(n: int) -> None:
            answer = await rest.answer("POST", "/groups/g/members", json={"password": f"no{n}"}, as_="bob")
            codes[answer.json()["error"]["code"]] += 1

        for wave in range(8):
            await asyncio.gather(*(guess(20 * wave + n) for n in range(20)))
        # Ten, and those that became available within one or two seconds.
        assert codes["ERR_WRONG_GROUP_PASS"] <= 11
        assert set(codes) == {"ERR_WRONG_GROUP_PASS", "ERR_TOO_MANY_REQUESTS"}
        let_work_take(0.0)
        for _ in range(15):  # correct passwords do not count
            await rest("POST", "/groups/h/members", json=RIGHT, as_="carol")
            await rest("DELETE", "/groups/h/members", as_="carol")


# Tokens.


async def test_evicted_token_closes_its_sockets(stage: Stage):
    settings = {**UNLIMITED, "max_tokens": 3}
    await restart_with(stage, **settings)
    bob = await stage.enter("bob")
    async with Rest(stage) as rest:
        for _ in range(2):
            await rest("POST", "/users/bob/auth_tokens")
        await stage.pass_time(1)
        assert bob.status is CONNECTED
        await rest("POST", "/users/bob/auth_tokens")
        await bob.ears.until(lambda: bool(bob.ears.all("error")))
        assert bob.ears.all("error")[0].code == "ERR_AUTH_TOKEN_EXPIRED"
        await rest("POST", "/messages", json=text_message("bob", "not for that socket"), as_="alice")
        await stage.pass_time(30)
        assert bob.ears.texts == []


# Threads, roles, blocks, and earlier messages.


async def test_threads_of_a_group_are_not_listed_for_a_user_banned_from_it(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest, "bob", "carol")
        root = (await rest("POST", "/messages", json=text_message("g", "SECRET", "group"), as_="alice"))["id"]
        own = (await rest("POST", "/messages", json=text_message("bob", "to bob"), as_="alice"))["id"]
        for message in (root, own):
            await rest("POST", f"/messages/{message}/thread/subscription", as_="bob")
        answer = (await rest.answer("GET", "/threads", as_="bob")).json()
        assert [m["id"] for m in answer["data"]] == [own, root]
        await rest("POST", "/groups/g/bannedusers/bob", as_="alice")
        answer = (await rest.answer("GET", "/threads", as_="bob")).json()
        assert ([m["id"] for m in answer["data"]], answer["meta"]["pagination"]["total"]) == ([own], 1)
        await rest("DELETE", "/groups/g/bannedusers/bob", as_="alice")
        await rest("POST", "/groups/g/members", json=RIGHT, as_="bob")
        assert [m["id"] for m in await rest("GET", "/threads", as_="bob")] == [own]  # dropped, not hidden


async def test_role_restrictions_apply_to_messages_typing_and_transient_messages(stage: Stage):
    bob, carol = await stage.enter("bob"), await stage.enter("carol")
    async with Rest(stage) as rest:
        only = {"listUsers": "friendsOnly", "sendMessagesTo": "friendsOnly"}
        await rest("POST", "/roles", json={"role": "shy", "name": "Shy", "settings": only})
        await rest("PUT", "/users/carol", json={"role": "shy"})
        await rest.refused("ERR_NOT_A_FRIEND", "POST", "/messages", json=text_message("bob", "x"), as_="carol")
        await carol.chat.send_transient_message(TransientMessage("bob", "user", {"text": "psst"}))
        await carol.chat.start_typing("bob", "user", {"text": "psst"})
        await stage.pass_time(5)
        assert (bob.ears.all("transient"), bob.ears.all("typing")) == ([], [])
        group = {"guid": "trap", "name": "T", "type": "private", "members": {"participants": ["bob"]}}
        made = await rest("POST", "/groups", json=group, as_="carol")
        assert made["members"]["participants"]["bob"]["error"]["code"] == "ERR_NOT_A_FRIEND"
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/bob", as_="carol")
        await rest("POST", "/users/carol/friends", json={"accepted": ["bob"]})
        assert (await rest("GET", "/users/bob", as_="carol"))["uid"] == "bob"
        await carol.chat.send_transient_message(TransientMessage("bob", "user", {"text": "hello"}))
        await bob.ears.until(lambda: bool(bob.ears.all("transient")))


async def test_restricted_features_apply_to_transient_messages_and_members_of_new_groups(stage: Stage):
    bob, carol = await stage.enter("bob"), await stage.enter("carol")
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "quiet", "name": "Quiet"})
        await rest("PUT", "/users/carol", json={"role": "quiet"})
        restricted = {"featuresToRestrict": ["u.createMessage", "u.addMember"]}
        await rest("POST", "/roles/quiet/restrictedfeatures", json=restricted)
        await carol.chat.send_transient_message(TransientMessage("bob", "user", {"text": "psst"}))
        await stage.pass_time(5)
        assert bob.ears.all("transient") == []
        group = {"guid": "trap", "name": "T", "type": "private", "members": {"participants": ["bob"]}}
        await rest.refused("ERR_FEATURE_RESTRICTED", "POST", "/groups", json=group, as_="carol")
        await rest.refused("ERR_GUID_NOT_FOUND", "GET", "/groups/trap")


async def test_blocked_users_do_not_see_presence(stage: Stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        await rest("POST", "/messages", json=text_message("carol", "hello"), as_="alice")
        await make_locked_group(rest, "bob", "carol")
        await rest("POST", "/blockedusers", json={"blockedUids": ["carol"]}, as_="alice")

        async def seen(uid: str) -> dict[str, list]:
            listed = await rest("GET", "/users?uids=alice", as_=uid)
            members = await rest("GET", "/groups/g/members", as_=uid)
            views = [await rest("GET", "/users/alice", as_=uid), *listed]
            views += [m for m in members if m["uid"] == "alice"]
            views += [c["conversationWith"] for c in await rest("GET", "/conversations?conversationType=user", as_=uid)]
            online = [u["uid"] for u in await rest("GET", "/users?status=online", as_=uid)]
            offline = [u["uid"] for u in await rest("GET", "/users?status=offline", as_=uid)]
            return {"status": [u["status"] for u in views], "online": online, "offline": offline}

        assert await seen("bob") == {"status": ["available"] * 3, "online": ["alice"], "offline": ["bob", "carol"]}
        hidden = await seen("carol")
        assert hidden == {"status": ["offline"] * 4, "online": [], "offline": ["alice", "bob", "carol"]}
        await alice.chat.logout()
        await stage.pass_time(60)
        assert "lastActiveAt" in await rest("GET", "/users/alice", as_="bob")
        assert "lastActiveAt" not in await rest("GET", "/users/alice", as_="carol")


async def test_messages_before_joining_are_readable_and_not_unread(stage: Stage):
    async with Rest(stage) as rest:
        await make_locked_group(rest)
        old = (await rest("POST", "/messages", json=text_message("g", "before bob", "group"), as_="alice"))["id"]
        await rest("POST", "/groups/g/members", json=RIGHT, as_="bob")
        await rest("POST", "/messages", json=text_message("g", "with bob", "group"), as_="alice")
        for path in ("/groups/g/messages", "/messages", "/messages?conversationId=group_g"):
            assert texts_of(await rest("GET", path, as_="bob")) == ["before bob", "with bob"], path
        for path in ("/groups/g/messages?searchKey=before", "/messages?searchKey=before"):
            assert texts_of(await rest("GET", path, as_="bob")) == ["before bob"], path
        assert (await rest("GET", f"/messages/{old}", as_="bob"))["id"] == old
        for path in ("/messages?affix=append&id=0", "/messages?unread=true"):
            assert texts_of(await rest("GET", path, as_="bob")) == ["with bob"], path
        assert await rest("GET", "/messages?searchKey=before", as_="carol") == []
