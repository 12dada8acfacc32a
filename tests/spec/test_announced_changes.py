"""What is stored is announced, and what is refused is not stored, whatever happens at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness import Actor, Stage
from rest import Rest
from tailwire import (
    CometChatException,
    ConversationListChanged,
    ConversationPinned,
    Group,
    MessagePinned,
    MessageSaved,
    ReceiptReceived,
)
from tailwire.server.ports.refusal import Refused

spec = pytest.mark.spec
CHANGES = {
    "pin": lambda phone: phone.chat.pin_conversation("alice", "user"),
    "tag": lambda phone: phone.chat.tag_conversation("alice", "user", ["work"]),
}


async def refuse(*args: Any) -> Any:
    raise Refused("ERR_UNAVAILABLE")


async def hear(actor: Actor, into: list[str]) -> None:
    async for event in actor.chat.events():
        match event:
            case ConversationListChanged() if event.group is not None:
                into.append(f"owner of {event.group.guid}: {event.group.owner}")
            case ReceiptReceived():
                into.append(f"{event.receipt.receipt_type} {event.receipt.message_id}")
            case ConversationPinned():
                into.append(f"pinned {event.pinned}")
            case ConversationListChanged():
                into.append(f"{event.change} {event.conversation_with}")
            case MessagePinned():
                into.append(f"message pinned {event.message.pinned_at > 0}")
            case MessageSaved():
                into.append(f"message saved {event.message.saved_at > 0}")


class Listening:
    """What a device hears.

    Attributes:
        events: descriptions of the events.
    """

    def __init__(self, actor: Actor) -> None:
        self.events: list[str] = []
        self._task = asyncio.get_running_loop().create_task(hear(actor, self.events))


class Scene:
    """Alice, who has written to Bob, and Bob's phone and laptop.

    Attributes:
        heard: what the laptop has heard since.
    """

    def __init__(self, alice: Actor, phone: Actor, laptop: Actor, message: int) -> None:
        self.alice, self.phone, self.laptop, self.said = alice, phone, laptop, message
        self._listening = Listening(laptop)
        self.heard = self._listening.events


async def begin(stage: Stage) -> Scene:
    alice, phone, laptop = await stage.enter("alice"), await stage.enter("bob"), await stage.enter("bob")
    message = await alice.say("bob", "hello")
    await laptop.ears.until(lambda: laptop.ears.texts != [])
    return Scene(alice, phone, laptop, message.id)


@spec("K2")
@pytest.mark.parametrize("name", CHANGES)
async def test_pin_or_tags_of_a_conversation_that_is_deleted_at_the_same_moment_are_refused_and_not_stored(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str
):
    scene = await begin(stage)
    state = stage.server.parts.store.read_state
    honest = getattr(state, name)

    async def after_a_deletion(*args: Any) -> Any:
        monkeypatch.undo()
        await scene.laptop.chat.delete_conversation("alice", "user")
        return await honest(*args)

    monkeypatch.setattr(state, name, after_a_deletion)
    with pytest.raises(CometChatException, match="ERR_CONVERSATION_NOT_ACCESSIBLE"):
        await CHANGES[name](scene.phone)
    await stage.pass_time(3)
    assert scene.heard == []
    await scene.alice.say("bob", "again")
    shown = await scene.phone.chat.get_conversation("alice", "user")
    assert (shown.pinned_at, shown.tags) == (0, [])


@spec("K2")
@pytest.mark.parametrize("name", CHANGES)
async def test_pin_or_tags_are_stored_if_a_message_restores_the_conversation_deleted_at_the_same_moment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str
):
    scene = await begin(stage)
    state = stage.server.parts.store.read_state
    honest = getattr(state, name)

    async def between(*args: Any) -> Any:
        monkeypatch.undo()
        await scene.laptop.chat.delete_conversation("alice", "user")
        number = await honest(*args)
        await scene.alice.say("bob", "again")
        return number

    monkeypatch.setattr(state, name, between)
    shown = await CHANGES[name](scene.phone)
    assert (shown.pinned_at > 0, shown.tags) == ((True, []) if name == "pin" else (False, ["work"]))
    await stage.pass_time(3)
    assert scene.heard == ["pinned True" if name == "pin" else "changed alice"]


@spec("K2")
async def test_pin_during_which_a_message_arrives_does_not_hide_the_message_from_live_lists(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    scene = await begin(stage)
    live = await scene.laptop.chat.live_conversations()
    state = stage.server.parts.store.read_state
    honest = state.pin

    async def after_a_message(*args: Any) -> Any:
        monkeypatch.undo()
        await scene.alice.say("bob", "again")
        await scene.laptop.ears.until(lambda: scene.laptop.ears.texts[-1] == "again")
        return await honest(*args)

    monkeypatch.setattr(state, "pin", after_a_message)
    await scene.phone.chat.pin_conversation("alice", "user")
    await stage.pass_time(3)
    (item,) = live.items
    assert (item.conversation.last_message.text, item.conversation.unread_message_count) == ("again", 2)
    assert item.conversation.pinned_at > 0


@spec("K2")
async def test_pins_and_saves_are_announced_although_reactions_to_the_message_cannot_be_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    scene = await begin(stage)
    phone = scene.phone
    await phone.chat.add_reaction(scene.said, "👍")
    monkeypatch.setattr(stage.server.parts.store.reactions, "counts", refuse)
    assert (await phone.chat.pin_message(scene.said)).pinned_at > 0
    assert (await phone.chat.save_message(scene.said)).saved_at > 0
    await phone.chat.unpin_message(scene.said)
    await phone.chat.unsave_message(scene.said)
    await stage.pass_time(3)
    assert scene.heard == [
        "message pinned True", "message saved True", "message pinned False", "message saved False",
    ]  # fmt: skip


@spec("K2")
async def test_transfer_is_announced_although_the_group_cannot_be_read_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    heard = Listening(bob)
    store = stage.server.parts.store
    honest = store.groups.transfer_ownership

    async def transfer(*args: Any) -> Any:
        number = await honest(*args)
        monkeypatch.setattr(store.groups, "get", refuse)
        return number

    monkeypatch.setattr(store.groups, "transfer_ownership", transfer)
    await alice.chat.transfer_group_ownership("team", "bob")
    await stage.pass_time(3)
    assert heard.events == ["owner of team: bob"]


@spec("K2")
async def test_receipt_reaches_the_readers_devices_although_the_members_cannot_be_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    alice, phone, laptop = await stage.enter("alice"), await stage.enter("bob"), await stage.enter("bob")
    await alice.chat.create_group(Group("team", "Team"))
    await phone.chat.join_group("team")
    message = await alice.say("team", "hello", "group")
    await phone.ears.until(lambda: phone.ears.texts != [])
    heard = Listening(laptop)
    monkeypatch.setattr(stage.server.parts.store.members, "members_among", refuse)
    await phone.chat.mark_as_read(message)
    await stage.pass_time(3)
    assert heard.events == [f"read {message.id}"]


@spec("K2")
async def test_change_of_a_group_with_a_new_owner_who_is_not_a_member_changes_nothing(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", json={"guid": "g", "name": "Old", "type": "public", "owner": "alice"})
        await rest.refused("ERR_NOT_A_MEMBER", "PUT", "/groups/g", json={"name": "New", "owner": "bob"})
        shown = await rest("GET", "/groups/g")
        assert (shown["name"], shown["owner"]) == ("Old", "alice")


@pytest.mark.parametrize("name", CHANGES)
async def test_pin_or_tags_that_conflict_with_other_changes_at_each_attempt_are_refused_with_retry_after(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str
):
    scene = await begin(stage)
    attempts = []

    async def overtaken(*args: Any) -> Any:
        attempts.append(args)

    monkeypatch.setattr(stage.server.parts.store.read_state, name, overtaken)
    method, path, body = ("POST", "/pin", {}) if name == "pin" else ("PUT", "", {"tags": ["work"]})
    async with Rest(stage) as rest:
        answer = await rest.answer(method, f"/users/alice/conversation{path}", as_="bob", json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert 1 < len(attempts) <= 100
    assert scene.heard == []
