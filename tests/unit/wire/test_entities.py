"""Fields of a message that are decoded on access, from what the server sent."""

from __future__ import annotations

import dataclasses

import pytest

from tailwire.wire import entities
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import Attachment, Group, MediaMessage, ReactionCount, TextMessage, User


def received_message(**more):
    data = more.pop("data", {"text": "hi"})
    return message_from_wire({"id": "7", "category": "message", "type": "text", "sender": "ann", "data": data, **more})


def test_message_that_was_not_received_has_no_counts_marks_or_relations():
    message = TextMessage(receiver="bob", text="hi")
    assert (message.id, message.sent_at, message.sender) == (0, 0, User(""))
    assert (message.reply_count, message.pinned_at, message.pinned_by, message.saved_at) == (0, 0, "", 0)
    assert (message.thread_subscribed, message.moderation_status) == (False, "unmoderated")
    assert (message.reactions, message.mentioned_users) == ([], [])
    assert message.receiver_entity is message.quoted_message is None


def test_counts_and_marks_come_from_the_server():
    message = received_message(replyCount=3, pinnedAt=5, pinnedBy="app_system", savedAt=6, threadSubscribed=True)
    assert (message.reply_count, message.pinned_at, message.pinned_by, message.saved_at) == (3, 5, "app_system", 6)
    assert message.thread_subscribed
    assert received_message(data={"text": "hi", "moderation": {"status": "approved"}}).moderation_status == "approved"


def test_reactions_have_a_count_and_say_whether_the_reader_reacted():
    listed = [{"reaction": "👍", "count": "2", "reactedByMe": True}, {"reaction": "like"}]
    found = received_message(data={"text": "hi", "reactions": listed}).reactions
    assert found == [ReactionCount("👍", 2, True), ReactionCount("like", 0, False)]


def test_mentioned_user_without_details_has_only_a_uid():
    message = received_message(data={"text": "hi", "mentions": {"bob": {"uid": "bob", "name": "Bob"}, "eve": None}})
    assert message.mentioned_users == [User("bob", "Bob"), User("eve")]


def test_message_mentions_only_the_users_that_it_names():
    message = received_message(data={"text": "hi", "mentions": {"bob": {"uid": "bob", "name": "Bob"}, "eve": None}})
    assert message.mentions("bob")
    assert message.mentions("eve")
    assert not message.mentions("ann")


def receiver_in(entity):
    return received_message(data={"text": "hi", "entities": {"receiver": entity}}).receiver_entity


def test_receiver_is_a_user_or_a_group():
    assert receiver_in({"entityType": "user", "entity": {"uid": "bob"}}) == User("bob")
    assert receiver_in({"entityType": "group", "entity": {"guid": "g"}}) == Group("g")


def test_unreadable_receiver_is_read_as_none():
    message = {"id": "1", "sender": "ann", "category": "message", "type": "text", "data": {"text": "x"}}
    for entity in (None, 7, {}, {"entityType": "user", "entity": {}}, {"entityType": "message", "entity": message}):
        assert receiver_in(entity) is None
    assert received_message(data={"text": "hi"}).receiver_entity is None


def test_quoted_message_is_decoded_or_none():
    quoted = {"id": "3", "category": "message", "type": "text", "sender": "bob", "data": {"text": "before"}}
    message = received_message(quotedMessageId="3", quotedMessage=quoted).quoted_message
    assert (message.id, message.text, message.sender.uid) == (3, "before", "bob")
    for unreadable in ({}, {"id": "x"}, 7, None):
        assert received_message(quotedMessage=unreadable).quoted_message is None


def test_media_message_has_a_first_attachment_or_none():
    first, second = Attachment("/files/a"), Attachment("/files/b")
    assert MediaMessage(receiver="bob", attachments=[first, second]).attachment is first
    assert MediaMessage(receiver="bob").attachment is None


def test_interactions_say_when_an_element_was_used():
    used = [{"elementId": "yes", "interactedAt": 9}, {"elementId": "no"}]
    message = received_message(category="interactive", type="form", data={"interactiveData": {}, "interactions": used})
    assert message.interactions == {"yes": 9, "no": 0}


ON_UNLESS_TURNED_OFF = {("CustomMessage", "update_conversation"), ("CustomMessage", "send_notification")}
ENTITIES = [kind for kind in vars(entities).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]


@pytest.mark.parametrize("kind", ENTITIES)
def test_flags_are_off_and_numbers_zero_by_default_except_two_options_of_custom_messages(kind: type):
    for field in dataclasses.fields(kind):
        if isinstance(field.default, bool):
            assert field.default is ((kind.__name__, field.name) in ON_UNLESS_TURNED_OFF)
        elif isinstance(field.default, int):
            assert field.default == 0


@pytest.mark.parametrize("kind", ENTITIES)
def test_passwords_and_raw_data_of_entities_are_not_in_their_repr(kind: type):
    for field in dataclasses.fields(kind):
        if field.name in ("password", "raw"):
            assert not field.repr, "it is not shown in logs"


@pytest.mark.parametrize("kind", ENTITIES)
def test_raw_data_and_files_of_entities_are_not_compared(kind: type):
    for field in dataclasses.fields(kind):
        if field.name in ("files", "raw"):
            assert not field.compare, "equal messages may have come in different ways"
