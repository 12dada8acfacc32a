"""The codec accepts any value and raises only `BadWire`."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.wire.catalogue import CATALOGUE, entry
from tailwire.wire.codec import (
    BadWire,
    group_from_wire,
    message_from_wire,
    user_from_wire,
)
from tailwire.wire.encoding import message_to_wire
from tailwire.wire.entities import Attachment, CustomMessage, MediaMessage, TextMessage
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


@given(likely)
def test_any_value_is_decoded_or_refused(value):
    readers = [user_from_wire, group_from_wire, message_from_wire]
    if isinstance(value, dict):
        readers += [receipt_from_frame, typing_from_frame]
    for read in readers:
        with contextlib.suppress(BadWire):
            read(value)


@given(st.text(), st.text(max_size=30), st.integers(1, 2**62))
def test_text_message_survives_a_round_trip(text, muid, message_id):
    sent = TextMessage(receiver="bob", text=text, muid=muid, tags=["a"], metadata={"k": [1]})
    came = message_from_wire({**message_to_wire(sent), "id": str(message_id), "sender": "alice"})
    assert isinstance(came, TextMessage)
    assert (came.text, came.muid, came.id, came.tags, came.metadata) == (text, muid, message_id, ["a"], {"k": [1]})
    assert came.sender.uid == "alice"


def test_other_messages_survive_a_round_trip():
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


def test_every_code_has_a_message_and_details():
    for code in CATALOGUE:
        assert entry(code).message
        assert entry(code).details
        assert entry(code).status == 0 or 400 <= entry(code).status < 600


def test_settings_survive_a_round_trip():
    data = settings_to_wire(host="h", port=8480, secure=False, app_id="a", region="us")
    assert ServerSettings.from_wire(data, secure=False) == ServerSettings("h", 8480)
    assert "CHAT_HOST_OVERRIDE" not in data
    for broken in ({}, {"CHAT_HOST": 1}, {"CHAT_HOST": "h"}, {"CHAT_HOST": "h", "CHAT_WSS_PORT": "x"}):
        with pytest.raises(ValueError):
            ServerSettings.from_wire(broken, secure=True)
