"""Publishes frames to the users concerned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.event_frames import EventFrames
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.rendering import with_quoted, without_later
from tailwire.server.auth.revoked_tokens import RevokedTokens
from tailwire.server.fanout.frames import with_before
from tailwire.server.ports.broker import (
    PRESENCE_SUBJECT,
    Broker,
    FramePublication,
    MembershipChange,
    PresenceAudience,
    TokenRevoked,
    group_subject,
    user_subject,
)
from tailwire.server.ports.conversations import ConversationKey, group_in, other_in
from tailwire.server.ports.log import LoggedMessage
from tailwire.server.ports.records import MessageRow, Stored
from tailwire.wire.frames import FrameType


def for_sender(caller: Caller, json: bytes, stored: Stored) -> bytes:
    """Return an encoded message for its sender, with the id of the message before it if their client has `chain`."""
    return (
        with_before(json, stored.predecessor_id, stored.membership_end)
        if stored.predecessor_id and caller.chained
        else json
    )


class _Data(msgspec.Struct):
    resource: str = ""


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_decode_body = msgspec.json.Decoder(_Body).decode


def device_in(body: bytes) -> str:
    """Return the device that a stored message was sent from; "" if it is not known."""
    try:
        return _decode_body(body).data.resource
    except (msgspec.DecodeError, RecursionError):
        return ""


def type_and_id(conversation: ConversationKey | None, uid: str) -> tuple[str, str]:
    """Return the type of a conversation and the guid or uid by which a user knows it; both "" without one."""
    guid = group_in(conversation) if conversation else ""
    other = guid or (other_in(conversation, uid) if conversation else "")
    return "group" if guid else "user" if other else "", other


class Delivery:
    """Publishes frames to all sockets concerned, except those of the device that caused them.

    Args:
        base: the server's URL, for links to files in frames that no request has caused.

    Attributes:
        stored: called with the id of each stored message that is published here, and with 0 for a reaction.
        frames: encodes what is published.
        revoked: why recent tokens ceased to be valid.
    """

    def __init__(self, broker: Broker, app_id: str, base: str) -> None:
        self._broker = broker
        self.stored: Callable[[int], None] = lambda message_id: None
        self.frames = EventFrames(app_id, lambda: base)
        self.revoked = RevokedTokens()

    def publish_message(self, stored: Stored, json: bytes, device: str, also: str = "") -> None:
        """Publish a stored message.

        Args:
            stored: the message.
            json: the same message, encoded as its receivers get it.
            device: the device that sent it, which does not receive it; "" if all do.
            also: the uid of a further receiver, who is not a member of the group; "" for none.
        """
        row = stored.message
        publication = self._message(row, json, device, stored)
        self.stored(row.id)
        self._to_conversation(row.sender, row.receiver, row.receiver_type, publication)
        if also:
            self._broker.publish(user_subject(also), publication)

    def _message(self, row: MessageRow, json: bytes, device: str, place: Stored | LoggedMessage) -> FramePublication:
        payload = self.frames.frame(FrameType.MESSAGE, row.sender, device, row.receiver, row.receiver_type, json)
        return FramePublication(
            payload, device, predecessor_id=place.predecessor_id, id=row.id, membership_end=place.membership_end
        )

    def publication_of_logged(self, message: LoggedMessage) -> FramePublication:
        """Return the publication of a message that another process has stored."""
        row = message.row
        json = without_later(row).json()  # a user who has left the group since may not see the rest
        if message.quoted is not None:
            json = with_quoted(json, message.quoted)
        return self._message(row, json, device_in(row.body), message)

    def publish_typing(self, caller: Caller, receiver: str, receiver_type: str, body: dict[str, Any]) -> None:
        """Publish that the caller started or stopped typing."""
        self._ephemeral(FrameType.TYPING, caller, receiver, receiver_type, body, droppable=True)

    def publish_transient(self, caller: Caller, receiver: str, receiver_type: str, body: dict[str, Any]) -> None:
        """Publish a message that is not stored."""
        self._ephemeral(FrameType.TRANSIENT, caller, receiver, receiver_type, body, droppable=False)

    def _ephemeral(
        self,
        kind: FrameType,
        caller: Caller,
        receiver: str,
        receiver_type: str,
        body: dict[str, Any],
        *,
        droppable: bool,
    ) -> None:
        frame = self.frames.frame(kind, caller.uid, caller.device, receiver, receiver_type, encode(body))
        subject = group_subject(receiver) if receiver_type == "group" else user_subject(receiver)
        self._broker.publish(subject, FramePublication(frame, caller.device, droppable=droppable))

    def publish_receipt(
        self,
        caller: Caller,
        receiver: str,
        receiver_type: str,
        message_sender: str,
        body: dict[str, Any],
        to: str,
        number: int,
    ) -> None:
        """Publish that the caller received or read a conversation, to one user and to the caller's other devices.

        Args:
            to: the message's sender if they may be notified, else the caller.
            number: the number of the change, as in all methods below.
        """
        frame = self.frames.receipt(caller, receiver, receiver_type, message_sender, body)
        for uid in dict.fromkeys((to, caller.uid)):
            self._broker.publish(user_subject(uid), FramePublication(frame, caller.device, number=number))

    def publish_receipt_of_all(
        self, caller: Caller, guid: str, message_sender: str, body: dict[str, Any], number: int
    ) -> None:
        """Publish to the sender of a message that all members of its group have received or read it."""
        frame = self.frames.receipt(caller, guid, "group", message_sender, body)
        self._broker.publish(user_subject(message_sender), FramePublication(frame, caller.device, number=number))

    def publish_reaction(self, caller: Caller, row: MessageRow, body: dict[str, Any], number: int) -> None:
        """Publish that the caller added or removed a reaction."""
        self.stored(0)
        publication = FramePublication(self.frames.reaction(caller, row, body), caller.device, number=number)
        self._to_conversation(row.sender, row.receiver, row.receiver_type, publication)

    def to_conversation(self, caller: Caller, row: MessageRow, frame: bytes, number: int) -> None:
        """Publish a frame to the participants of a message's conversation."""
        publication = FramePublication(frame, caller.device, number=number)
        self._to_conversation(row.sender, row.receiver, row.receiver_type, publication)

    def to_members(self, caller: Caller, guid: str, frame: bytes, number: int, *, feature: str = "") -> None:
        """Publish a frame to the members of a group, except to the caller's device.

        Args:
            number: the number of the change in the change log.
            feature: only sockets with this feature receive the frame; "" for all.
        """
        self._publish(caller, group_subject(guid), frame, number, feature)

    def to_own_devices(self, caller: Caller, frame: bytes, number: int, *, feature: str = "") -> None:
        """Publish a frame to the caller's other devices."""
        self._publish(caller, user_subject(caller.uid), frame, number, feature)

    def _publish(self, caller: Caller, subject: str, frame: bytes, number: int, feature: str) -> None:
        self._broker.publish(subject, FramePublication(frame, caller.device, feature=feature, number=number))

    def publish_own_list_change(
        self, caller: Caller, action: str, number: int, conversation: ConversationKey | None = None
    ) -> None:
        """Publish to the caller's other devices a change of their conversations that no other frame reports.

        Args:
            action: `changed` or `removed`; `blocks` without a conversation.
            conversation: its key.
        """
        frame = self.frames.list_change(caller, action, *type_and_id(conversation, caller.uid))
        self.to_own_devices(caller, frame, number, feature="lists")

    def publish_removed_conversation(
        self, caller: Caller, conversation: ConversationKey, numbers: Mapping[str, int]
    ) -> None:
        """Publish to all participants that a conversation was removed with its messages.

        Args:
            numbers: the numbers of the change, by the uids of the participants; by "" for a group.
        """
        guid = group_in(conversation)
        if guid:
            frame = self.frames.list_change(caller, "removed", "group", guid)
            self.to_members(caller, guid, frame, numbers[""], feature="lists")
            return
        for uid, number in numbers.items():
            frame = self.frames.list_change(caller, "removed", *type_and_id(conversation, uid))
            self._publish(caller, user_subject(uid), frame, number, "lists")

    def publish_presence(
        self,
        uid: str,
        role: str,
        body: dict[str, Any],
        friends: frozenset[str],
        hidden_from: frozenset[str],
        feature: str = "",
    ) -> None:
        """Publish the presence of a user.

        Args:
            role: the user's role, for sockets that subscribed to roles.
            friends: the uids of the user's friends, for sockets that subscribed to friends.
            hidden_from: the uids of the users with a block between them and the user.
            feature: restricts the frame to sockets with this feature.
        """
        frame = self.frames.frame(FrameType.PRESENCE, uid, "", uid, "user", encode(body))
        audience = PresenceAudience(role, friends, hidden_from, feature)
        publication = FramePublication(frame, droppable=True, audience=audience)
        self._broker.publish(PRESENCE_SUBJECT, publication)

    def change_subscription(self, uid: str, guid: str, *, joined: bool, message_id: int = 0) -> None:
        """Subscribe a user's sockets to a group, or unsubscribe them.

        Args:
            message_id: the id of the message that announces the change; 0 if there is none.
        """
        self._broker.publish(user_subject(uid), MembershipChange(guid, joined, message_id))

    def close_revoked(self, uid: str, token: str, reason: str) -> None:
        """Close the sockets that a revoked token opened.

        Args:
            reason: why the token was revoked, for the log if it is used again.
        """
        self.revoked.add(token, uid, reason)
        self._broker.publish(user_subject(uid), TokenRevoked(token))

    def _to_conversation(self, sender: str, receiver: str, receiver_type: str, publication: FramePublication) -> None:
        if receiver_type == "group":
            self._broker.publish(group_subject(receiver), publication)
            return
        self._broker.publish(user_subject(receiver), publication)
        if sender != receiver:
            self._broker.publish(user_subject(sender), publication)
