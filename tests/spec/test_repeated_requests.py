"""Requests that a proxy repeats, holds back or reorders change nothing: what a user did last counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from harness import Stage
from rest import Rest
from tailwire import ChatClient, CometChatException, Group, GroupMember, TextMessage
from tailwire.testing.virtual.repeating import Repeater
from tailwire.testing.virtual.world import PORT

GUID = "team"
Do = Callable[[ChatClient, int], Awaitable[Any]]


def proxied(stage: Stage) -> Repeater:
    proxy = stage.network.middleboxes[""] = Repeater(partial(stage.network.listener, PORT))
    stage.network.drop()
    return proxy


async def again(proxy: Repeater, number: int) -> bytes:
    return await asyncio.wait_for(proxy.deliver(proxy.kept[number][2]), 30)


async def state(chat: ChatClient, message: int) -> dict[str, Any]:
    shown = await chat.get_message(message)
    return {
        "reactions": [(r.reaction, r.count) for r in shown.reactions],
        "pinned": shown.pinned_at is not None,
        "saved": shown.saved_at is not None,
        "text": getattr(shown, "text", ""),
    }


PAIRS: dict[str, tuple[Do, Do]] = {
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


@pytest.mark.parametrize("kind", PAIRS)
async def test_request_delivered_again_after_a_newer_one_changes_nothing(stage: Stage, kind: str):
    alice = await stage.enter("alice", auto=False)
    number = (await alice.say("bob", "hello")).id
    older, newer = PAIRS[kind]
    await newer(alice.chat, number)  # so that the older one has something to change
    proxy = proxied(stage)
    await older(alice.chat, number)
    await newer(alice.chat, number)
    before = await state(alice.chat, number)
    answer = await again(proxy, 0)
    assert await state(alice.chat, number) == before
    assert b" 409 " in answer


@pytest.mark.parametrize("kind", PAIRS)
async def test_request_that_arrives_after_a_newer_one_changes_nothing(stage: Stage, kind: str):
    alice = await stage.enter("alice", auto=False)
    number = (await alice.say("bob", "hello")).id
    older, newer = PAIRS[kind]
    await newer(alice.chat, number)
    proxy = proxied(stage)
    proxy.holding = True
    with pytest.raises(CometChatException):
        await older(alice.chat, number)  # it stays in the proxy
    held, proxy.holding = len(proxy.kept), False
    await newer(alice.chat, number)
    before = await state(alice.chat, number)
    for n in range(held):
        await again(proxy, n)
    assert await state(alice.chat, number) == before


async def test_repeated_request_does_not_undo_what_another_device_did(stage: Stage):
    phone = await stage.enter("alice", auto=False)
    number = (await phone.say("bob", "hello")).id
    desk = await stage.enter("alice", auto=False)
    await phone.chat.add_reaction(number, "👍")
    proxy = proxied(stage)
    await phone.chat.remove_reaction(number, "👍")
    await desk.chat.add_reaction(number, "👍")
    await again(proxy, 0)
    assert (await state(phone.chat, number))["reactions"] == [("👍", 1)]


async def test_repeated_request_that_changed_nothing_changes_nothing_later(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    number = (await alice.say("bob", "hello")).id
    desk = await stage.enter("alice", auto=False)
    proxy = proxied(stage)
    await alice.chat.remove_reaction(number, "👍")  # there is none
    await desk.chat.add_reaction(number, "👍")
    await again(proxy, 0)
    assert (await state(alice.chat, number))["reactions"] == [("👍", 1)]


MEMBERSHIPS: dict[str, tuple[Do, Do]] = {
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


@pytest.mark.parametrize("kind", MEMBERSHIPS)
async def test_repeated_change_of_a_membership_changes_nothing(stage: Stage, kind: str):
    alice = await stage.enter("alice", auto=False)
    await stage.enter("bob", auto=False)
    await alice.chat.create_group(Group(GUID, "Team"))
    if kind != "add":
        await alice.chat.add_members_to_group(GUID, [GroupMember("bob")])
    older, newer = MEMBERSHIPS[kind]
    proxy = proxied(stage)
    await older(alice.chat, 0)
    await newer(alice.chat, 0)
    members = stage.server.parts.store.members
    before = await members.get(GUID, "bob")
    await again(proxy, 0)
    assert await members.get(GUID, "bob") == before
    store = stage.server.parts.store
    assert await store.database.rows("SELECT uid FROM bans") == []


async def test_deleted_group_is_not_made_again_by_a_repeated_request(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    proxy = proxied(stage)
    await alice.chat.create_group(Group(GUID, "Team"))
    await alice.chat.delete_group(GUID)
    await again(proxy, 0)
    with pytest.raises(CometChatException, match="ERR_GUID_NOT_FOUND"):
        await alice.chat.get_group(GUID)


async def test_numbers_are_kept_over_a_restart_of_the_server(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    number = (await alice.say("bob", "hello")).id
    await alice.chat.add_reaction(number, "👍")
    proxy = proxied(stage)
    await alice.chat.remove_reaction(number, "👍")
    await alice.chat.add_reaction(number, "👍")
    await stage.server.stop()
    await stage.server.start()
    await alice.chat.get_message(number)  # connects to the new process through the proxy
    await again(proxy, 0)
    assert (await state(alice.chat, number))["reactions"] == [("👍", 1)]


async def test_numbers_count_for_users_and_not_for_keys(stage: Stage):
    """Processes of a backend share a key, and do not know each other's numbers."""
    alice = await stage.enter("alice", auto=False)
    number = (await alice.say("bob", "hello")).id
    path, headers = f"/messages/{number}/reactions/👍", {"x-tailwire-request": "5.0", "resource": "device"}
    async with Rest(stage) as rest:
        await rest("POST", path, as_="bob", headers=headers)
        await rest.refused("ERR_REQUEST_OUTDATED", "DELETE", path, as_="bob", headers=headers)
        await rest("DELETE", path, behalf="bob", headers=headers)
        await rest("POST", path, behalf="bob", headers=headers)
    assert (await state(alice.chat, number))["reactions"] == [("👍", 1)]
