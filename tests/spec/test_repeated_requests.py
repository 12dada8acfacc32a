"""Requests that a proxy repeats, holds back or reorders change nothing: what a user did last counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from harness import Stage
from rest import Rest
from tailwire import ChatClient, CometChatException, Group, GroupMember, TextMessage, User
from tailwire.admin import Admin
from tailwire.testing.virtual.repeating import Repeater
from tailwire.testing.virtual.world import PORT

GUID = "team"
Call = Callable[[ChatClient, int], Awaitable[Any]]


def add_repeater(stage: Stage) -> Repeater:
    """Let all connections from now on go through a proxy that keeps requests, and return it."""
    proxy = stage.network.middleboxes[""] = Repeater(partial(stage.network.listener, PORT))
    stage.network.drop()
    return proxy


async def deliver_again(proxy: Repeater, index: int) -> bytes:
    """Let a proxy deliver a request of those it has kept once more. Return the answer."""
    return await asyncio.wait_for(proxy.deliver(proxy.kept[index][2]), 30)


async def state_of(chat: ChatClient, message: int) -> dict[str, Any]:
    shown = await chat.get_message(message)
    return {
        "reactions": [(r.reaction, r.count) for r in shown.reactions],
        "pinned": shown.pinned_at is not None,
        "saved": shown.saved_at is not None,
        "text": getattr(shown, "text", ""),
    }


OLDER_AND_NEWER: dict[str, tuple[Call, Call]] = {
    "remove_reaction": (lambda c, n: c.remove_reaction(n, "👍"), lambda c, n: c.add_reaction(n, "👍")),
    "add_reaction": (lambda c, n: c.add_reaction(n, "👍"), lambda c, n: c.remove_reaction(n, "👍")),
    "unpin": (lambda c, n: c.unpin_message(n), lambda c, n: c.pin_message(n)),
    "pin": (lambda c, n: c.pin_message(n), lambda c, n: c.unpin_message(n)),
    "unsave": (lambda c, n: c.unsave_message(n), lambda c, n: c.save_message(n)),
    "save": (lambda c, n: c.save_message(n), lambda c, n: c.unsave_message(n)),
    "edit": (
        lambda c, n: c.edit_message(TextMessage(receiver="bob", id=n, text="first")),
        lambda c, n: c.edit_message(TextMessage(receiver="bob", id=n, text="second")),
    ),
}


@pytest.mark.parametrize("kind", OLDER_AND_NEWER)
async def test_request_delivered_again_after_a_newer_one_changes_nothing(stage: Stage, kind: str):
    alice = await stage.enter("alice", auto=False)
    message_id = (await alice.say("bob", "hello")).id
    older, newer = OLDER_AND_NEWER[kind]
    await newer(alice.chat, message_id)  # so that the older one has something to change
    proxy = add_repeater(stage)
    await older(alice.chat, message_id)
    await newer(alice.chat, message_id)
    before = await state_of(alice.chat, message_id)
    answer = await deliver_again(proxy, 0)
    assert await state_of(alice.chat, message_id) == before
    assert b" 409 " in answer


@pytest.mark.parametrize("kind", OLDER_AND_NEWER)
async def test_request_that_arrives_after_a_newer_one_changes_nothing(stage: Stage, kind: str):
    alice = await stage.enter("alice", auto=False)
    message_id = (await alice.say("bob", "hello")).id
    older, newer = OLDER_AND_NEWER[kind]
    await newer(alice.chat, message_id)
    proxy = add_repeater(stage)
    proxy.holding = True
    with pytest.raises(CometChatException):
        await older(alice.chat, message_id)  # it stays in the proxy
    held, proxy.holding = len(proxy.kept), False
    await newer(alice.chat, message_id)
    before = await state_of(alice.chat, message_id)
    for n in range(held):
        await deliver_again(proxy, n)
    assert await state_of(alice.chat, message_id) == before


async def test_repeated_request_does_not_undo_what_another_device_did(stage: Stage):
    phone = await stage.enter("alice", auto=False)
    message_id = (await phone.say("bob", "hello")).id
    desk = await stage.enter("alice", auto=False)
    await phone.chat.add_reaction(message_id, "👍")
    proxy = add_repeater(stage)
    await phone.chat.remove_reaction(message_id, "👍")
    await desk.chat.add_reaction(message_id, "👍")
    await deliver_again(proxy, 0)
    assert (await state_of(phone.chat, message_id))["reactions"] == [("👍", 1)]


async def test_repeated_request_that_changed_nothing_changes_nothing_later(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    message_id = (await alice.say("bob", "hello")).id
    desk = await stage.enter("alice", auto=False)
    proxy = add_repeater(stage)
    await alice.chat.remove_reaction(message_id, "👍")  # there is none
    await desk.chat.add_reaction(message_id, "👍")
    await deliver_again(proxy, 0)
    assert (await state_of(alice.chat, message_id))["reactions"] == [("👍", 1)]


MEMBERSHIP_CHANGES: dict[str, tuple[Call, Call]] = {
    "kick": (
        lambda c, n: c.kick_group_member(GUID, "bob"),
        lambda c, n: c.add_members_to_group(GUID, [GroupMember("bob")]),
    ),
    "ban": (lambda c, n: c.ban_group_member(GUID, "bob"), lambda c, n: c.unban_group_member(GUID, "bob")),
    "add": (
        lambda c, n: c.add_members_to_group(GUID, [GroupMember("bob")]),
        lambda c, n: c.kick_group_member(GUID, "bob"),
    ),
}


@pytest.mark.parametrize("kind", MEMBERSHIP_CHANGES)
async def test_repeated_change_of_a_membership_changes_nothing(stage: Stage, kind: str):
    alice = await stage.enter("alice", auto=False)
    await stage.enter("bob", auto=False)
    await alice.chat.create_group(Group(GUID, "Team"))
    if kind != "add":
        await alice.chat.add_members_to_group(GUID, [GroupMember("bob")])
    older, newer = MEMBERSHIP_CHANGES[kind]
    proxy = add_repeater(stage)
    await older(alice.chat, 0)
    await newer(alice.chat, 0)
    members = stage.server.parts.store.members
    before = await members.get(GUID, "bob")
    await deliver_again(proxy, 0)
    assert await members.get(GUID, "bob") == before
    store = stage.server.parts.store
    assert await store.database.rows("SELECT uid FROM bans") == []


async def test_deleted_group_is_not_created_again_by_a_repeated_request(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    proxy = add_repeater(stage)
    await alice.chat.create_group(Group(GUID, "Team"))
    await alice.chat.delete_group(GUID)
    await deliver_again(proxy, 0)
    with pytest.raises(CometChatException, match="ERR_GUID_NOT_FOUND"):
        await alice.chat.get_group(GUID)


async def test_request_numbers_are_kept_over_a_restart_of_the_server(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    message_id = (await alice.say("bob", "hello")).id
    await alice.chat.add_reaction(message_id, "👍")
    proxy = add_repeater(stage)
    await alice.chat.remove_reaction(message_id, "👍")
    await alice.chat.add_reaction(message_id, "👍")
    await stage.server.stop()
    await stage.server.start()
    await alice.chat.get_message(message_id)  # connects to the new process through the proxy
    await deliver_again(proxy, 0)
    assert (await state_of(alice.chat, message_id))["reactions"] == [("👍", 1)]


async def test_request_numbers_count_for_users_and_not_for_keys(stage: Stage):
    """Processes of a backend share a key, and do not know each other's numbers."""
    alice = await stage.enter("alice", auto=False)
    message_id = (await alice.say("bob", "hello")).id
    path, headers = f"/messages/{message_id}/reactions/👍", {"x-tailwire-request": "5.0", "resource": "device"}
    async with Rest(stage) as rest:
        await rest("POST", path, as_="bob", headers=headers)
        await rest.refused("ERR_REQUEST_OUTDATED", "DELETE", path, as_="bob", headers=headers)
        await rest("DELETE", path, behalf="bob", headers=headers)
        await rest("POST", path, behalf="bob", headers=headers)
    assert (await state_of(alice.chat, message_id))["reactions"] == [("👍", 1)]


# The user themself.


async def test_own_details_are_those_of_the_newest_request(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    proxy = add_repeater(stage)
    await alice.chat.update_current_user_details(User(uid="alice", name="First"))
    await alice.chat.update_current_user_details(User(uid="alice", name="Second"))
    assert b" 409 " in await deliver_again(proxy, 0)
    assert (await alice.chat.get_user("alice")).name == "Second"


async def test_own_details_that_arrive_late_do_not_replace_newer_ones(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    proxy = add_repeater(stage)
    proxy.holding = True
    with pytest.raises(CometChatException):
        await alice.chat.update_current_user_details(User(uid="alice", name="First"))
    held, proxy.holding = len(proxy.kept), False
    await alice.chat.update_current_user_details(User(uid="alice", name="Second"))
    for n in range(held):
        await deliver_again(proxy, n)
    assert (await alice.chat.get_user("alice")).name == "Second"


async def test_conversation_marked_as_unread_stays_unread_when_the_previous_request_is_repeated(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob", auto=False)
    sent = await bob.say("alice", "hello")
    conversation = await alice.chat.get_conversation("bob", "user")
    proxy = add_repeater(stage)
    await alice.chat.mark_conversation_as_read(conversation)
    await alice.chat.mark_message_as_unread(sent)
    assert b" 409 " in await deliver_again(proxy, 0)
    assert (await alice.chat.get_conversation("bob", "user")).unread_message_count == 1


# Messages that were removed for good.


async def test_repeated_send_does_not_bring_a_removed_message_back(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    proxy = add_repeater(stage)
    sent = await alice.say("bob", "hello")
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
    async with Rest(stage) as rest:
        await rest("DELETE", f"/messages/{sent.id}", json={"permanent": True})
        assert b" 410 " in await deliver_again(proxy, 0)
        refused = {"receiver": "bob", "receiverType": "user", "data": {"text": "hello"}, "muid": sent.muid}
        await rest.refused("ERR_MESSAGE_REMOVED", "POST", "/messages", as_="alice", json=refused)
        await rest("POST", "/messages", as_="alice", json={**refused, "muid": "another"})
        listed = await rest("GET", "/users/bob/messages", as_="alice")
        assert [m["muid"] for m in listed if m["category"] == "message"] == ["another"]
    await bob.ears.until(lambda: bob.ears.texts == ["hello", "hello"])


async def test_repeated_send_does_not_reach_a_group_that_was_created_again(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.create_group(Group(GUID, "Team"))
    proxy = add_repeater(stage)
    await alice.say(GUID, "hello", "group")
    await alice.chat.delete_group(GUID)
    await alice.chat.create_group(Group(GUID, "Team"))
    send = next(n for n, (method, path, _) in enumerate(proxy.kept) if (method, path[-9:]) == ("POST", "/messages"))
    assert b" 410 " in await deliver_again(proxy, send)
    async with Rest(stage) as rest:
        assert [m for m in await rest("GET", f"/groups/{GUID}/messages") if m["category"] == "message"] == []


async def test_muid_of_a_removed_message_is_kept_for_fourteen_days(stage: Stage):
    store = stage.server.parts.store
    body = {"receiver": "bob", "receiverType": "user", "data": {"text": "hello"}}

    async def kept() -> list[str]:
        return [row[0] for row in await store.database.rows("SELECT muid FROM removed_sends")]

    async with Rest(stage) as rest:
        for muid, left, days in (
            ("first", ["first"], 13),
            ("second", ["first", "second"], 1),
            ("third", ["second", "third"], 0),
        ):
            sent = await rest("POST", "/messages", as_="alice", json={**body, "muid": muid})
            await rest("DELETE", f"/messages/{sent['id']}", json={"permanent": True})
            assert sorted(await kept()) == left
            aged = f"UPDATE removed_sends SET at = at - {days} * 24 * 3600"  # the upkeep of 14 days would take minutes
            await store.database.run(aged)


async def test_removed_user_leaves_no_muids_behind(stage: Stage):
    admin = stage.admin()
    for sender, receiver in (("alice", "bob"), ("bob", "alice")):
        await admin.messages.send(TextMessage(receiver=receiver, text="hello", muid=sender), on_behalf_of=sender)
    await admin.users.delete("alice", messages="remove")
    kept = await stage.server.parts.store.database.rows("SELECT uid, muid FROM removed_sends")
    assert [tuple(row) for row in kept] == [("bob", "bob")]


# Backends.

CHANGES_BY_A_BACKEND: dict[str, tuple[Callable[[Admin], Awaitable[Any]], Callable[[Admin], Awaitable[Any]]]] = {
    "kick": (lambda a: a.groups.kick(GUID, "bob"), lambda a: a.groups.add_members(GUID, [GroupMember("bob")])),
    "add": (lambda a: a.groups.add_members(GUID, [GroupMember("bob")]), lambda a: a.groups.kick(GUID, "bob")),
    "ban": (lambda a: a.groups.ban(GUID, "bob"), lambda a: a.groups.unban(GUID, "bob")),
}


@pytest.mark.parametrize("kind", CHANGES_BY_A_BACKEND)
async def test_repeated_request_of_a_backend_changes_nothing(stage: Stage, kind: str):
    admin = stage.admin()
    await admin.groups.create(Group(GUID, "Team"), members=[GroupMember("bob")] if kind != "add" else [])
    proxy = add_repeater(stage)
    older, newer = CHANGES_BY_A_BACKEND[kind]
    await older(admin)
    await newer(admin)
    store = stage.server.parts.store
    before = await store.members.get(GUID, "bob")
    await deliver_again(proxy, 0)
    assert await store.members.get(GUID, "bob") == before
    assert await store.database.rows("SELECT uid FROM bans") == []


async def test_named_requests_of_a_backend_are_carried_out_once(stage: Stage):
    """A request with another number is carried out, and so is one without a name."""
    async with Rest(stage) as rest:
        headers = {"x-tailwire-request": "a1b2c3d4e5f60718.1"}
        user = ("PUT", "/users/alice")
        await rest(*user, headers=headers, json={"name": "First"})
        await rest(*user, json={"name": "Second"})
        await rest.refused("ERR_REQUEST_OUTDATED", *user, headers=headers, json={"name": "First"})
        assert (await rest("GET", "/users/alice"))["name"] == "Second"
        await rest(*user, headers={"x-tailwire-request": "a1b2c3d4e5f60718.2"}, json={"name": "Third"})
        assert (await rest("GET", "/users/alice"))["name"] == "Third"


# Calls that the client repeats itself.


async def with_a_server_that_starts_meanwhile(stage: Stage, call: Awaitable[Any]) -> Any:
    await stage.server.stop()
    calling = asyncio.ensure_future(call)
    await stage.pass_time(0.1)
    await stage.server.start()
    return await calling


async def test_calls_with_a_key_are_repeated_while_the_server_refuses_connections(stage: Stage):
    chat = (await stage.enter("alice", auto=False)).chat
    made = await with_a_server_that_starts_meanwhile(
        stage, chat.create_user(User("dave", "Dave"), stage.server.auth_key)
    )
    assert made.name == "Dave"
    changed = User("dave", "David")
    made = await with_a_server_that_starts_meanwhile(stage, chat.update_user(changed, stage.server.api_key))
    assert made.name == "David"


async def without_the_first_answer(stage: Stage, call: Callable[[], Awaitable[Any]]) -> Any:
    """Await a call whose first request reaches the server, and whose first answer does not reach the client."""
    await stage.pass_time(1)
    before = stage.server.parts.metrics.requests.total()
    calling = asyncio.ensure_future(call())
    while stage.server.parts.metrics.requests.total() == before:
        await stage.pass_time(0.001)
    stage.network.drop()
    return await calling


async def test_blocks_and_changes_of_users_are_repeated_after_a_lost_answer(stage: Stage):
    chat = (await stage.enter("alice", auto=False)).chat
    assert await without_the_first_answer(stage, lambda: chat.block_users(["bob"])) == {"bob": "success"}
    assert [user.uid async for user in chat.blocked_users()] == ["bob"]
    assert await without_the_first_answer(stage, lambda: chat.unblock_users(["bob"])) == {"bob": "success"}
    changed = User("bob", "Robert")
    made = await without_the_first_answer(stage, lambda: chat.update_user(changed, stage.server.api_key))
    assert made.name == "Robert"
