"""Live lists under many events: each change is reported, requests are bounded, and a failing callback does not affect others."""

from __future__ import annotations

import asyncio
import logging

import pytest
from test_live_list_calls import pair, record_requests, until

from harness import Stage
from tailwire import BaseMessage, ChangeKind, Group, GroupMember, MemorySessionStore, MessageListener, TextMessage
from tailwire.sdk.live import live_list

IN_GROUP = {"receiver": "g", "receiver_type": "group"}


async def enter_group(stage: Stage):
    """Return alice and bob, the members of the group `g`, which bob owns."""
    alice, bob = await pair(stage)
    await bob.chat.create_group(Group("g", "Group"))
    await bob.chat.add_members_to_group("g", [GroupMember("alice")])
    return alice, bob


def visible_fields(m: BaseMessage):
    quoted = m.quoted_message
    reactions = [(r.reaction, r.count) for r in m.reactions]
    return m.id, reactions, m.reply_count, bool(m.pinned_at), bool(m.saved_at), getattr(quoted, "text", "")


async def test_reactions_replies_pins_saves_and_quoted_edits_update_the_list(stage: Stage):
    alice, bob = await pair(stage)
    first = await bob.say("alice", "first")
    last = await bob.chat.send_message(TextMessage(receiver="alice", text="last", quoted_message_id=first.id))
    messages, conversations = await alice.chat.live_messages(uid="bob"), await alice.chat.live_conversations()
    rows, others = list(messages.items), list(conversations.items)
    kinds = []
    messages.subscribe(lambda change: (kinds.append(change.kind), change.apply(rows)))
    conversations.subscribe(lambda change: change.apply(others))
    reply = TextMessage(receiver="alice", text="reply", parent_message_id=last.id)
    edit = TextMessage(id=first.id, receiver="alice", text="First")
    for act in (
        lambda: bob.chat.add_reaction(last.id, "+"),
        lambda: bob.chat.send_message(reply),
        lambda: bob.chat.pin_message(last.id),
        lambda: alice.chat.save_message(last.id),
        lambda: bob.chat.edit_message(edit),
    ):
        await asyncio.sleep(5)
        kinds.clear()
        await act()
        await asyncio.sleep(0.5)
        assert ChangeKind.CHANGED in kinds
        assert [visible_fields(i.message) for i in rows] == [visible_fields(i.message) for i in messages.items]
        assert visible_fields(others[0].conversation.last_message) == visible_fields(
            conversations.items[0].conversation.last_message
        )
    assert visible_fields(rows[1].message)[1:] == ([("+", 1)], 1, True, True, "First")
    await messages.refresh()
    kinds.clear()
    await messages.refresh()
    assert kinds == [], "content that is read again unchanged is not a change"


async def test_many_edits_do_not_hide_older_messages(stage: Stage):
    alice, bob = await enter_group(stage)
    for n in range(40):
        await alice.chat.send_message(TextMessage(text=f"{n}", **IN_GROUP))
    edited = [await bob.chat.send_message(TextMessage(text="x", **IN_GROUP)) for _ in range(5)]
    for _ in range(50):
        for m in edited:
            await bob.chat.edit_message(TextMessage(id=m.id, text="y", **IN_GROUP))
    live = await alice.chat.live_messages(guid="g", page_size=10)
    assert [i.message.text for i in live.items[-5:]] == ["y"] * 5
    assert len(live.items) == 10, "as many as it was to begin with"
    while await live.older():
        pass
    assert live.complete
    texts = [i.message.text for i in live.items if i.message.category != "action"]
    assert texts == [*map(str, range(40)), *["y"] * 5]


async def test_message_before_many_edits_is_loaded_in_fewer_than_ten_calls(stage: Stage, monkeypatch):
    monkeypatch.setattr("tailwire.sdk.live.messages.MAX_FRUITLESS_REQUESTS", 2)
    monkeypatch.setattr("tailwire.sdk.live.messages.PAGE_SIZE", 10)
    alice, bob = await enter_group(stage)
    first = await bob.chat.send_message(TextMessage(text="first", **IN_GROUP))
    for n in range(75):
        await bob.chat.edit_message(TextMessage(id=first.id, text=f"{n}", **IN_GROUP))
    live = await alice.chat.live_messages(guid="g", page_size=10)
    tries = 0
    while not live.complete:
        await live.older()
        tries += 1
        assert tries < 10
    assert [i.message.text for i in live.items if i.message.category == "message"] == ["74"]


async def test_burst_of_reactions_needs_few_requests_and_ends_with_the_right_counts(stage: Stage):
    alice, bob = await enter_group(stage)
    message = await bob.chat.send_message(TextMessage(text="m", **IN_GROUP))
    messages, conversations = await alice.chat.live_messages(guid="g"), await alice.chat.live_conversations()
    paths = record_requests(alice)
    for n in range(134):
        await (bob.chat.remove_reaction if n % 2 else bob.chat.add_reaction)(message.id, "+")
        await asyncio.sleep(0.9)
    before = len(paths)
    assert before <= 20, "of two lists in two minutes"
    await bob.chat.add_reaction(message.id, "a")
    await asyncio.sleep(live_list.MAX_DOUBT_SECONDS + 1)
    fresh = await alice.chat.get_message(message.id)
    assert visible_fields(messages.items[-1].message) == visible_fields(fresh)
    assert visible_fields(conversations.items[0].conversation.last_message) == visible_fields(fresh)
    await asyncio.sleep(600)
    assert len(paths) <= before + 5, "the requests have stopped"


async def test_new_conversation_appears_immediately_during_a_burst(stage: Stage):
    alice, bob = await enter_group(stage)
    carol = await stage.enter("carol")
    message = await bob.chat.send_message(TextMessage(text="m", **IN_GROUP))
    live = await alice.chat.live_conversations()
    for n in range(60):
        await (bob.chat.remove_reaction if n % 2 else bob.chat.add_reaction)(message.id, "+")
        await asyncio.sleep(0.9)
    await carol.say("alice", "hello")
    await until(lambda: "user/carol" in [i.key for i in live.items], 3)


async def test_events_of_another_conversation_do_not_rebuild_the_list(stage: Stage):
    alice, bob = await enter_group(stage)
    await bob.say("alice", "hello")
    live = await alice.chat.live_messages(guid="g")
    await asyncio.sleep(5)
    before = live.items
    await bob.chat.start_typing("alice")
    await bob.say("alice", "again")
    await asyncio.sleep(1)
    assert live.items is before
    assert live._state.items() is before


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, ValueError])
async def test_exception_of_a_callback_affects_neither_other_callbacks_nor_the_saved_position(
    stage: Stage, caplog, error
):
    caplog.set_level(logging.CRITICAL, "tailwire")
    store = MemorySessionStore()
    alice = await stage.enter("alice", store=store)
    bob = await stage.enter("bob")
    live = await alice.chat.live_messages(uid="bob")
    heard = []

    def raising(change):
        raise error

    live.subscribe(raising)
    live.subscribe(heard.append)
    first = await bob.say("alice", "1")
    await asyncio.sleep(1)
    assert alice.ears.texts == ["1"]
    sent = await alice.chat.send_message(TextMessage(receiver="bob", text="2"))
    await asyncio.sleep(5)
    assert [change.item.message.text for change in heard if change.item] == ["1", "2"]
    position = alice.chat._sessions.served.position
    assert (position.last_id, position.own) == (first.id, (sent.id,)), "what was handed over stays handed over"


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, ValueError])
async def test_raising_connection_callback_does_not_delay_messages(stage: Stage, caplog, error):
    caplog.set_level(logging.CRITICAL, "tailwire")
    alice, bob = await stage.enter("alice"), await stage.enter("bob")

    def raising(transition):
        raise error

    alice.chat.connection.subscribe(raising)
    stage.network.drop()
    await until(lambda: alice.status == "connected" == bob.status, 60)
    await asyncio.sleep(3)
    begun = stage.now
    await bob.say("alice", "hello")
    await alice.ears.until(lambda: alice.ears.texts, 60)
    assert stage.now - begun < 2


async def test_listener_that_raises_cancelled_error_does_not_affect_the_next(stage: Stage, caplog):
    caplog.set_level(logging.CRITICAL, "tailwire")

    class Bad(MessageListener):
        def on_text_message_received(self, message):
            raise asyncio.CancelledError

    class Good(MessageListener):
        def __init__(self):
            self.texts = []

        def on_text_message_received(self, message):
            self.texts.append(message.text)

    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    good = Good()
    alice.chat.add_message_listener("bad", Bad())
    alice.chat.add_message_listener("good", good)
    await bob.say("alice", "1")
    await until(lambda: good.texts == ["1"])
