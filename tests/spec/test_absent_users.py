"""Users who were deleted or deactivated: what others can still do with them, and with what they wrote together."""

from __future__ import annotations

import pytest

from rest import Rest
from tailwire import Group


async def deactivate(rest: Rest, uid: str) -> None:
    """Deactivate a user."""
    await rest("DELETE", "/users", json={"uidsToDeactivate": [uid]})


async def leave(rest: Rest, uid: str, how: str) -> None:
    """Deactivate a user, or delete them, so that their messages remain."""
    if how == "deactivated":
        await deactivate(rest, uid)
    else:
        await rest("DELETE", f"/users/{uid}", json={})


async def talk(rest: Rest) -> tuple[str, str]:
    """Have alice write to carol, and carol to alice. Return the ids of the two messages."""
    ids = []
    for sender, receiver in (("alice", "carol"), ("carol", "alice")):
        body = {"receiver": receiver, "receiverType": "user", "data": {"text": f"from {sender}"}}
        ids.append((await rest("POST", "/messages", as_=sender, json=body))["id"])
    return ids[0], ids[1]


async def unread_of_alice(rest: Rest) -> str:
    """Return the number of unread messages of the only conversation in the list of alice."""
    (row,) = await rest("GET", "/conversations", as_="alice")
    return row["unreadMessageCount"]


@pytest.mark.parametrize("how", ["deleted", "deactivated"])
async def test_conversation_with_an_absent_user_is_read_and_marked(stage, how):
    async with Rest(stage) as rest:
        mine, theirs = await talk(rest)
        await leave(rest, "carol", how)
        assert await unread_of_alice(rest) == "1"
        counted = await rest("GET", "/users/carol/messages?unread=1&count=1", as_="alice")
        assert [(row["entityId"], row["count"]) for row in counted] == [("carol", 1)]
        assert [m["id"] for m in await rest("GET", "/users/carol/messages", as_="alice")] == [mine, theirs]
        found = await rest("GET", "/users/carol/conversation", as_="alice")
        assert found["conversationWith"] == {"uid": "carol", "name": "carol", "status": "offline"}
        await rest("POST", "/users/carol/conversation/read", as_="alice", json={})
        assert await unread_of_alice(rest) == "0"
        await rest("DELETE", "/users/carol/conversation/read", as_="alice", json={"messageId": theirs})
        assert await unread_of_alice(rest) == "1"
        assert (await rest("PUT", "/users/carol/conversation", as_="alice", json={"tags": ["old"]}))["tags"] == ["old"]
        await rest("POST", "/users/carol/conversation/pin", as_="alice")
        assert [row["conversationId"] for row in await rest("GET", "/conversations?pinned=true", as_="alice")]
        await rest("DELETE", "/users/carol/conversation/pin", as_="alice")


@pytest.mark.parametrize("how", ["deleted", "deactivated"])
@pytest.mark.parametrize("key", [{"as_": "alice"}, {"behalf": "alice"}])
async def test_conversation_with_an_absent_user_is_deleted(stage, how, key):
    async with Rest(stage) as rest:
        mine, _ = await talk(rest)
        await leave(rest, "carol", how)
        permanently = {"deleteMessagesPermanently": True} if "behalf" in key else {}
        await rest("DELETE", "/users/carol/conversation", **key, json=permanently)
        assert await rest("GET", "/conversations", as_="alice") == []
        await rest.refused("ERR_UID_NOT_FOUND", "DELETE", "/users/carol/conversation", as_="alice", json={})
        if permanently:
            await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{mine}", as_="alice")


async def test_conversation_with_a_deleted_user_is_deleted_by_its_id(stage):
    async with Rest(stage) as rest:
        await talk(rest)
        await leave(rest, "carol", "deleted")
        await rest("DELETE", "/conversations/alice_user_carol", as_="alice")
        assert await rest("GET", "/conversations", as_="alice") == []


@pytest.mark.parametrize("how", ["deleted", "deactivated"])
async def test_messages_with_an_absent_user_are_edited_and_deleted(stage, how):
    async with Rest(stage) as rest:
        mine, theirs = await talk(rest)
        await leave(rest, "carol", how)
        edited = await rest("PUT", f"/messages/{mine}", as_="alice", json={"data": {"text": "changed"}})
        about = edited["data"]["entities"]["for"]["entity"]
        assert (about["uid"], about["name"]) == ("carol", "carol" if how == "deleted" else "Carol")
        assert "deactivatedAt" not in about
        await rest("DELETE", f"/messages/{mine}", as_="alice")
        await rest("DELETE", f"/messages/{theirs}", json={"permanent": True})
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{theirs}", as_="alice")
        (left, *_) = await rest("GET", "/users/carol/messages", as_="alice")
        assert (left["id"], bool(left["deletedAt"])) == (mine, True)


@pytest.mark.parametrize("how", ["deleted", "deactivated"])
async def test_nothing_is_sent_to_an_absent_user_and_only_participants_see_the_conversation(stage, how):
    async with Rest(stage) as rest:
        mine, _ = await talk(rest)
        await leave(rest, "carol", how)
        body = {"receiver": "carol", "receiverType": "user", "data": {"text": "again"}}
        await rest.refused("ERR_UID_NOT_FOUND", "POST", "/messages", as_="alice", json=body)
        await rest.refused("ERR_UID_NOT_FOUND", "POST", f"/messages/{mine}/thread", as_="alice", json=body)
        for method, path in (("GET", "messages"), ("GET", "conversation"), ("POST", "conversation/read")):
            more = {"json": {}} if method == "POST" else {}
            await rest.refused("ERR_UID_NOT_FOUND", method, f"/users/carol/{path}", as_="bob", **more)


async def make_group(rest: Rest) -> None:
    """Create a group of bob with alice, and with carol, who is deactivated."""
    await rest("POST", "/groups", as_="bob", json={"guid": "g", "name": "G", "type": "public"})
    await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice", "carol"]})
    await deactivate(rest, "carol")


@pytest.mark.parametrize("as_", ["bob", ""])
async def test_deactivated_member_gets_another_scope_and_is_removed(stage, as_):
    async with Rest(stage) as rest:
        await make_group(rest)
        changed = await rest("PUT", "/groups/g/members/carol", as_=as_, json={"scope": "moderator"})
        assert changed
        kicked = await rest("DELETE", "/groups/g/members/carol", as_=as_)
        assert kicked
        assert (await rest("GET", "/groups/g", as_="bob"))["membersCount"] == 2
        assert [m["uid"] for m in await rest("GET", "/groups/g/members", as_="bob")] == ["alice", "bob"]
        done = (await rest("GET", "/groups/g/messages", as_="alice"))[-2:]
        assert [m["data"]["action"] for m in done] == ["scopeChanged", "kicked"]
        for message in done:
            about = message["data"]["entities"]["on"]["entity"]
            assert (about["uid"], about["name"]) == ("carol", "Carol")
        await rest.refused("ERR_NOT_A_MEMBER", "DELETE", "/groups/g/members/carol", as_=as_)


@pytest.mark.parametrize("as_", ["bob", ""])
async def test_deactivated_member_is_banned_and_unbanned(stage, as_):
    async with Rest(stage) as rest:
        await make_group(rest)
        await rest("POST", "/groups/g/bannedusers/carol", as_=as_)
        assert [u["uid"] for u in await rest("GET", "/groups/g/bannedusers", as_="bob")] == ["carol"]
        assert (await rest("GET", "/groups/g", as_="bob"))["membersCount"] == 2
        await rest("DELETE", "/groups/g/bannedusers/carol", as_=as_)
        assert await rest("GET", "/groups/g/bannedusers", as_="bob") == []


async def test_nobody_is_banned_who_does_not_exist_or_added_who_is_deactivated(stage):
    async with Rest(stage) as rest:
        await make_group(rest)
        await rest.refused("ERR_UID_NOT_FOUND", "POST", "/groups/g/bannedusers/nobody", as_="bob")
        await rest("DELETE", "/groups/g/members/carol", as_="bob")
        added = await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["carol"]})
        assert added["participants"]["carol"]["error"]["code"] == "ERR_UID_NOT_FOUND"


@pytest.mark.parametrize("is_away", [False, True])
async def test_sender_learns_that_all_have_read_a_message_when_a_deactivated_member_is_removed(stage, is_away):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await carol.chat.join_group("team")
    sent = await alice.say("team", "to all", "group")
    await bob.ears.until(lambda: bob.ears.texts == ["to all"])
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    async with Rest(stage) as rest:
        await deactivate(rest, "carol")
        if is_away:
            await alice.chat.disconnect()
        await rest("DELETE", "/groups/team/members/carol", as_="alice")
        if is_away:
            await alice.chat.connect()
        await alice.ears.until(lambda: bool(alice.ears.all("read by all")))
    assert [receipt.message_id for receipt in alice.ears.all("read by all")] == [sent.id]
    assert (await alice.chat.get_message(sent.id)).read_at
