"""The state of a live list of conversations, without a client: what an answer of the server replaces, and what not."""

from __future__ import annotations

from tailwire import Conversation, TextMessage, User
from tailwire.sdk.live.conversation_list import ConversationList
from tailwire.sdk.live.own_reads import MAX_READ_CHECKS


def text(number: int) -> TextMessage:
    return TextMessage(id=number, sender=User("bob"), receiver="me", text=f"m{number}", sent_at=number)


def conversation(latest: int, unread: int, **more) -> Conversation:
    return Conversation(
        "bob_user_me",
        "user",
        User("bob"),
        last_message=text(latest),
        latest_message_id=latest,
        unread_message_count=unread,
        updated_at=latest,
        **more,
    )


def conversations(*held: Conversation) -> ConversationList:
    live = ConversationList("me", "", 10)
    live.fill(held, complete=True)
    return live


def shown(live: ConversationList) -> tuple[str, int]:
    (item,) = live.items()
    return item.conversation.last_message.text, item.conversation.unread_message_count


def test_message_that_an_answer_lacks_is_applied_again_after_it():
    live = conversations(conversation(104, 4))
    for _ in range(2):
        live.apply_message(text(105))
    assert shown(live) == ("m105", 5)
    live.put(conversation(104, 4), reached=104)
    live.apply_message(text(105))
    assert shown(live) == ("m105", 5)
    assert not live.stale


def test_message_that_an_answer_includes_is_not_applied_again():
    live = conversations(conversation(104, 4))
    live.apply_message(text(105))
    live.put(conversation(105, 5), reached=104)
    live.apply_message(text(105))
    assert (shown(live), live.stale) == (("m105", 5), {})


def test_answer_that_lacks_what_was_in_the_list_before_its_request_is_requested_again():
    live = conversations(conversation(104, 4))
    live.apply_message(text(105))
    live.put(conversation(104, 4), reached=105)
    assert list(live.stale) == ["user/bob"]
    live.put(conversation(104, 4), reached=104)
    assert not live.stale, "the server no longer has the message"


def test_state_of_a_conversation_that_is_older_than_the_list_is_requested_again():
    live = conversations(conversation(104, 4))
    live.put(conversation(104, 4, tags=["work"]))
    assert not live.stale
    live.apply_message(text(105))
    live.put(conversation(104, 4))
    assert list(live.stale) == ["user/bob"]


def test_older_state_that_is_applied_again_stays_to_be_requested():
    live = conversations(conversation(104, 4))
    live.apply_message(text(105))
    for _ in range(2):  # once more after the answer about another conversation
        live.put(conversation(104, 4))
    assert list(live.stale) == ["user/bob"]


def test_answers_without_the_receipt_of_this_device_are_shown_as_read_three_times():
    live = conversations(conversation(104, 4))
    live.record_own_receipt("user/bob", 104, 200, read=True, here=True)
    assert (shown(live), live.stale) == (("m104", 0), {})
    for _ in range(MAX_READ_CHECKS):
        live.put(conversation(104, 4), reached=104)
        assert (shown(live), list(live.stale)) == (("m104", 0), ["user/bob"])
    live.put(conversation(104, 4), reached=104)
    assert (shown(live), live.stale) == (("m104", 4), {})


def test_answer_with_the_receipt_of_this_device_ends_the_corrections():
    live = conversations(conversation(104, 4))
    live.record_own_receipt("user/bob", 104, 200, read=True, here=True)
    live.put(conversation(104, 0, last_read_message_id=104), reached=104)
    live.put(conversation(104, 4), reached=104)
    assert (shown(live), live.stale) == (("m104", 4), {})


def test_conversation_that_was_read_and_may_be_unread_again_is_shown_as_it_is_and_requested_once_more():
    live = conversations(conversation(104, 4))
    live.reads.doubt("user/bob")
    live.record_own_receipt("user/bob", 104, 200, read=True, here=True)
    live.reads.doubt("user/bob")
    live.put(conversation(104, 1, last_read_message_id=103))
    assert (shown(live), list(live.stale)) == (("m104", 1), ["user/bob"])
    live.put(conversation(104, 1, last_read_message_id=103), reached=104)
    assert (shown(live), live.stale) == (("m104", 1), {})


def test_receipt_of_a_removed_conversation_does_not_change_it_when_it_comes_back():
    live = conversations(conversation(104, 4))
    live.record_own_receipt("user/bob", 104, 200, read=True, here=True)
    live.drop("user/bob")
    live.put(conversation(104, 4), reached=104)
    assert (shown(live), live.stale) == (("m104", 4), {})
