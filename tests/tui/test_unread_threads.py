"""Which threads are marked in the terminal chat."""

from __future__ import annotations

import pytest

from tailwire import TextMessage, User
from tui.marks import needs_textual

pytestmark = [pytest.mark.gui, needs_textual]


def reply(parent: int, sender: str = "bob", receiver: str = "alice", kind: str = "user", **more) -> TextMessage:
    return TextMessage(
        id=99,
        receiver=receiver,
        receiver_type=kind,
        text="hello",
        parent_message_id=parent,
        sender=User(sender),
        **more,
    )


def threads(changes: list[str]):
    from tailwire.tui.unread_threads import UnreadThreads

    return UnreadThreads("alice", lambda: changes.append("changed"))


def test_reply_marks_a_thread_of_its_conversation_until_it_is_opened():
    from tailwire.tui.wording import Place

    changes: list[str] = []
    unread = threads(changes)
    unread.on_text_message_received(reply(1))
    unread.on_text_message_received(reply(2, receiver="team", kind="group"))
    unread.on_text_message_received(reply(0))
    unread.on_text_message_received(reply(3, deleted_at=5))
    assert unread.marked_in(Place("user", "bob")) == {1}
    assert unread.marked_in(Place("group", "team")) == {2}
    assert unread.marked_in(Place("user", "carol")) == set()
    unread.remove_mark(Place("group", "team", parent=2))
    assert unread.marked_in(Place("group", "team")) == set()
    assert unread.marked_in(Place("user", "bob")) == {1}
    assert changes == ["changed"] * 3


def test_own_reply_from_another_device_removes_the_mark():
    from tailwire.tui.wording import Place

    unread = threads([])
    unread.on_text_message_received(reply(1))
    unread.on_text_message_received(reply(1, sender="alice", receiver="bob"))
    assert unread.marked_in(Place("user", "bob")) == set()


def test_marks_of_many_threads_are_limited_to_the_newest():
    from tailwire.tui.unread_threads import MAX_THREADS
    from tailwire.tui.wording import Place

    unread = threads([])
    for parent in range(1, MAX_THREADS + 3):
        unread.on_text_message_received(reply(parent))
    assert unread.marked_in(Place("user", "bob")) == set(range(3, MAX_THREADS + 3))
