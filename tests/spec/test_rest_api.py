"""The REST API with an API key: each resource, its success messages, both styles of paging."""

from __future__ import annotations

import asyncio

import pytest

from harness import DISCONNECTED
from rest import Rest


async def make_key(rest, scope="fullAccess"):
    """Create an API key, and return it."""
    return (await rest("POST", "/apikeys", json={"name": "K", "scope": scope}))["apiKey"]


async def test_api_key_is_shown_in_full_only_when_it_is_created_or_named_in_full(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "K", "scope": "fullAccess"})
        key = made["apiKey"]
        assert (len(key), made["name"], made["scope"]) == (40, "K", "fullAccess")
        listed = await rest("GET", "/apikeys?searchKey=k")
        assert {"Auth Key", "K"} <= {k["name"] for k in listed}
        assert not any(key in str(k) for k in listed)
        for named, is_shown in ((key, True), (made["id"], False)):
            found = await rest("GET", f"/apikeys/{named}")
            assert (found["name"], key in str(found)) == ("K", is_shown)


async def test_api_key_may_do_what_its_changed_scope_allows(stage):
    async with Rest(stage) as rest:
        key = await make_key(rest)
        assert await rest("GET", "/users", headers={"apikey": key})
        changed = await rest("PUT", f"/apikeys/{key}", json={"name": "New", "scope": "authOnly"})
        assert (changed["name"], changed["scope"]) == ("New", "authOnly")
        await rest.refused("AUTH_ERR_NO_ACCESS", "GET", "/users", headers={"apikey": key})


async def test_api_key_cannot_change_or_delete_itself(stage):
    async with Rest(stage) as rest:
        own = stage.server.api_key
        await rest.refused("ERR_APIKEY_NO_SELF_ACTION", "DELETE", f"/apikeys/{own}")
        await rest.refused("ERR_APIKEY_NO_SELF_ACTION", "PUT", f"/apikeys/{own}", json={"name": "x"})


async def test_deleted_api_key_is_refused(stage):
    async with Rest(stage) as rest:
        key = await make_key(rest)
        done = await rest("DELETE", f"/apikeys/{key}")
        assert done["message"] == f"The Api Key {key} has been deleted successfully."
        await rest.refused("ERR_APIKEY_NOT_FOUND", "GET", f"/apikeys/{key}")
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "GET", "/users", headers={"apikey": key})


async def test_api_key_with_an_unknown_scope_is_refused(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "POST", "/apikeys", json={"name": "K", "scope": "all"})


BARRY = {"uid": "U6", "name": "Barry", "avatar": "https://x.test/a.png", "metadata": {"@private": {"email": "e"}}}


async def test_user_is_created_with_a_uid_in_lower_case_and_an_auth_token(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/users", json={**BARRY, "tags": ["Engineer"], "withAuthToken": True})
        assert (made["uid"], made["role"], made["tags"]) == ("u6", "default", ["Engineer"])
        assert made["authToken"].startswith("u6_")


async def test_invalid_user_is_not_created(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users", json=BARRY)
        await rest.refused("ERR_UID_ALREADY_EXISTS", "POST", "/users", json=BARRY)
        await rest.refused("ERR_ROLE_NOT_FOUND", "POST", "/users", json={"uid": "x", "name": "X", "role": "none"})
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/users", json={"uid": "x", "name": 5})
        assert "name" in error["details"]
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/x")


async def test_user_is_changed_in_what_the_request_names(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users", json={**BARRY, "tags": ["Engineer"]})
        changed = await rest("PUT", "/users/u6", json={"name": "B", "unset": ["avatar"], "tags": []})
        assert (changed["name"], "avatar" in changed, changed["metadata"]) == ("B", False, BARRY["metadata"])
        assert not changed.get("tags")


async def test_users_are_listed_in_numbered_pages_and_found_by_uid(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users", json=BARRY)
        answer = (await rest.answer("GET", "/users?perPage=2&page=2")).json()
        page = answer["meta"]["pagination"]
        assert page == {"total": 4, "count": 2, "per_page": 2, "current_page": 2, "total_pages": 2}
        assert [u["uid"] for u in await rest("GET", "/users?searchKey=u&searchIn=uid")] == ["u6"]


async def test_deactivated_user_is_hidden_and_cannot_log_in_until_they_are_activated(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/users", json={**BARRY, "withAuthToken": True})
        done = await rest("DELETE", "/users", json={"uidsToDeactivate": ["u6", "nobody"]})
        assert done == {"deactivatedUids": ["u6"]}
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/u6")
        await rest.refused("ERR_UID_NOT_FOUND", "POST", "/users/u6/auth_tokens")
        answer = await rest.answer("PUT", "/me", headers={"authtoken": made["authToken"]})
        assert answer.json()["error"]["code"] == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
        assert [u["uid"] for u in await rest("GET", "/users?onlyDeactivated=true")] == ["u6"]
        assert await rest("PUT", "/users", json={"uidsToActivate": ["u6"]}) == {"nonDeactivatedUids": ["u6"]}
        assert (await rest("POST", "/users/u6/auth_tokens"))["uid"] == "u6"


async def test_user_who_is_deleted_permanently_is_removed_with_their_conversations(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users", json=BARRY)
        for by, to in (("u6", "bob"), ("bob", "u6")):
            body = {"receiver": to, "receiverType": "user", "data": {"text": "a"}}
            await rest("POST", "/messages", behalf=by, json=body)
        done = await rest("DELETE", "/users/u6", json={"permanent": True})
        assert done["message"] == "User with u6 has been deleted successfully."
        assert await rest("GET", "/messages", as_="bob") == []
        await rest.refused("ERR_UID_NOT_FOUND", "DELETE", "/users/u6")


async def test_messages_of_a_deleted_user_stay(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    async with Rest(stage) as rest:
        await bob.say("alice", "stays")
        assert (await rest("DELETE", "/users/bob"))["success"]
        assert [m.text async for m in alice.chat.messages()] == ["stays"]
        (conversation,) = await rest("GET", "/conversations", as_="alice")
        assert conversation["conversationWith"]["uid"] == "bob"


async def test_socket_of_a_deleted_user_is_closed(stage):
    bob = await stage.enter("bob")
    async with Rest(stage) as rest:
        await rest("DELETE", "/users/bob")
        await bob.ears.until(lambda: any(e.code == "ERR_AUTH_TOKEN_EXPIRED" for e in bob.ears.all("error")))
        assert bob.ears.statuses[-1] is DISCONNECTED
        assert stage.server.parts.metrics.sockets == 0


async def test_auth_token_is_listed_by_its_last_characters(stage):
    async with Rest(stage) as rest:
        token = (await rest("POST", "/users/alice/auth_tokens", json={"force": True}))["authToken"]
        (listed,) = await rest("GET", "/users/alice/auth_tokens")
        assert (listed["uid"], listed["authToken"]) == ("alice", f"…{token[-4:]}")


async def test_auth_token_keeps_what_is_stored_with_it(stage):
    async with Rest(stage) as rest:
        token = (await rest("POST", "/users/alice/auth_tokens", json={"force": True}))["authToken"]
        changed = await rest("PUT", f"/users/alice/auth_tokens/{token}", json={"platform": "ios", "appInfo": {"v": 1}})
        assert (changed["platform"], changed["appInfo"]) == ("ios", {"v": 1})
        assert (await rest("GET", f"/users/alice/auth_tokens/{token}"))["platform"] == "ios"
        await rest.refused("ERR_AUTH_TOKEN_NOT_FOUND", "GET", f"/users/bob/auth_tokens/{token}")


async def test_one_auth_token_or_all_of_a_user_are_deleted(stage):
    async with Rest(stage) as rest:
        one, two, three = [(await rest("POST", "/users/alice/auth_tokens"))["authToken"] for _ in range(3)]
        await rest("DELETE", f"/users/alice/auth_tokens/{one}")
        await rest.refused("ERR_AUTH_TOKEN_NOT_FOUND", "GET", f"/users/alice/auth_tokens/{one}")
        assert await rest("GET", f"/users/alice/auth_tokens/{two}")
        done = await rest("DELETE", "/users/alice/auth_tokens")
        assert done["message"] == "Cleared Auth Tokens successfully for uid alice."
        for token in (two, three):
            await rest.refused("ERR_AUTH_TOKEN_NOT_FOUND", "GET", f"/users/alice/auth_tokens/{token}")


TO_ALICE = {"receiver": "alice", "receiverType": "user", "data": {"text": "hello", "metadata": {"k": "v"}}}


async def test_message_is_sent_by_the_app_or_on_behalf_of_a_user(stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        made = await rest("POST", "/messages", json={**TO_ALICE, "tags": ["t"]})
        assert (made["sender"], made["tags"]) == ("app_system", ["t"])
        behalf = await rest("POST", "/messages", behalf="bob", json=TO_ALICE)
        assert (behalf["sender"], behalf["conversationId"]) == ("bob", "alice_user_bob")
        await alice.ears.until(lambda: alice.ears.texts == ["hello", "hello"])
        await rest.refused("ERR_UID_NOT_FOUND", "POST", "/messages", behalf="nobody", json=TO_ALICE)


async def test_message_to_several_receivers_is_sent_to_each(stage):
    async with Rest(stage) as rest:
        body = {"data": {"text": "all"}, "multipleReceivers": {"uids": ["alice", "bob"]}}
        assert [m["receiver"] for m in await rest("POST", "/messages", json=body)] == ["alice", "bob"]


async def test_message_of_a_user_is_edited_by_the_app(stage):
    async with Rest(stage) as rest:
        sent = await rest("POST", "/messages", behalf="bob", json=TO_ALICE)
        edited = await rest("PUT", f"/messages/{sent['id']}", json={"data": {"text": "changed"}})
        assert (edited["category"], edited["data"]["action"], edited["sender"]) == ("action", "edited", "app_system")
        assert edited["data"]["entities"]["on"]["entity"]["data"]["text"] == "changed"


async def test_reply_is_listed_in_the_thread_of_its_parent(stage):
    async with Rest(stage) as rest:
        parent = (await rest("POST", "/messages", behalf="bob", json=TO_ALICE))["id"]
        body = {**TO_ALICE, "data": {"text": "re"}}
        reply = await rest("POST", f"/messages/{parent}/thread", behalf="bob", json=body)
        assert reply["parentId"] == parent
        assert [m["id"] for m in await rest("GET", f"/messages/{parent}/thread")] == [reply["id"]]


async def test_page_of_reactions_names_the_next_one(stage):
    async with Rest(stage) as rest:
        message_id = (await rest("POST", "/messages", behalf="bob", json=TO_ALICE))["id"]
        await rest("POST", f"/messages/{message_id}/reactions/x", behalf="bob")
        answer = (await rest.answer("GET", f"/messages/{message_id}/reactions")).json()
        assert answer["meta"] == {"current": {"limit": 100, "count": 1}, "next": {"affix": "append", "id": "1"}}


async def test_messages_are_listed_after_an_id_and_by_sender_and_tag(stage):
    async with Rest(stage) as rest:
        tagged = (await rest("POST", "/messages", json={**TO_ALICE, "tags": ["t"]}))["id"]
        following = [(await rest("POST", "/messages", behalf="bob", json=TO_ALICE))["id"] for _ in range(3)][:2]
        answer = (await rest.answer("GET", f"/messages?limit=2&affix=append&id={tagged}")).json()
        assert [m["id"] for m in answer["data"]] == following
        assert (answer["meta"]["current"], answer["meta"]["next"]["id"]) == ({"limit": 2, "count": 2}, following[1])
        assert [m["sender"] for m in await rest("GET", "/messages?sender=bob")] == ["bob"] * 3
        assert [m["id"] for m in await rest("GET", "/messages?tags=t")] == [tagged]


async def test_message_that_is_deleted_permanently_is_not_found(stage):
    async with Rest(stage) as rest:
        sent = await rest("POST", "/messages", behalf="bob", json=TO_ALICE)
        action = await rest("DELETE", f"/messages/{sent['id']}", json={"permanent": True})
        assert action["data"]["action"] == "deleted"
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{sent['id']}")


async def make_group(rest, **members):
    """Let the app create the public group `g`, and return the answer."""
    return await rest("POST", "/groups", json={"guid": "g", "name": "G", "type": "public", "members": members})


async def test_group_is_created_with_each_member_once_in_their_highest_scope(stage):
    async with Rest(stage) as rest:
        made = await make_group(rest, admins=["alice"], participants=["alice", "bob", "nobody"])
        assert (made["owner"], made["membersCount"]) == ("app_system", 2)
        assert made["members"]["participants"]["nobody"]["success"] is False
        assert "alice" not in made["members"]["participants"]
        action = made["members"]["admins"]["alice"]["data"]
        assert (action["category"], action["data"]["action"]) == ("action", "added")
        assert action["data"]["entities"]["by"]["entity"]["uid"] == "app_system"


async def test_user_who_is_banned_by_the_new_group_cannot_join_until_they_are_unbanned(stage):
    carol = await stage.enter("carol")
    async with Rest(stage) as rest:
        await make_group(rest, usersToBan=["carol"])
        await carol.ears.until(lambda: carol.ears.all("banned") == [("carol", "app_system", "g")])
        await rest.refused("ERR_BANNED_GROUPMEMBER", "POST", "/groups/g/members", behalf="carol", json={})
        done = await rest("DELETE", "/groups/g/bannedusers/carol")
        assert done["message"] == "The user with uid carol has been unbanned from the Group with g."
        await rest("POST", "/groups/g/members", behalf="carol", json={})


async def test_scope_of_a_member_is_changed_and_kept_with_a_ban(stage):
    async with Rest(stage) as rest:
        await make_group(rest, participants=["bob"])
        done = await rest("PUT", "/groups/g/members/bob", json={"scope": "moderator"})
        assert (done["guid"], done["uid"], done["scope"]) == ("g", "bob", "moderator")
        done = await rest("POST", "/groups/g/bannedusers/bob")
        assert done["message"] == "The user with uid bob has been banned from the Group with g."
        (banned,) = await rest("GET", "/groups/g/bannedusers")
        assert (banned["uid"], banned["scope"]) == ("bob", "moderator")


async def test_member_is_kicked_by_the_app(stage):
    async with Rest(stage) as rest:
        await make_group(rest, participants=["bob"])
        done = await rest("DELETE", "/groups/g/members/bob")
        assert done["message"] == "The member with bob has been kicked from the Group with g."
        assert await rest("GET", "/groups/g/members") == []


async def test_type_password_and_owner_of_a_group_are_changed_and_the_password_is_not_shown(stage):
    async with Rest(stage) as rest:
        await make_group(rest, participants=["alice"])
        changed = await rest("PUT", "/groups/g", json={"type": "password", "password": "p", "owner": "alice"})
        assert (changed["type"], changed["owner"]) == ("password", "alice")
        assert "password" not in str(await rest("GET", "/groups/g")).replace("'password'", "")


async def test_history_of_a_group_contains_each_change_of_its_members(stage):
    async with Rest(stage) as rest:
        await make_group(rest, admins=["alice"], participants=["bob"])
        await rest("PUT", "/groups/g/members/bob", json={"scope": "moderator"})
        await rest("POST", "/groups/g/bannedusers/bob")
        await rest("DELETE", "/groups/g/banned_members/bob")
        await rest("POST", "/groups/g/members", json={"participants": ["bob"]})
        await rest("DELETE", "/groups/g/members/bob")
        history = await rest("GET", "/groups/g/messages?categories=action&affix=append", as_="alice")
        assert [m["data"]["action"] for m in history] == [
            "added", "added", "scopeChanged", "banned", "unbanned", "added", "kicked",
        ]  # fmt: skip


async def test_more_than_25_members_at_once_are_refused(stage):
    async with Rest(stage) as rest:
        await make_group(rest)
        uids = [f"u{n}" for n in range(26)]
        await rest.add_users(*uids)
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/groups/g/members", json={"participants": uids})
        assert "25" in str(error["details"])
        await rest("POST", "/groups/g/members", json={"participants": uids[:25]})
        assert len(await rest("GET", "/groups/g/members")) == 25


async def test_group_is_deleted_by_its_owner(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", json={"guid": "g", "name": "G", "owner": "alice"})
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


async def _send_two_from_bob(rest: Rest) -> list[int]:
    body = {"receiver": "alice", "receiverType": "user", "data": {"text": "hi"}}
    return [int((await rest("POST", "/messages", behalf="bob", json=body))["id"]) for _ in range(2)]


async def test_conversation_has_an_unread_count(stage):
    async with Rest(stage) as rest:
        await _send_two_from_bob(rest)
        one = await rest("GET", "/users/bob/conversation", behalf="alice")
        assert (one["conversationId"], one["unreadMessageCount"]) == ("alice_user_bob", "2")
        one = await rest("GET", "/users/alice/conversation", behalf="bob")
        assert (one["conversationId"], one["unreadMessageCount"]) == ("alice_user_bob", "0")


async def test_conversation_is_marked_as_read(stage):
    async with Rest(stage) as rest:
        await _send_two_from_bob(rest)
        done = await rest("POST", "/users/bob/conversation/read", behalf="alice", json={})
        assert done["Message"] == "All the messages from the user are marked as read for the requesting user."
        assert (await rest("GET", "/users/bob/conversation", behalf="alice"))["unreadMessageCount"] == "0"


async def test_messages_after_one_are_marked_as_unread_with_the_rest_key(stage):
    async with Rest(stage) as rest:
        first, _ = await _send_two_from_bob(rest)
        await rest("POST", "/users/bob/conversation/read", behalf="alice", json={})
        done = await rest("DELETE", "/users/bob/conversation/read", behalf="alice", json={"messageId": first})
        assert done["message"].startswith(f"The messages after the message id {first} from the user bob")
        assert (await rest("GET", "/users/bob/conversation", behalf="alice"))["unreadMessageCount"] == "1"


async def test_conversation_is_returned_by_its_id_to_its_participants_only(stage):
    async with Rest(stage) as rest:
        await _send_two_from_bob(rest)
        assert (await rest("GET", "/conversations/alice_user_bob", behalf="alice"))["conversationWith"]["uid"] == "bob"
        await rest.refused("ERR_CONVERSATION_NOT_FOUND", "GET", "/conversations/alice_user_bob", behalf="carol")


async def test_conversation_is_deleted_for_all_its_users(stage):
    async with Rest(stage) as rest:
        await _send_two_from_bob(rest)
        assert len(await rest("GET", "/users/alice/messages", behalf="bob")) == 2
        done = await rest("DELETE", "/users/bob/conversation", behalf="alice", json={"deleteMessagesPermanently": True})
        assert done["message"].endswith("for all the users.")
        for reader, other in (("alice", "bob"), ("bob", "alice")):
            assert await rest("GET", f"/users/{other}/messages", behalf=reader) == []
            assert await rest("GET", "/conversations", behalf=reader) == []


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


async def _write_to_group(rest: Rest) -> str:
    """Let alice create the group `g` with bob, and bob send a message there. Return its id."""
    members = {"participants": ["bob"]}
    await rest("POST", "/groups", behalf="alice", json={"guid": "g", "name": "G", "members": members})
    body = {"receiver": "g", "receiverType": "group", "data": {"text": "hi"}}
    return (await rest("POST", "/messages", as_="bob", json=body))["id"]


async def test_conversation_of_a_group_has_its_unread_count_and_last_message(stage):
    async with Rest(stage) as rest:
        sent_id = await _write_to_group(rest)
        one = await rest("GET", "/groups/g/conversation", as_="alice")
        shown = (one["conversationId"], one["unreadMessageCount"], one["lastMessage"]["id"])
        assert shown == ("group_g", "1", sent_id)


async def test_conversation_of_a_group_is_tagged_pinned_and_unpinned(stage):
    async with Rest(stage) as rest:
        await _write_to_group(rest)
        assert (await rest("PUT", "/groups/g/conversation", as_="alice", json={"tags": ["t"]}))["tags"] == ["t"]
        assert (await rest("POST", "/groups/g/conversation/pin", as_="alice"))["pinnedBy"] == "alice"
        assert "pinnedAt" not in await rest("DELETE", "/groups/g/conversation/pin", as_="alice")


async def test_conversation_of_a_group_is_marked_as_delivered_read_and_unread(stage):
    async with Rest(stage) as rest:
        sent_id = await _write_to_group(rest)
        done = await rest("POST", "/groups/g/conversation/delivered", as_="alice", json={"messageId": sent_id})
        assert done["message"] == "All the messages in the group are marked as delivered for the requesting user."
        await rest("POST", "/groups/g/conversation/read", as_="alice", json={})
        assert (await rest("GET", "/groups/g/conversation", as_="alice"))["unreadMessageCount"] == "0"
        done = await rest("DELETE", "/groups/g/conversation/read", as_="alice", json={"messageId": sent_id})
        assert done["conversation"]["unreadMessageCount"] == "1"


async def test_messages_are_listed_by_the_id_of_their_conversation_to_its_participants_only(stage):
    async with Rest(stage) as rest:
        sent_id = await _write_to_group(rest)
        for reader in ({}, {"as_": "bob"}):
            listed = await rest("GET", "/messages?conversationId=group_g&category=message", **reader)
            assert [m["id"] for m in listed] == [sent_id]
        await rest.refused("ERR_CONVERSATION_NOT_FOUND", "GET", "/messages?conversationId=group_g", as_="carol")


async def test_marking_a_conversation_without_messages_as_delivered_succeeds_and_creates_none(stage):
    async with Rest(stage) as rest:
        done = await rest("POST", "/users/bob/conversation/delivered", as_="alice", json={})
        assert done["success"]
        assert await rest("GET", "/conversations", as_="alice") == []


async def test_conversation_is_not_marked_up_to_an_invalid_message_id(stage):
    async with Rest(stage) as rest:
        await _write_to_group(rest)
        path, body = "/groups/g/conversation/read", {"messageId": "x"}
        await rest.refused("ERR_BAD_REQUEST", "POST", path, as_="alice", json=body)


async def test_conversation_of_a_group_is_deleted_for_one_member(stage):
    async with Rest(stage) as rest:
        await _write_to_group(rest)
        assert (await rest("DELETE", "/groups/g/conversation", as_="alice", json={}))["success"]
        assert await rest("GET", "/conversations", as_="alice") == []
        assert len(await rest("GET", "/conversations", as_="bob")) == 1


async def test_user_can_pin_five_conversations(stage):
    async with Rest(stage) as rest:
        uids = [f"u{n}" for n in range(6)]
        await rest.add_users(*uids)
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


async def _message_of_bob(rest: Rest) -> str:
    """Send a message from bob to alice, and return its id."""
    body = {"receiver": "alice", "receiverType": "user", "data": {"text": "hi"}}
    return (await rest("POST", "/messages", as_="bob", json=body))["id"]


async def test_message_is_pinned_for_both_users_until_one_unpins_it(stage):
    async with Rest(stage) as rest:
        sent_id = await _message_of_bob(rest)
        assert (await rest("POST", f"/messages/{sent_id}/pin", as_="alice"))["pinnedBy"] == "alice"
        lists = (("/users/alice/messages?pinned=1", "bob"), ("/users/bob/messages?pinned=1", "alice"))
        assert [[m["id"] for m in await rest("GET", path, as_=uid)] for path, uid in lists] == [[sent_id]] * 2
        assert "pinnedAt" not in await rest("DELETE", f"/messages/{sent_id}/pin", as_="bob")
        assert [await rest("GET", path, as_=uid) for path, uid in lists] == [[], []]


async def test_message_is_saved_for_one_user_until_they_remove_it(stage):
    async with Rest(stage) as rest:
        sent_id = await _message_of_bob(rest)
        assert (await rest("POST", f"/messages/{sent_id}/save", as_="alice"))["savedAt"]
        assert [m["id"] for m in await rest("GET", "/messages?saved=1", as_="alice")] == [sent_id]
        assert await rest("GET", "/messages?saved=1", as_="bob") == []
        assert "savedAt" not in await rest("DELETE", f"/messages/{sent_id}/save", as_="alice")


async def test_thread_is_listed_while_the_user_follows_it(stage):
    async with Rest(stage) as rest:
        sent_id = await _message_of_bob(rest)
        assert (await rest("POST", f"/messages/{sent_id}/thread/subscription", as_="alice"))["success"]
        (thread,) = await rest("GET", "/threads", as_="alice")
        assert (thread["id"], thread["threadSubscribed"]) == (sent_id, True)
        await rest("DELETE", f"/messages/{sent_id}/thread/subscription", as_="alice")
        assert await rest("GET", "/threads", as_="alice") == []


async def test_reactions_are_listed_by_page_and_by_emoji_and_removed(stage):
    async with Rest(stage) as rest:
        sent_id = await _message_of_bob(rest)
        for n in range(3):
            await rest("POST", f"/messages/{sent_id}/reactions/{n}", as_="alice")
        listed = await rest("GET", f"/messages/{sent_id}/reactions?limit=2&affix=append", as_="bob")
        assert [r["reaction"] for r in listed] == ["0", "1"]
        assert [r["uid"] for r in await rest("GET", f"/messages/{sent_id}/reactions/2", as_="bob")] == ["alice"]
        shown = await rest("DELETE", f"/messages/{sent_id}/reactions/0", as_="alice")
        assert [r["reaction"] for r in shown["data"]["reactions"]] == ["1", "2"]


async def test_friends_are_added_once_listed_and_removed(stage):
    async with Rest(stage) as rest:
        done = await rest("POST", "/users/alice/friends", json={"accepted": ["bob", "nobody"]})
        assert done["accepted"]["bob"]["message"] == "Created relationship with status accepted."
        assert done["accepted"]["nobody"]["error"]["code"] == "ERR_UID_NOT_FOUND"
        done = await rest("POST", "/users/bob/friends", json={"accepted": ["alice"]})
        assert done["accepted"]["alice"]["error"]["code"] == "ERR_ALREADY_FRIEND"
        assert [u["uid"] for u in await rest("GET", "/users/bob/friends")] == ["alice"]
        assert [u["uid"] for u in await rest("GET", "/friends", as_="alice")] == ["bob"]
        assert [u["uid"] for u in await rest("GET", "/users?friendsOnly=true", as_="alice")] == ["bob"]
        await rest("DELETE", "/users/alice/friends", json={"friends": ["bob"]})
        await rest.refused("ERR_NOT_A_FRIEND", "DELETE", "/users/alice/friends", json={"friends": ["bob"]})


async def test_friends_have_a_conversation_without_messages_if_the_app_asks_for_it(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/users/alice/friends", json={"accepted": ["bob"], "addToConversations": True})
        for uid, friend in (("alice", "bob"), ("bob", "alice")):
            (begun,) = await rest("GET", "/conversations", as_=uid)
            assert (begun["conversationWith"]["uid"], begun["unreadMessageCount"]) == (friend, "0")
            assert "lastMessage" not in begun


async def test_user_is_blocked_and_unblocked_by_the_app_for_another(stage):
    async with Rest(stage) as rest:
        done = await rest("POST", "/users/alice/blockedusers", json={"blockedUids": ["bob"]})
        assert done["bob"]["message"] == "The user with UID alice has blocked user with UID bob successfully."
        (blocked,) = await rest("GET", "/users/alice/blockedusers")
        assert (blocked["uid"], blocked["blockedByMe"]) == ("bob", True)
        assert (await rest("DELETE", "/users/alice/blockedusers", json={"blockedUids": ["bob"]}))["bob"]["success"]
        assert await rest("GET", "/users/alice/blockedusers") == []


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


async def test_role_decides_whom_its_users_see_and_write_to(stage):
    async with Rest(stage) as rest:
        settings = {"listUsers": "friendsOnly", "sendMessagesTo": "friendsOnly"}
        made = await rest("POST", "/roles", json={"role": "child", "name": "Child", "settings": settings})
        assert made["settings"] == settings
        await rest.add_users("kid", role="child")
        assert await rest("GET", "/users", as_="kid") == []
        text = {"receiver": "bob", "receiverType": "user", "data": {"text": "one"}}
        await rest.refused("ERR_NOT_A_FRIEND", "POST", "/messages", as_="kid", json=text)
        await rest("POST", "/users/kid/friends", json={"accepted": ["bob"]})
        assert [u["uid"] for u in await rest("GET", "/users", as_="kid")] == ["bob"]
        await rest("POST", "/messages", as_="kid", json=text)


async def test_feature_is_refused_to_users_of_a_role_until_it_is_allowed_again(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "child", "name": "Child"})
        await rest.add_users("kid", role="child")
        body = {"featuresToRestrict": ["u.createGroup", "no"]}
        done = await rest("POST", "/roles/child/restrictedfeatures", json=body)
        assert (done["u.createGroup"]["success"], done["no"]["success"]) == (True, False)
        (feature,) = await rest("GET", "/roles/child/restrictedfeatures")
        assert feature["key"] == "u.createGroup"
        group = {"guid": "g", "name": "G"}
        await rest.refused("ERR_FEATURE_RESTRICTED", "POST", "/groups", as_="kid", json=group)
        await rest("DELETE", "/roles/child/restrictedfeatures", json={"allowAll": True})
        await rest("POST", "/groups", as_="kid", json=group)


async def test_role_of_an_existing_name_is_refused(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "child", "name": "Child"})
        await rest.refused("ERR_ROLE_ALREADY_EXISTS", "POST", "/roles", json={"role": "child", "name": "C"})


async def test_users_of_a_deleted_role_have_the_default_role(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "child", "name": "Child"})
        await rest.add_users("kid", role="child")
        assert [u["uid"] for u in await rest("GET", "/users?role=child")] == ["kid"]
        assert (await rest("DELETE", "/roles/child"))["message"] == "Role child has been deleted successfully."
        assert (await rest("GET", "/users/kid"))["role"] == "default"
        await rest.refused("ERR_ROLE_NOT_FOUND", "GET", "/roles/child")


async def test_default_role_cannot_be_deleted(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_ROLE_DELETE_DENIED", "DELETE", "/roles/default")


async def test_changes_of_a_role_at_the_same_time_are_all_kept_and_apply_at_once(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "child", "name": "Child"})
        await rest.add_users("kid", role="child")
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
        await rest.add_users("kid")
        assert await rest("GET", "/users", as_="kid") == []


async def test_reported_message_is_listed_with_its_reason(stage):
    async with Rest(stage) as rest:
        made = await rest(
            "POST", "/messages", behalf="bob", json={"receiver": "alice", "receiverType": "user", "data": {"text": "x"}}
        )
        await rest("POST", f"/messages/{made['id']}/flagged", as_="alice", json={"reasonId": "spam", "remark": "r"})
        (report,) = await rest("GET", "/moderation/flagged-messages")
        assert (report["messageId"], report["flaggedBy"], report["reasonId"]) == (made["id"], "alice", "spam")
        assert await rest("GET", "/moderation/flagged-messages?cursor=start") == [report]


async def test_report_with_an_unknown_reason_is_refused(stage):
    async with Rest(stage) as rest:
        sent_id = await _message_of_bob(rest)
        await rest.refused(
            "ERR_REASON_NOT_FOUND", "POST", f"/messages/{sent_id}/flagged", as_="alice", json={"id": "x"}
        )


async def test_paths_are_served_under_v3_under_v3_0_and_without_a_base_path(stage):
    async with Rest(stage) as rest:
        for base in ("", "/v3", "/v3.0"):
            answer = await rest.answer("GET", f"{stage.server.url}{base}/users", as_="alice")
            assert answer.status_code == 200


async def test_unknown_paths_and_methods_are_refused(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_API_NOT_FOUND", "GET", "/planets")
        await rest.refused("ERR_API_NOT_FOUND", "PATCH", "/users")


async def test_permanently_deleted_message_is_not_shown_as_last_message(stage):
    async with Rest(stage) as rest:
        await rest.add_users("ann", "ben")
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


async def test_user_who_deleted_a_conversation_sees_no_earlier_message_of_it(stage):
    async with Rest(stage) as rest:
        sent_id = await _message_of_bob(rest)
        await rest("DELETE", f"/messages/{sent_id}", json={"permanent": True})
        await rest("DELETE", "/users/bob/conversation", as_="alice", json={})
        assert await rest("GET", "/messages?limit=1", as_="alice") == []
        (newest,) = await rest("GET", "/messages?limit=1", as_="bob")
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
        await rest.add_users("ann", "ben")
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
