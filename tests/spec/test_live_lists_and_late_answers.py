"""Live lists whose answers were computed before events that arrived earlier: nothing that was shown is lost."""

from __future__ import annotations

import asyncio

from test_live_list_calls import pair, texts, until

from harness import Stage
from late_answers import LateAnswers
from tailwire import TextMessage


async def test_edit_and_deletion_that_overtake_the_answer_of_a_refresh_stay(stage: Stage):
    alice, bob = await pair(stage)
    first, second = await bob.say("alice", "first"), await bob.say("alice", "second")
    live = await alice.chat.live_messages(uid="bob")
    await asyncio.sleep(5)
    late = LateAnswers(alice, 3)
    refresh = asyncio.ensure_future(live.refresh())
    await until(lambda: late.computed)
    await bob.chat.edit_message(TextMessage(id=first.id, receiver="alice", text="First"))
    await bob.chat.delete_message(second.id)
    await until(lambda: texts(live) == ["First", ""])
    assert not refresh.done()
    await refresh
    assert texts(live) == ["First", ""]
    assert live.items[1].message.deleted_at
    await asyncio.sleep(30)
    assert late.computed == ["GET /users/bob/messages"], "no further request is needed"


async def test_reply_that_overtakes_the_answer_of_a_refresh_is_counted_once(stage: Stage):
    alice, bob = await pair(stage)
    start = await bob.say("alice", "start")
    live = await alice.chat.live_messages(uid="bob")
    await asyncio.sleep(5)
    late = LateAnswers(alice, 3)
    await bob.say("alice", "one", parent_message_id=start.id)
    await until(lambda: live.items[0].message.reply_count == 1)
    refresh = asyncio.ensure_future(live.refresh())
    await until(lambda: late.computed)
    await bob.say("alice", "two", parent_message_id=start.id)
    await until(lambda: live.items[0].message.reply_count == 2)
    assert not refresh.done()
    await refresh
    assert live.items[0].message.reply_count == 2
    await asyncio.sleep(30)
    assert live.items[0].message.reply_count == 2


async def test_message_that_overtakes_the_answer_about_its_conversation_stays(stage: Stage):
    alice, bob = await pair(stage)
    laptop = await stage.enter("alice")
    await bob.say("alice", "one")
    live = await alice.chat.live_conversations()
    await asyncio.sleep(5)
    late = LateAnswers(alice, 3)
    await laptop.chat.tag_conversation("bob", "user", ["work"])
    await until(lambda: late.computed)
    await bob.say("alice", "two")

    def shown_state():
        c = live.items[0].conversation
        return c.last_message.text, c.unread_message_count, c.tags

    await until(lambda: shown_state() == ("two", 2, []))
    await until(lambda: shown_state()[2] == ["work"])
    assert shown_state() == ("two", 2, ["work"])
    await asyncio.sleep(30)
    assert shown_state() == ("two", 2, ["work"])
    assert late.computed == ["GET /users/bob/conversation"], "no further request is needed"


async def test_message_that_overtakes_the_answer_to_a_change_of_its_conversation_stays(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "one")
    live = await alice.chat.live_conversations()
    await asyncio.sleep(5)
    late = LateAnswers(alice, 3)
    tagging = asyncio.ensure_future(alice.chat.tag_conversation("bob", "user", ["work"]))
    await until(lambda: late.computed)
    await bob.say("alice", "two")
    await until(lambda: live.items[0].conversation.unread_message_count == 2)
    await tagging
    await asyncio.sleep(30)
    c = live.items[0].conversation
    assert (c.last_message.text, c.unread_message_count, c.tags) == ("two", 2, ["work"])
    assert late.computed[1:] == ["GET /users/bob/conversation"]
