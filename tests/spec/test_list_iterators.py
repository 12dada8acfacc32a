"""Every list of a client as an async iterator, page by page."""

from __future__ import annotations

import pytest

from harness import Stage
from tailwire import CometChatException, Group, GroupMember


async def test_users_are_iterated_in_pages(stage: Stage):
    alice = await stage.enter("alice")
    uids = [user.uid async for user in alice.chat.users(page_size=2)]
    assert len(uids) == len(set(uids)) > 2
    assert {"bob", "carol"} <= set(uids)
    assert [user.uid async for user in alice.chat.users(search="bo")] == ["bob"]
    assert [user.uid async for user in alice.chat.users(friends_only=True)] == []


async def test_conversations_are_iterated_newest_first(stage: Stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.say("alice", "one")
    await carol.say("alice", "two")
    await alice.say("team", "three", "group")
    listed = [c.conversation_id async for c in alice.chat.conversations(page_size=1)]
    assert listed == ["group_team", "alice_user_carol", "alice_user_bob"]
    assert [c.conversation_id async for c in alice.chat.conversations(conversation_type="group")] == ["group_team"]
    unread = [c.conversation_id async for c in alice.chat.conversations(unread=True)]
    assert unread == ["alice_user_carol", "alice_user_bob"]


async def test_groups_are_iterated_in_pages(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    for guid in ("one", "other", "two"):
        await alice.chat.create_group(Group(guid, guid.title()))
    assert sorted([group.guid async for group in bob.chat.groups(page_size=1)]) == ["one", "other", "two"]
    assert sorted([group.guid async for group in bob.chat.groups(search="o")]) == ["one", "other"]
    assert [group.guid async for group in bob.chat.groups(joined_only=True)] == []


async def test_members_of_a_group_are_iterated_in_pages(stage: Stage):
    alice = await stage.enter("alice")
    members = [GroupMember("bob"), GroupMember("carol", scope="moderator")]
    await alice.chat.create_group_with_members(Group("one", "One"), members)
    found = [member.uid async for member in alice.chat.group_members("one", page_size=1)]
    assert sorted(found) == ["alice", "bob", "carol"]
    assert [m.uid async for m in alice.chat.group_members("one", scopes=["moderator"])] == ["carol"]
    assert [m.uid async for m in alice.chat.group_members("one", search="bo")] == ["bob"]


async def test_banned_members_of_a_group_are_iterated_in_pages(stage: Stage):
    alice = await stage.enter("alice")
    await alice.chat.create_group_with_members(Group("one", "One"), [GroupMember("bob"), GroupMember("carol")])
    await alice.chat.ban_group_member("one", "bob")
    await alice.chat.ban_group_member("one", "carol")
    assert {m.uid async for m in alice.chat.banned_group_members("one", page_size=1)} == {"bob", "carol"}
    assert [m.uid async for m in alice.chat.banned_group_members("one", search="car")] == ["carol"]


async def test_blocked_users_are_iterated(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.block_users(["carol"])
    await bob.chat.block_users(["alice"])
    assert {user.uid async for user in alice.chat.blocked_users(page_size=1)} == {"bob", "carol"}
    assert [user.uid async for user in alice.chat.blocked_users(direction="blockedByMe")] == ["carol"]


async def test_reactions_are_iterated_oldest_first(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "hello")
    for actor, reaction in ((alice, "a"), (bob, "b"), (bob, "a")):
        await actor.chat.add_reaction(sent.id, reaction)
    listed = [(r.uid, r.reaction) async for r in alice.chat.reactions(sent.id, page_size=1)]
    assert listed == [("alice", "a"), ("bob", "b"), ("bob", "a")]
    assert [r.uid async for r in alice.chat.reactions(sent.id, reaction="a")] == ["alice", "bob"]


async def test_invalid_arguments_are_refused_at_once(stage: Stage):
    alice = await stage.enter("alice")
    for code, listing in (
        ("ERROR_LIMIT_EXCEEDED", lambda: alice.chat.conversations(page_size=51)),
        ("ERROR_NON_POSITIVE_LIMIT", lambda: alice.chat.users(page_size=0)),
        ("ERROR_LIMIT_EXCEEDED", lambda: alice.chat.groups(page_size=101)),
        ("INVALID_CONVERSATION_TYPE", lambda: alice.chat.conversations(conversation_type="all")),
        ("INVALID_DIRECTION_VALUE", lambda: alice.chat.blocked_users(direction="none")),
        ("ERROR_INVALID_MESSAGE_ID", lambda: alice.chat.reactions(0)),
    ):
        with pytest.raises(CometChatException) as caught:
            listing()
        assert caught.value.code == code


async def test_unknown_group_is_refused_at_the_first_step(stage: Stage):
    alice = await stage.enter("alice")
    with pytest.raises(CometChatException) as caught:
        await anext(alice.chat.group_members("nowhere"))
    assert caught.value.code == "ERR_GUID_NOT_FOUND"


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_messages_go_on_after_a_page_that_could_not_be_requested(stage: Stage, oldest_first: bool):
    alice = await stage.enter("alice", auto=False)
    ids = [(await alice.say("bob", str(n))).id for n in range(5)]
    first, order = ids.pop(0), (1 if oldest_first else -1)
    messages = alice.chat.messages(uid="bob", after=first if oldest_first else 0, page_size=2)
    read = [(await anext(messages)).id, (await anext(messages)).id]
    stage.network.cut()
    for _ in range(2):
        with pytest.raises(CometChatException, match="NO_INTERNET_CONNECTION"):
            await anext(messages)
    stage.network.restore()
    read += [message.id async for message in messages]
    assert read == (ids if oldest_first else [*ids[::order], first])
