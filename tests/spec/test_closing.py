"""`aclose()`: from a listener, cancelled, called again, and with calls that wait for the connection (I9, I10)."""

from __future__ import annotations

import asyncio

import pytest

from harness import Stage
from tailwire import (
    ChatClient,
    CometChatException,
    FileSessionStore,
    MemorySessionStore,
    MessageListener,
    MessageReceived,
)

spec = pytest.mark.spec


class Closer(MessageListener):
    """Closes its client at each message, as a program does that waits for one message.

    Attributes:
        texts: the received texts.
        closed: set when `aclose()` has returned.
    """

    def __init__(self, chat: ChatClient) -> None:
        self.texts: list[str] = []
        self.closed = asyncio.Event()
        self._chat = chat

    async def on_text_message_received(self, message):
        self.texts.append(message.text)
        await self._chat.aclose()
        self.closed.set()


async def start_closer(stage: Stage, store: MemorySessionStore, uid: str = "") -> Closer:
    actor = stage.actor(store=store)
    closer = Closer(actor.chat)
    actor.chat.add_message_listener("closer", closer)
    await actor.chat.init()
    if uid:
        await actor.chat.login(uid, auth_key=stage.server.auth_key)
        await actor.chat.wait_connected(30)
    return closer


async def test_message_whose_listener_closes_the_client_does_not_arrive_again(stage: Stage):
    alice, store = await stage.enter("alice"), MemorySessionStore()
    first = await start_closer(stage, store, "bob")
    began = stage.now
    await alice.say("bob", "one")
    await first.closed.wait()
    assert stage.now - began < 4  # not the 5 s after which a callback is given up
    await alice.say("bob", "two")
    second = await start_closer(stage, store)
    await second.closed.wait()
    assert (first.texts, second.texts) == (["one"], ["two"])


async def test_streams_receive_the_message_whose_listener_closes_the_client(stage: Stage):
    alice, store = await stage.enter("alice"), MemorySessionStore()
    closer = await start_closer(stage, store, "bob")
    plain, acknowledged = closer._chat.events(), closer._chat.events(acknowledge=True)
    await alice.say("bob", "one")
    await closer.closed.wait()
    for stream in (plain, acknowledged):
        assert [e.message.text async for e in stream if isinstance(e, MessageReceived)] == ["one"]
    again = await start_closer(stage, store)  # it was not acknowledged
    await again.closed.wait()
    assert again.texts == ["one"]


@spec("I9")
async def test_wait_for_a_connection_ends_when_the_client_is_closed(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    waiting = asyncio.create_task(alice.chat.wait_connected())
    await stage.pass_time(1)
    await alice.chat.aclose()
    with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
        await asyncio.wait_for(waiting, 10)


@spec("I10")
async def test_cancelled_close_goes_on_and_a_further_call_waits_for_its_end(stage: Stage, tmp_path):
    store = FileSessionStore(tmp_path / "device")
    alice = await stage.enter("alice", store=store)
    bob = await stage.enter("bob")
    begun, finish = asyncio.Event(), asyncio.Event()

    class Slow(MessageListener):
        async def on_text_message_received(self, message):
            begun.set()
            await finish.wait()

    alice.chat.add_message_listener("slow", Slow())
    await bob.say("alice", "hello")
    await begun.wait()
    closing = asyncio.create_task(alice.chat.aclose())
    await stage.pass_time(2)
    closing.cancel()
    await asyncio.wait([closing])
    second = stage.actor(store=store)
    with pytest.raises(CometChatException, match="SESSION_IN_USE"):
        await second.chat.init()  # the callback of the first client still runs
    again = asyncio.create_task(alice.chat.aclose())
    await stage.pass_time(1)
    assert not again.done()
    finish.set()
    await again
    await second.chat.init()


async def test_listener_that_closes_a_client_that_is_being_closed_is_not_waited_for(stage: Stage):
    alice, store = await stage.enter("alice"), MemorySessionStore()
    actor = stage.actor(store=store)
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Late(MessageListener):
        async def on_text_message_received(self, message):
            begun.set()
            await go_on.wait()
            await actor.chat.aclose()
            ended.set()

    actor.chat.add_message_listener("late", Late())
    await actor.chat.init()
    await actor.chat.login("bob", auth_key=stage.server.auth_key)
    await actor.chat.wait_connected(30)
    await alice.say("bob", "hello")
    await begun.wait()
    closing = asyncio.create_task(actor.chat.aclose())
    await stage.pass_time(1)
    go_on.set()
    await closing
    assert ended.is_set()
