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
    conversation_subjects,
    group_subject,
    user_subject,
)
from tailwire.server.ports.conversations import ConversationKey, group_in, other_in
from tailwire.server.ports.log import LoggedMessage
from tailwire.server.ports.records import MessageRow, Stored
from tailwire.wire.frames import FrameType


def for_sender(caller: Caller, json: bytes, stored: Stored) -> bytes:
    """Return an encoded message for its sender.

    If the sender's client has the feature `chain`, the id of the message before it in the conversation is added, by
    which the client notices that one is missing.
    """
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
    """Return the device (`resource`) from which a stored message was sent, given its body; "" if it is not known."""
    try:
        return _decode_body(body).data.resource
    except (msgspec.DecodeError, RecursionError):
        return ""


def type_and_id(conversation: ConversationKey | None, uid: str) -> tuple[str, str]:
    """Return a conversation as a user names it: `group` and the guid, or `user` and the uid of the other user.

    Both are "" if there is no conversation, or the user does not participate in it.
    """
    guid = group_in(conversation) if conversation else ""
    other = guid or (other_in(conversation, uid) if conversation else "")
    return "group" if guid else "user" if other else "", other


def _caused_by(caller: Caller, frame: bytes, **more: Any) -> FramePublication:
    # The publication of a frame that the device of the caller does not receive.
    return FramePublication(frame, caller.device, caused_by=caller.uid, **more)


class Delivery:
    """Publishes frames to all sockets concerned, except those of the device that caused them.

    The methods return at once: the broker delivers. Their argument `number` is the number of the change in the change
    log, which the frames contain; a client notices by it that it has missed a change.

    Args:
        base: the server's URL, for links to files in frames that no request has caused.

    Attributes:
        stored: a callback, called with the id of each stored message that this process publishes, and with 0 for a
            reaction.
        frames: encodes the frames.
        revoked: remembers why recently revoked tokens are no longer valid.
    """

    def __init__(self, broker: Broker, app_id: str, base: str) -> None:
        self._broker = broker
        self.stored: Callable[[int], None] = lambda message_id: None
        self.frames = EventFrames(app_id, lambda: base)
        self.revoked = RevokedTokens()

    def publish_message(self, stored: Stored, json: bytes, device: str, also: str = "") -> None:
        """Publish a stored message to the participants of its conversation.

        Args:
            stored: the message.
            json: the same message, encoded as its receivers get it.
            device: the device that sent it, which does not receive it; "" if all do.
            also: the uid of a further receiver who is not, or no longer, a member of the group; "" for none.
        """
        row = stored.message
        publication = self._message(row, json, device, stored)
        self.stored(row.id)
        self._to_conversation(row, publication)
        if also:
            self._broker.publish(user_subject(also), publication)

    def _message(self, row: MessageRow, json: bytes, device: str, place: Stored | LoggedMessage) -> FramePublication:
        payload = self.frames.frame(FrameType.MESSAGE, row.sender, device, row.receiver, row.receiver_type, json)
        return FramePublication(
            payload, device, predecessor_id=place.predecessor_id, id=row.id, membership_end=place.membership_end,
            caused_by=row.sender,
        )  # fmt: skip

    def publication_of_logged(self, message: LoggedMessage) -> FramePublication:
        """Return the frame of a message that another process has stored, for this process to pass to its own sockets.

        It shows the message as it was sent, without what was added later.
        """
        row = message.row
        json = without_later(row).json()  # a user who has left the group since may not see the rest
        if message.quoted is not None:
            json = with_quoted(json, message.quoted)
        return self._message(row, json, device_in(row.body), message)

    def publish_typing(self, caller: Caller, receiver: str, receiver_type: str, body: dict[str, Any]) -> None:
        """Publish to a user or a group that the caller started or stopped typing, as `body` says."""
        self._ephemeral(FrameType.TYPING, caller, receiver, receiver_type, body, droppable=True)

    def publish_transient(self, caller: Caller, receiver: str, receiver_type: str, body: dict[str, Any]) -> None:
        """Publish to a user or a group a message that is not stored."""
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
        self._broker.publish(subject, _caused_by(caller, frame, droppable=droppable))

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
        """Publish that the caller has received or read a message and those before it.

        The user `to` and the caller's other devices receive the frame.

        Args:
            caller: the user who has received or read it.
            receiver, receiver_type: the conversation: a uid or guid, and `user` or `group`.
            message_sender: the uid of the sender of the message.
            body: the body of the frame.
            to: the sender of the message if they may learn of the receipt, else the caller.
            number: the number of the change in the change log.
        """
        frame = self.frames.receipt(caller, receiver, receiver_type, message_sender, body)
        for uid in dict.fromkeys((to, caller.uid)):
            self._broker.publish(user_subject(uid), _caused_by(caller, frame, number=number))

    def publish_receipt_of_all(
        self, caller: Caller, guid: str, message_sender: str, body: dict[str, Any], number: int
    ) -> None:
        """Publish to the sender of a message that all members of its group have received or read it.

        The caller is the last of these members.
        """
        frame = self.frames.receipt(caller, guid, "group", message_sender, body)
        self._broker.publish(user_subject(message_sender), _caused_by(caller, frame, number=number))

    def publish_reaction(self, caller: Caller, row: MessageRow, body: dict[str, Any], number: int) -> None:
        """Publish that the caller added or removed a reaction, to the participants of the message's conversation."""
        self.stored(0)
        publication = _caused_by(caller, self.frames.reaction(caller, row, body), number=number)
        self._to_conversation(row, publication)

    def to_conversation(self, caller: Caller, row: MessageRow, frame: bytes, number: int) -> None:
        """Publish a frame to the participants of a message's conversation."""
        publication = _caused_by(caller, frame, number=number)
        self._to_conversation(row, publication)

    def to_members(self, caller: Caller, guid: str, frame: bytes, number: int, *, feature: str = "") -> None:
        """Publish a frame to the members of a group, except to the caller's device.

        Args:
            caller: the user who caused the frame.
            guid: the group.
            frame: the frame.
            number: the number of the change in the change log.
            feature: only sockets with this feature receive the frame; "" for all.
        """
        self._publish(caller, group_subject(guid), frame, number, feature)

    def to_own_devices(self, caller: Caller, frame: bytes, number: int, *, feature: str = "") -> None:
        """Publish a frame to the caller's other devices; with a `feature`, only to those that have it."""
        self._publish(caller, user_subject(caller.uid), frame, number, feature)

    def _publish(self, caller: Caller, subject: str, frame: bytes, number: int, feature: str) -> None:
        self._broker.publish(subject, _caused_by(caller, frame, feature=feature, number=number))

    def publish_own_list_change(
        self, caller: Caller, action: str, number: int, conversation: ConversationKey | None = None
    ) -> None:
        """Publish to the caller's other devices that their list of conversations has changed, or their blocks.

        It is for changes for which there is no other frame. Only sockets with the feature `lists` receive it.

        Args:
            caller: the user.
            action: `changed` or `removed` for a conversation; `blocks` for the blocks.
            number: the number of the change in the change log.
            conversation: the key of the conversation; None with `blocks`.
        """
        frame = self.frames.list_change(caller, action, *type_and_id(conversation, caller.uid))
        self.to_own_devices(caller, frame, number, feature="lists")

    def publish_removed_conversation(
        self, caller: Caller, conversation: ConversationKey, numbers: Mapping[str, int]
    ) -> None:
        """Publish to all participants that a conversation was removed with its messages.

        Args:
            caller: who removed it.
            conversation: its key.
            numbers: the number of the change in the change log for each participant, by uid. For a group there is one
                for all members, with the key "".
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
        """Publish whether a user is online. Under load, the frame may be dropped.

        Args:
            uid: the user.
            role: the user's role: sockets that subscribed to this role receive the frame.
            body: the body of the frame.
            friends: the uids of the user's friends: their sockets that subscribed to friends receive the frame.
            hidden_from: the uids of the users whom the user has blocked or who have blocked the user: none of their
                sockets receives it.
            feature: only sockets with this feature receive the frame; "" for all.
        """
        frame = self.frames.frame(FrameType.PRESENCE, uid, "", uid, "user", encode(body))
        audience = PresenceAudience(role, friends, hidden_from, feature)
        publication = FramePublication(frame, droppable=True, audience=audience)
        self._broker.publish(PRESENCE_SUBJECT, publication)

    def change_subscription(self, uid: str, guid: str, *, joined: bool, message_id: int = 0) -> None:
        """Have a user's sockets receive the frames of a group from now on, or (`joined` is False) no longer.

        Args:
            uid: the user.
            guid: the group.
            joined: whether the user has become a member.
            message_id: the id of the message in the group that announces the change; 0 if there is none.
        """
        self._broker.publish(user_subject(uid), MembershipChange(guid, joined, message_id))

    def close_revoked(self, uid: str, token: str, reason: str) -> None:
        """Have the sockets that were opened with a revoked token closed, on all processes.

        Args:
            uid: the user to whom the token belonged.
            token: the fingerprint of the token.
            reason: why it was revoked, for the log if it is used again.
        """
        self.revoked.add(token, uid, reason)
        self._broker.publish(user_subject(uid), TokenRevoked(token))

    def _to_conversation(self, row: MessageRow, publication: FramePublication) -> None:
        for subject in conversation_subjects(row.conversation_id):
            self._broker.publish(subject, publication)
