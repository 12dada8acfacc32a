"""The codec: it decodes every field of an entity, and raises only `BadWire`, whatever it is given."""

from __future__ import annotations

import contextlib
from collections import UserDict
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.wire import codec
from tailwire.wire.catalogue import CATALOGUE, entry
from tailwire.wire.codec import (
    BadWire,
    group_from_wire,
    message_from_wire,
    user_from_wire,
)
from tailwire.wire.encoding import message_to_wire
from tailwire.wire.entities import (
    Attachment,
    BaseMessage,
    CustomMessage,
    Group,
    MediaMessage,
    MessageReceipt,
    TextMessage,
    TypingIndicator,
    User,
)
from tailwire.wire.server_settings import ServerSettings, settings_to_wire
from tailwire.wire.social import receipt_from_frame, typing_from_frame

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
keys = st.sampled_from(
    ["id", "uid", "guid", "data", "entities", "sender", "receiver", "entity", "entityType", "tags", "sentAt", "body",
     "user", "category", "type", "text", "attachments", "action", "by", "on", "for", "metadata", "messageId"]
)  # fmt: skip
likely = st.recursive(
    json_values, lambda inner: st.dictionaries(keys, inner, max_size=8) | st.lists(inner, max_size=3), max_leaves=30
)


def test_text_message_of_the_usual_form_has_every_field():
    # The decoder sets the fields of such a message itself, without the constructor.
    wire = {
        "id": "7", "muid": "m", "conversationId": "a_user_b", "sender": "alice", "receiver": "bob", "receiverType": "user",
        "category": "message", "type": "text", "sentAt": 1, "updatedAt": 2, "deliveredAt": 3, "readAt": 4, "editedAt": 5,
        "editedBy": "alice", "deletedAt": 6, "deletedBy": "bob",
        "data": {
            "text": "hello", "metadata": {"k": 1},
            "entities": {"sender": {"entityType": "user", "entity": {"uid": "alice", "name": "Alice"}}},
        },
    }  # fmt: skip
    message = message_from_wire(wire)
    assert message == TextMessage(
        receiver="bob", receiver_type="user", category="message", type="text", id=7, muid="m", conversation_id="a_user_b",
        sender=User("alice", "Alice"), sent_at=1, updated_at=2, delivered_at=3, read_at=4, edited_at=5, edited_by="alice",
        deleted_at=6, deleted_by="bob", metadata={"k": 1}, text="hello",
    )  # fmt: skip
    assert type(message) is TextMessage
    assert all(hasattr(message, f.name) for f in fields(TextMessage))
    assert message.raw is wire


@given(likely)
def test_any_value_is_decoded_to_its_class_or_refused(value):
    readers = {user_from_wire: User, group_from_wire: Group, message_from_wire: BaseMessage}
    if isinstance(value, dict):
        readers |= {receipt_from_frame: MessageReceipt, typing_from_frame: TypingIndicator}
    for read, kind in readers.items():
        with contextlib.suppress(BadWire):
            assert isinstance(read(value), kind)


@given(st.text(), st.text(max_size=30), st.integers(1, 2**62))
def test_text_message_survives_a_round_trip(text, muid, message_id):
    sent = TextMessage(receiver="bob", text=text, muid=muid, tags=["a"], metadata={"k": [1]})
    came = message_from_wire({**message_to_wire(sent), "id": str(message_id), "sender": "alice"})
    assert isinstance(came, TextMessage)
    assert (came.text, came.muid, came.id, came.tags, came.metadata) == (text, muid, message_id, ["a"], {"k": [1]})
    assert came.sender.uid == "alice"


def test_custom_and_media_messages_survive_a_round_trip():
    custom = CustomMessage(receiver="g", receiver_type="group", type="poll", custom_data={"q": 1}, parent_message_id=7)
    wire = message_to_wire(custom)
    assert wire["parentId"] == "7"
    assert message_from_wire({**wire, "id": 1}).custom_data == {"q": 1}
    media = MediaMessage(receiver="b", type="file", attachments=[Attachment("u", "n", "e", "m", 3)])
    assert message_from_wire({**message_to_wire(media), "id": "2"}).attachments == media.attachments


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"id": "x"}, {"id": True}, {"id": 1, "tags": [1]}])
def test_invalid_messages_are_refused(value):
    with pytest.raises(BadWire):
        message_from_wire(value)


def test_available_is_decoded_as_online():
    assert user_from_wire({"uid": "a", "status": "available"}).status == "online"
    assert user_from_wire({"uid": "a", "status": "whatever"}).status == "offline"


def test_every_error_code_has_a_message_and_details():
    for code in CATALOGUE:
        assert entry(code).message
        assert entry(code).details
        assert entry(code).status == 0 or 400 <= entry(code).status < 600


def test_settings_survive_a_round_trip():
    data = settings_to_wire(host="h", port=8480, secure=False, app_id="a", region="us")
    assert ServerSettings.from_wire(data, secure=False) == ServerSettings("h", 8480)


def test_incomplete_settings_are_refused():
    for broken in ({}, {"CHAT_HOST": 1}, {"CHAT_HOST": "h"}, {"CHAT_HOST": "h", "CHAT_WSS_PORT": "x"}):
        with pytest.raises(ValueError):
            ServerSettings.from_wire(broken, secure=True)


def text_message(**more):
    data = {"text": "hi", "entities": {"sender": {"entityType": "user", "entity": {"uid": "ann"}}}}
    usual = {"id": "7", "receiver": "bob", "receiverType": "user", "category": "message", "type": "text", "data": data}
    return {**usual, **more}


def test_empty_tags_and_no_parent_do_not_change_the_decoded_message():
    usual = message_from_wire(text_message())
    unusual = message_from_wire(text_message(tags=[], parentId="0"))
    assert usual == unusual
    assert (usual.id, usual.text, usual.sender.uid) == (7, "hi", "ann")


@pytest.mark.parametrize("number", ["0", "", "-1", "x", "9223372036854775808", 0, 2**63, 1.5e300, "1e3"])
def test_id_out_of_range_is_refused(number):
    for more in ({}, {"tags": []}):
        with pytest.raises(BadWire, match="id"):
            message_from_wire(text_message(id=number, **more))


@pytest.mark.parametrize("key", ["deletedAt", "readAt", "parentId", "quotedMessageId"])
@pytest.mark.parametrize("value", [True, [], {}, "x", float("inf"), float("nan")])
def test_value_that_is_not_a_number_is_refused_by_name(key, value):
    with pytest.raises(BadWire, match=f"{key} is not a number"):
        message_from_wire(text_message(**{key: value}))


def test_value_that_is_not_a_text_is_refused_by_name():
    with pytest.raises(BadWire, match="muid is not a string"):
        message_from_wire(text_message(muid=7))
    with pytest.raises(BadWire, match="data is not an object"):
        message_from_wire(text_message(data=[1]))


def test_numbers_may_be_written_as_text_or_with_a_fraction():
    message = message_from_wire(text_message(parentId="3", readAt="", sentAt=5.0))
    assert (message.parent_message_id, message.read_at, message.sent_at) == (3, 0, 5)


def test_text_message_without_a_sender_entity_has_the_uid_of_its_sender():
    for data in ({"text": "hi"}, {"text": "hi", "entities": {"sender": {"entityType": "bot", "entity": {"id": 1}}}}):
        assert message_from_wire(text_message(data=data, sender="ann")).sender == User("ann")
    assert message_from_wire(text_message(data={"text": "hi"}, sender=7)).sender == User("")
    assert message_from_wire(text_message(data={"text": "hi", "metadata": [1]})).metadata == {}


def test_unknown_category_is_a_base_message():
    message = message_from_wire(text_message(category="future", type="x"))
    assert type(message) is BaseMessage
    assert (message.category, message.type, message.id) == ("future", "x", 7)


def test_action_names_the_actor_the_change_and_the_object():
    message = {**text_message(), "id": "3"}
    data = {
        "action": "edited",
        "entities": {
            "by": {"entityType": "user", "entity": {"uid": "ann"}},
            "on": {"entityType": "message", "entity": message},
            "for": {"entityType": "group", "entity": {"guid": "g"}},
        },
    }
    action = message_from_wire(text_message(category="action", type="message", data=data))
    assert (action.action, action.action_by, action.action_for) == ("edited", User("ann"), Group("g"))
    assert (action.action_on.id, action.action_on.text) == (3, "hi")
    data["entities"] = {"by": {"entityType": "group", "entity": {"guid": "g"}}, "on": None, "for": {"entityType": "x"}}
    action = message_from_wire(text_message(category="action", type="groupMember", data=data))
    assert action.action_by is action.action_on is action.action_for is None


def test_interactive_message_has_elements_and_a_goal():
    data = {"interactiveData": {"t": 1}, "interactionGoal": {"type": "none"}, "allowSenderInteraction": True}
    message = message_from_wire(text_message(category="interactive", type="form", data=data))
    assert (message.interactive_data, message.interaction_goal) == ({"t": 1}, {"type": "none"})
    assert message.allow_sender_interaction
    assert message_from_wire(text_message(category="interactive", type="form", data={})).interactive_data == {}


def test_custom_message_with_invalid_data_is_empty():
    message = message_from_wire(text_message(category="custom", type="poll", data={"customData": [1]}))
    assert (message.custom_data, message.update_conversation, message.send_notification) == ({}, True, True)


def test_attachments_with_an_invalid_size_are_kept():
    listed = [{"url": "u", "size": "large", "width": [], "height": "3"}, "not an attachment"]
    message = message_from_wire(text_message(type="image", data={"attachments": listed}))
    assert message.attachments == [Attachment("u", "", "", "", 0, 0, 3)]


def test_file_named_by_its_url_alone_is_an_attachment():
    assert message_from_wire(text_message(type="image", data={"url": "u"})).attachments == [Attachment("u")]
    assert message_from_wire(text_message(type="image", data={})).attachments == []


def test_user_with_uncommon_keys_is_checked_key_by_key():
    user = user_from_wire({"uid": "ann", "tags": ["t"], "blockedByMe": True, "conversationId": "ann_user_bob"})
    assert (user.tags, user.blocked_by_me, user.has_blocked_me) == (["t"], True, False)
    assert user.conversation_id == "ann_user_bob"
    with pytest.raises(BadWire, match="uid is missing"):
        user_from_wire({"uid": "", "tags": []})
    with pytest.raises(BadWire, match="name is not a string"):
        user_from_wire({"uid": "ann", "name": 7})


def test_mapping_that_is_not_a_dict_is_decoded_as_an_object():
    assert user_from_wire(UserDict({"uid": "ann"})) == User("ann")
    with pytest.raises(BadWire, match="group is not an object"):
        group_from_wire([])


def test_change_of_a_decoded_user_does_not_change_the_next_equal_one():
    sent = {"uid": "twin", "name": "Twin", "status": "available", "createdAt": 4}
    first, second = user_from_wire(dict(sent)), user_from_wire(dict(sent))
    assert first == second
    first.tags.append("changed")
    first.metadata["changed"] = 1
    assert user_from_wire(dict(sent)) == second


def test_memory_of_recent_users_is_bounded():
    for n in range(2 * codec._MAX_RECENT_USERS + 10):
        assert user_from_wire({"uid": f"u{n}", "name": str(n)}).name == str(n)
        assert len(codec._recent) <= codec._MAX_RECENT_USERS
    assert user_from_wire({"uid": "u1", "name": "changed"}).name == "changed"


def test_change_of_decoded_metadata_does_not_change_what_was_received():
    sent = {"uid": "ann", "metadata": {"k": 1}}
    first = user_from_wire(sent)
    first.metadata["k"] = 2
    assert user_from_wire(sent).metadata == {"k": 1}


USER = {
    "uid": "ann", "name": "Ann", "avatar": "https://a", "link": "https://l", "role": "support", "status": "available",
    "statusMessage": "away at sea", "lastActiveAt": 11, "metadata": {"k": 1}, "createdAt": 12, "updatedAt": 13,
}  # fmt: skip


@pytest.mark.parametrize("metadata", [{"k": 1}, {}])
@pytest.mark.parametrize("more", [{}, {"tags": []}], ids=["of the usual form", "of another form"])
def test_usual_fields_of_a_user_are_decoded(more, metadata):
    expected = User(
        "ann", "Ann", "https://a", "https://l", "support", "online", "away at sea", 11, metadata, created_at=12,
        updated_at=13,
    )  # fmt: skip
    for _ in range(2):  # the second time, an equal user is known
        assert user_from_wire({**USER, "metadata": metadata, **more}) == expected


@pytest.mark.parametrize("more", [{}, {"tags": []}], ids=["of the usual form", "of another form"])
@pytest.mark.parametrize("fields", [{}, {"status": "offline"}, {"status": "online"}])
def test_user_with_only_a_uid_and_a_status_has_the_defaults(more, fields):
    expected = User("eve", status=fields.get("status", "offline"))
    for _ in range(2):
        user = user_from_wire({"uid": "eve", **fields, **more})
        assert user == expected
        assert (user.name, user.role, user.avatar, user.metadata, user.tags) == ("", "default", None, {}, [])
        assert (user.last_active_at, user.created_at, user.updated_at) == (0, 0, 0)
        assert (user.blocked_by_me, user.has_blocked_me) == (False, False)


def test_user_who_blocked_the_reader_is_distinguished_from_one_whom_the_reader_blocked():
    user = user_from_wire({"uid": "ann", "hasBlockedMe": True})
    assert (user.blocked_by_me, user.has_blocked_me) == (False, True)


def unset(value: Any, default: Any) -> list[str]:
    return [field.name for field in fields(value) if getattr(value, field.name) == getattr(default, field.name)]


def test_every_field_of_a_user_is_decoded():
    more = {"tags": ["t"], "blockedByMe": True, "hasBlockedMe": True, "conversationId": "c"}
    user = user_from_wire({**USER, **more})
    assert user == User(
        "ann", "Ann", "https://a", "https://l", "support", "online", "away at sea", 11, {"k": 1}, ["t"], 12, 13,
        blocked_by_me=True, has_blocked_me=True, conversation_id="c",
    )  # fmt: skip
    assert unset(user, User("")) == []


@pytest.mark.parametrize("more", [{}, {"tags": []}], ids=["of the usual form", "of another form"])
def test_usual_fields_of_a_text_message_are_decoded(more):
    data = text_message()["data"] | {"metadata": {"k": 1}}
    original = text_message(
        muid="m", conversationId="c", sentAt=1, updatedAt=2, deliveredAt=3, readAt=4, editedAt=5, editedBy="bob",
        deletedAt=6, deletedBy="eve", data=data, **more,
    )  # fmt: skip
    message = message_from_wire(original)
    assert message == TextMessage(
        receiver="bob", text="hi", id=7, muid="m", conversation_id="c", sender=User("ann"), sent_at=1, updated_at=2,
        delivered_at=3, read_at=4, edited_at=5, edited_by="bob", deleted_at=6, deleted_by="eve", metadata={"k": 1},
    )  # fmt: skip
    assert message.raw is original


@pytest.mark.parametrize("number", [1, "1", 2**63 - 1, str(2**63 - 1)])
@pytest.mark.parametrize("more", [{}, {"tags": []}], ids=["of the usual form", "of another form"])
def test_ids_from_one_to_the_largest_of_63_bits_are_valid(number, more):
    assert message_from_wire(text_message(id=number, **more)).id == int(number)


def test_every_field_of_a_group_is_decoded():
    group = group_from_wire({
        "guid": "g", "name": "G", "type": "private", "icon": "i", "description": "d", "owner": "ann", "metadata":
        {"k": 1}, "tags": ["t"], "membersCount": "3", "hasJoined": True, "scope": "admin", "joinedAt": 4,
        "createdAt": 5, "updatedAt": 6, "isBanned": False, "conversationId": "group_g",
    })  # fmt: skip
    assert group == Group(
        guid="g", name="G", type="private", icon="i", description="d", owner="ann", metadata={"k": 1}, tags=["t"],
        members_count=3, has_joined=True, scope="admin", joined_at=4, created_at=5, updated_at=6,
        is_banned_from_group=False, conversation_id="group_g",
    )  # fmt: skip
    assert unset(group, Group("")) == ["password", "is_banned_from_group"]  # a server sends no password
    bare = group_from_wire({"guid": "g", "isBanned": True})
    assert (bare.members_count, bare.has_joined, bare.is_banned_from_group) == (0, False, True)


def test_options_of_a_custom_message_are_on_unless_they_are_turned_off():
    data = {"customData": {}, "updateConversation": False, "sendNotification": False}
    message = message_from_wire(text_message(category="custom", type="poll", data=data))
    assert (message.update_conversation, message.send_notification) == (False, False)
    for data in ({"customData": {}}, {"customData": {}, "updateConversation": True, "sendNotification": True}):
        message = message_from_wire(text_message(category="custom", type="poll", data=data))
        assert (message.update_conversation, message.send_notification) == (True, True)


def test_each_field_of_an_attachment_is_decoded():
    listed = [{
        "url": "u", "name": "n", "extension": "e", "mimeType": "m", "size": "3", "width": 4, "height": 5,
        "thumbnail": "t",
    }]  # fmt: skip
    message = message_from_wire(text_message(type="image", data={"attachments": listed}))
    assert message.attachments == [Attachment("u", "n", "e", "m", 3, 4, 5, "t")]
    assert unset(message.attachments[0], Attachment("")) == []


def test_settings_name_the_port_for_the_scheme():
    data = {"CHAT_HOST": "h", "CHAT_WS_PORT": "80", "CHAT_WSS_PORT": 443, "parameters": {"core": 1}}
    assert ServerSettings.from_wire(data, secure=True) == ServerSettings("h", 443, {"core": 1})
    assert ServerSettings.from_wire(data, secure=False) == ServerSettings("h", 80, {"core": 1})
    assert ServerSettings.from_wire({**data, "parameters": [1]}, secure=True).parameters == {}
    with pytest.raises(ValueError, match="CHAT_HOST"):
        ServerSettings.from_wire({**data, "CHAT_HOST": ""}, secure=True)


def test_settings_disable_analytics_and_name_the_scheme_of_the_server():
    for secure in (False, True):
        wire_settings = settings_to_wire(host="h", port=8480, secure=secure, app_id="a", region="us")
        assert (wire_settings["ANALYTICS_PING_DISABLED"], wire_settings["CHAT_USE_SSL"]) == (True, secure)


def test_custom_message_may_have_the_type_text():
    message = message_from_wire(text_message(category="custom"))
    assert (type(message), message.type) == (CustomMessage, "text")
    assert type(message_from_wire(text_message(type="file"))) is MediaMessage


def test_invalid_parts_of_a_text_message_are_refused_or_left_out():
    data = text_message()["data"]
    assert message_from_wire(text_message(data={**data, "metadata": [1]})).metadata == {}
    with pytest.raises(BadWire, match="text is not a string"):
        message_from_wire(text_message(data={**data, "text": 7}))
    with pytest.raises(BadWire, match="entities is not an object"):
        message_from_wire(text_message(data={**data, "entities": [1]}))
