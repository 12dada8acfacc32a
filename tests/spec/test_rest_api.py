"""The REST API with an API key: each resource, its success messages, both styles of paging."""

from __future__ import annotations

import asyncio

import pytest

from rest import Rest


async def test_api_keys_are_created_listed_changed_and_deleted(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "K", "scope": "fullAccess"})
        key = made["apiKey"]
        assert (len(key), made["name"], made["scope"]) == (40, "K", "fullAccess")
        listed = await rest("GET", "/apikeys?searchKey=k")
        assert {"Auth Key", "K"} <= {k["name"] for k in listed}
        assert not any(key in str(k) for k in listed)  # the whole key is shown only once
        assert (await rest("GET", f"/apikeys/{key}"))["name"] == "K"
        assert (await rest("PUT", f"/apikeys/{key}", json={"name": "New", "scope": "authOnly"}))["scope"] == "authOnly"
        await rest.refused("AUTH_ERR_NO_ACCESS", "GET", "/users", headers={"apikey": key})
        own = stage.server.api_key
        await rest.refused("ERR_APIKEY_NO_SELF_ACTION", "DELETE", f"/apikeys/{own}")
        await rest.refused("ERR_APIKEY_NO_SELF_ACTION", "PUT", f"/apikeys/{own}", json={"name": "x"})
        done = await rest("DELETE", f"/apikeys/{key}")
        assert done["message"] == f"The Api Key {key} has been deleted successfully."
        await rest.refused("ERR_APIKEY_NOT_FOUND", "GET", f"/apikeys/{key}")
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "GET", "/users", headers={"apikey": key})
        await rest.refused("ERR_BAD_REQUEST", "POST", "/apikeys", json={"name": "K", "scope": "all"})


async def test_users_are_created_listed_changed_and_deleted(stage):
    async with Rest(stage) as rest:
        user = {
            "uid": "U6",
            "name": "Barry",
            "avatar": "https://x.test/a.png",
            "metadata": {"@private": {"email": "e"}},
        }
        made = await rest("POST", "/users", json={**user, "tags": ["Engineer"], "withAuthToken": True})
        assert (made["uid"], made["role"], made["tags"]) == ("u6", "default", ["Engineer"])
        assert made["authToken"].startswith("u6_")
        await rest.refused("ERR_UID_ALREADY_EXISTS", "POST", "/users", json=user)
        await rest.refused("ERR_ROLE_NOT_FOUND", "POST", "/users", json={"uid": "x", "name": "X", "role": "none"})
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/users", json={"uid": "x", "name": 5})
        assert "name" in error["details"]
        changed = await rest("PUT", "/users/u6", json={"name": "B", "unset": ["avatar"], "tags": []})
        assert (changed["name"], "avatar" in changed, changed["metadata"]) == ("B", False, user["metadata"])
        answer = (await rest.answer("GET", "/users?perPage=2&page=2")).json()
        page = answer["meta"]["pagination"]
        assert page == {"total": 4, "count": 2, "per_page": 2, "current_page": 2, "total_pages": 2}
        assert [u["uid"] for u in await rest("GET", "/users?searchKey=u&searchIn=uid")] == ["u6"]
        done = await rest("DELETE", "/users", json={"uidsToDeactivate": ["u6", "nobody"]})
        assert done == {"deactivatedUids": ["u6"]}
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/u6")
        await rest.refused("ERR_UID_NOT_FOUND", "POST", "/users/u6/auth_tokens")
        answer = await rest.answer("PUT", "/me", headers={"authtoken": made["authToken"]})
        assert answer.json()["error"]["code"] == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
        assert [u["uid"] for u in await rest("GET", "/users?onlyDeactivated=true")] == ["u6"]
        assert await rest("PUT", "/users", json={"uidsToActivate": ["u6"]}) == {"nonDeactivatedUids": ["u6"]}
        await rest(
            "POST", "/messages", behalf="u6", json={"receiver": "bob", "receiverType": "user", "data": {"text": "a"}}
        )
        await rest(
            "POST", "/messages", behalf="bob", json={"receiver": "u6", "receiverType": "user", "data": {"text": "b"}}
        )
        done = await rest("DELETE", "/users/u6", json={"permanent": True})
        assert done["message"] == "User with u6 has been deleted successfully."
        assert await rest("GET", "/messages", as_="bob") == []
        await rest.refused("ERR_UID_NOT_FOUND", "DELETE", "/users/u6")


async def test_deleting_a_user_keeps_messages_and_closes_sockets(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    async with Rest(stage) as rest:
        await bob.say("alice", "stays")
        assert (await rest("DELETE", "/users/bob"))["success"]
        await bob.ears.until(lambda: any(e.code == "ERR_AUTH_TOKEN_EXPIRED" for e in bob.ears.all("error")))
        assert [m.text async for m in alice.chat.messages()] == ["stays"]
        (conversation,) = await rest("GET", "/conversations", as_="alice")
        assert conversation["conversationWith"]["uid"] == "bob"


async def test_auth_tokens_are_created_listed_changed_and_deleted(stage):
    async with Rest(stage) as rest:
        token = (await rest("POST", "/users/alice/auth_tokens", json={"force": True}))["authToken"]
        (listed,) = await rest("GET", "/users/alice/auth_tokens")
        assert (listed["uid"], listed["authToken"]) == ("alice", f"…{token[-4:]}")
        path = f"/users/alice/auth_tokens/{token}"
        changed = await rest("PUT", path, json={"platform": "ios", "appInfo": {"v": 1}})
        assert (changed["platform"], changed["appInfo"]) == ("ios", {"v": 1})
        assert (await rest("GET", path))["platform"] == "ios"
        await rest.refused("ERR_AUTH_TOKEN_NOT_FOUND", "GET", path.replace("alice", "bob"))
        await rest("DELETE", path)
        await rest.refused("ERR_AUTH_TOKEN_NOT_FOUND", "GET", path)
        await rest("POST", "/users/alice/auth_tokens")
        done = await rest("DELETE", "/users/alice/auth_tokens")
        assert done["message"] == "Cleared Auth Tokens successfully for uid alice."


async def test_messages_are_sent_by_the_app_and_on_behalf_of_users(stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        text = {"receiver": "alice", "receiverType": "user", "data": {"text": "hello", "metadata": {"k": "v"}}}
        made = await rest("POST", "/messages", json={**text, "tags": ["t"]})
        assert (made["sender"], made["tags"]) == ("app_system", ["t"])
        behalf = await rest("POST", "/messages", behalf="bob", json=text)
        assert (behalf["sender"], behalf["conversationId"]) == ("bob", "alice_user_bob")
        await alice.ears.until(lambda: alice.ears.texts == ["hello", "hello"])
        await rest.refused("ERR_UID_NOT_FOUND", "POST", "/messages", behalf="nobody", json=text)
        many = await rest(
            "POST", "/messages", json={"data": {"text": "all"}, "multipleReceivers": {"uids": ["alice", "bob"]}}
        )
        assert [m["receiver"] for m in many] == ["alice", "bob"]
        edited = await rest("PUT", f"/messages/{behalf['id']}", json={"data": {"text": "changed"}})
        assert (edited["category"], edited["data"]["action"], edited["sender"]) == ("action", "edited", "app_system")
        assert edited["data"]["entities"]["on"]["entity"]["data"]["text"] == "changed"
        reply = await rest(
            "POST", f"/messages/{behalf['id']}/thread", behalf="bob", json={**text, "data": {"text": "re"}}
        )
        assert reply["parentId"] == behalf["id"]
        assert [m["id"] for m in await rest("GET", f"/messages/{behalf['id']}/thread")] == [reply["id"]]
        await rest("POST", f"/messages/{behalf['id']}/reactions/x", behalf="bob")
        answer = (await rest.answer("GET", f"/messages/{behalf['id']}/reactions")).json()
        assert answer["meta"] == {"current": {"limit": 100, "count": 1}, "next": {"affix": "append", "id": "1"}}
        answer = (await rest.answer("GET", f"/messages?limit=2&affix=append&id={made['id']}")).json()
        following = [behalf["id"], many[0]["id"]]
        assert [m["id"] for m in answer["data"]] == following
        assert (answer["meta"]["current"], answer["meta"]["next"]["id"]) == ({"limit": 2, "count": 2}, following[1])
        assert {m["sender"] for m in await rest("GET", "/messages?sender=bob")} == {"bob"}
        assert [m["id"] for m in await rest("GET", "/messages?tags=t")] == [made["id"]]
        gone = await rest("DELETE", f"/messages/{behalf['id']}", json={"permanent": True})
        assert gone["data"]["action"] == "deleted"
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{behalf['id']}")


async def test_groups_members_and_bans_are_managed_with_a_key(stage):
    carol = await stage.enter("carol")
    async with Rest(stage) as rest:
        members = {"admins": ["alice"], "participants": ["alice", "bob", "nobody"], "usersToBan": ["carol"]}
        made = await rest("POST", "/groups", json={"guid": "g", "name": "G", "type": "public", "members": members})
        assert (made["owner"], made["membersCount"]) == ("app_system", 2)
        assert made["members"]["participants"]["nobody"]["success"] is False
        assert "alice" not in made["members"]["participants"]  # listed once, with the highest scope
        action = made["members"]["admins"]["alice"]["data"]
        assert (action["category"], action["data"]["action"]) == ("action", "added")
        assert action["data"]["entities"]["by"]["entity"]["uid"] == "app_system"
        await carol.ears.until(lambda: carol.ears.all("banned") == [("carol", "app_system", "g")])
        await rest.refused("ERR_BANNED_GROUPMEMBER", "POST", "/groups/g/members", behalf="carol", json={})
        done = await rest("DELETE", "/groups/g/bannedusers/carol")
        assert done["message"] == "The user with uid carol has been unbanned from the Group with g."
        done = await rest("PUT", "/groups/g/members/bob", json={"scope": "moderator"})
        assert (done["guid"], done["uid"], done["scope"]) == ("g", "bob", "moderator")
        done = await rest("POST", "/groups/g/bannedusers/bob")
        assert done["message"] == "The user with uid bob has been banned from the Group with g."
        (banned,) = await rest("GET", "/groups/g/bannedusers")
        assert (banned["uid"], banned["scope"]) == ("bob", "moderator")
        await rest("DELETE", "/groups/g/banned_members/bob")
        await rest("POST", "/groups/g/members", json={"participants": ["bob"]})
        done = await rest("DELETE", "/groups/g/members/bob")
        assert done["message"] == "The member with bob has been kicked from the Group with g."
        changed = await rest("PUT", "/groups/g", json={"type": "password", "password": "p", "owner": "alice"})
        assert (changed["type"], changed["owner"]) == ("password", "alice")
        assert "password" not in str(await rest("GET", "/groups/g")).replace("'password'", "")
        history = await rest("GET", "/groups/g/messages?categories=action&affix=append", as_="alice")
        actions = [m["data"]["action"] for m in history]
        assert actions == [
            "added",
            "added",
            "banned",
            "unbanned",
            "scopeChanged",
            "banned",
            "unbanned",
            "added",
            "kicked",
        ]
        await rest.refused("ERR_BAD_REQUEST", "POST", "/groups/g/members", json={"participants": ["x"] * 26})
        done = await rest("DELETE", "/groups/g", behalf="alice")
        assert done["message"] == "Group with guid g has been deleted successfully."
        await rest.refused("ERR_GUID_NOT_FOUND", "GET", "/groups/g")


@pytest.mark.parametrize("body", [{}, {"members": ["alice"]}, {"participants": []}, {"password": "p"}])
async def test_app_itself_cannot_join_a_group(stage, body):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", json={"guid": "g", "name": "G", "type": "public"})
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/groups/g/members", json=body)
        assert "participants" in error["details"]
        assert "onBehalfOf" in error["details"]["participants"]
        assert await rest("GET", "/groups/g/members") == []
        await rest("POST", "/groups/g/members", behalf="alice", json={})
        assert [m["uid"] for m in await rest("GET", "/groups/g/members")] == ["alice"]


async def _two_from_bob(rest: Rest) -> list[int]:
    body = {"receiver": "alice", "receiverType": "user", "data": {"text": "hi"}}
    return [int((await rest("POST", "/messages", behalf="bob", json=body))["id"]) for _ in range(2)]


async def test_conversation_has_an_unread_count(stage):
    async with Rest(stage) as rest:
        await _two_from_bob(rest)
        one = await rest("GET", "/users/bob/conversation", behalf="alice")
        assert (one["conversationId"], one["unreadMessageCount"]) == ("alice_user_bob", "2")
        one = await rest("GET", "/users/alice/conversation", behalf="bob")
        assert (one["conversationId"], one["unreadMessageCount"]) == ("alice_user_bob", "0")


async def test_conversation_is_marked_as_read(stage):
    async with Rest(stage) as rest:
        await _two_from_bob(rest)
        done = await rest("POST", "/users/bob/conversation/read", behalf="alice", json={})
        assert done["Message"] == "All the messages from the user are marked as read for the requesting user."
        assert (await rest("GET", "/users/bob/conversation", behalf="alice"))["unreadMessageCount"] == "0"


async def test_messages_after_one_are_marked_as_unread_with_the_rest_key(stage):
    async with Rest(stage) as rest:
        first, _ = await _two_from_bob(rest)
        await rest("POST", "/users/bob/conversation/read", behalf="alice", json={})
        done = await rest("DELETE", "/users/bob/conversation/read", behalf="alice", json={"messageId": first})
        assert done["message"].startswith(f"The messages after the message id {first} from the user bob")
        assert (await rest("GET", "/users/bob/conversation", behalf="alice"))["unreadMessageCount"] == "1"


async def test_conversation_is_returned_by_its_id_to_its_participants_only(stage):
    async with Rest(stage) as rest:
        await _two_from_bob(rest)
        assert (await rest("GET", "/conversations/alice_user_bob", behalf="alice"))["conversationWith"]["uid"] == "bob"
        await rest.refused("ERR_CONVERSATION_NOT_FOUND", "GET", "/conversations/alice_user_bob", behalf="carol")


async def test_conversation_is_deleted_for_all_its_users(stage):
    async with Rest(stage) as rest:
        await _two_from_bob(rest)
        assert len(await rest("GET", "/users/alice/messages", behalf="bob")) == 2
        done = await rest("DELETE", "/users/bob/conversation", behalf="alice", json={"deleteMessagesPermanently": True})
        assert done["message"].endswith("for all the users.")
        assert await rest("GET", "/users/alice/messages", behalf="bob") == []


async def test_app_sees_the_conversations_of_all_users(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", behalf="bob", json={"guid": "g", "name": "G"})
        for by, to, kind in (("alice", "bob", "user"), ("carol", "bob", "user"), ("bob", "g", "group")):
            body = {"receiver": to, "receiverType": kind, "data": {"text": f"{by} to {to}"}}
            await rest("POST", "/messages", behalf=by, json=body)
            await stage.pass_time(1)
        listed = await rest("GET", "/conversations")
        seen = [
            (c["uid"], c["conversationWith"].get("uid") or c["conversationWith"]["guid"], c["unreadMessageCount"])
            for c in listed
        ]
        expected = [("alice", "bob", "0"), ("bob", "g", "0"), ("bob", "carol", "1"), ("bob", "alice", "1")]
        assert seen == [*expected, ("carol", "bob", "0")]
        pages = [await rest("GET", f"/conversations?perPage=2&page={n}") for n in (1, 2, 3)]
        assert [c for page in pages for c in page] == listed
        unread = await rest("GET", "/conversations?unread=true&conversationType=user")
        assert {(c["uid"], c["lastMessage"]["data"]["text"]) for c in unread} == {
            ("bob", "alice to bob"), ("bob", "carol to bob"),
        }  # fmt: skip
        assert [c["conversationId"] for c in await rest("GET", "/conversations", behalf="carol")] == ["bob_user_carol"]


async def test_conversation_of_a_group_is_returned_and_changed(stage):
    async with Rest(stage) as rest:
        await rest(
            "POST", "/groups", behalf="alice", json={"guid": "g", "name": "G", "members": {"participants": ["bob"]}}
        )
        made = await rest(
            "POST", "/messages", as_="bob", json={"receiver": "g", "receiverType": "group", "data": {"text": "hi"}}
        )
        one = await rest("GET", "/groups/g/conversation", as_="alice")
        assert (one["conversationId"], one["unreadMessageCount"], one["lastMessage"]["id"]) == (
            "group_g",
            "1",
            made["id"],
        )
        assert (await rest("PUT", "/groups/g/conversation", as_="alice", json={"tags": ["t"]}))["tags"] == ["t"]
        assert (await rest("POST", "/groups/g/conversation/pin", as_="alice"))["pinnedBy"] == "alice"
        assert "pinnedAt" not in await rest("DELETE", "/groups/g/conversation/pin", as_="alice")
        done = await rest("POST", "/groups/g/conversation/delivered", as_="alice", json={"messageId": made["id"]})
        assert done["message"] == "All the messages in the group are marked as delivered for the requesting user."
        await rest("POST", "/groups/g/conversation/read", as_="alice", json={})
        done = await rest("DELETE", "/groups/g/conversation/read", as_="alice", json={"messageId": made["id"]})
        assert done["conversation"]["unreadMessageCount"] == "1"
        assert [m["id"] for m in await rest("GET", "/messages?conversationId=group_g&category=message")] == [made["id"]]
        assert [m["id"] for m in await rest("GET", "/messages?conversationId=group_g&category=message", as_="bob")] == [
            made["id"]
        ]
        await rest.refused("ERR_CONVERSATION_NOT_FOUND", "GET", "/messages?conversationId=group_g", as_="carol")
        await rest("POST", "/users/bob/conversation/delivered", as_="alice", json={})
        await rest.refused(
            "ERR_BAD_REQUEST", "POST", "/groups/g/conversation/read", as_="alice", json={"messageId": "x"}
        )
        assert (await rest("DELETE", "/groups/g/conversation", as_="alice", json={}))["success"]
        assert await rest("GET", "/conversations", as_="alice") == []
        assert len(await rest("GET", "/conversations", as_="bob")) == 1


async def test_pinned_conversations_have_a_limit(stage):
    async with Rest(stage) as rest:
        uids = [f"u{n}" for n in range(6)]
        await rest.user(*uids)
        for uid in uids:
            await rest(
                "POST",
                "/messages",
                behalf=uid,
                json={"receiver": "alice", "receiverType": "user", "data": {"text": "x"}},
            )
        for uid in uids[:5]:
            await rest("POST", f"/users/{uid}/conversation/pin", as_="alice")
            await rest("POST", f"/users/{uid}/conversation/pin", as_="alice")
        error = await rest.refused(
            "ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED", "POST", "/users/u5/conversation/pin", as_="alice"
        )
        assert error["details"] == {"limit": 5}
        await rest("DELETE", "/users/u0/conversation/pin", as_="alice")
        await rest("POST", "/users/u5/conversation/pin", as_="alice")


async def test_reactions_pins_saves_and_threads_are_managed_over_rest(stage):
    async with Rest(stage) as rest:
        made = await rest(
            "POST", "/messages", as_="bob", json={"receiver": "alice", "receiverType": "user", "data": {"text": "hi"}}
        )
        path = f"/messages/{made['id']}"
        assert (await rest("POST", f"{path}/pin", as_="alice"))["pinnedBy"] == "alice"
        assert [m["id"] for m in await rest("GET", "/users/alice/messages?pinned=1", as_="bob")] == [made["id"]]
        assert "pinnedAt" not in await rest("DELETE", f"{path}/pin", as_="bob")
        assert (await rest("POST", f"{path}/save", as_="alice"))["savedAt"]
        assert [m["id"] for m in await rest("GET", "/messages?saved=1", as_="alice")] == [made["id"]]
        assert "savedAt" not in await rest("DELETE", f"{path}/save", as_="alice")
        assert (await rest("POST", f"{path}/thread/subscription", as_="alice"))["success"]
        (thread,) = await rest("GET", "/threads", as_="alice")
        assert (thread["id"], thread["threadSubscribed"]) == (made["id"], True)
        await rest("DELETE", f"{path}/thread/subscription", as_="alice")
        assert await rest("GET", "/threads", as_="alice") == []
        for n in range(3):
            await rest("POST", f"{path}/reactions/{n}", as_="alice")
        assert [r["reaction"] for r in await rest("GET", f"{path}/reactions?limit=2&affix=append", as_="bob")] == [
            "0",
            "1",
        ]
        assert [r["uid"] for r in await rest("GET", f"{path}/reactions/2", as_="bob")] == ["alice"]
        shown = await rest("DELETE", f"{path}/reactions/0", as_="alice")
        assert [r["reaction"] for r in shown["data"]["reactions"]] == ["1", "2"]
        await rest("POST", "/users/alice/friends", json={"accepted": ["bob"]})
        assert [u["uid"] for u in await rest("GET", "/friends", as_="alice")] == ["bob"]


async def test_friends_and_blocks_are_managed_with_a_key(stage):
    async with Rest(stage) as rest:
        done = await rest(
            "POST", "/users/alice/friends", json={"accepted": ["bob", "nobody"], "addToConversations": True}
        )
        assert done["accepted"]["bob"]["message"] == "Created relationship with status accepted."
        assert done["accepted"]["nobody"]["error"]["code"] == "ERR_UID_NOT_FOUND"
        done = await rest("POST", "/users/bob/friends", json={"accepted": ["alice"]})
        assert done["accepted"]["alice"]["error"]["code"] == "ERR_ALREADY_FRIEND"
        assert [u["uid"] for u in await rest("GET", "/users/bob/friends")] == ["alice"]
        for uid, friend in (("alice", "bob"), ("bob", "alice")):
            (begun,) = await rest("GET", "/conversations", as_=uid)
            assert (begun["conversationWith"]["uid"], begun["unreadMessageCount"]) == (friend, "0")
            assert "lastMessage" not in begun
        assert [u["uid"] for u in await rest("GET", "/users?friendsOnly=true", as_="alice")] == ["bob"]
        await rest("DELETE", "/users/alice/friends", json={"friends": ["bob"]})
        await rest.refused("ERR_NOT_A_FRIEND", "DELETE", "/users/alice/friends", json={"friends": ["bob"]})
        done = await rest("POST", "/users/alice/blockedusers", json={"blockedUids": ["bob"]})
        assert done["bob"]["message"] == "The user with UID alice has blocked user with UID bob successfully."
        (blocked,) = await rest("GET", "/users/alice/blockedusers")
        assert (blocked["uid"], blocked["blockedByMe"]) == ("bob", True)
        assert (await rest("DELETE", "/users/alice/blockedusers", json={"blockedUids": ["bob"]}))["bob"]["success"]


async def test_conversation_without_messages_can_be_deleted_and_reappears_with_a_message(stage):
    async with Rest(stage) as rest:
        await rest(
            "POST", "/messages", as_="bob", json={"receiver": "carol", "receiverType": "user", "data": {"text": "a"}}
        )
        await rest("POST", "/users/alice/friends", json={"accepted": ["bob"], "addToConversations": True})
        await rest("DELETE", "/users/bob/conversation", as_="alice")
        assert await rest("GET", "/conversations", as_="alice") == []
        assert len(await rest("GET", "/conversations", as_="bob")) == 2
        await rest(
            "POST", "/messages", as_="bob", json={"receiver": "alice", "receiverType": "user", "data": {"text": "b"}}
        )
        (again,) = await rest("GET", "/conversations", as_="alice")
        assert (again["lastMessage"]["data"]["text"], again["unreadMessageCount"]) == ("b", "1")


async def test_first_message_of_an_app_is_not_hidden_by_an_earlier_deletion_of_its_conversation(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users/alice/friends", json={"accepted": ["bob"], "addToConversations": True})
        await rest("DELETE", "/users/bob/conversation", as_="alice")
        text = {"receiver": "alice", "receiverType": "user", "data": {"text": "first"}}
        assert (await rest("POST", "/messages", as_="bob", json=text))["id"] == "1"
        assert [m["data"]["text"] for m in await rest("GET", "/users/bob/messages", as_="alice")] == ["first"]


async def test_roles_restrict_features_and_whom_users_see(stage):
    async with Rest(stage) as rest:
        settings = {"listUsers": "friendsOnly", "sendMessagesTo": "friendsOnly"}
        made = await rest("POST", "/roles", json={"role": "child", "name": "Child", "settings": settings})
        assert made["settings"] == settings
        await rest.refused("ERR_ROLE_ALREADY_EXISTS", "POST", "/roles", json={"role": "child", "name": "C"})
        await rest.user("kid", role="child")
        assert await rest("GET", "/users", as_="kid") == []
        text = {"receiver": "bob", "receiverType": "user", "data": {"text": "one"}}
        await rest.refused("ERR_NOT_A_FRIEND", "POST", "/messages", as_="kid", json=text)
        await rest("POST", "/users/kid/friends", json={"accepted": ["bob"]})
        await rest("POST", "/messages", as_="kid", json=text)
        done = await rest(
            "POST", "/roles/child/restrictedfeatures", json={"featuresToRestrict": ["u.createGroup", "no"]}
        )
        assert (done["u.createGroup"]["success"], done["no"]["success"]) == (True, False)
        (feature,) = await rest("GET", "/roles/child/restrictedfeatures")
        assert feature["key"] == "u.createGroup"
        group = {"guid": "g", "name": "G"}
        await rest.refused("ERR_FEATURE_RESTRICTED", "POST", "/groups", as_="kid", json=group)
        await rest("DELETE", "/roles/child/restrictedfeatures", json={"allowAll": True})
        await rest("POST", "/groups", as_="kid", json=group)
        await rest("PUT", "/roles/child", json={"name": "Kid", "settings": {}})
        assert [u["uid"] for u in await rest("GET", "/users?role=child")] == ["kid"]
        await rest.refused("ERR_ROLE_DELETE_DENIED", "DELETE", "/roles/default")
        assert (await rest("DELETE", "/roles/child"))["message"] == "Role child has been deleted successfully."
        assert (await rest("GET", "/users/kid"))["role"] == "default"
        await rest.refused("ERR_ROLE_NOT_FOUND", "GET", "/roles/child")


async def test_changes_of_a_role_at_the_same_time_are_all_kept_and_apply_at_once(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "child", "name": "Child"})
        await rest.user("kid", role="child")
        await asyncio.gather(
            rest("PUT", "/roles/child", json={"settings": {"listUsers": "friendsOnly"}}),
            rest("PUT", "/roles/child", json={"name": "Kid"}),
            rest("PUT", "/roles/child", json={"description": "Under 13."}),
            rest("POST", "/roles/child/restrictedfeatures", json={"featuresToRestrict": ["u.createGroup"]}),
        )
        child = await rest("GET", "/roles/child")
        assert (child["name"], child["description"]) == ("Kid", "Under 13.")
        assert await rest("GET", "/users", as_="kid") == []
        await rest.refused("ERR_FEATURE_RESTRICTED", "POST", "/groups", as_="kid", json={"guid": "g", "name": "G"})


async def test_changed_default_role_applies_to_users_without_a_role(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "PUT", "/roles/default", json={"settings": {"listUsers": "nobody"}})
        assert await rest("GET", "/roles") == []
        changed = await rest("PUT", "/roles/default", json={"settings": {"listUsers": "friendsOnly"}})
        assert (changed["role"], changed["name"]) == ("default", "Default")
        await rest.user("kid")
        assert await rest("GET", "/users", as_="kid") == []


async def test_messages_are_reported_and_reports_listed(stage):
    async with Rest(stage) as rest:
        made = await rest(
            "POST", "/messages", behalf="bob", json={"receiver": "alice", "receiverType": "user", "data": {"text": "x"}}
        )
        await rest("POST", f"/messages/{made['id']}/flagged", as_="alice", json={"reasonId": "spam", "remark": "r"})
        (report,) = await rest("GET", "/moderation/flagged-messages")
        assert (report["messageId"], report["flaggedBy"], report["reasonId"]) == (made["id"], "alice", "spam")
        assert await rest("GET", "/moderation/flagged-messages?cursor=start") == [report]
        await rest.refused(
            "ERR_REASON_NOT_FOUND", "POST", f"/messages/{made['id']}/flagged", as_="alice", json={"id": "x"}
        )


async def test_every_base_path_is_served_and_unknown_paths_are_refused(stage):
    async with Rest(stage) as rest:
        for base in ("", "/v3", "/v3.0"):
            answer = await rest.answer("GET", f"{stage.server.url}{base}/users", as_="alice")
            assert answer.status_code == 200
        await rest.refused("ERR_API_NOT_FOUND", "GET", "/planets")
        await rest.refused("ERR_API_NOT_FOUND", "PATCH", "/users")


async def test_permanently_deleted_message_is_not_shown_as_last_message(stage):
    async with Rest(stage) as rest:
        await rest.user("ann", "ben")
        place = {"receiver": "ben", "receiverType": "user"}
        quiet = {"category": "custom", "type": "note", "data": {"customData": {"a": 1}, "updateConversation": False}}
        first = await rest("POST", "/messages", as_="ann", json={**place, "data": {"text": "first"}})
        await rest("POST", "/messages", as_="ann", json={**place, **quiet})
        await rest("PUT", f"/messages/{first['id']}", as_="ann", json={"data": {"text": "first, edited"}})
        reply = {**place, "data": {"text": "reply"}, "parentId": first["id"]}
        replied = await rest("POST", "/messages", as_="ann", json=reply)
        last = await rest("POST", "/messages", as_="ann", json={**place, "data": {"text": "last"}})
        shown = await rest("GET", "/users/ann/conversation", as_="ben")
        assert shown["lastMessage"]["id"] == last["id"]
        for sent in (last, replied):
            await rest("DELETE", f"/messages/{sent['id']}", json={"permanent": True})
        shown = await rest("GET", "/users/ann/conversation", as_="ben")
        assert shown["lastMessage"]["id"] == first["id"]
        assert "replyCount" not in await rest("GET", f"/messages/{first['id']}", as_="ben")
        await rest("DELETE", "/users/ann/conversation", as_="ben", json={})
        assert await rest("GET", "/messages?limit=1", as_="ben") == []
        (newest,) = await rest("GET", "/messages?limit=1", as_="ann")
        assert (newest["category"], newest["data"]["action"]) == ("action", "deleted")


async def test_character_nul_is_refused_everywhere(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "POST", "/users", json={"uid": "bob", "name": "a\0b"})
        await rest.refused("ERR_BAD_REQUEST", "PUT", "/users/alice", json={"metadata": {"@private": {"x": "\0"}}})
        await rest.refused("ERR_BAD_REQUEST", "GET", "/users/al%00ice")
        await rest.refused("ERR_BAD_REQUEST", "GET", "/users?searchKey=a%00")
        sent = {"receiver": "bob", "receiverType": "user", "data": {"text": "a\0"}}
        await rest.refused("ERR_BAD_REQUEST", "POST", "/messages", json=sent, behalf="alice")
        assert (await rest("GET", "/users/alice"))["name"] == "Alice"


async def test_message_whose_content_was_deleted_can_still_be_removed_for_good(stage):
    async with Rest(stage) as rest:
        await rest.user("ann", "ben")
        message = {"receiver": "ben", "receiverType": "user", "data": {"text": "hello"}}
        sent = await rest("POST", "/messages", as_="ann", json=message)
        deletion = f"/messages/{sent['id']}"
        await rest("DELETE", deletion, as_="ann")
        await rest.refused("ERR_MESSAGE_ACTION_NOT_ALLOWED", "DELETE", deletion)
        removed = await rest("DELETE", deletion, json={"permanent": True})
        assert removed["data"]["entities"]["on"]["entity"]["id"] == sent["id"]
        assert "hello" not in str(removed)
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", deletion)
        await rest.refused(
            "ERR_MESSAGE_ACTION_NOT_ALLOWED", "DELETE", f"/messages/{removed['id']}", json={"permanent": True}
        )
