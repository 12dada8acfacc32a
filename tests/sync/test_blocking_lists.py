"""Live lists of the blocking client: usable from any thread, with callbacks in the app's thread."""

from __future__ import annotations

import queue
import threading

import pytest

from sync_harness import SyncHarness, until
from tailwire import CometChatException, TextMessage
from tailwire.sync import Client, LiveConversations, LiveMessages


def text(receiver: str, words: str) -> TextMessage:
    return TextMessage(receiver=receiver, receiver_type="user", text=words)


def texts(items) -> list[str]:
    return [item.message.text for item in items]


def two(harness: SyncHarness, **more) -> tuple[Client, Client]:
    bob = harness.enter()
    return harness.enter(**more), bob


def uid(chat: Client) -> str:
    return chat.get_logged_in_user().uid


def test_subscription_begins_with_the_current_items(harness: SyncHarness):
    alice, bob = two(harness)
    bob.send_message(text(uid(alice), "one"))
    rows: list = []
    with alice.live_messages(uid=uid(bob), page_size=10) as messages:
        assert isinstance(messages, LiveMessages)
        stop = messages.subscribe(lambda change: change.apply(rows))
        until(lambda: texts(rows) == ["one"])
        bob.send_message(text(uid(alice), "two"))
        alice.send_message(text(uid(bob), "three"))
        until(lambda: texts(rows) == ["one", "two", "three"])
        assert rows == list(messages.items)
        stop()
        stop()
        bob.send_message(text(uid(alice), "four"))
        until(lambda: len(messages.items) == 4)
        assert len(rows) == 3
        assert (messages.complete, messages.typing, messages.gone, messages.error) == (True, (), False, None)
        assert messages.uid == uid(alice)
    until(lambda: messages.closed)
    with pytest.raises(CometChatException, match="LIVE_LIST_CLOSED"):
        messages.subscribe(print)
    assert len(messages.items) == 4


def test_changes_run_in_the_apps_thread_one_at_a_time(harness: SyncHarness):
    posted: queue.Queue = queue.Queue()
    alice, bob = two(harness, post=posted.put)
    threads: list = []
    rows: list = []
    messages = alice.live_messages(uid=uid(bob))
    messages.subscribe(lambda change: (threads.append(threading.current_thread()), change.apply(rows)))
    for n in range(3):
        bob.send_message(text(uid(alice), str(n)))
    until(lambda: len(messages.items) == 3)
    assert posted.qsize() == 1
    while len(rows) < 3:
        posted.get(timeout=10)()
    assert set(threads) == {threading.main_thread()}
    assert rows == list(messages.items)


def test_call_of_start_opens_a_live_list(harness: SyncHarness):
    alice, bob = two(harness)
    for n in range(3):
        bob.send_message(text(uid(alice), str(n)))
    opened: queue.Queue = queue.Queue()
    alice.start("live_messages", uid=uid(bob), page_size=2, done=opened.put)
    messages = opened.get(timeout=10)
    assert isinstance(messages, LiveMessages)
    assert texts(messages.items) == ["1", "2"]
    came: queue.Queue = queue.Queue()
    messages.start("older", done=came.put)
    assert came.get(timeout=10) == 1
    assert messages.older() == 0
    messages.refresh()
    assert texts(messages.items) == ["0", "1", "2"]


def test_changes_iterator_ends_with_the_list(harness: SyncHarness):
    alice, bob = two(harness)
    conversations = alice.live_conversations()
    assert isinstance(conversations, LiveConversations)
    bob.send_message(text(uid(alice), "hello"))
    rows: list = []
    with conversations.changes(timeout=20) as changes:
        for change in changes:
            change.apply(rows)
            if rows and rows[0].conversation.unread_message_count == 1:
                break
    assert rows[0].conversation.conversation_with.uid == uid(bob)
    assert (conversations.complete, conversations.more()) == (True, 0)
    left = conversations.changes()
    assert next(left).items == conversations.items
    conversations.close()
    assert list(left) == []
    conversations.close()


def test_queued_message_can_be_cancelled_through_a_list(harness: SyncHarness):
    alice, bob = two(harness, builder=harness.settings().keep_unsent_messages())
    harness.server.stop()
    try:
        queued = alice.queue_message(text(uid(bob), "later"))
    finally:
        harness.server.start()
    until(lambda: queued.status == "sent")
    messages = alice.live_messages(uid=uid(bob))
    harness.server.stop()
    try:
        alice.queue_message(text(uid(bob), "never"))
        until(lambda: [i.state for i in messages.items] == ["sent", "pending"])
        assert until(lambda: messages.items[-1].entry.cancel())
        until(lambda: texts(messages.items) == ["later"])
    finally:
        harness.server.start()


def test_transition_is_reported_in_the_thread_of_the_app(harness: SyncHarness):
    posted: queue.Queue = queue.Queue()
    alice = harness.enter(post=posted.put)
    received: list = []
    stop = alice.connection.subscribe(lambda t: received.append((t.phase, threading.current_thread())))
    alice.set_app_state("background")
    while not received:
        posted.get(timeout=10)()
    stop()
    stop()
    alice.set_app_state("foreground")
    alice.wait_connected()
    while not posted.empty():
        posted.get()()
    assert {thread for _, thread in received} == {threading.main_thread()}
    assert len(received) == 1
    assert alice.connection.window_left is None
    with pytest.raises(TypeError, match="plain function"):
        alice.connection.subscribe(None)


def test_wrong_use_of_a_blocking_live_list_is_refused_with_advice(harness: SyncHarness):
    alice, bob = two(harness)
    messages = alice.live_messages(uid=uid(bob))

    async def on_change(change):
        raise AssertionError

    for wrong in (None, on_change):
        with pytest.raises(TypeError, match="plain function"):
            messages.subscribe(wrong)
    with pytest.raises(ValueError, match="timeout"):
        messages.changes(timeout=-1)
    with pytest.raises(CometChatException, match="ERR_INVALID_ARGUMENT"):
        alice.live_messages()
    with pytest.raises(AttributeError, match="hear"):
        messages.start("hear", None)
    raised: queue.Queue = queue.Queue()

    def calls(_):
        try:
            messages.older()
        except RuntimeError as e:
            raised.put(str(e))

    messages.subscribe(calls)
    assert "Use start('older'" in raised.get(timeout=10)
    alice.close()
    messages.close()
    assert messages.closed
    with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
        messages.refresh()
