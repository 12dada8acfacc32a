"""Streams with acknowledgement: events that were not acknowledged are handed over again at the next start."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness import CONNECTED, Stage
from tailwire import (
    ConnectionChanged,
    MemorySessionStore,
    MessageDeleted,
    MessageEdited,
    MessageListener,
    MessageReceived,
    PresenceChanged,
    ReactionChanged,
)
from tailwire.sdk.listeners import registry


async def bob_with_stream(stage: Stage, store: MemorySessionStore) -> tuple[Any, Any]:
    bob = stage.actor(store=store)
    events = bob.chat.events(acknowledge=True)
    await bob.chat.init()
    bob.listen()
    await bob.chat.login("bob", auth_key=stage.server.auth_key)
    await bob.wait_connected()
    return bob, events


async def take(events: Any, count: int) -> list[MessageReceived]:
    taken: list[MessageReceived] = []
    async with asyncio.timeout(30):
        while len(taken) < count:
            event = await anext(events)
            if isinstance(event, MessageReceived):
                taken.append(event)
    return taken


async def texts_after_a_crash(stage: Stage, store: MemorySessionStore) -> list[str]:
    """Return the texts that a new process receives."""
    return [e.message.text for e in await after_a_crash(stage, store) if isinstance(e, MessageReceived)]


async def after_a_crash(stage: Stage, store: MemorySessionStore) -> list[Any]:
    """Return the events that a new process receives after catch-up; the old one keeps its own session."""
    copy = MemorySessionStore()
    copy.save(stage.server.app_id, store.load(stage.server.app_id))
    again, events = await bob_with_stream(stage, copy)
    await stage.pass_time(5)
    await again.chat.aclose()
    return [e async for e in events]


async def test_unacknowledged_events_are_handed_over_again(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    for n in range(4):
        await alice.say("bob", str(n))
    taken = await take(events, 4)
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == ["0", "1", "2", "3"]
    events.done(taken[0])
    events.done(taken[2])
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == ["1", "3"]
    events.done(taken[1])
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == ["3"]
    events.done(taken[3])
    await bob.chat.aclose()
    assert await texts_after_a_crash(stage, store) == []


async def test_events_without_acknowledgement_count_as_done_when_handed_over(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob = await stage.enter("bob", store=store)
    events = bob.chat.events()
    await alice.say("bob", "hi")
    await take(events, 1)
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == []


async def test_events_are_done_when_every_stream_has_acknowledged_them(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, first = await bob_with_stream(stage, store)
    second = bob.chat.events(acknowledge=True)
    await alice.say("bob", "hi")
    (one,), (two,) = await take(first, 1), await take(second, 1)
    first.done(one)
    first.done(one)
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == ["hi"]
    second.done(two)
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == []


async def test_own_messages_are_not_handed_over(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    await alice.say("bob", "first")
    await alice.say("bob", "second")
    taken = await take(events, 2)
    await bob.say("alice", "to the second")
    events.done(taken[1])
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == ["first"]


async def test_own_message_sent_during_a_callback_is_not_handed_over(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    begun, finish = asyncio.Event(), asyncio.Event()

    class Slow(MessageListener):
        async def on_text_message_received(self, message):
            if message.text == "third":
                begun.set()
                await finish.wait()

    bob.chat.add_message_listener("slow", Slow())
    for text in ("first", "second", "third"):
        await alice.say("bob", text)
    taken = await take(events, 2)
    await begun.wait()
    await bob.say("alice", "while the third is being handed over")
    events.done(taken[1])
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == ["first", "third"]
    finish.set()


async def test_unacknowledged_edits_and_deletions_of_a_closed_stream_are_handed_over_again(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    message, other = await alice.say("bob", "hi"), await alice.say("bob", "oh")
    message.text = "changed"
    await alice.chat.edit_message(message)
    await alice.chat.delete_message(other.id)
    await take(events, 2)
    await stage.pass_time(1)
    events.close()
    await alice.say("bob", "behind the end")
    await bob.ears.until(lambda: "behind the end" in bob.ears.texts)
    await bob.chat.aclose()
    missed = [e for e in await after_a_crash(stage, store) if not isinstance(e, ConnectionChanged | PresenceChanged)]
    assert [type(e) for e in missed] == [
        MessageReceived,
        MessageEdited,
        MessageDeleted,
    ]  # the one that was deleted no longer has content; the listener has received the last one


async def test_second_login_of_the_same_user_keeps_unacknowledged_events(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    await alice.say("bob", "hi")
    (event,) = await take(events, 1)
    token = await stage.server.token_for("bob")
    await bob.chat.login_with_auth_token(token)
    await bob.wait_connected()
    await stage.pass_time(2)
    assert bob.ears.texts == ["hi"]
    assert await texts_after_a_crash(stage, store) == ["hi"]
    events.done(event)
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == []


async def test_acknowledgement_for_the_previous_user_does_not_move_the_position_of_the_next(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    await alice.say("bob", "hi")
    (event,) = await take(events, 1)
    await bob.chat.login("carol", auth_key=stage.server.auth_key)
    await bob.wait_connected()
    position = store.load(stage.server.app_id)["position"]
    events.done(event)
    await stage.pass_time(1)
    assert store.load(stage.server.app_id)["user"]["uid"] == "carol"
    assert store.load(stage.server.app_id)["position"]["last_id"] == position["last_id"]


async def test_too_many_unacknowledged_events_pause_reading(stage: Stage, monkeypatch):
    assert registry.MAX_EVENTS == 1000
    most = 30
    monkeypatch.setattr(registry, "MAX_EVENTS", most)
    store, alice = MemorySessionStore(), await stage.enter("alice")
    _bob, events = await bob_with_stream(stage, store)
    taken: list[MessageReceived] = []

    async def reader() -> None:
        async for event in events:
            if isinstance(event, MessageReceived):
                taken.append(event)

    reading = asyncio.create_task(reader())
    for n in range(most + 5):
        await alice.say("bob", str(n))
    await stage.pass_time(5)
    assert len(taken) == most == events.not_done
    events.done(taken[7])
    await stage.pass_time(1)
    assert len(taken) == most + 1
    for event in list(taken):
        events.done(event)
    await stage.pass_time(1)
    for event in taken[most:]:
        events.done(event)
    assert [e.message.text for e in taken] == [str(n) for n in range(most + 5)]
    reading.cancel()


async def test_changes_of_the_connection_need_no_acknowledgement(stage: Stage):
    _bob, events = await bob_with_stream(stage, MemorySessionStore())
    async for event in events:
        if isinstance(event, ConnectionChanged) and event.status is CONNECTED:
            break
    assert events.not_done == 0
    events.done(event)
    assert events.not_done == 0


async def test_acknowledgement_of_what_no_stream_returned_raises_a_type_error(stage: Stage):
    _bob, events = await bob_with_stream(stage, MemorySessionStore())
    with pytest.raises(TypeError, match="pass what the stream returned"):
        events.done("an id")


async def test_deferred_events_free_capacity_and_stay_unacknowledged(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    for n in range(3):
        await alice.say("bob", str(n))
    first, second, third = await take(events, 3)
    name = events.later(second)
    assert events.not_done == 2
    assert events.later(second) is second  # a second call has no effect
    for event in (first, second, third):
        events.done(event)
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == ["1"]
    events.done(name)
    events.done(name)
    await stage.pass_time(1)
    assert await texts_after_a_crash(stage, store) == []
    await bob.chat.aclose()


async def test_unacknowledged_reaction_is_handed_over_again_without_the_acknowledged_messages(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    first = await alice.say("bob", "first")
    await alice.chat.add_reaction(first.id, "👍")
    await bob.ears.until(lambda: bool(bob.ears.all("reaction")))
    await alice.say("bob", "second")
    await alice.say("bob", "third")
    taken = {}
    async with asyncio.timeout(30):
        while len(taken) < 4:
            event = await anext(events)
            if isinstance(event, MessageReceived | ReactionChanged):
                taken[event.message.text if isinstance(event, MessageReceived) else "reaction"] = event
    for text in ("first", "second"):
        events.done(taken[text])
    await stage.pass_time(1)
    again = await after_a_crash(stage, store)
    assert sum(isinstance(e, ReactionChanged) for e in again) == 1
    assert [e.message.text for e in again if isinstance(e, MessageReceived)] == ["third"]
    events.done(taken["reaction"])
    events.done(taken["third"])
    await stage.pass_time(1)
    again = await after_a_crash(stage, store)
    assert not [e for e in again if isinstance(e, MessageReceived | ReactionChanged)]


async def test_close_with_a_full_stream_that_ends_meanwhile_loses_nothing(stage: Stage, monkeypatch):
    monkeypatch.setattr(registry, "MAX_EVENTS", 10)
    store, alice = MemorySessionStore(), await stage.enter("alice")
    bob, events = await bob_with_stream(stage, store)
    texts = [str(number) for number in range(30)]
    for text in texts:
        await alice.say("bob", text)
    await stage.pass_time(1)
    closing = asyncio.create_task(bob.chat.aclose())
    await asyncio.sleep(0)
    events.close()
    await closing
    monkeypatch.undo()
    assert await texts_after_a_crash(stage, store) == texts
