"""Encodes events as frames. Except for messages, a frame is the same live and when a client catches up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.raw_json import encode, with_field
from tailwire.server.fanout.frames import frame_head
from tailwire.server.ports.conversations import id_of
from tailwire.server.ports.file_urls import server_url, with_address
from tailwire.server.ports.records import MessageRow
from tailwire.wire.frames import FrameType


class EventFrames:
    """Encodes the frames of events.

    Args:
        app_id: the id of the app, which each frame contains.
        base: returns the server's URL, for links to files in frames that no request has caused.
    """

    def __init__(self, app_id: str, base: Callable[[], str]) -> None:
        self._app = encode(app_id)
        self._base = base

    def frame(
        self, kind: FrameType, sender: str, device: str, receiver: str, receiver_type: str, body: bytes | msgspec.Raw
    ) -> bytes:
        """Return an encoded frame. Relative URLs of files in it are completed with the address of the server.

        Args:
            kind: the type of the frame.
            sender: the uid of the user who caused it.
            device: the device that caused it; "" for none.
            receiver, receiver_type: a uid or guid, and `user` or `group`.
            body: the encoded body.
        """
        group = b'"group"' if receiver_type == "group" else b'"user"'
        head = frame_head(kind, encode(receiver), group, encode(device), encode(sender), self._app)
        return with_address(b"%b%b}" % (head, body), server_url.get(self._base))

    def receipt(
        self, caller: Caller, receiver: str, receiver_type: str, message_sender: str, body: dict[str, Any]
    ) -> bytes:
        """Return the frame for a receipt: the caller, or all members of a group, have received or read a message.

        Args:
            caller: the user who has received or read it; of all members, the last one.
            receiver, receiver_type: the conversation: a uid or guid, and `user` or `group`.
            message_sender: the uid of the sender of the message.
            body: the body, not encoded.
        """
        frame = self.frame(FrameType.RECEIPTS, caller.uid, caller.device, receiver, receiver_type, encode(body))
        return with_field(frame, b"messageSender", encode(message_sender))

    def reaction(self, caller: Caller, row: MessageRow, body: dict[str, Any]) -> bytes:
        """Return the frame for a reaction that the caller added to a message or removed from it.

        Args:
            caller: the user.
            row: the message.
            body: the `action` and the reaction; the conversation is added to it.
        """
        receiver = row.receiver
        if row.receiver_type == "user" and caller.uid == row.receiver:
            receiver = row.sender
        body |= {
            "conversationId": id_of(row.conversation_id),
            "receiverId": receiver,
            "receiverType": row.receiver_type,
        }
        if row.parent_id is not None:
            body["parentMessageId"] = str(row.parent_id)
        return self.frame(FrameType.REACTION, caller.uid, caller.device, receiver, row.receiver_type, encode(body))

    def pin(self, caller: Caller, row: MessageRow, action: str, json: bytes) -> bytes:
        """Return the frame for a message that the caller `pinned` or `unpinned` (`action`); `json` is the message."""
        body = encode({"action": action, "message": msgspec.Raw(json)})
        return self.frame(FrameType.PIN, caller.uid, caller.device, row.receiver, row.receiver_type, body)

    def save(self, caller: Caller, action: str, json: bytes) -> bytes:
        """Return the frame for a message that the caller `saved` or `unsaved` (`action`); `json` is the message."""
        body = encode({"action": action, "message": msgspec.Raw(json)})
        return self.frame(FrameType.SAVE, caller.uid, caller.device, caller.uid, "user", body)

    def conversation_pin(self, caller: Caller, action: str, json: bytes) -> bytes:
        """Return the frame for a conversation, given as JSON, that the caller `pinned` or `unpinned` (`action`)."""
        body = encode({"action": action, "conversation": msgspec.Raw(json)})
        return self.frame(FrameType.CONVERSATION_PIN, caller.uid, caller.device, caller.uid, "user", body)

    def list_change(self, caller: Caller, action: str, kind: str, other: str, **more: Any) -> bytes:
        """Return the frame for a change in a user's list of conversations, blocks or groups.

        Args:
            caller: the user who caused it.
            action: what happened, such as `changed`, `removed` or `blocks`.
            kind, other: the conversation: `user` or `group`, and a uid or guid; both "" for the blocks.
            more: further fields of the body.
        """
        body = encode({"action": action, "conversationType": kind, "conversationWith": other, **more})
        return self.frame(FrameType.CONVERSATION_LIST, caller.uid, caller.device, other, kind, body)
