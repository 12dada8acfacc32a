"""Closing, or logging in again, during a backlog: events that listeners received are not repeated (K1)."""

from __future__ import annotations

import asyncio

import pytest

from harness import Stage
from tailwire import MemorySessionStore, MessageListener

spec = pytest.mark.spec


class Slow(MessageListener):
    def __init__(self, seconds: float) -> None:
        self.seconds, self.begun, self.ended = seconds, [], []

    async def on_text_message_received(self, message):
        self.begun.append(message.text)
        await asyncio.sleep(self.seconds)
        self.ended.append(message.text)


@spec("K1", "K4")
@pytest.mark.parametrize("offline", [False, True])
async def test_close_with_a_backlog_loses_and_repeats_nothing(stage: Stage, offline):
    store = MemorySessionStore()
    alice, bob = await stage.enter("alice", store=store), await stage.enter("bob")
    slow = Slow(4.0)
    alice.chat.add_message_listener("slow", slow)
    if offline:  # then all messages arrive with one page of history
        alice.chat.set_app_state("background")
    for n in range(10):
        await bob.say("alice", str(n))
    alice.chat.set_app_state("foreground")
    await stage.pass_time(10)
    begin = stage.now
    await alice.chat.aclose()
    assert stage.now - begin <= 4  # close waits for the running callback
    assert slow.begun == slow.ended == ["0", "1", "2"]
    again = stage.actor(store=store)
    await again.chat.init()
    again.listen()
    await again.ears.until(lambda: len(again.ears.texts) == 7)
    assert again.ears.texts == ["3", "4", "5", "6", "7", "8", "9"]


@spec("K1", "K4")
async def test_endless_callback_is_cancelled_and_its_message_repeated(stage: Stage):
    store = MemorySessionStore()
    alice, bob = await stage.enter("alice", store=store), await stage.enter("bob")
    slow = Slow(1000.0)
    alice.chat.add_message_listener("slow", slow)
    await bob.say("alice", "hello")
    await stage.pass_time(1)
    begin = stage.now
    await alice.chat.aclose()
    assert 4 <= stage.now - begin <= 6
    assert (slow.begun, slow.ended) == (["hello"], [])
    again = stage.actor(store=store)
    await again.chat.init()
    again.listen()
    await again.ears.until(lambda: again.ears.texts == ["hello"])


@spec("K1", "S2")
async def test_events_during_a_second_login_are_handed_over_once(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")

    async def say(n: int) -> None:
        await stage.pass_time(n * 0.004)
        await bob.say("alice", str(n))

    for _ in range(2):
        await asyncio.gather(alice.chat.login("alice", auth_key=stage.server.auth_key), *(say(n) for n in range(20)))
        await stage.pass_time(5)
    ids = [m.id for m in alice.ears.all("text")]
    assert ids == sorted(set(ids))
    assert len(ids) == 40
