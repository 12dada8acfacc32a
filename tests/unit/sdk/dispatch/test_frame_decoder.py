"""Every frame type has a handler, and frames reach it or are dropped."""

from __future__ import annotations

import json

import pytest

from tailwire import ConversationPinned, MessagePinned
from tailwire.sdk.dispatch import frame_decoder
from tailwire.sdk.dispatch.drafts import Drafts
from tailwire.sdk.dispatch.frame_decoder import FrameDecoder
from tailwire.sdk.dispatch.typists import Typists
from tailwire.wire.frames import FrameType

DEVICE = "this-device"
PIN = {"type": "pin", "deviceId": "another", "body": {"action": "pinned", "message": {"id": "7"}}}


class Taken:
    """A recording sink, and the frame decoder that fills it."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.connection: list[object] = []
        self.numbers: list[object] = []
        self.frames = FrameDecoder(
            self,
            DEVICE,
            Typists(self.put),
            Drafts(self.put),
            pong=lambda: self.connection.append("pong"),
            throttled=self.connection.append,
            token_answered=self.connection.append,
        )
        self.frames.uid = "alice"

    def take_message(self, message, predecessor):
        self.events.append((message.id, predecessor))

    def take_receipt(self, receipt, number, settled=None):
        self.events.append(receipt)
        self.numbers.append(number)

    def take_change(self, event, number, settled=None):
        self.events.append(event)
        self.numbers.append(number)

    def put(self, event):
        self.events.append(event)

    def take(self, **frame):
        return self.frames.handle(json.dumps(frame))


def test_every_frame_type_has_a_handler():
    assert set(frame_decoder.HANDLERS) == set(FrameType)


def test_pins_become_events():
    taken = Taken()
    taken.take(**PIN)
    taken.take(
        type="conversation_pin",
        body={"action": "unpinned", "conversation": {"conversationType": "user", "conversationWith": {"uid": "bob"}}},
    )
    pinned, conversation = taken.events
    assert isinstance(pinned, MessagePinned)
    assert (pinned.message.id, pinned.pinned) == (7, True)
    assert isinstance(conversation, ConversationPinned)
    assert not conversation.pinned


def test_changes_of_the_conversation_list_become_events(caplog):
    taken = Taken()
    of_group = {"conversationType": "group", "conversationWith": "team"}
    taken.take(type="conversation_list", body={"action": "group", **of_group, "group": {"guid": "team", "name": "T"}})
    taken.take(type="conversation_list", body={"action": "groupRemoved", **of_group})
    taken.take(type="conversation_list", body={"action": "blocks", "conversationType": "", "conversationWith": ""})
    assert [(e.change, e.conversation_type, e.conversation_with) for e in taken.events] == [
        ("group", "group", "team"), ("groupRemoved", "group", "team"), ("blocks", "", ""),
    ]  # fmt: skip
    assert [e.group and e.group.name for e in taken.events] == ["T", None, None]
    assert caplog.text == ""


def test_unreadable_changes_of_the_conversation_list_are_logged_and_dropped(caplog):
    taken = Taken()
    for body in (
        {"action": "of the future"},
        {"action": []},
        {"action": "group"},
        {"action": "group", "group": 3},
        5,
        {},
    ):
        taken.take(type="conversation_list", body=body)
    assert taken.events == []
    assert caplog.text.count("cannot be read") == 6


def test_frames_about_this_device_are_dropped_except_answers_to_its_authentication(caplog):
    taken, own = Taken(), {"deviceId": DEVICE, "sender": "alice"}
    taken.take(**{**PIN, **own})
    taken.take(type="message", **own, body={"id": "8"})
    taken.take(type="auth", **own, body={"status": "ERROR"})
    assert (taken.events, taken.connection, caplog.text) == ([], [None], "")


def test_frames_of_another_user_who_names_this_device_are_handled():
    taken = Taken()
    taken.take(**{**PIN, "deviceId": DEVICE, "sender": "mallory"})
    assert [event.message.id for event in taken.events] == [7]


@pytest.mark.parametrize("frame", [{"type": "of the future"}, {"type": "app_state"}, {"action": "ping"}])
def test_unknown_frames_and_frames_meant_for_a_server_are_ignored(frame, caplog):
    taken = Taken()
    assert taken.take(**frame) is None
    assert (taken.events, taken.connection, caplog.text) == ([], [], "")


@pytest.mark.parametrize("frame", [{"type": ["message"]}, {"type": "presence"}, {"type": "server", "body": 1}])
def test_unreadable_frames_are_logged_and_dropped(frame, caplog):
    taken = Taken()
    assert taken.take(**frame) is None
    assert taken.events == []
    assert "a frame cannot be read" in caplog.text


def test_notices_of_the_server_announce_restarts_and_throttling():
    taken = Taken()
    assert taken.take(type="server", body={"action": "restarting", "within": 3}) == 3.0
    taken.take(type="server", body={"action": "throttled", "shed": ["typing"]})
    assert not taken.frames.receipts_blocked
    taken.take(type="server", body={"action": "throttled"})
    assert taken.frames.receipts_blocked
    taken.take(type="server", body={"action": "throttledNoMore"})
    assert not taken.frames.receipts_blocked
    assert taken.connection == [True, True, False]
