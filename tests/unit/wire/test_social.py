"""Decoding of conversations, reactions, members, receipts, transient messages and typing indicators."""

from __future__ import annotations

import pytest

from tailwire.wire.codec import BadWire
from tailwire.wire.entities import FlagReason, Group, User
from tailwire.wire.social import (
    conversation_from_wire,
    member_from_wire,
    reaction_event_from_frame,
    reaction_from_wire,
    reasons_from_wire,
    receipt_from_frame,
    receipts_from_wire,
    transient_from_frame,
    typing_from_frame,
)

MESSAGE = {"id": "9", "category": "message", "type": "text", "sender": "ann", "data": {"text": "hi"}}


def test_member_is_a_user_with_a_scope():
    member = member_from_wire({"uid": "ann", "name": "Ann", "scope": "admin", "joinedAt": 5})
    assert (member.uid, member.name, member.scope, member.joined_at) == ("ann", "Ann", "admin", 5)
    assert member_from_wire({"uid": "ann"}).scope == "participant"


def test_conversation_is_with_a_user_or_a_group():
    alone = conversation_from_wire(
        {"conversationId": "ann_user_bob", "conversationType": "user", "conversationWith": {"uid": "bob"}}
    )
    assert (alone.conversation_with, alone.last_message, alone.tags) == (User("bob"), None, [])
    full = conversation_from_wire(
        {
            "conversationId": "group_g", "conversationType": "group", "conversationWith": {"guid": "g"},
            "lastMessage": MESSAGE, "unreadMessageCount": "4", "unreadMentionsCount": 1, "lastReadMessageId": "5",
            "latestMessageId": "9", "tags": ["t"], "pinnedAt": 3, "createdAt": 1, "updatedAt": 2,
        }
    )  # fmt: skip
    assert (full.conversation_type, full.conversation_with, full.last_message.id) == ("group", Group("g"), 9)
    assert (full.unread_message_count, full.unread_mentions_count, full.last_read_message_id) == (4, 1, 5)
    assert (full.latest_message_id, full.tags) == (9, ["t"])
    assert (full.pinned_at, full.created_at, full.updated_at) == (3, 1, 2)


def test_reaction_names_the_user_if_the_server_sends_them():
    sent = {"id": "1", "messageId": "9", "reaction": "👍", "uid": "bob", "reactedAt": 5}
    reaction = reaction_from_wire(sent)
    assert (reaction.id, reaction.message_id, reaction.reaction, reaction.uid) == (1, 9, "👍", "bob")
    assert reaction.reacted_by is None
    assert reaction_from_wire({**sent, "reactedBy": {"uid": "bob"}}).reacted_by == User("bob")


@pytest.mark.parametrize(("action", "added"), [("message_reaction_added", True), ("message_reaction_removed", False)])
def test_reaction_frame_says_whether_the_reaction_was_added(action, added):
    body = {
        "action": action, "messageId": "9", "reaction": "👍", "uid": "bob", "receiverId": "g", "receiverType": "group",
        "conversationId": "group_g", "parentMessageId": "3",
    }  # fmt: skip
    was_added, event = reaction_event_from_frame({"body": body})
    assert was_added is added
    assert (event.receiver_id, event.receiver_type, event.conversation_id) == ("g", "group", "group_g")
    assert (event.parent_message_id, event.reaction.message_id) == (3, 9)


def test_transient_message_has_data_and_a_sender():
    body = {"data": {"live": "heart"}, "user": {"uid": "bob"}}
    message = transient_from_frame({"receiver": "ann", "receiverType": "user", "body": body})
    assert (message.receiver_id, message.data, message.sender) == ("ann", {"live": "heart"}, User("bob"))
    assert transient_from_frame({"body": {"user": {"uid": "bob"}}}).data == {}


def test_reasons_for_reports_are_a_list():
    found = reasons_from_wire([{"id": "spam", "name": "Spam", "description": "Unwanted."}, {"id": 7}])
    assert found == [FlagReason("spam", "Spam", "Unwanted."), FlagReason("7", "", "")]
    with pytest.raises(BadWire, match="not a list"):
        reasons_from_wire({"id": "spam"})


def test_each_member_has_a_receipt_for_a_message():
    def receipts(*listed):
        message = {"id": "9", "receiver": "g", "receiverType": "group", "receipts": {"data": list(listed)}}
        return [
            (r.sender.uid, r.receipt_type, r.timestamp, r.read_at, r.message_id) for r in receipts_from_wire(message)
        ]

    ann, bob = {"recipient": {"uid": "ann"}, "deliveredAt": 3, "readAt": 5}, {"recipient": {"uid": "bob"}}
    assert receipts(ann, {**bob, "deliveredAt": 4}) == [("ann", "read", 5, 5, 9), ("bob", "delivered", 4, 0, 9)]
    assert receipts() == receipts_from_wire({"id": "9"}) == []


@pytest.mark.parametrize(("action", "delivered", "read"), [("delivered", 7, 0), ("read", 0, 7)])
def test_receipt_from_a_frame_sets_only_the_time_of_its_type(action, delivered, read):
    body = {"action": action, "timestamp": 7, "messageId": "9", "user": {"uid": "bob"}}
    receipt = receipt_from_frame({"receiver": "ann", "receiverType": "user", "body": body})
    assert (receipt.receipt_type, receipt.message_id, receipt.sender) == (action, 9, User("bob"))
    assert (receipt.timestamp, receipt.delivered_at, receipt.read_at) == (7, delivered, read)


@pytest.mark.parametrize("action", ["started", "ended"])
def test_typing_frame_says_whether_a_user_started_or_ended(action):
    body = {"action": action, "user": {"uid": "bob"}, "metadata": {"k": 1}}
    typing = typing_from_frame({"receiver": "g", "receiverType": "group", "body": body})
    assert (typing.typing_status, typing.sender, typing.receiver_id) == (action, User("bob"), "g")
    assert (typing.receiver_type, typing.metadata) == ("group", {"k": 1})
