"""A closed client takes no call, and a client takes calls on its own event loop alone."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest

from harness import CONNECTED, DISCONNECTED, Stage
from tailwire import ChatClient, CometChatException, MessageListener, MessagesRequestBuilder, UsersRequestBuilder

ONLY_LOOK = {"get_logged_in_user", "get_connection_status", "connection", "aclose"}
METHODS = sorted(
    name
    for name in dir(ChatClient)
    if not name.startswith(("_", "remove_")) and name not in ONLY_LOOK and callable(getattr(ChatClient, name))
)


async def call(chat: ChatClient, name: str) -> None:
    """Call a method with nonsense for each argument that it needs."""
    method = getattr(chat, name)
    needed = [
        p for p in inspect.signature(method).parameters.values() if p.default is p.empty and p.kind != p.VAR_POSITIONAL
    ]
    positional = [object() for p in needed if p.kind == p.POSITIONAL_OR_KEYWORD]
    result = method(*positional, **{p.name: object() for p in needed if p.kind == p.KEYWORD_ONLY})
    if inspect.isawaitable(result):
        await result
    elif hasattr(result, "__anext__"):
        await anext(result)


async def test_a_closed_client_refuses_every_call(stage: Stage):
    alice = await stage.enter("alice")
    requests = [MessagesRequestBuilder().set_uid("bob").build(alice.chat), UsersRequestBuilder().build(alice.chat)]
    await alice.chat.aclose()
    assert len(METHODS) > 70
    for name in METHODS:
        with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
            await call(alice.chat, name)
    for request, fetch in zip(requests, ("fetch_previous", "fetch_next"), strict=True):
        with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
            await getattr(request, fetch)()
    told: list[CometChatException] = []
    assert await alice.chat.get_user("bob", on_error=told.append) is None
    assert [e.code for e in told] == ["ERR_CLIENT_CLOSED"]
    # Looking and taking listeners away still work.
    alice.chat.remove_message_listener("ears")
    assert alice.chat.get_connection_status() is DISCONNECTED
    assert "closed" in alice.chat.connection.explain()
    assert alice.chat.get_logged_in_user().uid == "alice"
    await alice.chat.aclose()


async def test_the_streams_of_a_closed_client_end(stage: Stage):
    alice = await stage.enter("alice")
    await stage.pass_time(5)
    stream = alice.chat.events()
    reading = asyncio.create_task(anext(stream, "the end"))
    await stage.pass_time(1)
    await alice.chat.aclose()
    assert await reading == "the end"
    assert [event async for event in stream] == []


async def test_a_call_from_another_thread_says_what_to_do_and_does_nothing(stage: Stage):
    alice = await stage.enter("alice")
    seen: dict[str, object] = {}

    def elsewhere() -> None:
        for name in METHODS:
            try:
                asyncio.run(call(alice.chat, name))
            except BaseException as e:
                seen[name] = e
        for what, function in (
            ("state", lambda: alice.chat.set_app_state("background")),
            ("network", lambda: alice.chat.set_network("offline")),
            ("listener", lambda: alice.chat.add_message_listener("ears", MessageListener())),
            ("close", lambda: asyncio.run(alice.chat.aclose())),
        ):
            try:
                function()
            except BaseException as e:
                seen[what] = e

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert len(seen) == len(METHODS) + 4
    for name, error in seen.items():
        assert isinstance(error, CometChatException), (name, error)
        assert error.code == "ERR_WRONG_EVENT_LOOP", name
        assert "run_coroutine_threadsafe" in str(error)
    assert alice.status is CONNECTED
    await alice.chat.send_message(await alice.say("bob", "still here"))
    await stage.pass_time(60)
    assert alice.status is CONNECTED
    assert "network" not in alice.chat.connection.explain()


async def test_listeners_may_be_added_before_a_loop_runs(stage: Stage):
    actor = stage.actor()
    thread = threading.Thread(target=lambda: actor.chat.add_message_listener("ears", actor.ears))
    thread.start()
    thread.join(60)
    await actor.chat.init()
    await actor.chat.login("bob", auth_key=stage.server.auth_key)
    alice = await stage.enter("alice")
    await alice.say("bob", "hello")
    await actor.ears.until(lambda: actor.ears.texts == ["hello"])
