"""Calls that are given up, iterators that fail or are closed, and token providers that raise what no token is."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import math
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sync_stage import Room, say, until
from tailwire import ConnectionStatus, TextMessage
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sync import Client, Iterating


@contextmanager
def held(chat: Client) -> Iterator[None]:
    """The client's thread is held up within."""
    holds, go_on = threading.Event(), threading.Event()
    chat._portal._loop.call_soon_threadsafe(lambda: (holds.set(), go_on.wait(20)))
    assert holds.wait(20)
    try:
        yield
    finally:
        go_on.set()


def test_a_call_that_is_given_up_before_it_began_is_never_done(room: Room):
    alice = room.enter(builder=room.settings().keep_unsent_messages())
    bob_uid = room.user()
    message = TextMessage(receiver=bob_uid, receiver_type="user", text="pay 5")
    with held(alice):
        with pytest.raises(TimeoutError, match=r"queue_message\(\) .* cancelled before it began, so nothing was done"):
            alice.with_timeout(0.05).queue_message(message)
        with pytest.raises(TimeoutError, match="nothing was done"):
            alice.with_timeout(0.05).send_message(message)
        assert alice.start("send_message", message).cancel()
    alice.queue_message(message).result()
    assert [m.text for m in alice.messages(uid=bob_uid)] == ["pay 5"]  # type: ignore[attr-defined]
    assert not alice._portal._begun


def test_a_call_that_is_given_up_when_it_had_begun_says_that_it_may_have_been_done(room: Room):
    alice = room.enter()
    done, go_on = list[str](), threading.Event()
    slow = alice.with_timeout(0.2)
    with pytest.raises(TimeoutError, match="had begun: what it does may have been done"):
        slow._do("something", lambda: (go_on.wait(20), done.append("done")))
    go_on.set()
    until(lambda: done)
    alice.disconnect()
    with pytest.raises(TimeoutError, match="had begun"):
        slow.wait_connected()


def test_what_a_call_leaves_behind_needs_no_collector(room: Room):
    alice = room.enter()
    ended = alice.start("get_user", alice.get_logged_in_user().uid)  # type: ignore[union-attr]
    failed = alice.start("get_user", "nobody")
    assert failed.exception(20) is not None
    assert ended.exception(20) is None
    cancelled = alice.start("wait_disconnected")
    cancelled.cancel()
    until(lambda: not alice._portal._begun)
    gc.collect()
    gc.disable()
    try:
        gone = [weakref.ref(f) for f in (ended, failed, cancelled)]
        del ended, failed, cancelled
        until(lambda: [ref() for ref in gone] == [None] * 3)
    finally:
        gc.enable()


def test_those_who_wait_for_several_futures_hear_of_a_cancelled_one(room: Room):
    alice = room.enter()
    alice.disconnect()
    waiting = alice.start("wait_connected")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        several = pool.submit(concurrent.futures.wait, [waiting], 20)
        until(lambda: waiting._waiters)
        assert waiting.cancel()
        assert waiting.cancel()
        assert several.result(20).done == {waiting}
    with pytest.raises(concurrent.futures.CancelledError):
        waiting.result()
    until(lambda: not alice._portal._begun)


def test_what_was_begun_just_before_the_end_is_ended_too(room: Room):
    alice = room.enter()
    with held(alice):
        futures = [alice.start("wait_connected") for _ in range(3)]
        alice._portal.begin_close()
    alice.close()
    assert all(f.done() for f in futures)


def test_a_call_with_a_limit_of_its_own_may_wait_for_ever(room: Room):
    alice = room.enter()
    short = alice.with_timeout(0.05)
    alice.disconnect()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(short.wait_connected, timeout=t) for t in (None, math.inf, 1e300)]
        waiting.append(pool.submit(short.wait_connected, None))
        until(lambda: len(alice._portal._begun) == 4)
        assert not concurrent.futures.wait(waiting, 0.3).done
        alice.connect()
        assert [w.result(20) for w in waiting] == [None] * 4
    alice.disconnect()
    for none in (0, -3):
        with pytest.raises(TimeoutError, match="disconnect"):
            alice.wait_connected(none)
    with pytest.raises(ValueError, match="nan"):
        alice.wait_connected(timeout=math.nan)
    for bad in ("long", True):
        with pytest.raises(TypeError, match="give seconds"):
            alice.wait_connected(timeout=bad)  # type: ignore[arg-type]
    assert alice.with_timeout(1e300).get_connection_status() is ConnectionStatus.DISCONNECTED


def test_an_iterator_that_another_thread_closes_ends_quietly(room: Room):
    alice = room.enter()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for timeout in (None, 20):
            events = alice.events(timeout=timeout)
            reading = pool.submit(list, events)
            until(lambda: events._next is not None and events._next._beginning.begun)  # noqa: B023 - used at once
            events.close()
            assert isinstance(reading.result(20), list)
            assert list(events) == []


@pytest.mark.parametrize("newer", [False, True])
def test_a_page_that_could_not_be_fetched_is_asked_for_again(room: Room, newer: bool, monkeypatch: pytest.MonkeyPatch):
    bob_uid, alice = room.user(), room.enter()
    first = alice.send_message(TextMessage(receiver=bob_uid, receiver_type="user", text="first"))
    texts = [str(n) for n in range(7)]
    say(alice, bob_uid, *texts)
    fetch, pages = alice._target._parts.requests.list_messages, list[int]()

    async def sometimes(*arguments: Any, **named: Any) -> list[Any]:
        pages.append(1)
        if len(pages) in (1, 3, 4):
            raise failure("NO_INTERNET_CONNECTION")
        return await fetch(*arguments, **named)

    monkeypatch.setattr(alice._target._parts.requests, "list_messages", sometimes)
    messages = alice.messages(uid=bob_uid, limit=2, after=first.id if newer else 0)
    read, failed = list[str](), list[str]()
    while True:
        try:
            read.extend(m.text for m in messages)  # type: ignore[attr-defined]
            break
        except CometChatException as e:
            failed.append(e.code)
    assert failed == ["NO_INTERNET_CONNECTION"] * 3
    assert read == (texts if newer else [*reversed(texts), "first"])


def test_an_iterator_that_cannot_go_on_does_not_end_as_if_that_were_all(room: Room):
    async def half() -> AsyncIterator[int]:
        yield 1
        raise failure("NO_INTERNET_CONNECTION")

    numbers = Iterating(room.client()._held, half(), "numbers", 20, ends=False)
    assert next(numbers) == 1
    for _ in range(3):
        with pytest.raises(CometChatException, match="NO_INTERNET_CONNECTION"):
            next(numbers)


def stop_iteration() -> str:
    return next(iter(()))


def leave() -> str:
    raise SystemExit("no token")


async def leave_async() -> str:
    raise SystemExit("no token")


async def cancelled_async() -> str:
    raise asyncio.CancelledError


@pytest.mark.parametrize("refuse", [stop_iteration, leave, leave_async, cancelled_async])
def test_a_token_provider_that_raises_what_ends_others_is_logged_and_asked_again(
    room: Room, caplog: pytest.LogCaptureFixture, refuse: Any
):
    uid = room.user()
    asked: list[int] = []

    def provider() -> Any:
        asked.append(1)
        if len(asked) == 1:
            return refuse()
        return room.server.call(room.server.parts.actions.sessions.create_token(uid))["authToken"]

    alice = room.enter(uid, auth_token_provider=provider)
    room.server.expire_token(uid)
    until(lambda: "the token provider raised" in caplog.text)
    alice.with_timeout(30).wait_connected()
    until(lambda: len(asked) >= 2)
    assert alice.get_user(uid).uid == uid
    assert "tried to end the client's thread" not in caplog.text
