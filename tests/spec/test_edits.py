"""Many edits of a message take the place of one in history, and none in the limit of what is caught up."""

from __future__ import annotations

import pytest

from harness import Stage
from tailwire import MemorySessionStore, TextMessage


@pytest.mark.spec("K1", "K2")
async def test_a_streamed_answer_pushes_nothing_out(stage: Stage):
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store, limit=5)
    alice = await stage.enter("alice", auto=False)
    await bob.chat.aclose()
    answer = await alice.say("bob", "…")
    for n in range(60):
        await alice.chat.edit_message(TextMessage(receiver="bob", id=answer.id, text=f"token {n}"))
    await alice.say("bob", "important")
    again = stage.actor(store=store, limit=5)
    again.listen()
    await again.chat.init()
    await again.ears.until(lambda: again.ears.texts[-1:] == ["important"], timeout=60)
    assert again.ears.texts == ["token 59", "important"]
    assert [m.text for m in again.ears.all("edited")] == ["token 59"]
    assert again.ears.all("gap") == []
    listed = [m async for m in again.chat.messages(uid="alice")]
    assert [m.category for m in listed] == ["message", "action", "message"]
    without = [m.text async for m in again.chat.messages(uid="alice", actions=False)]
    assert without == ["important", "token 59"]


@pytest.mark.spec("K1", "K2")
async def test_edits_of_many_messages_do_not_count_towards_the_limit(stage: Stage):
    store = MemorySessionStore()
    alice = await stage.enter("alice", auto=False)
    bob = await stage.enter("bob", store=store, limit=5)
    sent = [await alice.say("bob", str(n)) for n in range(30)]
    await bob.ears.until(lambda: len(bob.ears.texts) == 30)
    await bob.chat.aclose()
    for message in sent:
        await alice.chat.edit_message(TextMessage(receiver="bob", id=message.id, text=f"{message.text}!"))
    for n in range(4):
        await alice.say("bob", f"new {n}")
    again = stage.actor(store=store, limit=5)
    again.listen()
    await again.chat.init()
    await again.ears.until(lambda: len(again.ears.texts) == 4, timeout=60)
    assert [m.text for m in again.ears.all("edited")] == [f"{n}!" for n in range(30)]
    assert again.ears.all("gap") == []


@pytest.mark.spec("K2")
async def test_who_is_there_hears_each_edit(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    message = await alice.say("bob", "…")
    for n in range(20):
        await alice.chat.edit_message(TextMessage(receiver="bob", id=message.id, text=str(n)))
    await bob.ears.until(lambda: len(bob.ears.all("edited")) == 20)
    assert [m.text for m in bob.ears.all("edited")] == [str(n) for n in range(20)]
    await alice.chat.delete_message(message.id)
    await bob.ears.until(lambda: len(bob.ears.all("deleted")) == 1)
    kinds = [m.raw["data"]["action"] async for m in bob.chat.messages(uid="alice") if m.category == "action"]
    assert kinds == ["deleted", "edited"]
