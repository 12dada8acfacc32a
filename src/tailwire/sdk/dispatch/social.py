"""The frames that come more rarely than messages: reactions, transient messages, pins and saves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailwire.sdk.listeners import events as e
from tailwire.wire.codec import message_from_wire
from tailwire.wire.social import conversation_from_wire, reaction_event_from_frame, transient_from_frame


def event_of_frame(kind: str, frame: Mapping[str, Any]) -> e.Event | None:
    """The event that a frame stands for; None for one that is not known.

    Raises:
        BadWire: when it is not what it should be.
    """
    if kind == "reaction":
        added, event = reaction_event_from_frame(frame)
        return e.ReactionChanged(event, added)
    if kind == "transient_message":
        return e.TransientReceived(transient_from_frame(frame))
    body = frame.get("body") or {}
    if kind == "pin":
        return e.MessagePinned(message_from_wire(body.get("message")), body.get("action") == "pinned")
    if kind == "save":
        return e.MessageSaved(message_from_wire(body.get("message")), body.get("action") == "saved")
    if kind == "conversation_pin":
        return e.ConversationPinned(conversation_from_wire(body.get("conversation")), body.get("action") == "pinned")
    return None
