"""Changes other than messages are caught up, once and in order: reactions, pins, receipts, memberships, lists (K2)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from harness import CONNECTED, Actor, Stage
from tailwire import (
    ConversationListChanged,
    ConversationPinned,
    EventStream,
    Group,
    GroupChanged,
    GroupMember,
    MemorySessionStore,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageReceived,
    MessageSaved,
    ReactionChanged,
    ReceiptReceived,
    TextMessage,
)
from tailwire.server.actions import catch_up
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.sql.change_log import CHANGES_PER_CLEANUP

spec = pytest.mark.spec


def described(event: object) -> object:
    """Return a short description of an event; None if the tests ignore it."""
    match event:
        case MessageReceived():
            return f"text {event.message.text}"
        case MessageEdited():
            return f"edited {event.message.text}"
        case MessageDeleted():
            return f"deleted {event.message.id}"
        case ReactionChanged():
            return f"{'+' if event.added else '-'}{event.event.reaction.reaction} {event.event.reaction.message_id}"
        case MessagePinned():
            return f"{'pinned' if event.pinned else 'unpinned'} {event.message.id}"
        case MessageSaved():
            return f"{'saved' if event.saved else 'unsaved'} {event.message.id}"
        case GroupChanged():
            return f"{event.action.action} {getattr(event.action.action_on, 'uid', '')}"
        case ReceiptReceived():
            return f"{event.receipt.receipt_type} {event.receipt.message_id} {event.receipt.sender.uid}"
        case ConversationPinned():
            return f"list pinned {event.pinned}"
        case ConversationListChanged():
            return f"list {event.change} {event.conversation_with}"
    return None


class Follower:
    """Records all events of a client."""

    def __init__(self, actor: Actor) -> None:
        self.seen: list[object] = []
        self._task = asyncio.get_running_loop().create_task(self._follow(actor.chat.events()))

    async def _follow(self, stream: EventStream) -> None:
        async for event in stream:
            self.seen.append(event)

    async def all(self, stage: Stage) -> list[object]:
        """Let a moment pass. Return descriptions of the events since the last call."""
        await stage.pass_time(3)
        found, self.seen = [d for d in map(described, self.seen) if d is not None], []
        return found


async def bring_back(actor: Actor) -> None:
    """Bring an app back to the foreground, and wait until it is connected again."""
    seen = actor.ears.statuses.count(CONNECTED)
    actor.chat.set_app_state("foreground")
    await actor.ears.until(lambda: actor.ears.statuses.count(CONNECTED) > seen)


async def enter_team(stage: Stage, *names: str) -> list[Actor]:
    """Return users who are the members of the group `team`, which the first of them owns."""
    actors = [await stage.enter(name) for name in names]
    await actors[0].chat.create_group(Group("team", "Team"))
    for actor in actors[1:]:
        await actor.chat.join_group("team")
    await stage.pass_time(1)
    return actors


async def say(actor: Actor, guid: str, text: str) -> TextMessage:
    """Send a message to a group."""
    return await actor.say(guid, text, "group")


@spec("K2")
async def test_missed_reactions_and_pins_arrive_between_the_messages_in_order_and_once(stage: Stage):
    alice, bob = await enter_team(stage, "alice", "bob")
    first = await say(bob, "team", "first")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    await alice.chat.add_reaction(first.id, "👍")
    second = await say(alice, "team", "second")
    await alice.chat.pin_message(first.id)
    await alice.chat.add_reaction(second.id, "🎉")
    third = await say(alice, "team", "third")
    await alice.chat.remove_reaction(second.id, "🎉")
    await bring_back(bob)
    assert await heard.all(stage) == [
        f"+👍 {first.id}", "text second", f"pinned {first.id}", "text third", f"-🎉 {second.id}",
    ]  # fmt: skip
    await alice.chat.add_reaction(third.id, "👀")
    assert await heard.all(stage) == [f"+👀 {third.id}"]
    bob.chat.set_app_state("background")
    await bring_back(bob)
    assert await heard.all(stage) == []


@spec("K2")
@pytest.mark.parametrize("changes_of_a_page", [100, 7])
async def test_many_missed_changes_arrive_between_the_messages_of_several_pages(
    stage: Stage, monkeypatch, changes_of_a_page
):
    monkeypatch.setattr(catch_up, "MAX_CHANGES", changes_of_a_page)
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = [await alice.say("bob", "first")]
    await bob.ears.until(lambda: bob.ears.texts == ["first"])
    bob.chat.set_app_state("background")
    heard, chance = Follower(bob), random.Random(changes_of_a_page)
    happened: list[object] = []
    for n in range(70):
        sent.append(await alice.say("bob", str(n)))
        happened.append(f"text {n}")
        for emoji in chance.sample("🎉🚀👀🔥", chance.randrange(1, 5)):
            on = chance.choice([*sent[:3], *sent[-25:]]).id
            if f"+{emoji} {on}" not in happened:
                await alice.chat.add_reaction(on, emoji)
                happened.append(f"+{emoji} {on}")
    assert len(happened) > 170
    await bring_back(bob)
    seen = await heard.all(stage)
    while (more := await heard.all(stage)) != []:
        seen += more
    assert seen == happened


@spec("K2")
async def test_missed_receipts_of_a_group_arrive_for_their_sender_only(stage: Stage):
    alice, bob, carol = await enter_team(stage, "alice", "bob", "carol")
    sent = await say(alice, "team", "who reads this?")
    await carol.ears.until(lambda: carol.ears.texts != [])
    alice.chat.set_app_state("background")
    bob.chat.set_app_state("background")
    of_alice, of_bob = Follower(alice), Follower(bob)
    await carol.chat.mark_as_read(carol.ears.all("text")[0])
    await stage.pass_time(1)
    await bring_back(alice)
    await bring_back(bob)
    assert await of_alice.all(stage) == [f"read {sent.id} carol"]
    assert await of_bob.all(stage) == []


@spec("K2")
async def test_events_received_live_are_not_repeated_after_a_restart(stage: Stage):
    store = MemorySessionStore()
    alice, bob = await stage.enter("alice"), await stage.enter("bob", store=store)
    sent = await bob.say("alice", "hello")
    await alice.chat.add_reaction(sent.id, "👍")
    await bob.ears.until(lambda: bool(bob.ears.all("reaction")))
    await bob.chat.aclose()
    await alice.chat.add_reaction(sent.id, "🎉")
    again = stage.actor(store=store)
    await again.chat.init()
    heard = Follower(again)
    assert await heard.all(stage) == [f"+🎉 {sent.id}"]


@spec("K2")
async def test_removed_member_receives_earlier_changes_and_their_removal(stage: Stage):
    alice, bob = await enter_team(stage, "alice", "bob")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    message = await say(alice, "team", "before")
    await alice.chat.add_reaction(message.id, "👍")
    await alice.chat.kick_group_member("team", "bob")
    after = await say(alice, "team", "after")
    await alice.chat.add_reaction(message.id, "🎉")
    await alice.chat.add_reaction(after.id, "🎉")
    await bring_back(bob)
    assert await heard.all(stage) == ["text before", f"+👍 {message.id}", "kicked bob"]


@spec("K2")
async def test_member_removed_while_a_page_is_read_receives_what_came_before(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """Bob is removed after the server has read which memberships ended, and before it reads the messages."""
    alice, bob = await enter_team(stage, "alice", "bob")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    await say(alice, "team", "before")
    await alice.say("bob", "to bob")
    log = stage.server.parts.store.change_log
    read, removed = log.ended_memberships, False

    async def then_remove(reader, after_id, limit):
        nonlocal removed
        ended = await read(reader, after_id, limit)
        if reader == "bob" and not removed:
            removed = True
            await alice.chat.kick_group_member("team", "bob")
            await alice.say("bob", "afterwards")
        return ended

    monkeypatch.setattr(log, "ended_memberships", then_remove)
    await bring_back(bob)
    assert await heard.all(stage) == ["text before", "text to bob", "kicked bob", "text afterwards"]


@spec("K2")
async def test_member_removed_and_added_repeatedly_during_catch_up_receives_the_page_at_a_later_attempt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """The owner of the group cannot keep the server reading for one request: it is refused, and repeated later."""
    alice, bob = await enter_team(stage, "alice", "bob")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    await say(alice, "team", "before")
    log = stage.server.parts.store.change_log
    read, left, refused = log.ended_memberships, 2 * catch_up.MAX_READS, list[str]()

    async def remove_again(reader, after_id, limit):
        nonlocal left
        ended = await read(reader, after_id, limit)
        if reader == "bob" and left:
            left -= 1
            await alice.chat.kick_group_member("team", "bob")
            await alice.chat.add_members_to_group("team", [GroupMember("bob", "participant")], [])
        return ended

    real_page = catch_up.CatchUp.page

    async def page(self, *args):
        try:
            return await real_page(self, *args)
        except Refused as e:
            refused.append(e.code)
            raise

    monkeypatch.setattr(log, "ended_memberships", remove_again)
    monkeypatch.setattr(catch_up.CatchUp, "page", page)
    await bring_back(bob)
    seen = await heard.all(stage)
    while "text before" not in seen or left:
        seen += await heard.all(stage)
    assert set(refused) == {"ERR_UNAVAILABLE"}
    assert seen.count("text before") == 1
    assert seen.count("kicked bob") == seen.count("added bob") == 2 * catch_up.MAX_READS


@spec("S2")
async def test_login_of_a_former_member_delivers_nothing_from_before_the_login(stage: Stage):
    alice, bob = await enter_team(stage, "alice", "bob")
    await say(alice, "team", "before the login")
    await alice.chat.kick_group_member("team", "bob")
    await bob.chat.logout()
    bob.ears.heard.clear()
    again = await stage.enter("bob")  # another device
    heard = Follower(again)
    await stage.pass_time(5)
    assert again.ears.texts == []
    assert await heard.all(stage) == []


@spec("K2")
async def test_former_member_does_not_learn_of_changes_after_they_left(stage: Stage):
    alice, bob = await enter_team(stage, "alice", "bob")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    message = await say(alice, "team", "innocent")
    gone = await say(alice, "team", "gone")
    await alice.chat.ban_group_member("team", "bob")
    await alice.chat.edit_message(replace(message, text="a secret"))
    await alice.chat.add_reaction(message.id, "👍")
    await alice.chat.pin_message(message.id)
    await alice.chat.delete_message(gone.id)
    await bring_back(bob)
    assert await heard.all(stage) == ["banned bob"]
    assert [(g.from_id, g.to_id) for g in bob.ears.all("gap")] == [(message.id - 1, message.id)]


@spec("K2")
async def test_repeated_removals_and_additions_arrive_with_the_messages_between_them(stage: Stage):
    alice, bob = await enter_team(stage, "alice", "bob")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    await alice.chat.kick_group_member("team", "bob")
    await say(alice, "team", "unheard")
    await alice.chat.add_members_to_group("team", [GroupMember("bob", "participant")], [])
    await say(alice, "team", "heard")
    await alice.chat.kick_group_member("team", "bob")
    await say(alice, "team", "unheard too")
    await bring_back(bob)
    assert await heard.all(stage) == ["kicked bob", "added bob", "text heard", "kicked bob"]


@spec("K2")
async def test_members_are_notified_of_a_deleted_group(stage: Stage):
    alice, bob = await enter_team(stage, "alice", "bob")
    carol = await stage.enter("carol")
    bob.chat.set_app_state("background")
    carol.chat.set_app_state("background")
    of_bob, of_carol = Follower(bob), Follower(carol)
    await say(alice, "team", "last words")
    await alice.chat.delete_group("team")
    await alice.chat.create_group(Group("team", "Another"))
    await bring_back(bob)
    await bring_back(carol)
    assert await of_bob.all(stage) == ["list groupRemoved team"]
    assert await of_carol.all(stage) == []
    bob.chat.set_app_state("background")
    await bring_back(bob)
    assert await of_bob.all(stage) == []


@spec("K2")
async def test_changes_of_groups_scopes_and_owners_are_caught_up(stage: Stage):
    alice, bob, carol = await enter_team(stage, "alice", "bob", "carol")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    await alice.chat.update_group_member_scope("team", "carol", "admin")
    await alice.chat.transfer_group_ownership("team", "carol")
    await carol.chat.kick_group_member("team", "alice")
    await bring_back(bob)
    assert await heard.all(stage) == ["scopeChanged carol", "list group team", "kicked alice"]
    assert bob.ears.all("gap") == []


@spec("K2")
async def test_changes_by_other_devices_of_a_user_arrive(stage: Stage):
    alice, phone = await stage.enter("alice"), await stage.enter("bob")
    laptop = await stage.enter("bob")
    sent = await alice.say("bob", "keep me")
    await laptop.ears.until(lambda: laptop.ears.texts != [])
    laptop.chat.set_app_state("background")
    heard, of_alice, of_phone = Follower(laptop), Follower(alice), Follower(phone)
    await phone.chat.save_message(sent.id)
    await phone.chat.pin_conversation("alice", "user")
    await phone.chat.tag_conversation("alice", "user", ["work"])
    await phone.chat.block_users(["carol"])
    await bring_back(laptop)
    assert await heard.all(stage) == [
        f"saved {sent.id}", "list pinned True", "list changed alice", "list blocks ",
    ]  # fmt: skip
    laptop.chat.set_app_state("background")
    await phone.chat.delete_conversation("alice", "user")
    await bring_back(laptop)
    assert await heard.all(stage) == ["list removed alice"]
    assert await of_alice.all(stage) == []
    await of_phone.all(stage)
    phone.chat.set_app_state("background")
    await bring_back(phone)
    assert await of_phone.all(stage) == []


@spec("K2")
@pytest.mark.parametrize("pinned", [True, False])
async def test_pin_of_a_conversation_that_was_deleted_meanwhile_does_not_arrive(stage: Stage, pinned: bool):
    alice, phone = await stage.enter("alice"), await stage.enter("bob")
    laptop = await stage.enter("bob")
    await alice.say("bob", "hello")
    await laptop.ears.until(lambda: laptop.ears.texts != [])
    await phone.chat.pin_conversation("alice", "user")
    heard = Follower(laptop)
    laptop.chat.set_app_state("background")
    await phone.chat.unpin_conversation("alice", "user")
    if pinned:
        await phone.chat.pin_conversation("alice", "user")
    await phone.chat.delete_conversation("alice", "user")
    await bring_back(laptop)
    assert await heard.all(stage) == ["list removed alice"]


@spec("K2")
async def test_change_that_changes_nothing_is_announced_to_no_device(stage: Stage):
    alice, phone = await stage.enter("alice"), await stage.enter("bob")
    laptop = await stage.enter("bob")
    sent = await alice.say("bob", "keep me")
    await laptop.ears.until(lambda: laptop.ears.texts != [])
    heard = Follower(laptop)
    calls = {
        f"saved {sent.id}": lambda: phone.chat.save_message(sent.id),
        f"unsaved {sent.id}": lambda: phone.chat.unsave_message(sent.id),
        "list pinned True": lambda: phone.chat.pin_conversation("alice", "user"),
        "list pinned False": lambda: phone.chat.unpin_conversation("alice", "user"),
        "list changed alice": lambda: phone.chat.tag_conversation("alice", "user", ["work"]),
        "list blocks ": lambda: phone.chat.block_users(["carol"]),
    }
    for event, call in calls.items():
        await call()
        assert await heard.all(stage) == [event]
        if event not in (f"saved {sent.id}", "list pinned True"):  # a later save or pin has another time
            await call()
            assert await heard.all(stage) == []
    await phone.chat.unblock_users(["carol"])
    assert await heard.all(stage) == ["list blocks "]
    await phone.chat.unblock_users(["carol"])
    assert await heard.all(stage) == []


@spec("K2")
async def test_message_sent_and_deleted_while_away_arrives_as_a_deletion(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    gone = await alice.say("bob", "oops")
    await alice.chat.delete_message(gone.id)
    await alice.say("bob", "what I meant")
    await bring_back(bob)
    assert await heard.all(stage) == [f"deleted {gone.id}", "text what I meant"]


@spec("K2")
async def test_receipts_do_not_depend_on_the_clock_of_the_server(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "read me")
    await bob.ears.until(lambda: bob.ears.texts != [])
    await bob.say("alice", "later")
    await alice.ears.until(lambda: alice.ears.texts != [])
    alice.chat.set_app_state("background")
    heard = Follower(alice)
    stage.server.world.wall_offset -= 86_400
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await stage.pass_time(1)
    await bring_back(alice)
    assert await heard.all(stage) == [f"read {sent.id} bob"]


@spec("K2")
async def test_client_that_was_away_longer_than_the_log_reaches_back_is_notified(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await bob.say("alice", "hello")
    bob.chat.set_app_state("background")
    heard = Follower(bob)
    assert stage.server.parts is not None
    log = stage.server.parts.store.change_log
    log.max_entries, log._stored_since_cleanup = 0, CHANGES_PER_CLEANUP  # the next entry is forgotten at once
    await alice.chat.add_reaction(sent.id, "👍")
    await stage.clean_up()
    log.max_entries = 1000
    await alice.say("bob", "hi")
    await alice.chat.add_reaction(sent.id, "🎉")
    await bring_back(bob)
    assert await heard.all(stage) == ["text hi", f"+🎉 {sent.id}"]
    (gap,) = bob.ears.all("gap")
    assert gap.only_changes
    bob.chat.set_app_state("background")
    await bring_back(bob)
    await stage.pass_time(3)
    assert len(bob.ears.all("gap")) == 1
