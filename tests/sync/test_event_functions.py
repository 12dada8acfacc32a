"""Functions called with every event: unhandled events are delivered again, and a failing one blocks nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from sync_harness import SyncHarness, Window, send_texts, until
from tailwire import MemorySessionStore, MessageListener, MessageReceived, TextMessage
from tailwire.sync import Client


def texts_into(received: list[str]) -> Callable[[object], None]:
    def on_event(event: object) -> None:
        if isinstance(event, MessageReceived) and isinstance(event.message, TextMessage):
            received.append(event.message.text)

    return on_event


def heard_at_the_next_start(harness: SyncHarness, uid: str, store: MemorySessionStore, last: str) -> list[str]:
    received: list[str] = []
    harness.client(session_store=store, on_event=texts_into(received))
    send_texts(harness.enter(), uid, last)
    until(lambda: last in received)
    return received


@pytest.mark.parametrize("where", ["to the constructor", "to the method"])
def test_unhandled_events_are_delivered_again_after_close(harness: SyncHarness, where: str):
    window, uid, store = Window(), harness.add_user(), MemorySessionStore()
    received: list[str] = []
    first = {"on_event": texts_into(received)} if where == "to the constructor" else {}
    bob, alice = harness.client(post=window.post, session_store=store, **first), harness.enter()
    if not first:
        bob.on_event(texts_into(received))
    bob.login(uid, auth_key=harness.server.auth_key)
    texts = [str(n) for n in range(20)]
    send_texts(alice, uid, *texts)
    until(lambda: (window.turn() and False) or len(received) == 4)
    until(lambda: not window.posted.empty())
    bob.close()
    while window.turn():
        pass
    assert received == texts[:4]
    assert heard_at_the_next_start(harness, uid, store, "end") == [*texts[4:], "end"]


def test_event_of_an_unfinished_async_function_is_delivered_again(harness: SyncHarness):
    uid, store = harness.add_user(), MemorySessionStore()
    begun: list[str] = []

    async def on_event(event: object) -> None:
        texts_into(begun)(event)
        if begun == ["one", "two"]:
            await asyncio.Event().wait()

    bob = harness.enter(uid, session_store=store, on_event=on_event)
    send_texts(harness.enter(), uid, "one", "two", "three")
    until(lambda: len(begun) == 2)
    bob.close()
    assert heard_at_the_next_start(harness, uid, store, "end") == ["two", "three", "end"]


def test_stopped_function_acknowledges_pending_events(harness: SyncHarness):
    window, uid, store = Window(), harness.add_user(), MemorySessionStore()
    received: list[str] = []
    bob, alice = harness.enter(uid, post=window.post, session_store=store), harness.enter()
    stop = bob.on_event(texts_into(received))
    send_texts(alice, uid, "one", "two", "three")
    until(lambda: not window.posted.empty())
    stop()
    window.until(lambda: not bob._client_thread._kept)  # wait for its end; pending events are acknowledged
    assert "three" not in received
    bob.close()
    assert heard_at_the_next_start(harness, uid, store, "end") == ["end"]


def test_iterator_acknowledges_an_event_when_the_next_one_is_requested(harness: SyncHarness):
    uid, store = harness.add_user(), MemorySessionStore()
    bob = harness.enter(uid, session_store=store)
    events = bob.events(timeout=20, acknowledge=True)
    send_texts(harness.enter(), uid, "one", "two", "three")
    taken: list[str] = []
    for event in events:
        texts_into(taken)(event)
        if "two" in taken:
            break
    bob.close()
    assert taken == ["one", "two"]
    assert heard_at_the_next_start(harness, uid, store, "end") == ["two", "three", "end"]


async def waits_for_something_cancelled() -> None:
    waited = asyncio.get_running_loop().create_future()
    waited.cancel()
    await waited


def raises_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("fail", [waits_for_something_cancelled, raises_cancelled])
def test_cancelled_error_in_a_callback_is_logged(
    harness: SyncHarness, caplog: pytest.LogCaptureFixture, fail: Callable[[], Awaitable[None] | None]
):
    received: list[str] = []
    listened: list[str] = []
    failed: list[object] = []

    async def on_event(event: object) -> None:
        if not failed and isinstance(event, MessageReceived):
            failed.append(event)
            if (waiting := fail()) is not None:
                await waiting
        texts_into(received)(event)

    class Recorder(MessageListener):
        async def on_text_message_received(self, message):
            if not listened:
                listened.append("")
                await waits_for_something_cancelled()
            listened.append(message.text)

    uid = harness.add_user()
    bob, alice = harness.enter(uid), harness.enter()
    bob.on_event(on_event)
    bob.add_message_listener("recorder", Recorder())
    send_texts(alice, uid, "one", "two", "three")
    until(lambda: received == ["two", "three"] and listened == ["", "two", "three"])
    assert caplog.text.count("waited for something that was cancelled") == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_function_that_raises_generator_exit_leaves_no_task_and_no_stream(harness: SyncHarness):
    def on_event(event: object) -> None:
        raise GeneratorExit

    uid = harness.add_user()
    bob, alice = harness.enter(uid), harness.enter()
    bob.on_event(on_event)
    send_texts(alice, uid, "one")
    until(lambda: not bob._client_thread._kept)
    until(lambda: all(stream()._ended for stream in bob._target._registries.streams.references.values()))  # type: ignore[union-attr]


def test_waiting_for_a_future_in_the_clients_thread_is_refused(harness: SyncHarness):
    uid = harness.add_user()
    bob: Client = harness.enter(uid)
    received: list[object] = []

    def on_event(event: object) -> None:
        if isinstance(event, MessageReceived):
            future = bob.start("get_user", uid, done=lambda user: received.extend((user.uid, future.result().uid)))
            for wait in (future.result, future.exception):
                try:
                    wait()
                except RuntimeError as e:
                    received.append(str(e))

    bob.on_event(on_event)
    send_texts(harness.enter(), uid, "hello")
    until(lambda: len(received) == 4)
    assert all("own thread" in str(words) and "done=" in str(words) for words in received[:2])
    assert received[2:] == [uid, uid]
    assert bob.start("get_user", uid).exception(20) is None
    assert threading.current_thread() is not bob._client_thread._thread
