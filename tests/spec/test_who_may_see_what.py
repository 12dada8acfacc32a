"""Who may see what: ids that two conversations share, decisions that change meanwhile, what roles and blocks cover."""

from __future__ import annotations

from harness import Stage
from rest import Rest


def text(receiver: str, words: str, kind: str = "user") -> dict:
    return {"receiver": receiver, "receiverType": kind, "category": "message", "type": "text", "data": {"text": words}}


def said(messages: list[dict]) -> list[str]:
    return [m["data"]["text"] for m in messages if m["category"] == "message"]


# Conversations whose ids, as clients see them, are the same.


async def test_a_group_with_the_id_of_a_conversation_shows_nothing_of_it(stage: Stage):
    async with Rest(stage) as rest:
        await rest.user("group_admin", "tom", "mallory")
        await rest("POST", "/messages", json=text("tom", "the code is 4711"), as_="group_admin")
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
        await rest("POST", "/messages", json=text("admin_user_tom", "only for the group", "group"), as_="mallory")
        assert said(await rest("GET", "/users/group_admin/messages", as_="tom")) == ["the code is 4711"]
        (seen,) = await rest("GET", "/conversations", as_="tom")
        assert (seen["lastMessage"]["id"], seen["unreadMessageCount"]) == (secret["id"], "1")
        (own,) = await rest("GET", "/conversations", as_="mallory")
        assert own["conversationWith"]["guid"] == "admin_user_tom"
        await rest("DELETE", "/groups/admin_user_tom", as_="mallory")
        assert said(await rest("GET", "/users/tom/messages", as_="group_admin")) == ["the code is 4711"]
        assert len(await rest("GET", "/conversations", as_="tom")) == 1


async def test_two_pairs_with_one_id_do_not_read_each_other(stage: Stage):
    async with Rest(stage) as rest:
        await rest.user("test_user_smith", "alice_user_test", "smith")
        await rest("POST", "/messages", json=text("test_user_smith", "first pair"), as_="alice")
        assert await rest("GET", "/users/smith/messages", as_="alice_user_test") == []
        await rest("POST", "/messages", json=text("smith", "second pair"), as_="alice_user_test")
        assert said(await rest("GET", "/users/test_user_smith/messages", as_="alice")) == ["first pair"]
        shared = "alice_user_test_user_smith"
        for uid, other in (("alice", "test_user_smith"), ("smith", "alice_user_test")):
            found = await rest("GET", f"/conversations/{shared}", as_=uid)
            assert found["conversationWith"]["uid"] == other
        assert said(await rest("GET", f"/messages?conversationId={shared}", as_="smith")) == ["second pair"]
        await rest.refused("ERR_CONVERSATION_NOT_FOUND", "GET", f"/messages?conversationId={shared}", as_="bob")
        await rest.refused("ERR_BAD_REQUEST", "GET", f"/messages?conversationId={shared}")
        await rest("DELETE", f"/conversations/{shared}", as_="alice")
        assert await rest("GET", "/users/test_user_smith/messages", as_="alice") == []
        assert said(await rest("GET", "/users/alice_user_test/messages", as_="smith")) == ["second pair"]
        assert said(await rest("GET", "/messages", as_="alice_user_test")) == ["second pair"]


async def test_an_id_names_ones_own_conversation_with_a_user_before_a_group(stage: Stage):
    async with Rest(stage) as rest:
        await rest.user("group_admin", "tom", "mallory")
        await rest("POST", "/messages", json=text("tom", "to tom"), as_="group_admin")
        group = {"guid": "admin_user_tom", "name": "x", "type": "public", "members": {"participants": ["tom"]}}
        await rest("POST", "/groups", json=group, as_="mallory")
        await rest("POST", "/messages", json=text("admin_user_tom", "to the group", "group"), as_="mallory")
        shared = "/conversations/group_admin_user_tom"
        assert (await rest("GET", shared, as_="tom"))["conversationWith"]["uid"] == "group_admin"
        assert (await rest("GET", shared, as_="mallory"))["conversationWith"]["guid"] == "admin_user_tom"
        assert len(await rest("GET", "/conversations", as_="tom")) == 2
