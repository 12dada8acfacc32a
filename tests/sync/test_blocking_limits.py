"""Cancelled calls, iterators that fail or are closed, and token providers that raise unusual exceptions."""

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

from sync_harness import SyncHarness, send_texts, until
from tailwire import ConnectionStatus, TextMessage
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sync import Client, Iterating


@contextmanager
def blocked_thread(chat: Client) -> Iterator[None]:
    """Block the client's thread within the block."""
    holds, go_on = threading.Event(), threading.Event()
    chat._client_thread._loop.call_soon_threadsafe(lambda: (holds.set(), go_on.wait(20)))
    assert holds.wait(20)
    try:
        yield
    finally:
        go_on.set()


def test_call_cancelled_before_it_began_has_no_effect(harness: SyncHarness):
    alice = harness.enter(builder=harness.settings().keep_unsent_messages())
    bob_uid = harness.add_user()
    message = TextMessage(receiver=bob_uid, receiver_type="user", text="pay 5")
    with blocked_thread(alice):
        with pytest.raises(TimeoutError, match=r"queue_message\(\) .* cancelled before it began, so nothing was done"):
            alice.with_timeout(0.05).queue_message(message)
        with pytest.raises(TimeoutError, match="nothing was done"):
            alice.with_timeout(0.05).send_message(message)
        assert alice.start("send_message", message).cancel()
    alice.queue_message(message).result()
    assert [m.text for m in alice.messages(uid=bob_uid)] == ["pay 5"]  # type: ignore[attr-defined]
    assert not alice._client_thread._begun


def test_timeout_says_whether_the_call_had_begun(harness: SyncHarness):
    alice = harness.enter()
    done, go_on = list[str](), threading.Event()
    slow = alice.with_timeout(0.2)
    with pytest.raises(TimeoutError, match="had begun: it may still have taken effect"):
        slow._run("something", lambda: (go_on.wait(20), done.append("done")))
    go_on.set()
    until(lambda: done)
    alice.disconnect()
    with pytest.raises(TimeoutError, match="had begun"):
        slow.wait_connected()


def test_calls_leave_no_reference_cycles(harness: SyncHarness):
    alice = harness.enter()
    ended = alice.start("get_user", alice.get_logged_in_user().uid)  # type: ignore[union-attr]
    failed = alice.start("get_user", "nobody")
    assert failed.exception(20) is not None
    assert ended.exception(20) is None
    cancelled = alice.start("wait_disconnected")
    cancelled.cancel()
    until(lambda: not alice._client_thread._begun)
    gc.collect()
    gc.disable()
    try:
        gone = [weakref.ref(f) for f in (ended, failed, cancelled)]
        del ended, failed, cancelled
        until(lambda: [ref() for ref in gone] == [None] * 3)
    finally:
        gc.enable()


def test_cancelled_future_is_reported_by_wait(harness: SyncHarness):
    alice = harness.enter()
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
    until(lambda: not alice._client_thread._begun)


def test_calls_begun_during_close_are_ended(harness: SyncHarness):
    alice = harness.enter()
    with blocked_thread(alice):
        futures = [alice.start("wait_connected") for _ in range(3)]
        alice._client_thread.begin_close()
    alice.close()
    assert all(f.done() for f in futures)


def test_own_timeout_argument_replaces_the_clients_timeout(harness: SyncHarness):
    alice = harness.enter()
    short = alice.with_timeout(0.05)
    alice.disconnect()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(short.wait_connected, timeout=t) for t in (None, math.inf, 1e300)]
        waiting.append(pool.submit(short.wait_connected, None))
        until(lambda: len(alice._client_thread._begun) == 4)
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


def test_iterator_closed_by_another_thread_ends(harness: SyncHarness):
    alice = harness.enter()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for timeout in (None, 20):
            events = alice.events(timeout=timeout)
            reading = pool.submit(list, events)
            until(lambda: events._next is not None and events._next._call_state.begun)  # noqa: B023 - used at once
            events.close()
            assert isinstance(reading.result(20), list)
            assert list(events) == []


@pytest.mark.parametrize("newer", [False, True])
def test_failed_page_is_requested_again(harness: SyncHarness, newer: bool, monkeypatch: pytest.MonkeyPatch):
    bob_uid, alice = harness.add_user(), harness.enter()
    first = alice.send_message(TextMessage(receiver=bob_uid, receiver_type="user", text="first"))
    texts = [str(n) for n in range(7)]
    send_texts(alice, bob_uid, *texts)
    fetch, pages = alice._target._parts.requests.list_messages, list[int]()

    async def sometimes(*arguments: Any, **named: Any) -> list[Any]:
        pages.append(1)
        if len(pages) in (1, 3, 4):
            raise failure("NO_INTERNET_CONNECTION")
        return await fetch(*arguments, **named)

    monkeypatch.setattr(alice._target._parts.requests, "list_messages", sometimes)
    messages = alice.messages(uid=bob_uid, page_size=2, after=first.id if newer else 0)
    read, failed = list[str](), list[str]()
    while True:
        try:
            read.extend(m.text for m in messages)  # type: ignore[attr-defined]
            break
        except CometChatException as e:
            failed.append(e.code)
    assert failed == ["NO_INTERNET_CONNECTION"] * 3
    assert read == (texts if newer else [*reversed(texts), "first"])


def test_failed_iterator_keeps_raising(harness: SyncHarness):
    async def half() -> AsyncIterator[int]:
        yield 1
        raise failure("NO_INTERNET_CONNECTION")

    numbers = Iterating(harness.client()._handle, half(), "numbers", 20, ends=False)
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
def test_token_provider_that_raises_base_exceptions_is_retried(
    harness: SyncHarness, caplog: pytest.LogCaptureFixture, refuse: Any
):
    uid = harness.add_user()
    calls: list[int] = []

    def provider() -> Any:
        calls.append(1)
        if len(calls) == 1:
            return refuse()
        return harness.server.call(harness.server.parts.actions.sessions.create_token(uid)).token

    alice = harness.enter(uid, auth_token_provider=provider)
    harness.server.revoke_tokens(uid)
    until(lambda: "the token provider raised" in caplog.text)
    alice.with_timeout(30).wait_connected()
    until(lambda: len(calls) >= 2)
    assert alice.get_user(uid).uid == uid
    assert "tried to end the client's thread" not in caplog.text
