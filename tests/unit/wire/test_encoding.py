"""The request bodies that a client sends."""

from __future__ import annotations

import pytest

from tailwire.wire.encoding import group_to_wire, message_to_wire, user_to_wire
from tailwire.wire.entities import (
    Attachment,
    BaseMessage,
    CustomMessage,
    Group,
    InteractiveMessage,
    MediaMessage,
    TextMessage,
    User,
)


def test_user_is_sent_without_empty_fields():
    assert user_to_wire(User("ann")) == {"uid": "ann"}
    full = User("ann", "Ann", "a.png", "/ann", "guide", status_message="hi", metadata={"k": 1}, tags=["t"])
    assert user_to_wire(full) == {
        "uid": "ann", "name": "Ann", "avatar": "a.png", "link": "/ann", "role": "guide", "statusMessage": "hi",
        "metadata": {"k": 1}, "tags": ["t"],
    }  # fmt: skip


def test_group_is_sent_without_empty_fields():
    assert group_to_wire(Group("g", "G")) == {"guid": "g", "name": "G", "type": "public"}
    full = Group("g", "G", "password", password="p", icon="i.png", description="d", metadata={"k": 1}, tags=["t"])
    assert group_to_wire(full) == {
        "guid": "g", "name": "G", "type": "password", "password": "p", "icon": "i.png", "description": "d",
        "metadata": {"k": 1}, "tags": ["t"],
    }  # fmt: skip


def test_text_message_is_sent_with_its_references():
    assert message_to_wire(TextMessage(receiver="bob", text="hi", muid="m")) == {
        "category": "message", "type": "text", "receiver": "bob", "receiverType": "user", "data": {"text": "hi"},
        "muid": "m",
    }  # fmt: skip
    full = TextMessage(
        receiver="g", receiver_type="group", text="hi", muid="m", metadata={"k": 1}, tags=["t"], parent_message_id=3,
        quoted_message_id=4,
    )  # fmt: skip
    body = message_to_wire(full)
    assert (body["receiverType"], body["tags"], body["parentId"], body["quotedMessageId"]) == ("group", ["t"], "3", "4")
    assert body["data"] == {"text": "hi", "metadata": {"k": 1}}


def test_options_of_a_custom_message_are_sent_where_they_differ_from_the_default():
    assert message_to_wire(CustomMessage(receiver="b", custom_data={"q": 1}))["data"] == {"customData": {"q": 1}}
    full = CustomMessage(
        receiver="b", type="poll", custom_data={"q": 1}, sub_type="quick", conversation_text="A poll",
        update_conversation=False, send_notification=False,
    )  # fmt: skip
    assert message_to_wire(full)["data"] == {
        "customData": {"q": 1}, "subType": "quick", "conversationText": "A poll", "updateConversation": False,
        "sendNotification": False,
    }  # fmt: skip


def test_interactive_message_has_a_goal():
    message = InteractiveMessage(receiver="b", interactive_data={"title": "T"})
    body = message_to_wire(message)
    assert (body["category"], body["type"]) == ("interactive", "form")
    assert body["data"] == {
        "interactiveData": {"title": "T"},
        "interactionGoal": {"type": "none", "elementIds": []},
        "allowSenderInteraction": False,
    }
    message.interaction_goal, message.allow_sender_interaction = {"type": "anyAction"}, True
    data = message_to_wire(message)["data"]
    assert (data["interactionGoal"], data["allowSenderInteraction"]) == ({"type": "anyAction"}, True)


@pytest.mark.parametrize("caption", ["", "look"])
def test_media_message_lists_its_attachments(caption):
    photo = Attachment("/files/a", "a.png", "png", "image/png", 12)
    data = message_to_wire(MediaMessage(receiver="b", type="image", attachments=[photo], caption=caption))["data"]
    assert data["attachments"] == [
        {"url": "/files/a", "name": "a.png", "extension": "png", "mimeType": "image/png", "size": "12"}
    ]
    assert data.get("text", "") == caption
    assert ("text" in data) is bool(caption)


def test_attachment_keeps_the_size_and_thumbnail_of_its_picture():
    photo = Attachment("https://x.test/a", "a.png", "png", "image/png", 12, 640, 480, "https://x.test/small")
    sent = message_to_wire(MediaMessage(receiver="b", type="image", attachments=[photo]))["data"]["attachments"]
    assert (sent[0]["width"], sent[0]["height"], sent[0]["thumbnail"]) == (640, 480, "https://x.test/small")


def test_plain_base_message_is_sent_with_empty_data():
    body = message_to_wire(BaseMessage(receiver="b", category="custom", type="x"))
    assert (body["category"], body["type"], body["data"]) == ("custom", "x", {})
